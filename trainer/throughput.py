"""How much arithmetic a round did: FLOPs of the trainer and of the engine by the model's shape, over their seconds.

Counted is what the mathematics needs, once for what is shared: multiplications with weights, and attention over what a
token sees. Computing again (checkpointed activations), normalisation and sampling count nothing, so the figure is the
model FLOPs utilisation of Chowdhery et al. 2022 (PaLM), appendix B, with attention halved as it is causal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rollout.trajectory import Group
from trainer.config import Config
from trainer.packing import Pack
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig

# Dense bf16 FLOP/s of the makers' data sheets; the first name found in the card's is taken.
_PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIE": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}


def peak_flops(card: str) -> float | None:
    """The most bf16 FLOP/s that a card can do, by its name as torch gives it; None for a card that isn't known."""
    words = card.upper().replace("-", " ")
    return next((peak for name, peak in _PEAKS.items() if f" {name} " in f" {words} "), None)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a decoder's arithmetic depends on.

    Args:
        weights: parameters that every token is multiplied with: all matrices of the trunk but the embedding; of a
            mixture's experts those that a token meets.
        head: parameters of the output head, which only predicted tokens meet.
        attention: heads * head_dim of each layer.
        windows: tokens that each layer's attention sees, None for all.
    """

    weights: int
    head: int
    attention: tuple[int, ...]
    windows: tuple[int | None, ...]

    def forward(self, positions: np.ndarray, predicted: int) -> float:
        """FLOPs of a forward pass.

        Two for each weight and token; in each layer four for each number of a query and each token that it sees.

        Args:
            positions: (tokens,) of each computed token within its episode: it sees that many and itself.
            predicted: tokens whose logits are needed.
        """
        total = 2.0 * self.weights * len(positions) + 2.0 * self.head * predicted
        seen = {w: float(np.minimum(positions + 1, w or np.inf).sum()) for w in set(self.windows)}
        return total + sum(4.0 * size * seen[w] for size, w in zip(self.attention, self.windows, strict=True))


def shape_of(model: Any) -> ModelShape:
    """The shape of a transformers decoder, adapters included."""
    config = model.config.get_text_config()
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    size = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"] * layers
    return ModelShape(
        _multiplied(model),
        config.vocab_size * config.hidden_size,
        (size,) * layers,
        tuple(window if kind == "sliding_attention" else None for kind in kinds),
    )


def frozen_of(model: Any) -> ModelShape:
    """What of the shape doesn't learn: an update computes no gradient of it, only what goes through it."""
    shape, head = shape_of(model), model.get_output_embeddings().weight
    return ModelShape(_multiplied(model, frozen=True), 0 if head.requires_grad else shape.head, (), ())


def _multiplied(model: Any, frozen: bool = False) -> int:
    """How many of the trunk's parameters, or of its frozen ones, a token is multiplied with."""
    config = model.config.get_text_config()
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or 1
    met = (getattr(config, "num_experts_per_tok", None) or 1) / experts if experts > 1 else 1.0
    embeddings = {id(p) for p in model.get_input_embeddings().parameters()}
    return sum(
        round(p.numel() * (met if ".experts." in name else 1))
        for name, p in model.base_model.named_parameters()
        if p.dim() > 1 and id(p) not in embeddings and not (frozen and p.requires_grad)
    )


class Throughput:
    """Counts a round's arithmetic and reports it.

    Args:
        policy: whose model and precision count; shares of the card's peak are told in bfloat16 alone.
        config: what an update computes.
        engine_cards: GPUs that sample.
        card: the GPU's name; empty without one.
    """

    def __init__(self, policy: Policy, config: TrainerConfig, engine_cards: int = 1, card: str = "") -> None:
        self._shape, self._frozen = shape_of(policy.model), frozen_of(policy.model)
        self._shared = policy.shares
        self._passes = passes_of(config)
        self._cards = {"trainer": config.processes, "engine": engine_cards}
        self._peak = peak_flops(card) if policy.precision == "bfloat16" else None
        self._flops, self._tokens = 0.0, 0

    def learned(self, pack: Pack) -> None:
        """Counts a pack that the trainer learned from; what episodes share once, where the model can share it."""
        positions = pack.position_ids
        if not self._shared:
            positions = np.concatenate([positions[row] for row in pack.rows()])
        self._flops += self._passes * self._shape.forward(positions, len(pack.targets))
        self._flops -= self._frozen.forward(positions, len(pack.targets))
        self._tokens += len(positions)

    def report(self, groups: Sequence[Group], rollout_seconds: float, update_seconds: float) -> dict[str, float]:
        """The round's figures; the count begins anew.

        Args:
            groups: what the engine sampled in `rollout_seconds`. Of none, as where a round was sampled before a kill,
                nothing is told of its speed.

        Returns:
            `tokens_per_second` that were sampled, `trainer_tokens_per_second` of packs, `trainer_tflops` and
            `engine_tflops` (tera per second); on a known GPU in bfloat16 `trainer_peak_share` and `engine_peak_share`,
            of all cards that compute.
        """
        seconds = max(update_seconds, 1e-9)
        speeds = {"trainer": self._flops / seconds}
        row = {"trainer_tokens_per_second": self._tokens / seconds}
        if groups and rollout_seconds > 0:
            speeds["engine"] = sampling_flops(self._shape, groups) / rollout_seconds
            row["tokens_per_second"] = sum(t.sampled_tokens for g in groups for t in g.trajectories) / rollout_seconds
        for who, speed in speeds.items():
            row[f"{who}_tflops"] = speed / 1e12
            if self._peak:
                row[f"{who}_peak_share"] = speed / (self._cards[who] * self._peak)
        self._flops, self._tokens = 0.0, 0
        return row


def make_throughput(policy: Policy, config: Config) -> Throughput:
    """For this machine's card."""
    cards = config.rollout.replicas * config.rollout.tensor_parallel
    return Throughput(policy, config.trainer, cards, torch.cuda.get_device_name(0) if torch.cuda.is_available() else "")


def sampling_flops(shape: ModelShape, groups: Sequence[Group]) -> float:
    """What an engine with a prefix cache computes for a round: a group's prompt once, every other token once."""
    total = 0.0
    for group in groups:
        prompt = 0
        for t in group.trajectories:
            # The last token is sampled and never read.
            read = np.arange(t.prompt_length, max(t.prompt_length, len(t.token_ids) - 1))
            total += shape.forward(read, t.sampled_tokens)
            prompt = max(prompt, t.prompt_length)
        total += shape.forward(np.arange(prompt), 0)
    return total


def passes_of(config: TrainerConfig) -> int:
    """Forward passes' worth of the policy's shape that an update spends on a pack; a critic's are not counted.

    One forward and two backward: the gradients of what goes through the weights, and of the weights themselves (which
    `Throughput` takes off again for those that don't learn). One more for the old logprobs of several optimiser steps,
    one for a reference.
    """
    return 3 + (config.minibatches > 1) + (config.kl_coefficient > 0)
