"""Pythonic tool calls: `[geocode(city="Oslo"), add(a=1, b=2)]`, parsed as literals and never evaluated."""

import ast
import keyword
import re
import warnings
from collections.abc import Mapping
from typing import Any

from envs.actions import MAX_CALL_CHARS, split_thinking, unread
from rewards.errors import ConfigError
from rewards.transcript import Message, ToolCall
from rollout.json_formats import Tools, write_json

PYTHONIC_FORM = '[name(argument="value", other=1)]'
_MARKS = re.compile(r"<\|(?:python_(?:start|end|tag)|tool_call_(?:start|end))\|>")  # of Llama and LFM
_START = re.compile(r"\[\s*[^\W\d][\w.]*\s*\(")
_LATER_START = re.compile(r"^\[\s*[^\W\d][\w.]*\s*\(", re.MULTILINE)
_NAMES = {"true": True, "false": False, "null": None}


def parse_pythonic(text: str, tools: Tools = ()) -> Message:
    """Reads a list of calls that is the whole turn, or its last lines.

    A list of anything else (`[f(x) for x in y]`) is part of the answer.
    """
    thought, said = split_thinking(text)
    body = _MARKS.sub("", said).strip()
    begins = bool(_START.match(body))
    starts = [0] if begins else []
    if body.endswith("]"):
        starts += [m.start() for m in _LATER_START.finditer(body) if m.start()][-1:]
    why = ""
    for start in starts:
        try:
            calls = _read_list(body[start:])
        except ValueError as error:
            why = why or str(error)
            continue
        if calls is not None:
            return Message("assistant", thought + body[:start].strip(), calls)
    if begins and why:
        return Message("assistant", thought, (unread(why, PYTHONIC_FORM, "call_0"),))
    return Message("assistant", text)


def _read_list(text: str) -> tuple[ToolCall, ...] | None:
    """The calls of a list; None for Python that is no list."""
    if len(text) > MAX_CALL_CHARS:
        raise ValueError(f"longer than {MAX_CALL_CHARS} characters")
    try:
        with warnings.catch_warnings():  # Python's remarks on the model's escapes are nobody's concern
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{error.msg} at character {error.offset}") from None
    except (RecursionError, MemoryError):
        raise ValueError("nested too deep") from None
    if not isinstance(tree, ast.List):
        return None
    return tuple(_read_call(node, f"call_{i}") for i, node in enumerate(tree.elts))


def _read_call(node: ast.expr, call_id: str) -> ToolCall:
    try:
        if not isinstance(node, ast.Call):
            raise ValueError("only calls may stand in the list")
        name = _dotted(node.func)
        if node.args:
            raise ValueError("arguments must be named")
        arguments: dict[str, Any] = {}
        for argument in node.keywords:
            value = _literal(argument.value)
            given = {argument.arg: value} if argument.arg is not None else value
            if not isinstance(given, dict):
                raise ValueError("** takes an object")
            if twice := given.keys() & arguments.keys():
                raise ValueError(f"{min(twice)!r} is given twice")
            arguments |= given
        return ToolCall(name, arguments, call_id)
    except (ValueError, RecursionError) as error:
        return unread(str(error), PYTHONIC_FORM, call_id)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError("a call begins with a name")


def _literal(node: ast.expr) -> Any:
    """The plain JSON value that a literal spells.

    Raises:
        ValueError: it is anything else (a name, a sum, a call).
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return _plain(node.value)
    if isinstance(node, ast.Name) and node.id in _NAMES:  # as JSON spells them
        return _NAMES[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        keys = [_literal(key) if key is not None else None for key in node.keys]
        if not all(isinstance(key, str) for key in keys):
            raise ValueError("an object's keys must be strings")
        return dict(zip(keys, (_literal(value) for value in node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _literal(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value if isinstance(node.op, ast.USub) else value
    raise ValueError(f"{type(node).__name__} is no plain value: only text, numbers, True, False, None, lists, objects")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair is no text") from None
    return value


def render_pythonic(message: Message) -> str:
    """As Llama's pythonic templates ask for it; what is no Python name is given by `**{...}`.

    Raises:
        ConfigError: a tool's name can't be written as Python.
    """
    if not message.tool_calls:
        return message.content
    calls = ", ".join(f"{_name(call.name)}({_arguments(call.arguments)})" for call in message.tool_calls)
    return "\n".join([message.content] * bool(message.content) + [f"[{calls}]"])


def _name(name: str) -> str:
    if all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        return name
    raise ConfigError(f"a tool named {name!r} can't be called in the pythonic format; choose another tool_format")


def _arguments(arguments: Mapping[str, Any]) -> str:
    plain = all(k.isidentifier() and k.isascii() and not keyword.iskeyword(k) for k in arguments)
    if not plain:
        return f"**{_written(dict(arguments))}"
    return ", ".join(f"{key}={_written(value)}" for key, value in arguments.items())


def _written(value: Any) -> str:
    if isinstance(value, str):
        return write_json(value)  # JSON's escapes are Python's too
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return repr(value)
