import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.advantages import group_normalised


def test_a_hand_worked_group():
    # mean 0.5, population standard deviation 0.5
    assert group_normalised(np.array([1.0, 0.0, 1.0, 0.0]), epsilon=0) == pytest.approx([1, -1, 1, -1])


def test_equal_rewards_and_single_episodes_teach_nothing():
    assert not group_normalised(np.array([0.3] * 8)).any()
    assert not group_normalised(np.array([1.0])).any()
    assert group_normalised(np.array([])).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=16))
def test_advantages_sum_to_nothing_and_keep_the_order_of_rewards(rewards):
    advantages = group_normalised(np.array(rewards))
    assert abs(advantages.sum()) < 1e-6
    assert (np.diff(advantages[np.argsort(rewards, kind="stable")]) >= -1e-9).all()
