"""Attention in bfloat16 on a CPU, by batched products: PyTorch's own kernel there goes backward at half their speed.

Scores are computed in fp32, for exactness: rounded to bfloat16, a score of 100 is off by up to a quarter, and with it
the logarithm of its weight. What is rounded else is what that kernel rounds too: weights, and gradients on the way.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

_SCORES = 2**20  # at once, of all heads: 4 MB, near what the cores' caches hold
_FEWEST_ROWS = 128  # at once, however long their path


def half_attention(
    query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], first: int, scaling: float, window: int | None
) -> Tensor:
    """What a path's last tokens read from it; going backward its keys and values are joined and weighed again.

    Args:
        query: bfloat16 (1, heads, rows, head_dim), of the path's last `rows` tokens.
        keys, values: bfloat16, of the stretches of the path: each (1, kv_heads, its tokens, head_dim).
        first: the first token of the path that any of them sees.
        scaling: of the scores.
        window: positions that a token sees, itself among them; None sees all.

    Returns:
        bfloat16 (1, heads, rows, head_dim).
    """
    return _HalfAttention.apply(query, first, scaling, window, *keys, *values)


class _HalfAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, first: int, scaling: float, window: int | None, *parts: Tensor) -> Tensor:
        ctx.save_for_backward(query, *parts)
        ctx.settings = first, scaling, window
        key, value = _joined(parts, first)
        found = query.new_empty(*query.shape[:3], value.shape[2])
        for rows, columns in _blocks(query, key):
            weights = _weights(_by_key_head(query, rows, key), key[:, columns], query.shape[1], scaling, window)
            found[0, :, rows] = (weights @ value[:, columns]).view(found[0, :, rows].shape)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_found: Tensor) -> tuple[Tensor | None, ...]:
        query, *parts = ctx.saved_tensors
        first, scaling, window = ctx.settings
        key, value = _joined(parts, first)
        of_query = torch.empty_like(query)
        of_key, of_value = (torch.zeros_like(x, dtype=torch.float32) for x in (key, value))
        for rows, columns in _blocks(query, key):
            q, of_rows = (_by_key_head(x, rows, key) for x in (query, of_found))
            weights = _weights(q, key[:, columns], query.shape[1], scaling, window)
            of_weights = of_rows @ value[:, columns].mT
            of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            of_query[0, :, rows] = (of_scores @ key[:, columns]).view(of_query[0, :, rows].shape)
            of_key[:, columns] += of_scores.mT @ q
            of_value[:, columns] += weights.mT @ of_rows
        of_parts = _parted(of_key.mul_(scaling), parts, first) + _parted(of_value, parts, first)
        return of_query.mul_(scaling), None, None, None, *of_parts


def _joined(parts: Sequence[Tensor], first: int) -> tuple[Tensor, Tensor]:
    """Keys and values of a path from `first` on: (kv_heads, tokens, head_dim)."""
    half = len(parts) // 2
    key, value = (torch.cat(tuple(x), 2)[0, :, first:] for x in (parts[:half], parts[half:]))
    return key, value


def _parted(gradient: Tensor, parts: Sequence[Tensor], first: int) -> tuple[Tensor, ...]:
    """The gradient by what was joined, as one by each of its parts; zero before `first`."""
    whole = pad(gradient, (0, 0, first, 0)).to(parts[0].dtype)
    return whole[None].split([part.shape[2] for part in parts[: len(parts) // 2]], 2)


def _blocks(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows of the query that are weighed at once, and the keys up to the last of them."""
    heads, total = query.shape[1:3]
    size = max(_FEWEST_ROWS, _SCORES // (heads * key.shape[1]))
    for start in range(0, total, size):
        stop = min(total, start + size)
        yield slice(start, stop), slice(0, key.shape[1] - total + stop)


def _by_key_head(x: Tensor, rows: slice, key: Tensor) -> Tensor:
    """Rows of (1, heads, total, head_dim) beside the keys that their heads read: (kv_heads, -1, head_dim)."""
    return x[0, :, rows].reshape(len(key), -1, x.shape[3])


def _weights(query: Tensor, key: Tensor, heads: int, scaling: float, window: int | None) -> Tensor:
    """The softmax of scores over what the rows, which are the keys' last tokens, see; in bfloat16."""
    scores = (query.float() * scaling) @ key.float().mT
    by_head = scores.view(heads, -1, key.shape[1])
    hidden = _hidden(by_head.shape[1], key.shape[1], window)
    by_head[:, :, -hidden.shape[1] :] += hidden
    return scores.softmax(-1).to(query.dtype)


@lru_cache(maxsize=32)  # every layer of a kind asks for the same ones
def _hidden(rows: int, columns: int, window: int | None) -> Tensor:
    """What to add to scores: fp32, -inf at what a row doesn't see.

    Returns:
        (rows, the last so many columns), as all rows see whatever lies before.
    """
    shown = columns if window and window < columns else rows
    seen = torch.ones(rows, shown, dtype=torch.bool).tril(shown - rows)
    if window:
        seen = seen.triu(shown - rows - window + 1)
    return torch.zeros(rows, shown).masked_fill_(~seen, float("-inf"))
