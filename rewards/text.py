"""Text as a reader sees it: without invisible signs, as words, sentences and paragraphs that hold something.

Judges of form (`rewards.constraints`, `rewards.reasoning`, `rewards.dialogue`) count with these, so that a dot, an
empty bullet or a zero-width space counts as nothing anywhere.
"""

import re
import unicodedata

from rewards.spelling import plain

MAX_CHARS = 40_000  # longer texts are no replies; judges refuse them
REPEATED = 0.5  # from this share of repeated word triples on, a text is the same again and again
_TRIPLE = 3
_SHORT = 12  # words; a shorter text may repeat itself by chance

_BLANKS = "\u115f\u1160\u3164\uffa0\u2800\u00ad"  # letters and symbols that print nothing
_INVISIBLE = {ord(c): None for c in _BLANKS}
_FORMAT = {c: None for c in (*range(0x80, 0x20000), *range(0xE0000, 0xE1000)) if unicodedata.category(chr(c)) == "Cf"}
_MARKS = "".join(c for c in map(chr, range(0x300, 0x3100)) if unicodedata.category(c) in ("Mn", "Mc"))
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and Han: a character is a word
_LETTER = rf"(?:(?![{_UNSPACED}])[^\W_][{_MARKS}]*)"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTER}+(?:['’\-]{_LETTER}+)*")
_SENTENCE_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s|$)|[。！？]+[”’」』）]*|\n[ \t]*\n"
    r"|\n(?=[ \t]*(?:[-*•+#>]|\d{1,3}[.)])[^\n])"
)
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|vs|etc|e\.g|i\.e|No|approx|cf|[A-Z])|^\s*\d{1,3})\.$")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")


def visible(text: str) -> str:
    """`text` without the characters that print nothing; every other space but the line break becomes a plain one."""
    if text.isascii():
        return text.replace("\r\n", "\n").replace("\t", " ")
    text = text.replace("\r\n", "\n").translate(_FORMAT).translate(_INVISIBLE)
    return "".join("\n" if c in "\u2028\u2029" else " " if c.isspace() and c != "\n" else c for c in text)


def folded(text: str) -> str:
    """`text` for comparing: visible, in one case, look-alike and accented letters as plain ones, spaces single."""
    seen = visible(text)
    return " ".join((seen.casefold() if seen.isascii() else plain(seen)).split())


def words(text: str) -> list[str]:
    """The words of `text`, as written; "don't" and "well-known" are one, and so is each Han or kana character."""
    return _WORD.findall(visible(text))


def count_phrase(phrase: str, text: str) -> int:
    """How often `phrase` stands in `text` in whole words, however either is spelled: "art" isn't in "party"."""
    wanted = words(folded(phrase))
    if not wanted:
        return folded(text).count(folded(phrase)) if folded(phrase) else 0
    apart = [p for w in wanted for p in re.split(r"['’\-]", w)]
    found = [p for w in words(folded(text)) for p in re.split(r"['’\-]", w)]
    return sum(found[i : i + len(apart)] == apart for i in range(len(found) - len(apart) + 1))


def sentences(text: str) -> list[str]:
    """The sentences of `text` that hold a letter. Blank lines and list items end one, besides . ! ? and their kin."""
    text = visible(text)
    found, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        if end.group().startswith(".") and _ABBREVIATION.search(text[max(start, end.start() - 12) : end.start() + 1]):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [s for s in found if any(c.isalpha() for c in s)]


def paragraphs(text: str) -> list[str]:
    """The stretches of `text` between blank lines that hold a word."""
    return [p.strip() for p in _PARAGRAPH_END.split(visible(text)) if has_words(p)]


def code_blocks(text: str) -> list[str]:
    """The blocks of code between lines of ```; one that never closes runs to the end."""
    return [block for block, fenced in _by_fences(text) if fenced]


def prose(text: str) -> str:
    """`text` without its fenced blocks of code."""
    return "\n".join(block for block, fenced in _by_fences(text) if not fenced)


def _by_fences(text: str) -> list[tuple[str, bool]]:
    blocks: list[tuple[list[str], bool]] = [([], False)]
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            blocks.append(([], not blocks[-1][1]))
        else:
            blocks[-1][0].append(line)
    return [("\n".join(lines), fenced) for lines, fenced in blocks]


def has_words(text: str, count: int = 1) -> bool:
    """Whether `text` holds at least `count` words."""
    return len(words(text)) >= count


def repeated_share(text: str, n: int = _TRIPLE) -> float:
    """The share of the runs of `n` words in `text` that stood there before; 0 for a text of fewer than 12 words."""
    found = words(folded(text))
    if len(found) < max(n, _SHORT):
        return 0.0
    runs = [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]
    return 1 - len(set(runs)) / len(runs)


def distinct(texts: list[str]) -> int:
    """How many of `texts` differ once folded to their words."""
    return len({" ".join(words(folded(t))) for t in texts})
