"""Measurable style."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.style import consistent_list, readability_index, readable, short_sentences
from rewards.transcript import Message, Transcript

EASY = "The cat sat on the mat. It had a nap. Then it ran to the sea and ate a fish."
HARD = (
    "Institutional heterogeneity notwithstanding, constitutional arrangements systematically determine macroeconomic "
    "performance throughout industrialised democracies experiencing demographic transformation."
)


def said(text: str) -> Transcript:
    return Transcript((Message("user", "?"), Message("assistant", text)))


def test_hard_words_in_long_sentences_read_at_a_later_year():
    assert readability_index(EASY) < 3 < 12 < readability_index(HARD)
    assert readable(-9, 5)(said(EASY), {}).value == 1
    assert readable(-9, 5)(said(HARD), {}).value == 0
    assert readable(12, 99)(said(EASY), {}).value == 0


def test_sentences_that_run_on_cost_their_share():
    assert short_sentences(10)(said(EASY), {}).value == 1
    assert short_sentences(8)(said(EASY), {}).value == pytest.approx(2 / 3)
    assert short_sentences(8)(said(HARD), {}).value == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Here are the things that you need:\n- A map\n- Warm boots", 1),
        ("Here are the things that you need:\n- A map.\n- warm boots", 0),
        ("Here are the things that you need:\n- A map.\n- Warm boots", 0),
        ("Here are the things that you need now:\n- \n- \n- ", 0),
        ("Here are the things that you need now: a map and boots.", 0),
    ],
)
def test_a_list_keeps_one_form(text, value):
    assert consistent_list(said(text), {}).value == value


def test_bounds_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="lowest"):
        readable(5, 4)
    with pytest.raises(ValueError, match="a word"):
        short_sentences(0)


@pytest.mark.parametrize("text", ["", "Yes.", "...", "a cat. " * 30])
def test_too_little_or_the_same_again_earns_nothing(text):
    for reward in (readable(-50, 50), short_sentences(50), consistent_list):
        assert reward(said(text), {}).value == 0


@given(st.text())
def test_any_text_gets_a_score(text):
    for reward in (readable(0, 9), short_sentences(9), consistent_list):
        assert 0 <= reward(said(text), {}).value <= 1
