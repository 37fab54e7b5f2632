"""Turn by turn and by length: what episodes earned, by hand and against loops that follow the equations."""

from dataclasses import replace

import numpy as np
import pytest

from rewards.score import Criterion, Part, Rubric, Score
from rewards.transcript import Message, Transcript
from tests.trainer.groups import make_group
from trainer.advantages import by_turn, group_normalised, returns_to_go, soft_overlong
from trainer.credit import group_advantages, turn_ends, turn_rewards, turns_of, varied
from trainer.lessons import make_lessons, token_advantages
from trainer.packing import pack_group
from trainer.trainer_config import TrainerConfig

TURN = {"algorithm": "grpo", "credit": "turn"}


def scored(trajectory, value, *turns, weight=1.0, whole=0.0):
    """The trajectory with a criterion of turns, weight 1, and one of the whole episode."""
    parts = (Part("steps", float(np.mean(turns)), 1.0, "", turns), Part("answer", whole, weight, ""))
    return replace(trajectory, score=Score(value, "", parts))


@pytest.fixture
def group():
    return make_group(np.random.default_rng(0), [0.0, 0.0, 0.0])  # of three turns each


def test_turns_are_the_stretches_that_were_sampled(group):
    episode = group.trajectories[0]
    turns = turns_of(episode)
    assert len(turns) == episode.sampled_tokens
    assert np.unique(turns).tolist() == [0, 1, 2]
    assert (np.diff(turns) >= 0).all()
    at = np.flatnonzero(episode.loss_mask)
    assert (np.diff(turns) == (np.diff(at) > 1)).all(), "a new turn begins where something was given in between"
    assert [turns[i] for i in turn_ends(episode)] == [0, 1, 2]
    assert turn_ends(episode)[-1] == len(turns) - 1


def test_what_turns_earn_is_paid_there_and_all_of_it_is_the_score(group):
    # weights 1 and 3: the turns share a quarter of the score, each a third of that; the answer pays 0.75 at the end
    episode = scored(group.trajectories[0], 0.75 + 0.25 * 0.5, 1.0, 0.0, 0.5, weight=3.0, whole=1.0)
    assert turn_rewards(episode, TrainerConfig(**TURN)) == pytest.approx([1 / 12, 0, 0.5 / 12 + 0.75])
    assert turn_rewards(episode, TrainerConfig()).tolist() == [0, 0, episode.score.value]
    vetoed = scored(group.trajectories[0], 0.0, 1.0, 1.0, 1.0, weight=3.0, whole=1.0)
    assert turn_rewards(vetoed, TrainerConfig(**TURN)) == pytest.approx([1 / 12, 1 / 12, -2 / 12])


def test_turns_that_a_prompt_holds_earn_nothing():
    (episode,) = make_group(np.random.default_rng(0), [0.5], turns=2).trajectories
    messages = tuple(Message(r, r) for r in ("user", "assistant", "user", "assistant", "user", "assistant"))
    says = Rubric([Criterion("late", lambda t, _: Score(float(len(t.messages) > 2), ""), turns="mean")])
    score = says(Transcript(messages), {})
    assert score.parts[0].turns == (0, 1, 1)
    assert turn_rewards(replace(episode, score=score), TrainerConfig(**TURN)) == pytest.approx([0.5, score.value - 0.5])


def test_returns_to_go_by_hand():
    assert returns_to_go(np.array([1.0, 2.0, 4.0]), 0.5).tolist() == [3.0, 4.0, 4.0]
    assert returns_to_go(np.array([1.0, 2.0, 4.0])).tolist() == [7.0, 6.0, 4.0]


def test_hand_worked_advantages_of_turns():
    # returns (1, 1), (0, 0), (1, 0), (2, 2, 2): turn 1 against 1, 0, 1, 2 and turn 2 against 1, 0, 0, 2
    rewards = [[np.array(r) for r in ([0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0, 2.0])]]
    (found,) = by_turn(rewards, lambda columns: group_normalised(columns, epsilon=0.0))
    first, second = np.array([1.0, 0, 1, 2]), np.array([1.0, 0, 0, 2])
    first, second = ((x - x.mean()) / x.std() for x in (first, second))
    assert [a[0] for a in found] == pytest.approx(first)
    assert [a[1] for a in found] == pytest.approx(second)
    assert found[3][2] == pytest.approx(first[3]), "nobody else came so far: it counts as its episode does"


def test_a_group_is_varied_where_its_update_would_have_advantages(group):
    shorter, *_, longer = sorted(group.trajectories, key=lambda t: t.sampled_tokens)
    early, late = scored(shorter, 0.5, 1, 0, 0.5), scored(longer, 0.5, 0, 1, 0.5)
    early, late = (replace(t, score=replace(t.score, parts=t.score.parts[:1])) for t in (early, late))
    assert not varied([early, late], TrainerConfig()), "both earned a half"
    assert varied([early, late], TrainerConfig(**TURN)), "in other turns"
    assert not varied([late, late], TrainerConfig(**TURN))
    assert early.sampled_tokens < late.sampled_tokens
    overlong = {"limit": late.sampled_tokens, "buffer": late.sampled_tokens - 1}
    assert varied([early, late], TrainerConfig(overlong=overlong)), "one is punished for its length"
    assert not varied([early], TrainerConfig(**TURN))
    assert not varied([], TrainerConfig())


def test_later_turns_count_for_less_by_the_discount_of_the_config(group):
    members = [scored(group.trajectories[0], 1 / 3, 0.0, 0.0, 1.0), scored(group.trajectories[1], 0.0, 0.0, 0.0, 0.0)]
    members = [replace(m, score=replace(m.score, parts=m.score.parts[:1])) for m in members]
    config = TrainerConfig(algorithm="dr_grpo", credit="turn", turn_discount=0.5)
    packs = pack_group(members, 10_000)
    ((first, _),) = group_advantages([members], [packs], [[np.zeros(len(p.episodes)) for p in packs]], config)
    assert first == pytest.approx([1 / 24, 1 / 12, 1 / 6])


def test_a_turns_advantage_equals_a_loop_over_the_equations():
    rng = np.random.default_rng(3)
    rewards = [[rng.random(rng.integers(1, 5)) for _ in range(6)] for _ in range(4)]
    found = by_turn(rewards, group_normalised, discount=0.9)
    for group, mine in zip(rewards, found, strict=True):
        for i, episode in enumerate(group):
            for k in range(len(episode)):
                of_turn = [sum(0.9 ** (n - k) * r[n] for n in range(k, len(r))) for r in group if len(r) > k]
                own = sum(0.9 ** (n - k) * episode[n] for n in range(k, len(episode)))
                if len(of_turn) > 1:
                    assert mine[i][k] == pytest.approx((own - np.mean(of_turn)) / (np.std(of_turn) + 0.05))


def test_lessons_by_turn_praise_the_turn_that_was_right(group):
    good, bad, late = group.trajectories
    members = (
        scored(good, 1 / 3, 1.0, 0.0, 0.0),
        scored(bad, 0.0, 0.0, 0.0, 0.0),
        scored(late, 1 / 3, 0.0, 0.0, 1.0),
    )
    rounds = [
        type(group)(group.task, tuple(replace(m, score=replace(m.score, parts=m.score.parts[:1])) for m in members))
    ]
    (whole,), _ = make_lessons(rounds, TrainerConfig(algorithm="grpo"))
    (turns,), _ = make_lessons(rounds, TrainerConfig(**TURN))
    advantages = {i: lesson.advantages[lesson.pack.episodes == i] for lesson in turns for i in range(3)}
    mine = [turns_of(m) for m in members]
    assert advantages[0][mine[0] == 0].min() > 0, "what came from its first turn on is as good as the other's"
    assert advantages[0][mine[0] == 2].max() < 0, "nothing was earned at its end"
    assert advantages[2][mine[2] == 2].min() > 0
    for lesson in whole:
        assert all(len(set(lesson.advantages[lesson.pack.episodes == i])) == 1 for i in range(3))


def test_a_criterion_of_turns_reaches_the_critic_at_each_turns_end(group):
    config = TrainerConfig(algorithm="ppo", credit="turn")
    episode = scored(group.trajectories[0], 0.25, 0.5, 0.0, 1.0)
    (pack,) = pack_group([episode], 10_000)
    nothing = np.zeros(len(pack.targets))  # is paid token by token, nor does the critic expect any
    target, _ = token_advantages([episode], pack, nothing, nothing, config)
    to_go = returns_to_go(turn_rewards(episode, config))
    assert target.returns == pytest.approx(to_go[turns_of(episode)], abs=1e-6)
    assert to_go[0] == pytest.approx(0.25)


def test_what_a_turn_paid_for_straying_is_its_own_cost(group):
    members = [scored(t, 1.0, 1.0, 1.0, 1.0) for t in group.trajectories[:2]]
    members = [replace(m, score=replace(m.score, parts=m.score.parts[:1])) for m in members]
    packs = pack_group(members, 10_000)
    costs = [np.zeros(len(p.episodes)) for p in packs]
    mine = packs[0].episodes == 0
    costs[0][mine] = 0.01 * (turns_of(members[0]) == 1)  # all that the first strays, it strays in its second turn
    strayed = 0.01 * int((turns_of(members[0]) == 1).sum())
    of_turns = TrainerConfig(algorithm="dr_grpo", credit="turn")
    ((first, second),) = group_advantages([members], [packs], [costs], of_turns)
    assert first == pytest.approx([-strayed / 2, -strayed / 2, 0]), "the turn after it pays nothing"
    assert second == pytest.approx(-first)
    ((whole, _),) = group_advantages([members], [packs], [costs], TrainerConfig(algorithm="dr_grpo"))
    assert whole == pytest.approx([-strayed / 2] * 3)


@pytest.mark.parametrize(
    ("length", "expected"), [(0, 0), (80, 0), (81, -0.05), (90, -0.5), (100, -1), (101, -1), (999, -1)]
)
def test_hand_worked_overlong_punishment(length, expected):
    assert soft_overlong(length, limit=100, buffer=20) == pytest.approx(expected)


def test_overlong_punishment_equals_the_three_cases_of_the_paper():
    for length in range(0, 60):
        if length <= 40 - 15:
            expected = 0.0
        elif length <= 40:
            expected = ((40 - 15) - length) / 15
        else:
            expected = -1.0
        assert soft_overlong(length, 40, 15) == pytest.approx(expected)


def test_of_two_right_answers_the_overlong_one_is_worth_less():
    group = make_group(np.random.default_rng(1), [1.0, 1.0, 0.0])
    lengths = [t.sampled_tokens for t in group.trajectories]
    longest = int(np.argmax(lengths[:2]))
    overlong = {"limit": max(lengths), "buffer": max(lengths) - min(lengths[:2]), "penalty": 0.5}
    config = TrainerConfig(algorithm="dr_grpo", overlong=overlong)
    (lessons,), _ = make_lessons([group], config)
    worth = [float(lesson.advantages[lesson.pack.episodes == i][0]) for lesson in lessons for i in range(3)]
    assert worth[longest] < worth[1 - longest]
    rewards = [turn_rewards(t, config).sum() for t in group.trajectories]
    assert worth == pytest.approx(np.array(rewards) - np.mean(rewards))


def test_who_runs_out_of_context_is_punished_whatever_it_sampled(group):
    config = TrainerConfig(overlong={"limit": 1000, "buffer": 100})
    cut = replace(group.trajectories[0], finish="context")
    assert turn_rewards(group.trajectories[0], config).sum() == 0
    assert turn_rewards(cut, config).tolist() == [0, 0, -0.5]
