"""Attention over a pack: every suffix looks at the shared prompt and at itself, and never at another suffix.

Two functions for transformers' attention interface with the same result: one of plain SDPA calls, in time linear in
the suffixes, and one of FlexAttention with a block mask for GPUs.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "postgym_prefix"
FLEX_NAME = "postgym_prefix_on_gpu"

_Visible = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def register() -> None:
    """Makes both attentions known to transformers; doing it twice does no harm."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, prefix_attention)
    AttentionInterface.register(FLEX_NAME, flex_prefix_attention)


def prefix_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segment_lengths: tuple[int, ...],
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention function for one packed row.

    Args:
        query: (1, heads, T, head_dim); key and value: (1, kv_heads, T, head_dim).
        attention_mask: not used, the segments say it all.
        segment_lengths: tokens of the prompt and of each suffix; they sum to T.
        scaling: of the scores; None is head_dim ** -0.5.
        sliding_window: positions that a token sees, itself among them; None sees all.
        softcap: scores s become softcap * tanh(s / softcap) (Gemma 2).

    Returns:
        (1, T, heads, head_dim), and no weights.
    """
    key, value = _for_each_head(query, key), _for_each_head(query, value)
    queries, keys, values = (x.split(segment_lengths, dim=2) for x in (query, key, value))
    prompt = segment_lengths[0]
    window = sliding_window or sum(segment_lengths)
    causal = None if window >= prompt else _window_mask(0, prompt, window, query.device)
    parts = [_attend(queries[0], keys[0], values[0], causal, scaling, softcap)]
    # What a suffix's first token no longer sees of the prompt, none of its tokens sees.
    first = max(0, prompt + 1 - window)
    for q, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
        if not q.shape[2]:
            continue
        parts.append(
            _attend(
                q,
                torch.cat((keys[0][:, :, first:], k), 2),
                torch.cat((values[0][:, :, first:], v), 2),
                _window_mask(prompt - first, q.shape[2], window, q.device),
                scaling,
                softcap,
            )
        )
    return torch.cat(parts, 2).transpose(1, 2), None


def _for_each_head(query: Tensor, x: Tensor) -> Tensor:
    return x.repeat_interleave(query.shape[1] // x.shape[1], 1)


def _window_mask(before: int, rows: int, window: int, device: torch.device) -> Tensor:
    """bool (rows, before + rows): what came before and oneself up to here, as far back as the window reaches."""
    seen = torch.ones(rows, before + rows, dtype=torch.bool, device=device).tril(before)
    return seen.triu(before - window + 1)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None, softcap: float | None
) -> Tensor:
    """Attention under a mask, plainly causal where it is None."""
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling)
    rows = query.shape[2]
    mask = _window_mask(0, rows, rows, query.device) if mask is None else mask
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = (softcap * torch.tanh(scores / softcap)).masked_fill(~mask, float("-inf"))
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


def flex_prefix_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segment_lengths: tuple[int, ...],
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """`prefix_attention` by one FlexAttention kernel that skips what no token of a block sees.

    It has not been run on a GPU yet: what is tested is its forward pass on a CPU, uncompiled, which is the same
    mask and the same formula. trainer/trunk.py compares it with the model's own attention before it is used.
    """
    from torch.nn.attention.flex_attention import flex_attention

    def capped(score: Tensor, *_: Tensor) -> Tensor:
        return softcap * torch.tanh(score / softcap)

    attend = _compiled(flex_attention) if query.device.type == "cuda" else flex_attention
    found = attend(
        query,
        _for_each_head(query, key),
        _for_each_head(query, value),
        score_mod=None if softcap is None else capped,
        block_mask=_block_mask(segment_lengths, sliding_window, query.device),
        scale=scaling,
    )
    return found.transpose(1, 2), None


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


@lru_cache(maxsize=4)  # every layer of a kind asks for the same one
def _block_mask(segment_lengths: tuple[int, ...], window: int | None, device: torch.device) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    rows = sum(segment_lengths)
    visible = visibility(segment_lengths, window, device)
    return create_block_mask(visible, None, None, rows, rows, device=device)


def visibility(segment_lengths: tuple[int, ...], window: int | None, device: torch.device) -> _Visible:
    """FlexAttention's mask function of a pack: may a row look at a column?

    Args:
        segment_lengths: tokens of the prompt and of each suffix.
        window: positions that a token sees, itself among them; None sees all.
    """
    lengths = torch.tensor(segment_lengths)
    rows = torch.arange(int(lengths.sum()))
    segments = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    starts = lengths.cumsum(0) - lengths
    # Positions of a suffix go on from the prompt's end.
    positions = (rows - starts[segments] + (segments > 0) * lengths[0]).to(device)
    segments = segments.to(device)
    reach = window or len(rows)

    def visible(batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        mine = (segments[column] == segments[row]) | (segments[column] == 0)
        return mine & (column <= row) & (positions[row] - positions[column] < reach)

    return visible
