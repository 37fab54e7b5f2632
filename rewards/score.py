"""What a transcript is worth: `Score`, the `Reward` protocol, and `Rubric`, which combines rewards.

Rewards are pure functions on plain data: the same transcript and target give the same score.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from rewards.errors import Fault
from rewards.faults import without_repeated_faults
from rewards.transcript import Transcript, split_turns

Over = Literal["mean", "min", "max", "last"]
_OVER: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
    "last": lambda values: values[-1],
}


class Status(StrEnum):
    """Who is to blame. Only the first two carry a value; the others leave their group, counted."""

    OK = "ok"
    INVALID_OUTPUT = "invalid_output"
    TASK_ERROR = "task_error"
    INFRA_ERROR = "infra_error"


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a score's breakdown: `value` in [0, 1] before its `weight` is applied.

    `turns` holds the value of every assistant turn, in order, where the criterion judges turns.
    """

    name: str
    value: float
    weight: float
    reason: str
    turns: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """A value in [0, 1] with the reason for every point, or None when nobody could judge.

    `fault` is the kind of what kept an episode from a verdict; a reward leaves it to the episode that asked.

    Raises:
        ValueError: the value is no number in [0, 1], or present where status or fault forbid it.
    """

    value: float | None
    reason: str
    parts: tuple[Part, ...] = ()
    status: Status = Status.OK
    fault: Fault | None = None

    def __post_init__(self) -> None:
        judged = self.status in (Status.OK, Status.INVALID_OUTPUT)
        if judged != (self.value is not None):
            raise ValueError(f"status {self.status} with value {self.value}: only OK and INVALID_OUTPUT carry one")
        if judged and self.fault is not None:
            raise ValueError(f"a value of {self.value} with the fault {self.fault}: what was judged has none")
        if self.value is not None and not (math.isfinite(self.value) and 0 <= self.value <= 1):
            raise ValueError(f"score {self.value} is outside [0, 1]")


def failure(status: Status, reason: str, fault: Fault | None = None) -> Score:
    """A verdict without a value: the task's or the machinery's fault."""
    return Score(None, reason, status=status, fault=fault)


class Reward(Protocol):
    """Judges one aspect of a transcript against the task's hidden target (plain JSON)."""

    def __call__(self, transcript: Transcript, target: Mapping[str, Any]) -> Score:
        """The score of one aspect, with its reason."""
        ...


class GroupReward(Protocol):
    """Judges the episodes of one task against each other, once all of them are over."""

    def __call__(
        self, transcripts: Sequence[Transcript], scores: Sequence[Score], target: Mapping[str, Any]
    ) -> Sequence[Score]:
        """One score a transcript; `scores` are what each earned by itself, all of them with a value.

        The order of the episodes must not matter: reordered arguments give the same scores, reordered.
        """
        ...


@dataclass(frozen=True, slots=True)
class Criterion:
    """A named reward with its weight. A `gate` that scores 0 makes the whole rubric 0.

    With `turns` the reward judges every assistant turn by itself (see `split_turns`), and the named mean of the
    turns is the criterion's value; the part keeps each turn's.

    Raises:
        ValueError: `turns` is neither empty nor a known mean.
    """

    name: str
    reward: Reward
    weight: float = 1.0
    gate: bool = False
    turns: Over | Literal[""] = ""

    def __post_init__(self) -> None:
        if self.turns and self.turns not in _OVER:
            raise ValueError(f"criterion {self.name}: turns {self.turns!r} is not known; use one of {list(_OVER)}")

    def judge(self, transcript: Transcript, target: Mapping[str, Any]) -> tuple[Score, tuple[float, ...]]:
        """The reward's score, and the value of each turn where turns are judged."""
        if not self.turns:
            return self.reward(transcript, target), ()
        scores = [self.reward(turn, target) for turn in split_turns(transcript)]
        if not scores:
            return Score(0.0, "no turn", status=Status.INVALID_OUTPUT), ()
        if unjudged := next((s for s in scores if s.value is None), None):
            return unjudged, ()
        values = tuple(float(s.value) for s in scores if s.value is not None)
        worst = min(range(len(values)), key=values.__getitem__)
        reason = f"{self.turns} of {len(values)} turns; lowest is turn {worst + 1}: {scores[worst].reason}"
        status = next((s.status for s in scores if s.status is not Status.OK), Status.OK)
        return Score(min(1.0, max(0.0, _OVER[self.turns](values))), reason, status=status), values


@dataclass(frozen=True, slots=True)
class GroupCriterion:
    """A named group reward with its weight; a `gate` vetoes each episode that it gives 0."""

    name: str
    reward: GroupReward
    weight: float = 1.0
    gate: bool = False


class Rubric:
    """The weighted mean of its criteria; gates veto, verdicts without a value win.

    Called on one transcript it judges by the `Criterion`s alone. `in_group` adds the `GroupCriterion`s once the
    whole group is there. Rewards are shown transcripts without the calls that were repeated after a fault.

    Raises:
        ValueError: no criteria of single episodes, a negative weight, theirs sum to 0, or a name used twice.
    """

    def __init__(self, criteria: Sequence[Criterion | GroupCriterion]) -> None:
        self.criteria = tuple(criteria)
        self._own = tuple(c for c in self.criteria if isinstance(c, Criterion))
        self._group = tuple(c for c in self.criteria if isinstance(c, GroupCriterion))
        self._gates = frozenset(c.name for c in self.criteria if c.gate)
        names = [c.name for c in self.criteria]
        sound = all(math.isfinite(c.weight) and c.weight >= 0 for c in self.criteria)
        if not sound or sum(c.weight for c in self._own) <= 0 or len(set(names)) < len(names):
            raise ValueError(f"criteria need unique names and weights >= 0 that sum above 0, got {self.criteria}")

    def __call__(self, transcript: Transcript, target: Mapping[str, Any]) -> Score:
        """The combined score of one episode; its parts explain every point."""
        transcript = without_repeated_faults(transcript)
        parts: list[Part] = []
        status = Status.OK
        for criterion in self._own:
            score, turns = criterion.judge(transcript, target)
            if score.value is None:
                return Score(None, f"{criterion.name}: {score.reason}", status=score.status)
            if score.status is Status.INVALID_OUTPUT:
                status = Status.INVALID_OUTPUT
            parts.append(Part(criterion.name, score.value, criterion.weight, score.reason, turns))
        return self._combine(parts, status)

    def in_group(
        self, transcripts: Sequence[Transcript], scores: Sequence[Score], target: Mapping[str, Any]
    ) -> tuple[Score, ...]:
        """`scores`, as this rubric gave them one by one, with the group criteria weighed in.

        Episodes without a value stay as they are and are not shown to the group rewards. Fewer than two judged
        episodes have nobody to be compared with: their scores don't change.

        Raises:
            ValueError: the scores are not this rubric's, or a group reward doesn't give one score an episode.
        """
        judged = [i for i, score in enumerate(scores) if score.value is not None]
        if not self._group or len(judged) < 2:
            return tuple(scores)
        if any([p.name for p in scores[i].parts] != [c.name for c in self._own] for i in judged):
            raise ValueError("in_group needs the scores that this rubric gave each episode")
        seen = tuple(without_repeated_faults(transcripts[i]) for i in judged)
        own = tuple(scores[i] for i in judged)
        verdicts = [tuple(criterion.reward(seen, own, target)) for criterion in self._group]
        if any(len(verdict) != len(judged) for verdict in verdicts):
            raise ValueError(f"group rewards gave {[len(v) for v in verdicts]} scores for {len(judged)} episodes")
        final = list(scores)
        for position, (i, given) in enumerate(zip(judged, own, strict=True)):
            final[i] = self._with_group(given, [verdict[position] for verdict in verdicts])
        return tuple(final)

    def _with_group(self, own: Score, given: Sequence[Score]) -> Score:
        parts, status = list(own.parts), own.status
        for criterion, score in zip(self._group, given, strict=True):
            if score.value is None:
                return Score(None, f"{criterion.name}: {score.reason}", status=score.status)
            if score.status is Status.INVALID_OUTPUT:
                status = Status.INVALID_OUTPUT
            parts.append(Part(criterion.name, score.value, criterion.weight, score.reason))
        return self._combine(parts, status)

    def _combine(self, parts: Sequence[Part], status: Status) -> Score:
        vetoes = [p.name for p in parts if p.value == 0 and p.name in self._gates]
        mean = sum(p.value * p.weight for p in parts) / sum(p.weight for p in parts)
        value = 0.0 if vetoes else min(1.0, max(0.0, mean))
        reason = "; ".join(f"{p.name} {p.value:g}: {p.reason}" for p in parts)
        if vetoes:
            reason = f"0 because of {', '.join(vetoes)} ({reason})"
        return Score(value, reason, tuple(parts), status)
