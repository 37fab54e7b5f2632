from dataclasses import replace

import numpy as np
import pytest

from rewards.errors import Fault
from rewards.score import Part, Score, Status, failure
from rewards.transcript import CallRecord, Transcript
from rollout.trajectory import Group
from tests.trainer.groups import make_group
from trainer.rollout_metrics import Tally, errors_shown, repetition, rollout_metrics


def changed(group, *changes):
    """The group with its first episodes changed."""
    members = list(group.trajectories)
    for index, change in enumerate(changes):
        members[index] = replace(members[index], **change)
    return Group(group.task, tuple(members))


@pytest.fixture
def group():
    return make_group(np.random.default_rng(0), [1.0, 0.0, 0.5])


def test_rewards_of_a_round(group):
    row = rollout_metrics([group], 0)
    assert row["reward_mean"] == row["reward/test"] == 0.5
    assert row["success_rate"] == pytest.approx(1 / 3)


def test_an_episode_without_a_verdict_is_counted_and_has_no_part_in_the_reward(group):
    hung = {"score": failure(Status.INFRA_ERROR, "gone", Fault.HUNG)}
    row = rollout_metrics([changed(group, hung)], 0)
    assert row["reward_mean"] == 0.25
    assert {name: count for name, count in row.items() if name.startswith("errors/")} == {"errors/hung": 1}


def test_errors_are_told_by_kind_with_the_most_frequent_first(group):
    failed = [{"score": failure(Status.INFRA_ERROR, "", kind)} for kind in (Fault.BAD_REWARD, Fault.HUNG, Fault.HUNG)]
    assert errors_shown(rollout_metrics([changed(group, *failed)], 0)) == "  errors: 2 hung, 1 bad reward"
    assert errors_shown(rollout_metrics([group], 0)) == ""


def test_a_round_without_any_verdict_has_no_reward(group):
    failed = {"score": failure(Status.INFRA_ERROR, "gone", Fault.HUNG)}
    row = rollout_metrics([changed(group, failed, failed, failed)], 0)
    assert row["errors/hung"] == 3
    assert not {"reward_mean", "success_rate"} & set(row), "zero would be a verdict"


def test_what_has_ended_so_far_is_told_episode_by_episode(group):
    tally = Tally()
    failed = replace(group.trajectories[0], score=failure(Status.INFRA_ERROR, "", Fault.BAD_REWARD))
    said = [tally.add(t) for t in (failed, *group.trajectories[:2], failed)]
    assert said == [
        "none judged  errors: 1 bad reward",
        "mean score 1.000  errors: 1 bad reward",
        "mean score 0.500  errors: 1 bad reward",
        "mean score 0.500  errors: 2 bad reward",
    ]
    assert tally.episodes == 4


def test_lengths_count_sampled_tokens_and_the_share_of_episodes_that_ran_into_a_limit(group):
    row = rollout_metrics([changed(group, {"finish": "truncated"}, {"finish": "context"})], 0)
    lengths = [t.loss_mask.sum() for t in group.trajectories]
    assert row["completion_tokens"] == pytest.approx(np.mean(lengths))
    assert row["completion_tokens_max"] == max(lengths)
    assert row["truncated_share"] == pytest.approx(2 / 3)


def test_staleness_is_the_updates_since_a_token_was_sampled_and_no_given_token_counts(group):
    fresh = [{"weight_versions": np.where(t.loss_mask, 7, -1).astype(np.int32)} for t in group.trajectories]
    assert rollout_metrics([changed(group, *fresh)], 7)["staleness_max"] == 0
    fresh[0]["weight_versions"][np.flatnonzero(group.trajectories[0].loss_mask)[0]] = 4  # one token three updates old
    row = rollout_metrics([changed(group, *fresh)], 7)
    assert row["staleness_max"] == 3
    assert row["staleness"] == pytest.approx(3 / sum(t.sampled_tokens for t in group.trajectories))


def test_a_round_without_episodes_is_all_zeros():
    assert set(rollout_metrics([], 0).values()) == {0.0}


def test_parts_of_rewards_full_scores_and_failed_calls_are_told_by_environment_and_kind(group):
    calls = (CallRecord("look", {}, None, "timeout"), CallRecord("look", {}, 1), CallRecord("see", {}, None, "no_tool"))
    graded = Score(0.5, "", (Part("answer", 0.25, 1, ""), Part("form", 0.75, 1, "")))
    plain = Score(1.0, "", (Part("answer", 1.0, 1, ""),))
    changes = {"score": graded, "transcript": Transcript((), calls)}, {"score": plain}, {"score": graded}
    row = rollout_metrics([changed(group, *changes)], 0)
    assert row["parts/test/answer"] == pytest.approx(0.5)
    assert row["parts/test/form"] == 0.75
    assert row["success/test"] == pytest.approx(1 / 3)
    assert {name: n for name, n in row.items() if name.startswith("call_errors/")} == {
        "call_errors/timeout": 1,
        "call_errors/no_tool": 1,
    }


def tokens(trajectory, *turns):
    """The trajectory with these sampled turns and a given token after each."""
    ids = np.concatenate([[9], *([*turn, 9] for turn in turns)]).astype(np.int32)
    mask = np.concatenate([[False], *([True] * len(turn) + [False] for turn in turns)])
    versions, logprobs = np.where(mask, 0, -1).astype(np.int32), np.zeros(len(ids), np.float32)
    arrays = {"token_ids": ids, "loss_mask": mask, "weight_versions": versions, "logprobs": logprobs}
    return replace(trajectory, prompt_length=1, **arrays)


def test_repetition_counts_what_stood_earlier_in_the_same_turn(group):
    one = group.trajectories[0]
    assert repetition([tokens(one, [1, 2, 3, 4, 5, 6])]) == 0
    assert repetition([tokens(one, [1] * 9)]) == pytest.approx(5 / 6)  # six 4-grams, one of them new
    assert repetition([tokens(one, [1, 2, 3, 4, 1, 2, 3, 4])]) == pytest.approx(1 / 5)
    assert repetition([tokens(one, [1, 2, 3, 4], [1, 2, 3, 4])]) == 0, "a call made twice is no loop"
    assert repetition([tokens(one, [1, 1, 1])]) == 0, "too short to say"
    assert repetition([tokens(one, [1] * 9), tokens(one, range(9))]) == pytest.approx(5 / 12)
