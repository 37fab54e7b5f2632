"""Gradient checkpointing: what a layer computed is not kept for the backward pass but computed again there."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from rewards.errors import ConfigError


def recompute_layers(trunk: torch.nn.Module) -> None:
    """Makes each layer of a trunk keep its input alone.

    trainer/trunk.py chooses a pack's attention for the forward pass only. The second computation takes the one that
    was in force at the first: whatever else is by then would give other gradients.

    Raises:
        ConfigError: transformers can't do it for this architecture.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _attention(trunk.config, trunk.config._attn_implementation)

    layers = [module for module in trunk.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers or not trunk.supports_gradient_checkpointing:
        raise ConfigError(
            f"trainer.memory.gradient_checkpointing: {type(trunk).__name__} has no layers that transformers can "
            "compute again; set it to false"
        )
    trunk.gradient_checkpointing_enable({"use_reentrant": False, "context_fn": contexts})
    for layer in layers:
        # Transformers looks at this flag of the layer alone; what is inside stays in eval mode: no dropout.
        layer.training = True


@contextmanager
def _attention(config: Any, name: str) -> Iterator[None]:
    own, config._attn_implementation = config._attn_implementation, name
    try:
        yield
    finally:
        config._attn_implementation = own
