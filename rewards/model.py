"""A learned reward: what a preference model makes of an episode, squashed into [0, 1].

The model itself is a callable that is handed in (`trainer.reward_model` loads one from a folder): rewards know
no tensors. It must answer alike when asked again, as any model in evaluation mode does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.content import has_content
from rewards.score import Score, Status, failure
from rewards.transcript import Message, Transcript

Scorer = Callable[[Sequence[Message]], float]  # a conversation to its unbounded Bradley-Terry score


@dataclass(frozen=True, slots=True)
class Logistic:
    """`1 / (1 + exp(-(scale * x + shift)))`: from a raw score to the chance that the answer is good."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, raw: float) -> float:
        """The chance, in [0, 1] for any finite number."""
        z = self.scale * raw + self.shift
        if z >= 0:
            return 1 / (1 + math.exp(-min(z, 700.0)))
        return math.exp(max(z, -700.0)) / (1 + math.exp(max(z, -700.0)))


class LearnedReward:
    """A scorer behind the `Reward` protocol.

    An answer without content is 0 without asking; a scorer that raises or gives no finite number is an
    INFRA_ERROR, never a bad answer.

    Args:
        scorer: rates a conversation that ends with the assistant's answer.
        squash: from its score to [0, 1]; `fit_logistic` makes one from labelled episodes.
    """

    def __init__(self, scorer: Scorer, squash: Logistic | None = None) -> None:
        self.scorer, self.squash = scorer, squash or Logistic()

    def __call__(self, transcript: Transcript, target: Mapping[str, Any]) -> Score:
        """The squashed score of the conversation; its thinking is not shown to the scorer."""
        if not has_content(transcript.answer):
            return Score(0.0, "nothing in the answer to judge", status=Status.INVALID_OUTPUT)
        spoken = (*transcript.messages[:-1], Message("assistant", transcript.answer))
        try:
            raw = float(self.scorer(spoken))
        except Exception as error:  # whatever a model raises, the policy isn't to blame
            return failure(Status.INFRA_ERROR, f"the reward model failed: {error!r:.300}")
        if not math.isfinite(raw):
            return failure(Status.INFRA_ERROR, f"the reward model gave {raw}")
        return Score(self.squash(raw), f"the reward model gives {raw:.4g}")


def fit_logistic(raw: Sequence[float], good: Sequence[bool], rounds: int = 100) -> Logistic:
    """The `Logistic` under which labelled raw scores are likeliest, with labels pulled in by half a count.

    Args:
        raw: finite scores (n,).
        good: whether each belongs to a good answer (n,), both kinds among them.
        rounds: Newton steps at most.

    Raises:
        ValueError: the labels are all alike, lengths differ, or a score is not finite.

    Source: Platt 1999; the Newton method with backtracking of Lin, Lin and Weng 2007.
    """
    positive, negative = sum(map(bool, good)), sum(not g for g in good)
    if len(raw) != len(good) or not positive or not negative or not all(map(math.isfinite, raw)):
        raise ValueError(f"{len(raw)} finite scores with {positive} good and {negative} bad labels: both are needed")
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    wanted = [high if g else low for g in good]
    centre = math.fsum(raw) / len(raw)
    spread = math.sqrt(math.fsum((x - centre) ** 2 for x in raw) / len(raw)) or 1.0
    xs = [(x - centre) / spread for x in raw]  # Newton's steps need one scale for both unknowns
    a, b = 0.0, math.log((positive + 1) / (negative + 1))
    for _ in range(rounds):
        step = _newton_step(xs, wanted, a, b)
        size, now = 1.0, _loss(xs, wanted, a, b)
        while size > 1e-10 and _loss(xs, wanted, a + size * step[0], b + size * step[1]) > now:
            size /= 2
        a, b = a + size * step[0], b + size * step[1]
        if max(map(abs, step)) * size < 1e-9:
            break
    return Logistic(a / spread, b - a * centre / spread)


def _loss(xs: Sequence[float], wanted: Sequence[float], a: float, b: float) -> float:
    zs = [a * x + b for x in xs]
    return math.fsum(max(z, 0.0) + math.log1p(math.exp(-abs(z))) - t * z for z, t in zip(zs, wanted, strict=True))


def _newton_step(xs: Sequence[float], wanted: Sequence[float], a: float, b: float) -> tuple[float, float]:
    chances = [Logistic(a, b)(x) for x in xs]
    errors = [p - t for p, t in zip(chances, wanted, strict=True)]
    slopes = [p * (1 - p) for p in chances]
    ga, gb = math.fsum(e * x for e, x in zip(errors, xs, strict=True)), math.fsum(errors)
    haa = math.fsum(s * x * x for s, x in zip(slopes, xs, strict=True)) + 1e-12
    hab, hbb = math.fsum(s * x for s, x in zip(slopes, xs, strict=True)), math.fsum(slopes) + 1e-12
    determinant = haa * hbb - hab * hab
    if determinant <= 0:
        return 0.0, 0.0
    return (hab * gb - hbb * ga) / determinant, (hab * ga - haa * gb) / determinant
