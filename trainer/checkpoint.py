"""Checkpoints: weights and optimiser of a step, checksummed, written beside their place and renamed.

All randomness of a run follows from (seed, step), so a step's tensors are its whole state. Writing happens
in a thread while the next episodes are generated.
"""

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rewards.errors import CheckpointError
from trainer.critic import Critic
from trainer.policy import Policy

_FORMAT = 1


class CheckpointStore:
    """The checkpoints of a run: `step-00012/{weights,optimizer}.safetensors, state.json`.

    With a critic there are `critic.safetensors` and `critic_optimizer.safetensors` too.

    Args:
        folder: where they lie.
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def save(self, step: int, policy: Policy, optimizer: torch.optim.Optimizer, critic: Critic | None = None) -> None:
        """Copies the state now and writes it in the background; waits for the write before it."""
        self.wait()
        parts = {"weights": policy.state(), "optimizer": _optimizer_tensors(optimizer)}
        if critic is not None:
            parts |= {"critic": critic.state(), "critic_optimizer": _optimizer_tensors(critic.optimizer)}
        self._thread = threading.Thread(target=self._write_safely, args=(step, parts))
        self._thread.start()

    def wait(self) -> None:
        """Returns when the last save is on disk.

        Raises:
            CheckpointError: it could not be written.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise CheckpointError(f"checkpoint in {self.folder} could not be written: {failure}") from failure

    def load_newest(
        self,
        policy: Policy,
        optimizer: torch.optim.Optimizer | None,
        warn: Any = print,
        critic: Critic | None = None,
    ) -> int | None:
        """Restores the newest whole checkpoint; a damaged one is named through `warn` and passed over.

        So is one without a critic where there is one to restore: the critic can't be had from the rest.

        Returns:
            Its step, or None when there is none.
        """
        from safetensors.torch import load_file

        for path in sorted(self.folder.glob("step-*"), reverse=True):
            try:
                state = _verified_state(path)
                if critic is not None and "critic.safetensors" not in state["sha256"]:
                    raise CheckpointError(f"checkpoint {path} was written without a critic")
            except CheckpointError as error:
                warn(f"{error}; using the one before")
                continue
            policy.load_state(load_file(path / "weights.safetensors"))
            if optimizer is not None:
                _load_optimizer(optimizer, load_file(path / "optimizer.safetensors"))
            if critic is not None:
                critic.load_state(load_file(path / "critic.safetensors"))
                _load_optimizer(critic.optimizer, load_file(path / "critic_optimizer.safetensors"))
            return int(state["step"])
        return None

    def _write_safely(self, step: int, parts: dict[str, dict[str, Tensor]]) -> None:
        try:
            self._write(step, parts)
        except BaseException as error:  # handed to the main thread by wait()
            self._failure = error

    def _write(self, step: int, parts: dict[str, dict[str, Tensor]]) -> None:
        from safetensors.torch import save_file

        self.folder.mkdir(parents=True, exist_ok=True)
        staging = self.folder / f".step-{step:05d}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        for name, tensors in parts.items():
            save_file(tensors, staging / f"{name}.safetensors")
        files = {p.name: _digest(p) for p in sorted(staging.iterdir())}
        (staging / "state.json").write_text(json.dumps({"format": _FORMAT, "step": step, "sha256": files}))
        for path in staging.iterdir():
            with path.open("rb") as written:
                os.fsync(written.fileno())
        target = self.folder / f"step-{step:05d}"
        shutil.rmtree(target, ignore_errors=True)
        os.replace(staging, target)
        for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
            shutil.rmtree(old)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verified_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads((path / "state.json").read_text())
        if state["format"] != _FORMAT:
            raise CheckpointError(f"checkpoint {path} has format {state['format']}, this postgym reads {_FORMAT}")
        for name, digest in state["sha256"].items():
            if _digest(path / name) != digest:
                raise CheckpointError(f"checkpoint {path} is damaged: {name} has another checksum")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged: {error!r}") from error
    return state


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value).detach().to("cpu", copy=True)
        for index, values in state.items()
        for name, value in values.items()
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    whole = optimizer.state_dict()
    whole["state"] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        whole["state"].setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict(whole)
