"""Constraints on how much a reply holds: words, sentences, paragraphs, lines, letters."""

from rewards.constraint_types import (
    BOUNDS,
    COUNT,
    LETTER,
    RELATION,
    Constraint,
    Finding,
    compare,
    compare_items,
    plural,
)
from rewards.text import folded, paragraphs, sentences, visible, words

MAX_RUN = 2  # "soooooon" holds two o's to whoever counts letters


def _count_words(text: str, relation: str, count: int) -> Finding:
    return compare(len(words(text)), relation, count, "word")


def _word_range(text: str, bounds: list[int]) -> Finding:
    found, (low, high) = len(words(text)), bounds
    return Finding(low <= found <= high, f"{plural(found, 'word')} where {low} to {high} are asked for")


def _count_characters(text: str, relation: str, count: int) -> Finding:
    return compare(sum(not c.isspace() for c in visible(text)), relation, count, "character")


def _count_sentences(text: str, relation: str, count: int) -> Finding:
    return compare_items(sentences(text), relation, count, "sentence")


def _count_paragraphs(text: str, relation: str, count: int) -> Finding:
    return compare_items(paragraphs(text), relation, count, "paragraph")


def _count_lines(text: str, relation: str, count: int) -> Finding:
    lines = [line for line in visible(text).splitlines() if words(line)]
    return compare_items(lines, relation, count, "line")


def _words_in_sentence(text: str, count: int) -> Finding:
    longest = max((len(words(s)) for s in sentences(text)), default=0)
    return Finding(0 < longest <= count, f"the longest sentence has {plural(longest, 'word')}")


def _sentences_in_paragraph(text: str, count: int) -> Finding:
    found = [len(sentences(p)) for p in paragraphs(text)]
    return Finding(bool(found) and set(found) == {count}, f"the paragraphs have {found[:20]} sentences")


def _letters_in_word(text: str, count: int) -> Finding:
    longest = max(words(text), key=len, default="")
    return Finding(0 < len(longest) <= count, f"the longest word is {longest[:40]!r}")


def _letter_frequency(text: str, letter: str, relation: str, count: int) -> Finding:
    shown, run, before = 0, 0, ""
    for c in folded(text):
        run = run + 1 if c == before else 1
        before = c
        shown += c == folded(letter) and (run <= MAX_RUN or relation != "at least")
    return compare(shown, relation, count, "time")


def _without_letter(text: str, letter: str) -> Finding:
    found = [w for w in words(text) if folded(letter) in folded(w)]
    return Finding(not found, f"{letter!r} stands in {found[0][:40]!r}" if found else f"no {letter!r}")


_HOW_MANY = {"relation": RELATION, "count": COUNT}

COUNTS = (
    Constraint(
        "words",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'word')}.",
        _count_words,
        {"relation": "at least", "count": 10},
    ),
    Constraint(
        "word_range",
        {"bounds": BOUNDS},
        lambda bounds: f"Write between {bounds[0]} and {bounds[1]} words.",
        _word_range,
        {"bounds": [5, 20]},
    ),
    Constraint(
        "characters",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'character')}, not counting spaces.",
        _count_characters,
        {"relation": "at most", "count": 60},
    ),
    Constraint(
        "sentences",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'sentence')}.",
        _count_sentences,
        {"relation": "exactly", "count": 2},
    ),
    Constraint(
        "paragraphs",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'paragraph')}, with a blank line between paragraphs.",
        _count_paragraphs,
        {"relation": "exactly", "count": 2},
    ),
    Constraint(
        "lines",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'line')}.",
        _count_lines,
        {"relation": "exactly", "count": 3},
    ),
    Constraint(
        "words_in_sentence",
        {"count": COUNT},
        lambda count: f"Let no sentence be longer than {plural(count, 'word')}.",
        _words_in_sentence,
        {"count": 8},
    ),
    Constraint(
        "sentences_in_paragraph",
        {"count": COUNT},
        lambda count: f"Give every paragraph exactly {plural(count, 'sentence')}.",
        _sentences_in_paragraph,
        {"count": 2},
    ),
    Constraint(
        "letters_in_word",
        {"count": COUNT},
        lambda count: f"Use no word of more than {plural(count, 'letter')}.",
        _letters_in_word,
        {"count": 6},
    ),
    Constraint(
        "letter_frequency",
        {"letter": LETTER, **_HOW_MANY},
        lambda letter, relation, count: f'Use the letter "{letter}" {relation} {plural(count, "time")}.',
        _letter_frequency,
        {"letter": "a", "relation": "at least", "count": 5},
    ),
    Constraint(
        "without_letter",
        {"letter": LETTER},
        lambda letter: f'Do not use the letter "{letter}".',
        _without_letter,
        {"letter": "e"},
    ),
)
