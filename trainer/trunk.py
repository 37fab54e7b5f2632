"""A decoder's trunk over a pack: what episodes share once where its architecture can, else a row for every episode.

Which of the two is found out once for each model, by comparing them on a small pack: an architecture that ignores
the attention it is given, or adds to it what a pack can't say, shows itself by other hidden states.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from trainer import attention
from trainer.packing import Pack
from trainer.tree import Tree

# Relative: rounding in fp32 (TF32 at worst) or bf16; a wrong mask is off by tens of percent.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
_LAYERS = {"full_attention", "sliding_attention"}
_WIDEST_PROBE = 1024  # tokens; of wider windows, the number that transformers hands over is trusted


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a trunk computes packs.

    Args:
        attention: the name of the attention function that shares a path; None: a row for every episode.
        notice: what couldn't be used, and why; empty if the best way works.
    """

    attention: str | None
    notice: str = ""


_known: WeakKeyDictionary[torch.nn.Module, Sharing] = WeakKeyDictionary()


def hidden_states(trunk: torch.nn.Module, pack: Pack, device: torch.device) -> Tensor:
    """What a model's trunk makes of a pack, at the places that predict its sampled tokens: (N, hidden)."""
    name = sharing(trunk, device).attention
    found = _row_by_row(trunk, pack, device) if name is None else _shared(trunk, pack, device, name)
    return found[torch.from_numpy(pack.predict_at).to(device)]


def sharing(trunk: torch.nn.Module, device: torch.device) -> Sharing:
    """The way of computing packs that is right for this trunk; found at the first call, under the autocast there."""
    if trunk not in _known:
        _known[trunk] = _find_out(trunk, device)
    return _known[trunk]


def _find_out(trunk: torch.nn.Module, device: torch.device) -> Sharing:
    attention.register()
    config = trunk.config.get_text_config()
    if other := set(getattr(config, "layer_types", None) or ()) - _LAYERS:
        return Sharing(None, _notice(trunk, f"it has layers of {', '.join(sorted(other))}"))
    on_gpu = [attention.FLEX_NAME] if device.type == "cuda" else []
    notice = ""
    for name in (*on_gpu, attention.NAME):
        if not (flaw := _flaw(trunk, _probe(config), device, name)):
            return Sharing(name, notice)
        notice = _notice(trunk, flaw) if name == attention.NAME else f"FlexAttention isn't used: {flaw}"
    return Sharing(None, notice)


def _notice(trunk: torch.nn.Module, why: str) -> str:
    return (
        f"{type(trunk).__name__} can't share a group's prompt ({why}): every episode goes through the model "
        "in a row of its own, which is right but slower"
    )


def _flaw(trunk: torch.nn.Module, pack: Pack, device: torch.device, name: str) -> str:
    """Why the attention `name` is no good for this trunk; empty if it is."""
    try:
        _learn_from(trunk, pack, device, name)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            found = _shared(trunk, pack, device, name)
    except Exception as error:  # whatever an architecture stumbles over, rows of their own serve it
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        expected = _row_by_row(trunk, pack, device)
    off = float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max())
    return "" if off <= _TOLERANCE[found.dtype] else f"hidden states are {off:.1%} off"


def _learn_from(trunk: torch.nn.Module, pack: Pack, device: torch.device, name: str) -> None:
    """Forward and backward as an update does: a kernel that fails fails here."""
    learned = [p for p in trunk.parameters() if p.requires_grad]
    with torch.enable_grad():
        found = _shared(trunk, pack, device, name)
        if learned:  # the first one's gradient comes through all layers
            torch.autograd.grad(found.float().square().mean(), learned[:1], allow_unused=True)


def _probe(config: Any) -> Pack:
    """A small pack: a prompt longer than the sliding window, where that isn't very wide, and branches that branch."""
    window = getattr(config, "sliding_window", None) or 0
    tree = Tree((6 + (window if window <= _WIDEST_PROBE else 0), 3, 5, 4, 4), (-1, 0, 0, 2, 2))
    ids = np.arange(sum(tree.lengths)) * 7919 % (config.vocab_size - 1) + 1
    nothing = np.zeros(0, np.int64)
    return Pack(ids, tree.positions(), tree, nothing, nothing, nothing.astype(np.float32), nothing)


def _shared(trunk: torch.nn.Module, pack: Pack, device: torch.device, name: str) -> Tensor:
    """(T, hidden) by one pass over the pack."""
    own = trunk.config._attn_implementation
    trunk.set_attn_implementation(name)
    try:
        return trunk(
            input_ids=torch.from_numpy(pack.input_ids)[None].to(device),
            position_ids=torch.from_numpy(pack.position_ids)[None].to(device),
            use_cache=False,
            tree=pack.tree,
            recomputed=trunk.is_gradient_checkpointing,
        ).last_hidden_state[0]
    finally:
        trunk.set_attn_implementation(own)


def _row_by_row(trunk: torch.nn.Module, pack: Pack, device: torch.device) -> Tensor:
    """(T, hidden) by a pass over each path of the tree, with the model's own attention."""
    ids, done, found = torch.from_numpy(pack.input_ids).to(device), 0, []
    for row in pack.rows():
        hidden = trunk(input_ids=ids[row][None], use_cache=False).last_hidden_state[0]
        found.append(hidden[np.searchsorted(row, done) :])  # what it shares with rows before is known
        done = row[-1] + 1
    return torch.cat(found)
