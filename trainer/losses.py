"""Losses as pure functions on per-token tensors: objective x importance x aggregation, and penalties beside them.

A loss is `-sum_t aggregation_t * importance_t * objective_t`. Every tensor is (tokens,) over the sampled tokens of
one pack; `episodes` says whose token it is. Packs add up, so a loss doesn't depend on how a batch is split.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trainer.algorithms import Aggregation, Clip, KlEstimator


@dataclass(frozen=True, slots=True)
class Objective:
    """`value` is to be made large and carries the gradient; the rest is for logs."""

    value: Tensor
    ratio: Tensor  # pi_new / pi_old
    clipped: Tensor  # bool: the clip decided


def token_clipped(logprobs: Tensor, old: Tensor, advantages: Tensor, episodes: Tensor, clip: Clip) -> Objective:
    """PPO and GRPO: `min(rho_t A_t, clip(rho_t, 1 - low, 1 + high) A_t)` with `rho_t = pi_new / pi_old`.

    With `dual`, `max(that, dual * A_t)` where `A_t < 0`.

    Sources: Schulman et al. 2017 (PPO), eq. 7; low unlike high: Yu et al. 2025 (DAPO), eq. 10; dual clip: Ye et al.
    2020 (Mastering Complex Control in MOBA Games), eq. 5.
    """
    return _clipped(torch.exp(logprobs - old), advantages, clip)


def sequence_clipped(logprobs: Tensor, old: Tensor, advantages: Tensor, episodes: Tensor, clip: Clip) -> Objective:
    """GSPO: `min(s A, clip(s, 1 - low, 1 + high) A)` with the episode's `s = exp(mean_t log rho_t)` on each token.

    Source: Zheng et al. 2025 (GSPO), eq. 5 and 7. To be aggregated by `sequence`.
    """
    gap = logprobs - old
    totals = torch.zeros(int(episodes.max()) + 1, dtype=gap.dtype, device=gap.device).index_add(0, episodes, gap)
    return _clipped(torch.exp(totals / torch.bincount(episodes).clamp(min=1))[episodes], advantages, clip)


def clipped_weight(logprobs: Tensor, old: Tensor, advantages: Tensor, episodes: Tensor, clip: Clip) -> Objective:
    """CISPO: `sg(clip(rho_t, 1 - low, 1 + high)) A_t log pi_t`: no token ever loses its gradient.

    Source: MiniMax 2025 (MiniMax-M1), eq. 4 and 5.
    """
    ratio = torch.exp(logprobs - old).detach()
    weight = ratio.clamp(1 - clip.low, 1 + clip.high)
    return Objective(weight * advantages * logprobs, ratio, weight != ratio)


def _clipped(ratio: Tensor, advantages: Tensor, clip: Clip) -> Objective:
    plain = ratio * advantages
    bounded = ratio.clamp(1 - clip.low, 1 + clip.high) * advantages
    value, clipped = torch.minimum(plain, bounded), bounded < plain
    if clip.dual is not None:
        floor = clip.dual * advantages
        below = (advantages < 0) & (value < floor)
        value, clipped = torch.where(below, floor, value), clipped | below
    return Objective(value, ratio.detach(), clipped.detach())


@dataclass(frozen=True, slots=True)
class Importance:
    """How the mismatch between trainer and sampler is corrected.

    Args:
        level: `token`, or `sequence` for the episode's whole product.
        beyond: `truncate` bounds a weight by `cap` (TIS), `mask` drops it outside `floor` to `cap` (IcePop).

    Sources: Espeholt et al. 2018 (IMPALA), Yao et al. 2025 (TIS), Ant Ling team 2025 (IcePop).
    """

    cap: float = 2.0
    floor: float = 0.5
    level: Literal["token", "sequence"] = "token"
    beyond: Literal["truncate", "mask"] = "truncate"

    def weights(self, old: Tensor, sampler: Tensor, episodes: Tensor) -> tuple[Tensor, Tensor]:
        """`pi_old / pi_sampler`, bounded, and for the logs where a bound decided (bool); (tokens,), no gradient."""
        gap = (old - sampler).detach()
        if self.level == "sequence":
            count = int(episodes.max()) + 1
            gap = torch.zeros(count, dtype=gap.dtype, device=gap.device).index_add(0, episodes, gap)[episodes]
        weights = torch.exp(gap)
        if self.beyond == "truncate":
            return weights.clamp(max=self.cap), weights > self.cap
        outside = (weights < self.floor) | (weights > self.cap)
        return weights.masked_fill(outside, 0.0), outside


def aggregation_weights(
    kind: Aggregation, episodes: Tensor, batch_tokens: float, batch_episodes: float, limit: int
) -> Tensor:
    """What a token counts in the batch's loss; (tokens,).

    `token`: 1 / all tokens (DAPO, eq. 8). `sequence`: 1 / (episodes * tokens of its own episode) (GRPO, eq. 3).
    `constant`: 1 / (episodes * `limit`), free of any length (Dr.GRPO, section 3.2).
    """
    ones = torch.ones(len(episodes), device=episodes.device)
    if kind == "token":
        return ones / batch_tokens
    if kind == "constant":
        return ones / (batch_episodes * limit)
    return ones / (batch_episodes * torch.bincount(episodes)[episodes])


def kl_estimate(kind: KlEstimator, logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(policy, reference) from the policy's own samples, token by token; (tokens,).

    With `d = logprobs - reference`: k1 is `d` (unbiased, noisy; as a loss its expected gradient is zero, use it in
    the reward), k2 is `d^2 / 2` (right gradient as a loss), k3 is `exp(-d) - 1 + d` (unbiased, never negative).

    Source: Schulman 2020, Approximating KL divergence.
    """
    gap = logprobs - reference
    if kind == "k1":
        return gap
    if kind == "k2":
        return gap.square() / 2
    return torch.exp(-gap) - 1 + gap


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """PPO's critic loss, `max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2`; (tokens,).

    Source: Schulman et al. 2017, as in OpenAI's baselines; `clip` None is plain squared error.
    """
    plain = (values - returns).square()
    if clip is None:
        return plain / 2
    bounded = old_values + (values - old_values).clamp(-clip, clip)
    return torch.maximum(plain, (bounded - returns).square()) / 2
