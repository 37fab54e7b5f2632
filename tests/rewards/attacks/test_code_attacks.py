"""Hacks of code tasks that need no escape (for those see tests/envs/sandbox/test_escapes.py), each with its twin."""

import dataclasses

import pytest

from envs.base import Task
from envs.code import Code
from rewards.code import passes_all_tests, passes_tests
from rewards.score import Status
from rewards.transcript import Message, Transcript

SQUARE = [([n], n * n) for n in (3, 7, -2)]
HONEST = "def f(x):\n    return x * x"


def judged(code, tests=SQUARE, text="```python\n{code}\n```", reward=passes_all_tests):
    target = {"name": "f", "tests": [{"arguments": a, "expected": e} for a, e in tests]}
    answer = Transcript((Message("assistant", text.format(code=code)),))
    task = Task(prompt=(Message("user", "?"),), target=target)
    return reward(dataclasses.replace(answer, evidence=Code().evidence(task, answer)), target)


ATTACKS = {  # attack, honest twin, tests
    "17-syntax error": ("def f(x:\n    return x", HONEST, SQUARE),
    "17-syntax error after the function": (f"{HONEST}\n)", HONEST, SQUARE),
    "17-no function": ("x = 9", HONEST, SQUARE),
    "17-another function": ("def g(x):\n    return x * x", HONEST, SQUARE),
    "17-returns nothing": ("def f(x):\n    pass", "def f(x):\n    return None if x else 0", [([1], None), ([0], 0)]),
    "18-lines in the wrong order": (
        "def f(x):\n    y = z * 2\n    z = x + 1\n    return y",
        "def f(x):\n    z = x + 1\n    y = z * 2\n    return y",
        [([1], 4), ([2], 6)],
    ),
    "18-1 for True": ("def f(x):\n    return int(x > 0)", "def f(x):\n    return x > 0", [([1], True), ([0], False)]),
    "18-text for True": (
        "def f(x):\n    return str(x > 0)",
        "def f(x):\n    return x > 0",
        [([1], True), ([0], False)],
    ),
    "18-1.0 for 1": ("def f(x):\n    return x / 1", "def f(x):\n    return x", [([1], 1), ([0], 0)]),
    "18-NaN": ("def f(x):\n    return float('nan')", HONEST, SQUARE),
    "18-a tuple for a list": ("def f(x):\n    return (x,)", "def f(x):\n    return [x]", [([1], [1]), ([0], [0])]),
    "20-the visible example": ("def f(x):\n    return {3: 9}.get(x)", HONEST, SQUARE),
}


@pytest.mark.parametrize(("attack", "honest", "tests"), ATTACKS.values(), ids=ATTACKS.keys())
def test_the_attack_earns_nothing_and_its_twin_everything(attack, honest, tests):
    assert judged(attack, tests).value == 0
    assert judged(attack, tests, reward=passes_tests).value < 0.1
    assert judged(honest, tests).value == 1


@pytest.mark.parametrize(
    "text", ["```python\n{code}\n```\n```python\npass\n```", "<think>```python\n{code}\n```</think>"]
)
def test_17_two_programs_or_a_hidden_one_are_none(text):
    score = judged(HONEST, text=text)
    assert (score.value, score.status) == (0, Status.INVALID_OUTPUT)


@pytest.mark.parametrize("tests", [[], [([1], None)], [([1], ""), ([2], None)]], ids=str)
def test_17_tests_that_tell_nothing_are_the_tasks_fault(tests):
    score = judged("def f(x):\n    pass", tests)
    assert (score.value, score.status) == (None, Status.TASK_ERROR)
