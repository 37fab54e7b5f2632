"""Tools: a typed Python function becomes a JSON schema for the model and a strict call for the environment."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from rewards.transcript import CallRecord, ToolCall

_SCHEMAS: WeakKeyDictionary[type[BaseModel], str] = WeakKeyDictionary()  # pydantic takes 0.2 ms to make one


class ToolError(Exception):
    """An error that the model sees and can recover from: `kind` is its type, the message says what to mend."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Tool:
    """A callable tool with its name, description and strict argument model."""

    name: str
    description: str
    arguments: type[BaseModel]
    function: Callable[..., Any]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by the function: the argument model is made at run time, where pickle can't find it."""
        return make_tool, (self.function,)

    @property
    def schema(self) -> dict[str, Any]:
        """The OpenAI function schema that chat templates render; objects within stand where they are used."""
        written = _SCHEMAS.get(self.arguments)
        if written is None:
            schema = self.arguments.model_json_schema()
            written = _SCHEMAS[self.arguments] = json.dumps(_plain(schema, schema.get("$defs", {})))
        parameters = json.loads(written)
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": parameters},
        }

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Validates the arguments strictly ("3" is no number) and runs the tool.

        Raises:
            ToolError: `invalid_argument` for arguments that break the schema, or the tool's own kind.
        """
        try:
            checked = self.arguments.model_validate(dict(arguments), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "arguments"
            raise ToolError("invalid_argument", f"{where}: {first['msg']}") from None
        return self.function(**{name: getattr(checked, name) for name in type(checked).model_fields})


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
    name = function.__name__
    description = inspect.getdoc(function)
    if not description:
        raise TypeError(f"tool {name} needs a docstring: the model reads it")
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.annotation is inspect.Parameter.empty:
            raise TypeError(f"tool {name}: parameter {parameter.name} needs a type hint")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (parameter.annotation, default)
    arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    return Tool(name, description, arguments, function)


def tools_of(world: object) -> tuple[Tool, ...]:
    """The tools of an object: its methods marked with `@tool`, in the order they were written."""
    names = [n for cls in reversed(type(world).__mro__) for n, f in vars(cls).items() if hasattr(f, "__postgym_tool__")]
    return tuple(make_tool(getattr(world, name)) for name in dict.fromkeys(names))


def execute(tools: Sequence[Tool], call: ToolCall) -> CallRecord:
    """Carries out one call; anything wrong with it becomes a record with a typed error, never an exception."""
    if call.error is not None:
        return CallRecord(call.name, dict(call.arguments), {"message": call.error}, "malformed_call")
    by_name = {t.name: t for t in tools}
    if call.name not in by_name:
        message = f"no tool {call.name!r}; tools: {', '.join(by_name) or 'none'}"
        return CallRecord(call.name, dict(call.arguments), {"message": message}, "unknown_tool")
    try:
        return CallRecord(call.name, dict(call.arguments), by_name[call.name].call(call.arguments))
    except ToolError as error:
        return CallRecord(call.name, dict(call.arguments), {"message": str(error)}, error.kind)


def render_result(record: CallRecord) -> str:
    """The tool message that the model reads: the result as compact JSON, or the typed error."""
    shown = {"error": record.error, **record.result} if record.error else record.result
    return json.dumps(shown, ensure_ascii=False)
