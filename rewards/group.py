"""Group rewards: what an episode is worth beside the others of its task. Only right ones compete.

`right` names the criterion whose full score makes an episode right; empty asks for the whole score. So a short or
an odd answer earns nothing here unless it is also a good one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.recipes import factory
from rewards.score import GroupReward, Score
from rewards.transcript import Transcript

_SHINGLE = 3  # words that make one unit of wording
_MAX_SHINGLES = 5_000


def _said(transcript: Transcript) -> str:
    return "\n".join(m.content for m in transcript.messages if m.role == "assistant")


def _length(transcript: Transcript) -> int:
    """Characters of text and calls that the assistant wrote."""
    calls = (c for m in transcript.messages if m.role == "assistant" for c in m.tool_calls)
    return len(_said(transcript)) + sum(len(c.name) + len(str(dict(c.arguments))) for c in calls)


def _is_right(score: Score, right: str) -> bool:
    if not right:
        return score.value == 1
    named = [p.value for p in score.parts if p.name == right]
    if not named:
        raise ValueError(f"the rubric has no criterion {right!r}; it has {[p.name for p in score.parts]}")
    return named[0] == 1


@factory
def brevity(right: str = "") -> GroupReward:
    """Of the right episodes the shortest earns 1, one of twice its length 0.5; wrong ones earn 0."""

    def judge(
        transcripts: Sequence[Transcript], scores: Sequence[Score], target: Mapping[str, Any]
    ) -> tuple[Score, ...]:
        lengths = [
            max(1, _length(t)) if _is_right(s, right) else None for t, s in zip(transcripts, scores, strict=True)
        ]
        shortest = min((n for n in lengths if n is not None), default=1)
        return tuple(
            Score(0.0, "not right: length doesn't count")
            if n is None
            else Score(shortest / n, f"{n} characters where {shortest} sufficed")
            for n in lengths
        )

    return judge


@factory
def novelty(right: str = "") -> GroupReward:
    """The share of a right episode's wording that the other right ones don't share, on average; wrong ones earn 0."""

    def judge(
        transcripts: Sequence[Transcript], scores: Sequence[Score], target: Mapping[str, Any]
    ) -> tuple[Score, ...]:
        wordings = [
            _shingles(_said(t)) if _is_right(s, right) else None for t, s in zip(transcripts, scores, strict=True)
        ]
        out = []
        for i, mine in enumerate(wordings):
            others = [w for j, w in enumerate(wordings) if j != i and w is not None]
            if mine is None:
                out.append(Score(0.0, "not right: novelty doesn't count"))
            elif not others:
                out.append(Score(1.0, "the only right one"))
            else:  # fsum rounds once: the order of the others can't show
                value = min(1.0, max(0.0, math.fsum(_distance(mine, other) for other in others) / len(others)))
                out.append(Score(value, f"{value:.0%} of the wording is its own, against {len(others)} others"))
        return tuple(out)

    return judge


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = text.casefold().split()[: _MAX_SHINGLES + _SHINGLE - 1]
    return frozenset(tuple(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1)))


def _distance(a: frozenset, b: frozenset) -> float:
    return 1 - len(a & b) / len(a | b)
