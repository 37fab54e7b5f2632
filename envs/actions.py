"""From the assistant's text to a message with tool calls, in the Hermes form that postgym's own template teaches.

    <tool_call>{"name": "geocode", "arguments": {"city": "Oslo"}}</tool_call>

Calls are parsed as JSON and never evaluated. What can't be read becomes a call with an `error` for the model.
Other models' forms stand in `rollout/tool_formats.py`; they read their JSON with the functions below.
"""

import json
import math
import re
from typing import Any

from rewards.transcript import Message, ToolCall

MAX_CALL_CHARS = 20_000
HERMES_FORM = '<tool_call>{"name": ..., "arguments": {...}}</tool_call>'
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_BLOCK = re.compile(re.escape(_OPEN) + r"(.*?)(?:" + re.escape(_CLOSE) + r"|\Z)", re.DOTALL)
_TAG = re.compile(r"<(?=/?(?:tool_call|think)>)")


def _no_constant(literal: str) -> Any:
    raise ValueError(f"{literal} is no JSON")


def _finite(literal: str) -> float:
    if math.isfinite(value := float(literal)):
        return value
    raise ValueError(f"the number {literal[:20]} is too large")


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def read_json(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends.

    Raises:
        ValueError: why it can't be read, in words for the model: no JSON, no finite number, no Unicode, too long
            or too deep.
    """
    if len(text) - start > MAX_CALL_CHARS:
        raise ValueError(f"longer than {MAX_CALL_CHARS} characters")
    try:
        value, end = _DECODER.raw_decode(text, start)
        if "\\u" in text:  # an escape can spell half a character, which no tokenizer takes
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no text") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value, end


def unread(why: str, form: str, call_id: str) -> ToolCall:
    """The call that stands for what can't be read as one: its error says what to mend, and the right form."""
    return ToolCall("", {}, call_id, f"tool call can't be read: {why}; write {form}")


def split_thinking(text: str) -> tuple[str, str]:
    """What was thought, up to the last `</think>`, and what was said after it: calls count only in the latter."""
    said = text.rsplit("</think>", 1)[-1]
    return text[: len(text) - len(said)], said


def _read_call(body: str, call_id: str) -> ToolCall:
    def bad(why: str) -> ToolCall:
        return unread(why, HERMES_FORM, call_id)

    try:
        value, end = read_json(body)
    except ValueError as error:
        return bad(str(error))
    if end < len(body):
        return bad(f"{body[end : end + 20]!r} after the call's end")
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return bad("no name")
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict) or set(value) - {"name", "arguments"}:
        return bad("arguments must be an object, beside the name only")
    return ToolCall(value["name"], arguments, call_id)


def parse_action(text: str) -> Message:
    """The assistant message that `text` is: content outside the calls, and the calls in order.

    Calls inside `<think>` are thoughts, not calls. Any text gives a message; nothing raises.
    """
    thought, said = split_thinking(text)
    if _OPEN not in said:
        return Message("assistant", text)
    calls = tuple(_read_call(m.group(1).strip(), f"call_{i}") for i, m in enumerate(_BLOCK.finditer(said)))
    return Message("assistant", thought + _BLOCK.sub("", said).strip(), calls)


def hermes_json(call: ToolCall) -> str:
    """A call as Hermes' JSON. A tag inside an argument gets an escaped `<`: as it stands it would end the call."""
    text = json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)
    return _TAG.sub(r"\\u003c", text)


def render_action(message: Message) -> str:
    """The text form of an assistant message: the inverse of `parse_action` for well-formed calls."""
    blocks = [_OPEN + hermes_json(call) + _CLOSE for call in message.tool_calls]
    return "\n".join([message.content] * bool(message.content) + blocks)
