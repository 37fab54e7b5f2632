"""Rewards for problems with one number as their answer: is it right, exactly, and does written work lead to it.

They read these keys of the target, all plain JSON:

    value      the answer as "p" or "p/q"
    units      words or signs that may stand by the number ("$", "apples", "%"); the rest makes it no number
    constants  numbers that work may use without finding them in the question, such as "100" for percents

and `evidence["equations"]`, lines such as "3 * 4 = 12" that a calculator worked out for the policy.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from rewards.format import final_answer
from rewards.plain_numbers import match_number, parse_number
from rewards.score import Score, Status, failure
from rewards.steps import MAX_EQUATIONS, MAX_WORK_CHARS, Step, numbers_in, read_steps, sound_steps
from rewards.transcript import Transcript

_GOLD = re.compile(r"-?\d{1,400}(?:/\d{1,400})?", re.ASCII)
_BOXED = re.compile(r"\\boxed\{([^{}]{0,64})")


def numeric_answer(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing `Answer:` line holds the target's number, exactly; no slack, no second answer.

    A `\\boxed{}` that says something else is a second answer. A text without a readable answer scores 0 as
    INVALID_OUTPUT; a target without a value is a TASK_ERROR.
    """
    gold, units = _gold(target), target.get("units", ())
    if gold is None:
        return failure(Status.TASK_ERROR, f"target value {target.get('value')!r} is no 'p/q' text; fill it in the task")
    if not isinstance(units, list | tuple) or not all(isinstance(u, str) for u in units):
        return failure(Status.TASK_ERROR, f"target units {units!r} is no list of texts; write it as one")
    text = transcript.answer
    line = final_answer(text)
    if line is None:
        return Score(0.0, "no single closing line 'Answer: <number>'", status=Status.INVALID_OUTPUT)
    given = parse_number(line, units)
    if given is None:
        return Score(0.0, f"{line[:40]!r} is not one number", status=Status.INVALID_OUTPUT)
    if any(parse_number(box, units) != given for box in _BOXED.findall(text)):
        return Score(0.0, "a boxed answer contradicts the Answer line", status=Status.INVALID_OUTPUT)
    if given != gold:
        return Score(0.0, f"{line[:40]!r} is wrong")
    if not _worked_out(line, units, given):
        return Score(0.0, f"{line[:40]!r} is not worked out: a fraction must be in lowest terms")
    return Score(1.0, "right")


def true_equations(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of written equations that are sound work towards the right answer; 0 without a right answer.

    An equation counts when it is true, new, calculates (17 = 17 doesn't), uses only numbers of the question, of
    earlier equations or of the target's constants, and its result is used later or is the answer. All others
    lower the share, so false, borrowed, repeated and idle steps cost. Without an equation that gives the
    answer there is no derivation and the score is 0.
    """
    judged = numeric_answer(transcript, target)
    if not judged.value:
        return judged
    gold = _gold(target)
    steps = _work(transcript)
    if steps is None:
        return Score(0.0, f"work of over {MAX_WORK_CHARS} characters or {MAX_EQUATIONS} equations")
    sound = sound_steps(steps, numbers_asked(transcript) | constants(target), gold)
    if not any(ok and step.result == gold for ok, step in zip(sound, steps, strict=True)):
        return Score(0.0, "no equation leads to the answer")
    bad = next((step.text for ok, step in zip(sound, steps, strict=True) if not ok), "")
    why = f"; the first that doesn't count: {bad[:60]!r}" if bad else ""
    return Score(sum(sound) / len(steps), f"{sum(sound)} of {len(steps)} equations count{why}")


def constants(target: Mapping[str, Any]) -> set[Fraction]:
    """The numbers that the target lets work use without finding them in the question."""
    return {n for c in target.get("constants", ()) if (n := parse_number(str(c))) is not None}


def _worked_out(text: str, units: Sequence[str], value: Fraction) -> bool:
    """12/3 for 4 leaves the division undone."""
    below = (match := match_number(text, units)) and match.group(5)
    return not below or int(below.replace(",", "")) == value.denominator > 1


def _gold(target: Mapping[str, Any]) -> Fraction | None:
    value = target.get("value")
    if not isinstance(value, str) or not _GOLD.fullmatch(value):
        return None
    top, _, bottom = value.partition("/")
    return None if bottom and int(bottom) == 0 else Fraction(int(top), int(bottom or 1))


def _work(transcript: Transcript) -> list[Step] | None:
    """The equations of the calculator and of the closing text, in order; None when they are too many."""
    text = transcript.answer
    if len(text) > MAX_WORK_CHARS:
        return None
    steps = read_steps("\n".join([*transcript.evidence.get("equations", ()), text]))
    return None if len(steps) > MAX_EQUATIONS else steps


def numbers_asked(transcript: Transcript, implied: bool = False) -> set[Fraction]:
    """The numbers of the question (see `numbers_in`); those of tools and later turns don't count."""
    asked: set[Fraction] = set()
    for message in transcript.messages:
        if message.role == "assistant":
            break
        if message.role == "user":
            asked |= numbers_in(message.content, implied)
    return asked
