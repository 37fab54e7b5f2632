"""The reward for a mathematical answer of any kind: what counts as *the* answer, and whether it is right.

It reads these keys of the target, all plain JSON:

    answer     the right answer, plain or LaTeX: "3/4", "\\\\frac{3}{4}", "2\\\\sqrt{3}", "[0, 1)", "x = 2y + 1"
    kind       one of rewards.equivalence.KINDS; "auto" when it is missing
    units      words or signs that may stand by a number
    tolerance  a number as text: how far a number may be from the right one; exact when it is missing
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rewards.equivalence import KINDS, UnsureError, check_gold, equivalent
from rewards.format import final_answer
from rewards.math_tokens import MathError
from rewards.plain_numbers import parse_number
from rewards.score import Score, Status, failure
from rewards.transcript import Transcript

MAX_TEXT = 200_000
MAX_FINALS = 16
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SAID = re.compile(
    r"\bfinal answer(?: is|:)\s*:?\s*(?:\$([^$\n]{1,200})\$|([^\s$\\][^\n$\\]{0,60}?)(?=[.,;]?\s|[.,;]?$))",
    re.IGNORECASE | re.MULTILINE,
)


def math_answer(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for the right answer, 0 for any other; see the module for the target.

    *The* answer stands on one closing line `Answer: ...`, or in `\\boxed{}`; a `\\boxed{}` or a "final answer is ..."
    elsewhere must say the same, so offering several answers earns nothing. Only the closing text after the thinking
    is read. No answer, or one that can't be read or worked out, is INVALID_OUTPUT; a broken gold is a TASK_ERROR.
    """
    gold, kind, units = target.get("answer"), target.get("kind", "auto"), target.get("units", ())
    if wrong := _broken(gold, kind, units, target.get("tolerance")):
        return failure(Status.TASK_ERROR, wrong)
    finals = offered(transcript.answer)
    if not finals:
        return Score(0.0, "no closing line 'Answer: ...' and no \\boxed{}", status=Status.INVALID_OUTPUT)
    try:
        for other in finals[1:]:
            if other != finals[0] and not equivalent(other, finals[0], kind, units)[0]:
                reason = f"{finals[0][:40]!r} and {other[:40]!r} contradict each other"
                return Score(0.0, reason, status=Status.INVALID_OUTPUT)
        right, why = _judge(finals[0], gold, kind, units, target.get("tolerance"))
    except MathError as error:
        return Score(0.0, f"{finals[0][:40]!r} is no answer: {error}", status=Status.INVALID_OUTPUT)
    except UnsureError as error:
        return failure(Status.INFRA_ERROR, str(error))
    return Score(float(right), "right" if right else f"{finals[0][:40]!r}: {why}")


def offered(text: str) -> list[str]:
    """The answers that a closing text offers, the one that counts first; empty when it has no proper one."""
    if len(text) > MAX_TEXT:
        return []
    line, boxes = final_answer(text), boxed(text)
    if line is None and re.search(r"^[ \t]*answer:", text, re.IGNORECASE | re.MULTILINE):
        return []  # several such lines, an empty one, or text after it
    if line is not None and (inside := boxed(line)):
        line = inside[0] if len(inside) == 1 and line.strip("$ .").endswith("}") else line
    said = [(m.group(1) or m.group(2)).strip() for m in _SAID.finditer(text)]
    found = [*([line] if line is not None else []), *boxes]
    if not found or not found[0].strip() or len(found) + len(said) > MAX_FINALS:
        return []
    return [found[0], *(f for f in (*found[1:], *(s for s in said if not boxed(s) and "boxed" not in s)))]


def boxed(text: str) -> list[str]:
    """What stands in each `\\boxed{...}`, braces counted; one that never closes holds the rest."""
    found = []
    for match in _BOXED.finditer(text):
        depth, at = 1, match.end()
        while at < len(text) and depth:
            if text[at] == "\\":
                at += 1
            elif text[at] in "{}":
                depth += 1 if text[at] == "{" else -1
            at += 1
        found.append(text[match.end() : at - 1 if not depth else at].strip())
        if len(found) > MAX_FINALS:
            break
    return found


def _judge(given: str, gold: str, kind: Any, units: Any, tolerance: str | None) -> tuple[bool, str]:
    if tolerance is not None:
        number, right = parse_number(given, units), parse_number(gold, units)
        if number is not None and right is not None:
            near = abs(number - right) <= Fraction(tolerance)
            return near, "within the tolerance" if near else "too far off"
    return equivalent(given, gold, kind, units)


def _broken(gold: Any, kind: Any, units: Any, tolerance: Any) -> str | None:
    """What is wrong with the target, None when nothing is."""
    if not isinstance(gold, str) or not gold.strip():
        return f"target answer {gold!r} is no text; fill it in the task"
    if kind not in KINDS:
        return f"target kind {kind!r} is none of {', '.join(KINDS)}"
    if not isinstance(units, list | tuple) or not all(isinstance(u, str) for u in units):
        return f"target units {units!r} is no list of texts; write it as one"
    if tolerance is not None and (not isinstance(tolerance, str) or parse_number(tolerance) is None):
        return f"target tolerance {tolerance!r} is no number as text, such as '0.01'"
    try:
        check_gold(gold, kind, units)
    except MathError as error:
        return f"target answer {gold[:60]!r} can't be read ({error}); mend it in the task"
    return None
