"""What the rollout benchmark plays: an environment that calls a tool after every turn, whatever the model says."""

import random
import time
from typing import Any

from envs.base import Task, TextEnv
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message, Transcript


def _fine(transcript: Transcript, target: Any) -> Score:
    return Score(1.0, "played to its end")


class ToolTurns(TextEnv):
    """Every turn is answered by a tool; an untrained model need not know how to call it.

    Args:
        turns: of the episode.
        seconds: how long the tool takes after each turn; none by default.
    """

    id = "bench/ToolTurns"
    rubric = Rubric([Criterion("end", _fine)])

    def __init__(self, turns: int = 5, seconds: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.max_turns, self._latencies = turns, seconds or (0.0,) * turns

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question with a number that tells tasks apart."""
        return Task(
            prompt=(Message("user", f"Tell me what you know about the number {rng.randrange(10**6)}."),), target={}
        )

    def reply(self, message: Message) -> tuple[Message, ...]:
        """What the tool found, until the last turn."""
        if self._latencies[self._turns - 1]:
            time.sleep(self._latencies[self._turns - 1])
        return (
            () if self._turns == self.max_turns else (Message("tool", f"Row {self._turns} of the table: 17, 4, 23."),)
        )

    def expert(self, task: Task) -> Any:
        """Says the same thing every turn."""
        return lambda messages: "I should like to see the next row of the table."
