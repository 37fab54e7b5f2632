"""A reply as sentences, with what its author says set apart from what is only quoted, listed or code.

Judges of wording (`rewards.refusal`, `rewards.civility`) read `Sentence.said`, in which quotations, reported speech,
drafted letters and code are blanked, so that nobody is blamed for words that are not theirs.
"""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prose", "item", "code", "quote"]

_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_ITEM = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,3}[.)]|\(?[a-z][.)]|step \d+[.:])\s+", re.IGNORECASE)
_BREAK = re.compile(
    r"(?<=[.!?])[\"')\]*_]*\s+(?=[\"'(\[*_]*[A-Z0-9])"
    r"|(?<=[,;])\s+(?=(?:but|however|although|though)\b(?! also| rather))"
)
_NO_BREAK = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|vs|etc|e\.g|i\.e|No|U\.S|a\.m|p\.m)|\b[A-Z])\.$")
_LETTER_STARTS = re.compile(r"^\s*(?:subject:|dear\s+[\w\[])", re.IGNORECASE)
_QUOTED = re.compile(
    r'"[^"\n]{1,600}"|“[^”\n]{1,600}”|«[^»\n]{1,600}»|(?<![\w\'])\'[^\'\n]{2,80}\'(?!\w)|`[^`\n]{1,300}`'
)
_REPORTED = re.compile(
    r"\b(?:say|says|reply|replies|respond|write|writes|answer|read|reads|tell (?:them|him|her))"
    r"(?: something)?(?: like)?(?: this)?\s*[:,]\s*(?=\S)(.*)$",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "＇": "'"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of the text: `text[start:end]`, what kind it is, and what of it is said in the author's own voice."""

    start: int
    end: int
    kind: Kind
    said: str


def sentences(text: str) -> list[Sentence]:
    """The sentences of `text` in order; list items, lines of code and quoted lines are sentences of their own.

    So is a clause that starts with "but", since "I'm no doctor, but ..." does two things.
    A line that starts with ">", a fenced block, and a letter from its "Subject:" or "Dear ..." on are not in the
    author's voice: their `said` is empty. A text that is one quotation from end to end is taken at its word.
    """
    found: list[Sentence] = []
    fenced = letter = False
    whole = _is_one_quotation(text)
    offset = 0
    for line in text.splitlines(keepends=True):
        body = line.rstrip()
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced or line.lstrip().startswith(">"):
            if body.strip():
                found.append(Sentence(offset, offset + len(body), "code" if fenced else "quote", ""))
        elif body.strip():
            letter = letter or bool(_LETTER_STARTS.match(line))
            item = _ITEM.match(line)
            first = item.end() if item else 0
            for start, end in _split(body if whole else unquoted(body), first):
                said = "" if letter else _own_words(body[start:end], keep_quotes=whole)
                kind: Kind = "quote" if letter else "item" if item else "prose"
                found.append(Sentence(offset + start, offset + end, kind, said))
        offset += len(line)
    return found


def unquoted(text: str) -> str:
    """`text` with quotations and inline code blanked, straight apostrophes, and its length unchanged."""
    return _QUOTED.sub(lambda m: " " * len(m.group()), text.translate(_APOSTROPHES))


def _own_words(text: str, keep_quotes: bool) -> str:
    if keep_quotes:
        return text.translate(_APOSTROPHES)
    own = unquoted(text)
    reported = _REPORTED.search(own)
    if reported and not re.search(r"\b(?:I|we)\b[^,:]*$", own[: reported.start()]):
        own = own[: reported.start(1)] + " " * len(reported.group(1))
    return own


def _split(line: str, first: int) -> list[tuple[int, int]]:
    """Where sentences of one line start and end."""
    spans = []
    start = first
    for gap in _BREAK.finditer(line, first):
        if _NO_BREAK.search(line[start : gap.start()]):
            continue
        spans.append((start, gap.start()))
        start = gap.end()
    if line[start:].strip():
        spans.append((start, len(line)))
    return spans


def _is_one_quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 2 and bare[0] in "\"“'" and bare[-1] in "\"”'" and not re.search(r'["“”]', bare[1:-1])
