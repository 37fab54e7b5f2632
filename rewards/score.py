"""What a transcript is worth: `Score`, the `Reward` protocol, and `Rubric`, which combines rewards.

Rewards are pure functions on plain data: the same transcript and target give the same score.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from rewards.transcript import Transcript


class Status(StrEnum):
    """Who is to blame. Only the first two carry a value; the others leave their group, counted."""

    OK = "ok"
    INVALID_OUTPUT = "invalid_output"
    TASK_ERROR = "task_error"
    INFRA_ERROR = "infra_error"


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a score's breakdown: `value` in [0, 1] before its `weight` is applied."""

    name: str
    value: float
    weight: float
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """A value in [0, 1] with the reason for every point, or None when nobody could judge.

    Raises:
        ValueError: the value is no number in [0, 1], or present where the status forbids it.
    """

    value: float | None
    reason: str
    parts: tuple[Part, ...] = ()
    status: Status = Status.OK

    def __post_init__(self) -> None:
        judged = self.status in (Status.OK, Status.INVALID_OUTPUT)
        if judged != (self.value is not None):
            raise ValueError(f"status {self.status} with value {self.value}: only OK and INVALID_OUTPUT carry one")
        if self.value is not None and not (math.isfinite(self.value) and 0 <= self.value <= 1):
            raise ValueError(f"score {self.value} is outside [0, 1]")


def failure(status: Status, reason: str) -> Score:
    """A verdict without a value: the task's or the machinery's fault."""
    return Score(None, reason, status=status)


class Reward(Protocol):
    """Judges one aspect of a transcript against the task's hidden target (plain JSON)."""

    def __call__(self, transcript: Transcript, target: Mapping[str, Any]) -> Score:
        """The score of one aspect, with its reason."""
        ...


@dataclass(frozen=True, slots=True)
class Criterion:
    """A named reward with its weight. A `gate` that scores 0 makes the whole rubric 0."""

    name: str
    reward: Reward
    weight: float = 1.0
    gate: bool = False


class Rubric:
    """The weighted mean of its criteria; gates veto, verdicts without a value win.

    Raises:
        ValueError: no criteria, a negative weight, weights that sum to 0, or a name used twice.
    """

    def __init__(self, criteria: Sequence[Criterion]) -> None:
        self.criteria = tuple(criteria)
        self.total_weight = sum(c.weight for c in self.criteria)
        names = [c.name for c in self.criteria]
        if self.total_weight <= 0 or any(c.weight < 0 for c in self.criteria) or len(set(names)) < len(names):
            raise ValueError(f"criteria need unique names and weights >= 0 that sum above 0, got {self.criteria}")

    def __call__(self, transcript: Transcript, target: Mapping[str, Any]) -> Score:
        """The combined score; its parts explain every point."""
        parts: list[Part] = []
        vetoes: list[str] = []
        status = Status.OK
        for criterion in self.criteria:
            score = criterion.reward(transcript, target)
            if score.value is None:
                return Score(None, f"{criterion.name}: {score.reason}", status=score.status)
            if score.status is Status.INVALID_OUTPUT:
                status = Status.INVALID_OUTPUT
            if criterion.gate and score.value == 0:
                vetoes.append(criterion.name)
            parts.append(Part(criterion.name, score.value, criterion.weight, score.reason))
        mean = sum(p.value * p.weight for p in parts) / self.total_weight
        value = 0.0 if vetoes else min(1.0, max(0.0, mean))
        reason = "; ".join(f"{p.name} {p.value:g}: {p.reason}" for p in parts)
        if vetoes:
            reason = f"0 because of {', '.join(vetoes)} ({reason})"
        return Score(value, reason, tuple(parts), status)
