"""From text to tokens of mathematics: one Unicode policy, layout dropped, limits first."""

import re

from rewards.plain_numbers import ascii_text

MAX_CHARS = 2_000
MAX_TOKENS = 800
MAX_DIGITS = 400  # of one number

_SPELLINGS = {
    **{"\u2212": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ", "∞": r"\infty "},
    **{"√": r"\sqrt ", "∪": r"\cup ", "∈": r"\in ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm "},
    **{"°": "°", "π": r"\pi ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "θ": r"\theta ", "λ": r"\lambda "},
    **{"μ": r"\mu ", "φ": r"\phi ", "ω": r"\omega ", "∅": r"\emptyset ", "ℝ": r"\mathbb{R}", "€": "€", "£": "£"},
}

_SILENT = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|quad|qquad)(?![A-Za-z])|\\[;:> ]|~|\\\n"
)
_THIN = re.compile(r"(?<=\d)(?:\{,\}|,?\\[,!])(?=\d{3}(?!\d))", re.ASCII)
_DEGREES = re.compile(
    r"\s*(?:\^\s*\\circ|\^\s*\{\s*\\circ\s*\}|°|\\degrees?)(?![A-Za-z])"
)  # the unit of angles, not a factor
_WORDS = r"text|textnormal|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|mbox|mathbb"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<num>(?:\d{{1,3}}(?:,\d{{3}})+(?!,?\d)|\d+)(?:\.\d+)?(?:[eE][+-]?\d{{1,3}}(?![\d.]))?|\.\d+)
    | \\(?P<begin>begin|end)\s*\{{(?P<env>[a-zA-Z]+)\}}
    | \\(?P<font>{_WORDS})\s*\{{(?P<words>[^{{}}\\$]*)\}}
    | (?P<cmd>\\(?:[A-Za-z]+|.))
    | (?P<word>[A-Za-z]+)
    | (?P<op>\*\*|<=|>=|!=|\S))""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_LIST_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3}(?![\d.]))?", re.ASCII)

TRIG = ("sin", "cos", "tan", "cot", "sec", "csc")
FUNCTIONS = frozenset(
    (*TRIG, *(f"arc{f}" for f in TRIG[:3]), "sinh", "cosh", "tanh", "log", "ln", "exp", "sqrt", "abs", "floor", "ceil")
)


class MathError(ValueError):
    """Text that can't be read as mathematics; `too_large` when it is over a limit."""

    def __init__(self, message: str, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def clean(text: str) -> str:
    """`text` under the one Unicode policy, without what only lays it out: delimiters, \\left, spacing, a full stop.

    Raises:
        MathError: it is over a limit, or holds a digit that is none of ours.
    """
    if len(text) > MAX_CHARS:
        raise MathError(f"{len(text)} characters; at most {MAX_CHARS} are read", too_large=True)
    if not text.isascii():
        text = "".join(_SPELLINGS.get(c, c) for c in text)
    plain = ascii_text(text)
    if plain is None:
        raise MathError("a digit of another script, a superscript or a vulgar fraction")
    for _ in range(4):
        before = plain
        plain = plain.removesuffix(".").strip() if not plain.endswith("..") else plain
        for start, end in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            if len(plain) > len(start) + len(end) and plain.startswith(start) and plain.endswith(end):
                inner = plain[len(start) : -len(end)]
                plain = inner.strip() if start not in inner and not inner.endswith("\\") else plain
        if plain == before:
            break
    plain = _DEGREES.sub("", plain)
    return _SILENT.sub(" ", _THIN.sub("", plain)).replace(r"\,", " ").replace(r"\!", "").strip()


def tokens_of(text: str, thousands: bool) -> list[tuple[str, str]]:
    """Tokens (kind, text) of cleaned text.

    Raises:
        MathError: too many of them, or a number of too many digits.
    """
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        kind, value = match.lastgroup, match.group(match.lastgroup)
        position = match.end()
        if kind == "num":
            if not thousands and "," in value:
                value = _LIST_NUMBER.match(value).group()
                position = match.start("num") + len(value)
            if sum(map(str.isdigit, value)) > MAX_DIGITS:
                raise MathError(f"a number of more than {MAX_DIGITS} digits", too_large=True)
        elif kind == "env":
            kind = match.group("begin")
        elif kind == "words":
            kind, value = _worded(match.group("font"), value.strip())
        elif kind == "word" and value in ("and", "or"):
            kind, value = "op", ","
        elif kind == "op" and value == "**":
            value = "^"
        tokens.append((kind, value))
        if len(tokens) > MAX_TOKENS:
            raise MathError(f"more than {MAX_TOKENS} signs", too_large=True)
    return tokens


def _worded(font: str, words: str) -> tuple[str, str]:
    """`\\mathrm{e}` is e and `\\operatorname{sin}` sin; `\\text{ and }` separates; other words are just words."""
    if words in ("and", "or", ", and", ", or"):
        return "op", ","
    if font == "mathbb":
        return "cmd", rf"\mathbb{words}"
    if font != "text" and (len(words) == 1 or words in FUNCTIONS):
        return "word", words
    return "words", words
