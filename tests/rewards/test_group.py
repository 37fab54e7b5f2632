"""Rubrics that judge turns and whole groups."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.group import brevity, novelty
from rewards.recipes import known_rewards
from rewards.score import Criterion, GroupCriterion, Rubric, Score, Status, failure
from rewards.tools import valid_calls
from rewards.transcript import CallRecord, Message, ToolCall, Transcript, split_turns

RIGHT, WRONG = Score(1.0, "right"), Score(0.0, "wrong")


def said(text):
    return Transcript((Message("user", "?"), Message("assistant", text)))


def holds_five(transcript, target):
    return Score(float("5" in transcript.answer), "a 5 or none")


def long_enough(transcript, target):
    return Score(min(1.0, len(transcript.answer) / 10), "long or not")


def backwards(value):
    return lambda transcripts, scores, target: [Score(value, "all alike") for _ in transcripts]


def together(rubric, *texts):
    transcripts = [said(t) for t in texts]
    return rubric.in_group(transcripts, [rubric(t, {}) for t in transcripts], {})


# Whole groups.


def test_the_group_criterion_is_weighed_in_and_explains_itself():
    rubric = Rubric([Criterion("five", holds_five, 3), GroupCriterion("brief", brevity(right="five"), 1)])
    short, long, wrong = together(rubric, "5", "5 " * 5, "4")
    assert short.value == 1
    assert long.value == pytest.approx((3 + 0.1) / 4)
    assert wrong.value == 0
    assert [p.name for p in long.parts] == ["five", "brief"]
    assert "10 characters where 1 sufficed" in long.reason


def test_alone_a_rubric_judges_without_its_group_criteria():
    rubric = Rubric([Criterion("five", holds_five, 1), GroupCriterion("none", backwards(0.0), 9)])
    assert rubric(said("5"), {}).value == 1
    assert together(rubric, "5")[0].value == 1, "a group of one has nobody to be compared with"
    assert together(rubric, "5", "5")[0].value == 0.1


def test_vetoes_hold_on_both_sides():
    gated = Rubric([Criterion("five", holds_five, 1, gate=True), GroupCriterion("all", backwards(1.0), 9)])
    assert [s.value for s in together(gated, "5", "4")] == [1, 0]
    vetoing = Rubric([Criterion("five", holds_five), GroupCriterion("all", backwards(0.0), 0, gate=True)])
    assert [s.value for s in together(vetoing, "5", "5")] == [0, 0]


def test_episodes_without_a_value_are_neither_shown_nor_changed():
    counts = []

    def counting(transcripts, scores, target):
        counts.append(len(transcripts))
        return [RIGHT] * len(transcripts)

    rubric = Rubric([Criterion("five", holds_five), GroupCriterion("count", counting)])
    transcripts, lost = [said("5"), said("5"), said("5")], failure(Status.INFRA_ERROR, "gone")
    own = [rubric(t, {}) for t in transcripts]
    final = rubric.in_group(transcripts, [own[0], lost, own[2]], {})
    assert counts == [2]
    assert final[1] is lost
    assert final[0].value == 1


def test_a_group_reward_that_cannot_judge_takes_the_value_away():
    lost = failure(Status.INFRA_ERROR, "no embedding")
    rubric = Rubric(
        [Criterion("five", holds_five), GroupCriterion("odd", lambda transcripts, scores, target: [RIGHT, lost])]
    )
    first, second = together(rubric, "5", "5")
    assert first.value == 1
    assert (second.value, second.reason) == (None, "odd: no embedding")


def test_scores_of_another_rubric_and_missing_verdicts_are_refused():
    rubric = Rubric([Criterion("five", holds_five), GroupCriterion("all", lambda t, s, g: [RIGHT])])
    with pytest.raises(ValueError, match="scores for 2 episodes"):
        together(rubric, "5", "5")
    with pytest.raises(ValueError, match="this rubric gave"):
        rubric.in_group([said("5")] * 2, [RIGHT, WRONG], {})


def test_group_criteria_alone_make_no_rubric():
    with pytest.raises(ValueError, match="criteria need"):
        Rubric([GroupCriterion("all", backwards(1.0))])


def test_brevity_and_novelty_pay_right_episodes_alone():
    transcripts = [said("five is 5"), said("x"), said("the answer must be 5 because I say so")]
    for reward in (brevity(), novelty()):
        values = [s.value for s in reward(transcripts, [RIGHT, WRONG, RIGHT], {})]
        assert values[1] == 0
        assert min(values[0], values[2]) > 0
    assert [s.value for s in novelty()(transcripts, [RIGHT, WRONG, WRONG], {})] == [1, 0, 0]


def test_novelty_is_the_share_of_wording_that_others_dont_have():
    same, other = said("one and one makes two"), said("I count on my fingers")
    values = [s.value for s in novelty()([same, same, other], [RIGHT] * 3, {})]
    assert values == [0.5, 0.5, 1.0]


def test_an_unknown_criterion_to_be_right_by_is_named():
    with pytest.raises(ValueError, match="no criterion 'fiver'"):
        together(Rubric([Criterion("five", holds_five), GroupCriterion("b", brevity("fiver"))]), "5", "5")


GROUP_REWARDS = known_rewards("group")
TEXTS = st.lists(st.text(max_size=60), min_size=2, max_size=8)


@given(TEXTS, st.randoms(use_true_random=False), st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_order_of_a_group_does_not_matter(texts, rng, rights):
    transcripts = [said(t) for t in texts]
    scores = [RIGHT if right else WRONG for right in rights[: len(texts)]]
    order = list(range(len(texts)))
    random.Random(rng.random()).shuffle(order)
    for name, make in GROUP_REWARDS.items():
        reward = make()
        straight = reward(transcripts, scores, {})
        assert all(s.value is None or 0 <= s.value <= 1 for s in straight)
        shuffled = reward([transcripts[i] for i in order], [scores[i] for i in order], {})
        assert [straight[i] for i in order] == list(shuffled), name


# Turns.

EPISODE = Transcript(
    (
        Message("user", "?"),
        Message("assistant", "", (ToolCall("a", {}), ToolCall("b", {}))),
        Message("tool", "1"),
        Message("tool", "2"),
        Message("assistant", "", (ToolCall("c", {}),)),
        Message("tool", "3"),
        Message("assistant", "Answer: 5"),
    ),
    (CallRecord("a", {}, 1), CallRecord("b", {}, None, "unknown_tool"), CallRecord("c", {}, 3)),
    {"note": 1},
)


def test_each_turn_has_its_own_calls_and_what_went_before():
    first, second, last = split_turns(EPISODE)
    assert [[c.name for c in turn.calls] for turn in (first, second, last)] == [["a", "b"], ["c"], []]
    assert [len(turn.messages) for turn in (first, second, last)] == [4, 6, 7]
    assert last.answer == "Answer: 5"
    assert last.evidence == {"note": 1}


@pytest.mark.parametrize(("over", "value"), [("mean", 0.5), ("min", 0.0), ("max", 1.0), ("last", 0.0)])
def test_a_criterion_may_judge_every_turn(over, value):
    score = Rubric([Criterion("calls", valid_calls, turns=over)])(EPISODE, {})
    assert score.value == value
    assert score.parts[0].turns == (0.5, 1.0, 0.0)
    assert "lowest is turn 3" in score.reason


def test_a_turn_that_nobody_can_judge_takes_the_value_away():
    lost = lambda t, g: failure(Status.TASK_ERROR, "no gold") if len(t.messages) == 6 else RIGHT  # noqa: E731
    assert Rubric([Criterion("calls", lost, turns="mean")])(EPISODE, {}).status is Status.TASK_ERROR


def test_an_episode_without_a_turn_earns_nothing():
    score = Rubric([Criterion("calls", valid_calls, turns="mean")])(Transcript((Message("user", "?"),)), {})
    assert (score.value, score.status) == (0, Status.INVALID_OUTPUT)


def test_an_unknown_way_to_sum_turns_up_is_refused():
    with pytest.raises(ValueError, match="median"):
        Criterion("calls", valid_calls, turns="median")
