"""A run's checkpoint as a model folder, which transformers and `vllm serve` load."""

from pathlib import Path
from typing import Any

from rewards.errors import CheckpointError, ConfigError
from rewards.files import read_json
from rollout.models import load_renderer, resolve_model
from trainer.checkpoint import checkpoints, verified_state
from trainer.trainer_config import MemoryConfig


def find_checkpoint(run: Path, which: str) -> Path:
    """The folder of a run's checkpoint, whole and checked.

    Args:
        which: `best` (by `trainer.best_by`), `newest`, or a number of updates.

    Raises:
        ConfigError: it is no run's folder, or has no such checkpoint; those that it has are named.
        CheckpointError: the checkpoint is damaged.
    """
    if not (run / "config.json").is_file():
        raise ConfigError(f"{run} holds no run: there is no config.json")
    present = {path.name: path for path in checkpoints(run / "checkpoints")}
    if which == "newest":
        name = next(reversed(present), "")
    elif which == "best":
        name = Path(read_json(run / "best.json")["folder"]).name if (run / "best.json").is_file() else ""
    else:
        name = f"step-{int(which):05d}" if which.isdecimal() else ""
    if name not in present:
        steps = ", ".join(str(int(n.removeprefix("step-"))) for n in present) or "none"
        raise ConfigError(f"{run} has no checkpoint {which!r}; take best, newest, or one of: {steps}")
    verified_state(present[name])
    return present[name]


def write_model(run: Path, which: str, out: Path, precision: str = "bfloat16") -> Path:
    """Writes a checkpoint's weights with the run's tokenizer to the folder `out`.

    Args:
        which: as in `find_checkpoint`.
        precision: of the weights that are written.

    Returns:
        The checkpoint's folder.

    Raises:
        ConfigError, CheckpointError: as `find_checkpoint`; `out` is there already; the model isn't the run's.
    """
    from safetensors.torch import load_file

    from trainer.policy import Policy

    if out.exists():
        raise ConfigError(f"{out} is there already: choose another folder, or remove it")
    checkpoint, config = find_checkpoint(run, which), _config(run)
    model = resolve_model(config["model"])
    memory = MemoryConfig.model_validate(config.get("trainer", {}).get("memory", {}))
    policy = Policy(model, "float32", memory=MemoryConfig(lora=memory.lora))
    policy.load_state(load_file(checkpoint / "weights.safetensors"))
    policy.save(out, load_renderer(model, config["rollout"]["tool_format"]).tokenizer, precision)
    return checkpoint


def _config(run: Path) -> dict[str, Any]:
    config = read_json(run / "config.json")
    if not isinstance(config.get("model"), str) or "tool_format" not in config.get("rollout", {}):
        raise CheckpointError(f"{run}/config.json names no model: it is no training run's")
    return config
