"""Is one model better than another? Paired differences on the same tasks, with bootstrap intervals.

`compare` gives the core of `summary.json`:

    {"stages": {NAME: {"overall" | ENV: {"n", "errors", "mean_score", "success_rate"}}},
     "comparisons": [{"before", "after", "env", "metric", "n", "dropped", "difference", "low", "high"}]}

with `env` an id or "overall", `metric` "score" or "success" (share of full scores), and `low`, `high` the
95% interval of the paired difference.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rewards.errors import ConfigError
from rewards.files import read_jsonl, write_text_atomically


@dataclass(frozen=True, slots=True)
class Outcome:
    """One evaluated episode; `score` None means that nobody could judge it."""

    task_id: str
    env: str
    score: float | None
    reason: str
    messages: tuple[dict[str, Any], ...]

    @property
    def success(self) -> bool:
        """The full score."""
        return self.score == 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A paired mean difference over `n` tasks and its 95% interval; `dropped` tasks had no verdict."""

    n: int
    dropped: int
    difference: float
    low: float
    high: float


def stage_summary(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Counts and means, over all and per environment."""
    summary = {}
    for env in ["overall", *sorted({o.env for o in outcomes})]:
        chosen = [o for o in outcomes if env in ("overall", o.env)]
        judged = [o for o in chosen if o.score is not None]
        summary[env] = {
            "n": len(judged),
            "errors": len(chosen) - len(judged),
            "mean_score": float(np.mean([o.score for o in judged])) if judged else 0.0,
            "success_rate": float(np.mean([o.success for o in judged])) if judged else 0.0,
        }
    return summary


def paired_difference(
    before: Sequence[Outcome],
    after: Sequence[Outcome],
    metric: str = "score",
    seed: int = 0,
    resamples: int = 10_000,
) -> Interval:
    """Mean of `after - before` over tasks, with a percentile bootstrap over tasks.

    Args:
        metric: `score`, or `success` for the share of full scores.

    Raises:
        ConfigError: the two sides were evaluated on different tasks.

    Source: Efron and Tibshirani 1993, chapters 13 and 16.
    """
    first, second = {o.task_id: o for o in before}, {o.task_id: o for o in after}
    if first.keys() != second.keys():
        odd = sorted(first.keys() ^ second.keys())
        raise ConfigError(f"{len(odd)} tasks are on one side only, such as {odd[0]}: evaluate both on the same tasks")
    pairs = [(first[t], second[t]) for t in sorted(first)]
    judged = [(a, b) for a, b in pairs if a.score is not None and b.score is not None]
    differences = np.array([_value(b, metric) - _value(a, metric) for a, b in judged], np.float64)
    dropped = len(pairs) - len(judged)
    if not len(differences):
        return Interval(0, dropped, 0.0, 0.0, 0.0)
    rng = np.random.default_rng(seed)
    means = differences[rng.integers(len(differences), size=(resamples, len(differences)), dtype=np.int32)].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(len(differences), dropped, float(differences.mean()), float(low), float(high))


def compare(stages: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    """Summaries of all stages, and differences of each to the one before and of the last to the first."""
    names = list(stages)
    pairs = list(pairwise(names))
    if len(names) > 2:
        pairs.append((names[0], names[-1]))
    comparisons = [
        {"before": a, "after": b, "env": env, "metric": metric, **asdict(interval)}
        for a, b in pairs
        for env in stage_summary(stages[a])
        for metric in ("score", "success")
        for interval in [paired_difference(_of(stages[a], env), _of(stages[b], env), metric)]
    ]
    return {"stages": {name: stage_summary(found) for name, found in stages.items()}, "comparisons": comparisons}


def write_outcomes(path: Path, outcomes: Iterable[Outcome]) -> None:
    """One JSON object a line, the whole file or nothing."""
    write_text_atomically(path, "".join(json.dumps(asdict(o), ensure_ascii=False) + "\n" for o in outcomes))


def read_outcomes(path: Path) -> list[Outcome]:
    """What `write_outcomes` wrote.

    Raises:
        ConfigError: a line is no JSON or lacks a field; file and line number are named.
    """
    outcomes = []
    for number, row in read_jsonl(path):
        try:
            outcomes.append(Outcome(**{**row, "messages": tuple(row["messages"])}))
        except (TypeError, KeyError) as error:
            raise ConfigError(f"{path}:{number}: no outcome ({error}); evaluate again") from None
    return outcomes


def _value(outcome: Outcome, metric: str) -> float:
    return float(outcome.success) if metric == "success" else float(outcome.score or 0.0)


def _of(outcomes: Sequence[Outcome], env: str) -> list[Outcome]:
    return [o for o in outcomes if env in ("overall", o.env)]
