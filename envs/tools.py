"""Tools: what the model may call. A typed Python function becomes a JSON schema for it and a strict call for us.

A `Tool` is a schema and a call, wherever the call ends: in this process, behind a server of ours (envs/transport) or
in somebody's MCP server (envs/mcp_tools.py).
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from rewards.transcript import CallRecord, ToolCall

FaultKind = Literal["rate_limited", "server_error", "timeout", "bad_response"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
_Signature = tuple[type[BaseModel], dict[str, Any]]
_SIGNATURES: WeakKeyDictionary[Callable[..., Any], _Signature] = WeakKeyDictionary()


class ToolError(Exception):
    """An error that the model sees and can recover from.

    Args:
        kind: its type.
        message: what to mend.
        details: what else the model is shown, plain JSON.
    """

    def __init__(self, kind: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = dict(details or {})


class FaultError(ToolError):
    """The way to the tool failed, not the call: the tool wasn't run, and the same call again is the right answer.

    `kind` is one of `FAULT_KINDS`.
    """


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model is shown of a tool, and what a call of it does.

    `parameters` is the JSON schema of the arguments. `call` takes the arguments as the model wrote them, checks them
    strictly, returns plain JSON and raises `ToolError`; it must pickle. `close` ends what the tool holds open.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    call: Callable[[Mapping[str, Any]], Any]
    close: Callable[[], None] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The OpenAI function schema that chat templates render."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


class FunctionCall:
    """The call of a typed Python function: its signature is the strict model of the arguments.

    Raises:
        TypeError: a parameter has no type hint.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.arguments, self.parameters = _signature_of(function)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by the function: the argument model is made at run time, where pickle can't find it."""
        return FunctionCall, (self.function,)

    def __call__(self, arguments: Mapping[str, Any]) -> Any:
        """Validates the arguments strictly ("3" is no number) and runs the function.

        Raises:
            ToolError: `invalid_argument` for arguments that break the schema, or the function's own kind.
        """
        try:
            checked = self.arguments.model_validate(dict(arguments), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "arguments"
            raise ToolError("invalid_argument", f"{where}: {first['msg']}") from None
        return self.function(**{name: getattr(checked, name) for name in type(checked).model_fields})


def _signature_of(function: Callable[..., Any]) -> _Signature:
    """The strict model of a function's arguments and their JSON schema; a method's are made once for all its objects.

    Pydantic takes a millisecond for them, and every episode makes its tools anew.
    """
    plain = getattr(function, "__func__", function)
    if plain in _SIGNATURES:
        return _SIGNATURES[plain]
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.annotation is inspect.Parameter.empty:
            raise TypeError(f"tool {function.__name__}: parameter {parameter.name} needs a type hint")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (parameter.annotation, default)
    model = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    return _SIGNATURES.setdefault(plain, (model, _plain(schema, schema.get("$defs", {}))))


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema without pydantic's titles, its references replaced by what they refer to."""
    if isinstance(schema, list):
        return [_plain(value, definitions) for value in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _plain(definitions[reference.rpartition("/")[2]], definitions)
    kept = {k: v for k, v in schema.items() if k != "$defs" and not (k == "title" and isinstance(v, str))}
    return {k: _plain(v, definitions) for k, v in kept.items()}


def tool(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a method as a tool. Its docstring is the description, its type hints the schema."""
    function.__postgym_tool__ = True  # type: ignore[attr-defined]
    return function


def make_tool(function: Callable[..., Any]) -> Tool:
    """Builds a `Tool` from a typed function; `Annotated[..., Field(...)]` hints carry limits and help.

    Raises:
        TypeError: a parameter has no type hint, or the function has no docstring.
    """
    description = inspect.getdoc(function)
    if not description:
        raise TypeError(f"tool {function.__name__} needs a docstring: the model reads it")
    call = FunctionCall(function)
    return Tool(function.__name__, description, call.parameters, call)


def tools_of(world: object) -> tuple[Tool, ...]:
    """The tools of an object: its methods marked with `@tool`, in the order they were written."""
    names = [n for cls in reversed(type(world).__mro__) for n, f in vars(cls).items() if hasattr(f, "__postgym_tool__")]
    return tuple(make_tool(getattr(world, name)) for name in dict.fromkeys(names))


def execute(tools: Sequence[Tool], call: ToolCall) -> CallRecord:
    """Carries out one call; anything wrong with it becomes a record with a typed error, never an exception."""
    record = partial(CallRecord, call.name, dict(call.arguments))
    if call.error is not None:
        return record({"message": call.error}, "malformed_call")
    by_name = {t.name: t for t in tools}
    if call.name not in by_name:
        return record({"message": f"no tool {call.name!r}; tools: {', '.join(by_name) or 'none'}"}, "unknown_tool")
    try:
        return record(by_name[call.name].call(call.arguments))
    except ToolError as error:
        return record({"message": str(error), **error.details}, error.kind, fault=isinstance(error, FaultError))


def render_result(record: CallRecord) -> str:
    """The tool message that the model reads: the result as compact JSON, or the typed error."""
    shown = {"error": record.error, **record.result} if record.error else record.result
    return json.dumps(shown, ensure_ascii=False)
