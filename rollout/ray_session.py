"""The Ray session that engines live in: a local one or a cluster's, and what its errors say in one line."""

import contextlib
import io
import os
import socket
from typing import Any

from rewards.errors import EngineError


def start_ray(address: str, whole_weights: bool = False) -> Any:
    """A Ray session: a new local one (whatever an earlier run left behind), or the cluster at `address`.

    Args:
        whole_weights: a new session's object store may take Ray's own share of the memory, not just 256 MiB; what
            doesn't fit goes over the disk. Memory is taken when it is used.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return ray
    if address not in ("local", "auto"):
        _check_reachable(address)
    local = {"include_dashboard": False} if address == "local" else {}
    if local and not whole_weights:
        local["object_store_memory"] = 256 * 2**20
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False, **local)
    except Exception as error:
        hint = "run `ray stop --force` and try again" if address == "local" else "check rollout.ray_address"
        raise EngineError(f"Ray can't start at {address!r}: {last_line(str(error))}; {hint}") from error
    return ray


def _check_reachable(address: str) -> None:
    # Ray itself would retry for minutes.
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no Ray cluster at rollout.ray_address={address!r} ({error}); "
            "use `local`, `auto`, or the host:port that `ray start` printed"
        ) from None


def last_line(text: str) -> str:
    """The last line that says something: in a traceback from another process, the error itself."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
