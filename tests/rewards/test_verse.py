"""Verse: poems that meet their form earn 1, and each demand is missed by a poem that misses it alone."""

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from rewards.pronunciation import stresses
from rewards.score import Status
from rewards.transcript import Message, Transcript
from rewards.verse import keeps_form, line_lengths, poem_lines, spoken

HAIKU = "The pond lies so still,\nthen a green frog leaps and lands:\nrings upon the rings."
FORM = {"syllables": [[5, 5], [7, 7], [5, 5]], "words": ["frog", "pond"], "acrostic": "ttr", "forbidden": ["art"]}
QUATRAIN = (
    "The winter wind has swept the lane,\nthe gate is loose and swings,\n"
    "a robin on the window pane\nforgets the cold and sings."
)
RHYMED = {"syllables": [[8, 8], [6, 6], [8, 8], [6, 6]], "rhymes": "ABAB", "meter": "iambic", "words": ["robin"]}


def said(text):
    return Transcript((Message("user", "A poem, please."), Message("assistant", text)))


def value(text, target):
    return keeps_form(said(text), target).value


@pytest.mark.parametrize(("poem", "form"), [(HAIKU, FORM), (QUATRAIN, RHYMED)])
def test_an_honest_poem_earns_everything(poem, form):
    score = keeps_form(said(poem), form)
    assert score.value == 1, score.reason
    assert all(part.value == 1 for part in score.parts)


@pytest.mark.parametrize(
    ("part", "poem", "target"),
    [
        ("syllables", HAIKU.replace("green ", ""), FORM),
        ("words", HAIKU.replace("frog", "toad"), FORM),
        ("words", HAIKU.replace("frog", "frogs"), FORM),
        ("acrostic", HAIKU.replace("then a", "now a"), FORM),
        ("forbidden", HAIKU.replace("rings upon", "art upon"), FORM | {"acrostic": "tta"}),
        ("rhymes", QUATRAIN.replace("sings", "calls"), RHYMED),
        ("rhymes", QUATRAIN.replace("swings", "sings"), RHYMED),
        ("rhymes", QUATRAIN, RHYMED | {"rhymes": "AABB"}),
        ("rhymes", QUATRAIN, RHYMED | {"rhymes": "ABCB"}),
        ("meter", QUATRAIN.replace("a robin on the window", "a robin on windows every"), RHYMED),
        ("meter", QUATRAIN, RHYMED | {"meter": "trochaic"}),
    ],
)
def test_each_demand_is_judged_by_itself(part, poem, target):
    score = keeps_form(said(poem), target)
    assert score.value == 0
    assert [p.name for p in score.parts if p.value == 0] == [part], score.reason


def test_free_lines_of_a_scheme_may_end_as_they_like():
    assert value(QUATRAIN, RHYMED | {"rhymes": "-A-A"}) == 1
    assert value(QUATRAIN.replace("pane", "stone"), RHYMED | {"rhymes": "-A-A"}) == 1


@pytest.mark.parametrize("gap", ["\n\n", " \n", "\r\n", "\n\n\n"])
def test_blank_lines_and_spaces_change_nothing(gap):
    assert value(HAIKU.replace("\n", gap), FORM) == 1


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda t: t.replace(",", " —"), lambda t: f"  {t}\n"])
def test_case_and_punctuation_change_nothing(change):
    assert value(change(HAIKU), FORM) == 1


@pytest.mark.parametrize(
    ("line", "lengths"),
    [
        ("the fire in the library", {7, 8}),
        ("a half-eaten poem", {6}),
        ("don't", {1}),
        ("over the river", {5}),
    ],
)
def test_any_listed_pronunciation_may_count(line, lengths):
    assert line_lengths(spoken(line)) == lengths


@pytest.mark.parametrize("line", ["a blorf in the sea", "7 birds", "a b c d e", "🌊 the sea", "the s\u0435a", "`sea`"])
def test_a_line_that_cannot_be_verified_is_none(line):
    assert spoken(line) is None


SPOKEN = st.sampled_from(["the", "fire", "of", "a", "river", "guitar", "every", "umbrella", "flower"])


@settings(max_examples=60)
@given(st.lists(SPOKEN, min_size=1, max_size=6))
def test_line_lengths_agree_with_trying_every_reading(words):
    readings = product(*(stresses(w) for w in words))
    assert line_lengths(words) == {sum(map(len, reading)) for reading in readings}


@settings(max_examples=60)
@given(st.lists(SPOKEN, min_size=1, max_size=6))
def test_iambic_lines_agree_with_trying_every_reading(words):
    kept = set()
    for reading in product(*(stresses(w) for w in words)):
        marks = "".join(  # what each syllable asks for: a strong place, a weak one, or any
            ("w" if word in ("a", "the") else "-") if len(stress) == 1 else stress.replace("1", "s")
            for word, stress in zip(words, reading, strict=True)
        )
        if "s" not in marks[::2] and "w" not in marks[1::2]:
            kept.add(len(marks))
    assert line_lengths(words, "iambic") == kept


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_any_text_gets_a_score(text):
    score = keeps_form(said(text), FORM)
    assert score.value == 0
    assert score.status in (Status.OK, Status.INVALID_OUTPUT)
    assert len(poem_lines(text)) <= text.count("\n") + text.count("\r") + len(text)


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"syllables": []},
        {"syllables": [[5, 4]]},
        {"syllables": [[0, 4]]},
        {"syllables": [[True, 4]]},
        {"syllables": "557"},
        FORM | {"rhymes": "AB"},
        FORM | {"acrostic": "no"},
        FORM | {"acrostic": 7},
        FORM | {"meter": "free"},
        FORM | {"words": "frog"},
        FORM | {"forbidden": [""]},
    ],
    ids=str,
)
def test_a_broken_target_is_the_tasks_fault(target):
    assert keeps_form(said(HAIKU), target).status is Status.TASK_ERROR


def test_a_line_of_an_experts_poem_that_loses_a_word_no_longer_fits_an_exact_form():
    env, rng = envs.make("postgym/Poetry-v0"), random.Random(0)
    for i in range(40):
        task = env.sample_task(i, difficulty=0.85)
        lines = task.meta["poem"].splitlines()
        at = rng.randrange(len(lines))
        kept = [w for j, w in enumerate(lines[at].split()) if j != 1]
        spoiled = "\n".join([*lines[:at], " ".join(kept), *lines[at + 1 :]])
        assert keeps_form(said(spoiled), task.target).value == 0
        doubled = replace(said(task.meta["poem"]), messages=said(task.meta["poem"]).messages * 2)
        assert keeps_form(doubled, task.target).value == 1
