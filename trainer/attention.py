"""Attention over a pack: every token looks at the path of the tree that leads to it, and never at another branch.

Two functions for transformers' attention interface with the same result: one of plain SDPA calls, a stretch after
the other, and one of FlexAttention with a block mask for GPUs.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from trainer.tree import Tree

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
    tree: Tree,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    recomputed: bool = False,
    **_: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention function for one packed row.

    Args:
        query: (1, heads, T, head_dim); key and value: (1, kv_heads, T, head_dim).
        attention_mask: not used, the tree says it all.
        tree: of the pack's T tokens.
        scaling: of the scores; None is head_dim ** -0.5.
        sliding_window: positions that a token sees, itself among them; None sees all.
        softcap: scores s become softcap * tanh(s / softcap) (Gemma 2).
        recomputed: the layer is computed again going backward: what it keeps then is soon gone.

    Returns:
        (1, T, heads, head_dim), and no weights.
    """
    key, value = _for_each_head(query, key), _for_each_head(query, value)
    queries, keys, values = (x.split(tree.lengths, dim=2) for x in (query, key, value))
    parts = []
    for index, q in enumerate(queries):
        path, before = tree.path(index), tree.before(index)
        # What a stretch's first token no longer sees of its path, none of its tokens sees.
        first = max(0, before + 1 - sliding_window) if sliding_window else 0
        paths = [[x[i] for i in path] for x in (keys, values)]
        k, v = (_join(x, first) for x in paths)
        mask = _causal_mask(before - first, q.shape[2], sliding_window, q.device)
        with nullcontext() if recomputed else _joined_again({_place(k): paths[0], _place(v): paths[1]}, first):
            parts.append(_attend(q, k, v, mask, scaling, softcap))
    return torch.cat(parts, 2).transpose(1, 2), None


def _join(parts: Sequence[Tensor], first: int) -> Tensor:
    joined = torch.cat(tuple(parts), 2)
    return joined[:, :, first:] if first else joined  # a slice's gradient is zeros with the gradient in them


def _place(x: Tensor) -> tuple[int, torch.Size]:
    return x.data_ptr(), x.shape


def _joined_again(joined: dict[tuple[int, torch.Size], list[Tensor]], first: int) -> AbstractContextManager:
    """Has autograd keep the parts of what was joined, and join them again going backward.

    Every branch joins its own keys and values to those of the prompt, whose copies would be the most of what a long
    prompt and a large group keep; the parts are stretches of one tensor.

    Args:
        joined: by place in memory and shape what parts a tensor was joined of; all else is kept as it is.
        first: where the joined tensor begins.
    """
    parts = {place: [part.detach() for part in found] for place, found in joined.items()}

    def pack(x: Tensor) -> Tensor | list[Tensor]:
        return parts.get(_place(x), x)

    def unpack(kept: Tensor | list[Tensor]) -> Tensor:
        return _join(kept, first) if isinstance(kept, list) else kept

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


def _for_each_head(query: Tensor, x: Tensor) -> Tensor:
    return x.repeat_interleave(query.shape[1] // x.shape[1], 1)


@lru_cache(maxsize=32)  # every layer of a kind asks for the same ones
def _causal_mask(before: int, rows: int, window: int | None, device: torch.device) -> Tensor | None:
    """bool (rows, before + rows): what came before and oneself up to here, as far back as the window reaches.

    None where that is plainly causal.
    """
    far = window is None or window >= before + rows
    if far and not before:
        return None
    seen = torch.ones(rows, before + rows, dtype=torch.bool, device=device).tril(before)
    return seen if far else seen.triu(before - window + 1)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None, softcap: float | None
) -> Tensor:
    """Attention under a mask, plainly causal where it is None."""
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling)
    rows = query.shape[2]
    mask = torch.ones(rows, rows, dtype=torch.bool, device=query.device).tril() if mask is None else mask
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
    tree: Tree,
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
        block_mask=_block_mask(tree, sliding_window, query.device),
        scale=scaling,
    )
    return found.transpose(1, 2), None


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


@lru_cache(maxsize=4)  # every layer of a kind asks for the same one
def _block_mask(tree: Tree, window: int | None, device: torch.device) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    rows = sum(tree.lengths)
    return create_block_mask(visibility(tree, window, device), None, None, rows, rows, device=device)


def visibility(tree: Tree, window: int | None, device: torch.device) -> _Visible:
    """FlexAttention's mask function of a pack: may a row look at a column?

    Args:
        tree: of the pack's tokens.
        window: positions that a token sees, itself among them; None sees all.
    """
    ends, positions = (torch.from_numpy(x).to(device) for x in (tree.branch_ends(), tree.positions()))
    reach = window or len(ends)

    def visible(batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return (column <= row) & (row < ends[column]) & (positions[row] - positions[column] < reach)

    return visible
