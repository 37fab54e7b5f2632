"""One GRPO update: groups in, new weights and the numbers one watches out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from rewards.errors import EngineError
from rollout.trajectory import Group
from trainer.advantages import group_normalised
from trainer.config import TrainerConfig
from trainer.losses import clipped_policy_loss
from trainer.packing import Pack, pack_group
from trainer.policy import Policy


@dataclass(slots=True)
class _Tally:
    """Sums over tokens of what the logs show as means."""

    tokens: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, **values: torch.Tensor) -> None:
        self.tokens += len(next(iter(values.values())))
        for name, tensor in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(tensor.double().sum())

    def means(self) -> dict[str, float]:
        return {name: total / max(1, self.tokens) for name, total in self.sums.items()}


def make_optimizer(policy: Policy, config: TrainerConfig) -> torch.optim.AdamW:
    """AdamW over all weights."""
    return torch.optim.AdamW(
        policy.parameters, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )


def learnable_packs(groups: Sequence[Group], max_tokens: int) -> tuple[list[list[Pack]], int]:
    """Packs of the groups that teach something, by group, and how many had no variance in their rewards.

    Episodes without a verdict have left their group; a group of equal rewards has no gradient and is skipped.
    """
    packs, flat = [], 0
    for group in groups:
        judged = [t for t in group.judged if t.sampled_tokens]
        advantages = group_normalised(np.array([t.score.value for t in judged], np.float64))
        if not advantages.any():
            flat += 1
            continue
        packs.append(pack_group(judged, advantages, max_tokens))
    return packs, flat


def update(
    policy: Policy, optimizer: torch.optim.Optimizer, groups: Sequence[Group], config: TrainerConfig, step: int
) -> dict[str, float]:
    """Learns from one round of groups.

    Args:
        step: 0-based round, for the learning rate's warm-up.

    Returns:
        Metrics of the update; gradients, learning rate and mismatch among them.

    Raises:
        EngineError: the engine's logprobs are so far from the trainer's that it must hold other weights.
        FloatingPointError: the gradient is not finite; the weights are untouched.
    """
    grouped, flat = learnable_packs(groups, config.pack_tokens)
    metrics = {"zero_variance_share": flat / max(1, len(groups)), "learning_rate": 0.0, "grad_norm": 0.0}
    if not grouped:
        return metrics
    rate = config.learning_rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
    for parameters in optimizer.param_groups:
        parameters["lr"] = rate
    parts = [p for p in np.array_split(np.arange(len(grouped)), config.minibatches) if len(p)]
    batches = [[pack for i in part for pack in grouped[i]] for part in parts]
    # With one batch the weights can't have moved: the old logprobs are the new ones, for free.
    old = [[None] * len(b) for b in batches] if len(batches) == 1 else [_old_logprobs(policy, b) for b in batches]
    tally, norms = _Tally(), []
    for batch, old_logprobs in zip(batches, old, strict=True):
        _accumulate(policy, batch, old_logprobs, config, tally)
        if tally.means()["mismatch"] > config.max_mismatch:
            optimizer.zero_grad(set_to_none=True)
            raise EngineError(
                f"the engine's logprobs are {tally.means()['mismatch']:.2f} from the trainer's (limit "
                f"trainer.max_mismatch={config.max_mismatch}): the engine doesn't hold the trainer's weights"
            )
        norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters, config.max_grad_norm))
        if not np.isfinite(norm):
            optimizer.zero_grad(set_to_none=True)
            raise FloatingPointError(f"gradient norm {norm} in round {step}; lower trainer.learning_rate")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        norms.append(norm)
    return metrics | tally.means() | {"learning_rate": rate, "grad_norm": float(np.mean(norms))}


def _accumulate(
    policy: Policy,
    packs: Sequence[Pack],
    old_logprobs: Sequence[torch.Tensor | None],
    config: TrainerConfig,
    tally: _Tally,
) -> None:
    """Adds the gradient of the token-mean loss over all packs, one pack in memory at a time."""
    tokens = sum(len(p.targets) for p in packs)
    for pack, old in zip(packs, old_logprobs, strict=True):
        logprobs, entropies = policy.logprobs(pack)
        sampler = torch.from_numpy(pack.sampler_logprobs).to(logprobs.device)
        advantages = torch.from_numpy(pack.advantages).to(logprobs.device)
        old = logprobs.detach() if old is None else old
        loss = clipped_policy_loss(
            logprobs, old, sampler, advantages, config.clip_low, config.clip_high, config.importance_cap
        )
        (loss.total / tokens).backward()
        gap = (old - sampler).detach()
        tally.add(
            loss=-(loss.importance * loss.ratio * advantages),
            mismatch=gap.abs(),
            mismatch_kl=torch.exp(gap) - 1 - gap,  # Schulman's k3 estimate of KL(sampler, trainer)
            ratio_clip_fraction=loss.clipped,
            entropy=entropies,
        )


@torch.no_grad()
def _old_logprobs(policy: Policy, packs: Sequence[Pack]) -> list[torch.Tensor]:
    return [policy.logprobs(pack)[0] for pack in packs]
