"""Rewards for problems with one number as their answer: is it right, exactly, and does written work lead to it.

They read these keys of the target, all plain JSON:

    value      the answer as "p" or "p/q"
    units      words or signs that may stand by the number ("$", "apples", "%"); the rest makes it no number
    constants  numbers that work may use without finding them in the question, such as "100" for percents

and `evidence["equations"]`, lines such as "3 * 4 = 12" that a calculator worked out for the policy.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from rewards.format import final_answer
from rewards.score import Score, Status, failure
from rewards.steps import MAX_EQUATIONS, MAX_WORK_CHARS, Step, numbers_in, read_steps, sound_steps
from rewards.transcript import Transcript

MAX_NUMBER_CHARS = 64

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMBER = re.compile(
    rf"([+-]?)({_PLAIN})(?:(\.\d+)?(?:e([+-]?\d{{1,2}}))?|\s?/\s?({_PLAIN}))", re.ASCII | re.IGNORECASE
)
_GOLD = re.compile(r"-?\d{1,400}(?:/\d{1,400})?", re.ASCII)
_SAME_DIGIT = ("<wide>", "<narrow>", "<font>", "<noBreak>")  # a superscript or a vulgar fraction is no mere spelling
_BOXED = re.compile(r"\\boxed\{([^{}]{0,64})")


def parse_number(text: str, units: Sequence[str] = ()) -> Fraction | None:
    """The one number that the whole of `text` is.

    Read are integers, thousands commas (1,234), decimals, a/b, and exponents of up to two digits, each with a
    sign, a closing full stop and one of `units` before or after. "%" counts as a unit: without it 50% is no
    number, with it 50% is 50, never 0.5. Full-width and mathematical digits are read as the ASCII digits that
    NFKC makes of them; superscripts, vulgar fractions, circled digits and other scripts' digits are not.

    Returns:
        The exact value, or None for any other text; text over 64 characters is never read.
    """
    match = _match(text, units)
    if match is None:
        return None
    sign, whole, decimals, exponent, below = match.groups()
    value = Fraction(whole.replace(",", "") + (decimals or ""))
    if below is not None:
        if (divisor := int(below.replace(",", ""))) == 0:
            return None
        value /= divisor
    if exponent is not None:
        value *= Fraction(10) ** int(exponent)
    return -value if sign == "-" else value


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


def _match(text: str, units: Sequence[str]) -> re.Match[str] | None:
    if len(text) > MAX_NUMBER_CHARS or (plain := _ascii(text)) is None:
        return None
    return _NUMBER.fullmatch(_without_unit(plain, units))


def _worked_out(text: str, units: Sequence[str], value: Fraction) -> bool:
    """12/3 for 4 leaves the division undone."""
    below = (match := _match(text, units)) and match.group(5)
    return not below or int(below.replace(",", "")) == value.denominator > 1


def _gold(target: Mapping[str, Any]) -> Fraction | None:
    value = target.get("value")
    if not isinstance(value, str) or not _GOLD.fullmatch(value):
        return None
    top, _, bottom = value.partition("/")
    return None if bottom and int(bottom) == 0 else Fraction(int(top), int(bottom or 1))


def _ascii(text: str) -> str | None:
    """`text` with its harmless other spellings made ASCII, None when some character has none."""
    out = []
    for c in text.strip():
        if not c.isascii():
            tag = unicodedata.decomposition(c).split(" ")[0]
            c = "-" if c == "\u2212" else unicodedata.normalize("NFKC", c) if tag in _SAME_DIGIT else c
        out.append(c)
    plain = "".join(out)
    return None if any(unicodedata.numeric(c, None) is not None and not c.isascii() for c in plain) else plain


def _without_unit(text: str, units: Sequence[str]) -> str:
    """`text` without a closing full stop and one unit: words stand after the number, signs on either side."""
    text = text.removesuffix(".").rstrip()
    sign = text[:1] if text[:1] in ("+", "-") else ""
    for unit in units:
        if unit and text.lower().endswith(unit.lower()):
            return text[: -len(unit)].rstrip()
        if unit and not unit[0].isalnum() and text.startswith(unit, len(sign)):
            return sign + text[len(sign) + len(unit) :].lstrip()
    return text


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
