"""How new weights get from the trainer to a replica: by files in shared memory, or through Ray's object store.

Both carry the same safetensors files, and the replica checks the same checksum before it loads them.
`rollout/gpu_transport.py` has the ways without files, from the trainer's GPU.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Weights:
    """One version of the weights as the trainer wrote them; `checksum` None loads whatever is in `folder`."""

    folder: Path
    version: int
    checksum: int | None = None


class Transport(Protocol):
    """A way to a replica's actor."""

    def send(self, weights: Weights, actor: Any) -> Awaitable[None]:
        """Has the actor load the weights; done when it computes with them."""
        ...


class FileTransport:
    """The actor reads the trainer's files: it is on the same node."""

    def send(self, weights: Weights, actor: Any) -> Awaitable[None]:
        """Tells the actor the folder."""
        return actor.update_weights.remote(str(weights.folder), weights.version, weights.checksum)


class ObjectStoreTransport:
    """The files go into Ray's object store once, and from there to each node once, however many replicas it has."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._stored: tuple[Weights, Any] | None = None  # the reference keeps them there, for replicas that restart

    def send(self, weights: Weights, actor: Any) -> Awaitable[None]:
        """Hands the actor a reference; it writes the files into its own node's shared memory."""
        if self._stored is None or self._stored[0] is not weights:
            files = {path.name: np.fromfile(path, np.uint8) for path in weights.folder.iterdir() if path.is_file()}
            self._stored = None  # the old version may go before the new one needs its place
            self._stored = (weights, self._ray.put(files))
        return actor.load_weights.remote(self._stored[1], weights.version, weights.checksum)


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A new folder in this node's shared memory (where it has none: on disk), gone at the end."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="postgym-weights-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
