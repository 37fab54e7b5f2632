"""What a chat template can say, found out by trying, and messages put into words that it can.

Some templates know no system message, no tools, no tool results, or only users and assistants in turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewards.errors import ConfigError
from rewards.transcript import Message, ToolCall

_WORD = "probe\ue002"
_CALL = ToolCall("probe", {}, "call00000")
_TOOL = {
    "type": "function",
    "function": {
        "name": _WORD,
        "description": "Probes.",
        "parameters": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
    },
}
_USER = Message("user", ".")
WRITTEN = ToolCall("probe", {"x": "y"}, _CALL.id)

Render = Callable[[Sequence[Message], Sequence[Mapping[str, Any]]], str]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a chat template renders.

    Args:
        system: system messages.
        tools: the tools' schemas.
        results: messages of the role `tool`.
        results_need_calls: those only after a message with a call, or otherwise there than after words.
        runs: several messages of one role after each other.
    """

    system: bool
    tools: bool
    results: bool
    results_need_calls: bool
    runs: bool


def try_template(render: Render) -> Abilities:
    """Renders small conversations and sees what comes out."""

    def shows(messages: Sequence[Message], times: int = 1) -> bool:
        try:
            return render(messages, ()).count(_WORD) >= times
        except ConfigError:
            return False

    result = Message("tool", _WORD, tool_call_id=_CALL.id)

    def shown_after(said: Message) -> str | None:
        try:
            before, whole = render((_USER, said), ()), render((_USER, said, result), ())
        except ConfigError:
            return None
        return None if _WORD not in whole else whole[len(before) :] if whole.startswith(before) else _WORD

    after_text, after_call = shown_after(Message("assistant", ".")), shown_after(Message("assistant", "", (_CALL,)))
    return Abilities(
        system=shows((Message("system", _WORD), _USER)),
        tools=shows_tools(render),
        results=after_text is not None or after_call is not None,
        results_need_calls=after_call is not None and after_call != after_text,
        runs=shows((Message("user", _WORD), Message("user", _WORD)), times=2),
    )


def shows_tools(render: Render) -> bool:
    """Whether a chat template writes the tools it is given."""
    try:
        return _WORD in render((_USER,), (_TOOL,))
    except ConfigError:
        return False


def written_call(render: Render) -> str | None:
    """What a chat template writes from the call `WRITTEN` on; None where it writes no calls."""
    try:
        words = render((_USER, Message("assistant", _WORD)), ())
        whole = render((_USER, Message("assistant", "", (WRITTEN,))), ())
    except ConfigError:
        return None
    if WRITTEN.name not in whole:
        return None
    return whole[next(i for i, (a, b) in enumerate(zip(words, whole, strict=False)) if a != b) :]


def put_for(
    abilities: Abilities, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], form: str
) -> tuple[list[Message], list[Mapping[str, Any]]]:
    """The messages and tools as the template can render them.

    Tools that it can't show are described in the system message, with the `form` of a call; a system message that
    it doesn't know opens the user's first; results become the user's words; and where roles must alternate,
    messages of one role are joined.
    """
    said = list(messages)
    if tools and not abilities.tools:
        said = _with_system(said, describe_tools(tools, form))
        tools = ()
    if not abilities.results:
        said = [_as_user(m) if m.role == "tool" else m for m in said]
    if not abilities.system and said and said[0].role == "system":
        rest = said[1:] if said[1:] and said[1].role == "user" else [Message("user"), *said[1:]]
        text = "\n\n".join(t for t in (said[0].content, rest[0].content) if t)
        said = [replace(rest[0], content=text), *rest[1:]]
    return (said if abilities.runs else _joined(said)), list(tools)


def describe_tools(tools: Sequence[Mapping[str, Any]], form: str) -> str:
    """The tools in words, as postgym's own template puts them."""
    lines = []
    for tool in tools:
        function = tool["function"]
        properties = function.get("parameters", {}).get("properties", {})
        typed = (
            f"{k}: {'|'.join(map(str, p['enum'])) if p.get('enum') else p.get('type', 'any')}"
            for k, p in properties.items()
        )
        lines.append(f"- {function['name']}({', '.join(typed)}): {function.get('description', '')}")
    return "\n".join(["Tools:", *lines, f"Call one with {form}"])


def _with_system(messages: list[Message], text: str) -> list[Message]:
    if messages and messages[0].role == "system":
        return [replace(messages[0], content=f"{messages[0].content}\n{text}"), *messages[1:]]
    return [Message("system", text), *messages]


def _as_user(result: Message) -> Message:
    return Message("user", f"<tool_response>\n{result.content}\n</tool_response>")


def _joined(messages: Sequence[Message]) -> list[Message]:
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else None
        if before and before.role == message.role in ("user", "system"):
            joined[-1] = replace(before, content=f"{before.content}\n{message.content}")
        else:
            joined.append(message)
    return joined
