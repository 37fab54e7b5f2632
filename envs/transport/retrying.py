"""A policy that makes calls again after a fault, around any policy that knows nothing of faults."""

import json
from collections.abc import Sequence
from dataclasses import replace

from envs.actions import parse_action
from envs.base import Policy, TextEnv
from envs.tools import FAULT_KINDS
from rewards.transcript import Message


def retrying(policy: Policy) -> Policy:
    """`policy`, which sees an episode without faults: struck calls are made again until they go through."""

    def act(messages: Sequence[Message]) -> "str | Message":
        clean, pending = _mended(messages)
        if pending is not None:
            return pending
        turn = policy(clean)
        return parse_action(turn) if isinstance(turn, str) else turn

    return act


def over_transport(env: TextEnv, policy: Policy) -> Policy:
    """`policy`, made patient where faults may stand between it and the tools of `env`."""
    return policy if env.transport is None else retrying(policy)


def is_fault(message: Message) -> bool:
    """Whether a tool's answer says that the call met a fault."""
    if message.role != "tool" or not message.content.startswith('{"error"'):
        return False
    return json.loads(message.content)["error"] in FAULT_KINDS


def _mended(messages: Sequence[Message]) -> tuple[list[Message], Message | None]:
    """The episode with answers in the place of faults, and the turn that makes calls again where faults remain."""
    clean: list[Message] = []
    open_places: list[int] = []  # of the faults in `clean` whose calls have to be made again, in order
    calls: dict[int, Message] = {}  # place of an answer -> a message with its call alone
    at = 0
    while at < len(messages):
        message, answers = messages[at], []
        at += 1
        while message.tool_calls and at < len(messages) and messages[at].role == "tool":
            answers.append(messages[at])
            at += 1
        if open_places:  # this turn made the struck calls again: its answers belong where the faults stood
            for place, answer in zip(open_places, answers, strict=True):
                clean[place] = replace(answer, tool_call_id=clean[place].tool_call_id)
        else:
            clean.append(message)
            for call, answer in zip(message.tool_calls, answers, strict=False):
                calls[len(clean)] = Message("assistant", "", (call,))
                clean.append(answer)
        open_places = [place for place in calls if is_fault(clean[place])]
    again = tuple(calls[place].tool_calls[0] for place in open_places)
    return clean, Message("assistant", "", again) if again else None
