"""Constraints: every layout meets its own demands, the kinds are many, and only one's own words on the topic count."""

import random

import pytest

import envs
from envs.style.constraints import _LAYOUTS, SYSTEM, _around, _measured, on_topic
from envs.style.texts import ACROSTICS, OPENERS, TOPICS, sentences
from rewards.constraints import check
from rewards.score import Status
from rewards.transcript import Message, Transcript


@pytest.mark.parametrize("layout", _LAYOUTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", range(2, 11))
def test_every_layout_meets_its_own_demands(layout, n):
    rng = random.Random(n)
    for topic in TOPICS:
        text, demands = layout(rng, topic, n)
        assert demands
        for demand in demands:
            assert check(text, *demand).met, (demand, text)


def test_what_is_put_around_a_text_meets_its_demand():
    rng, seen = random.Random(0), set()
    for i in range(300):
        text, demands = _around(rng, " ".join(sentences(rng, "tea", 3)), "tea")
        seen |= {name for name, _ in demands}
        for demand in demands:
            assert check(text, *demand).met, (i, demand, text)
    assert len(seen) == 8


def test_most_measured_demands_hold_for_the_text_they_come_from():
    rng = random.Random(0)
    text = " ".join(sentences(rng, "maps", 5))
    unmet = [name for name, given in _measured(rng, text) if not check(text, name, given).met]
    assert not unmet


def test_more_than_forty_kinds_are_asked_and_more_of_them_the_harder_it_is():
    env = envs.make("postgym/Constraints-v0")
    kinds = {c["name"] for i in range(600) for c in env.sample_task(i, difficulty=i / 599).target["constraints"]}
    assert len(kinds) > 40
    for level, count in ((0.0, 2), (0.5, 4), (1.0, 6)):
        found = [len(env.sample_task(i, difficulty=level).target["constraints"]) for i in range(50)]
        assert max(found) == count
        assert sum(found) / len(found) > count - 0.6


def test_sentences_have_no_commas_no_digits_and_begin_as_asked():
    rng = random.Random(0)
    assert all(word[0] in OPENERS for word in ACROSTICS)
    for word in ACROSTICS:
        made = sentences(rng, "rain", len(word), word)
        assert "".join(s[0].lower() for s in made) == word
        assert all("rain" in s and "," not in s and not any(c.isdigit() for c in s) for s in made)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Rivers shape the land that they cross.", 1),
        ("Streams shape the land that they cross.", 0),
        ("Write about rivers. Use at least 3 bullet points and no commas at all.", 0),
        ("Write about rivers: they are long, and many fish live in the deep pools below their bends.", 1),
        ("", 0),
    ],
)
def test_a_reply_speaks_of_the_topic_in_its_own_words(reply, value):
    target = {"topic": "rivers", "request": "Write about rivers. Use at least 3 bullet points and no commas at all."}
    seen = Transcript((SYSTEM, Message("user", target["request"]), Message("assistant", reply)))
    assert on_topic(seen, target).value == value
    assert on_topic(seen, {}).status is Status.TASK_ERROR
