"""What happened in an episode: messages, tool calls and the evidence that rewards judge.

The vocabulary that everything above speaks; first stop on the way from task to weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
MAX_CALLS = 512  # of one episode; more is a flood


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that the assistant wrote.

    `error` is set when the text could not be read as a call: it says why, in words for the model.
    """

    name: str
    arguments: Mapping[str, Any]
    id: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A chat message in the OpenAI layout. `text` of a tool message is what the tool returned."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The OpenAI chat form, which chat templates take."""
        out: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            out["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": dict(c.arguments)}}
                for c in self.tool_calls
            ]
        if self.tool_call_id is not None:
            out["tool_call_id"] = self.tool_call_id
        return out


def with_call_ids(message: Message, earlier: Iterable[Message]) -> Message:
    """The message with an id for every call that no other call of the conversation has, as OpenAI's API gives them.

    Parsers number the calls of one turn; results name the call that they answer, so ids must not come twice. A flood
    of more than `MAX_CALLS` keeps the ids that it came with: nobody answers it.
    """
    if not 0 < len(message.tool_calls) <= MAX_CALLS:
        return message
    taken = {"", *(call.id for said in earlier for call in said.tool_calls[:MAX_CALLS])}
    number, calls = len(taken) - 1, []
    for call in message.tool_calls:
        call_id = call.id
        while call_id in taken:
            call_id = f"call_{number}"
            number += 1
        taken.add(call_id)
        calls.append(call if call_id == call.id else replace(call, id=call_id))
    return replace(message, tool_calls=tuple(calls))


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A tool call that the environment carried out: plain JSON `result`, or the kind of its `error`.

    `fault` marks an error of the way to the tool, such as a time-out: nobody's mistake, and the tool wasn't run.
    """

    name: str
    arguments: Mapping[str, Any]
    result: Any = None
    error: str | None = None
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """An episode as a reward sees it.

    `calls` are the tool calls carried out, in order; `evidence` is plain JSON that the environment
    gathered (test results, a database diff): side effects happen there, rewards only judge them.
    """

    messages: tuple[Message, ...]
    calls: tuple[CallRecord, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """The closing assistant text without its thinking; empty when the episode ended otherwise.

        Only what follows the last `</think>` counts; a `<think>` that never closes leaves nothing.
        """
        if not self.messages or self.messages[-1].role != "assistant" or self.messages[-1].tool_calls:
            return ""
        text = self.messages[-1].content.rsplit("</think>", 1)[-1]
        return "" if "<think>" in text else text.strip()


def split_turns(transcript: Transcript) -> tuple[Transcript, ...]:
    """One transcript for each assistant turn, so that a reward can judge the turns one by one.

    Each ends with its turn's message and the answers of the tools it called; `calls` are that turn's own, told by
    the tool messages that answer them. `evidence` is gathered at the end of an episode and stands in every one.
    """
    turns, first = [], 0
    for at, message in enumerate(transcript.messages):
        if message.role != "assistant":
            continue
        end = at + 1
        while end < len(transcript.messages) and transcript.messages[end].role == "tool":
            end += 1
        count = end - at - 1
        calls = transcript.calls[first : first + count]
        turns.append(Transcript(transcript.messages[:end], calls, transcript.evidence))
        first += count
    return tuple(turns)
