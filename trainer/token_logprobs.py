"""Logprobs and entropies of chosen tokens from logits, with the gradient by its formula.

Autograd would hold some five fp32 copies of the logits. Here they are held once, as the head made them, and a few rows
at a time are raised to fp32, there and back: a quarter of the traffic, and less memory.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_ROWS = 16  # of logits at a time: 16 x 49,152 x 4 bytes = 3 MB, which a core's cache nearly holds


def token_logprobs(
    logits: Tensor, targets: Tensor, temperature: float = 1.0, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """Under the softmax of `logits / temperature`.

    Args:
        logits: (N, vocabulary), in any precision.
        targets: int64 (N,).
        entropy_gradient: whether entropies have one.

    Returns:
        logprobs of the targets (N,) and entropies of the distributions (N,); fp32.
    """
    logprobs, entropies = _TokenLogprobs.apply(logits, targets, temperature)
    return logprobs, entropies if entropy_gradient else entropies.detach()


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        normalisers, entropies = (torch.empty(len(logits), device=logits.device) for _ in range(2))
        chosen = logits.gather(1, targets[:, None])[:, 0].float() / temperature
        for rows in _blocks(logits):
            scaled = logits[rows].float() / temperature
            normalisers[rows] = scaled.logsumexp(1)
            logs = scaled.sub_(normalisers[rows, None])
            entropies[rows] = -torch.linalg.vecdot(logs.exp(), logs)
        ctx.save_for_backward(logits, targets, normalisers, entropies)
        ctx.temperature = temperature
        return chosen - normalisers, entropies

    @staticmethod
    def backward(ctx: Any, of_logprobs: Tensor, of_entropies: Tensor) -> tuple[Tensor, None, None]:
        """With p the softmax of z: `d logprob_t / dz = [t] - p`, `d entropy / dz = -p * (log p + entropy)`."""
        logits, targets, normalisers, entropies = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        by_entropy = bool(of_entropies.any())
        for rows in _blocks(logits):
            logs = (logits[rows].float() / ctx.temperature).sub_(normalisers[rows, None])
            found = logs.exp() if by_entropy else logs.exp_()
            if by_entropy:
                logs.add_(entropies[rows, None]).mul_(of_entropies[rows, None]).add_(of_logprobs[rows, None])
                found.mul_(logs.neg_())
            else:
                found.mul_(-of_logprobs[rows, None])
            found.scatter_add_(1, targets[rows, None], of_logprobs[rows, None])
            gradient[rows] = found.div_(ctx.temperature)
        return gradient, None, None


def _blocks(logits: Tensor) -> Iterator[slice]:
    """On a GPU all rows at once: there a kernel's start costs more than its traffic."""
    step = _ROWS if logits.device.type == "cpu" else max(1, len(logits))
    return (slice(start, start + step) for start in range(0, len(logits), step))
