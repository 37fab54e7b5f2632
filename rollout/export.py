"""Stored trajectories as data sets that others read: OpenAI chats, ShareGPT, and TRL's SFT and DPO layouts.

What can't be said in a layout is left out and counted, never bent: a turn whose tool call could not be read has no
name and no arguments to write down.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from envs.base import Task, TextEnv
from rewards.errors import ConfigError
from rewards.files import write_text_atomically
from rewards.transcript import Message, ToolCall
from rollout.catalogue import Entry
from rollout.trajectory import Trajectory

Layout = Literal["openai", "sharegpt", "sft", "dpo"]
Found = tuple[Entry, Trajectory]
Tools = Callable[[Task], Sequence[dict[str, Any]]]
Row = dict[str, Any]

_SHAREGPT_ROLES: Mapping[str, str] = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
_UNREADABLE = "a tool call could not be read"
_SILENT = "the assistant said nothing"
_ERROR = "an error ended it"


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows were written, and how many trajectories (or pairs) were left out, by reason."""

    written: int
    left_out: Mapping[str, int]


class ToolsOf:
    """The tools' schemas that an episode of a task was offered.

    Args:
        make_env: builds an environment as the run had it, options included.
    """

    def __init__(self, make_env: Callable[[str], TextEnv]) -> None:
        self._make_env = make_env
        self._envs: dict[str, TextEnv] = {}

    def __call__(self, task: Task) -> list[dict[str, Any]]:
        """OpenAI function schemas; none for an environment without tools."""
        if task.env not in self._envs:
            self._envs[task.env] = self._make_env(task.env)
        return [tool.schema for tool in self._envs[task.env].make_tools(task)]


def export(path: Path, layout: str, found: Iterable[Found], tools_of: Tools, margin: float = 0.5) -> Exported:
    """Writes a JSONL file, whole or not at all.

    Args:
        layout: `openai` (messages, tools; arguments as JSON text), `sharegpt` (conversations, system, tools),
            `sft` (TRL: messages, tools), `dpo` (TRL: prompt, chosen, rejected, tools; pairs within a group).
        found: trajectories with their entries, those of a group together; already filtered.
        margin: `dpo` only: how much higher the chosen score must be than the rejected one, over 0.

    Raises:
        ConfigError: an unknown layout, a margin out of range, or nothing to write.
    """
    if layout not in get_args(Layout):
        raise ConfigError(f"no layout {layout!r}; known: {', '.join(get_args(Layout))}")
    if not 0 < margin <= 1:
        raise ConfigError(f"margin {margin:g} is outside 0 (excluded) to 1, the range of scores")
    left_out: Counter[str] = Counter()
    usable = _usable(found, left_out)
    if layout == "dpo":
        rows = dpo_rows(usable, tools_of, margin, left_out)
    else:
        rows = (_ROW[layout](trajectory, tools_of) for _, trajectory in usable)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    if not lines:
        why = "; ".join(f"{count}: {reason}" for reason, count in left_out.items()) or "the filter took no trajectory"
        raise ConfigError(f"nothing to write to {path} ({why})")
    write_text_atomically(path, "".join(lines))
    return Exported(len(lines), dict(left_out))


def openai_row(trajectory: Trajectory, tools_of: Tools) -> Row:
    """A conversation as OpenAI's fine-tuning files hold it: `messages`, and `tools` where there are any."""
    messages = [_openai(message.to_dict()) for message in _conversation(trajectory)]
    return {"messages": messages} | _some("tools", tools_of(trajectory.task))


def sharegpt_row(trajectory: Trajectory, tools_of: Tools) -> Row:
    """A conversation in ShareGPT's layout, with LLaMA-Factory's `function_call` and `observation` turns."""
    messages = list(_conversation(trajectory))
    system = messages.pop(0).content if messages[0].role == "system" else ""
    turns = [turn for message in messages for turn in _sharegpt(message)]
    tools = [schema["function"] for schema in tools_of(trajectory.task)]
    return {"conversations": turns} | _some("system", system) | _some("tools", tools and json.dumps(tools))


def sft_row(trajectory: Trajectory, tools_of: Tools) -> Row:
    """TRL's conversational language-modelling layout; `tools` as JSON text, which keeps Arrow from merging schemas."""
    messages = [message.to_dict() for message in _conversation(trajectory)]
    return {"messages": messages} | _tools(trajectory.task, tools_of)


def dpo_rows(found: Iterable[Found], tools_of: Tools, margin: float, left_out: Counter[str]) -> Iterator[Row]:
    """TRL's conversational preference layout: the best of a group against every one that is `margin` worse.

    Pairs lie within a group, so both sides answer the very same prompt. Equal texts make no pair. `left_out` gets
    the groups that hold none.
    """
    for _, members in itertools.groupby(found, key=lambda pair: (pair[0].path, pair[0].group)):
        judged = [(t.score.value, t) for _, t in members if t.score.value is not None]
        best_value, best = max(judged, key=lambda pair: pair[0], default=(0.0, None))
        told = {_completion(best)} if best else set()
        worse = []
        for value, trajectory in judged:
            # Values are sums of weighted parts: a margin that is met up to rounding is met.
            if best_value - value >= margin - 1e-9 and (text := _completion(trajectory)) not in told:
                told.add(text)
                worse.append((value, trajectory))
        if not worse:
            left_out["groups without a pair that far apart"] += 1
        for value, trajectory in worse:
            yield {
                "prompt": [message.to_dict() for message in best.task.prompt],
                "chosen": json.loads(_completion(best)),
                "rejected": json.loads(_completion(trajectory)),
                "score_chosen": best_value,
                "score_rejected": value,
            } | _tools(best.task, tools_of)


_ROW: Mapping[str, Callable[[Trajectory, Tools], Row]] = {
    "openai": openai_row,
    "sharegpt": sharegpt_row,
    "sft": sft_row,
}


def _usable(found: Iterable[Found], left_out: Counter[str]) -> Iterator[Found]:
    for entry, trajectory in found:
        if why := _why_not(trajectory):
            left_out[why] += 1
        else:
            yield entry, trajectory


def _why_not(trajectory: Trajectory) -> str:
    spoken = [m for m in trajectory.transcript.messages if m.role == "assistant"]
    if trajectory.finish in ("error", "cancelled"):
        return _ERROR
    if not spoken:
        return _SILENT
    return _UNREADABLE if any(call.error or not call.name for m in spoken for call in m.tool_calls) else ""


def _conversation(trajectory: Trajectory) -> tuple[Message, ...]:
    """The messages up to the assistant's last: what came after it, nobody answered (the episode was cut off)."""
    messages = trajectory.transcript.messages
    last = max(i for i, message in enumerate(messages) if message.role == "assistant")
    return messages[: last + 1]


def _completion(trajectory: Trajectory) -> str:
    """What followed the prompt, as JSON: comparable, and plain data again with `json.loads`."""
    said = _conversation(trajectory)[len(trajectory.task.prompt) :]
    return json.dumps([message.to_dict() for message in said])


def _openai(message: Row) -> Row:
    """OpenAI's own form: arguments are JSON text, and a turn of calls alone has null content."""
    if "tool_calls" not in message:
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "content": message["content"] or None, "tool_calls": calls}


def _sharegpt(message: Message) -> Iterator[Row]:
    if message.content or not message.tool_calls:
        yield {"from": _SHAREGPT_ROLES[message.role], "value": message.content}
    if message.tool_calls:
        calls = [_plain_call(call) for call in message.tool_calls]
        yield {"from": "function_call", "value": json.dumps(calls[0] if len(calls) == 1 else calls)}


def _plain_call(call: ToolCall) -> Row:
    return {"name": call.name, "arguments": dict(call.arguments)}


def _tools(task: Task, tools_of: Tools) -> Row:
    """`tools` on every row, also the empty ones: a column that comes and goes is no column."""
    return {"tools": json.dumps(list(tools_of(task)))}


def _some(name: str, value: Any) -> Row:
    return {name: value} if value else {}
