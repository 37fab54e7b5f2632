"""Runs an untrusted function behind walls: no network, no files but a scratch folder, hard limits.

The code and the arguments go in, the values come out; expected values stay outside.
"""

from collections.abc import Sequence
from typing import Any

from envs.sandbox.job import Job, Limits
from envs.sandbox.level import backend
from envs.sandbox.result import CallResult, Other, SandboxResult, read_result, strictly_equal

__all__ = ["CallResult", "Limits", "Other", "SandboxResult", "run_function", "strictly_equal"]


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
