"""Does a run fit? Reckoned from its settings and the model's configuration, before anything heavy loads.

What the backward pass keeps is counted, not guessed: the model's own layers run on tensors without storage, and the
hook that sees what autograd keeps adds it up. One and two layers tell what all of them take.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from rewards.errors import ConfigError
from rollout.vllm_actor import VLLM_GIB
from trainer import lora as adapters
from trainer.algorithms import ALGORITHMS
from trainer.config import Config
from trainer.packing import bound
from trainer.policy import autocast
from trainer.token_logprobs import HELD_ROWS
from trainer.trainer_config import LoraConfig

_GIB = 2**30
_MOMENTS = {"adamw": 8.0, "adamw_offload": 8.0, "adamw_8bit": 2.04}  # bytes a weight
_LIBRARIES = 0.7 * _GIB  # Python, torch and transformers
# Measured on a CPU, of what a pass holds at once: glibc's freed blocks that the next ones don't fit into. What adapters
# or recomputed layers keep is small and lies between large blocks that come and go.
_HOLES, _HOLES_OF_SMALL = 0.2, 0.7
_RECOMPUTED = 2  # times what a layer keeps: that, and its gradients
_GATHERED_LAYERS = 2  # of shards: the one that is computed and the next
_WORTH_TELLING = 0.05  # share of the whole


@dataclass(frozen=True, slots=True)
class Machine:
    """Free bytes of host memory and of the trainer's GPU, all of that GPU's, and how many there are; none is 0."""

    host: float
    gpu: float = 0
    gpu_whole: float = 0
    gpus: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """Bytes of one kind, and whether they lie on the GPU or in host memory."""

    name: str
    size: float
    on_gpu: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes at its peak, largest first, and the machine it is to run on."""

    entries: tuple[Entry, ...]
    machine: Machine

    def needed(self, on_gpu: bool) -> float:
        """Bytes on the GPU, or in host memory."""
        return sum(entry.size for entry in self.entries if entry.on_gpu == on_gpu)

    @property
    def lacking(self) -> float:
        """Bytes that are not there, in both memories; 0 where the run fits."""
        on_gpu = max(0.0, self.needed(True) - self.machine.gpu)
        return on_gpu + max(0.0, self.needed(False) - self.machine.host)

    def line(self) -> str:
        """The estimate in a line, with what is worth telling of it."""
        return "memory: " + "; ".join(self._told(on_gpu) for on_gpu in (True, False) if self.needed(on_gpu))

    def table(self) -> str:
        """Each entry in a line of its own, then the whole."""
        rows = [f"{e.name:<40}{e.size / _GIB:8.2f} GiB  {'GPU' if e.on_gpu else 'host'}" for e in self.entries]
        return "\n".join([*rows, self.line()])

    def _told(self, on_gpu: bool) -> str:
        needed, free = self.needed(on_gpu), self.machine.gpu if on_gpu else self.machine.host
        large = [e for e in self.entries if e.on_gpu == on_gpu and e.size > _WORTH_TELLING * needed]
        parts = ", ".join(f"{e.name} {e.size / _GIB:.2f}" for e in large)
        where = "on the GPU" if on_gpu else "in host memory"
        return f"about {needed / _GIB:.1f} GiB of {free / _GIB:.1f} free {where} ({parts})"


def this_machine() -> Machine:
    """What is free here and now."""
    import psutil

    host = min(psutil.virtual_memory().available, container_free())
    if not torch.cuda.is_available():
        return Machine(host)
    return Machine(host, *torch.cuda.mem_get_info(), torch.cuda.device_count())


def container_free(folder: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes that a container's limit leaves, of either version of Linux's control groups; infinite without one."""
    for at, limit, used in (
        (folder, "memory.max", "memory.current"),
        (folder / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):  # no such version, or `max`: no limit
            stat = dict(line.split() for line in (at / "memory.stat").read_text().splitlines())
            # Given back when it is needed; of version 1 without `total_` it is this group's own alone.
            cached = sum(
                int(stat.get(f"total_{kind}_file", stat.get(f"{kind}_file", 0))) for kind in ("inactive", "active")
            )
            return max(0.0, float(int((at / limit).read_text()) - int((at / used).read_text()) + cached))
    return float("inf")


def check_fits(config: Config, model: str, precision: str, machine: Machine) -> Estimate:
    """Reckons what a run takes.

    Args:
        model: the model's folder or hub id.
        precision: the run's, `bfloat16` or `float32`.

    Raises:
        ConfigError: it doesn't fit; the largest entries are named, and what changing which setting would save.
    """
    found = estimate(config, model, precision, machine)
    if found.lacking:
        raise ConfigError(f"too little {found.line()}; {' '.join(savings(found, config, model, precision))}")
    return found


def savings(found: Estimate, config: Config, model: str, precision: str) -> list[str]:
    """What changes of settings would save where memory is lacking, the most helpful first."""
    saved = []
    for change, changed in _alternatives(config, precision):
        left = estimate(changed, model, precision, found.machine)
        less = max(found.needed(on_gpu) - left.needed(on_gpu) for on_gpu in (True, False))
        if less > _WORTH_TELLING * max(found.needed(True), found.needed(False)):
            saved.append((less, f"{change} saves {less / _GIB:.1f} GiB{'' if left.lacking else ' and is enough'}."))
    ordered = [text for _, text in sorted(saved, key=lambda s: -s[0])]
    return ordered or ["No setting saves much: take a smaller model or another machine."]


def _alternatives(config: Config, precision: str) -> Iterator[tuple[str, Config]]:
    trainer, rollout = config.trainer, config.rollout
    changes: list[tuple[str, dict[str, Any]]] = [
        ("gradient_checkpointing=true", {"gradient_checkpointing": True}),
        ("optimizer=adamw_8bit", {"optimizer": "adamw_8bit"}),
        ("lora.rank=16", {"lora": LoraConfig()}),
    ]
    if precision == "bfloat16":
        changes.append(("weights=bfloat16", {"weights": "bfloat16"}))
    if torch.cuda.is_available():
        changes.append(("optimizer=adamw_offload", {"optimizer": "adamw_offload"}))
    for name, change in changes:
        memory = trainer.memory.model_copy(update=change)
        if memory != trainer.memory and not (trainer.memory.lora and "lora" in change):
            yield f"trainer.memory.{name}", _with(config, "trainer", memory=memory)
    if rollout.max_context > trainer.pack_tokens:  # an episode that long makes a pack, however short packs should be
        yield (
            f"rollout.max_context={trainer.pack_tokens}",
            _with(config, "rollout", max_context=trainer.pack_tokens),
        )
    else:
        half = max(64, trainer.pack_tokens // 2)
        yield f"trainer.pack_tokens={half}", _with(config, "trainer", pack_tokens=half)
    yield (
        f"rollout.kv_cache_gb={rollout.kv_cache_gb / 2:g}",
        _with(config, "rollout", kv_cache_gb=rollout.kv_cache_gb / 2),
    )
    if trainer.kl_coefficient:
        yield "trainer.kl_coefficient=0", _with(config, "trainer", kl_coefficient=0.0)


def _with(config: Config, section: str, **values: Any) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def estimate(config: Config, model: str, precision: str, machine: Machine) -> Estimate:
    """What each part takes when most is held at once: between a pack's passes forward and backward.

    Several trainer processes share one machine's memory, or have a GPU each: what they hold in shards then counts in
    part.
    """
    rollout, gpu = config.rollout, machine.gpu_whole > 0
    pack = bound(config.trainer.pack_tokens, rollout.max_context)
    count = _count(model, precision, config.trainer.memory.weights, config.trainer.memory.lora, pack)
    width = 4 if precision == "float32" else 2
    engine = count.handed * width
    entries = _of_learning(config, count, precision, pack, gpu)
    sent = 4 * count.learned if adapters.sends_adapter(config, precision, gpu) else engine
    entries += [
        Entry("weights handed to the engine", sent, False),
        Entry("libraries", _LIBRARIES * (1 + config.trainer.processes * (config.trainer.processes > 1)), False),
    ]
    if not gpu:
        cache = rollout.replicas * rollout.kv_cache_gb * _GIB
        entries += [
            Entry("engine", rollout.replicas * (engine + VLLM_GIB * _GIB), False),
            Entry("KV cache", cache, False),
        ]
    elif machine.gpus <= rollout.replicas * rollout.tensor_parallel and not rollout.sleep_while_training:
        entries.append(Entry("engine", rollout.gpu_memory_share * machine.gpu_whole, True))
    told = sorted((e for e in entries if e.size), key=lambda entry: -entry.size)
    return Estimate(tuple(told), machine)


def _of_learning(config: Config, count: "_Count", precision: str, pack: int, gpu: bool) -> list[Entry]:
    """What trainer processes and checkpoints hold."""
    trainer, memory, several = config.trainer, config.trainer.memory, config.trainer.processes > 1
    each, part = (1, 1 / trainer.processes) if gpu else (trainer.processes, 1.0)  # of a memory: whole, and in shards
    exact_shards = memory.rounded and several  # the shards of rounded weights are the fp32 ones
    weights = 4 * count.parameters if exact_shards else count.weights
    offloaded = gpu and memory.optimizer == "adamw_offload"
    copies = 4 * count.learned if memory.rounded or offloaded else 0
    state = count.learned * _MOMENTS[memory.optimizer] + copies
    optimizer = state - (copies if exact_shards and not offloaded else 0)
    gradients = 4 * count.learned
    branch = _joined(config, count, precision, pack)
    kept = count.kept + 2 * branch  # joined again going backward, one at a time, and their gradients
    if memory.gradient_checkpointing:
        layer = _RECOMPUTED * count.kept / count.layers + config.rollout.group_size * branch
        kept = count.layers * count.layer_input + layer
    width = 4 if precision == "float32" else 2
    logits = min(pack, HELD_ROWS) * count.vocabulary * width  # their softmax, held for a pack
    if not memory.lora:  # the gradients of the head, and of the embedding that it may be, before they are added
        logits += 2 * 4 * count.head
    small = memory.lora or memory.gradient_checkpointing
    holes = 0 if gpu else (kept + logits) * (_HOLES_OF_SMALL if small else _HOLES)
    reference = weights if trainer.kl_coefficient and not memory.lora else 0
    learners = 2 if ALGORITHMS[trainer.algorithm].advantage is None else 1  # a critic beside the policy
    critic = weights * (learners - 1)  # its gradients come when the policy's are gone
    whole = learners * (4 * count.learned + state)  # what a checkpoint writes while the next round is played
    # On a CPU a process's own checkpoint takes an update's gradients and activations, which are gone by then.
    freed = 0 if gpu or several else gradients + kept + logits + holes
    gathered = (count.weights + gradients) * (count.head / count.parameters + _GATHERED_LAYERS / count.layers)
    return [
        Entry("weights", weights * part, gpu),
        Entry("gradients", gradients * part, gpu),
        Entry("optimizer", optimizer * learners * (1 if offloaded else part), gpu and not offloaded),
        Entry("activations", kept * each, gpu),
        Entry("logits", logits * each, gpu),
        Entry("holes between them", holes * each, False),
        Entry("reference", reference * part, gpu),
        Entry("critic", critic * part, gpu),
        Entry("gathered from shards", gathered * each * several, gpu),
        Entry("whole copy for engine and checkpoints", count.weights * several, gpu),
        Entry("passing from process to process", whole * several, False),
        Entry("checkpoint being written", max(0.0, whole - freed), False),
    ]


def _joined(config: Config, count: "_Count", precision: str, pack: int) -> float:
    """Keys and values of a shared prompt, as an episode's attention joins its own to them in a layer.

    As if it were half of the pack, or nearly all of an episode that is longer than a pack should be.
    """
    longest = config.rollout.max_context
    prompt = longest if pack > config.trainer.pack_tokens else min(pack // 2, longest)
    return 2 * count.attention_width * (4 if precision == "float32" else 2) * prompt


@dataclass(frozen=True, slots=True)
class _Count:
    """Of a whole model: numbers of weights, and bytes of the weights and of what a pack's backward pass needs.

    Engines are `handed` more weights than there are parameters: a tied head under its own name too.
    """

    parameters: int
    learned: int
    weights: float
    kept: float
    layer_input: float
    layers: int
    vocabulary: int
    head: int
    handed: int
    attention_width: int


@lru_cache(maxsize=32)
def _count(model: str, precision: str, weights: str, lora: LoraConfig | None, tokens: int) -> _Count:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise ConfigError(f"model {model} can't be loaded: {' '.join(str(error).split())[:300]}") from error
    text = config.get_text_config()
    layers, size = text.num_hidden_layers, 4 if weights == "float32" else 2
    one, two = (_count_layers(model, precision, weights, lora, tokens, n) for n in (1, 2))
    parameters, learned, held, kept = (a + (layers - 1) * (b - a) for a, b in zip(one, two, strict=True))
    head = text.vocab_size * text.hidden_size
    return _Count(
        parameters,
        learned,
        held,
        kept,
        tokens * text.hidden_size * size,
        layers,
        text.vocab_size,
        head,
        parameters + head * bool(config.tie_word_embeddings),
        text.num_attention_heads * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads),
    )


def _count_layers(
    model: str, precision: str, weights: str, lora: LoraConfig | None, tokens: int, layers: int
) -> tuple[int, int, int, int]:
    """Weights, learned weights, the weights' bytes, and bytes kept by a pass forward, of a model with few layers."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(model)
    text = config.get_text_config()
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    kept: dict[int, int] = {}
    alive = []  # the address of a storage that is gone may be another's

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, weights)).eval()
        if lora:
            adapters.attach(whole, whole.base_model, lora, model)
    with FakeTensorMode(allow_non_fake_inputs=True):  # the weights to be replaced
        whole.to_empty(device="cpu")
        whole.tie_weights()  # which `to_empty` undoes
        saved = torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t)
        with autocast(torch.device("cpu"), precision), _grouped_products(), saved:
            ids = torch.zeros(1, tokens, dtype=torch.long)
            hidden = whole.base_model(input_ids=ids, use_cache=False)
        own = list(whole.parameters())
        for weight in own:
            kept.pop(weight.untyped_storage()._cdata, None)
        del hidden
    sizes = sum(p.numel() for p in own), sum(p.numel() for p in own if p.requires_grad), sum(p.nbytes for p in own)
    return *sizes, sum(kept.values())


@contextlib.contextmanager
def _grouped_products() -> Iterator[None]:
    """Products of a mixture's experts by tokens in groups keep what a product with one expert keeps.

    Without storage torch refuses them in float32, which it computes with storage.
    """

    def by_one(tokens: torch.Tensor, experts: torch.Tensor, **_: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return tokens @ experts[0]

    real, torch.nn.functional.grouped_mm = torch.nn.functional.grouped_mm, by_one
    try:
        yield
    finally:
        torch.nn.functional.grouped_mm = real
