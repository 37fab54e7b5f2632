"""AdamW with its moments in 8 bits: 2 bytes a weight in place of 8.

Blocks of 256 values share a scale (Dettmers et al. 2021). A code stands for the cube of itself, so that small values
of a block are told apart too, and is rounded up or down by chance in proportion: with `beta` near 1 a step changes a
moment by less than half a code, and what is always rounded to the nearest would never decay. Chance follows from
the step, so a resumed run rounds as the other did. All state is plain tensors, which a checkpoint holds as they are.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_BLOCK = 256
_SMALLEST = 4096  # values: norms and biases keep their moments whole, they weigh nothing
_CODES = {"exp_avg": torch.int8, "exp_avg_sq": torch.uint8}
_LEVELS = {"exp_avg": 127, "exp_avg_sq": 255}


class AdamW8bit(torch.optim.Optimizer):
    """Decoupled weight decay as `torch.optim.AdamW`, moments as codes and scales.

    Args:
        parameters: fp32.
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
        state, (beta1, beta2) = self.state[weight], group["betas"]
        gradient = weight.grad.float()
        state["step"] = state.get("step", torch.zeros(())) + 1
        step = int(state["step"])
        mean = _moment(state, "exp_avg", gradient).lerp_(gradient, 1 - beta1)
        square = _moment(state, "exp_avg_sq", gradient).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        chance = torch.Generator(weight.device).manual_seed(step << 20 | index)
        _keep(state, "exp_avg", mean, chance)
        _keep(state, "exp_avg_sq", square, chance)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        spread = square.sqrt_().div_((1 - beta2**step) ** 0.5).add_(group["eps"])
        weight.addcdiv_(mean, spread, value=-group["lr"] / (1 - beta1**step))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what `state_dict` gave; torch would make all of it the weights' type."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            for name, dtype in _CODES.items():
                if f"{name}_scale" in state:
                    state[name] = state[name].to(dtype)


def _keep(state: dict[str, Tensor], name: str, moment: Tensor, chance: torch.Generator) -> None:
    """Stores a moment; of the second its root, which has half as many orders of magnitude to cover."""
    if moment.numel() < _SMALLEST:
        state[name] = moment.clone()
        return
    signed, levels = _CODES[name] == torch.int8, _LEVELS[name]
    values = moment.flatten() if signed else moment.flatten().sqrt()
    blocks = torch.nn.functional.pad(values, (0, -len(values) % _BLOCK)).view(-1, _BLOCK)
    scale = blocks.abs().amax(1)
    codes = (blocks / scale.clamp_min(1e-38)[:, None]).abs_().pow_(1 / 3).mul_(levels)
    codes = codes.add_(torch.rand(codes.shape, generator=chance, device=codes.device)).floor_().clamp_(max=levels)
    if signed:
        codes.copysign_(blocks)
    else:  # a root of 0 under a mean that isn't would be an endless step: what is not 0 doesn't become it
        codes = torch.maximum(codes, (blocks > 0).float())
    state[name], state[f"{name}_scale"] = codes.to(_CODES[name]), scale


def _moment(state: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """fp32 of the weight's shape; the state is left as it is."""
    if name not in state:
        return torch.zeros_like(like)
    if f"{name}_scale" not in state:
        return state[name].clone()
    found = (state[name].float() / _LEVELS[name]).pow_(3).mul_(state[f"{name}_scale"][:, None])
    found = found if _CODES[name] == torch.int8 else found.square_()
    return found.flatten()[: like.numel()].view(like.shape)
