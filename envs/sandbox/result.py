"""What a run said, read with distrust: plain values with their exact types, compared strictly."""

import json
from dataclasses import dataclass
from typing import Any

from envs.sandbox.job import OUTPUT_BYTES, Kind, Said
from rewards.errors import EnvError

_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one call gave: a plain value, or the error in words."""

    value: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What came back.

    `kind` is `ok` when every call was made (each may still have failed on its own); `layers` names the walls
    that stood.
    """

    kind: Kind
    calls: tuple[CallResult, ...]
    reason: str
    layers: tuple[str, ...]


class Other:
    """Stands for a value of no plain type: equal to nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


def read_result(said: Said, expected: int) -> SandboxResult:
    """Makes sense of what a run said, all of which after the first line the code may have made up.

    Raises:
        EnvError: the walls did not even stand.
    """
    lines = [_parsed(line) for line in said.text[:OUTPUT_BYTES].split(b"\n")[:-1]]
    if not lines or not isinstance(lines[0], dict) or not lines[0].get("layers"):
        why = lines[0].get("reason") if lines and isinstance(lines[0], dict) else f"status {said.status}"
        raise EnvError(f"the sandbox did not start ({'no sign of life' if said.timed_out else why})")
    layers = tuple(lines[0]["layers"])
    if len(said.text) > OUTPUT_BYTES or len(lines) > expected + 1:
        return SandboxResult("output", (), "said more than its results", layers)
    rest = [line if isinstance(line, dict) else {"error": "no result"} for line in lines[1:]]
    if rest and "kind" in rest[0]:
        kind = "syntax" if rest[0]["kind"] == "syntax" else "runtime"
        return SandboxResult(kind, (), str(rest[0].get("reason")), layers)
    calls = tuple(map(_call, rest))
    if len(calls) == expected and not said.timed_out:
        return SandboxResult("ok", calls, "", layers)
    if said.timed_out:
        return SandboxResult("timeout", calls, "out of time", layers)
    reason = f"ended after {len(calls)} of {expected} calls (status {said.status})"
    return SandboxResult("killed", calls, reason, layers)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None  # not ours: the code wrote to our line


def _call(line: dict[str, Any]) -> CallResult:
    if "value" in line:
        return CallResult(_untag(line["value"]))
    return CallResult(None, str(line.get("error", "no result")))


def _untag(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        return Other("nested too deeply")
    if isinstance(value, list):
        return [_untag(v, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("dict"), dict):
        return {k: _untag(v, depth + 1) for k, v in value["dict"].items()}
    for kind, make in (("tuple", tuple), ("set", set), ("pairs", dict)):
        if isinstance(value.get(kind), list):
            try:
                return make(_untag(v, depth + 1) for v in value[kind])
            except (TypeError, ValueError):
                return Other(kind)  # forged, or of what is no plain value
    for kind, read in (("float", float), ("int", lambda text: int(text, 16))):
        if isinstance(value.get(kind), str):
            try:
                return read(value[kind])
            except ValueError:
                return Other(kind)
    return Other(str(value.get("other")))


def strictly_equal(found: Any, expected: Any) -> bool:
    """Same type and value all the way down: True is not 1, 1 is not 1.0, NaN equals nothing."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(strictly_equal, found, expected))
    if isinstance(expected, set):
        return {(type(v), v) for v in found} == {(type(v), v) for v in expected}
    if isinstance(expected, dict):
        same_keys = {(type(k), k) for k in found} == {(type(k), k) for k in expected}
        return same_keys and all(strictly_equal(found[k], expected[k]) for k in found)
    return found == expected
