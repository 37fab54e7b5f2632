"""Writes verse to a form: sentences of a small grammar, word by word, with the syllables, stress and rhymes asked for.

A line is a template of kinds of words; a search with look-ahead fills it so that its length, meter, first letter and
last word come out right. No line is known beforehand.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

from envs.style.verse_words import ADJECTIVES, DETERMINERS, NOUN_FAMILIES, OPENERS, PREPOSITIONS, VERBS
from rewards.pronunciation import pronunciations, rhyme, stresses
from rewards.verse import fits

NOUNS = tuple(noun for family in NOUN_FAMILIES for noun in family.split())
_TEMPLATES = tuple(
    tuple(template.split())
    for template in (
        "det noun prep det noun",
        "det adj noun prep det noun",
        "det noun verb prep det noun",
        "det adj noun verb prep det noun",
        "det noun verb prep det adj noun",
        "det adj noun verb prep det adj noun",
        "opener det noun verb prep det noun",
        "opener det adj noun verb prep det noun",
        "opener det adj noun verb prep det adj noun",
        "prep det noun verb det noun",
        "prep det adj noun verb det noun",
        "prep det adj noun verb det adj noun",
        "det noun verb and prep det noun verb det noun",
        "det noun verb",
        "opener det noun verb",
        "opener det adj noun verb",
    )
)
_CONTENT = frozenset((*NOUNS, *ADJECTIVES, *VERBS))
_BRANCHES = 4  # words tried for a slot
_BUDGET = 40  # words tried for a template
_DRAFTS = 6  # of a poem, before the form is given up


@dataclass(frozen=True, slots=True)
class LineForm:
    """What one line has to be: [lowest, highest] syllables; the rest may be empty."""

    low: int
    high: int
    meter: str = ""
    letter: str = ""
    end: str = ""  # its last word
    subject: str = ""  # a noun that has to stand in it


@cache
def _lexicon() -> Mapping[str, tuple[str, ...]]:
    openers = tuple(word for words in OPENERS.values() for word in words.split())
    known = {"noun": NOUNS, "verb": VERBS, "prep": PREPOSITIONS, "adj": ADJECTIVES, "det": DETERMINERS}
    return {**known, "opener": openers, "and": ("and",)}


@cache
def _length(word: str) -> int:
    return len(stresses(word)[0])


@cache
def _bounds(kind: str) -> tuple[int, int]:
    lengths = [_length(word) for word in _lexicon()[kind]]
    return min(lengths), max(lengths)


@cache
def _starts_with_vowel(word: str) -> bool:
    return pronunciations(word)[0][0][-1].isdigit()


@cache
def rhyming(noun: str) -> tuple[str, ...]:
    """The nouns of the vocabulary that rhyme with `noun`, and with each other."""
    found: list[str] = []
    for other in NOUNS:
        if rhyme(noun, other) and all(rhyme(other, one) for one in found):
            found.append(other)
    return tuple(found)


def compose(rng: random.Random, target: Mapping[str, Any]) -> list[str]:
    """The lines of a poem of the target's form (see `rewards.verse`), or none where no draft came out."""
    for _ in range(_DRAFTS):
        if lines := _draft(rng, target):
            return [f"{line[0].upper()}{line[1:]}" for line in lines]
    return []


def _draft(rng: random.Random, target: Mapping[str, Any]) -> list[str]:
    count = len(target["syllables"])
    scheme, acrostic = target.get("rhymes") or "-" * count, target.get("acrostic", "")
    forbidden, subjects = set(target.get("forbidden", ())), list(target.get("words", ()))
    ends = _line_ends(rng, scheme, forbidden | set(subjects), target["syllables"][0][1], target.get("meter", ""))
    if not ends:
        return []
    places = rng.sample(range(count), count)
    subject_of = dict(zip(places, subjects, strict=False))
    used = {*forbidden, *subjects, *ends}
    lines: list[str] = []
    for i, (low, high) in enumerate(target["syllables"]):
        letter = acrostic[i] if acrostic else ""
        form = LineForm(low, high, target.get("meter", ""), letter, ends[i], subject_of.get(i, ""))
        line = _write(rng, form, used, lines) or _write(rng, form, used, lines)
        if not line:
            return []
        used |= _CONTENT.intersection(line)
        lines.append(" ".join(line))
    return lines


def _line_ends(rng: random.Random, scheme: str, taken: set[str], length: int, meter: str) -> list[str]:
    """A last word for every line that rhymes, each letter's from a rhyme of its own; "" where a line is free.

    Empty when the vocabulary has no such rhymes.
    """
    ends: list[str] = [""] * len(scheme)
    chosen: list[str] = []
    for letter in dict.fromkeys(scheme.replace("-", "")):
        places = [i for i, c in enumerate(scheme) if c == letter]
        family: list[str] = []
        for first in rng.sample(NOUNS, len(NOUNS)):
            rhymes = (n for n in (first, *rhyming(first)) if n not in taken)
            family = [n for n in rhymes if _may_stand(n, length - _length(n), meter)]
            if len(family) >= len(places) and not any(n in rhyming(other) for n in family for other in chosen):
                break
        else:
            return []
        picked = rng.sample(family, len(places))
        chosen += picked
        for place, noun in zip(places, picked, strict=True):
            ends[place] = noun
    return ends


def _write(rng: random.Random, form: LineForm, used: set[str], before: Sequence[str]) -> list[str]:
    """One line of that form as words, or none; `used` words stay out of it."""
    for template in rng.sample(_TEMPLATES, len(_TEMPLATES)):
        if form.end and template[-1] != "noun":
            continue
        nouns = [i for i, kind in enumerate(template) if kind == "noun" and not (form.end and i == len(template) - 1)]
        fixed = {rng.choice(nouns): form.subject} if form.subject and nouns else {}
        if form.subject and not fixed:
            continue
        line = _fill(rng, template, form, used, fixed)
        if line and not any(_shape(line) == _shape(other.split()) for other in before[-1:]):
            return line
    return []


def _shape(line: Sequence[str]) -> tuple[str, ...]:
    """The small words of a line: two in a row should not go by the same."""
    return tuple(word for word in line if word in DETERMINERS or word in PREPOSITIONS)


def _fill(
    rng: random.Random, template: Sequence[str], form: LineForm, used: set[str], fixed: Mapping[int, str]
) -> list[str]:
    """The template's words by depth-first search: no branch that can't reach the length is entered."""
    last = len(template) - 1
    known = {**fixed, last: form.end} if form.end else dict(fixed)
    spans = [(_length(known[i]),) * 2 if i in known else _bounds(kind) for i, kind in enumerate(template)]
    least = [*accumulate((low for low, _ in reversed(spans)), initial=0)][::-1]
    most = [*accumulate((high for _, high in reversed(spans)), initial=0)][::-1]
    if least[0] > form.high or most[0] < form.low:
        return []
    line: list[str] = []
    budget = _BUDGET

    def candidates(at: int, syllables: int) -> Iterator[str]:
        if at in known:
            pool = (known[at],) if _may_stand(known[at], syllables, form.meter) else ()
        else:
            shortest, longest = form.low - syllables - most[at + 1], form.high - syllables - least[at + 1]
            pool = _pool(template[at], shortest, longest, form.meter, syllables % 2, "" if at else form.letter)
        for word in rng.sample(pool, min(len(pool), _BRANCHES)):
            if (at in known or word not in used) and _agrees(line, word):
                yield word

    def search(at: int, syllables: int) -> bool:
        nonlocal budget
        if at > last:
            return True
        for word in candidates(at, syllables):
            budget -= 1
            if budget < 0:
                return False
            line.append(word)
            if search(at + 1, syllables + _length(word)):
                return True
            line.pop()
        return False

    return line if search(0, 0) else []


@cache
def _pool(kind: str, shortest: int, longest: int, meter: str, parity: int, letter: str) -> tuple[str, ...]:
    """The words of a kind with that many syllables and that first letter that fit the meter at an even or odd place."""
    return tuple(
        word
        for word in _lexicon()[kind]
        if shortest <= _length(word) <= longest and _may_stand(word, parity, meter) and word.startswith(letter)
    )


def _may_stand(word: str, at: int, meter: str) -> bool:
    return not meter or fits(word, stresses(word)[0], at, meter)


def _agrees(line: Sequence[str], word: str) -> bool:
    """Whether "a" or "an", if one stands before, is the right one, and nothing but an article comes twice."""
    before = line[-1] if line else ""
    right = before not in ("a", "an") or (before == "an") == _starts_with_vowel(word)
    return right and (word not in line or word == "the")
