"""Constraints on which words and signs stand in a reply, and where."""

import re
from collections.abc import Sequence

from rewards.constraint_types import (
    COUNT,
    LETTER,
    RELATION,
    SIGN,
    WORDING,
    WORDINGS,
    Constraint,
    Finding,
    compare,
    plural,
)
from rewards.text import count_phrase, folded, has_words, paragraphs, repeated_share, sentences, visible, words

REST = 3  # words that must stand besides the one phrase a constraint asks for
_COMMAS = frozenset(",،՝፣᠂、꓾꘍‚⸲⸴⸒⹁⹌︐︑﹐﹑，､¸")
_POSTSCRIPT = r"(?im)^[ \t]*{}[:,]?[ \t]*(.*\Z)"
_CLOSING = "\"'”’»)]}*_ \n"


def _required_words(text: str, wanted: Sequence[str]) -> Finding:
    missing = [w for w in wanted if not count_phrase(w, text)]
    if missing:
        return Finding(False, f"{missing[0][:40]!r} is missing")
    rest = len(words(folded(text))) - sum(count_phrase(w, text) * len(words(w)) for w in wanted)
    return Finding(rest >= REST, "all are there" if rest >= REST else "nothing but the required words")


def _forbidden_words(text: str, unwanted: Sequence[str]) -> Finding:
    found = [w for w in unwanted if count_phrase(w, text)]
    return Finding(not found, f"{found[0][:40]!r} is used" if found else "none is used")


def _word_frequency(text: str, word: str, relation: str, count: int) -> Finding:
    return compare(count_phrase(word, text), relation, count, "time")


def _word_in_sentence(text: str, word: str, number: int) -> Finding:
    found = sentences(text)
    if len(found) < number:
        return Finding(False, f"only {plural(len(found), 'sentence')}")
    met = count_phrase(word, found[number - 1]) > 0
    return Finding(met, f"sentence {number} is {found[number - 1][:60]!r}")


def _paragraph_starts(text: str, word: str, number: int) -> Finding:
    found = paragraphs(text)
    if len(found) < number:
        return Finding(False, f"only {plural(len(found), 'paragraph')}")
    opening, wanted = words(folded(found[number - 1])), words(folded(word))
    met = opening[: len(wanted)] == wanted and len(opening) >= len(wanted) + REST
    return Finding(met, f"paragraph {number} starts {found[number - 1][:40]!r}")


def _spaced(text: str) -> str:
    return " ".join(visible(text).split())


def _starts_with(text: str, phrase: str) -> Finding:
    said, wanted = _spaced(text).casefold(), _spaced(phrase).casefold()
    if not said.startswith(wanted) or said[len(wanted) : len(wanted) + 1].isalnum():
        return Finding(False, f"starts with {said[:40]!r}")
    return _besides(said[len(wanted) :], wanted, "after")


def _ends_with(text: str, phrase: str) -> Finding:
    said, wanted = _spaced(text).casefold().rstrip(_CLOSING), _spaced(phrase).casefold().rstrip(_CLOSING)
    before = said[: len(said) - len(wanted)]
    if not said.endswith(wanted) or before[-1:].isalnum():
        return Finding(False, f"ends with {said[-40:]!r}")
    return _besides(before, wanted, "before")


def _besides(rest: str, phrase: str, where: str) -> Finding:
    """Phrase only, or phrase said over and over, is no reply."""
    own = folded(rest).replace(folded(phrase), " ")
    met = has_words(own, REST)
    return Finding(met, "as asked" if met else f"nothing stands {where} the phrase")


def _postscript(text: str, marker: str) -> Finding:
    found = list(re.finditer(_POSTSCRIPT.format(re.escape(marker)), visible(text), re.DOTALL))
    if not found or not has_words(found[0].group(1), 2):
        return Finding(False, f"no line that starts {marker!r} and says something")
    met = has_words(visible(text)[: found[0].start()], REST)
    return Finding(met, "has a postscript" if met else "nothing but a postscript")


def _repeat_prompt(text: str, prompt: str) -> Finding:
    said, wanted = _spaced(text), _spaced(prompt)
    if not said.startswith(wanted):
        return Finding(False, "doesn't start with the request, word for word")
    return _besides(said[len(wanted) :], wanted, "after")


def _no_comma(text: str) -> Finding:
    found = next((c for c in text if c in _COMMAS), "")
    return Finding(not found, f"holds {found!r}" if found else "no comma")


def _without_sign(text: str, sign: str) -> Finding:
    met = folded(sign) not in folded(text) and sign not in text
    return Finding(met, f"no {sign!r}" if met else f"holds {sign!r}")


def _no_digits(text: str) -> Finding:
    found = next((c for c in text if c.isnumeric() and not (c.isalpha() and ord(c) > 0x3000)), "")
    return Finding(not found, f"holds {found!r}" if found else "no digit")


def _lowercase(text: str) -> Finding:
    upper = next((c for c in text if c.isupper() or c.istitle()), "")
    met = not upper and any(c.islower() for c in text)
    return Finding(met, f"{upper!r} is a capital" if upper else "no capital" if met else "no letters with case")


def _uppercase(text: str) -> Finding:
    lower = next((c for c in text if c.islower()), "")
    met = not lower and any(c.isupper() for c in text)
    return Finding(met, f"{lower!r} is no capital" if lower else "capitals only" if met else "no letters with case")


def _capital_words(text: str, relation: str, count: int) -> Finding:
    found = [w for w in words(text) if w.isupper() and sum(c.isalpha() for c in w) > 1]
    return compare(len(set(found)) if relation == "at least" else len(found), relation, count, "word")


def _palindromes(text: str, relation: str, count: int) -> Finding:
    found = {w for w in words(folded(text)) if len(w) > 2 and w.isalpha() and w == w[::-1] and len(set(w)) > 1}
    return compare(len(found), relation, count, "palindrome")


def _sentence_letter(text: str, letter: str) -> Finding:
    firsts = [next((c for c in folded(s) if c.isalpha()), "") for s in sentences(text)]
    met = bool(firsts) and set(firsts) == {folded(letter)}
    return Finding(met, f"sentences start with {', '.join(firsts[:10])}")


def _acrostic(text: str, word: str) -> Finding:
    lines = [folded(line) for line in visible(text).splitlines() if has_words(line)]
    spelled = "".join(next(c for c in line if c.isalnum()) for line in lines)
    met = spelled == "".join(c for c in folded(word) if c.isalnum()) and all(has_words(line, 2) for line in lines)
    return Finding(met, f"the lines spell {spelled[:40]!r}")


def _different_openings(text: str) -> Finding:
    firsts = [words(folded(s))[0] for s in sentences(text) if has_words(s)]
    met = len(firsts) > 1 and len(set(firsts)) == len(firsts)
    return Finding(met, f"{len(set(firsts))} first words in {plural(len(firsts), 'sentence')}")


def _no_repeats(text: str) -> Finding:
    share = repeated_share(text, 4)
    return Finding(share == 0 and has_words(text, REST), f"{share:.0%} of the runs of four words stood there before")


_HOW_MANY = {"relation": RELATION, "count": COUNT}


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f'"{t}"' for t in texts)


WORDS = (
    Constraint(
        "required_words",
        {"wanted": WORDINGS},
        lambda wanted: f"Include these words: {_listed(wanted)}.",
        _required_words,
        {"wanted": ["river", "stone bridge"]},
    ),
    Constraint(
        "forbidden_words",
        {"unwanted": WORDINGS},
        lambda unwanted: f"Do not use these words: {_listed(unwanted)}.",
        _forbidden_words,
        {"unwanted": ["art"]},
    ),
    Constraint(
        "word_frequency",
        {"word": WORDING, **_HOW_MANY},
        lambda word, relation, count: f'Use "{word}" {relation} {plural(count, "time")}.',
        _word_frequency,
        {"word": "river", "relation": "exactly", "count": 2},
    ),
    Constraint(
        "word_in_sentence",
        {"word": WORDING, "number": COUNT},
        lambda word, number: f'Use "{word}" in sentence {number}.',
        _word_in_sentence,
        {"word": "river", "number": 2},
    ),
    Constraint(
        "paragraph_starts",
        {"word": WORDING, "number": COUNT},
        lambda word, number: f'Start paragraph {number} with "{word}"; a blank line parts paragraphs.',
        _paragraph_starts,
        {"word": "river", "number": 2},
    ),
    Constraint(
        "starts_with",
        {"phrase": WORDING},
        lambda phrase: f'Start with exactly this: "{phrase}"',
        _starts_with,
        {"phrase": "Let me see:"},
    ),
    Constraint(
        "ends_with",
        {"phrase": WORDING},
        lambda phrase: f'End with exactly this, and nothing after it: "{phrase}"',
        _ends_with,
        {"phrase": "Is there anything else?"},
    ),
    Constraint(
        "postscript",
        {"marker": WORDING},
        lambda marker: f'Add a postscript at the end that starts with "{marker}".',
        _postscript,
        {"marker": "P.S."},
    ),
    Constraint(
        "repeat_prompt",
        {"prompt": WORDING},
        lambda prompt: f'First repeat this request word for word, without change, then answer it: "{prompt}"',
        _repeat_prompt,
        {"prompt": "Where does the river rise?"},
    ),
    Constraint("no_comma", {}, lambda: "Do not use any commas.", _no_comma, {}),
    Constraint(
        "without_sign",
        {"sign": SIGN},
        lambda sign: f'Do not use this sign: "{sign}"',
        _without_sign,
        {"sign": "!"},
    ),
    Constraint("no_digits", {}, lambda: "Do not use digits.", _no_digits, {}),
    Constraint("lowercase", {}, lambda: "Write in lowercase letters only.", _lowercase, {}),
    Constraint("uppercase", {}, lambda: "Write in capital letters only.", _uppercase, {}),
    Constraint(
        "capital_words",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'word')} in capital letters only.",
        _capital_words,
        {"relation": "at least", "count": 2},
    ),
    Constraint(
        "palindromes",
        _HOW_MANY,
        lambda relation, count: f"Use {relation} {plural(count, 'different palindrome')} of three letters or more.",
        _palindromes,
        {"relation": "at least", "count": 2},
    ),
    Constraint(
        "sentence_letter",
        {"letter": LETTER},
        lambda letter: f'Start every sentence with the letter "{letter}".',
        _sentence_letter,
        {"letter": "s"},
    ),
    Constraint(
        "acrostic",
        {"word": WORDING},
        lambda word: f'Write lines of which the first letters spell "{word}".',
        _acrostic,
        {"word": "sun"},
    ),
    Constraint(
        "different_openings",
        {},
        lambda: "Start every sentence with a different word.",
        _different_openings,
        {},
    ),
    Constraint("no_repeats", {}, lambda: "Do not use the same four words in a row twice.", _no_repeats, {}),
)
