"""What environments cost: tasks per second, reset and step, memory; against goals, and peers that have the same job.

    python -m scripts.bench.envs --json envs.json --peers peers

reasoning-gym's generators are peers where the package is installed. `--peers DIR` adds those that want other versions
of what postgym uses: `pip install --no-deps --target DIR skyrl-gym gem-llm pylatexenc`. Rows whose peer is "goal"
compare with the figure that postgym holds itself to. Ours draws a difficulty from 0 to 1 for every task; reasoning-gym
makes tasks of its default settings. Times are the CPU's, per core.
"""

import gc
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

import envs
from envs.base import Task, TextEnv
from rewards.transcript import Message
from scripts.bench.processes import in_fresh_process
from scripts.bench.ratios import Ratio, compare, parser, write

OVERHEAD_US, ARITHMETIC_RATE, EVERY_RATE, MEMORY_GB = 100.0, 50_000.0, 200.0, 1.0
EPISODES = 1_000
SECONDS = 0.3  # of one measurement of a rate
SAME_JOB = {  # ours against a generator of reasoning-gym
    "Arithmetic-v0": "chain_sum",
    "Countdown-v0": "countdown",
    "Sudoku-v0": "sudoku",
    "Knights-v0": "knights_knaves",
    "Maze-v0": "maze",
    "Dates-v0": "calendar_arithmetic",
    "WordProblems-v0": "gsm_symbolic",
}
_INSTALL = "pip install --no-deps --target DIR skyrl-gym gem-llm pylatexenc, then --peers DIR"
_ARITHMETIC = envs.make("postgym/Arithmetic-v0")
_ANSWERS = ("Answer: {}", "So the result is\n#### {}", "So the result is \\boxed{{{}}}")


def per_second(work: Callable[[int], Any]) -> float:
    """Calls of `work` with 0, 1, 2... per second of one core: what else the machine does is not counted."""
    done, started = 0, time.process_time()
    while (passed := time.process_time() - started) < SECONDS:
        for _ in range(8 if done else 1):
            work(done)
            done += 1
    return done / passed


def against_goal(name: str, measured: Callable[[], float], goal: float, unit: str, repeats: int, more: bool) -> Ratio:
    """The measured figure against the goal; `more` where more is better."""
    return compare(name, measured, lambda: goal, "goal", unit, repeats, higher_is_better=more)


def overhead(env: TextEnv, count: int = 500) -> float:
    """CPU microseconds that reset and step of a single-turn episode take above making the task and judging it."""
    text, seen = "Answer: 1", []
    for seed in range(count):
        env.reset(seed=seed)
        env.step(text)
        seen.append((env.transcript, env.task.target if env.task else {}))
    started = time.process_time()
    for seed in range(count):
        env.reset(seed=seed)
        env.step(text)
    whole = time.process_time()
    for seed, (transcript, target) in enumerate(seen):
        env.sample_task(seed)
        env.rubric(transcript, target)
    own = time.process_time()
    return ((whole - started) - (own - whole)) / count * 1e6


def memory_of_episodes() -> float:
    """GB that this process and its children hold with `EPISODES` episodes under way, over all environments."""
    ids = envs.known_ids()
    playing = []
    for i in range(EPISODES):
        env = envs.make(ids[i % len(ids)])
        env.reset(seed=i)
        assert env.task is not None
        first = env.expert(env.task)(env.transcript.messages)
        if env.max_turns > 1 and isinstance(first, Message) and first.tool_calls:
            env.step(first)
        playing.append(env)
    gc.collect()
    me = psutil.Process()
    held = sum(p.memory_info().rss for p in (me, *me.children(recursive=True)))
    for env in playing:
        env.close()
    return held / 1e9


def generators(repeats: int) -> list[Ratio]:
    """Our tasks per second against reasoning-gym's entries per second, where both have the same job."""
    try:
        import reasoning_gym
    except ImportError:
        print("skipped: reasoning-gym; pip install 'postgym[reasoning-gym]'")
        return []
    found, peer = [], f"reasoning-gym {version('reasoning-gym')}"
    for name, theirs in SAME_JOB.items():
        env, dataset = envs.make(f"postgym/{name}"), reasoning_gym.create_dataset(theirs, seed=0)
        size = len(dataset)
        found.append(
            compare(
                f"{name} and {theirs}",
                lambda env=env: per_second(env.sample_task),
                lambda dataset=dataset, size=size: per_second(lambda i: dataset[i % size]),
                peer,
                "tasks/s",
                repeats,
            )
        )
    return found


def _value(task: Task) -> str:
    return str(task.target["value"])


def our_episodes(tasks: list[Task]) -> Callable[[], float]:
    """Reset and step per second on given tasks, a fresh environment for each as in a rollout."""

    def episode(i: int) -> None:
        task = tasks[i % len(tasks)]
        env = type(_ARITHMETIC)()
        env.reset(options={"task": task})
        assert env.step(_ANSWERS[0].format(_value(task)))[1] == 1

    return lambda: per_second(episode)


def skyrl_episodes(tasks: list[Task]) -> Callable[[], float]:
    """The same of skyrl-gym's GSM8K environment: made, started and stepped once."""
    make = importlib.import_module("skyrl_gym").make

    def episode(i: int) -> None:
        task = tasks[i % len(tasks)]
        env = make("gsm8k", extras={"reward_spec": {"ground_truth": _value(task)}})
        env.init([m.to_dict() for m in task.prompt])
        assert env.step(_ANSWERS[1].format(_value(task)))["reward"] == 1

    return lambda: per_second(episode)


def gem_episodes(tasks: list[Task]) -> Callable[[], float]:
    """The same of gem's MathEnv on the same questions, graded in this process: its faster way."""
    from datasets import Dataset

    rows = [{"problem": t.prompt[-1].content, "answer": _value(t)} for t in tasks]
    env = importlib.import_module("gem.envs.math_env").MathEnv(dataset=Dataset.from_list(rows), use_mp=False)

    def episode(i: int) -> None:
        env.reset()
        assert env.step(_ANSWERS[2].format(env.answer))[1] == 1

    return lambda: per_second(episode)


PEERS = {"skyrl-gym": skyrl_episodes, "gem-llm": gem_episodes}


def episodes(repeats: int) -> list[Ratio]:
    """Reset and step of a single-turn mathematics episode, whole-number answers, against each peer that is there."""
    drawn = (_ARITHMETIC.sample_task(seed) for seed in range(400))
    tasks = [t for t in drawn if _value(t).lstrip("-").isdigit()][:200]
    found = []
    for package, theirs in PEERS.items():
        try:
            peer = f"{package} {version(package)}"
            found.append(
                compare("single-turn episode", our_episodes(tasks), theirs(tasks), peer, "episodes/s", repeats)
            )
        except ImportError as error:
            print(f"skipped: {package} ({error}); {_INSTALL}")
    print("skipped: verifiers 0.4 has no reset and step: its rollouts speak to a served model")
    return found


def goals(repeats: int) -> list[Ratio]:
    """Overhead, rates and memory against what postgym holds itself to."""
    found = [
        against_goal("overhead of reset and step", lambda: overhead(_ARITHMETIC), OVERHEAD_US, "us", repeats, False),
        against_goal(
            "Arithmetic-v0", lambda: per_second(_ARITHMETIC.sample_task), ARITHMETIC_RATE, "tasks/s", repeats, True
        ),
    ]
    for env_id in envs.known_ids():
        env = envs.make(env_id)
        rate = lambda env=env: per_second(env.sample_task)  # noqa: E731
        found.append(against_goal(env_id.partition("/")[2], rate, EVERY_RATE, "tasks/s", min(3, repeats), True))
    slowest = min(found[2:], key=lambda r: r.ours)
    print(f"slowest: {slowest.name}; median {statistics.median(r.ours for r in found[2:]):,.0f} tasks/s")
    found.append(
        against_goal(
            f"{EPISODES:,} episodes at once", lambda: in_fresh_process(memory_of_episodes), MEMORY_GB, "GB", 1, False
        )
    )
    return found


def main() -> int:
    """Measures and prints; peers that aren't there are skipped with the way to install them."""
    options = parser("what environments cost, against goals and peers")
    options.add_argument("--peers", type=Path, metavar="DIR", help="where peers were installed")
    chosen = options.parse_args()
    if chosen.peers:
        sys.path.append(os.fspath(chosen.peers))  # last: nothing of ours is taken from there
    found = goals(chosen.repeats) + generators(chosen.repeats) + episodes(chosen.repeats)
    write(chosen.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
