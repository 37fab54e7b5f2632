"""What problems with units share: amounts drawn in units of one's choice, and the lines of work on them."""

import math
import random
from collections.abc import Mapping

from envs.mathematics.problems import Problem


def rounded(value: float) -> float:
    """The value as it is written: to six significant digits, and large ones to the unit."""
    return round(value, max(0, 5 - math.floor(math.log10(abs(value))))) if value else 0.0


def shown(value: float) -> str:
    """Without an exponent, as the steps of a solution are read."""
    text = f"{rounded(value):.12f}".rstrip("0").rstrip(".")
    return text or "0"


class Sheet:
    """A problem being set: draws its amounts and keeps the lines of work."""

    def __init__(self, rng: random.Random, difficulty: float) -> None:
        self.rng, self.difficulty, self.work = rng, difficulty, []  # type: ignore[var-annotated]

    def draw(self, low: int, high: int, units: Mapping[str, float] | None = None) -> tuple[str, float]:
        """An amount of low to high SI units: how it is told, and its value; converting it is a line of work."""
        value = float(self.rng.randint(2 * low, 2 * high)) / 2
        if not units:
            return shown(value), value
        unit, factor = next(iter(units.items()))
        if self.rng.random() < self.difficulty:
            unit, factor = self.rng.choice([(u, f) for u, f in units.items() if 1e-4 < value / f < 1e5])
        if factor == 1:
            return f"{shown(value)} {unit}", value
        told = rounded(float(f"{value / factor:.3g}"))
        divided = unit == "km/h"
        line = f"{shown(told)} / 3.6" if divided else f"{shown(told)} * {shown(factor)}"
        return f"{shown(told)} {unit}", self.step(line, told * factor, next(iter(units)))

    def step(self, expression: str, value: float, unit: str) -> float:
        """Notes that `expression` is `value` and returns the value as it is written."""
        value = rounded(value)
        self.work.append(f"{expression} ≈ {shown(value)} ({unit})")
        return value

    def problem(self, question: str, value: float, unit: str) -> Problem:
        """The finished problem."""
        return Problem(f"{question} Give the unit.", f"{shown(value)} {unit}", tuple(self.work))
