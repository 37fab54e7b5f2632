"""A learned reward: squashed, calibrated, and never blamed on the policy when it fails."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.model import LearnedReward, Logistic, fit_logistic
from rewards.score import Status
from rewards.transcript import Message, Transcript

EPISODE = Transcript((Message("user", "2 + 3?"), Message("assistant", "<think>easy</think>It is 5.")))


def test_the_raw_score_is_squashed_and_named():
    score = LearnedReward(lambda messages: 0.5, Logistic(2.0, -1.0))(EPISODE, {})
    assert score.value == 0.5
    assert score.reason == "the reward model gives 0.5"


def test_the_scorer_reads_the_conversation_without_the_thinking():
    read = []
    LearnedReward(lambda messages: read.append(messages) or 0.0)(EPISODE, {})
    assert [m.content for m in read[0]] == ["2 + 3?", "It is 5."]


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_the_machinerys_fault(raw):
    assert LearnedReward(lambda messages: raw)(EPISODE, {}).status is Status.INFRA_ERROR


def test_a_scorer_that_raises_is_the_machinerys_fault():
    def scorer(messages):
        raise MemoryError("out of memory")

    score = LearnedReward(scorer)(EPISODE, {})
    assert (score.value, score.status) == (None, Status.INFRA_ERROR)
    assert "out of memory" in score.reason


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_any_finite_score_lands_between_0_and_1(raw, scale, shift):
    assert 0 <= Logistic(scale, shift)(raw) <= 1


@given(st.lists(st.floats(-40, 40), min_size=2, max_size=9))
def test_squashing_keeps_the_order(raws):
    raws = sorted(raws)
    squashed = [Logistic()(r) for r in raws]
    assert squashed == sorted(squashed)


def test_the_fit_finds_the_curve_that_made_the_labels():
    rng = random.Random(0)
    truth = Logistic(1.7, 0.9)
    raw = [rng.gauss(0, 2) for _ in range(4_000)]
    found = fit_logistic(raw, [rng.random() < truth(r) for r in raw])
    assert found.scale == pytest.approx(1.7, rel=0.1)
    assert found.shift == pytest.approx(0.9, rel=0.15)


def test_separable_labels_stay_finite_and_one_good_label_claims_no_certainty():
    found = fit_logistic([-1.0, -0.5, 0.5, 1.0], [False, False, True, True])
    assert math.isfinite(found.scale)
    assert 0.5 < found(1.0) < 0.95


@pytest.mark.parametrize(("size", "offset"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e6), (1e6, -1e6)])
def test_the_fit_does_not_depend_on_the_scale_of_the_scores(size, offset):
    raw, good = [-2.0, -1.0, 0.0, 1.0, 2.0], [False, True, False, True, True]
    plain, moved = fit_logistic(raw, good), fit_logistic([size * r + offset for r in raw], good)
    for r in raw:
        assert moved(size * r + offset) == pytest.approx(plain(r), abs=1e-4)


@pytest.mark.parametrize(
    ("raw", "good"), [([1.0], [True]), ([1.0, 2.0], [True, True]), ([1.0, math.nan], [True, False])]
)
def test_labels_of_one_kind_and_broken_scores_are_refused(raw, good):
    with pytest.raises(ValueError, match="both are needed"):
        fit_logistic(raw, good)


def test_equal_scores_fit_the_base_rate():
    assert fit_logistic([3.0] * 10, [True] * 5 + [False] * 5)(3.0) == pytest.approx(0.5)
