import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import ConfigError
from trainer.compare import Outcome, compare, paired_difference, read_outcomes, stage_summary, write_outcomes


def outcomes(scores, env="postgym/A-v0", first=0):
    return [Outcome(f"{env}|{first + i}", env, s, "why", ()) for i, s in enumerate(scores)]


def slow_reference(differences, seed, resamples):
    """The percentile bootstrap, a resample at a time."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(differences), size=(resamples, len(differences)), dtype=np.int32)
    means = sorted(sum(differences[i] for i in draw) / len(differences) for draw in draws)

    def quantile(q):
        at = q * (resamples - 1)
        below = int(at)
        return means[below] + (at - below) * (means[min(below + 1, resamples - 1)] - means[below])

    return quantile(0.025), quantile(0.975)


def test_the_interval_equals_a_slow_reference():
    rng = np.random.default_rng(1)
    before, after = rng.random(40).tolist(), rng.random(40).tolist()
    found = paired_difference(outcomes(before), outcomes(after), seed=3, resamples=500)
    order = np.argsort([o.task_id for o in outcomes(before)])
    differences = [after[i] - before[i] for i in order]
    low, high = slow_reference(differences, 3, 500)
    assert found.difference == pytest.approx(np.mean(differences))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_interval_nears_the_normal_one_on_many_tasks():
    rng = np.random.default_rng(2)
    before = np.clip(rng.normal(0.4, 0.1, 3000), 0, 1)
    after = np.clip(before + rng.normal(0.1, 0.05, 3000), 0, 1)
    found = paired_difference(outcomes(before.tolist()), outcomes(after.tolist()))
    differences = after - before
    half = 1.96 * differences.std(ddof=1) / np.sqrt(3000)
    assert found.low == pytest.approx(differences.mean() - half, abs=2e-4)
    assert found.high == pytest.approx(differences.mean() + half, abs=2e-4)


def test_pairing_sees_a_small_gain_that_unpaired_means_would_hide():
    before = np.linspace(0, 0.9, 50).tolist()
    found = paired_difference(outcomes(before), outcomes([b + 0.01 for b in before]))
    assert 0.0099 < found.low <= found.high < 0.0101


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_difference_lies_in_its_interval_and_turns_its_sign_with_the_order(pairs):
    before, after = outcomes([p[0] for p in pairs]), outcomes([p[1] for p in pairs])
    found, turned = (paired_difference(*p, resamples=400) for p in ((before, after), (after, before)))
    assert found.low - 1e-9 <= found.high
    assert found.difference == pytest.approx(-turned.difference)


def test_tasks_without_a_verdict_are_dropped_on_both_sides_and_counted():
    found = paired_difference(outcomes([0.0, None, 0.5]), outcomes([1.0, 1.0, None]))
    assert (found.n, found.dropped, found.difference) == (1, 2, 1.0)


def test_different_tasks_are_refused():
    with pytest.raises(ConfigError, match="on one side only"):
        paired_difference(outcomes([0.0]), outcomes([0.0], first=7))


def test_counts_and_means_per_environment():
    found = stage_summary([*outcomes([1.0, 0.5, None]), *outcomes([0.0], env="postgym/B-v0")])
    assert found["postgym/A-v0"] == {"n": 2, "errors": 1, "mean_score": 0.75, "success_rate": 0.5}
    assert found["overall"] == {"n": 3, "errors": 1, "mean_score": 0.5, "success_rate": 1 / 3}


def test_every_stage_is_compared_with_the_one_before_and_the_last_with_the_first():
    found = compare({"base": outcomes([0.0]), "sft": outcomes([0.5]), "grpo": outcomes([1.0])})
    assert [(c["before"], c["after"]) for c in found["comparisons"] if c["env"] == "overall"][::2] == [
        ("base", "sft"),
        ("sft", "grpo"),
        ("base", "grpo"),
    ]
    last = next(c for c in found["comparisons"] if (c["before"], c["after"], c["metric"]) == ("base", "grpo", "score"))
    assert last["difference"] == 1.0


def test_outcomes_are_read_back_and_a_broken_line_is_named(tmp_path):
    path = tmp_path / "o.jsonl"
    written = [Outcome("t\udcff", "e", 0.25, "r", ({"role": "user", "content": "é\n"},)), *outcomes([None])]
    write_outcomes(path, [Outcome("t", *[getattr(written[0], f) for f in ("env", "score", "reason", "messages")])])
    assert read_outcomes(path)[0].messages == written[0].messages
    path.write_text(path.read_text() + "{broken\n")
    with pytest.raises(ConfigError, match=r"o\.jsonl:2: no JSON"):
        read_outcomes(path)
