"""Rewards for an amount with its unit: any unit of the right dimension counts, by what it is worth.

They read these keys of the target, all plain JSON:

    value      the amount as text: "12.5"
    unit       its unit: "m/s^2"
    tolerance  how far off an answer may be, as a share of the amount; 0.005 when it is missing
"""

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from rewards.format import final_answer
from rewards.score import Score, Status, failure
from rewards.transcript import Transcript

TOLERANCE = 0.005
_NUMBER = re.compile(
    r"(?P<number>[+-]?\d{1,15}(?:\.\d{1,15})?)(?:[eE](?P<exponent>[+-]?\d{1,2})|\s*[x×*·]\s*10\^\{?(?P<power>-?\d{1,2})\}?)?",
    re.ASCII,
)
_FACTOR = re.compile(
    r"\s*(?P<operator>[*/·⋅]|per\b)?\s*(?P<name>[A-Za-zµμΩ°%]{1,20})(?:\^|\*\*)?\{?(?P<power>-?[1-9])?\}?"
)
_MAX_CHARS, _MAX_FACTORS = 80, 6
_SPELLED = {"°C": "degC", "°F": "degF", "°": "degree", "Ω": "ohm"}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻\u2212", "0123456789--")


def right_quantity(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing line holds the amount in any unit that measures it, else 0."""
    gold, tolerance = f"{target.get('value')} {target.get('unit')}", target.get("tolerance", TOLERANCE)
    right = read_quantity(gold)
    if right is None:
        return failure(Status.TASK_ERROR, f"target {gold[:60]!r} is no amount with a unit; mend value and unit")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < 1:
        return failure(Status.TASK_ERROR, f"target tolerance {tolerance!r} is no share above 0 and below 1")
    line = final_answer(transcript.answer)
    if line is None:
        return Score(0.0, "no single closing line 'Answer: ...'", status=Status.INVALID_OUTPUT)
    given = read_quantity(line)
    if given is None:
        return Score(0.0, f"{line[:60]!r} is no number with a unit", status=Status.INVALID_OUTPUT)
    if given.dimensionality != right.dimensionality:
        return Score(0.0, f"{given.units} doesn't measure what {right.units} does")
    found, wanted = given.to(right.units).magnitude, right.magnitude
    if abs(found - wanted) <= tolerance * abs(wanted):
        return Score(1.0, "the right amount")
    return Score(0.0, f"{found:.6g} {right.units} is wrong")


def read_quantity(text: str) -> Any:
    """The amount that `text` is as a pint quantity, None when it isn't one number with one unit.

    Units are multiplied and divided only: "3.2 kg*m/s^2", "5 m s^-1", "4.18 J per g". Nothing is evaluated.
    """
    text = text.translate(_SUPERSCRIPTS).strip().removesuffix(".")
    number = _NUMBER.match(text)
    if number is None or len(text) > _MAX_CHARS:
        return None
    magnitude = float(number["number"]) * 10.0 ** int(number["exponent"] or number["power"] or 0)
    unit = _read_unit(text[number.end() :])
    return None if unit is None or not math.isfinite(magnitude) else _registry().Quantity(magnitude, unit)


def _read_unit(text: str) -> Any:
    """Factors from left to right; a bracket may stand after one stroke, at the end: "J/(g*K)"."""
    above, stroke, bracket = text.strip().partition("/(")
    unit = _product(above)
    if not stroke:
        return unit
    below = _product(bracket[:-1]) if bracket.endswith(")") else None
    return None if unit is None or below is None else unit / below


def _product(text: str) -> Any:
    unit, at = None, 0
    for _ in range(_MAX_FACTORS):
        factor = _FACTOR.match(text, at)
        if factor is None:
            break
        at = factor.end()
        one = _named(factor["name"])
        if one is None or (unit is None and factor["operator"]):
            return None
        one **= int(factor["power"] or 1)
        below = factor["operator"] in ("/", "per")
        unit = one if unit is None else unit / one if below else unit * one
    return None if text[at:].strip() else unit


@cache
def _registry() -> Any:
    import pint  # a second to load: only who measures waits for it

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def _named(name: str) -> Any:
    import pint

    for spelling in (_SPELLED.get(name, name), name.lower()):
        try:
            return _registry().Unit(spelling)
        except (pint.PintError, ValueError, AttributeError):
            continue
    return None
