"""Arithmetic on text, exactly: a small recursive descent over + - * / and brackets, never `eval`.

Limits on length, depth and digits come first, so that hostile text costs microseconds, not memory.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_CHARS = 200
MAX_DEPTH = 20
MAX_DIGITS = 20  # of one number
_SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-"})
_TOKEN = re.compile(r"\s*(?:(\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)|(\*\*|.))", re.ASCII)


class ExpressionError(ValueError):
    """Text that is no arithmetic within the limits; `kind` is its type for tools, the message the mend."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Expression:
    """A calculated expression: its value, the numbers written in it, and how many operations it takes."""

    value: Fraction
    numbers: tuple[Fraction, ...]
    operations: int


def calculate(text: str) -> Expression:
    """Calculates `text` exactly.

    Args:
        text: numbers (thousands commas and a leading "$" are read), + - * / (or × ÷ −) and brackets.

    Raises:
        ExpressionError: `too_large`, `division_by_zero` or `invalid_expression`.
    """
    if len(text) > MAX_CHARS:
        raise ExpressionError("too_large", f"{len(text)} characters; write at most {MAX_CHARS}")
    parser = _Parser(_tokens(text.translate(_SPELLINGS)))
    value = parser.sum(0)
    if (rest := parser.peek()) is not None:
        raise ExpressionError("invalid_expression", f"unexpected {rest!r}; write numbers, + - * / and brackets")
    return Expression(value, tuple(parser.numbers), parser.operations)


def show(value: Fraction) -> str:
    """The shortest exact text of a number: 17, 0.25, or 1/3 where decimals don't end within 6 places."""
    if value.denominator == 1:
        return str(value.numerator)
    for places in range(1, 7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return f"{value.numerator}/{value.denominator}"


def _tokens(text: str) -> list[str]:
    tokens = []
    text = text.strip()
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:  # only a line break can't be matched by the last alternative
            raise ExpressionError("invalid_expression", "write the expression on one line")
        number, other = match.groups()
        if number and sum(c.isdigit() for c in number) > MAX_DIGITS:
            raise ExpressionError("too_large", f"a number of more than {MAX_DIGITS} digits")
        if other == "**" or other == "^":
            raise ExpressionError("invalid_expression", f"no powers ({other}); use + - * / and brackets")
        tokens.append(number.lstrip("$").replace(",", "") if number else other)
        position = match.end()
    return tokens


class _Parser:
    """sum: product (+|- product)*;  product: factor (*|/ factor)*;  factor: -factor | (sum) | number."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0
        self.numbers: list[Fraction] = []
        self.operations = 0

    def peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> str | None:
        token = self.peek()
        self._next += 1
        return token

    def sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while self.peek() in ("+", "-"):
            self.operations += 1
            value = value + self._product(depth) if self._take() == "+" else value - self._product(depth)
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while self.peek() in ("*", "/"):
            self.operations += 1
            times = self._take() == "*"
            right = self._factor(depth)
            if not times and right == 0:
                raise ExpressionError("division_by_zero", "division by zero")
            value = value * right if times else value / right
        return value

    def _factor(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise ExpressionError("too_large", f"brackets or signs nest deeper than {MAX_DEPTH}")
        token = self._take()
        if token == "-":
            return -self._factor(depth + 1)
        if token == "(":
            value = self.sum(depth + 1)
            if self._take() != ")":
                raise ExpressionError("invalid_expression", "a bracket is not closed")
            return value
        if token is None or not token[0].isascii() or not token[0].isdigit():
            found = "the end" if token is None else repr(token)
            raise ExpressionError("invalid_expression", f"expected a number, found {found}")
        self.numbers.append(Fraction(token))
        return self.numbers[-1]
