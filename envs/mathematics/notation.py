"""How polynomials, signs and roots are written: `3x^2 - x + 5`, `2sqrt(3)`."""

import random
from collections.abc import Sequence
from fractions import Fraction
from math import isqrt


def draw_nonzero(rng: random.Random, most: int) -> int:
    """A whole number from -most to most, not 0."""
    return rng.choice((-1, 1)) * rng.randint(1, most)


def polynomial(coefficients: Sequence[int | Fraction], variable: str = "x") -> str:
    """The polynomial with these coefficients, the highest power first; "0" when all are 0."""
    text, top = "", len(coefficients) - 1
    for index, c in enumerate(coefficients):
        if c == 0:
            continue
        sign = "-" if c < 0 else "+"
        body = _monomial(abs(c), top - index, variable)
        text = f"{text} {sign} {body}" if text else ("-" if c < 0 else "") + body
    return text or "0"


def _monomial(size: int | Fraction, power: int, variable: str) -> str:
    factor = "" if size == 1 and power else str(size) if Fraction(size).denominator == 1 or not power else f"({size})"
    return factor + (variable if power == 1 else f"{variable}^{power}" if power else "")


def plus(value: int | Fraction) -> str:
    """The value as a term that is added: " + 3", " - 3", "" for 0."""
    return "" if value == 0 else f" - {-value}" if value < 0 else f" + {value}"


def bracketed(value: int | Fraction) -> str:
    """The value, in brackets where a sign or a fraction would be misread beside an operator."""
    return f"({value})" if value < 0 or Fraction(value).denominator > 1 else str(value)


def root(square: int) -> str:
    """The square root of a whole number from 1, as much of it taken out as can be: 12 is "2sqrt(3)"."""
    outside = max(k for k in range(1, isqrt(square) + 1) if square % (k * k) == 0)
    inside = square // (outside * outside)
    return str(outside) if inside == 1 else (f"{outside}" if outside > 1 else "") + f"sqrt({inside})"


def value_at(coefficients: Sequence[int | Fraction], x: int | Fraction) -> int | Fraction:
    """The polynomial's value at x, by Horner's scheme."""
    total: int | Fraction = 0
    for c in coefficients:
        total = total * x + c
    return total
