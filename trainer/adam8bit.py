"""AdamW with its moments in 8 bits: 2 bytes a weight in place of 8.

Up to 256 neighbours in a row share a scale (Dettmers et al. 2021). A code stands for the cube of itself, so that small
values of a block are told apart too, and is rounded up or down by chance in proportion: with `beta` near 1 a step
changes a moment by less than half a code, and what is always rounded to the nearest would never decay. Chance follows
from the step and a value's place in the whole weight, and no block reaches over rows: a resumed run rounds as the other
did, and processes that hold shards of rows round as one that holds all. A checkpoint holds the state as it is.
"""

import random
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

_BLOCK = 256
_AT_ONCE = 2**21  # values that are moved together: fp32 moments, codes and chance take some 40 bytes each meanwhile
_SMALLEST = 4096  # values: norms and biases keep their moments whole, they weigh nothing
_CODES = {"exp_avg": torch.int8, "exp_avg_sq": torch.uint8}
_LEVELS = {"exp_avg": 127, "exp_avg_sq": 255}


class AdamW8bit(torch.optim.Optimizer):
    """Decoupled weight decay as `torch.optim.AdamW`, moments as codes and scales.

    Args:
        parameters: fp32, whole or sharded by rows.
        lr, betas, eps, weight_decay: as AdamW's.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Moves every weight that has a gradient."""
        for group in self.param_groups:
            for index, weight in enumerate(group["params"]):
                if weight.grad is not None:
                    self._move(weight, group, index)

    def _move(self, weight: Tensor, group: dict[str, Any], index: int) -> None:
        state, held, gradient = self.state[weight], _held(weight), _held(weight.grad)
        state["step"] = state.get("step", torch.zeros(())) + 1
        step = int(state["step"])
        before = {name: _held(value) for name, value in state.items() if name != "step"}
        if weight.numel() < _SMALLEST or weight.dim() < 2:
            kept = _moved(held, gradient.float(), before, group, step)
        else:
            seeds = {name: random.Random(f"{name} {index} {step}").getrandbits(62) for name in _CODES}
            width, first_row, parts = held[:1].numel(), _first_row(weight), []
            at_once = max(1, _AT_ONCE // max(1, width))
            for start in range(0, max(1, len(held)), at_once):
                rows, first = slice(start, start + at_once), (first_row + start) * width
                old = {name: value[rows] for name, value in before.items()}
                moments = _moved(held[rows], gradient[rows].float(), old, group, step)
                parts.append(
                    {k: v for name in moments for k, v in _coded(name, moments[name], first, seeds[name]).items()}
                )
            kept = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        state |= {name: _shard_of(weight, value) for name, value in kept.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what `state_dict` gave; torch would make all of it the weights' type."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            for name, dtype in _CODES.items():
                if f"{name}_scale" in state:
                    state[name] = state[name].to(dtype)


def _moved(
    held: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any], step: int
) -> dict[str, Tensor]:
    """Moves a weight, or some rows of one, in place; gives the new moments."""
    beta1, beta2 = group["betas"]
    mean = _moment(state, "exp_avg", gradient).lerp_(gradient, 1 - beta1)
    square = _moment(state, "exp_avg_sq", gradient).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    held.mul_(1 - group["lr"] * group["weight_decay"])
    spread = square.sqrt().div_((1 - beta2**step) ** 0.5).add_(group["eps"])
    held.addcdiv_(mean, spread, value=-group["lr"] / (1 - beta1**step))
    return {"exp_avg": mean, "exp_avg_sq": square}


def _coded(name: str, moment: Tensor, first: int, seed: int) -> dict[str, Tensor]:
    """A moment as codes and scales; of the second its root, which has half as many orders of magnitude to cover.

    Args:
        first: place in the whole weight of the first value.
    """
    signed, levels = _CODES[name] == torch.int8, _LEVELS[name]
    values = moment.flatten(1) if signed else moment.flatten(1).sqrt()
    columns = values.shape[1]
    blocks = -(-columns // _BLOCK)
    size = -(-columns // blocks)
    padded = torch.nn.functional.pad(values, (0, blocks * size - columns))
    scale = padded.view(len(values), blocks, size).abs().amax(-1)
    codes = (values / _spread(scale, columns).clamp_min(1e-38)).abs_().pow_(1 / 3).mul_(levels)
    codes = codes.add_(_chance(values, first, seed)).floor_().clamp_(max=levels)
    if signed:
        codes.copysign_(values)
    else:  # a root of 0 under a mean that isn't would be an endless step: what is not 0 doesn't become it
        codes = torch.maximum(codes, (values > 0).float())
    codes = codes.to(_CODES[name]).view(moment.shape)
    return {name: codes, f"{name}_scale": scale}


def _moment(state: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """fp32, of what this process holds of the weight; the state is left as it is."""
    if name not in state:
        return torch.zeros_like(like)
    held = _held(state[name])
    if f"{name}_scale" not in state:
        return held.clone()
    found = (held.flatten(1).float() / _LEVELS[name]).pow_(3)
    found = found.mul_(_spread(_held(state[f"{name}_scale"]), found.shape[1])).view(like.shape)
    return found if _CODES[name] == torch.int8 else found.square_()


def _spread(scale: Tensor, columns: int) -> Tensor:
    """Each value's scale (rows, columns) from those of the blocks (rows, blocks)."""
    return scale.repeat_interleave(-(-columns // scale.shape[1]), 1)[:, :columns]


def _first_row(weight: Tensor) -> int:
    """The first row of the whole weight that this process holds."""
    if not isinstance(weight, DTensor):
        return 0
    mesh = weight.device_mesh
    return mesh.get_local_rank() * -(-len(weight) // mesh.size())


def _chance(held: Tensor, first: int, seed: int) -> Tensor:
    """A number in [0, 1) for each value, by its place in the whole weight (SplitMix64's mixing)."""
    mixed = torch.arange(first, first + held.numel(), device=held.device).add_(seed)
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        mixed = mixed.bitwise_xor_(mixed >> shift).mul_(factor)
    return ((mixed >> 40) & 0xFFFFFF).float().div_(2**24).view(held.shape)


def _held(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _shard_of(weight: Tensor, held: Tensor) -> Tensor:
    """State of a weight's rows, as a tensor that is sharded as the weight is."""
    if not isinstance(weight, DTensor):
        return held
    whole = torch.empty((len(weight), *held.shape[1:]), device="meta")
    return DTensor.from_local(
        held, weight.device_mesh, weight.placements, run_check=False, shape=whole.shape, stride=whole.stride()
    )
