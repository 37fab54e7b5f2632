"""Losses as pure functions on per-token tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """`total` is the sum over tokens, to be divided by the tokens of the whole batch; the rest is for logs."""

    total: Tensor
    clipped: Tensor  # bool (tokens,): the clip decided
    ratio: Tensor  # (tokens,): pi_new / pi_old
    importance: Tensor  # (tokens,): truncated pi_old / pi_sampler


def clipped_policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    sampler_logprobs: Tensor,
    advantages: Tensor,
    clip_low: float,
    clip_high: float,
    importance_cap: float,
) -> PolicyLoss:
    """PPO's clipped surrogate with a truncated importance weight for the engine/trainer mismatch.

    `-sum_t w_t * min(rho_t A_t, clip(rho_t, 1 - clip_low, 1 + clip_high) A_t)` with
    `rho = exp(logprobs - old_logprobs)` and `w = min(exp(old_logprobs - sampler_logprobs), importance_cap)`.

    Args:
        logprobs: (tokens,) under the weights being trained; carries the gradient.
        old_logprobs: (tokens,) under the weights at the start of the round, by the trainer.
        sampler_logprobs: (tokens,) as the engine sampled.
        advantages: (tokens,), each token its episode's.

    Sources: Schulman et al. 2017, eq. 7; clip-higher: Yu et al. 2025 (DAPO), eq. 10; truncated importance
    sampling: Espeholt et al. 2018 (IMPALA), and Yao et al. 2025 for sampler/trainer mismatch. The sum over
    tokens, divided once by all tokens of the batch, is DAPO's token-level loss: it doesn't depend on how
    the batch is split.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    importance = torch.exp(old_logprobs - sampler_logprobs).clamp(max=importance_cap).detach()
    plain = ratio * advantages
    bounded = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    total = -(importance * torch.minimum(plain, bounded)).sum()
    return PolicyLoss(total, (bounded < plain).detach(), ratio.detach(), importance)
