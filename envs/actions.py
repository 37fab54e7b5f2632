"""From the assistant's text to a message with tool calls, in the Hermes form that postgym's own template teaches.

    <tool_call>{"name": "geocode", "arguments": {"city": "Oslo"}}</tool_call>

Calls are parsed as JSON and never evaluated. What can't be read becomes a call with an `error` for the model.
"""

import json
import math
import re
from typing import Any

from rewards.transcript import Message, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_BLOCK = re.compile(re.escape(_OPEN) + r"(.*?)(?:" + re.escape(_CLOSE) + r"|\Z)", re.DOTALL)
_TAG = re.compile(r"<(?=/?(?:tool_call|think)>)")
_MAX_CALL_CHARS = 20_000


def _no_constant(literal: str) -> Any:
    raise ValueError(f"{literal} is no JSON")


def _finite(literal: str) -> float:
    if math.isfinite(value := float(literal)):
        return value
    raise ValueError(f"the number {literal[:20]} is too large")


def _read_call(body: str, call_id: str) -> ToolCall:
    def bad(why: str) -> ToolCall:
        form = '{"name": ..., "arguments": {...}}'
        return ToolCall("", {}, call_id, f"tool call can't be read: {why}; write {_OPEN}{form}{_CLOSE}")

    if len(body) > _MAX_CALL_CHARS:
        return bad(f"longer than {_MAX_CALL_CHARS} characters")
    try:
        value: Any = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        return bad(str(error) or type(error).__name__)
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
    spoken = text.rsplit("</think>", 1)[-1] if "</think>" in text else text
    if _OPEN not in spoken:
        return Message("assistant", text)
    thought = text[: len(text) - len(spoken)]
    calls = tuple(_read_call(m.group(1).strip(), f"call_{i}") for i, m in enumerate(_BLOCK.finditer(spoken)))
    return Message("assistant", thought + _BLOCK.sub("", spoken).strip(), calls)


def render_action(message: Message) -> str:
    """The text form of an assistant message: the inverse of `parse_action` for well-formed calls.

    A tag inside an argument is written with an escaped `<`: as it stands it would end the call.
    """
    calls = [
        json.dumps({"name": c.name, "arguments": dict(c.arguments)}, ensure_ascii=False) for c in message.tool_calls
    ]
    blocks = [_OPEN + _TAG.sub(r"\\u003c", call) + _CLOSE for call in calls]
    return "\n".join([message.content] * bool(message.content) + blocks)
