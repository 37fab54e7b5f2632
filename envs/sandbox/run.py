"""Runs an untrusted function or shell script behind walls: no network, no files but a scratch folder, hard limits.

The code and the arguments go in, the values come out; expected values stay outside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.sandbox.job import Job, Kind, Limits
from envs.sandbox.level import backend
from envs.sandbox.result import CallResult, Other, SandboxResult, read_result, strictly_equal
from rewards.errors import EnvError

__all__ = ["CallResult", "Limits", "Other", "SandboxResult", "Shell", "run_function", "run_shell", "strictly_equal"]


def run_function(
    code: str, name: str, argument_lists: Sequence[Sequence[Any]], limits: Limits | None = None
) -> SandboxResult:
    """Defines `code` and calls `name` with each list of (plain JSON) arguments.

    Works from any thread. The process, with all it could have started, is gone when this returns.

    Raises:
        EnvError: this machine can't wall the code off (see `envs.sandbox.level`), or it takes a minute to.
    """
    job = Job(code, name, [list(arguments) for arguments in argument_lists], limits or Limits())
    return read_result(backend().execute(job), len(job.calls))


@dataclass(frozen=True, slots=True)
class Shell:
    """What a script left behind.

    Args:
        kind: `ok`, `timeout`, `output` or `killed`; unless `ok`, nothing else is known and no file has changed.
        status: its exit status, negative for the signal that ended it.
        output: what it printed, both streams as they came, cut after 100,000 bytes.
        files: all plain files by their paths; folders end in a slash. Links, rights and owners are not kept.
        folder: where it ended, for the next script to start in.
    """

    kind: Kind
    status: int
    output: str
    files: dict[str, str]
    folder: str


def run_shell(
    script: str, files: Mapping[str, str] | None = None, folder: str = ".", limits: Limits | None = None
) -> Shell:
    """Runs a shell script among `files`, in a scratch folder that holds nothing else.

    Nothing stays: pass `files` and `folder` of the last run to the next one to go on from there.

    Raises:
        EnvError: a path leads out of the folder, or the machine can't wall the script off.
    """
    before = dict(files or {})
    for path in (*before, folder):
        if path.startswith("/") or ".." in path.split("/") or "\0" in path or not path:
            raise EnvError(f"file path {path!r} must lead into the folder: no leading slash, no '..'")
    job = Job(script, "", [], limits or Limits(memory_bytes=256 << 20), True, before, folder)
    result = read_result(backend().execute(job), 1)
    found = result.calls[0].value if result.kind == "ok" else None
    if not isinstance(found, dict) or result.calls[0].error is not None:
        kind: Kind = "killed" if result.kind == "ok" else result.kind
        return Shell(kind, -1, result.reason or result.calls[0].error or "", before, folder)
    if "" in found["files"]:
        return Shell("output", -1, found["files"][""], before, folder)
    return Shell("ok", found["status"], found["output"], found["files"], found["folder"])
