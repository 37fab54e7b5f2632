"""Attention over a pack: every suffix looks at the shared prompt and at itself, in time linear in suffixes.

Registered with transformers as `postgym_prefix`; a masked pass over the whole row would give the same
numbers in time quadratic in the row.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "postgym_prefix"


def register() -> None:
    """Makes the attention known to transformers; doing it twice does no harm."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, prefix_attention)


def prefix_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    segment_lengths: tuple[int, ...],
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention function for one packed row.

    Args:
        query: (1, heads, T, head_dim); key and value: (1, kv_heads, T, head_dim).
        attention_mask: not used, the segments say it all.
        segment_lengths: tokens of the prompt and of each suffix; they sum to T.

    Returns:
        (1, T, heads, head_dim), and no weights.
    """
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    queries, keys, values = (x.split(segment_lengths, dim=2) for x in (query, key, value))
    parts = [scaled_dot_product_attention(queries[0], keys[0], values[0], is_causal=True, scale=scaling)]
    for q, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
        if not q.shape[2]:
            continue
        parts.append(
            scaled_dot_product_attention(
                q,
                torch.cat((keys[0], k), 2),
                torch.cat((values[0], v), 2),
                attn_mask=_suffix_mask(segment_lengths[0], q.shape[2], q.device),
                scale=scaling,
            )
        )
    return torch.cat(parts, 2).transpose(1, 2), None


def _suffix_mask(prompt: int, suffix: int, device: torch.device) -> Tensor:
    """bool (suffix, prompt + suffix): the whole prompt, and oneself up to here."""
    return torch.ones(suffix, prompt + suffix, dtype=torch.bool, device=device).tril(prompt)
