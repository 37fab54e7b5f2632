"""A LoRA adapter inside vLLM, sent in place of whole weights: room for it, and its name in every request."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

_NAME, _ID = "policy", 1


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """What vLLM makes room for.

    Args:
        rank: of every pair of matrices.
        layers: names of the layers that have one, without their paths; the output head is none of them.
        example: one of these layers: its path, its inputs and its outputs.
    """

    rank: int
    layers: tuple[str, ...]
    example: tuple[str, int, int]


def adapter_arguments(shape: AdapterShape) -> dict[str, Any]:
    """The keywords of vLLM's `EngineArgs` that make room for an adapter."""
    from vllm.config.lora import MaxLoRARanks

    return {
        "enable_lora": True,
        "max_lora_rank": min(rank for rank in get_args(MaxLoRARanks) if rank >= shape.rank),
        # Without names the output head gets room too, and is told of one row a request: the logprobs of a prompt have
        # more, and with another request beside it vLLM's process on a CPU dies of that.
        "lora_target_modules": list(shape.layers),
    }


class Adapter:
    """The adapter that every request names: it changes nothing until another is loaded in its place.

    Because the name stays, requests that are in flight go on with the new one.
    """

    def __init__(self, shape: AdapterShape) -> None:
        import torch
        from safetensors.torch import save_file

        self._nothing = tempfile.TemporaryDirectory(prefix="postgym-adapter-")  # read when the first request comes
        folder = Path(self._nothing.name)
        config = {"r": shape.rank, "lora_alpha": shape.rank, "target_modules": list(shape.layers)}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        path, inputs, outputs = shape.example  # vLLM dies of an adapter without any layer
        a, b = torch.zeros(shape.rank, inputs), torch.zeros(outputs, shape.rank)
        weights = {f"base_model.model.{path}.lora_A.weight": a, f"base_model.model.{path}.lora_B.weight": b}
        save_file(weights, folder / "adapter_model.safetensors")

    @property
    def named(self) -> "LoRARequest":
        """What a request is sent with."""
        return self._request(self._nothing.name, load_inplace=False)

    def replaced_by(self, folder: str) -> "LoRARequest":
        """What vLLM is told to load in its place: the adapter in `folder`."""
        return self._request(folder, load_inplace=True)

    def _request(self, folder: str, load_inplace: bool) -> "LoRARequest":
        from vllm.lora.request import LoRARequest

        return LoRARequest(_NAME, _ID, folder, load_inplace=load_inplace)
