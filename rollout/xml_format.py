"""Qwen3-Coder's tool calls: `<function=NAME>` with one `<parameter=KEY>` block an argument, values as bare text."""

import json
import re
from collections.abc import Mapping
from typing import Any

from envs.actions import MAX_CALL_CHARS, read_json, split_thinking, unread
from rewards.transcript import Message, ToolCall
from rollout.json_formats import Tools

QWEN_CODER_FORM = "<tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>"
_BLOCK = re.compile(
    r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)|(?=<function=)(.*?)(?:</function>|\Z)", re.DOTALL
)
_FUNCTION = re.compile(r"\s*<function=([^>\n]*)>(.*?)(?:</function>\s*|\Z)\Z", re.DOTALL)
_PARAMETER = re.compile(r"\s*<parameter=([^>\n]*)>(.*?)(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)


def parse_qwen_coder(text: str, tools: Tools = ()) -> Message:
    """Reads the blocks; the tools' schemas tell the text "5" from the number 5.

    A value of a parameter whose type the schemas don't name is JSON where it reads as JSON, and text otherwise.
    """
    thought, said = split_thinking(text)
    if "<tool_call>" not in said and "<function=" not in said:
        return Message("assistant", text)
    types = _types(tools)
    found = [m.group(1) if m.group(1) is not None else m.group(2) for m in _BLOCK.finditer(said)]
    calls = tuple(_read_call(body, types, f"call_{i}") for i, body in enumerate(found))
    return Message("assistant", thought + _BLOCK.sub("", said).strip(), calls)


def _types(tools: Tools) -> dict[tuple[str, str], Any]:
    """(tool, parameter) -> its schema."""
    found = {}
    for tool in tools:
        function = tool.get("function", tool)
        properties = function.get("parameters", {}).get("properties", {})
        found |= {(function.get("name", ""), key): schema for key, schema in properties.items()}
    return found


def _read_call(body: str, types: Mapping[tuple[str, str], Any], call_id: str) -> ToolCall:
    if len(body) > MAX_CALL_CHARS:
        return unread(f"longer than {MAX_CALL_CHARS} characters", QWEN_CODER_FORM, call_id)
    function = _FUNCTION.match(body)
    if not function or not function.group(1).strip():
        return unread("no <function=NAME>", QWEN_CODER_FORM, call_id)
    name, rest = function.group(1).strip(), function.group(2)
    arguments: dict[str, Any] = {}
    at = 0
    while match := _PARAMETER.match(rest, at):
        key, value = match.groups()
        if key in arguments:
            return unread(f"<parameter={key}> is given twice", QWEN_CODER_FORM, call_id)
        arguments[key] = _value(_inside(value), types.get((name, key)))
        at = match.end()
    if rest[at:].strip():
        return unread(f"{rest[at:].strip()[:20]!r} outside of a parameter", QWEN_CODER_FORM, call_id)
    return ToolCall(name, arguments, call_id)


def _inside(value: str) -> str:
    """The value without the one line break on each side that the form writes."""
    return value.removeprefix("\n").removesuffix("\n")


def _value(text: str, schema: Any) -> Any:
    kinds = _kinds(schema)
    if "string" in kinds and not ("null" in kinds and text == "null"):
        return text
    try:
        value, end = read_json(text.strip())
    except ValueError:
        return text
    return value if end == len(text.strip()) else text


def _kinds(schema: Any) -> set[Any]:
    """The JSON types that a parameter's schema allows."""
    if not isinstance(schema, Mapping):
        return set()
    options = [schema, *schema.get("anyOf", ())]
    return {option.get("type") for option in options if isinstance(option, Mapping)}


def render_qwen_coder(message: Message) -> str:
    """As Qwen3-Coder's template writes it: text bare, all other values as JSON."""
    blocks = []
    for call in message.tool_calls:
        lines = [f"<parameter={k}>\n{_written(v)}\n</parameter>" for k, v in call.arguments.items()]
        blocks.append("\n".join(["<tool_call>", f"<function={call.name}>", *lines, "</function>", "</tool_call>"]))
    return "\n".join([message.content] * bool(message.content) + blocks)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
