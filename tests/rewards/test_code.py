import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.code import extract_code, passes_all_tests, passes_tests, share_of_tests
from rewards.score import Status
from rewards.transcript import Transcript

PROGRAM = "def f(x):\n    return x\n"


def judged(passed, kind="ok", tests=None):
    evidence = {"tests": {"kind": kind, "passed": passed, "reasons": ["boom"] * len(passed), "reason": "why"}}
    return passes_tests(Transcript((), (), evidence), {"tests": [{}] * (len(passed) if tests is None else tests)})


def test_all_tests_earn_everything_and_some_earn_next_to_nothing():
    assert judged([True, True]).value == 1
    assert judged([True, False]).value == pytest.approx(0.05)
    assert judged([False, False]).value == 0
    assert "boom" in judged([True, False]).reason


@pytest.mark.parametrize(("reward", "half"), [(passes_tests, 0.05), (passes_all_tests, 0), (share_of_tests, 0.5)])
def test_what_half_of_the_tests_earn_is_a_choice(reward, half):
    for passed, value in (([True, True], 1), ([True, False], half), ([False, False], 0)):
        evidence = {"tests": {"kind": "ok", "passed": passed}}
        assert reward(Transcript((), (), evidence), {"tests": [{}, {}]}).value == pytest.approx(value)
    assert reward(Transcript((), (), {"tests": {"kind": "ok", "passed": []}}), {"tests": []}).value is None


def test_no_tests_at_all_are_the_tasks_fault():
    assert judged([]).status is Status.TASK_ERROR
    assert judged([]).value is None


def test_tests_that_were_not_run_are_the_machinerys_fault():
    assert passes_tests(Transcript(()), {"tests": [{}]}).status is Status.INFRA_ERROR


@pytest.mark.parametrize("kind", ["syntax", "runtime", "timeout", "killed"])
def test_how_it_failed_is_said(kind):
    score = judged([], kind, tests=2)
    assert score.value == 0
    assert kind in score.reason


def test_missing_results_never_pass():
    assert judged([True], tests=2).value == 0


def test_a_truthy_result_is_not_true():
    assert judged([1, "yes"]).value == 0


def test_no_program_is_the_policys_fault_and_is_scored():
    score = judged([], "no_code", tests=2)
    assert (score.value, score.status) == (0, Status.INVALID_OUTPUT)


@pytest.mark.parametrize(
    "text",
    [
        PROGRAM,
        f"```python\n{PROGRAM}```",
        f"```py\n{PROGRAM}```",
        f"```\n{PROGRAM}```",
        f"Here it is:\n\n```python\n{PROGRAM}```\nIt returns x.",
    ],
)
def test_one_program_is_found(text):
    assert extract_code(text).strip() == PROGRAM.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't.",
        f"```python\n{PROGRAM}```\n```python\n{PROGRAM}```",
        f"```python\n{PROGRAM}",
        f"```python\n{PROGRAM}```\n```",
        "x = 1 # " + "a" * 30_000,
    ],
)
def test_no_program_or_two_are_none(text):
    assert extract_code(text) is None


@given(st.text(max_size=200))
def test_any_text_gives_a_program_or_none(text):
    assert extract_code(text) is None or isinstance(extract_code(text), str)
