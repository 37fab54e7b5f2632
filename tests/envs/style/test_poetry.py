"""Poetry: its vocabulary is sound, forms grow with difficulty, and poems are composed, not looked up."""

import random
from itertools import combinations, pairwise

import pytest

import envs
from envs.style import verse_words
from envs.style.composer import NOUNS, compose
from rewards.pronunciation import pronunciations, rhyme
from rewards.verse import line_lengths, spoken


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Poetry-v0")


def test_every_word_of_the_vocabulary_is_in_the_dictionary():
    openers = [w for words in verse_words.OPENERS.values() for w in words.split()]
    known = (*NOUNS, *verse_words.VERBS, *verse_words.PREPOSITIONS, *verse_words.ADJECTIVES, *openers)
    assert not [word for word in (*known, *verse_words.DETERMINERS) if not pronunciations(word)]
    assert len(set(NOUNS)) == len(NOUNS)


def test_nouns_of_a_family_rhyme_with_each_other():
    for family in verse_words.NOUN_FAMILIES:
        for a, b in combinations(family.split(), 2):
            assert rhyme(a, b), (a, b)


def test_openers_begin_with_their_letter():
    assert all(w[0] == letter for letter, words in verse_words.OPENERS.items() for w in words.split())


def test_the_same_form_gets_another_poem_each_time():
    form = {"syllables": [[5, 5], [7, 7], [5, 5]], "words": ["river"]}
    poems = {"\n".join(compose(random.Random(i), form)) for i in range(50)}
    assert len(poems) == 50


def test_lines_have_an_article_that_fits_and_no_word_twice_but_small_ones(env):
    for i in range(60):
        poem = env.sample_task(i, difficulty=i / 59).meta["poem"]
        found = [spoken(line) for line in poem.splitlines()]
        nouns = [w for line in found for w in line if w in NOUNS]
        assert len(nouns) == len(set(nouns)), poem
        for line in found:
            for word, following in pairwise(line):
                if word in ("a", "an"):
                    assert (word == "an") == pronunciations(following)[0][0][-1].isdigit(), line


def test_what_is_asked_for_grows_with_difficulty(env):
    sizes, kinds = [], []
    for level in (0.0, 0.5, 1.0):
        tasks = [env.sample_task(i, difficulty=level) for i in range(60)]
        sizes.append(sum(len(t.target["syllables"]) for t in tasks))
        kinds.append({key for t in tasks for key in t.target})
    assert sizes == sorted(sizes)
    assert "rhymes" not in kinds[0]
    assert "rhymes" in kinds[1]
    assert {"meter", "forbidden"} <= kinds[2]


def test_the_request_names_every_demand(env):
    for i in range(60):
        task = env.sample_task(i, difficulty=i / 59)
        asked = task.prompt[-1].content
        for key in ("words", "forbidden"):
            assert all(f'"{word}"' in asked for word in task.target.get(key, ()))
        for key in ("rhymes", "meter", "acrostic"):
            assert task.target.get(key, "") in asked
        for low, high in task.target["syllables"]:
            assert (str(low) if low == high else f"{low} to {high}") in asked


def test_a_poems_lines_have_the_length_by_every_words_first_pronunciation(env):
    for i in range(60):
        task = env.sample_task(i, difficulty=i / 59)
        for line, (low, high) in zip(task.meta["poem"].splitlines(), task.target["syllables"], strict=True):
            first = sum(p[-1].isdigit() for word in spoken(line) for p in pronunciations(word)[0])
            assert low <= first <= high
            assert first in line_lengths(spoken(line), task.target.get("meter", ""))
