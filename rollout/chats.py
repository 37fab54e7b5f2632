"""Chat episodes from a JSONL file in the OpenAI layout, tokenised as if the assistant's turns had been sampled."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rewards.errors import ConfigError
from rewards.files import read_jsonl
from rewards.transcript import Message, ToolCall
from rollout.chat import ChatRenderer

_ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation that ends with the assistant, and the tools' schemas that it was offered."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """Ids to learn from: `token_ids` (tokens,) int32; `loss_mask` (tokens,) is true on the assistant's alone."""

    token_ids: np.ndarray
    loss_mask: np.ndarray


def read_chats(path: Path) -> list[Chat]:
    """The chats of a file: a JSON object a line, `messages` and optionally `tools`, as OpenAI writes them.

    Raises:
        ConfigError: the file is missing or holds no chat, or a line is none; file and line are named.
    """
    chats = [_chat(row, f"{path}:{number}") for number, row in read_jsonl(path)]
    if not chats:
        raise ConfigError(f"{path} holds no chats; write one JSON object a line, with its messages")
    return chats


def encode_chat(chat: Chat, renderer: ChatRenderer) -> Example:
    """Renders once and appends, exactly as a rollout does; calls are written in the model's own tool format."""
    opening = next(i for i, m in enumerate(chat.messages) if m.role == "assistant")
    ids = renderer.prompt_ids(chat.messages[:opening], chat.tools)
    mask = [False] * len(ids)
    said: list[Message] = []
    calls: tuple[ToolCall, ...] = ()
    for message in chat.messages[opening:]:
        if message.role != "assistant":
            said.append(message)
            continue
        given = renderer.continuation_ids(said, True, calls) if said else []
        turn = renderer.turn_ids(ids + given, message)
        ids += given + turn
        mask += [False] * len(given) + [True] * len(turn)
        said, calls = [], message.tool_calls
    return Example(np.asarray(ids, np.int32), np.asarray(mask, np.bool_))


def _chat(row: Mapping[str, Any], where: str) -> Chat:
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ConfigError(f"{where}: messages must be a list of chat messages, got {str(messages)[:80]!r}")
    read = tuple(_message(m, f"{where}: messages[{i}]") for i, m in enumerate(messages))
    roles = [m.role for m in read]
    if roles[0] == "assistant" or roles[-1] != "assistant":
        raise ConfigError(f"{where}: a chat begins with the user or system and ends with the assistant, got {roles}")
    if any(pair == ("assistant", "assistant") for pair in itertools.pairwise(roles)):
        raise ConfigError(f"{where}: two assistant messages in a row; join them")
    tools = row.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(t, dict) for t in tools):
        raise ConfigError(f"{where}: tools must be a list of OpenAI function schemas")
    return Chat(read, tuple(tools))


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict) or value.get("role") not in _ROLES:
        raise ConfigError(f"{where}: a message needs a role, one of {', '.join(_ROLES)}; got {str(value)[:80]!r}")
    content = value.get("content") or ""
    if not isinstance(content, str):
        raise ConfigError(f"{where}: content must be text, got {type(content).__name__}")
    calls = tuple(_call(c, f"{where}.tool_calls[{i}]") for i, c in enumerate(value.get("tool_calls") or ()))
    return Message(value["role"], content, calls, value.get("tool_call_id"))


def _call(value: Any, where: str) -> ToolCall:
    function = value.get("function", value) if isinstance(value, dict) else {}
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):  # as OpenAI's API writes them
        try:
            arguments = json.loads(arguments)
        except ValueError:
            raise ConfigError(f"{where}: arguments {arguments[:80]!r} are no JSON") from None
    if not isinstance(function.get("name"), str) or not isinstance(arguments, dict):
        raise ConfigError(f"{where}: a call needs a name and an object of arguments, got {str(value)[:80]!r}")
    return ToolCall(function["name"], arguments, value.get("id") or "")
