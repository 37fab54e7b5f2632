"""Rewards for formulas and equations: atoms are counted, so every right spelling counts.

They read these keys of the target, all plain JSON:

    reactants, products  formulas of the equation to balance: ["H2", "O2"] and ["H2O"]
    formula              the formula asked for: "C2H6O"
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rewards.format import final_answer
from rewards.score import Score, Status, failure
from rewards.transcript import Transcript

_ATOM = re.compile(r"([A-Z][a-z]?)(\d{0,3})|(\()|\)(\d{0,3})")
_TERM = re.compile(r"(\d{0,4})\s*\*?\s*([A-Z][A-Za-z0-9()]{0,40})", re.ASCII)
_ARROW = re.compile(r"\s*(?:->|-->|=>|=|→|⟶|\\rightarrow|\\to)\s*")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_MAX_CHARS = 300


def atoms(formula: str) -> Counter[str] | None:
    """How many atoms of each element a formula holds, brackets and all: "Ca(OH)2"; None when it is no formula."""
    stack, at = [Counter[str]()], 0
    while at < len(formula):
        found = _ATOM.match(formula, at)
        if found is None or len(formula) > _MAX_CHARS:
            return None
        at = found.end()
        element, count, opened, times = found.groups()
        if element:
            stack[-1][element] += int(count or 1)
        elif opened:
            stack.append(Counter())
        elif len(stack) == 1:
            return None
        else:
            inside = stack.pop()
            for name, number in inside.items():
                stack[-1][name] += number * int(times or 1)
    return stack[0] if len(stack) == 1 and stack[0] and min(stack[0].values()) > 0 else None


def balanced_equation(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for the equation asked for with the smallest whole coefficients that balance it, else 0.

    Either side may come in any order; states such as (aq) aren't read.
    """
    wanted = (target.get("reactants"), target.get("products"))
    if not all(
        isinstance(side, list) and side and all(isinstance(f, str) and atoms(f) for f in side) for side in wanted
    ):
        return failure(Status.TASK_ERROR, "target reactants and products must be lists of formulas; fill them in")
    line = final_answer(transcript.answer)
    sides = _ARROW.split(_plain(line)) if line and len(line) <= _MAX_CHARS else []
    if len(sides) != 2:
        return Score(0.0, "no single closing line 'Answer: <equation>'", status=Status.INVALID_OUTPUT)
    given = [_terms(side) for side in sides]
    totals = []
    for found, formulas in zip(given, wanted, strict=True):
        if found is None or sorted(found) != sorted(formulas or ()):
            return Score(0.0, "not the substances of the equation, each once on its side")
        totals.append(_total(found))
    if totals[0] != totals[1]:
        off = next(e for e in totals[0] | totals[1] if totals[0][e] != totals[1][e])
        return Score(0.0, f"{off} doesn't balance: {totals[0][off]} and {totals[1][off]}")
    common = math.gcd(*(n for side in given for n in (side or {}).values()))
    if common > 1:
        return Score(0.0, f"balanced, but all coefficients can be divided by {common}")
    return Score(1.0, "balanced")


def right_formula(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for a formula with the wanted atoms, in any order, else 0."""
    gold = atoms(target["formula"]) if isinstance(target.get("formula"), str) else None
    if gold is None:
        return failure(Status.TASK_ERROR, f"target formula {target.get('formula')!r} is no formula; mend it")
    line = final_answer(transcript.answer)
    given = atoms(_plain(line)) if line else None
    if given is None:
        return Score(0.0, "no single closing line 'Answer: <formula>'", status=Status.INVALID_OUTPUT)
    return Score(float(given == gold), "right" if given == gold else f"{dict(given)} is wrong")


def _plain(text: str) -> str:
    return text.translate(_SUBSCRIPTS).replace("_", "").replace("{", "").replace("}", "").replace("$", "").strip(" .")


def _terms(side: str) -> dict[str, int] | None:
    """The formulas of one side with their coefficients; None when something else stands there."""
    found: dict[str, int] = {}
    for part in side.split("+"):
        term = _TERM.fullmatch(part.strip())
        if term is None or term[2] in found or term[1] == "0":
            return None
        found[term[2]] = int(term[1] or 1)
    return found


def _total(terms: Mapping[str, int]) -> Counter[str]:
    total: Counter[str] = Counter()
    for formula, coefficient in terms.items():
        for element, count in (atoms(formula) or {}).items():
            total[element] += coefficient * count
    return total
