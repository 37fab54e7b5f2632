"""Rewards for tool use: was the needed data fetched, were the calls sound and few, does the reply stand on them.

They read `Transcript.calls` and these keys of the target, all plain JSON:

    answer    the fields of the closing line, in order: {"type": "number", "value": "15.5"} or
              {"type": "text", "value": "Oslo", "choices": ["Oslo", "Bergen"]}
    needs     the facts to fetch; each is the list of calls, {"name", "arguments"}, of which one suffices
    defaults  per tool, the arguments that a call may leave out
    calls     how many calls the task takes
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rewards.format import final_answer
from rewards.json_values import same_json
from rewards.recipes import factory
from rewards.score import Reward, Score, Status, failure
from rewards.transcript import CallRecord, Transcript

_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_FIGURE = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?", re.ASCII)
_MINUS = str.maketrans("\u2212", "-")  # the typographic minus sign is the one spelling that is forgiven
_WASTE = 3  # at this multiple of the needed calls nothing is left of the economy
_MAX_FACTS = 200  # differences grow with the square of what was fetched


def read_number(text: str) -> Decimal | None:
    """The number that `text` is, to the last character: ASCII digits, no unit, no exponent; else None."""
    text = text.translate(_MINUS)
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _given_fields(transcript: Transcript, count: int) -> list[str]:
    """The fields on the closing line; a single field is the whole line, commas and all."""
    line = final_answer(transcript.answer)
    if line is None:
        return []
    return [line] if count == 1 else [part.strip() for part in line.split(",")]


def _gold(target: Mapping[str, Any]) -> list[Mapping[str, Any]] | Score:
    fields = target.get("answer")
    if not isinstance(fields, list) or not fields:
        return failure(Status.TASK_ERROR, f"target answer {fields!r} is no list of fields; fill it in the task")
    for field in fields:
        value = field.get("value")
        sound = isinstance(value, str) and value.strip()
        if not sound or (field.get("type") == "number" and read_number(value) is None):
            return failure(Status.TASK_ERROR, f"target field {field!r} can't be met; mend its value")
    return fields


def well_formed(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing line offers exactly the fields asked for: a number each, or one of the choices."""
    gold = _gold(target)
    if isinstance(gold, Score):
        return gold
    given = _given_fields(transcript, len(gold))
    if not given:
        return Score(0.0, "no single closing line `Answer: <value>`", status=Status.INVALID_OUTPUT)
    if len(given) != len(gold):
        return Score(0.0, f"{len(given)} fields where {len(gold)} are asked for", status=Status.INVALID_OUTPUT)
    for text, field in zip(given, gold, strict=True):
        fits = read_number(text) is not None if field["type"] == "number" else text in field.get("choices", [text])
        if not fits:
            return Score(0.0, f"{text[:60]!r} is no {field['type']} that could answer", status=Status.INVALID_OUTPUT)
    return Score(1.0, "an answer of the form asked for")


def right_answer(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when every field of the closing line is exact: numbers by value, text by the letter."""
    gold = _gold(target)
    if isinstance(gold, Score):
        return gold
    given = _given_fields(transcript, len(gold))
    if len(given) != len(gold):
        return Score(0.0, "no answer of the form asked for")
    for text, field in zip(given, gold, strict=True):
        number = field["type"] == "number"
        met = read_number(text) == read_number(field["value"]) if number else text == field["value"]
        if not met:
            return Score(0.0, f"{text[:60]!r} is wrong")
    return Score(1.0, "right")


def _meets(record: CallRecord, wanted: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    if record.error is not None or record.name != wanted["name"]:
        return False
    missing = defaults.get(record.name, {})
    return same_json({**missing, **record.arguments}, {**missing, **wanted["arguments"]})


def fetched(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when calls without error fetched every needed fact, else 0: made for a gate against guessing."""
    needs = target.get("needs")
    if not needs:
        return failure(Status.TASK_ERROR, f"target needs {needs!r}: nothing to fetch; list the needed calls")
    defaults = target.get("defaults", {})
    met = sum(any(_meets(r, wanted, defaults) for r in transcript.calls for wanted in need) for need in needs)
    return Score(float(met == len(needs)), f"{met} of {len(needs)} needed facts fetched")


def valid_calls(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of calls without an error; 0 without calls. Calls that a fault kept from the tool don't count."""
    judged = [record for record in transcript.calls if not record.fault]
    good = sum(record.error is None for record in judged)
    return Score(good / max(1, len(judged)), f"{good} of {len(judged)} calls without error")


def economy(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for no more calls than the task takes, falling to 0 at three times as many; 0 without calls."""
    needed, made = target.get("calls"), len(transcript.calls)
    if isinstance(needed, bool) or not isinstance(needed, int) or needed < 1:
        return failure(Status.TASK_ERROR, f"target calls {needed!r} is no count above 0; state how many it takes")
    if not made:
        return Score(0.0, "no call")
    excess = max(0, made - needed) / ((_WASTE - 1) * needed)
    return Score(max(0.0, 1 - excess), f"{made} calls where {needed} suffice")


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, Decimal]]:
    """Every finite number in plain JSON with the key it stands under."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(str(value))
        if number.is_finite():
            yield key, number


def _figures(text: str) -> Iterator[Decimal]:
    return (Decimal(m.group()) for m in _FIGURE.finditer(text.translate(_MINUS)))


def grounded(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of the reply's figures that were read or worked out; 0 for a reply without calls.

    A figure counts when it stands in a user's message or a tool's result, or is the difference of two
    results of one kind (numbers under the same key).
    """
    results = [r.result for r in transcript.calls if r.error is None]
    if not results:
        return Score(0.0, "nothing was looked up")
    facts = list(itertools.islice(dict.fromkeys(n for result in results for n in _numbers(result)), _MAX_FACTS))
    known = {number for _, number in facts}
    known |= {a - b for (key, a), (other, b) in itertools.permutations(facts, 2) if key == other}
    known |= {f for m in transcript.messages if m.role == "user" for f in _figures(m.content)}
    figures = list(_figures(transcript.answer))
    made_up = [f for f in figures if f not in known]
    value = 1 - len(made_up) / max(1, len(figures))
    named = f"; made up: {', '.join(str(f)[:20] for f in made_up[:3])}" if made_up else ""
    return Score(value, f"{len(figures) - len(made_up)} of {len(figures)} figures grounded{named}")


@factory
def when(condition: Reward, reward: Reward) -> Reward:
    """`reward`, but 0 where `condition` scores 0: manners earn nothing by themselves."""

    def conditional(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        met = condition(transcript, target)
        if met.value is None:
            return met
        return reward(transcript, target) if met.value > 0 else Score(0.0, f"not counted: {met.reason}")

    return conditional
