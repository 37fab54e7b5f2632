"""CodeDebug: the classics are right, bugs are bugs, the bench does what it says, and only the program counts."""

import ast
import itertools
import random
import re

import numpy as np
import pytest
import sympy

import envs
from envs.broken_programs import _classics, bugs, changed_lines, make_right, results, with_bugs
from envs.classic_programs import CLASSICS
from envs.code_debug import Workbench
from envs.tools import ToolError


def by_regex(text):
    while (shorter := re.sub(r"\(\)|\[\]", "", text)) != text:
        text = shorter
    return text == ""


def runs(values):
    lengths = [0, *([1] if values else [])]
    for a, b in itertools.pairwise(values):
        lengths.append(lengths[-1] + 1 if b > a else 1)
    return max(lengths)


def numeral(n):
    ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    tens = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"]
    return tens[n // 10] + ones[n % 10]


def shifted(text, k):
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    k %= 26
    return text.translate(str.maketrans(alphabet, alphabet[k:] + alphabet[:k]))


REFERENCES = {
    "binary_search": lambda v, t: v.index(t) if t in v else -1,
    "run_lengths": lambda t: "".join(f"{k}{len(list(g))}" for k, g in itertools.groupby(t)),
    "merge": lambda a, b: sorted(a + b),
    "primes": lambda n: list(sympy.primerange(n + 1)),
    "balanced": by_regex,
    "longest_run": runs,
    "to_base": np.base_repr,
    "rotate": lambda v, k: [v[(i - k) % len(v)] for i in range(len(v))],
    "two_sum": lambda v, t: next(([i, j] for i, j in itertools.combinations(range(len(v)), 2) if v[i] + v[j] == t), []),
    "caesar": shifted,
    "bubble_sort": sorted,
    "roman": numeral,
    "moving_sums": lambda v, k: [sum(v[i : i + k]) for i in range(max(0, len(v) - k + 1))],
    "digital_root": lambda n: 1 + (n - 1) % 9 if n else 0,
    "transpose": lambda m: [list(column) for column in zip(*m, strict=True)],
    "common_prefix": lambda a, b: a[: next((i for i in range(len(a)) if a[i : i + 1] != b[i : i + 1]), len(a))],
}


@pytest.mark.parametrize(("function", "inputs"), CLASSICS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_classic_is_right_and_survives_being_taken_from_its_file(function, inputs):
    rng = random.Random(function.__name__)
    program = next(p for p in _classics() if p.name == function.__name__)
    assert '"""' not in program.source
    for _ in range(100):
        arguments = inputs(rng)
        wanted = REFERENCES[function.__name__](*arguments)
        assert results(program.source, program.name, [arguments]) == [wanted] == [function(*arguments)]


def test_bugs_change_single_lines_and_most_of_them_show():
    rng, shown, tried = random.Random(0), 0, 0
    for i in range(60):
        right = make_right(rng, i / 59)
        count = 1 + i % 3
        try:
            broken = with_bugs(rng, right.source, count)
            inputs = [right.inputs(rng) for _ in range(16)]
            tried += 1
            shown += results(broken, right.name, inputs) != results(right.source, right.name, inputs)
        except (ValueError, TimeoutError):
            continue
        assert len(changed_lines(right.source, broken)) == count
        ast.parse(broken)
    assert tried > 40
    assert shown > 0.7 * tried


def test_every_kind_of_bug_is_known():
    source = "def f(a, b):\n    if a < 1 and not b:\n        return max(a, 2) - 1\n    a += 2\n    return a in b"
    found = set()
    for i in range(len(list(bugs(ast.parse(source))))):
        tree = ast.parse(source)
        list(bugs(tree))[i]()
        found.add(ast.unparse(ast.fix_missing_locations(tree)))
    for line in ("a <= 1 and", "a > 1 and", "a < 1 or", "not not b", "min(a, 2)", "max(a, 3)", "+ 1", "a -= 2"):
        assert any(line in text for text in found), (line, found)
    assert any("a not in b" in text for text in found)


def test_a_program_that_runs_for_ever_is_noticed():
    with pytest.raises(TimeoutError):
        results("def f():\n    while True:\n        pass", "f", [[]])
    assert results("def f(x):\n    return 1 // x", "f", [[0], [1]]) == [..., 1]


def test_the_bench_edits_lines_and_refuses_those_that_are_not_there():
    bench = Workbench("a\nb\nc", "f", [])
    bench.edit(2, 2, "x\ny")
    assert bench.source == "a\nx\ny\nc"
    bench.edit(1, 3, "")
    assert bench.source == "c"
    for first, last in ((2, 2), (1, 2)):
        with pytest.raises(ToolError, match="lines 1 to 1"):
            bench.edit(first, last, "z")
    with pytest.raises(ToolError, match="10000 characters"):
        bench.edit(1, 1, "x" * 9_999 + "\nzz")
    assert bench.source == "c"
    assert bench.view() == {"program": " 1 c"}


def test_the_bench_runs_the_tests_and_shows_what_fails():
    tests = [{"arguments": [2], "expected": 4}, {"arguments": [3], "expected": 9}]
    bench = Workbench("def square(x):\n    return x + x", "square", tests)
    found = bench.run_tests()
    assert (found["passed"], found["failed"]) == (1, 1)
    assert found["failures"] == [{"call": "square(3)", "expected": "9", "found": "a test gave 6"}]
    bench.edit(2, 2, "    return x * x")
    assert bench.run_tests() == {"passed": 2, "failed": 0, "failures": []}
    bench.edit(2, 2, "    return x *")
    assert bench.run_tests()["error"].startswith("syntax")


def test_the_program_is_judged_even_if_nothing_is_said_about_it():
    env = envs.make("postgym/CodeDebug-v0")
    task = env.sample_task(3)
    act = env.expert(task)
    env.reset(options={"task": task})
    while not isinstance(action := act(env.transcript.messages), str):
        env.step(action)
    assert env.truncate().value == 1
    env.reset(options={"task": task})
    assert env.truncate().value == 0
