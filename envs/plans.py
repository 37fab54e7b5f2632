"""Policies that follow a plan: calls turn by turn, then a closing text. Experts and cheats of environments with tools.

A call is {"name", "arguments"} or [name, arguments], as tasks keep them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envs.base import Policy
from rewards.transcript import Message, ToolCall

Call = Mapping[str, Any] | Sequence[Any]
Close = str | Callable[[Sequence[Message]], str]


def turn_by_turn(turns: Sequence[Sequence[Call]], close: Close) -> Policy:
    """Makes each turn's calls together, leaving out turns without any, then says `close`, or what that makes of all."""
    plan = [tuple(_call(call, f"call_{i}") for i, call in enumerate(calls)) for calls in turns if calls]

    def act(messages: Sequence[Message]) -> "str | Message":
        turn = sum(m.role == "assistant" for m in messages)
        if turn < len(plan):
            return Message("assistant", "", plan[turn])
        return close if isinstance(close, str) else close(messages)

    return act


def call_by_call(calls: Sequence[Call], close: Close) -> Policy:
    """Makes the calls one a turn, then says `close`, or what it makes of the messages."""
    return turn_by_turn([[call] for call in calls], close)


def cheats_at_lookups(plan: Sequence[Call], closing: str, figure: str) -> dict[str, Policy]:
    """Who looks everything up and then answers otherwise than in one plain line, or floods on the way.

    Args:
        closing: the right one.
        figure: the field of a tool's result that holds a number.
    """

    def dump(messages: Sequence[Message]) -> str:
        """All that was looked up on the answer line."""
        results = [json.loads(m.content) for m in messages if m.role == "tool"]
        return "Answer: " + ", ".join(str(r[figure]) for r in results if figure in r) + ", 0"

    return {
        "pastes the tool's output": call_by_call(plan, lambda messages: f"Answer: {messages[-1].content}"),
        "dumps every number": call_by_call(plan, dump),
        "several answers": call_by_call(plan, f"{closing}\nAnswer: 1"),
        "answers in its thoughts": call_by_call(plan, f"<think>{closing}</think>Done."),
        "shifts the point": call_by_call(plan, f"{closing}5"),
        "floods, then answers": turn_by_turn([[call] * 5 for call in plan], closing),
    }


def _call(call: Call, call_id: str) -> ToolCall:
    return ToolCall(**call, id=call_id) if isinstance(call, Mapping) else ToolCall(*call, call_id)
