"""When does a call's argument say what was asked for: free in its spelling, strict in its type and meaning.

Texts may differ in case, blanks and the punctuation between words, as in BFCL's checker (Patil et al. 2025). Unlike
there, numbers inside a text stay whole, with their sign, and the operators of a formula count.
"""

import re
from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 32
_MAX_TEXT = 20_000
_SPELLINGS = str.maketrans({"\u2212": "-", "'": '"', "\u2019": '"', "\u2018": '"', "\u201c": '"', "\u201d": '"'})
_OPERATORS = re.compile(r"[\^*+=<>|&]")
_BLANKS = re.compile(r"(?<=\w)\s+(?=\w)|(\s+)")
_IMPLIED_TIMES = re.compile(r"(?<=\d)\*(?=[a-z(])")
_TOKEN = re.compile(
    r"""
    (?P<date> (?<![\d.]) (?: \d{4}([-/.])\d{1,2}\2\d{1,2} | \d{1,2}([-/.])\d{1,2}\3\d{4} ) (?! \d | [-/.]\d ) )
  | (?P<number> (?: (?: (?<!\S) | (?<=[(\[,;:]) ) - )?
                (?: \d+ (?: [./:]\d+ )* | (?<! \w) \.\d+ ) )
  | (?P<sign> (?: ^ | (?<=[(\[]) ) - (?=[^\W\d]) )
  | (?P<gap> [\s,./\-_]+? )
  | (?P<letter> . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", re.ASCII)


def accepts(given: Any, accepted: Any, schema: Mapping[str, Any] | None = None, depth: int = 0) -> bool:
    """Does the value `given` say what `accepted` says.

    Args:
        given: the argument that the model wrote, plain JSON.
        accepted: one right value, plain JSON.
        schema: the argument's JSON schema; an "integer" takes no 5.0, any other number takes 5 for 5.0.
        depth: how deep the values lie in the argument; beyond 32 nothing is accepted.
    """
    schema = schema if isinstance(schema, Mapping) else {}
    if depth > _MAX_DEPTH or isinstance(given, bool) or isinstance(accepted, bool):
        return given is accepted
    if isinstance(given, str) and isinstance(accepted, str):
        return same_text(given, accepted)
    if isinstance(given, int | float) and isinstance(accepted, int | float):
        return given == accepted and not (schema.get("type") == "integer" and isinstance(given, float))
    if isinstance(given, list | tuple) and isinstance(accepted, list | tuple):
        items = schema.get("items")
        return len(given) == len(accepted) and all(
            accepts(g, a, items, depth + 1) for g, a in zip(given, accepted, strict=True)
        )
    if isinstance(given, Mapping) and isinstance(accepted, Mapping):
        inner = schema.get("properties")
        inner = inner if isinstance(inner, Mapping) else {}
        return given.keys() == accepted.keys() and all(
            accepts(given[k], accepted[k], inner.get(k), depth + 1) for k in given
        )
    return given is None and accepted is None


def same_text(left: str, right: str) -> bool:
    """Do two texts differ in nothing but case, blanks, quotes and the punctuation between words.

    Numbers stay whole and signed ("1.5" isn't "15"), dates may change their separator, and thousands commas may go.
    Where either text is a formula only blanks, `**` for `^` and the `*` of `2*x` are free.
    """
    if left == right:
        return True
    if max(len(left), len(right)) > _MAX_TEXT:
        return False
    left, right = (text.translate(_SPELLINGS).casefold().strip() for text in (left, right))
    if _OPERATORS.search(left) or _OPERATORS.search(right):
        return _formula(left) == _formula(right)
    return not _readings(left).isdisjoint(_readings(right))


def _formula(text: str) -> str:
    closed = _BLANKS.sub(lambda m: "" if m.group(1) else " ", text)
    return _IMPLIED_TIMES.sub("", closed.replace("**", "^"))


def _readings(text: str) -> set[tuple[str, ...]]:
    """The text's tokens: "1,234" may be one number or two."""
    return {_tokens(text), _tokens(_THOUSANDS.sub(lambda m: m.group().replace(",", ""), text))}


def _tokens(text: str) -> tuple[str, ...]:
    """Dates and numbers whole, letters run together across blanks and punctuation."""
    tokens: list[str] = []
    after_letter = False
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind == "gap":
            continue
        if kind == "date":
            token = re.sub(r"[/.]", "-", token)
        elif kind == "number":
            token = re.sub(r"^(-?)\.", r"\g<1>0.", token)
        if kind in ("letter", "sign") and after_letter:
            tokens[-1] += token
        else:
            tokens.append(token)
        after_letter = kind in ("letter", "sign")
    return tuple(tokens) or (text,)
