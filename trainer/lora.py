"""LoRA by PEFT: adapters beside a model's linear layers, which learn while the model's own weights rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rewards.errors import ConfigError, nearest
from rollout.adapters import AdapterShape
from trainer.packing import Pack
from trainer.trainer_config import LoraConfig

if TYPE_CHECKING:
    from trainer.config import Config
    from trainer.policy import Policy

_NAME = "default"
_FILE = "adapter_model.safetensors"  # what PEFT and vLLM look for


def attach(model: torch.nn.Module, trunk: torch.nn.Module, config: LoraConfig, base: str) -> None:
    """Gives linear layers of the trunk adapters that change nothing yet; nothing else learns from now on.

    Args:
        base: the folder or hub id that the adapters will say they belong to.

    Raises:
        ConfigError: the trunk has no layer of such a name.
    """
    import peft

    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules=_targets(trunk, config, base),
        lora_dropout=0.0,
        base_model_name_or_path=base,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():  # the same adapters in every run, and no one's chance disturbed
        torch.manual_seed(0)
        peft.inject_adapter_in_model(settings, model, _NAME)
    for weight in model.parameters():
        if weight.requires_grad:  # small enough to be kept in fp32 whatever the model is in
            weight.data = weight.data.float()


def _targets(trunk: torch.nn.Module, config: LoraConfig, base: str) -> list[str]:
    found = {name.rpartition(".")[2] for name, m in trunk.named_modules() if isinstance(m, torch.nn.Linear)}
    targets = found if config.targets == "all-linear" else set(config.targets)
    if unknown := sorted(targets - found):
        raise ConfigError(
            f"trainer.memory.lora.targets: {base} has no layer {unknown[0]!r}; {nearest(unknown[0], found)}"
        )
    return sorted(targets)


def sends_adapter(config: "Config", precision: str, on_gpu: bool) -> bool:
    """Whether the engine is sent the adapter alone, as `rollout.lora` says.

    vLLM computes adapters in products of their own: its kernels on a GPU take bfloat16 and no float32, those on a CPU
    take both and cost several times what they are added to.

    Raises:
        ConfigError: it is asked for where there is no kernel.
    """
    if config.trainer.memory.lora is None or config.rollout.lora == "merged":
        return False
    has_kernels = on_gpu and precision == "bfloat16"
    if config.rollout.lora == "adapter" and on_gpu and not has_kernels:
        raise ConfigError(
            f"rollout.lora: adapter, but vLLM's LoRA kernels for GPUs don't compute in {precision}; take merged, or "
            "precision: bfloat16"
        )
    return has_kernels or config.rollout.lora == "adapter"


def sent_adapter(config: "Config", base: str, precision: str) -> AdapterShape | None:
    """What the engine makes room for; None where it is sent whole weights.

    Args:
        base: the model's folder or hub id; its layers are counted without loading it.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    if not sends_adapter(config, precision, torch.cuda.is_available()):
        return None
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
    lora = config.trainer.memory.lora
    targets = _targets(model.base_model, lora, base)
    path, layer = next((path, m) for path, m in model.named_modules() if path.rpartition(".")[2] in targets)
    return AdapterShape(lora.rank, tuple(targets), (path, layer.in_features, layer.out_features))


def merged(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights by the names they have without adapters, each adapter's product added in fp32."""
    weights = {}
    for name, weight in model.state_dict().items():
        layer, is_base, rest = name.partition(".base_layer.")
        if ".lora_" in name:
            continue
        if is_base and rest == "weight":
            weight = weight.float() + model.get_submodule(layer).get_delta_weight(_NAME).detach()
        weights[f"{layer}.{rest}" if is_base else name] = weight
    return weights


def save(model: torch.nn.Module, folder: Path) -> None:
    """Writes the adapters as PEFT does."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    adapters = {
        f"base_model.model.{name.replace(f'.{_NAME}.', '.')}": weight.detach().cpu().contiguous()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
    save_file(adapters, folder / _FILE, metadata={"format": "pt"})
    model.peft_config[_NAME].save_pretrained(folder)


class FrozenAdapters:
    """The policy as it was with other adapters, to be held to: the model itself is shared, not copied.

    Args:
        state: the adapters, as `Policy.state` gave them.
    """

    def __init__(self, policy: "Policy", state: dict[str, Tensor]) -> None:
        self._policy = policy
        self._state = {name: tensor.to(policy.device) for name, tensor in state.items()}

    @torch.no_grad()
    def logprobs(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """As `Policy.logprobs`, without gradients."""
        with self._in_place():
            return self._policy.logprobs(pack)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        weights = self._policy.model.named_parameters()
        own = {name: weight.detach().clone() for name, weight in weights if weight.requires_grad}
        try:
            self._policy.load_state(self._state)
            yield
        finally:
            self._policy.load_state(own)
