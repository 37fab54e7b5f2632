"""Forms of tool calls whose arguments are JSON: Hermes and Qwen, Llama, Mistral, DeepSeek.

Each has a parser, which takes any text and never raises, and a renderer, its inverse for well-formed calls.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from envs.actions import hermes_json, parse_action, read_json, render_action, split_thinking, unread
from rewards.transcript import Message, ToolCall

Tools = Sequence[Mapping[str, Any]]  # OpenAI schemas

LLAMA_FORM = '{"name": ..., "parameters": {...}}'
MISTRAL_ARGS_FORM = "[TOOL_CALLS]NAME[ARGS]{...}"
MISTRAL_FORM = '[TOOL_CALLS] [{"name": ..., "arguments": {...}}]'
DEEPSEEK_FORM = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{...}\n```"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)
DEEPSEEK31_FORM = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)

# Where a thinking tag or a model's frame begins: escaped inside of arguments, where it would end the call.
FRAME = re.compile(r"<(?=/?think>|[|｜])|\[(?=TOOL_CALLS\]|ARGS\]|CALL_ID\])")
_SPACE = re.compile(r"\s*")
_LLAMA_START = re.compile(r'\s*\{\s*"(?:name|type|function)"\s*:')
_DEEPSEEK_CALL = re.compile(
    r"<｜tool▁call▁begin｜>(.*?)(?:<｜tool▁call▁end｜>|(?=<｜tool▁call▁begin｜>)|<｜tool▁calls▁end｜>|\Z)", re.DOTALL
)
_FENCED = re.compile(r"\s*(\S*)[^\S\n]*\n\s*```(?:json)?")  # what stands before V3's JSON: the name and a fence


def write_json(value: Any) -> str:
    """JSON in which no `FRAME` is spelled: its first character is escaped."""
    return FRAME.sub(lambda m: f"\\u{ord(m.group()):04x}", json.dumps(value, ensure_ascii=False))


def read_arguments(text: str) -> dict[str, Any]:
    """The object that is all of `text`; empty text means no arguments.

    Raises:
        ValueError: why it is none, in words for the model.
    """
    text = text.strip()
    value, end = read_json(text) if text else ({}, 0)
    if text[end:].strip():
        raise ValueError(f"{text[end : end + 20]!r} after the arguments' end")
    if not isinstance(value, dict):
        raise ValueError("the arguments must be an object")
    return value


def _call(value: Any, key: str, form: str, call_id: str) -> ToolCall:
    """A call from its JSON; beside name and arguments only an `id` and the word `function` are let pass."""
    if not isinstance(value, dict):
        return unread("a call must be an object", form, call_id)
    name = value.get("name", value.get("function"))
    if not isinstance(name, str) or not name:
        return unread("no name", form, call_id)
    arguments = value.get(key, {})
    if not isinstance(arguments, dict):
        return unread(f"{key} must be an object", form, call_id)
    if extra := sorted(set(value) - {"name", key, "id", "type", "function"}):
        return unread(f"{extra[0]!r} beside name and {key}", form, call_id)
    return ToolCall(name, arguments, call_id)


def _skip_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()


# Hermes and Qwen: <tool_call>{"name": ..., "arguments": ...}</tool_call>, Qwen with line breaks around the JSON


def parse_hermes(text: str, tools: Tools = ()) -> Message:
    """Reads `<tool_call>` blocks, with or without line breaks in them."""
    return parse_action(text)


def render_hermes(message: Message) -> str:
    """As postgym's own template teaches it."""
    return render_action(message)


def render_qwen(message: Message) -> str:
    """As Qwen's and Nous Hermes' templates teach it."""
    blocks = [f"<tool_call>\n{hermes_json(call)}\n</tool_call>" for call in message.tool_calls]
    return "\n".join([message.content] * bool(message.content) + blocks)


# Llama: the turn is the JSON itself, or what follows <|python_tag|>; several are separated by semicolons


def parse_llama(text: str, tools: Tools = ()) -> Message:
    """Reads calls at the turn's start or after `<|python_tag|>`; JSON without parameters is an answer, no call."""
    thought, said = split_thinking(text)
    before, mark, body = said.partition("<|python_tag|>")
    if not mark:
        if not (_LLAMA_START.match(said) and ('"parameters"' in said or '"arguments"' in said)):
            return Message("assistant", text)
        before, body = "", said
    calls: list[ToolCall] = []
    at = _skip_space(body, 0)
    while at < len(body) and (body[at] == "{" or not calls):
        call_id = f"call_{len(calls)}"
        try:
            value, at = read_json(body, at)
        except ValueError as error:
            calls.append(unread(str(error), LLAMA_FORM, call_id))
            at = len(body)
            break
        key = "parameters" if isinstance(value, dict) and "parameters" in value else "arguments"
        calls.append(_call(value, key, LLAMA_FORM, call_id))
        at = _skip_space(body, at)
        if body[at : at + 1] in (";", ","):
            at = _skip_space(body, at + 1)
    if not calls:
        calls.append(unread("nothing after <|python_tag|>", LLAMA_FORM, "call_0"))
    return Message("assistant", thought + (before + body[at:]).strip(), tuple(calls))


def render_llama(message: Message) -> str:
    """As Llama 3 writes it; `<|python_tag|>` tells calls from what was said before them."""
    calls = [write_json({"name": c.name, "parameters": dict(c.arguments)}) for c in message.tool_calls]
    mark = "<|python_tag|>" if message.content and calls else ""
    return message.content + mark + "; ".join(calls)


# Mistral: [TOOL_CALLS] and a JSON list; newer models write [TOOL_CALLS]name[ARGS]{...} for each call, some of them with
# [CALL_ID] and nine letters or digits behind the name


def parse_mistral(text: str, tools: Tools = ()) -> Message:
    """Reads the list form and the `[ARGS]` form."""
    thought, said = split_thinking(text)
    before, *blocks = said.split("[TOOL_CALLS]")
    if not blocks:
        return Message("assistant", text)
    calls: list[ToolCall] = []
    for block in blocks:
        values, rest, why = _mistral_values(block)
        for value in values:
            calls.append(_call(value, "arguments", MISTRAL_FORM, _own_id(value) or f"call_{len(calls)}"))
        if why:
            calls.append(unread(why, MISTRAL_ARGS_FORM if "[ARGS]" in block else MISTRAL_FORM, f"call_{len(calls)}"))
        before += rest
    return Message("assistant", thought + before.strip(), tuple(calls))


def _own_id(value: Any) -> str:
    """The id that the model gave its call, by which its result is named; empty where it is none."""
    given = value.get("id") if isinstance(value, dict) else None
    return given if isinstance(given, str) and given and mistral_id(given) == given else ""


def _mistral_values(block: str) -> tuple[list[Any], str, str]:
    """The calls of one block, the text after them, and why it can't be read where it can't."""
    name, mark, body = block.partition("[ARGS]")
    if mark and not name.lstrip().startswith(("[", "{")):
        start = name.strip()
    else:
        start, body = "", block
    start, _, call_id = start.partition("[CALL_ID]")
    body = body.lstrip()
    try:
        value, end = read_json(body)
    except ValueError as error:
        return [], "", str(error)
    if start:
        return [{"name": start, "arguments": value, "id": call_id}], body[end:], ""
    values = value if isinstance(value, list) else [value]
    return values, body[end:], "" if values else "an empty list"


def render_mistral(message: Message) -> str:
    """As Mistral's v3 template writes it."""
    if not message.tool_calls:
        return message.content
    calls = [{"name": c.name, "arguments": dict(c.arguments)} for c in message.tool_calls]
    return f"{message.content}[TOOL_CALLS] {write_json(calls)}"


def render_mistral_args(message: Message) -> str:
    """As Mistral's templates write it since v11."""
    calls = (f"[TOOL_CALLS]{c.name}[ARGS]{write_json(dict(c.arguments))}" for c in message.tool_calls)
    return message.content + "".join(calls)


def mistral_id(call_id: str) -> str:
    """A call's id as Mistral's templates demand it: nine letters or digits."""
    if len(call_id) == 9 and call_id.isascii() and call_id.isalnum():
        return call_id
    kept = "".join(c for c in call_id if c.isascii() and c.isalnum())
    return kept[-9:].rjust(9, "0")


# DeepSeek: framed by special tokens; V3 and R1 fence the JSON, V3.1 doesn't


def parse_deepseek(text: str, tools: Tools = ()) -> Message:
    """Reads both DeepSeek forms."""
    thought, said = split_thinking(text)
    before, mark, body = said.partition("<｜tool▁calls▁begin｜>")
    if not mark:
        return Message("assistant", text)
    calls = tuple(_deepseek_call(m.group(1), f"call_{i}") for i, m in enumerate(_DEEPSEEK_CALL.finditer(body)))
    after = _DEEPSEEK_CALL.sub("", body).replace("<｜tool▁calls▁end｜>", "").strip()
    if not calls:
        calls, after = (unread("no <｜tool▁call▁begin｜>", DEEPSEEK_FORM, "call_0"),), ""
    return Message("assistant", thought + (before.strip() + after), calls)


def _deepseek_call(body: str, call_id: str) -> ToolCall:
    head, mark, rest = body.partition("<｜tool▁sep｜>")
    if not mark:
        return unread("no <｜tool▁sep｜> after the name", DEEPSEEK_FORM, call_id)
    fenced = _FENCED.match(rest)
    name, arguments = (fenced.group(1), rest[fenced.end() :]) if fenced else (head.strip(), rest)
    if fenced:
        arguments = arguments.rstrip().removesuffix("```")
    form = DEEPSEEK_FORM if fenced or name == "function" else DEEPSEEK31_FORM
    if not name:
        return unread("no name", form, call_id)
    try:
        return ToolCall(name, read_arguments(arguments), call_id)
    except ValueError as error:
        return unread(str(error), form, call_id)


def render_deepseek(message: Message) -> str:
    """As V3 and R1 write it."""
    calls = [
        f"function<｜tool▁sep｜>{c.name}\n```json\n{write_json(dict(c.arguments))}\n```" for c in message.tool_calls
    ]
    return message.content + _deepseek_frame(calls)


def render_deepseek31(message: Message) -> str:
    """As V3.1 writes it."""
    calls = [f"{c.name}<｜tool▁sep｜>{write_json(dict(c.arguments))}" for c in message.tool_calls]
    return message.content + _deepseek_frame(calls)


def _deepseek_frame(calls: Sequence[str]) -> str:
    if not calls:
        return ""
    framed = "\n".join(f"<｜tool▁call▁begin｜>{call}<｜tool▁call▁end｜>" for call in calls)
    return f"<｜tool▁calls▁begin｜>{framed}<｜tool▁calls▁end｜>"
