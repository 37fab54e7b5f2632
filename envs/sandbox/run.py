"""Runs an untrusted function in a process of its own: no network, no files but a scratch folder, hard limits.

The code and the arguments go in, the values come out; expected values stay outside.
"""

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rewards.errors import EnvError

_CHILD = Path(__file__).with_name("child.py")
_MAX_OUTPUT = 1_000_000
_NOBODY = 65534
_START_SECONDS = 60.0  # a loaded machine may take long to make a network namespace: not the code's fault
Kind = Literal["ok", "syntax", "runtime", "timeout", "output", "killed"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run: processor and wall-clock seconds, bytes of memory, bytes of a file."""

    cpu_seconds: int = 2
    wall_seconds: float = 4.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one call gave: a plain value, or the error in words."""

    value: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What came back.

    `kind` is `ok` when every call was made (each may still have failed on its own); `layers` names the walls
    that stood: network, files, user, limits.
    """

    kind: Kind
    calls: tuple[CallResult, ...]
    reason: str
    layers: tuple[str, ...]


class Other:
    """Stands for a value that is no plain JSON: equal to nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


def run_function(
    code: str, name: str, argument_lists: Sequence[Sequence[Any]], limits: Limits | None = None
) -> SandboxResult:
    """Defines `code` and calls `name` with each list of (plain JSON) arguments.

    Works from any thread. The process, with all it could have started, is gone when this returns.

    Raises:
        EnvError: this machine can't wall the code off (no network namespace or no Landlock), or takes a minute
            to; POSTGYM_SANDBOX=unsafe runs it all the same, with limits only.
    """
    limits = limits or Limits()
    needed = 0 if os.environ.get("POSTGYM_SANDBOX") == "unsafe" else 2
    folder = tempfile.mkdtemp(prefix="postgym-run-")
    try:
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        calls = [list(a) for a in argument_lists]
        job = {"code": code, "name": name, "calls": calls, "folder": folder, "needed": needed, "limits": asdict(limits)}
        lines, timed_out, status = _communicate(json.dumps(job, ensure_ascii=True).encode(), limits)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _result(lines, timed_out, status, len(calls), needed)


def _communicate(job: bytes, limits: Limits) -> tuple[list[Any], bool, int]:
    """Starts the child and reads what it says until it ends, says too much or runs out of time."""
    read, write = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CHILD), str(write)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(write,),
            start_new_session=True,
            env={},
        )
    finally:
        os.close(write)
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(job)
            process.stdin.close()
        said, timed_out = _read(read, limits.wall_seconds)
    finally:
        os.close(read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return _parse(said), timed_out, process.returncode


def _read(pipe: int, wall_seconds: float) -> tuple[bytes, bool]:
    """What the child says; its time runs from its first line, which says that the walls stand."""
    said = bytearray()
    deadline = time.monotonic() + _START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(said) <= _MAX_OUTPUT:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return bytes(said), True
            piece = os.read(pipe, 65536)
            if not piece:
                break
            if b"\n" in piece and b"\n" not in said:
                deadline = time.monotonic() + wall_seconds
            said += piece
    return bytes(said), False


def _parse(said: bytes) -> list[Any]:
    lines = []
    for line in said[:_MAX_OUTPUT].split(b"\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError):
            lines.append(None)  # not ours: the code wrote to our pipe
    return lines


def _result(lines: list[Any], timed_out: bool, status: int, expected: int, needed: int) -> SandboxResult:
    first = lines[0] if lines and isinstance(lines[0], dict) else {}
    layers = tuple(first.get("layers", ()))
    if not lines:
        why = f"no sign of life in {_START_SECONDS:.0f} s" if timed_out else f"status {status}"
        raise EnvError(f"the sandbox did not start ({why}): is the machine overloaded?")
    if len({"network", "files"} & set(layers)) < needed:
        raise EnvError(
            f"the sandbox can't wall code off here (walls that stood: {', '.join(layers) or 'none'}; network and "
            "files are needed): run on Linux 5.13 or newer as root or with user namespaces, or set "
            "POSTGYM_SANDBOX=unsafe where the code can be trusted"
        )
    rest = [line if isinstance(line, dict) else {"error": "no result"} for line in lines[1:]]
    if rest and "kind" in rest[0]:
        kind = "syntax" if rest[0]["kind"] == "syntax" else "runtime"
        return SandboxResult(kind, (), str(rest[0].get("reason")), layers)
    calls = tuple(_call(line) for line in rest[:expected])
    if len(calls) == expected:
        return SandboxResult("ok", calls, "", layers)
    if timed_out or status == -signal.SIGXCPU:
        return SandboxResult("timeout", calls, "out of time", layers)
    return SandboxResult("killed", calls, f"ended after {len(calls)} of {expected} calls (status {status})", layers)


def _call(line: dict[str, Any]) -> CallResult:
    if "value" in line:
        return CallResult(_untag(line["value"]))
    return CallResult(None, str(line.get("error", "no result")))


def _untag(value: Any) -> Any:
    if isinstance(value, list):
        return [_untag(v) for v in value]
    if isinstance(value, dict):
        if isinstance(value.get("dict"), dict):
            return {k: _untag(v) for k, v in value["dict"].items()}
        if isinstance(value.get("float"), str):
            try:
                return float(value["float"])
            except ValueError:
                return Other("float")
        return Other(str(value.get("other")))
    return value


def strictly_equal(found: Any, expected: Any) -> bool:
    """Same type and value all the way down: True is not 1, 1 is not 1.0, NaN equals nothing."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(strictly_equal, found, expected))
    if isinstance(expected, dict):
        return list(found.keys() ^ expected.keys()) == [] and all(strictly_equal(found[k], expected[k]) for k in found)
    return found == expected
