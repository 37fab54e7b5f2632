"""The processes and cores of one vLLM replica: which cores it uses, and that it ends whole when a part of it dies."""

import multiprocessing
import os
import threading
from collections.abc import Sequence

import psutil

_EVERY = 1.0  # seconds between two looks


def divide_cores(cores: int, slot: int, peers: int, ranks: int) -> str:
    """The cores of the `slot`-th of `peers` replicas on a node, in vLLM's notation: `0-3`, one range per rank by `|`.

    With more ranks than cores, ranks share them.
    """
    parts = peers * ranks

    def part(index: int) -> str:
        first, last = index * cores // parts, (index + 1) * cores // parts - 1
        return f"{first}-{last}" if last >= first else f"{first}-{first}"

    return "|".join(part(slot * ranks + rank) for rank in range(ranks))


def vllm_processes() -> list[psutil.Process]:
    """Those that vLLM started from this one and can't compute without."""
    cores = [psutil.Process(child.pid) for child in multiprocessing.active_children() if child.pid]
    workers = [p for core in cores for p in core.children(recursive=True) if p.name().startswith("VLLM::")]
    return cores + workers


class EndTogether:
    """Ends this process within a second or two of the first of `processes`, until `stop`.

    Not left to vLLM's own watch alone: a death that it misses would leave requests waiting for ever. That an actor is
    gone, Ray tells all who wait for it at once.
    """

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes, self._stopped = processes, threading.Event()
        threading.Thread(target=self._watch, name="end-together", daemon=True).start()

    def stop(self) -> None:
        """Looks no more: what ends from now on is meant to."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY):
            if any(map(_gone, self._processes)) and not self._stopped.is_set():
                os._exit(1)


def _gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
