"""What counts as the answer in a text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.format import final_answer
from rewards.transcript import Message, Transcript


def closing(text: str) -> str:
    return Transcript((Message("user", "?"), Message("assistant", text))).answer


@pytest.mark.parametrize("text", ["Answer: 5", "so it is\nAnswer: 5", "  answer:5  \n\n", "ANSWER:\t5\r\n"])
def test_the_closing_line_is_the_answer(text):
    assert final_answer(text) == "5"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "Answer:",
        "Answer:   \n",
        "Answer: 5\nAnswer: 5",
        "Answer: 3\nso\nAnswer: 5",
        "Answer: 5\nBut \\boxed{3}",
        "The answer: 5",
        "Answer : 5",
    ],
)
def test_no_several_or_unfinished_answers_are_none(text):
    assert final_answer(text) is None


def test_a_long_run_of_spaces_costs_no_time():
    start = time.perf_counter()
    assert final_answer("Answer: 1" + " " * 100_000 + "2") is not None
    assert time.perf_counter() - start < 0.05


@given(st.text())
def test_any_text_gives_an_answer_without_margins_or_none(text):
    found = final_answer(text)
    assert found is None or (found == found.strip() and found in text)


@given(st.text(alphabet="abc 123", min_size=1).filter(str.strip))
def test_what_is_written_is_what_is_found(value):
    assert final_answer(f"work\nAnswer: {value}\n") == value.strip()


def test_only_what_follows_the_thinking_counts():
    assert closing("<think>Answer: 5</think>I give up") == "I give up"
    assert closing("<think></think>Answer: 5") == "Answer: 5"


@pytest.mark.parametrize("text", ["<think>Answer: 5", "Answer: 5\n<think>or", "Answer: 5<think>or</think>"])
def test_open_thinking_or_thinking_after_the_answer_leaves_nothing(text):
    assert closing(text) == ""
