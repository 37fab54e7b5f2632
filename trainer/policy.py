"""The model being trained: logprobs of packed tokens, with logits only where the loss needs them."""

import contextlib
import ctypes
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rewards.errors import ConfigError
from trainer import lora
from trainer.packing import Pack
from trainer.recompute import recompute_layers
from trainer.token_logprobs import HELD_ROWS, LOGIT_ROWS, head_logprobs, token_logprobs
from trainer.trainer_config import MemoryConfig
from trainer.trunk import hidden_states, sharing

_TURNS, _CLEARLY = 25, 1.3  # of measuring a precision, and how much faster bfloat16 must be

# Looked for in this order: `post_attention_layernorm` is a norm.
_PARTS = {
    "norm": ("norm",),
    "embedding": ("embed",),
    "attention": ("attn",),
    "mlp": ("mlp",),
    "head": ("lm_head",),
}
# By the name of the setting: what it makes of the logits (Cohere, Granite).
_SCALES = {"logit_scale": lambda value: value, "logits_scaling": lambda value: 1 / value}


def faster_precision(seconds: Callable[[str], float] | None = None) -> str:
    """`bfloat16` on a GPU; on a CPU only where it clearly multiplies faster: CPUs differ by 2x both ways.

    The best of many turns counts for each, in turn, and doubt speaks for `float32`, which is exact: whatever else the
    machine does at this moment must not choose the precision of a run.

    Args:
        seconds: measures one product in the named precision.
    """
    if torch.cuda.is_available():
        return "bfloat16"
    measure = seconds or _product_seconds
    turns = [(measure("bfloat16"), measure("float32")) for _ in range(_TURNS)]
    half, full = (min(column) for column in zip(*turns, strict=True))
    return "bfloat16" if half * _CLEARLY < full else "float32"


def _product_seconds(precision: str) -> float:
    dtype = getattr(torch, precision)
    a, b = torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
    started = time.perf_counter()
    a @ b
    return time.perf_counter() - started


def keep_freed_memory() -> None:
    """Tells glibc to reuse big blocks instead of returning them: page faults cost a third of a CPU step."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        libc.mallopt(-8, 1)  # M_ARENA_MAX: what a thread's own arena can't hold is mapped anew each time, 3x slower


def return_freed_memory() -> None:
    """Gives back what `keep_freed_memory` kept: the next phase, or the engine, may need it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Where `precision` is computed in: bf16 over fp32 weights, or plain `float32`."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _part(name: str) -> str:
    """Which part of the model a weight belongs to, by its name in transformers."""
    for part, words in _PARTS.items():
        if any(word in name for word in words):
            return part
    return "other"


def square_sum(gradients: Iterable[Tensor]) -> float:
    """Sum of the squares of all their numbers; of sharded ones, of what this process holds.

    Row by row, then in float64: a CPU's fp32 norm of 28 million numbers at once is 0.2% off.
    """
    held = [g.to_local() if hasattr(g, "to_local") else g for g in gradients]
    return float(torch.stack([torch.linalg.vector_norm(g, dim=-1).double().square().sum() for g in held]).sum())


class Policy:
    """A causal language model, computing under bf16 autocast or in fp32.

    Args:
        folder: a transformers model folder or hub id.
        precision: `bfloat16` computes under autocast, `float32` plainly.
        temperature: the sampler's: logits are divided by it, so that logprobs are those of what was sampled.
        memory: the type of the weights, whether layers are computed again going backward, and the adapters.

    Attributes:
        notice: what makes this architecture slower than it could be; empty if nothing does.

    Raises:
        ConfigError: the model can't be loaded, or makes its logits by more than a linear head, a scale and a soft cap.
    """

    def __init__(
        self,
        folder: str,
        precision: str = "bfloat16",
        temperature: float = 1.0,
        memory: MemoryConfig | None = None,
    ) -> None:
        from transformers import AutoModelForCausalLM

        keep_freed_memory()
        self.memory = memory or MemoryConfig()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, self.memory.weights))
        except (OSError, ValueError) as error:
            raise ConfigError(f"model {folder} can't be loaded: {' '.join(str(error).split())[:300]}") from error
        self.model = model.to(self.device)
        if self.memory.lora:
            lora.attach(self.model, self.trunk, self.memory.lora, folder)
        self.settle()
        self.precision = precision
        self.temperature = temperature
        text = model.config.get_text_config()
        if getattr(text, "attn_logit_softcapping", None):
            model.set_attn_implementation("eager")  # SDPA leaves the cap out
        self._final_cap = getattr(text, "final_logit_softcapping", None)
        self._scale = math.prod(scale(getattr(text, name, None) or 1.0) for name, scale in _SCALES.items())
        with autocast(self.device, precision):
            self.notice = sharing(self.trunk, self.device).notice
        self._check_head(folder)

    def settle(self) -> None:
        """Makes the model compute as it samples, without dropout: the ratio must be 1 at the start."""
        self.model.eval()
        if self.memory.gradient_checkpointing:
            recompute_layers(self.trunk)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """All weights that learn, in a fixed order: the adapters' alone where there are any."""
        return [p for p in self.model.parameters() if p.requires_grad]

    @property
    def trunk(self) -> torch.nn.Module:
        """All but the output head: token ids to hidden states."""
        return self.model.base_model

    @property
    def shares(self) -> bool:
        """Whether what the episodes of a pack share goes through the model once."""
        return sharing(self.trunk, self.device).attention is not None

    def gradient_norms(self) -> dict[str, float]:
        """Norm of the gradient by part of the model; a tied output head counts as embedding."""
        return {part: math.sqrt(square) for part, square in self._squares().items()}

    def _squares(self) -> dict[str, float]:
        """Sum of the squares of the gradient by part: of what this process holds of it."""
        gradients: dict[str, list[Tensor]] = {}
        for name, weight in self.model.named_parameters():
            if weight.grad is not None:
                gradients.setdefault(_part(name), []).append(weight.grad)
        return {part: square_sum(found) for part, found in sorted(gradients.items())}

    def logprobs(self, pack: Pack, entropy_gradient: bool = False) -> tuple[Tensor, Tensor]:
        """Logprobs and entropies of the sampled tokens of a pack.

        Returns:
            logprobs (N,) with gradient, entropies (N,) without unless `entropy_gradient`; fp32.
        """
        targets = torch.from_numpy(pack.targets).to(self.device)
        with autocast(self.device, self.precision):
            hidden, head = hidden_states(self.trunk, pack, self.device), self.model.get_output_embeddings()
            if type(head) is torch.nn.Linear and head.bias is None and self._final_cap is None:
                return head_logprobs(hidden, head.weight, targets, self.temperature / self._scale, entropy_gradient)
            chunks = zip(hidden.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True)
            if len(hidden) <= HELD_ROWS:
                parts = [self._token_logprobs(h, t, entropy_gradient) for h, t in chunks]
            else:  # too many logits to hold: they are computed again going backward
                parts = [checkpoint(self._token_logprobs, *c, entropy_gradient, use_reentrant=False) for c in chunks]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _token_logprobs(self, hidden: Tensor, targets: Tensor, entropy_gradient: bool) -> tuple[Tensor, Tensor]:
        return token_logprobs(self._logits(hidden), targets, self.temperature, entropy_gradient)

    def _logits(self, hidden: Tensor) -> Tensor:
        logits = self.model.get_output_embeddings()(hidden)
        logits = logits if self._scale == 1 else logits.float() * self._scale
        return logits if self._final_cap is None else self._final_cap * torch.tanh(logits.float() / self._final_cap)

    @torch.no_grad()
    def _check_head(self, folder: str) -> None:
        ids = torch.arange(1, 5, device=self.device)[None]
        expected = self.model(input_ids=ids, use_cache=False).logits.float()
        found = self._logits(self.trunk(input_ids=ids, use_cache=False).last_hidden_state).float()
        if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3):
            raise ConfigError(
                f"model {folder}: {type(self.model).__name__} makes its logits in a way of its own; trainer/policy.py "
                "knows linear heads, scales and soft caps: take another model, or teach it this one there"
            )

    def save(self, folder: Path, tokenizer: Any = None, precision: str = "bfloat16", for_engine: bool = False) -> None:
        """Writes a model folder that transformers and `vllm serve` load; adapters are merged into it.

        Args:
            for_engine: write tied weights under each of their names: vLLM's in-place reload on a CPU
                keeps its packed copy of a tied output head unless the file names it.
        """
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tied, weights = self._tied_names(), {}
        for name, weight in lora.merged(self.model).items():
            if name not in tied or for_engine:
                # safetensors refuses one tensor under two names: the tied ones alone are copied whatever they are
                weights[name] = _on_cpu(weight, getattr(torch, precision), copy=name in tied)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        config = self.model.config.to_dict() | {"dtype": precision}
        type(self.model.config).from_dict(config).save_pretrained(folder)
        self.model.generation_config.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)

    def save_adapter(self, folder: Path) -> None:
        """Writes the adapters as PEFT and vLLM load them."""
        lora.save(self.model, folder)

    def state(self, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Copies by name of what learning changes: all weights, tied ones once, or the adapters' alone."""
        whole = self.model.state_dict()
        return {name: _on_cpu(whole[name], dtype, copy=True) for name in self._learned_names(whole)}

    def _learned_names(self, whole: dict[str, Tensor]) -> list[str]:
        if self.memory.lora:
            return [name for name, weight in self.model.named_parameters() if weight.requires_grad]
        return [name for name in whole if name not in self._tied_names()]

    def _tied_names(self) -> set[str]:
        return set(getattr(self.model, "all_tied_weights_keys", None) or ())

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes weights as `state` gives them."""
        load_weights(self.model, state, self._learned_names(self.model.state_dict()))


def load_weights(model: torch.nn.Module, state: dict[str, Tensor], needed: Iterable[str]) -> None:
    """Gives a model the weights of `state`, among which must be the `needed` ones.

    Raises:
        ConfigError: one is missing, or isn't the model's.
    """
    missing = set(needed) - set(state)
    unexpected = model.load_state_dict(state, strict=False).unexpected_keys
    if unexpected or missing:
        raise ConfigError(f"weights don't fit the model: missing {sorted(missing)[:3]}, unexpected {unexpected[:3]}")


def _on_cpu(weight: Tensor, dtype: torch.dtype, copy: bool) -> Tensor:
    return weight.detach().to("cpu", dtype, copy=copy).contiguous()
