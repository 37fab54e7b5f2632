"""GPT-OSS's harmony channels: `analysis` is thinking, `commentary to=functions.NAME` a call, `final` the answer.

In our messages thinking stands in `<think>` tags, as every other model writes it and every reward reads it.
"""

import re

from envs.actions import split_thinking, unread
from rewards.transcript import Message, ToolCall
from rollout.json_formats import Tools, read_arguments, write_json

HARMONY_FORM = "<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>"
_START = re.compile(r"<\|start\|>assistant")
_END = re.compile(r"<\|(?:end|call|return)\|>")
_RECIPIENT = re.compile(r"to=([^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")


def parse_harmony(text: str, tools: Tools = ()) -> Message:
    """Reads a turn that continues `<|start|>assistant`; text without channels is the answer itself."""
    if "<|message|>" not in text and "<|channel|>" not in text:
        return Message("assistant", text)
    thoughts: list[str] = []
    said: list[str] = []
    calls: list[ToolCall] = []
    for segment in _START.split(text):
        header, mark, body = segment.partition("<|message|>")
        body = _END.split(body, maxsplit=1)[0]
        recipient = _RECIPIENT.search(header)
        channel = _CHANNEL.search(header)
        if recipient and (mark or channel):
            calls.append(_read_call(recipient.group(1), bool(mark), body, f"call_{len(calls)}"))
        elif not mark:
            said.append(segment)
        elif channel and channel.group(1) == "analysis":
            thoughts.append(body)
        else:
            said.append(body)
    thought = "<think>" + "\n".join(thoughts) + "</think>" if thoughts else ""
    return Message("assistant", thought + "\n".join(s for s in said if s), tuple(calls))


def _read_call(recipient: str, has_body: bool, body: str, call_id: str) -> ToolCall:
    name = recipient.removeprefix("functions.")
    if not has_body or not name:
        return unread("no name" if has_body else "no <|message|> after the header", HARMONY_FORM, call_id)
    try:
        return ToolCall(name, read_arguments(body), call_id)
    except ValueError as error:
        return unread(str(error), HARMONY_FORM, call_id)


def render_harmony(message: Message) -> str:
    """The inverse of `parse_harmony`, without the token that ends the turn."""
    thought, said = split_thinking(message.content)
    parts = []
    if thought:
        inner = thought.removeprefix("<think>").removesuffix("</think>")
        parts.append(f"<|channel|>analysis<|message|>{inner}")
    if said or not message.tool_calls:
        channel = "commentary" if message.tool_calls else "final"
        parts.append(f"<|channel|>{channel}<|message|>{said}")
    text = "<|end|><|start|>assistant".join(parts)
    calls = [
        f"<|channel|>commentary to=functions.{c.name} <|constrain|>json<|message|>{write_json(dict(c.arguments))}"
        for c in message.tool_calls
    ]
    return text + ("<|end|><|start|>assistant" if parts and calls else "") + "<|call|><|start|>assistant".join(calls)
