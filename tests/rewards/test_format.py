"""What counts as the answer in a text."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.format import final_answer, read_json, tagged_answer, think_then_answer, well_formed_json
from rewards.score import Status
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
    start = time.process_time()
    assert final_answer("Answer: 1" + " " * 100_000 + "2") is not None
    assert time.process_time() - start < 0.05


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


# Tags.

GOOD = "<think>3 + 2 is 5</think>\n<answer>5</answer>"


def said(text: str, prompt: str = "?") -> Transcript:
    return Transcript((Message("user", prompt), Message("assistant", text)))


def form(text: str, prompt: str = "?", **options) -> float:
    return think_then_answer(**options)(said(text, prompt), {}).value


def test_thinking_then_an_answer_is_the_form():
    assert form(GOOD) == 1
    assert form(f"\n{GOOD}\n") == 1
    assert form("3 + 2 is 5</think><answer>5</answer>", opened=True) == 1
    assert form("<think>3 + 2 is 5</think>Answer: 5", answer_tags=False) == 1
    assert form("<think></think><answer>5</answer>", thinking=False) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "<answer>5</answer>",
        "<think></think><answer>5</answer>",
        "<think> \n\u200b... </think><answer>5</answer>",
        "<think>5</think><answer></answer>",
        "<think>5</think><answer> \n</answer>",
        "<think>5</think>",
        "<think>5<answer>5</answer></think>",
        "<answer>5</answer><think>5</think>",
        GOOD + GOOD,
        "<think>a</think><think>b</think><answer>5</answer>",
        "<think>a<think>b</think></think><answer>5</answer>",
        "<think>a</think><answer>5</answer><answer>5</answer>",
        "<think>a</think><answer>5</answer> or 6",
        "<think>a</think> so <answer>5</answer>",
        "First: <think>a</think><answer>5</answer>",
        "<think>a</think><answer>5",
        "<THINK>a</THINK><answer>5</answer>",
        "<think>a</think><answer>5</answer></answer>",
        "<think>a</think>< answer >4</ answer ><answer>5</answer>",
    ],
)
def test_any_other_form_earns_nothing(text):
    assert form(text) == 0
    assert think_then_answer()(said(text), {}).status is Status.INVALID_OUTPUT


def test_tags_of_the_prompt_do_not_count():
    assert form("5", prompt=GOOD) == 0
    assert form(GOOD, prompt=GOOD) == 1
    assert think_then_answer()(Transcript((Message("assistant", GOOD), Message("user", "?"))), {}).value == 0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer> 5 </answer>", "5"),
        ("so <answer>5</answer>\n", "5"),
        ("<answer></answer>", None),
        ("<answer>.</answer>", None),
        ("<answer>4</answer><answer>5</answer>", None),
        ("<answer>5</answer> or 6", None),
        ("5", None),
    ],
)
def test_the_one_tagged_answer_that_closes_the_text_counts(text, answer):
    assert tagged_answer(text) == answer


# JSON.

FIELDS = {"fields": {"city": "string", "people": "integer", "share": "number", "open": "boolean"}}
OBJECT = {"city": "Oslo", "people": 4, "share": 0.5, "open": True}


def test_the_json_asked_for_is_well_formed():
    for text in (
        json.dumps(OBJECT),
        f"```json\n{json.dumps(OBJECT, indent=2)}\n```",
        f"<think>a</think>{json.dumps(OBJECT)}",
    ):
        assert well_formed_json(said(text), FIELDS).value == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Oslo",
        "[]",
        "{}",
        json.dumps({**OBJECT, "extra": 1}),
        json.dumps({**OBJECT, "people": 4.5}),
        json.dumps({**OBJECT, "people": True}),
        json.dumps({**OBJECT, "people": "4"}),
        json.dumps({**OBJECT, "city": "  "}),
        json.dumps({**OBJECT, "share": float("nan")}),
        json.dumps(OBJECT)[:-1] + ', "city": "Rome"}',
        json.dumps(OBJECT) + json.dumps(OBJECT),
        "Here it is: " + json.dumps(OBJECT),
        '{"city": "Oslo", "people": 4, "share": 1e999, "open": true}',
    ],
)
def test_other_json_is_not(text):
    assert well_formed_json(said(text), FIELDS).value == 0


@pytest.mark.parametrize("fields", [None, {}, {"city": "text"}, {"city": ["string"]}, ["city"]])
def test_fields_without_types_are_the_tasks_fault(fields):
    assert well_formed_json(said(json.dumps(OBJECT)), {"fields": fields}).status is Status.TASK_ERROR


@pytest.mark.parametrize("text", ["[" * 90_000, "[" * 500 + "]" * 500, "9" * 5_000, "[" * 200_000, '{"a":' * 9_000])
def test_hostile_json_is_refused_in_little_time(text):
    start = time.process_time()
    with pytest.raises(ValueError):  # noqa: PT011
        read_json(text)
    assert time.process_time() - start < 0.5


@given(st.one_of(st.text(), st.text(alphabet='<>/thinkanswer {}[]":1,.')))
def test_any_text_is_judged(text):
    assert form(text) in (0, 1)
    assert well_formed_json(said(text), FIELDS).value in (0, 1)
    assert tagged_answer(text) is None or tagged_answer(text) in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_json_that_was_written_is_read(value):
    assert read_json(json.dumps(value)) == value
