"""From groups to lessons: the packs of a round with what every sampled token is worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewards.errors import ConfigError
from rollout.trajectory import Group, Trajectory
from trainer import losses
from trainer.advantages import episode_gae, whitened
from trainer.algorithms import ALGORITHMS
from trainer.credit import group_advantages, on_tokens, turn_ends, turn_rewards
from trainer.critic import Critic, ValueTarget
from trainer.packing import Pack, pack_group
from trainer.policy import Policy
from trainer.team import ALONE, Team
from trainer.trainer_config import TrainerConfig


@dataclass(frozen=True, slots=True)
class Lesson:
    """A pack with what its tokens are worth.

    Args:
        advantages: float32 (N,): the episode's advantage on each of its tokens, or each token's own by a critic.
        group: which of the round's groups it is of.
        reference: float32 (N,): logprobs under the policy that KL holds on to; None without KL.
        target: what the critic is to learn from the pack; None without one.
        counts: false where another process learns from it, and this one goes through it to keep step.
    """

    pack: Pack
    advantages: np.ndarray
    group: int = 0
    reference: torch.Tensor | None = None
    target: ValueTarget | None = None
    counts: bool = True


def make_lessons(
    groups: Sequence[Group],
    config: TrainerConfig,
    reference: Policy | None = None,
    critic: Critic | None = None,
    team: Team = ALONE,
    shares: bool = True,
) -> tuple[list[list[Lesson]], int]:
    """Lessons by group, of the groups that teach something, and how many taught nothing.

    Episodes without a verdict have left their group; a group whose advantages are all zero has no gradient, unless the
    loss holds a KL or an entropy, and is skipped. A critic learns from every group.

    Args:
        shares: as for `pack_group`.

    Raises:
        ConfigError: the algorithm learns by a critic, and there is none.
    """
    judged = [[t for t in group.judged if t.sampled_tokens] for group in groups]
    packs = [pack_group(members, config.pack_tokens, shares=shares) if members else [] for members in judged]
    known = _reference_logprobs(reference, packs, team)
    if ALGORITHMS[config.algorithm].advantage is None:
        if critic is None:
            raise ConfigError(f"trainer.algorithm {config.algorithm} learns by a critic: give make_critic's")
        values = _by_all(critic.judge, packs, team)
        return _critic_lessons(judged, packs, known, values, config), 0
    costs = [
        [_kl_penalty(pack, under_reference, config) for pack, under_reference in zip(group, logprobs, strict=True)]
        for group, logprobs in zip(packs, known, strict=True)
    ]
    worth = group_advantages(judged, packs, costs, config)
    lessons, flat = [], 0
    regularised = config.entropy_coefficient > 0 or (config.kl_coefficient > 0 and config.kl_in == "loss")
    for index, (members, group, logprobs, advantages) in enumerate(zip(judged, packs, known, worth, strict=True)):
        if not any(a.any() for a in advantages):
            flat += 1
            if not (group and regularised):
                continue
        lessons.append(
            [
                Lesson(pack, on_tokens(members, pack, advantages), index, under_reference)
                for pack, under_reference in zip(group, logprobs, strict=True)
            ]
        )
    return lessons, flat


def _critic_lessons(
    judged: Sequence[Sequence[Trajectory]],
    packs: Sequence[Sequence[Pack]],
    known: Sequence[Sequence[torch.Tensor | None]],
    values: Sequence[Sequence[np.ndarray]],
    config: TrainerConfig,
) -> list[list[Lesson]]:
    """Every token's own advantage by GAE, whitened over the round."""
    found = []
    for index, (members, *group) in enumerate(zip(judged, packs, known, values, strict=True)):
        for pack, under_reference, said in zip(*group, strict=True):
            own = -_kl_penalty(pack, under_reference, config)
            found.append((index, pack, under_reference, *token_advantages(members, pack, own, said, config)))
    lessons: dict[int, list[Lesson]] = {}
    for (index, pack, under_reference, target, _), white in zip(found, whitened([f[-1] for f in found]), strict=True):
        lesson = Lesson(pack, white.astype(np.float32), index, under_reference, target)
        lessons.setdefault(index, []).append(lesson)
    return list(lessons.values())


def token_advantages(
    members: Sequence[Trajectory], pack: Pack, rewards: np.ndarray, values: np.ndarray, config: TrainerConfig
) -> tuple[ValueTarget, np.ndarray]:
    """What the critic is to learn from a pack, and GAE on its tokens.

    Tool tokens are no steps: after a turn's last token comes the state before the next turn's first. What a turn earned
    is given after its last token. With `critic.bootstrap` an episode that ran into a limit gets the critic's value
    there in its place, not on top of it: both are guesses at the score of the whole.

    Args:
        members: the episodes that `pack.episodes` numbers.
        rewards: float64 (N,): what each token earns by itself, such as a penalty for straying.
        values: float64 (N,): what the critic says before each token.

    Returns:
        the target, and advantages float64 (N,).
    """
    rewards, advantages, returns = rewards.copy(), np.zeros(len(values)), np.zeros(len(values))
    for episode in np.unique(pack.episodes):
        mine, member = np.flatnonzero(pack.episodes == episode), members[episode]
        rewards[mine[turn_ends(member)]] += turn_rewards(member, config)
        cut = config.critic.bootstrap and member.finish in ("truncated", "context")
        advantages[mine], returns[mine] = episode_gae(rewards[mine], values[mine], cut, config.critic.gae_decay)
    return ValueTarget(pack, values.astype(np.float32), returns.astype(np.float32)), advantages


def _kl_penalty(pack: Pack, under_reference: torch.Tensor | None, config: TrainerConfig) -> np.ndarray:
    """What `kl_in: reward` takes from each token's reward; float64 (N,)."""
    if under_reference is None or config.kl_in != "reward":
        return np.zeros(len(pack.targets))
    sampled = torch.from_numpy(pack.sampler_logprobs)
    kl = losses.kl_estimate(config.kl_estimator, sampled, under_reference)
    return config.kl_coefficient * kl.double().numpy()


@torch.no_grad()
def _reference_logprobs(
    reference: Policy | None, packs: Sequence[Sequence[Pack]], team: Team
) -> list[list[torch.Tensor | None]]:
    if reference is None:
        return [[None] * len(group) for group in packs]
    return _by_all(lambda pack: reference.logprobs(pack)[0].cpu(), packs, team)


def _by_all(compute: Callable[[Pack], Any], packs: Sequence[Sequence[Pack]], team: Team) -> list[list[Any]]:
    """What `compute` makes of each group's packs; every process computes a part and gets all."""
    flat = [pack for group in packs for pack in group]
    turns = team.share([len(pack.input_ids) for pack in flat])
    mine = {index: compute(flat[index]) for index, _ in turns}
    known = {index: found for part in team.gather(mine) for index, found in part.items()}
    order = iter(range(len(flat)))
    return [[known[next(order)] for _ in group] for group in packs]
