"""Rewards for which tools were called with what: by schema, by the calls expected, by none where none fits.

They read what the policy wrote (the calls of all its messages, in order) and these keys of the target, plain JSON:

    tools     the tools on offer: {"name", "parameters"} with a JSON schema, or OpenAI's form with "function" around it
    expected  the calls to make, each {"name", "arguments": {name: [accepted values]}, "optional": [names]}; an
              argument not named there must not be given
    ordered   true when they must come in this order; parallel calls may come in any
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rewards.call_values import accepts
from rewards.json_values import canonical
from rewards.score import Score, Status, failure
from rewards.text import has_words
from rewards.transcript import MAX_CALLS, ToolCall, Transcript

_MAX_ALTERNATIVES = 4_096
_TYPES = {"dict": "object", "float": "number", "double": "number", "tuple": "array", "list": "array", "any": None}


def written_calls(transcript: Transcript) -> list[ToolCall]:
    """The calls that the policy wrote, in order, carried out or not."""
    return [call for m in transcript.messages if m.role == "assistant" for call in m.tool_calls]


def calls_follow_schema(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of calls to a tool on offer whose arguments its schema allows; 0 without calls or in a flood."""
    schemas = _schemas(target.get("tools"))
    if not schemas:
        return failure(Status.TASK_ERROR, "target tools is no list of named tools; list those on offer")
    calls = written_calls(transcript)
    if not calls:
        return Score(0.0, "no call")
    if len(calls) > MAX_CALLS:
        return Score(0.0, f"{len(calls)} calls are a flood", status=Status.INVALID_OUTPUT)
    faults = [fault for call in calls if (fault := schema_fault(call, schemas))]
    first = f"; the first: {faults[0]}" if faults else ""
    return Score(1 - len(faults) / len(calls), f"{len(calls) - len(faults)} of {len(calls)} calls sound{first}")


def makes_expected_calls(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for exactly the expected calls, 0 when one is missing, wrong, needless or, where it matters, out of order."""
    expected, schemas = _expected(target), _schemas(target.get("tools"))
    if expected is None:
        return failure(
            Status.TASK_ERROR, "target expected is no list of calls with accepted values; fill it in the task"
        )
    calls = written_calls(transcript)
    if len(calls) != len(expected):
        return Score(0.0, f"{len(calls)} calls where {len(expected)} are expected")
    matched = _matched(calls, expected, schemas, bool(target.get("ordered")))
    if matched == len(expected):
        return Score(1.0, f"the {matched} expected calls")
    return Score(0.0, f"{matched} of {len(expected)} expected calls; {_why_not(calls, expected, schemas)}")


def expected_share(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """Expected calls made, as a share of those expected or made, whichever are more: needless calls cost too."""
    expected, schemas = _expected(target), _schemas(target.get("tools"))
    if expected is None:
        return failure(
            Status.TASK_ERROR, "target expected is no list of calls with accepted values; fill it in the task"
        )
    calls = written_calls(transcript)
    if len(calls) > MAX_CALLS:
        return Score(0.0, f"{len(calls)} calls are a flood", status=Status.INVALID_OUTPUT)
    matched, most = _matched(calls, expected, schemas, bool(target.get("ordered"))), max(len(calls), len(expected))
    return Score(matched / most if most else 1.0, f"{matched} expected calls of {len(expected)}, {len(calls)} made")


def no_repeats(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of calls that aren't the same call again; 0 in a flood. Without calls there is none to judge: 1."""
    calls = written_calls(transcript)
    if len(calls) > MAX_CALLS:
        return Score(0.0, f"{len(calls)} calls are a flood", status=Status.INVALID_OUTPUT)
    distinct = len({f"{call.name} {canonical(call.arguments)}" for call in calls})
    return Score(distinct / len(calls) if calls else 1.0, f"{distinct} different calls of {len(calls)}")


def abstains(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for no call and a reply in words: where no tool on offer fits, `expected` is an empty list.

    Raises no hand where calls are expected: then it is 1 for any call, so that never calling earns nothing there.
    """
    expected = _expected(target)
    if expected is None:
        return failure(
            Status.TASK_ERROR, "target expected is no list of calls with accepted values; fill it in the task"
        )
    calls = written_calls(transcript)
    if expected:
        return Score(float(bool(calls)), "called" if calls else "made no call where one is expected")
    if calls:
        return Score(0.0, f"called {calls[0].name[:40]!r} where no tool fits")
    said = has_words(transcript.answer, 3)
    return Score(float(said), "made no call and said so" if said else "made no call, and said nothing")


def schema_fault(call: ToolCall, schemas: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with a call by the tools' schemas, None when nothing is."""
    if call.name not in schemas:
        return f"no tool {call.name[:40]!r}"
    checker = _validator(json.dumps(schemas[call.name], sort_keys=True))
    first = next(checker.iter_errors(dict(call.arguments)), None)
    return None if first is None else f"{call.name}: {first.message[:120]}"


@lru_cache(1024)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator({"additionalProperties": False, **_plain_schema(json.loads(schema))})


def _plain_schema(schema: Any) -> Any:
    """A schema with the type names of other conventions (BFCL's "dict", "float") as JSON schema has them."""
    if isinstance(schema, Mapping):
        plain = {k: _plain_schema(v) for k, v in schema.items() if k not in ("optional", "default", "description")}
        if isinstance(fields := schema.get("properties"), Mapping):  # where "description" is an argument's name
            plain["properties"] = {name: _plain_schema(field) for name, field in fields.items()}
        kind = schema.get("type")
        if isinstance(kind, str) and kind in _TYPES:
            plain["type"] = _TYPES[kind]
            if plain["type"] is None:
                del plain["type"]
        return plain
    return [_plain_schema(v) for v in schema] if isinstance(schema, list) else schema


def _schemas(tools: Any) -> dict[str, Mapping[str, Any]]:
    """Parameters' schemas by tool; empty when the target's list is none."""
    if not isinstance(tools, list) or not all(isinstance(t, Mapping) for t in tools):
        return {}
    functions = [t["function"] if isinstance(t.get("function"), Mapping) else t for t in tools]
    if not all(isinstance(f.get("name"), str) for f in functions):
        return {}
    return {f["name"]: f.get("parameters") or {} for f in functions}


def _expected(target: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    expected = target.get("expected")
    if not isinstance(expected, list):
        return None
    for call in expected:
        if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
            return None
        arguments = call.get("arguments")
        if not isinstance(arguments, Mapping) or not all(isinstance(v, list) and v for v in arguments.values()):
            return None
    return expected


def fits(call: ToolCall, expected: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> str | None:
    """Why a call isn't the expected one, None when it is."""
    if call.name != expected["name"]:
        return f"called {call.name[:40]!r}, not {expected['name']!r}"
    wanted, properties = expected["arguments"], (schema or {}).get("properties", {})
    optional = set(expected.get("optional", ())) - set((schema or {}).get("required", ()))
    if extra := [k for k in call.arguments if k not in wanted]:
        return f"argument {extra[0][:40]!r} is not expected"
    for name, accepted in wanted.items():
        if name not in call.arguments:
            if name not in optional:
                return f"argument {name!r} is missing"
        elif not any(accepts(call.arguments[name], value, _plain_schema(properties.get(name))) for value in accepted):
            return f"argument {name!r} is wrong"
    return None


def _matched(
    calls: Sequence[ToolCall],
    expected: Sequence[Mapping[str, Any]],
    schemas: Mapping[str, Mapping[str, Any]],
    ordered: bool,
) -> int:
    """How many expected calls have a call of their own: in order the longest common run, else a largest matching."""
    edges = [[fits(c, e, schemas.get(c.name)) is None for c in calls[:MAX_CALLS]] for e in expected]
    if ordered:
        best = [0] * (len(calls) + 1)
        for row in edges:
            before = 0
            for i, edge in enumerate(row, 1):
                before, best[i] = best[i], max(best[i], best[i - 1], before + edge)
        return best[-1]
    owner: dict[int, int] = {}
    return sum(_find(row, edges, owner, set()) for row in range(len(edges)))


def _find(row: int, edges: Sequence[Sequence[bool]], owner: dict[int, int], tried: set[int]) -> bool:
    """Gives an expected call one that fits, moving others to theirs (an augmenting path)."""
    for column, edge in enumerate(edges[row]):
        if edge and column not in tried:
            tried.add(column)
            if column not in owner or _find(owner[column], edges, owner, tried):
                owner[column] = row
                return True
    return False


def _why_not(
    calls: Sequence[ToolCall], expected: Sequence[Mapping[str, Any]], schemas: Mapping[str, Mapping[str, Any]]
) -> str:
    for call in calls:
        reasons = [fits(call, e, schemas.get(call.name)) for e in expected]
        if None not in reasons:
            return next((r for r, e in zip(reasons, expected, strict=True) if e["name"] == call.name), reasons[0]) or ""
    return "one is made twice, or they are out of order"


def from_bfcl(ground_truth: Sequence[Mapping[str, Mapping[str, Sequence[Any]]]]) -> list[dict[str, Any]]:
    """Calls expected by a ground truth of the Berkeley Function Calling Leaderboard, as `expected` has them.

    There `[{"f": {"a": [1, 2], "b": ["", 3]}}]` accepts 1 or 2 for a, and 3 or nothing for b; an object's values are
    lists of accepted values again.
    """
    expected = []
    for (name, arguments), *_ in ([*call.items()] for call in ground_truth):
        accepted = {k: [a for value in v for a in _alternatives(value)] for k, v in arguments.items()}
        optional = [k for k, v in arguments.items() if "" in [x for x in v if isinstance(x, str)]]
        expected.append({"name": name, "arguments": accepted, "optional": optional})
    return expected


def _alternatives(value: Any) -> Iterator[Any]:
    """The plain values that a nested list of accepted values stands for."""
    if isinstance(value, Mapping):
        options = [
            [(k, a) for x in v for a in _alternatives(x)] + ([None] if "" in v else []) for k, v in value.items()
        ]
        for chosen in itertools.islice(itertools.product(*options), _MAX_ALTERNATIVES):
            yield dict(pair for pair in chosen if pair is not None)
    elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
        for chosen in itertools.islice(itertools.product(*map(list, map(_alternatives, value))), _MAX_ALTERNATIVES):
            yield list(chosen)
    else:
        yield value
