"""Whether a text says anything at all: what a judge or a learned reward must not even be asked about.

A colon, an opening such as "Thought process:" or blank space makes such models say "good" (Zhao et al. 2025, One
Token to Fool LLM-as-a-Judge); here they are recognised by what they lack.
"""

import re
import unicodedata

_OPENINGS = (
    "thought process",
    "solution",
    "answer",
    "final answer",
    "the answer is",
    "the final answer is",
    "reasoning",
    "explanation",
    "sure",
    "okay",
    "certainly",
    "of course",
    "step 1",
    "let's think",
    "let's think step by step",
    "let's solve this",
    "let's solve this step by step",
    "let's solve this problem",
    "let's solve this problem step by step",
    "let me think",
    "here is the solution",
    "here is the answer",
    "here is my answer",
    "respuesta",
    "solución",
    "lösung",
    "antwort",
    "réponse",
    "解",
    "解答",
    "答案",
    "かいせつ",
    "解説",
)
_MAX_HEADING_WORDS = 6
_MAX_CHARS = 20_000  # content is looked for at the beginning: nobody pads for longer and means it
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def has_content(text: str) -> bool:
    """Whether anything but blanks, punctuation, headings and openings stands in the text.

    A heading is a line of up to six words that ends in a colon or begins as in Markdown. A mathematical sign beyond
    ASCII, such as ∞ or ∅, is content; so is any word or number that isn't an opening.
    """
    return any(_says_something(line) for line in text[:_MAX_CHARS].splitlines())


def _says_something(line: str) -> bool:
    line = unicodedata.normalize("NFKC", line).replace("\u2019", "'").strip(" \t*_>-`")
    words = _WORD.findall(line.casefold())
    if not words:
        return any(unicodedata.category(c) == "Sm" and not c.isascii() for c in line)
    heading = line.endswith(":") or line.startswith(("# ", "##"))
    if heading and len(words) <= _MAX_HEADING_WORDS:
        return False
    return not _only_openings(" ".join(words))


def _only_openings(words: str) -> bool:
    """Whether the words are openings one after the other."""
    while words:
        fits = [o for o in _OPENINGS if words == o or words.startswith(f"{o} ")]
        if not fits:
            return False
        words = words[len(max(fits, key=len)) :].lstrip()
    return True
