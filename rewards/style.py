"""Measurable style: how hard a text is to read, how long its sentences run, whether its lists keep one form.

Tone is for judges. The bounds stand in the rubric, the target is not read. All of it is manners: behind
`rewards.tools.when`, or with a small weight.
"""

import re
from collections.abc import Mapping
from typing import Any

from rewards.score import Reward, Score, Status
from rewards.text import MAX_CHARS, REPEATED, has_words, prose, repeated_share, sentences, visible, words
from rewards.transcript import Transcript

LEAST = 10  # words; the measures mean nothing on less
_ITEM = re.compile(r"^[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t]+(.*)$", re.MULTILINE)


def readable(lowest: float, highest: float) -> Reward:
    """A reward for a text whose Automated Readability Index (Smith & Senter 1967) lies within bounds, in school years.

    Args:
        lowest: no easier than this.
        highest: no harder than this.

    Returns:
        A reward that is 1 within the bounds and falls by 0.25 for each year outside.

    Raises:
        ValueError: the bounds are in the wrong order.
    """
    if lowest > highest:
        raise ValueError(f"readable({lowest}, {highest}): the lowest year comes first")

    def readability(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        text = prose(transcript.answer)
        if refused := _too_little(text):
            return refused
        years = readability_index(text)
        outside = max(lowest - years, years - highest, 0.0)
        return Score(max(0.0, 1 - outside / 4), f"reads at year {years:.1f}")

    return readability


def readability_index(text: str) -> float:
    """The Automated Readability Index of an English text: the school year that reads it with ease."""
    said = words(text)
    letters = sum(c.isalnum() for w in said for c in w)
    return 4.71 * letters / max(1, len(said)) + 0.5 * len(said) / max(1, len(sentences(text))) - 21.43


def short_sentences(most: int) -> Reward:
    """A reward for the share of sentences of at most `most` words.

    Raises:
        ValueError: `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"short_sentences({most}): allow a word at least")

    def sentence_length(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        text = prose(transcript.answer)
        if refused := _too_little(text):
            return refused
        said = sentences(text)
        good = sum(len(words(s)) <= most for s in said)
        return Score(good / max(1, len(said)), f"{good} of {len(said)} sentences of at most {most} words")

    return sentence_length


def consistent_list(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when all items of the answer's lists start in one case and end in one way (full stop or none), else 0."""
    text = visible(prose(transcript.answer))
    if refused := _too_little(text):
        return refused
    items = [m.group(1).strip() for m in _ITEM.finditer(text)]
    if len(items) < 2 or not all(has_words(i) for i in items):
        return Score(0.0, "no list, or one with empty items")
    starts = {next(c for c in i if c.isalnum()).isupper() for i in items}
    ends = {i[-1] in ".!?" for i in items}
    met = len(starts) == len(ends) == 1
    return Score(float(met), "one form" if met else "the items differ in how they start or end")


def _too_little(text: str) -> Score | None:
    if len(text) > MAX_CHARS or not has_words(text, LEAST):
        return Score(0.0, f"fewer than {LEAST} words, or too many", status=Status.INVALID_OUTPUT)
    return Score(0.0, "the same words over and over") if repeated_share(text) >= REPEATED else None
