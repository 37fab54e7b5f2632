"""Faults of the way to a tool (a rate limit, a time-out) are nobody's mistake: what rewards see of them.

A call that a fault kept from the tool and that was made again is judged once. One that was never made again stays: it
may be the call that should have been repeated, or one that should never have been tried.
"""

from dataclasses import dataclass, replace

from rewards.json_values import canonical
from rewards.transcript import CallRecord, Message, ToolCall, Transcript


@dataclass(slots=True)
class _Made:
    """A call with its answer."""

    call: ToolCall
    answer: Message
    record: CallRecord

    @property
    def key(self) -> str:
        return f"{self.record.name} {canonical(self.record.arguments)}"


@dataclass(slots=True)
class _Turn:
    """A message with the calls of it that were answered, and those that nobody carried out."""

    message: Message
    made: list[_Made]
    unanswered: tuple[ToolCall, ...] = ()


def without_repeated_faults(transcript: Transcript) -> Transcript:
    """The episode as if the calls that were made again after a fault had gone through at once.

    Where the next calls hold the same call, its answer stands in the fault's place: calls made in parallel keep their
    order. Where it comes later, only the later one stays. Turns of which nothing is left go.
    """
    if not any(record.fault for record in transcript.calls):
        return transcript
    turns = _turns(transcript)
    _put_in_place(turns)
    _drop_earlier(turns)
    messages: list[Message] = []
    for turn in turns:
        calls = (*(m.call for m in turn.made), *turn.unanswered)
        if calls or turn.message.content or not turn.message.tool_calls:
            messages.append(replace(turn.message, tool_calls=calls))
        messages += [m.answer for m in turn.made]
    return replace(transcript, messages=tuple(messages), calls=tuple(m.record for t in turns for m in t.made))


def _turns(transcript: Transcript) -> list[_Turn]:
    turns: list[_Turn] = []
    records = iter(transcript.calls)
    shown = sum(m.role == "tool" for m in transcript.messages) - len(transcript.calls)  # those of a prompt's examples
    for message in transcript.messages:
        if message.role != "tool" or shown > 0:
            shown -= message.role == "tool"
            turns.append(_Turn(message, [], message.tool_calls))
            continue
        latest, record = turns[-1], next(records)
        call, *rest = latest.unanswered  # the environment answers every call that it reads, in order
        latest.made.append(_Made(call, message, record))
        latest.unanswered = tuple(rest)
    return turns


def _put_in_place(turns: list[_Turn]) -> None:
    """Moves the calls that were made again in the very next turn with calls to where they were struck."""
    struck: list[_Made] = []
    for turn in turns:
        if not turn.made:
            continue
        kept, repeated = [], []
        for made in turn.made:
            first = next((s for s in struck if s.key == made.key), None)
            if first is None:
                kept.append(made)
                continue
            struck.remove(first)
            first.record = made.record
            first.answer = replace(made.answer, tool_call_id=first.answer.tool_call_id)
            repeated.append(first)
        turn.made = kept
        struck = [made for made in (*repeated, *kept) if made.record.fault]


def _drop_earlier(turns: list[_Turn]) -> None:
    """Drops calls with a fault that the same call follows at some later time."""
    later: set[str] = set()
    for turn in reversed(turns):
        kept = []
        for made in reversed(turn.made):
            if not (made.record.fault and made.key in later):
                kept.append(made)
            later.add(made.key)
        turn.made = kept[::-1]
