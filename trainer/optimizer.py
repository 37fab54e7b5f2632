"""The optimiser of a policy, and the rate that it learns at.

Whatever `trainer.memory` says, weights move in fp32: a step of 1e-5 is lost in a bf16 weight of 1.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainer.adam8bit import AdamW8bit
from trainer.policy import Policy
from trainer.trainer_config import MemoryConfig, TrainerConfig

BETAS = (0.9, 0.99)  # of AdamW, whatever its moments are kept in


def make_optimizer(policy: Policy, config: TrainerConfig) -> torch.optim.Optimizer:
    """AdamW over all weights that learn, as `trainer.memory` has it."""
    return make_adamw(policy.parameters, config.learning_rate, config.weight_decay, config.memory)


def make_adamw(
    parameters: Sequence[torch.nn.Parameter], rate: float, weight_decay: float, memory: MemoryConfig
) -> torch.optim.Optimizer:
    """AdamW with 8-bit moments, fp32 copies of bf16 weights, or both in host memory, where `memory` asks for it."""
    # Fused: all weights in one pass.
    kind = AdamW8bit if memory.optimizer == "adamw_8bit" else partial(torch.optim.AdamW, fused=True)
    make = partial(kind, lr=rate, betas=BETAS, weight_decay=weight_decay)
    # Weights in host memory have their moments there anyway.
    offload = memory.optimizer == "adamw_offload" and any(p.device.type != "cpu" for p in parameters)
    if offload or any(p.dtype != torch.float32 for p in parameters):
        return MasterWeights(parameters, make, torch.device("cpu") if offload else None)
    return make(parameters)


class MasterWeights(torch.optim.Optimizer):
    """fp32 copies of the weights, moved by another optimiser; after each step the model's own are rounded from them.

    Gradients are summed in fp32 too: of many packs a small one's gradient would vanish in a bf16 sum, and the update
    would depend on how a batch is packed.

    Args:
        make: the optimiser of the copies.
        device: where copies and moments lie; None: beside each weight.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        make: Callable[[list[Tensor]], torch.optim.Optimizer],
        device: torch.device | None = None,
    ) -> None:
        self._weights = list(parameters)
        super().__init__(self._weights, {})
        for weight in self._weights:
            weight.grad_dtype = torch.float32
        self._masters = [w.detach().to(device or w.device, torch.float32, copy=True) for w in self._weights]
        self._inner = make(self._masters)
        self.param_groups = self._inner.param_groups  # who sets the rate sets it there

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Moves the copies, and rounds the weights from them."""
        for weight, master in zip(self._weights, self._masters, strict=True):
            master.grad = None if weight.grad is None else weight.grad.to(master.device)
        self._inner.step()
        self._inner.zero_grad(set_to_none=True)
        self._round()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of the model's weights."""
        for weight in self._weights:
            if set_to_none:
                weight.grad = None
            elif weight.grad is not None:
                weight.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The inner optimiser's, with each weight's copy as `master`."""
        found = self._inner.state_dict()
        state = {i: {**found["state"].get(i, {}), "master": master} for i, master in enumerate(self._masters)}
        return found | {"state": state}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what `state_dict` gave; the weights become what their copies say."""
        inner = {i: {k: v for k, v in values.items() if k != "master"} for i, values in state_dict["state"].items()}
        self._inner.load_state_dict(state_dict | {"state": {i: values for i, values in inner.items() if values}})
        self.param_groups = self._inner.param_groups
        for i, values in state_dict["state"].items():
            self._masters[i].copy_(values["master"])
        self._round()

    def _round(self) -> None:
        for weight, master in zip(self._weights, self._masters, strict=True):
            weight.copy_(master)


def learning_rate(config: TrainerConfig, step: int) -> float:
    """The rate of a round: a linear warm-up, then level or, with `linear`, a straight fall that ends after the last."""
    rate = config.learning_rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
    return rate if config.schedule == "constant" else rate * max(0.0, 1 - step / config.steps)
