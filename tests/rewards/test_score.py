"""Scores, rubrics and whom they blame."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

NOTHING = Transcript((Message("user", "?"),))
UNIT = st.floats(0, 1)


def always(value, status=Status.OK):
    score = Score(value, "because", status=status)
    return lambda transcript, target: score


def judge(*criteria: Criterion) -> Score:
    return Rubric(criteria)(NOTHING, {})


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_a_value_outside_zero_to_one_is_no_score(value):
    with pytest.raises(ValueError, match="outside"):
        Score(value, "")


@pytest.mark.parametrize("status", [Status.TASK_ERROR, Status.INFRA_ERROR])
def test_what_is_not_the_policys_fault_carries_no_value(status):
    assert failure(status, "broken").value is None
    with pytest.raises(ValueError, match="only OK and INVALID_OUTPUT"):
        Score(0.0, "broken", status=status)


@pytest.mark.parametrize("status", [Status.OK, Status.INVALID_OUTPUT])
def test_a_judged_score_needs_a_value(status):
    with pytest.raises(ValueError, match="only OK and INVALID_OUTPUT"):
        Score(None, "", status=status)


def test_a_rubric_is_the_weighted_mean():
    score = judge(Criterion("a", always(1.0), 3), Criterion("b", always(0.5), 1))
    assert score.value == pytest.approx(0.875)
    assert [(p.name, p.value, p.weight) for p in score.parts] == [("a", 1.0, 3), ("b", 0.5, 1)]
    assert "because" in score.reason


def test_a_gate_at_zero_vetoes_everything_and_is_named():
    score = judge(Criterion("gate", always(0.0), 0.1, gate=True), Criterion("b", always(1.0), 1))
    assert score.value == 0
    assert score.reason.startswith("0 because of gate")


def test_a_gate_above_zero_only_weighs():
    assert judge(Criterion("gate", always(0.5), 1, gate=True), Criterion("b", always(1.0), 1)).value == 0.75


@pytest.mark.parametrize("status", [Status.TASK_ERROR, Status.INFRA_ERROR])
def test_a_verdict_without_a_value_wins_over_gates(status):
    broken = lambda transcript, target: failure(status, "no gold")  # noqa: E731
    score = judge(Criterion("gate", always(0.0), gate=True), Criterion("b", broken))
    assert (score.value, score.status) == (None, status)
    assert score.reason == "b: no gold"


def test_invalid_output_is_scored_and_kept():
    score = judge(Criterion("a", always(0.0, Status.INVALID_OUTPUT)), Criterion("b", always(1.0)))
    assert (score.value, score.status) == (0.5, Status.INVALID_OUTPUT)


@pytest.mark.parametrize(
    "criteria",
    [
        [],
        [Criterion("a", always(1.0), 0)],
        [Criterion("a", always(1.0), 2), Criterion("b", always(1.0), -1)],
        [Criterion("a", always(1.0)), Criterion("a", always(1.0))],
    ],
)
def test_senseless_criteria_are_refused(criteria):
    with pytest.raises(ValueError, match="criteria need"):
        Rubric(criteria)


@given(st.lists(st.tuples(UNIT, st.floats(1e-6, 1e6), st.booleans()), min_size=1, max_size=8))
def test_any_rubric_stays_between_its_worst_and_best_part_or_is_vetoed(rows):
    criteria = [Criterion(str(i), always(v), w, gate) for i, (v, w, gate) in enumerate(rows)]
    value = judge(*criteria).value
    values = [v for v, _, _ in rows]
    if any(gate and v == 0 for v, _, gate in rows):
        assert value == 0
    else:
        assert min(values) - 1e-9 <= value <= max(values) + 1e-9
