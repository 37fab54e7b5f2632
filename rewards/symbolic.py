"""Symbolic equality by sympy, in a process of its own: what `rewards.math_normal` could not decide.

The worker starts with the first question, serves every thread, is replaced when it dies, and goes when its owner
does. A forked process starts its own. Time and memory are limited by the kernel inside the worker, so no signal
touches the caller and any thread may ask.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import Any

from rewards.math_parse import Node
from rewards.math_tokens import MathError
from rewards.symbolic_worker import CPU_SECONDS, MAX_REPLY, MAX_REQUEST, encode

WALL_SECONDS = 30.0  # a backstop for a machine that starves; the worker's own limit is CPU_SECONDS
START_SECONDS = 180.0
MAX_LATEX = 300

_COMMANDS = frozenset(
    """frac dfrac tfrac cdot times div left right sqrt pi infty int iint sum prod lim to rightarrow infty sin cos
    tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp binom le leq ge geq ne neq lt gt in pm mathrm
    operatorname alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi chi
    psi omega det begin end pmatrix bmatrix max min gcd lcm partial lfloor rfloor lceil rceil""".split()  # noqa: SIM905
)
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_PERMITTED = re.compile(r"(?:\\[A-Za-z,;:!{}]|[A-Za-z](?![A-Za-z]{12})|[0-9 +\-*/^_=<>()\[\]{}|.,&])*", re.ASCII)
_HUGE = re.compile(r"\d{13}|\^\s*\{?\s*-?\d{4}|\d\s*\}?\s*\^\s*\{?\s*\d+\s*\}?\s*\^|!", re.ASCII)


class Verdict(StrEnum):
    """What came of a question; only the first two are about mathematics, DEAD is nobody's answer."""

    EQUAL = "equal"
    UNEQUAL = "unequal"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too large"
    TIMEOUT = "timeout"
    DEAD = "dead"


def latex_node(text: str) -> Node:
    """A node for LaTeX that our own parser can't read but the worker's may: checked, not yet parsed.

    Raises:
        MathError: it is long, holds a command or sign that isn't permitted, or numbers that would explode.
    """
    if len(text) > MAX_LATEX or "\\" not in text:
        raise MathError("no formula that can be read", too_large=len(text) > MAX_LATEX)
    strange = [c for c in _COMMAND.findall(text) if c.isalpha() and c not in _COMMANDS]
    if strange or not _PERMITTED.fullmatch(text) or re.search(r"[({\[]{8}", text):
        raise MathError(f"the command {strange[0][:20]!r}" if strange else "a sign that no formula has")
    if _HUGE.search(text):
        raise MathError("numbers too large to work out", too_large=True)
    return ("latex", text)


def ask(left: Node, right: Node) -> Verdict:
    """Whether two expressions are equal, asked of the worker; a dead worker is replaced and asked once more."""
    request = json.dumps({"left": encode(left), "right": encode(right)}).encode() + b"\n"
    if len(request) > MAX_REQUEST:
        return Verdict.TOO_LARGE
    for _ in range(2):
        verdict = _WORKER.ask(request)
        if verdict is not Verdict.DEAD:
            return verdict
    return Verdict.DEAD


class _Worker:
    """The process and the socket on which it takes questions; `control` is None until the first one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.control: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes) -> Verdict:
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                control = self._running()
                if control is None:
                    return Verdict.DEAD
                try:
                    socket.send_fds(control, [b"q"], [theirs.fileno()])
                except OSError:
                    self._discard(control)
                    return Verdict.DEAD
            try:
                mine.settimeout(WALL_SECONDS)
                mine.sendall(request)
                with mine.makefile("rb") as stream:
                    reply = json.loads(stream.readline(MAX_REPLY + 1) or "null")
            except (OSError, ValueError):
                reply = None
        if reply is None:  # neither a reply nor word of the child's end: the worker itself is gone or stuck
            self._discard(control)
            return Verdict.DEAD
        return _read(reply)

    def _running(self) -> socket.socket | None:
        with self.lock:
            if self.control is None:
                self._start()
            return self.control

    def _start(self) -> None:
        mine, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        root = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0"}  # sympy orders by hash
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rewards.symbolic_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        mine.settimeout(START_SECONDS)
        try:
            ready = mine.recv(1)
        except OSError:
            ready = b""
        if ready:
            mine.settimeout(WALL_SECONDS)
            self.control = mine
        else:
            mine.close()
            self._kill()

    def _discard(self, control: socket.socket) -> None:
        """Forgets a worker that failed, unless another thread has replaced it already."""
        with self.lock:
            if self.control is control:
                control.close()
                self.control = None
                self._kill()

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def forget(self) -> None:
        """In a forked child: the worker is the parent's."""
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            self.process.returncode = 0  # not ours to wait for
        self.__init__()


def _read(reply: dict[str, Any]) -> Verdict:
    if "equal" in reply:
        return Verdict.EQUAL if reply["equal"] is True else Verdict.UNEQUAL
    if "unreadable" in reply:
        return Verdict.UNREADABLE
    if "too_large" in reply:
        return Verdict.TOO_LARGE
    return Verdict.TIMEOUT if reply.get("died") == signal.SIGPROF else Verdict.DEAD


_WORKER = _Worker()
os.register_at_fork(after_in_child=_WORKER.forget)

__all__ = ["CPU_SECONDS", "Verdict", "ask", "latex_node"]
