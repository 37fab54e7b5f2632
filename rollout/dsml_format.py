"""DeepSeek's tool calls since V3.2: `invoke` for a call, `parameter` for an argument, text bare, all else as JSON."""

import json
import re
from functools import partial
from typing import Any

from envs.actions import MAX_CALL_CHARS, read_json, split_thinking, unread
from rewards.transcript import Message, ToolCall
from rollout.json_formats import Tools

_FORM = (
    '<｜DSML｜{0}>\n<｜DSML｜invoke name="NAME">\n<｜DSML｜parameter name="KEY" string="true|false">VALUE'
    "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜{0}>"
)
DSML32_FORM, DSML4_FORM = _FORM.format("function_calls"), _FORM.format("tool_calls")
_START = re.compile(r"<｜DSML｜(?:function_calls|tool_calls)>|(?=<｜DSML｜invoke )")
_END = re.compile(r"</｜DSML｜(?:function_calls|tool_calls)>")
_INVOKE = re.compile(r"<｜DSML｜invoke (.*?)(?:</｜DSML｜invoke>|(?=<｜DSML｜invoke )|\Z)", re.DOTALL)
_NAME = re.compile(r'name="([^"\n]+)">')
_PARAMETER = re.compile(
    r'\s*<｜DSML｜parameter name="([^"\n]+)" string="(true|false)">(.*?)</｜DSML｜parameter>', re.DOTALL
)


def parse_dsml(text: str, tools: Tools = (), form: str = DSML32_FORM) -> Message:
    """Reads the calls of V3.2 and V4, which name the frame around them differently."""
    thought, said = split_thinking(text)
    if not (start := _START.search(said)):
        return Message("assistant", text)
    body, _, after = _partition(said[start.end() :])
    calls = tuple(_read_call(m.group(1), form, f"call_{i}") for i, m in enumerate(_INVOKE.finditer(body)))
    if not calls:
        calls, after = (unread("no <｜DSML｜invoke name=...>", form, "call_0"),), ""
    return Message("assistant", thought + (said[: start.start()].strip() + after.strip()), calls)


parse_dsml4 = partial(parse_dsml, form=DSML4_FORM)


def _partition(text: str) -> tuple[str, str, str]:
    end = _END.search(text)
    return (text[: end.start()], end.group(), text[end.end() :]) if end else (text, "", "")


def _read_call(body: str, form: str, call_id: str) -> ToolCall:
    if len(body) > MAX_CALL_CHARS:
        return unread(f"longer than {MAX_CALL_CHARS} characters", form, call_id)
    if not (named := _NAME.match(body)):
        return unread("no name", form, call_id)
    arguments: dict[str, Any] = {}
    at = named.end()
    while match := _PARAMETER.match(body, at):
        key, is_text, value = match.groups()
        if key in arguments:
            return unread(f"the parameter {key!r} is given twice", form, call_id)
        try:
            arguments[key] = value if is_text == "true" else _json(value)
        except ValueError as error:
            return unread(f"the parameter {key!r} is no JSON: {error}", form, call_id)
        at = match.end()
    if rest := body[at:].strip():
        return unread(f"{rest[:20]!r} is no parameter", form, call_id)
    return ToolCall(named.group(1), arguments, call_id)


def _json(text: str) -> Any:
    value, end = read_json(text.strip())
    if end < len(text.strip()):
        raise ValueError(f"{text.strip()[end : end + 20]!r} after the value's end")
    return value


def render_dsml(message: Message, frame: str = "function_calls") -> str:
    """As V3.2's template writes it."""
    if not message.tool_calls:
        return message.content
    calls = "".join(map(_written, message.tool_calls))
    return f"{message.content}\n\n<｜DSML｜{frame}>\n{calls}</｜DSML｜{frame}>"


render_dsml4 = partial(render_dsml, frame="tool_calls")


def _written(call: ToolCall) -> str:
    lines = [f'<｜DSML｜invoke name="{call.name}">']
    for key, value in call.arguments.items():
        kind, text = ("true", value) if isinstance(value, str) else ("false", json.dumps(value, ensure_ascii=False))
        lines.append(f'<｜DSML｜parameter name="{key}" string="{kind}">{text}</｜DSML｜parameter>')
    return "\n".join([*lines, "</｜DSML｜invoke>\n"])
