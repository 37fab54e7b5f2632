"""Logprobs and entropies of chosen tokens, with the gradient by its formula.

Autograd would hold some five fp32 copies of the logits. Here one is held, of their softmax, and it is all that going
backward needs: behind a plain linear head the gradient's products are taken of it as it is (`head_logprobs`).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_ROWS = 16  # of logits at a time: 16 x 49,152 x 4 bytes = 3 MB, which a core's cache nearly holds
LOGIT_ROWS = 512  # of a product whose logits are let go: 512 x 49,152 x 4 bytes = 100 MB, half of it in bfloat16
HELD_ROWS = 2048  # of logits at most are held until they go backward; of more, they are computed again


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


def head_logprobs(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """As `token_logprobs` of `hidden @ weight.T`, without ever making the gradient of the logits.

    With p the softmax, a token's logprob has the gradient `[target] - p` by the logits, the same multiple of it for
    the whole row: `p @ weight` and `p.T @ hidden` need nothing but a factor for each row of `hidden`.

    Args:
        hidden: (N, size).
        weight: (vocabulary, size).
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    logprobs, entropies = _HeadLogprobs.apply(hidden, weight, targets, temperature, dtype)
    return logprobs, entropies if entropy_gradient else entropies.detach()


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        softmax = logits / temperature
        logprobs, entropies = _to_softmax(softmax, targets)
        ctx.save_for_backward(softmax, targets, entropies)
        ctx.temperature = temperature
        return logprobs, entropies

    @staticmethod
    def backward(ctx: Any, of_logprobs: Tensor, of_entropies: Tensor) -> tuple[Tensor, None, None]:
        softmax, targets, entropies = ctx.saved_tensors
        gradient = _toward_others(softmax, entropies, of_logprobs, of_entropies)
        gradient[torch.arange(len(targets), device=targets.device), targets] += of_logprobs.to(gradient.dtype)
        return gradient.div_(ctx.temperature), None, None


class _HeadLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        ctx.scaled, ctx.head = (hidden / temperature).to(dtype), weight.to(dtype)
        ctx.temperature, ctx.dtype = temperature, hidden.dtype
        held = len(hidden) <= HELD_ROWS
        ctx.at_once = len(hidden) if held else LOGIT_ROWS
        found, softmax = [], None
        for rows in _parts(len(hidden), ctx.at_once):
            softmax = ctx.scaled[rows] @ ctx.head.t()
            found.append(_to_softmax(softmax, targets[rows]))
        logprobs, entropies = (torch.cat(column) for column in zip(*found, strict=True))
        ctx.save_for_backward(weight, targets, entropies, softmax if held else None)
        return logprobs, entropies

    @staticmethod
    def backward(ctx: Any, of_logprobs: Tensor, of_entropies: Tensor) -> tuple[Tensor | None, ...]:
        weight, targets, entropies, kept = ctx.saved_tensors
        by_entropy = bool(of_entropies.any())
        scaled, head, column = ctx.scaled, ctx.head, of_logprobs[:, None]
        of_hidden = torch.empty_like(scaled, dtype=torch.float32)
        of_weight = None
        for rows in _parts(len(scaled), ctx.at_once):
            matrix, factor = kept, -column[rows]
            if matrix is None:
                matrix = scaled[rows] @ head.t()
                _to_softmax(matrix, targets[rows])
            if by_entropy:
                matrix, factor = _toward_others(matrix, entropies[rows], of_logprobs[rows], of_entropies[rows]), 1.0
            of_hidden[rows] = (matrix @ head) * factor + head[targets[rows]] * column[rows]
            if ctx.needs_input_grad[1]:
                part = matrix.t() @ (scaled[rows] * factor).to(scaled.dtype)
                of_weight = part.float() if of_weight is None else of_weight.add_(part)
        if of_weight is not None:
            of_weight.index_add_(0, targets, scaled.float() * column)
            of_weight = of_weight.to(weight.grad_dtype or weight.dtype)  # rounded weights may gather fp32 gradients
        return of_hidden.div_(ctx.temperature).to(ctx.dtype), of_weight, None, None, None


def _to_softmax(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Turns logits into their softmax, in place; logprobs of the targets and entropies, in fp32."""
    logprobs, entropies = (torch.empty(len(logits), device=logits.device) for _ in range(2))
    for rows in _blocks(logits):
        logs = logits[rows].log_softmax(1, dtype=torch.float32)
        logprobs[rows] = logs.gather(1, targets[rows, None])[:, 0]
        softmax = logs.exp()
        logits[rows] = softmax
        entropies[rows] = -softmax.mul_(logs).sum(1)  # no product of vectors: autocast would take that in bfloat16
    return logprobs, entropies


def _toward_others(softmax: Tensor, entropies: Tensor, of_logprobs: Tensor, of_entropies: Tensor) -> Tensor:
    """The gradient by the logits without the targets' own part.

    With p the softmax of z: `d logprob_t / dz = [t] - p`, `d entropy / dz = -p * (log p + entropy)`.
    """
    gradient = torch.empty_like(softmax)
    by_entropy = bool(of_entropies.any())
    for rows in _blocks(softmax):
        p = softmax[rows].float()
        found = p * -(of_logprobs + of_entropies * entropies)[rows, None]
        gradient[rows] = found.sub_(of_entropies[rows, None] * torch.xlogy(p, p)) if by_entropy else found
    return gradient


def _blocks(logits: Tensor) -> Iterator[slice]:
    """On a GPU all rows at once: there a kernel's start costs more than its traffic."""
    return _parts(len(logits), _ROWS if logits.device.type == "cpu" else len(logits))


def _parts(rows: int, most: int) -> Iterator[slice]:
    """One part at least, if an empty one."""
    return (slice(start, start + most) for start in range(0, max(1, rows), max(1, most)))
