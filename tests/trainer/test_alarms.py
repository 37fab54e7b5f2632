import re

import pytest

from trainer.alarms import WINDOW, alarms

HEALTHY = {
    "zero_variance_share": 0.3,
    "reward_mean": 0.4,
    "entropy": 0.5,
    "completion_tokens": 50.0,
    "mismatch": 0.01,
    "repetition": 0.05,
}


def row(**changed):
    """A round's numbers; what is None isn't there."""
    return {name: value for name, value in (HEALTHY | changed).items() if value is not None}


def history(**changed):
    return [HEALTHY] * 10 + [row(**changed)] * WINDOW


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (
            {"zero_variance_share": 0.95, "reward_mean": 0.01},
            r"groups taught nothing: .* fail; lower environments.*difficulty",
        ),
        ({"reward_mean": None, "errors/hung": 7, "errors/raised": 9}, r"judged in 1 of .* \(raised\).*scripts/view.py"),
        ({"zero_variance_share": 0.95, "reward_mean": 0.99}, r"succeed; raise environments.*difficulty"),
        ({"entropy": 0.01}, r"from 0.50 to 0.010.*trainer.clip_high"),
        ({"completion_tokens": 130.0}, r"from 50 to 114 tokens.*soft_overlong"),
        ({"completion_tokens": 130.0}, r"trainer.overlong"),
        ({"mismatch": 0.08}, r"0.052.*importance_beyond"),
        ({"repetition": 0.6}, r"38% .* repeats itself .*was 5%.*trainer.learning_rate.*not_repetitive"),
    ],
)
def test_each_sign_is_told_once_and_names_what_to_change(changed, named):
    rows = history(**changed)
    told = [alarm for end in range(1, len(rows) + 1) for alarm in alarms(rows[:end])]
    assert len(told) == 1
    assert re.search(named, told[0])


def test_a_healthy_run_a_short_one_and_one_odd_round_raise_nothing():
    assert alarms(history()) == []
    assert alarms([]) == []
    assert alarms([HEALTHY | {"entropy": 0.0}] * 3) == []
    assert alarms([*history(), HEALTHY | {"completion_tokens": 300.0}]) == []


def test_a_policy_that_is_sure_because_it_is_right_is_no_collapse():
    assert alarms(history(entropy=0.01, reward_mean=0.97)) == []


def test_what_drifts_within_bounds_or_was_so_from_the_start_is_no_sign():
    assert alarms(history(zero_variance_share=0.7, mismatch=0.03, repetition=0.2, completion_tokens=80.0)) == []
    lively = HEALTHY | {"repetition": 0.35}  # tables of figures repeat themselves
    assert alarms([lively] * 15) == []
    assert alarms([HEALTHY | {"mismatch": 0.06}] * 15) == []


def test_rounds_without_an_update_say_nothing_of_entropy_and_mismatch():
    nothing = row(entropy=None, mismatch=None)
    assert alarms([HEALTHY] * 10 + [nothing] * WINDOW) == []
    assert alarms([nothing] * WINDOW + [row(mismatch=0.06)] * 3 * WINDOW) == [], "as much from the start"


def test_the_error_that_is_most_frequent_in_all_the_rounds_is_named():
    failed = [row(reward_mean=None, **{"errors/hung": 64, "errors/raised": n}) for n in (2, 60, 65, 2, 2)]
    assert "(hung)" in alarms([HEALTHY] * 10 + failed[:1])[0]
    assert "(hung)" in alarms([HEALTHY] * 5 + failed)[0]


def test_a_collapse_after_a_critics_warm_up_is_told():
    rows = [row(entropy=None)] * WINDOW + [HEALTHY] * WINDOW + [row(entropy=0.01)] * WINDOW
    told = [alarm for end in range(1, len(rows) + 1) for alarm in alarms(rows[:end])]
    assert len(told) == 1
    assert told[0].startswith("entropy fell from 0.50")


def test_a_slow_rise_is_told_when_it_has_become_one():
    rows = [HEALTHY | {"mismatch": 0.005 * (1 + n)} for n in range(30)]
    told = [n for n in range(len(rows)) if alarms(rows[: n + 1])]
    assert len(told) == 1
    assert 10 < told[0] < 20
