"""The native back end: zygotes that fork walled-in processes, as many at a time as there are cores, in fair order."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from envs.sandbox.job import START_SECONDS, Job, Reader, Room, Said, packages
from rewards.errors import EnvError

_ZYGOTE = Path(__file__).with_name("zygote.py")
_CLEARING_SECONDS = 2.0
_TICK = 0.1  # seconds: how exactly the kernel counts processor time
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}


class _ZygoteDiedError(Exception):
    """The process that makes the runs is gone: no verdict on any run."""


class _Child:
    """One walled-in process, before or during its only run."""

    def __init__(self, number: int, line: int, handle: int) -> None:
        self.number, self.line, self.handle = number, socket.socket(fileno=line), handle

    def kill(self) -> None:
        """Ends it and, with it, everything in its process namespace."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def close(self) -> None:
        self.line.close()
        os.close(self.handle)


class Zygote:
    """A zygote, the child that waits for the next job, and the one that runs. For one thread at a time.

    The next child is made while the current one runs: a network namespace can take the kernel 0.2 s.
    """

    def __init__(self, room: Room, without: Sequence[str] = ()) -> None:
        holding, shown = packages()
        modules = [name for name in ("numpy", "sympy") if room == "scientific" and find_spec(name)]
        settings = {
            "packages": holding,
            "shown": shown,
            "modules": modules,
            "libraries": [os.path.dirname(os.__file__)],
            "shell": room == "shell",
            "without": list(without),
        }
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended: dict[int, tuple[int, float]] = {}
        self._ready: deque[_Child] = deque()
        self._ordered = 0
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_ZYGOTE), str(theirs.fileno()), json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=_ONE_THREAD,
            )
        self._order()

    def run(self, job: Job) -> Said:
        """Runs one job in a child of its own.

        Raises:
            _ZygoteDiedError: run it on another one.
        """
        while not self._ready:
            self._hear()
        child = self._ready.popleft()
        self._order()
        try:
            said, timed_out = self._talk(child, job)
        finally:
            child.kill()
            child.close()
        while child.number not in self._ended:
            self._hear()
        status, cpu = self._ended.pop(child.number)
        # The first process of a namespace never gets SIGXCPU, only the SIGKILL that follows.
        spent = status == -signal.SIGKILL and cpu > job.limits.cpu_seconds - _TICK
        return Said(said, timed_out or spent, status)

    def _talk(self, child: _Child, job: Job) -> tuple[bytes, bool]:
        reader = Reader(job.limits.wall_seconds)
        text = json.dumps(asdict(job)).encode()
        poll = select.poll()
        poll.register(child.line, select.POLLIN)
        sent = False
        while poll.poll(reader.seconds_left() * 1000):
            try:
                piece = child.line.recv(1 << 16)
                if not reader.take(piece):
                    return bytes(reader.text), False
                if not sent and reader.started:
                    sent = True
                    child.line.sendall(len(text).to_bytes(8, "big") + text)
            except ConnectionError:
                return bytes(reader.text), False
        return bytes(reader.text), True

    def _order(self) -> None:
        """Asks for one more child."""
        try:
            self._control.send(b"n")
        except OSError as error:
            raise _ZygoteDiedError from error

    def _hear(self) -> None:
        """Takes one message of the zygote: a child that is ready, or one that has ended."""
        self._control.settimeout(START_SECONDS)
        try:
            text, handles, _, _ = socket.recv_fds(self._control, 4096, 2)
        except TimeoutError:
            raise EnvError(f"the sandbox did not start in {START_SECONDS:.0f} s: is the machine overloaded?") from None
        except OSError as error:
            raise _ZygoteDiedError from error
        if not text:
            raise _ZygoteDiedError
        message = json.loads(text)
        if "child" in message:
            self._ready.append(_Child(message["child"], *handles))
        else:
            self._ended[message["ended"]] = (message["status"], message["cpu"])

    def close(self) -> None:
        """Ends the zygote and all its children."""
        self._control.close()
        for child in self._ready:
            child.kill()
            child.close()
        self._ready.clear()
        try:
            self.process.wait(_CLEARING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def abandon(self) -> None:
        """Forgets it without ending it: after a fork it is our parent's."""
        self._control.close()
        for child in self._ready:
            child.close()


class _Slot:
    """A place to run: its zygotes, started when first needed."""

    def __init__(self, without: Sequence[str]) -> None:
        self.zygotes: dict[Room, Zygote] = {}
        self.without = without

    def run(self, job: Job) -> Said:
        zygote = self.zygotes.get(job.room)
        if zygote is None:
            zygote = self.zygotes[job.room] = Zygote(job.room, self.without)
        try:
            return zygote.run(job)
        except BaseException:
            del self.zygotes[job.room]
            zygote.close()
            raise


class Pool:
    """Runs jobs side by side, first come, first served.

    Args:
        size: jobs at a time.
        without: names of walls to leave out, for tests of the others.
    """

    name = "native"

    def __init__(self, size: int | None = None, without: Sequence[str] = ()) -> None:
        self.size = size or len(os.sched_getaffinity(0))
        self.without = without
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._slots = [_Slot(self.without) for _ in range(self.size)]
        self._free = deque(self._slots)
        self._waiting: deque[tuple[threading.Event, list[_Slot]]] = deque()
        self._lock = threading.Lock()

    def execute(self, job: Job) -> Said:
        """Runs one job; a zygote that died under it is replaced once."""
        with self._slot() as slot:
            for _ in range(2):
                with contextlib.suppress(_ZygoteDiedError):
                    return slot.run(job)
        raise EnvError("the sandbox died twice under one job: is the machine out of memory?")

    @contextlib.contextmanager
    def _slot(self) -> Iterator[_Slot]:
        """A free slot, handed on in the order of asking: whoever comes later can't overtake."""
        turn, given = threading.Event(), []
        with self._lock:
            if self._free:
                given.append(self._free.pop())
            else:
                self._waiting.append((turn, given))
        try:
            if not given:
                turn.wait()
            yield given[0]
        finally:
            self._leave(turn, given)

    def _leave(self, turn: threading.Event, given: list[Any]) -> None:
        with self._lock:
            if not given:  # interrupted while it waited
                self._waiting.remove((turn, given))
            elif self._waiting:
                next_turn, next_given = self._waiting.popleft()
                next_given.append(given[0])
                next_turn.set()
            else:
                self._free.append(given[0])

    def abandon(self) -> None:
        """Starts afresh in a forked process: the zygotes are its parent's."""
        for slot in self._slots:
            for zygote in slot.zygotes.values():
                zygote.abandon()
        self._begin()

    def close(self) -> None:
        """Ends all zygotes."""
        for slot in self._slots:
            for zygote in slot.zygotes.values():
                zygote.close()
            slot.zygotes.clear()


def _after_fork() -> None:
    for pool in _pools:
        pool.abandon()


_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
