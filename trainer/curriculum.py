"""The curriculum: how hard each environment's tasks are and how many a round gets, by what the rounds so far earned.

A pure function of the settings and of metrics.jsonl: a run that goes on after a kill finds itself at the same place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.config import CurriculumConfig, EnvironmentConfig

_FEWEST = 4  # rounds before progress can be told: two against two


@dataclass(frozen=True, slots=True)
class Course:
    """What an environment gives to a round: tasks of difficulty `low` to `high`, and its `share` of all tasks."""

    low: float
    high: float
    share: float


Plan = Mapping[str, Course]


class Curriculum:
    """Moves difficulty to where the mean score is the target, and tasks to where something is being learned.

    Each environment stands at a place p in its range of difficulty, 0 to 1. After a round with mean score s it is
    `p + rate * (s - target)`, bounded: a stochastic approximation of the place where s is the target (Robbins and
    Monro 1951, eq. 7). Learning progress is `|newer half - older half|` of the means of `s + p` over the last rounds:
    where harder tasks are solved as well as easier ones were, s stands still and p moves. An environment's share is
    `floor * w + (1 - floor) * w * progress / sum(w * progress)` of its configured weight w, so that none starves.
    Source of progress as the absolute change: Matiisen et al. 2017 (Teacher-Student Curriculum Learning), section 3.

    Args:
        environments: with their ranges and weights.
        lag: rounds that are played before the rounds before them are learned from (`trainer.max_staleness`).
    """

    def __init__(self, config: CurriculumConfig, environments: Sequence[EnvironmentConfig], lag: int = 0) -> None:
        self.config, self.lag = config, lag
        self.environments = tuple(environments)

    def plan(self, rows: Sequence[Mapping[str, float]], step: int) -> Plan:
        """What the environments give to round `step`.

        Args:
            rows: the metrics of the rounds so far, oldest first; those that may not be there yet when a round is
                asked for (`lag`) are not read, so that speed changes nothing.
        """
        rows = [row for row in rows if row["step"] < step - self.lag]
        total = sum(e.weight for e in self.environments)
        weights = [e.weight / total for e in self.environments]
        places, progress = zip(*(self._follow(rows, e.id) for e in self.environments), strict=True)
        shares = self._shares(weights, progress)
        return {e.id: self._course(e, p, share) for e, p, share in zip(self.environments, places, shares, strict=True)}

    def _follow(self, rows: Sequence[Mapping[str, float]], env_id: str) -> tuple[float, float | None]:
        """Where an environment stands after `rows`, and how much it moved; None while nobody can tell."""
        places, abilities = [self.config.start], []
        for index, row in enumerate(rows):
            score = row.get(f"reward/{env_id}")
            if score is None:  # no task of it, or none that could be judged
                places.append(places[-1])
                continue
            abilities.append(score + places[max(0, index - self.lag)])
            places.append(min(1.0, max(0.0, places[-1] + self.config.rate * (score - self.config.target))))
        seen = abilities[-self.config.window :]
        if len(seen) < _FEWEST:
            return places[-1], None
        half = len(seen) // 2
        return places[-1], abs(sum(seen[-half:]) / half - sum(seen[:half]) / half)

    def _shares(self, weights: Sequence[float], progress: Sequence[float | None]) -> list[float]:
        known = [p for p in progress if p is not None]
        # What has been seen too rarely to tell is as interesting as what moves most.
        curious = max(known, default=1.0)
        earned = [w * (curious if p is None else p) for w, p in zip(weights, progress, strict=True)]
        if not sum(earned) > 0:
            return list(weights)
        floor = self.config.floor
        return [floor * w + (1 - floor) * e / sum(earned) for w, e in zip(weights, earned, strict=True)]

    def _course(self, environment: EnvironmentConfig, place: float, share: float) -> Course:
        low, high = environment.difficulty
        if not self.config.rate:
            return Course(low, high, share)
        half = self.config.spread / 2
        first, last = max(0.0, place - half), min(1.0, place + half)
        return Course(low + first * (high - low), low + last * (high - low), share)


def plan_metrics(plan: Plan | None) -> dict[str, float]:
    """What a plan adds to its round's row: the middle of each environment's difficulties, and its share."""
    if plan is None:
        return {}
    middles = {f"difficulty/{env_id}": (course.low + course.high) / 2 for env_id, course in plan.items()}
    return middles | {f"share/{env_id}": course.share for env_id, course in plan.items()}
