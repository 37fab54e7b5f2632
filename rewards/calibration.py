"""How far a judge or a learned reward can be trusted: its scores beside those of a programme, on the same episodes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rewards.score import Reward
from rewards.transcript import Transcript

BINS = 5
_SHOWN = 5  # disagreements named in the report
_GOOD = 0.5  # from here on a score counts as "good"


@dataclass(frozen=True, slots=True)
class Scored:
    """An episode with what a programme gave it; `name` is how the report calls it."""

    name: str
    transcript: Transcript
    target: Mapping[str, Any]
    value: float


@dataclass(frozen=True, slots=True)
class Bin:
    """The episodes that the judge scored from `low` up to `high`: how many, and both means (None when empty)."""

    low: float
    high: float
    n: int
    judged: float | None
    programme: float | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One episode on which the two are far apart."""

    name: str
    judged: float
    programme: float
    reason: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `calibrate` found; every share and correlation is None where it isn't defined.

    `agreement` is the share of episodes on whose side of 0.5 both agree, `kappa` that beyond chance (Cohen 1960).
    `false_good` is the share of the programme's bad episodes that the judge passes: what a policy would exploit;
    `false_bad` the share of the good ones that it fails. `bias` is the judge's mean minus the programme's,
    `bin_error` the mean distance of the bins' two means, weighted by their size.
    """

    n: int
    unjudged: int
    agreement: float | None
    kappa: float | None
    false_good: float | None
    false_bad: float | None
    pearson: float | None
    spearman: float | None
    bias: float | None
    mean_absolute_error: float | None
    bin_error: float | None
    bins: tuple[Bin, ...]
    worst: tuple[Disagreement, ...]
    unjudged_reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    def to_markdown(self) -> str:
        """The report for people."""
        lines = [
            "# Calibration against programmatic scores",
            "",
            f"{self.n} episodes judged, {self.unjudged} without a verdict.",
            "",
            "| measure | value |",
            "| --- | ---: |",
        ]
        for name in _MEASURES:
            lines.append(f"| {name.replace('_', ' ')} | {_shown(getattr(self, name))} |")
        lines += ["", "| judge's score | episodes | judge's mean | programme's mean |", "| --- | ---: | ---: | ---: |"]
        for b in self.bins:
            lines.append(f"| {b.low:g} to {b.high:g} | {b.n} | {_shown(b.judged)} | {_shown(b.programme)} |")
        if self.worst:
            lines += ["", "Furthest apart:", ""]
            lines += [f"- `{w.name}`: {w.judged:g}, not {w.programme:g}: {_line(w.reason)}" for w in self.worst]
        if self.unjudged_reasons:
            lines += ["", "Without a verdict, for example:", ""]
            lines += [f"- {_line(reason)}" for reason in self.unjudged_reasons]
        return "\n".join(lines) + "\n"


_MEASURES = (
    "agreement",
    "kappa",
    "false_good",
    "false_bad",
    "pearson",
    "spearman",
    "bias",
    "mean_absolute_error",
    "bin_error",
)


def calibrate(reward: Reward, scored: Iterable[Scored]) -> Calibration:
    """Puts every episode to the reward and compares; episodes it can't judge are counted and left out."""
    pairs, unjudged = [], []
    for episode in scored:
        score = reward(episode.transcript, episode.target)
        if score.value is None:
            unjudged.append(score.reason)
        else:
            pairs.append(Disagreement(episode.name, score.value, episode.value, score.reason))
    judged, wanted = [p.judged for p in pairs], [p.programme for p in pairs]
    bins = _bins(pairs)
    gaps = [a - b for a, b in zip(judged, wanted, strict=True)]
    apart = sorted(pairs, key=lambda p: (-abs(p.judged - p.programme), p.name))
    return Calibration(
        n=len(pairs),
        unjudged=len(unjudged),
        **_sides(judged, wanted),
        pearson=pearson(judged, wanted),
        spearman=pearson(ranks(judged), ranks(wanted)),
        bias=_mean(gaps),
        mean_absolute_error=_mean([abs(g) for g in gaps]),
        bin_error=_mean([abs((b.judged or 0) - (b.programme or 0)) for b in bins for _ in range(b.n)]),
        bins=bins,
        worst=tuple(p for p in apart if p.judged != p.programme)[:_SHOWN],
        unjudged_reasons=tuple(dict.fromkeys(unjudged))[:_SHOWN],
    )


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """The correlation of two series (n,), None when either doesn't vary."""
    if len(set(xs)) < 2 or len(set(ys)) < 2:
        return None
    x, y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    both = math.fsum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    norm = math.sqrt(math.fsum((a - x) ** 2 for a in xs)) * math.sqrt(math.fsum((b - y) ** 2 for b in ys))
    return max(-1.0, min(1.0, both / norm)) if norm else None


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1 (n,); equal values share the mean of theirs, as Spearman's correlation wants it."""
    order = sorted(range(len(values)), key=values.__getitem__)
    out, at = [0.0] * len(values), 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for i in order[at : end + 1]:
            out[i] = (at + end) / 2 + 1
        at = end + 1
    return out


def _sides(judged: Sequence[float], wanted: Sequence[float]) -> dict[str, float | None]:
    says, is_good = [v >= _GOOD for v in judged], [v >= _GOOD for v in wanted]
    agreement = _mean([float(a == b) for a, b in zip(says, is_good, strict=True)])
    yes, good = _mean([float(a) for a in says]), _mean([float(b) for b in is_good])
    kappa = None
    if agreement is not None and yes is not None and good is not None:
        chance = yes * good + (1 - yes) * (1 - good)
        kappa = (agreement - chance) / (1 - chance) if chance < 1 else None
    return {
        "agreement": agreement,
        "kappa": kappa,
        "false_good": _mean([float(a) for a, b in zip(says, is_good, strict=True) if not b]),
        "false_bad": _mean([float(not a) for a, b in zip(says, is_good, strict=True) if b]),
    }


def _bins(pairs: Sequence[Disagreement]) -> tuple[Bin, ...]:
    members: list[list[Disagreement]] = [[] for _ in range(BINS)]
    for pair in pairs:
        members[min(BINS - 1, int(pair.judged * BINS))].append(pair)
    return tuple(
        Bin(i / BINS, (i + 1) / BINS, len(m), _mean([p.judged for p in m]), _mean([p.programme for p in m]))
        for i, m in enumerate(members)
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(text: str) -> str:
    return " ".join(text.split())[:200].replace("|", "\\|").replace("`", "'")
