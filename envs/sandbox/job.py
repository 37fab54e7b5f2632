"""What goes into a sandbox and what comes out, whichever back end runs it."""

import re
import time
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

OUTPUT_BYTES = 1_000_000  # more than that from one run is a flood
START_SECONDS = 60.0  # a loaded machine may take long to raise the walls: not the code's fault
Kind = Literal["ok", "syntax", "runtime", "timeout", "output", "killed"]
Room = Literal["plain", "scientific", "shell"]
_SCIENTIFIC = re.compile(r"\b(numpy|sympy)\b")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run: processor and wall-clock seconds, bytes of memory, bytes of a file.

    The wall clock runs from the moment the walls stand.
    """

    cpu_seconds: int = 2
    wall_seconds: float = 4.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Job:
    """An untrusted function: its code, its name, and the plain JSON arguments of every call.

    Or a shell script (`shell`), with the `files` it finds and the `folder` it starts in, and no calls.
    """

    code: str
    name: str
    calls: list[list[Any]]
    limits: Limits
    shell: bool = False
    files: dict[str, str] = field(default_factory=dict)
    folder: str = "."

    @property
    def room(self) -> Room:
        """What should be at hand: forking is several times faster without numpy and sympy loaded."""
        if self.shell:
            return "shell"
        return "scientific" if _SCIENTIFIC.search(self.code) else "plain"


@dataclass(frozen=True, slots=True)
class Said:
    """What a run said, unread and not to be trusted, and how it ended."""

    text: bytes
    timed_out: bool
    status: int


class Backend(Protocol):
    """Where jobs run."""

    name: str

    def execute(self, job: Job) -> Said:
        """Runs one job; from any thread. Nothing of it is left when this returns.

        Raises:
            EnvError: it could not be run, which says nothing about the code.
        """
        ...


class Reader:
    """Collects what a run says, until it ends, says too much or runs out of time."""

    def __init__(self, wall_seconds: float, started: bool = False) -> None:
        self.text = bytearray()
        self.wall_seconds = wall_seconds
        self.started = started
        self.deadline = time.monotonic() + (wall_seconds if started else START_SECONDS)

    def seconds_left(self) -> float:
        """Until the deadline; 0 once it has passed."""
        return max(0.0, self.deadline - time.monotonic())

    def take(self, piece: bytes) -> bool:
        """Adds a piece; False when there is nothing more to read. The first line, from the walls, starts the clock."""
        if not self.started and b"\n" in piece:
            self.started = True
            self.deadline = time.monotonic() + self.wall_seconds
        self.text += piece
        return bool(piece) and len(self.text) <= OUTPUT_BYTES


@cache
def packages() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders that hold numpy and sympy where they are installed, and the folders of these packages alone."""
    holding, shown = [], []
    for name in ("numpy", "sympy", "mpmath"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent
            beside = folder.with_name(f"{name}.libs")
            shown += [str(f) for f in (folder, beside) if f.is_dir()]
            holding.append(str(folder.parent))
    return tuple(dict.fromkeys(holding)), tuple(shown)
