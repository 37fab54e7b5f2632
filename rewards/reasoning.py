"""Rewards for the way to an answer: sound steps, own words, no repetition, one language, no excess of length.

They judge the closing message, thinking included, and read these keys of the target, all plain JSON:

    value, units, constants  as in `rewards.math`: the answer, and numbers that work may use unasked
    script                   the script to write in, such as "Latin" or "Han"; the question's own where it isn't given

None of them earns anything by itself but `derivation`; the others are manners, for a small weight, as gates, or behind
`rewards.tools.when`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from rewards.format import closing_text
from rewards.language import script_of, scripts
from rewards.math import constants, numbers_asked, numeric_answer
from rewards.plain_numbers import parse_number
from rewards.score import Reward, Score, Status, failure
from rewards.steps import CLAIMS, MAX_EQUATIONS, Step, numbers_in, read_steps, sound_steps
from rewards.text import folded, prose, repeated_share, sentences, visible, words
from rewards.transcript import Transcript

MAX_TRACE_CHARS = 100_000
RUN = 4  # words; runs of this length that come again, or stand in the question, are no work
COPIED = 0.75  # a sentence with this share of its runs in the question is the question's
FREE = 0.2  # of repeated or copied words: nobody writes without any
LOST = 0.6  # from this share on nothing is left

_MARKER = re.compile(r"^[ \t]*(?:[#*\-]+[ \t]*)*(?:(?:step|part|case)[ \t]+)?\d{1,2}[.):]+(?=\s|\*|$)", re.IGNORECASE)
_STEP_WORD = re.compile(r"\b(?:step|part|case|equation|line)[ \t]+\d{1,2}\b", re.IGNORECASE)
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)


def derivation(answer: Reward = numeric_answer, thinking: bool = True) -> Reward:
    """A reward on the whole trace: right steps from the question's numbers to the right answer.

    Args:
        answer: judges the answer; without a right one the derivation is worth nothing.
        thinking: judge the thinking too; else only what follows it.

    Returns:
        A reward that gives the share of sound claims. An equation is sound when it is true, new, calculates with
        numbers of the question (in figures or in words), of earlier sound equations or of the target's constants, and
        is needed. A number that stands in the prose but comes from nowhere is an unsound claim; algebra isn't judged.
        0 when no sound equation gives the answer, so a restated answer and a copied question earn nothing.
    """

    def derivation_of_the_answer(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        judged = answer(transcript, target)
        if not judged.value:
            return judged
        goal = parse_number(str(target.get("value")))
        if goal is None:
            return failure(Status.TASK_ERROR, f"target value {target.get('value')!r:.60} is no number to lead to")
        trace = _trace(transcript) if thinking else transcript.answer
        steps = _steps(trace, transcript.evidence.get("equations", ()))
        if steps is None:
            return Score(0.0, f"over {MAX_TRACE_CHARS} characters or {MAX_EQUATIONS} equations")
        known = numbers_asked(transcript, implied=True) | constants(target) | {Fraction(1)}
        sound = sound_steps(steps, known, goal)
        if not any(ok and step.result == goal for ok, step in zip(sound, steps, strict=True)):
            return Score(0.0, "no sound equation leads to the answer")
        stray = sorted(_prose_numbers(trace) - known - {n for s in steps for n in (*s.numbers, s.result)} - {goal})
        bad = next((f"{step.text[:60]!r}" for ok, step in zip(sound, steps, strict=True) if not ok), "")
        bad = bad or (f"{stray[0]}, from nowhere" if stray else "")
        claims = len(steps) + len(stray)
        why = f"; the first that doesn't count: {bad}" if bad else ""
        return Score(sum(sound) / claims, f"{sum(sound)} of {claims} claims are sound{why}")

    return derivation_of_the_answer


def not_repetitive(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for a text that moves on; falls to 0 as sentences and runs of four words come again.

    Sentences that differ in their figures alone, without an equation, are the same.
    """
    text = _trace(transcript)
    if refused := _unreadable(text):
        return refused
    seen: set[str] = set()
    again = total = 0
    for sentence in sentences(text):
        key = folded(sentence)
        key = " ".join(words(key)) if "=" in key else re.sub(r"\d+", "#", " ".join(words(key)))
        length = len(words(sentence))
        again += length * (key in seen)
        total += length
        seen.add(key)
    share = max(again / max(1, total), repeated_share(text, RUN))
    return Score(_left(share), f"{share:.0%} is repeated")


def own_words(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for a text in its own words; falls to 0 as its sentences are copied from the question."""
    text = _trace(transcript)
    if refused := _unreadable(text):
        return refused
    asked = {run for m in transcript.messages if m.role in ("user", "system") for run in _runs(m.content)}
    copied = total = 0
    for sentence in sentences(text):
        runs = _runs(sentence)
        length = len(words(sentence))
        total += length
        copied += length * bool(runs and sum(r in asked for r in runs) >= COPIED * len(runs))
    share = copied / max(1, total)
    return Score(_left(share), f"{share:.0%} is copied from the question")


def one_language(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of words in the script asked for, as DeepSeek-AI 2025 (R1) rewards consistent language.

    Told by Unicode script, so it can't be argued with: Han for Chinese, Han and kana for Japanese. Code, single
    foreign letters (α) and words of the question don't count.
    """
    text = prose(_trace(transcript))
    if refused := _unreadable(text):
        return refused
    question = " ".join(m.content for m in transcript.messages if m.role == "user")
    wanted = _scripts_wanted(target.get("script"), question)
    if wanted is None:
        return failure(
            Status.TASK_ERROR, f"target script {target.get('script')!r:.40} is not given, nor told by the question"
        )
    given = set(words(folded(question)))
    told = [
        (w, s) for w in words(text) if (s := _script_of_word(w)) and folded(w) not in given and _is_word(w, s, wanted)
    ]
    if not told:
        return Score(1.0, "no words of its own but figures")
    strange = [w for w, s in told if s not in wanted]
    shown = f": {', '.join(strange[:3])}" if strange else ""
    return Score(1 - len(strange) / len(told), f"{len(strange)} of {len(told)} words in another script{shown}")


def count_words(text: str) -> int:
    """The number of words, as `soft_overlong` counts them where no tokens are known."""
    return len(words(text))


def soft_overlong(limit: int, buffer: int, length: Callable[[str], int] = count_words) -> Reward:
    """A reward that shapes length as Yu et al. 2025 (DAPO, eq. 13) do: their punishment of 0 to -1, plus 1.

    Args:
        limit: the length that is never to be passed (L_max).
        buffer: how long before it the score starts to fall (L_cache).
        length: measures the closing message; words by default. A count in `evidence["completion_tokens"]` goes first.

    Raises:
        ValueError: not 0 < buffer <= limit.
    """
    if not 0 < buffer <= limit:
        raise ValueError(f"limit {limit} and buffer {buffer}: take 0 < buffer <= limit")

    def within_length(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        text = _trace(transcript)
        counted = transcript.evidence.get("completion_tokens")
        size = counted if isinstance(counted, int) else length(text)
        if size <= 0 or not words(text):
            return Score(0.0, "nothing was written", status=Status.INVALID_OUTPUT)
        value = min(1.0, max(0.0, 1 + ((limit - buffer) - size) / buffer))
        return Score(value, f"length {size}; full score to {limit - buffer}, none from {limit}")

    return within_length


def _trace(transcript: Transcript) -> str:
    """All that the policy wrote at the close, thinking included, without the tags."""
    return _TAG.sub("\n", closing_text(transcript))


def _steps(trace: str, calculated: Any) -> list[Step] | None:
    """The readable equations; None when there are too many to judge."""
    if len(trace) > MAX_TRACE_CHARS:
        return None
    steps = [s for s in read_steps("\n".join([*map(str, calculated), trace])) if s.read]
    return None if len(steps) > MAX_EQUATIONS else steps


def _prose_numbers(trace: str) -> set[Fraction]:
    """The numbers outside of equations, list markers and step labels aside."""
    lines = (_MARKER.sub("", line) for line in trace.splitlines() if not CLAIMS.search(line))
    return {n for line in lines for n in numbers_in(_STEP_WORD.sub("", line))}


def _unreadable(text: str) -> Score | None:
    if not words(text[:MAX_TRACE_CHARS]):
        return Score(0.0, "no words", status=Status.INVALID_OUTPUT)
    if len(text) > MAX_TRACE_CHARS:
        return Score(0.0, f"over {MAX_TRACE_CHARS} characters", status=Status.INVALID_OUTPUT)
    return None


def _left(share: float) -> float:
    """What a share of waste leaves of the score."""
    return min(1.0, max(0.0, (LOST - share) / (LOST - FREE)))


def _runs(text: str) -> list[tuple[str, ...]]:
    found = words(folded(text))
    return [tuple(found[i : i + RUN]) for i in range(len(found) - RUN + 1)]


def _scripts_wanted(script: Any, question: str) -> frozenset[str] | None:
    found: Counter[str] = scripts(question)
    if script is None and found:
        script = "Kana" if found["Kana"] else found.most_common(1)[0][0]
    if not isinstance(script, str) or not script:
        return None
    return frozenset(("Han", "Kana")) if script in ("Kana", "Japanese") else frozenset((script,))


def _script_of_word(word: str) -> str:
    """The script that most letters are in; on a tie the one that is named first, so that the order can't matter."""
    found = Counter(s for c in unicodedata.normalize("NFKC", visible(word)) if (s := script_of(c)))
    return min(found, key=lambda s: (-found[s], s)) if found else ""


def _is_word(word: str, script: str, wanted: frozenset[str]) -> bool:
    return script in wanted or script in ("Han", "Kana") or sum(c.isalpha() for c in word) > 1
