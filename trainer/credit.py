"""What each turn of an episode earned, and what that makes of its tokens: between scores and advantages.

By default an episode has one reward, which all its tokens share. With `trainer.credit: turn` the criteria that judge
turns (rewards/score.py) pay where they were earned, and a turn is compared with the same turn of the group.
"""

from collections.abc import Sequence

import numpy as np

from rollout.trajectory import Trajectory
from trainer.advantages import by_turn, group_centred, soft_overlong
from trainer.algorithms import ALGORITHMS
from trainer.packing import Pack
from trainer.trainer_config import TrainerConfig


def turns_of(trajectory: Trajectory) -> np.ndarray:
    """Which turn sampled each sampled token: int64 (sampled tokens,), from 0."""
    mask = trajectory.loss_mask
    begins = mask & ~np.append(False, mask[:-1])
    return (np.cumsum(begins) - 1)[mask]


def turn_rewards(trajectory: Trajectory, config: TrainerConfig) -> np.ndarray:
    """What each turn earned: float64 (turns,); they sum to the score, less what `trainer.overlong` takes.

    A criterion that judges K turns pays `weight / (sum of weights) * value_k / K` in turn k. What is left of the
    score (criteria of the whole episode, vetoes, other means than the plain one) is paid in the last turn.
    """
    count = int(turns_of(trajectory)[-1]) + 1
    rewards = np.zeros(count)
    total = sum(part.weight for part in trajectory.score.parts)
    if config.credit == "turn":
        for part in trajectory.score.parts:
            if len(part.turns) >= count:  # a prompt may hold turns that nobody sampled: they come first
                rewards += part.weight / total * np.array(part.turns[-count:], np.float64) / count
    rewards[-1] += trajectory.score.value - rewards.sum()
    if config.overlong is not None:
        length = config.overlong.limit if trajectory.finish == "context" else trajectory.sampled_tokens
        rewards[-1] += config.overlong.penalty * soft_overlong(length, config.overlong.limit, config.overlong.buffer)
    return rewards


def varied(members: Sequence[Trajectory], config: TrainerConfig) -> bool:
    """Whether any of a task's judged episodes, or of their turns, earned more than others: else it teaches nothing."""
    rewards = [turn_rewards(t, config) for t in members if t.sampled_tokens]
    if config.credit == "turn":
        (worth,) = by_turn([rewards], group_centred, config.turn_discount)
    else:
        worth = group_centred([np.array([r.sum() for r in rewards])])
    return any(np.any(advantages) for advantages in worth)


def turn_ends(trajectory: Trajectory) -> np.ndarray:
    """Index of each turn's last token among the sampled ones: int64 (turns,)."""
    turns = turns_of(trajectory)
    return np.flatnonzero(np.diff(turns, append=turns[-1] + 1))


def group_advantages(
    groups: Sequence[Sequence[Trajectory]],
    packs: Sequence[Sequence[Pack]],
    costs: Sequence[Sequence[np.ndarray]],
    config: TrainerConfig,
) -> list[list[np.ndarray]]:
    """Advantages of all turns by the algorithm's function on rewards: a list a group of float64 (turns,) an episode.

    Args:
        groups: episodes with a score, by group.
        packs: of each group.
        costs: float64 (N,) for each pack: what its tokens pay by themselves, such as KL to a reference.
    """
    rewards = [[turn_rewards(t, config) for t in members] for members in groups]
    for members, of_group, of_packs, given in zip(groups, packs, costs, rewards, strict=True):
        for pack, cost in zip(of_group, of_packs, strict=True):
            for episode in np.unique(pack.episodes):
                np.subtract.at(given[episode], turns_of(members[episode]), cost[pack.episodes == episode])
    advantage = ALGORITHMS[config.algorithm].advantage
    if config.credit == "turn":
        return by_turn(rewards, advantage, config.turn_discount)
    worth = advantage([np.array([r.sum() for r in given]) for given in rewards])
    return [
        [np.full(len(r), a) for r, a in zip(given, found, strict=True)]
        for given, found in zip(rewards, worth, strict=True)
    ]


def on_tokens(members: Sequence[Trajectory], pack: Pack, worth: Sequence[np.ndarray]) -> np.ndarray:
    """The advantage of its turn on each token of a pack: float32 (N,).

    Args:
        members: the episodes that `pack.episodes` numbers.
        worth: float64 (turns,) for each of them.
    """
    found = np.zeros(len(pack.episodes), np.float32)
    for episode in np.unique(pack.episodes):
        found[pack.episodes == episode] = worth[episode][turns_of(members[episode])]
    return found
