"""Numbers as people write them, read exactly: the fast path of all judging, and the one Unicode policy of answers."""

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

MAX_NUMBER_CHARS = 64

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMBER = re.compile(
    rf"([+-]?)({_PLAIN})(?:(\.\d+)?(?:e([+-]?\d{{1,2}}))?|\s?/\s?({_PLAIN}))", re.ASCII | re.IGNORECASE
)
_FRAC = re.compile(
    r"([+-]?)\s*\\[dtc]?frac\s*(?:\{\s*([+-]?\d{1,64})\s*\}\s*\{\s*(\d{1,64})\s*\}|(\d)\s*(\d))", re.ASCII
)
_SAME_DIGIT = ("<wide>", "<narrow>", "<font>", "<noBreak>")  # a superscript or a vulgar fraction is no mere spelling


def parse_number(text: str, units: Sequence[str] = ()) -> Fraction | None:
    """The one number that the whole of `text` is.

    Read are integers, thousands commas (1,234), decimals, a/b, and exponents of up to two digits, each with a
    sign, a closing full stop and one of `units` before or after. "%" counts as a unit: without it 50% is no
    number, with it 50% is 50, never 0.5. Full-width and mathematical digits are read as the ASCII digits that
    NFKC makes of them; superscripts, vulgar fractions, circled digits and other scripts' digits are not.

    Returns:
        The exact value, or None for any other text; text over 64 characters is never read.
    """
    match = match_number(text, units)
    if match is None:
        return None
    sign, whole, decimals, exponent, below = match.groups()
    value = Fraction(int(whole.replace(",", "")))
    if decimals:
        value += Fraction(int(decimals[1:]), 10 ** (len(decimals) - 1))
    if below is not None:
        if (divisor := int(below.replace(",", ""))) == 0:
            return None
        value /= divisor
    if exponent is not None:
        value *= Fraction(10) ** int(exponent)
    return -value if sign == "-" else value


def match_number(text: str, units: Sequence[str] = ()) -> re.Match[str] | None:
    """The parts of the number that `text` is: sign, whole, decimals, exponent, denominator."""
    if len(text) > MAX_NUMBER_CHARS or (plain := ascii_text(text)) is None:
        return None
    return _NUMBER.fullmatch(without_unit(plain, units))


def latex_fraction(text: str) -> tuple[int, int] | None:
    r"""Numerator and denominator where the whole of `text` is \frac{p}{q} of two integers, as written."""
    match = _FRAC.fullmatch(text)
    if match is None:
        return None
    sign, top, bottom, short_top, short_bottom = match.groups()
    p, q = int(top or short_top), int(bottom or short_bottom)
    return None if q == 0 else (-p if sign == "-" else p, q)


def ascii_text(text: str) -> str | None:
    """`text` with its harmless other spellings made ASCII, None when a digit of it has none."""
    text = text.strip()
    if text.isascii():
        return text
    out = []
    for c in text:
        if not c.isascii():
            tag = unicodedata.decomposition(c).split(" ")[0]
            c = "-" if c == "\u2212" else unicodedata.normalize("NFKC", c) if tag in _SAME_DIGIT else c
        out.append(c)
    plain = "".join(out)
    return None if any(unicodedata.numeric(c, None) is not None and not c.isascii() for c in plain) else plain


def without_unit(text: str, units: Sequence[str]) -> str:
    """`text` without a closing full stop and one unit: words stand after the number, signs on either side."""
    text = text.removesuffix(".").rstrip()
    sign = text[:1] if text[:1] in ("+", "-") else ""
    for unit in units:
        if unit and text.lower().endswith(unit.lower()):
            return text[: -len(unit)].rstrip()
        if unit and not unit[0].isalnum() and text.startswith(unit, len(sign)):
            return sign + text[len(sign) + len(unit) :].lstrip()
    return text
