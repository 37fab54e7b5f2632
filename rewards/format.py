"""Where the answer stands in a text: the one rule for what counts as *the* answer, and the forms it may come in.

Only what the policy wrote in its closing message is read; tags and answers in prompts, documents and tool results
are never counted. `well_formed_json` reads `fields` of the target: the keys of the object that is asked for, each
with its type ("string", "number", "integer", "boolean", "array", "object" or "null").
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rewards.score import Reward, Score, Status, failure
from rewards.transcript import Transcript

MAX_JSON_CHARS = 100_000
MAX_JSON_DEPTH = 64
_ANSWER_LINE = re.compile(r"^[ \t]*answer:(.*)$", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"<\s{0,3}(/?)\s{0,3}(think|thinking|answer)\s{0,3}>", re.IGNORECASE)
_FENCED = re.compile(r"```[ \t]*(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
_JSON_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str) and bool(v.strip()),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}


def final_answer(text: str) -> str | None:
    """The value on the closing `Answer: ...` line.

    There must be exactly one such line, it must be the last that holds text, and it must not be
    empty: a text that offers several answers, or goes on after its answer, has none.
    """
    found = list(_ANSWER_LINE.finditer(text))
    if len(found) != 1 or text[found[0].end() :].strip():
        return None
    return found[0].group(1).strip() or None


def closing_text(transcript: Transcript) -> str:
    """All of the closing assistant message, thinking included; empty when the episode ended otherwise."""
    last = transcript.messages[-1] if transcript.messages else None
    return last.content if last is not None and last.role == "assistant" and not last.tool_calls else ""


def tagged_answer(text: str, signs: bool = False) -> str | None:
    """What stands in the one `<answer>...</answer>` that closes `text`; None when empty, repeated or not last.

    It must hold a letter or digit, unless `signs` lets an answer be signs alone.
    """
    tags = list(_TAG.finditer(text))
    if [t.group().lower() for t in tags] != ["<answer>", "</answer>"] or text[tags[1].end() :].strip():
        return None
    inside = text[tags[0].end() : tags[1].start()].strip()
    return inside if _says_something(inside) or (signs and inside) else None


def think_then_answer(thinking: bool = True, answer_tags: bool = True, opened: bool = False) -> Reward:
    """A reward that is 1 for one block of thinking, then one answer, in this form and nothing else.

    Args:
        thinking: `<think>` must hold something; else it may be empty, but must stand there.
        answer_tags: the answer stands in `<answer>...</answer>`; else it is all that follows the thinking.
        opened: the chat template has opened the thinking, so that the policy only closes it.

    Returns:
        A reward that scores 0 as INVALID_OUTPUT for any other form: tags that are repeated, in another order or
        spelling, an answer that is empty or inside the thinking, text outside the tags.
    """
    expected = ["<think>"] * (not opened) + ["</think>"] + ["<answer>", "</answer>"] * answer_tags

    def think_then_answer_form(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        text = closing_text(transcript)
        tags = list(_TAG.finditer(text))
        written = [t.group() for t in tags]
        if written != expected:
            shown = " ".join(written[:6]) or "none"
            return _invalid(f"tags {shown} where {' '.join(expected)} are asked for")
        pieces = [
            text[a:b] for a, b in zip([0, *(t.end() for t in tags)], [*(t.start() for t in tags), None], strict=True)
        ]
        if not opened and pieces.pop(0).strip():
            return _invalid("text before the thinking")
        thought, *rest = pieces
        if thinking and not _says_something(thought):
            return _invalid("the thinking is empty")
        if answer_tags and (rest[0].strip() or rest[2].strip()):
            return _invalid("text outside the tags")
        if not _says_something(rest[1] if answer_tags else rest[0]):
            return _invalid("the answer is empty")
        return Score(1.0, "thinking, then an answer")

    return think_then_answer_form


def read_json(text: str) -> Any:
    """The JSON value that all of `text`, or its one fenced block, is.

    Raises:
        ValueError: it is no JSON, too long or too deep, names a key twice, or holds NaN or an infinity.
    """
    text = text.strip()
    if len(text) > MAX_JSON_CHARS:
        raise ValueError(f"{len(text)} characters of JSON")
    fenced = _FENCED.fullmatch(text)
    try:
        value = json.loads(
            fenced.group(1) if fenced else text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short_int,
        )
    except RecursionError:
        raise ValueError("JSON too deep") from None
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [x for v in level if isinstance(v, dict | list) for x in (v.values() if isinstance(v, dict) else v)]
    if level:
        raise ValueError(f"JSON deeper than {MAX_JSON_DEPTH} levels")
    return value


def well_formed_json(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the answer is one JSON object with exactly the target's `fields`, each of its type.

    The values are not judged, except that a text must not be blank. Anything else is INVALID_OUTPUT.
    """
    fields = target.get("fields")
    if not isinstance(fields, Mapping) or not fields or any(not _is_type(kind) for kind in fields.values()):
        return failure(Status.TASK_ERROR, f"target fields {fields!r:.100} name no types; use {sorted(_JSON_TYPES)}")
    try:
        value = read_json(transcript.answer)
    except ValueError as error:
        return _invalid(f"not JSON: {str(error)[:100]}")
    if not isinstance(value, dict):
        return _invalid("JSON, but no object")
    if value.keys() != fields.keys():
        return _invalid(f"keys {sorted(value)[:10]} where {sorted(fields)[:10]} are asked for")
    wrong = next((name for name, kind in fields.items() if not _JSON_TYPES[kind](value[name])), None)
    return _invalid(f"{wrong} is no {fields[wrong]}") if wrong is not None else Score(1.0, "the JSON asked for")


def _invalid(reason: str) -> Score:
    return Score(0.0, reason, status=Status.INVALID_OUTPUT)


def _says_something(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _is_type(kind: Any) -> bool:
    return isinstance(kind, str) and kind in _JSON_TYPES


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is named twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    if (value := float(text)) in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is beyond a float")
    return value


def _short_int(text: str) -> int:
    if len(text) > 400:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)
