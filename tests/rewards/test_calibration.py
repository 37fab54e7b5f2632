"""How a judge compares with programmatic scores, by hand-worked numbers."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.calibration import Scored, calibrate, pearson, ranks
from rewards.score import Score, Status, failure
from rewards.transcript import Message, Transcript


def judging(values):
    """A judge that gives the n-th episode the n-th value; None is a failure."""

    def reward(transcript, target):
        value = values[int(transcript.answer)]
        return failure(Status.INFRA_ERROR, "HTTP 500") if value is None else Score(value, f"said {value}")

    return reward


def report(judged, programme):
    episodes = [
        Scored(f"e{i}", Transcript((Message("user", "?"), Message("assistant", str(i)))), {}, value)
        for i, value in enumerate(programme)
    ]
    return calibrate(judging(judged), episodes)


def test_agreement_is_counted_by_side_and_beyond_chance():
    found = report([1.0, 0.9, 0.8, 0.1], [1.0, 1.0, 0.0, 0.0])
    assert found.agreement == 0.75
    assert found.kappa == pytest.approx(0.5)
    assert (found.false_good, found.false_bad) == (0.5, 0.0)
    assert found.bias == pytest.approx(0.2)
    assert found.mean_absolute_error == pytest.approx(0.25)


def test_a_judge_that_passes_everything_agrees_by_chance_alone():
    found = report([1.0] * 10, [1.0] * 9 + [0.0])
    assert found.agreement == 0.9
    assert found.kappa == 0
    assert found.false_good == 1
    assert found.pearson is None


def test_bins_hold_every_judged_episode_and_both_means():
    found = report([0.0, 0.19, 0.2, 0.99, 1.0], [0, 0, 1, 1, 1])
    assert [b.n for b in found.bins] == [2, 1, 0, 0, 2]
    assert found.bins[0].judged == pytest.approx(0.095)
    assert found.bins[1].programme == 1
    assert found.bins[2].judged is None


def test_episodes_without_a_verdict_are_counted_and_left_out():
    found = report([None, 1.0, 0.0], [1.0, 1.0, 0.0])
    assert (found.n, found.unjudged, found.agreement) == (2, 1, 1.0)
    assert found.unjudged_reasons == ("HTTP 500",)


def test_nothing_judged_is_a_report_too():
    found = report([None], [1.0])
    assert found.agreement is None
    assert "0 episodes judged, 1 without" in found.to_markdown()


def test_the_furthest_apart_are_named():
    text = report([1.0, 0.4, 1.0], [1.0, 0.5, 0.0]).to_markdown()
    assert text.index("`e2`: 1, not 0: said 1.0") < text.index("`e1`")
    assert "`e0`" not in text


def test_the_report_is_plain_json_and_a_table():
    found = report([1.0, 0.0, 0.3], [1.0, 0.0, 1.0])
    assert json.loads(json.dumps(found.to_dict()))["n"] == 3
    assert "| agreement | 0.667 |" in found.to_markdown()


def test_ties_share_their_rank():
    assert ranks([3.0, 1.0, 3.0, 2.0]) == [3.5, 1.0, 3.5, 2.0]


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=3, max_size=30))
def test_correlations_are_numpys(pairs):
    xs, ys = [p[0] for p in pairs], [p[1] for p in pairs]
    found = pearson(xs, ys)
    if found is None:
        assert len(set(xs)) < 2 or len(set(ys)) < 2 or np.std(xs) * np.std(ys) < 1e-150
    elif min(np.std(xs), np.std(ys)) > 1e-6:
        assert found == pytest.approx(np.corrcoef(xs, ys)[0, 1], abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 99))
def test_the_order_of_the_episodes_does_not_matter(values, seed):
    programme = [round(v) * 1.0 for v in values]
    order = list(range(len(values)))
    random.Random(seed).shuffle(order)
    straight = report(values, programme)
    shuffled = calibrate(
        judging(values),
        [
            Scored(f"e{i}", Transcript((Message("user", "?"), Message("assistant", str(i)))), {}, programme[i])
            for i in order
        ],
    )
    assert shuffled == straight
