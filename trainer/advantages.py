"""Advantages: how much better an episode was than its group."""

import numpy as np


def group_normalised(rewards: np.ndarray, epsilon: float = 1e-4) -> np.ndarray:
    """GRPO's advantage: `(r_i - mean(r)) / (std(r) + epsilon)` over one group.

    Args:
        rewards: float (group,): only judged episodes.
        epsilon: keeps nearly equal rewards from exploding.

    Returns:
        float64 (group,); all zeros when the rewards are equal or there are fewer than two.

    Source: Shao et al. 2024 (DeepSeekMath), section 4.1.2; population standard deviation.
    """
    rewards = np.asarray(rewards, np.float64)
    if len(rewards) < 2 or np.ptp(rewards) == 0:
        return np.zeros_like(rewards)
    return (rewards - rewards.mean()) / (rewards.std() + epsilon)
