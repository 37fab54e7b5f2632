"""Advantages: how much better an episode was than others, as pure functions on the rewards of a round.

Those of groups take the rewards of all groups, one float array (episodes,) a group with judged episodes only, and
return arrays of the same shapes; a group that teaches nothing is all zeros. Those of a critic go token by token.
"""

from collections.abc import Callable, Sequence

import numpy as np

Rewards = Sequence[np.ndarray]
Advantage = Callable[[Rewards], list[np.ndarray]]

_ROUNDING = 1e-9  # of rewards: sums of the same parts in another order


def group_normalised(rewards: Rewards, epsilon: float = 0.05) -> list[np.ndarray]:
    """GRPO: `(r_i - mean(r)) / (std(r) + epsilon)` over the group, population standard deviation.

    Source: Shao et al. 2024 (DeepSeekMath), section 4.1.2. `epsilon` keeps nearly equal rewards from exploding: with
    a tiny one, a group told apart by a hundredth of a point weighs as much as one that tells right from wrong.
    """
    return [c / (c.std() + epsilon) if c.any() else c for c in group_centred(rewards)]


def group_centred(rewards: Rewards) -> list[np.ndarray]:
    """Dr.GRPO: `r_i - mean(r)` over the group, so that easy and hard tasks weigh the same.

    Source: Liu et al. 2025 (Understanding R1-Zero-Like Training), section 3.2.
    """
    return [r - r.mean() if _teaches(r) else np.zeros(len(r)) for r in _float64(rewards)]


def leave_one_out(rewards: Rewards) -> list[np.ndarray]:
    """RLOO: `r_i - mean of the others' r`, an unbiased baseline; `G / (G - 1)` times the centred reward.

    Source: Ahmadian et al. 2024 (Back to Basics), eq. 8.
    """
    return [centred * (len(centred) / max(1, len(centred) - 1)) for centred in group_centred(rewards)]


def round_normalised(rewards: Rewards, epsilon: float = 1e-4) -> list[np.ndarray]:
    """REINFORCE++: `(r_i - mean(r)) / (std(r) + epsilon)` over all episodes of the round, whatever their group.

    A group of equal rewards teaches too: its task was easier, or harder, than the others.

    Source: Hu et al. 2025 (REINFORCE++), global advantage normalisation.
    """
    rewards = _float64(rewards)
    if not _teaches(np.concatenate([*rewards, np.zeros(0)])):
        return [np.zeros(len(r)) for r in rewards]
    return whitened(rewards, epsilon)


def batch_normalised(rewards: Rewards, epsilon: float = 1e-4) -> list[np.ndarray]:
    """REINFORCE++ with baseline: centred over the group, then divided by the deviation over the whole round.

    Source: Hu et al. 2025 (REINFORCE++), the variant for groups: the scale is the round's, so that no single group of
    nearly equal rewards is blown up.
    """
    centred = group_centred(rewards)
    everything = np.concatenate(centred) if centred else np.zeros(0)
    scale = everything.std() + epsilon if everything.any() else 1.0
    return [c / scale for c in centred]


def soft_overlong(length: int, limit: int, buffer: int) -> float:
    """DAPO's length-aware penalty, from 0 to -1.

    `0` up to `limit - buffer`, `((limit - buffer) - length) / buffer` from there to `limit`, `-1` beyond.

    Args:
        length: sampled tokens of an episode.
        limit: `L_max`.
        buffer: `L_cache`, how long before it the penalty begins.

    Source: Yu et al. 2025 (DAPO), eq. 13.
    """
    return float(np.clip(((limit - buffer) - length) / buffer, -1.0, 0.0))


def returns_to_go(rewards: np.ndarray, discount: float = 1.0) -> np.ndarray:
    """`R_k = r_k + discount * R_{k+1}`: what came from turn k on; float64 (turns,).

    Source: Sutton and Barto 2018 (Reinforcement Learning), eq. 3.9.
    """
    found = np.array(rewards, np.float64)
    for k in range(len(found) - 2, -1, -1):
        found[k] += discount * found[k + 1]
    return found


def by_turn(
    rewards: Sequence[Sequence[np.ndarray]], advantage: Advantage, discount: float = 1.0
) -> list[list[np.ndarray]]:
    """Advantages turn by turn: a turn's return against those of the same turn in the other episodes of the group.

    `A_{i,k} = advantage({R_{j,k} : j reached turn k})_i`, `R_{i,k} = sum_{l >= k} discount^(l - k) r_{i,l}`. With
    `group_normalised` that is process supervision by groups, with a baseline for every turn in place of one for all.
    A turn that a single episode reached has nobody to be compared with and counts as its episode does as a whole.

    Args:
        rewards: for each group and each of its episodes what its turns earned, (turns,).
        advantage: rewards of all groups to advantages, one of the functions above.

    Returns:
        A list a group of (turns,) an episode.

    Source: Shao et al. 2024 (DeepSeekMath), section 4.1.3, where a step is worth the sum of what is earned from it on.
    """
    returns = [[returns_to_go(r, discount) for r in group] for group in rewards]
    whole = advantage([np.array([r.sum() for r in group]) for group in rewards])
    found = [
        [np.full(len(r), a) for r, a in zip(group, own, strict=True)] for group, own in zip(rewards, whole, strict=True)
    ]
    places = [
        (g, k, reached)
        for g, group in enumerate(returns)
        for k in range(max(map(len, group), default=0))
        if len(reached := [i for i, r in enumerate(group) if len(r) > k]) > 1
    ]
    columns = advantage([np.array([returns[g][i][k] for i in reached]) for g, k, reached in places])
    for (g, k, reached), column in zip(places, columns, strict=True):
        for i, value in zip(reached, column, strict=True):
            found[g][i][k] = value
    return found


def gae(
    rewards: np.ndarray, values: np.ndarray, last_value: float, discount: float = 1.0, decay: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Generalised advantage estimation over the sampled tokens of one episode; tool tokens are no actions.

    `delta_t = r_t + discount * V_{t+1} - V_t`, `A_t = delta_t + discount * decay * A_{t+1}`.

    Args:
        rewards: (tokens,) given after each sampled token.
        values: (tokens,) the critic's value before each sampled token.
        last_value: value after the last token: 0 when the episode ended, the critic's when it was cut off.

    Returns:
        advantages (tokens,) and returns (tokens,), what the critic should have said.

    Source: Schulman et al. 2016 (GAE), eq. 16.
    """
    values = np.asarray(values, np.float64)
    deltas = np.asarray(rewards, np.float64) + discount * np.append(values[1:], last_value) - values
    advantages = np.zeros_like(deltas)
    running = 0.0
    for t in range(len(deltas) - 1, -1, -1):
        running = deltas[t] + discount * decay * running
        advantages[t] = running
    return advantages, advantages + values


def episode_gae(
    rewards: np.ndarray, values: np.ndarray, cut: bool, decay: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """`gae` over an episode that may have been cut off; no discount: a score is worth the same in any turn.

    One that was cut counts on the critic from its last sampled token on: `V_T` stands for all that would have come,
    the last token's own advantage is 0. The state behind that token won't do: no episode went on from there, so the
    critic has never learned what it is worth.

    Args:
        rewards: (tokens,) given after each sampled token; the last one of a cut episode isn't read.
        values: (tokens,) the critic's value before each sampled token.
        cut: the episode ran into a limit and would have gone on.

    Returns:
        advantages (tokens,) and returns (tokens,), as `gae`.
    """
    if not cut:
        return gae(rewards, values, 0.0, 1.0, decay)
    advantages, returns = gae(rewards[:-1], values[:-1], values[-1], 1.0, decay)
    return np.append(advantages, 0.0), np.append(returns, values[-1])


def whitened(advantages: Sequence[np.ndarray], epsilon: float = 0.05) -> list[np.ndarray]:
    """PPO: `(A_t - mean(A)) / (std(A) + epsilon)` over all tokens of a round.

    Source: Schulman et al. 2017, as in OpenAI's baselines. `epsilon` keeps what is left of a critic's errors from
    being blown up where everything was foreseen.
    """
    if not advantages:
        return []
    everything = np.concatenate(advantages)
    mean, scale = everything.mean(), everything.std() + epsilon
    return [(a - mean) / scale for a in advantages]


def _float64(rewards: Rewards) -> list[np.ndarray]:
    return [np.asarray(r, np.float64) for r in rewards]


def _teaches(rewards: np.ndarray) -> bool:
    return len(rewards) > 1 and np.ptp(rewards) > _ROUNDING
