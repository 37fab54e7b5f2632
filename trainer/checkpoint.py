"""Checkpoints: weights and optimiser of a step, checksummed, written beside their place and renamed.

All randomness of a run follows from (seed, step), so a step's tensors are its whole state. Writing happens
in a thread while the next episodes are generated. The newest are kept, and the best by what their episodes earned.
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rewards.errors import CheckpointError
from rewards.files import flush_folder, read_json, write_atomically, write_json_atomically
from trainer.critic import Critic
from trainer.policy import Policy

_FORMAT = 1


def ranking(rows: Sequence[Mapping[str, float]], metric: str, over: int) -> list[tuple[int, float]]:
    """Steps of checkpoints with what they are worth, the best first, of equal ones the newer.

    The episodes of round k are sampled with the weights of checkpoint k, or with those of `staleness` updates before:
    that one's worth is the mean of `metric` over round k and those just before, `over` in all. A round that lacks the
    metric ranks no checkpoint.

    Args:
        rows: the metrics of all rounds so far, oldest first.
    """
    found = {}
    for end, row in enumerate(rows, 1):
        values = [r[metric] for r in rows[max(0, end - over) : end] if metric in r]
        if metric in row:
            found[int(row["step"]) - round(row.get("staleness", 0))] = sum(values) / len(values)
    return sorted(found.items(), key=lambda pair: (-pair[1], -pair[0]))


class CheckpointStore:
    """The checkpoints of a run: `step-00012/{weights,optimizer}.safetensors, state.json`.

    With a critic there are `critic.safetensors` and `critic_optimizer.safetensors` too. Beside the folder, `best.json`
    names the best one that is kept.

    Args:
        folder: where they lie.
        keep: how many of the newest are kept.
        keep_best: how many of the best are kept, as the `ranked` of each save tells them.
    """

    def __init__(self, folder: Path, keep: int = 2, keep_best: int = 0) -> None:
        self.folder = folder
        self.keep, self.keep_best = keep, keep_best
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def save(
        self,
        step: int,
        policy: Policy,
        optimizer: torch.optim.Optimizer,
        critic: Critic | None = None,
        ranked: Sequence[tuple[int, float]] = (),
    ) -> None:
        """Copies the state now and writes it in the background; waits for the write before it.

        Args:
            ranked: steps and what they are worth, best first (`ranking`).
        """
        self.wait()
        parts = {"weights": policy.state(), "optimizer": _optimizer_tensors(optimizer)}
        if critic is not None:
            parts |= {"critic": critic.state(), "critic_optimizer": _optimizer_tensors(critic.optimizer)}
        self._thread = threading.Thread(target=self._write_safely, args=(step, parts, ranked))
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

        self._sweep()  # what a kill left half-written
        found = checkpoints(self.folder)[::-1]
        for path in found:
            try:
                state = verified_state(path)
                if critic is not None and "critic.safetensors" not in state["sha256"]:
                    raise CheckpointError(f"checkpoint {path} was written without a critic")
            except CheckpointError as error:
                last = path == found[-1]
                warn(f"{error}; {'none is left: beginning with the first round' if last else 'using the one before'}")
                continue
            policy.load_state(load_file(path / "weights.safetensors"))
            if optimizer is not None:
                _load_optimizer(optimizer, load_file(path / "optimizer.safetensors"))
            if critic is not None:
                critic.load_state(load_file(path / "critic.safetensors"))
                _load_optimizer(critic.optimizer, load_file(path / "critic_optimizer.safetensors"))
            return int(state["step"])
        return None

    def _write_safely(
        self, step: int, parts: dict[str, dict[str, Tensor]], ranked: Sequence[tuple[int, float]]
    ) -> None:
        try:
            self._write(step, parts)
            self._clear_out(ranked)
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
        files = {p.name: sha256_of(p) for p in sorted(staging.iterdir())}
        (staging / "state.json").write_text(json.dumps({"format": _FORMAT, "step": step, "sha256": files}))
        for path in staging.iterdir():
            with path.open("rb") as written:
                os.fsync(written.fileno())
        target = self.folder / f"step-{step:05d}"
        shutil.rmtree(target, ignore_errors=True)
        os.replace(staging, target)
        flush_folder(self.folder)

    def _clear_out(self, ranked: Sequence[tuple[int, float]]) -> None:
        """Removes what is neither new nor good, once the best is named."""
        present = checkpoints(self.folder)
        there = {path.name: path for path in present}
        best = [(path, worth) for step, worth in ranked if (path := there.get(f"step-{step:05d}"))][: self.keep_best]
        if best:
            path, worth = best[0]
            named = {"step": step_of(path), "folder": f"{self.folder.name}/{path.name}"}
            write_json_atomically(self.folder.parent / "best.json", {**named, "value": worth})
        for old in set(present[: -self.keep]) - {path for path, _ in best}:
            # Not under its name while it goes: a kill amid this would leave what looks like a damaged checkpoint.
            os.replace(old, old.with_name(f".{old.name}"))
        self._sweep()

    def _sweep(self) -> None:
        for left in self.folder.glob(".step-*"):
            shutil.rmtree(left)


def write_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Writes tensors whole or not at all, with their checksum beside them."""
    from safetensors.torch import save_file

    write_atomically(path, lambda staging: save_file(weights, staging))
    write_json_atomically(path.with_suffix(".json"), {"sha256": sha256_of(path)})


def read_weights(path: Path) -> dict[str, Tensor]:
    """What `write_weights` wrote.

    Raises:
        CheckpointError: the file has another checksum than the one beside it. Where a kill left none it is whole.
    """
    from safetensors.torch import load_file

    told = path.with_suffix(".json")
    if told.is_file() and read_json(told).get("sha256") != sha256_of(path):
        raise CheckpointError(f"{path} is damaged: it has another checksum than {told.name} names")
    return load_file(path)


def step_of(path: Path) -> int:
    """The step of a checkpoint's folder."""
    return int(path.name.removeprefix("step-"))


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first: by number, as names sort wrongly from 100,000 on."""
    return sorted((p for p in folder.glob("step-*") if p.name.removeprefix("step-").isdecimal()), key=step_of)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified_state(path: Path) -> dict[str, Any]:
    """A checkpoint's `state.json`, once every file has the checksum that it names.

    Raises:
        CheckpointError: one hasn't, something is missing, or another postgym wrote it.
    """
    try:
        state = json.loads((path / "state.json").read_text())
        if state["format"] != _FORMAT:
            raise CheckpointError(f"checkpoint {path} has format {state['format']}, this postgym reads {_FORMAT}")
        for name, digest in state["sha256"].items():
            if sha256_of(path / name) != digest:
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
