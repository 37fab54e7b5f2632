"""One update of the policy: groups in, new weights and the numbers one watches out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from rewards.errors import EngineError, TrainingError
from rollout.trajectory import Group
from trainer import losses
from trainer.algorithms import ALGORITHMS, Clip
from trainer.critic import IN_A_NEW_RUN, Critic
from trainer.lessons import Lesson, make_lessons
from trainer.optimizer import learning_rate
from trainer.policy import Policy
from trainer.team import ALONE, Team
from trainer.trainer_config import TrainerConfig


@dataclass(slots=True)
class _Tally:
    """Sums over tokens of what the logs show as means."""

    tokens: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, **values: torch.Tensor) -> None:
        self.tokens += len(next(iter(values.values())))
        for name, tensor in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(tensor.double().sum())

    def means(self, team: Team) -> dict[str, float]:
        """Over the tokens of all processes; in every one of them the same."""
        found = team.gather((self.tokens, self.sums))
        tokens = max(1, sum(count for count, _ in found))
        names = dict.fromkeys(name for _, sums in found for name in sums)
        return {name: sum(sums.get(name, 0.0) for _, sums in found) / tokens for name in names}


OnLesson = Callable[[Lesson, np.ndarray], None]


def update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    groups: Sequence[Group],
    config: TrainerConfig,
    step: int,
    reference: Policy | None = None,
    critic: Critic | None = None,
    on_lesson: OnLesson = lambda lesson, trainer_logprobs: None,
    team: Team = ALONE,
) -> dict[str, float]:
    """Learns from one round of groups.

    Args:
        step: 0-based round, for the learning rate's warm-up and the critic's.
        reference: what `kl_coefficient` holds the policy to; needed when it isn't 0.
        critic: what `make_critic` gave for the algorithm; it learns from the same round.
        on_lesson: sees each lesson with the trainer's logprobs (N,) of its tokens before the round's update.
        team: the processes over which policy and critic are sharded; all call with the same groups, and each computes a
            part of the packs. The loss is that of one process: tokens and episodes are counted over the whole round,
            and gradients are added up, not averaged.

    Returns:
        Metrics of the update, alike in all processes; gradients, learning rate and mismatch among them.

    Raises:
        ConfigError: the algorithm learns by a critic, and there is none.
        EngineError: the engine's logprobs are so far from the trainer's that it must hold other weights.
        TrainingError: a gradient is not finite; the weights are untouched by it.
    """
    held = reference if config.kl_coefficient else None
    grouped, flat = make_lessons(groups, config, held, critic, team, policy.shares)
    metrics = {"zero_variance_share": flat / max(1, len(groups)), "learning_rate": 0.0, "grad_norm": 0.0}
    if not grouped:
        return metrics
    parts = [p for p in np.array_split(np.arange(len(grouped)), config.minibatches) if len(p)]
    batches = [[lesson for i in part for lesson in grouped[i]] for part in parts]
    if critic is None or step >= config.critic.warmup_rounds:
        metrics |= _improve(policy, optimizer, groups, batches, config, step, on_lesson, team)
    if critic is not None:
        metrics |= critic.learn([[lesson.target for lesson in batch] for batch in batches], team)
    return metrics


def _improve(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    groups: Sequence[Group],
    batches: Sequence[Sequence[Lesson]],
    config: TrainerConfig,
    step: int,
    on_lesson: OnLesson,
    team: Team,
) -> dict[str, float]:
    """One optimiser step of the policy for each batch."""
    rate = learning_rate(config, step)
    for parameters in optimizer.param_groups:
        parameters["lr"] = rate
    batches = [_mine(batch, team) for batch in batches]
    # With one batch the weights can't have moved: the old logprobs are the new ones, for free.
    old = [[None] * len(b) for b in batches] if len(batches) == 1 else [_old_logprobs(policy, b) for b in batches]
    # Groups that teach nothing count in the mean: a round with little to learn from moves the policy little.
    judged = [t for group in groups for t in group.judged if t.sampled_tokens]
    tokens, episodes = sum(t.sampled_tokens for t in judged) / len(batches), len(judged) / len(batches)
    tally, norms = _Tally(), []
    by_part: list[dict[str, float]] = []
    for batch, old_logprobs in zip(batches, old, strict=True):
        _accumulate(policy, batch, old_logprobs, config, tally, tokens, episodes, on_lesson)
        means = tally.means(team)
        # Tokens of older weights may be any far: there each weight update's own probe must do.
        if not config.max_staleness and means["mismatch"] > config.max_mismatch:
            optimizer.zero_grad(set_to_none=True)
            raise EngineError(
                f"the engine's logprobs are {means['mismatch']:.2f} from the trainer's (limit "
                f"trainer.max_mismatch={config.max_mismatch}): the engine doesn't hold the trainer's weights"
            )
        by_part.append(policy.gradient_norms())
        norm = math.hypot(*by_part[-1].values())
        if not np.isfinite(norm):
            optimizer.zero_grad(set_to_none=True)
            raise TrainingError(f"gradient norm {norm} in round {step}; lower trainer.learning_rate {IN_A_NEW_RUN}")
        torch.nn.utils.clip_grads_with_norm_(policy.parameters, config.max_grad_norm, torch.tensor(norm))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        norms.append(norm)
    parts = {f"grad_norm/{part}": float(np.mean([found[part] for found in by_part])) for part in by_part[0]}
    return means | {"learning_rate": rate, "grad_norm": float(np.mean(norms))} | parts


def _accumulate(
    policy: Policy,
    batch: Sequence[Lesson],
    old_logprobs: Sequence[torch.Tensor | None],
    config: TrainerConfig,
    tally: _Tally,
    tokens: float,
    episodes: float,
    on_lesson: OnLesson,
) -> None:
    """Adds the gradient of the loss over `tokens` and `episodes`, one pack in memory at a time."""
    algorithm = ALGORITHMS[config.algorithm]
    objective_of = getattr(losses, algorithm.objective)
    clip = Clip(
        config.clip_low or algorithm.clip.low,
        config.clip_high or algorithm.clip.high,
        config.dual_clip or algorithm.clip.dual,
    )
    correction = losses.Importance(
        config.importance_cap, config.importance_floor, config.importance_level, config.importance_beyond
    )
    for lesson, old in zip(batch, old_logprobs, strict=True):
        logprobs, entropies = policy.logprobs(lesson.pack, entropy_gradient=config.entropy_coefficient > 0)
        if not lesson.counts:
            (0 * logprobs.sum()).backward()
            continue
        to = logprobs.device
        whose = torch.from_numpy(lesson.pack.episodes).to(to)
        sampler = torch.from_numpy(lesson.pack.sampler_logprobs).to(to)
        advantages = torch.from_numpy(lesson.advantages).to(to)
        old = logprobs.detach() if old is None else old
        on_lesson(lesson, old.float().cpu().numpy())
        objective = objective_of(logprobs, old, advantages, whose, clip)
        importance, bounded = correction.weights(old, sampler, whose)
        value = importance * objective.value + config.entropy_coefficient * entropies
        figures = {"ratio": objective.ratio, "ratio_clip_fraction": objective.clipped, "entropy": entropies.detach()}
        figures |= {"importance": importance, "importance_cut_fraction": bounded}
        if lesson.reference is not None:
            kl = losses.kl_estimate(config.kl_estimator, logprobs, lesson.reference.to(to))
            figures["kl"] = kl.detach()
            value = value - config.kl_coefficient * kl if config.kl_in == "loss" else value
        weights = losses.aggregation_weights(
            config.aggregation or algorithm.aggregation, whose, tokens, episodes, config.length_constant
        )
        (-(weights * value).sum()).backward()
        gap = (old - sampler).detach()
        tally.add(
            loss=-value.detach(),
            mismatch=gap.abs(),
            mismatch_kl=torch.exp(gap) - 1 - gap,  # Schulman's k3 estimate of KL(sampler, trainer)
            **figures,
        )


def _mine(batch: Sequence[Lesson], team: Team) -> list[Lesson]:
    """The lessons of a batch that this process computes."""
    turns = team.share([len(lesson.pack.input_ids) for lesson in batch])
    return [batch[index] if counts else replace(batch[index], counts=False) for index, counts in turns]


@torch.no_grad()
def _old_logprobs(policy: Policy, batch: Sequence[Lesson]) -> list[torch.Tensor]:
    return [policy.logprobs(lesson.pack)[0] for lesson in batch]
