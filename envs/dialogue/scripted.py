"""Conversations whose user follows a script: what all of them share."""

from collections.abc import Mapping, Sequence
from typing import Any

from envs.base import Policy, TextEnv
from rewards.format import final_answer
from rewards.score import Score, Status, failure
from rewards.text import folded
from rewards.transcript import Message, Transcript


def answers_every_time(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when each turn named in the target's `answers` closes with its value (by the number of the turn), else 0."""
    wanted = target.get("answers")
    if not isinstance(wanted, Mapping) or not wanted:
        return failure(
            Status.TASK_ERROR, f"target answers {wanted!r:.60} hold no turn to answer; fill them in the task"
        )
    turns = turns_of(transcript)
    for turn, value in sorted(wanted.items(), key=lambda pair: int(pair[0])):
        if int(turn) >= len(turns):
            return Score(0.0, "the conversation broke off before all was asked")
        given = final_answer(turns[int(turn)])
        if given is None or folded(given).strip(" .") != folded(value):
            return Score(0.0, f"turn {int(turn) + 1}: {str(given)[:40]!r} instead of {value!r}")
    return Score(1.0, f"{len(wanted)} questions answered right")


def turns_of(transcript: Transcript) -> list[str]:
    """What the assistant said in each turn, without its thinking."""
    said = [m.content for m in transcript.messages if m.role == "assistant"]
    return ["" if "<think>" in text.rsplit("</think>", 1)[-1] else text.rsplit("</think>", 1)[-1] for text in said]


def in_turn(texts: Sequence[str]) -> Policy:
    """A policy that says these texts, one a turn; the last again and again."""

    def act(messages: Sequence[Message]) -> str:
        return texts[min(sum(m.role == "assistant" for m in messages), len(texts) - 1)]

    return act


class Scripted(TextEnv):
    """The user says what the task's meta holds in `said`, one line a turn, whatever is answered."""

    def reply(self, message: Message) -> tuple[Message, ...]:
        """The next line, or the end."""
        assert self.task is not None
        said = self.task.meta["said"]
        return (Message("user", said[self._turns - 1]),) if self._turns <= len(said) else ()
