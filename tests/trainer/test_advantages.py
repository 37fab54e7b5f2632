import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.advantages import (
    batch_normalised,
    episode_gae,
    gae,
    group_centred,
    group_normalised,
    leave_one_out,
    round_normalised,
    whitened,
)

ALL = [group_normalised, group_centred, leave_one_out, batch_normalised]


def of(function, *rewards, **kwargs):
    return [a.tolist() for a in function([np.array(r) for r in rewards], **kwargs)]


def test_hand_worked_groups():
    # mean 0.5, population standard deviation 0.5
    assert of(group_normalised, [1.0, 0.0, 1.0, 0.0], epsilon=0) == [[1, -1, 1, -1]]
    assert of(group_centred, [1.0, 0.0, 0.5]) == [[0.5, -0.5, 0]]
    # against the mean of the other two: 1 - 0.25, 0 - 0.75, 0.5 - 0.5
    assert of(leave_one_out, [1.0, 0.0, 0.5]) == [[0.75, -0.75, 0]]
    # centred 0.5, -0.5, 0, 0: deviation of all four is sqrt(0.125)
    assert of(batch_normalised, [1.0, 0.0], [0.3, 0.3], epsilon=0) == [
        pytest.approx([0.5 / 0.125**0.5, -0.5 / 0.125**0.5]),
        [0, 0],
    ]
    # mean 0.5 of all four, deviation sqrt(0.125): the second group is as easy as the round
    assert of(round_normalised, [1.0, 0.0], [0.5, 0.5], epsilon=0) == [
        pytest.approx([0.5 / 0.125**0.5, -0.5 / 0.125**0.5]),
        [0, 0],
    ]
    # mean 0.5, deviation 0.5: a group of equal rewards was easier or harder than the others
    assert of(round_normalised, [1.0, 1.0], [0.0, 0.0], epsilon=0) == [[1, 1], [-1, -1]]
    assert of(round_normalised, [0.3], [0.3, 0.3], []) == [[0], [0, 0], []]


def test_a_group_told_apart_by_a_hundredth_weighs_little():
    nearly, clear = of(group_normalised, [0.0, 0.01], [0.0, 1.0])
    assert clear[1] > 0.9
    assert 0 < nearly[1] < 0.15 * clear[1]


def test_only_the_round_wide_scale_keeps_a_nearly_equal_group_small():
    nearly, clear = [0.50, 0.51], [0.0, 1.0]
    assert max(of(group_normalised, nearly, clear, epsilon=1e-4)[0]) > 0.9
    assert max(of(batch_normalised, nearly, clear)[0]) < 0.1


@pytest.mark.parametrize("function", ALL)
def test_equal_rewards_single_episodes_and_empty_groups_teach_nothing(function):
    found = of(function, [0.3] * 8, [1.0], [])
    assert found == [[0] * 8, [0], []]
    assert function([]) == []


@pytest.mark.parametrize("function", ALL)
@given(rewards=st.lists(st.floats(0, 1), min_size=2, max_size=16))
def test_advantages_sum_to_nothing_and_keep_the_order_of_rewards(function, rewards):
    (advantages,) = function([np.array(rewards)])
    assert abs(advantages.sum()) < 1e-6
    assert (np.diff(advantages[np.argsort(rewards, kind="stable")]) >= -1e-9).all()


def test_gae_by_hand():
    # deltas: 0 + 0.9*2 - 1 = 0.8; 0 + 0.9*3 - 2 = 0.7; 1 + 0 - 3 = -2; discount * decay = 0.45
    advantages, returns = gae(np.array([0, 0, 1.0]), np.array([1.0, 2, 3]), 0.0, discount=0.9, decay=0.5)
    assert advantages == pytest.approx([0.8 + 0.45 * (0.7 + 0.45 * -2), 0.7 + 0.45 * -2, -2])
    assert returns == pytest.approx(np.array([1.0, 2, 3]) + advantages)


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=12),
    st.floats(-1, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_gae_equals_its_definition_as_a_sum_of_deltas(steps, last, discount, decay):
    rewards, values = (np.array(x) for x in zip(*steps, strict=True))
    following = np.append(values[1:], last)
    deltas = rewards + discount * following - values
    expected = [
        sum((discount * decay) ** (k - t) * deltas[k] for k in range(t, len(deltas))) for t in range(len(deltas))
    ]
    assert gae(rewards, values, last, discount, decay)[0] == pytest.approx(expected, abs=1e-9)


def test_with_decay_one_returns_are_what_was_earned_from_there_on():
    _, returns = gae(np.array([0, 1.0, 0, 2]), np.array([5.0, -3, 0.2, 7]), 0.0, discount=1, decay=1)
    assert returns == pytest.approx([3, 3, 2, 2])


def test_an_episode_that_was_cut_off_counts_on_the_critic():
    _, ended = gae(np.zeros(2), np.zeros(2), 0.0, 1, 1)
    _, cut = gae(np.zeros(2), np.zeros(2), 0.7, 1, 1)
    assert ended.tolist() == [0, 0]
    assert cut == pytest.approx([0.7, 0.7])


def test_a_cut_episode_is_one_that_stopped_at_its_last_state():
    rewards, values = np.array([0.1, 0.2, 5.0]), np.array([1.0, 2, 3])
    advantages, returns = episode_gae(rewards, values, cut=True, decay=0.5)
    shorter, shorter_returns = gae(rewards[:2], values[:2], 3.0, discount=1, decay=0.5)
    assert advantages.tolist() == [*shorter, 0]
    assert returns.tolist() == [*shorter_returns, 3]
    ended = gae(rewards, values, 0.0, discount=1, decay=0.5)
    assert np.array_equal(episode_gae(rewards, values, cut=False, decay=0.5), ended)


def test_whitening_is_over_all_tokens_of_a_round():
    # mean 1 and deviation 1 over all four
    assert of(whitened, [0.0, 2.0], [2.0, 0.0], epsilon=0) == [[-1, 1], [1, -1]]
    assert of(whitened, [0.0, 2.0], [2.0, 0.0], epsilon=1) == [[-0.5, 0.5], [0.5, -0.5]]
    assert of(whitened, [0.5], [0.5, 0.5]) == [[0], [0, 0]]
    assert whitened([]) == []


def test_what_was_foreseen_is_not_blown_up():
    small = np.array([0.001, -0.001])
    assert np.abs(whitened([small])[0]).max() < 0.05
