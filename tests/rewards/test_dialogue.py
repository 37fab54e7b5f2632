"""Conversations: what is asked, what is remembered, what is asked again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.dialogue import asks_for_missing, no_repeated_questions, questions, states_details
from rewards.score import Status
from rewards.transcript import Message, Transcript

SLOTS = {
    "date": ["date", "day", "when"],
    "city": ["city", "town", "where"],
    "people": ["how many", "people", "guests"],
}
NEEDS_DATE = {"slots": SLOTS, "missing": "date"}
COMPLETE = {"slots": SLOTS, "missing": None}
BOOKING = {
    "details": {
        "time": {"values": ["5 pm", "17:00"], "outdated": ["3 pm", "15:00"]},
        "city": {"values": ["Rome"], "outdated": ["Paris"]},
    }
}


def said(*texts: str) -> Transcript:
    """User and assistant in turn; the assistant's are the last and every second before."""
    roles = ["user", "assistant"] if len(texts) % 2 == 0 else ["assistant", "user"]
    return Transcript(tuple(Message(roles[i % 2], t) for i, t in enumerate(texts)))


def asking(text: str, target=NEEDS_DATE) -> float:
    return asks_for_missing(said("Book a table in Rome for four.", text), target).value


def stating(text: str, target=BOOKING) -> float:
    return states_details(said("When and where is it?", text), target).value


# Clarification.


@pytest.mark.parametrize(
    "text",
    [
        "On which date shall I book the table?",
        "Happy to help with your table in Rome! What day would you like?",
        "Please tell me the date.",
        "I need to know the day first.",
        "<think>Which city? Which date?</think>When would you like to come?",
    ],
)
def test_one_question_about_what_is_missing_earns_the_point(text):
    assert asking(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I have booked your table.",
        "What would you like?",
        "In which city?",
        "On which date and in which city?",
        "On which date? And where?",
        "Please tell me the date. How many guests?",
        "Which day suits you, and what is your name?",
        "Which date? Which date?",
        "The date matters. Could you help me?",
        "<think>Which date?</think>Done.",
        "word " * 70 + "Which date?",
    ],
)
def test_no_question_the_wrong_one_or_too_many_earn_nothing(text):
    assert asking(text) == 0


@pytest.mark.parametrize(
    "text",
    [
        "On which date?",
        "Please confirm the date.",
        "I need to know the date.",
        "Could you clarify your request?",
        "Booked. Is there anything else about the date?",
    ],
)
def test_asking_where_nothing_is_missing_earns_nothing(text):
    assert asking(text, COMPLETE) == 0


@pytest.mark.parametrize("text", ["Your table is booked for Friday.", "Booked for Friday. Is there anything else?"])
def test_a_complete_request_is_answered(text):
    assert asking(text, COMPLETE) == 1
    assert asking(text) == 0


@pytest.mark.parametrize(
    "target",
    [{}, {"slots": {}}, {"slots": SLOTS}, {"slots": SLOTS, "missing": "x"}, {"slots": {"date": []}, "missing": "date"}],
)
def test_slots_that_name_nothing_are_the_tasks_fault(target):
    assert asks_for_missing(said("?", "Which date?"), target).status is Status.TASK_ERROR


# Details, corrections, interruptions.


@pytest.mark.parametrize(
    "text",
    [
        "The table in Rome is booked for 5 pm.",
        "It is at 17:00 in Rome, not at 3 pm.",
        "We moved it from 3 pm to 5 pm, and it is in Rome instead of Paris.",
        "It was 3 pm; now it starts at 5 PM in rome.",
    ],
)
def test_the_latest_facts_earn_the_points(text):
    assert stating(text) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The table is booked for 5 pm.", 0.5),
        ("The table in Rome is booked for 15 pm today.", 0.5),
        ("The table in Rome is booked for 3 pm.", 0),
        ("The table in Rome is at 5 pm or at 3 pm.", 0),
        ("It is in Rome or Paris, at 5 pm.", 0),
        ("It is not at 5 pm, and it is not in Rome.", 0),
        ("The Romeo table is at 5 pmish.", 0),
        ("5 pm Rome", 0),
        ("17:00, 5 pm, Rome", 0),
        ("", 0),
    ],
)
def test_what_is_missing_outdated_denied_or_dumped_costs(text, value):
    assert stating(text) == value


def test_going_on_after_an_interruption_takes_every_detail_and_the_next_step():
    pending = {**BOOKING, "next": ["name", "phone"]}
    back = "Back to your table in Rome at 5 pm. "
    assert stating(f"{back}Under which name shall I book it?", pending) == 1
    assert stating(f"{back}Goodbye.", pending) == pytest.approx(2 / 3)
    assert stating("Under which name shall I book it?", pending) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"details": {}},
        {"details": {"time": {}}},
        {"details": {"time": {"values": []}}},
        {"details": {"time": {"values": ["..."]}}},
        {"details": {"time": {"values": ["5 pm"], "outdated": ["5 PM"]}}},
        {"details": {"time": {"values": ["5 pm"]}}, "next": "name"},
    ],
    ids=str,
)
def test_details_that_cannot_be_stated_are_the_tasks_fault(target):
    assert states_details(said("?", "The table is at 5 pm."), target).status is Status.TASK_ERROR


# Questions asked again.


@pytest.mark.parametrize(
    "turns",
    [
        ("Hi", "Which date suits you?", "Friday", "Which date suits you?"),
        ("Hi", "Which date suits you?", "Friday", "Sorry, which date would suit you?"),
        ("Hi", "Which date suits you?", "Friday", "And on what day shall it be?"),
        ("Hi", "Which date suits you? Which date suits you?"),
    ],
)
def test_asking_again_earns_nothing(turns):
    assert no_repeated_questions(said(*turns), {"slots": SLOTS}).value == 0


def test_different_questions_are_fine():
    turns = ("Hi", "Which date suits you?", "Friday", "In which city?", "Rome", "How many guests will there be?")
    assert no_repeated_questions(said(*turns), {"slots": SLOTS}).value == 1
    assert no_repeated_questions(said("Hi", ""), {}).status is Status.INVALID_OUTPUT
    assert no_repeated_questions(said("Hi", "Hello."), {"slots": 5}).status is Status.TASK_ERROR


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Which day?", 1),
        ("Which day？", 1),
        ("أي يوم؟", 1),
        ("Please tell me the day.", 1),
        ("I will tell you the day.", 0),
        ("Done. Anything else?", 0),
        ("Anything else?", 1),
        ("", 0),
    ],
)
def test_questions_are_found_with_and_without_a_mark(text, count):
    assert len(questions(text)) == count


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.text(), st.sampled_from(["Which date?", "5 pm in Rome", "not Paris"])), max_size=4))
def test_any_conversation_gets_the_same_score_twice(texts):
    transcript = said(*texts)
    for reward, target in (
        (asks_for_missing, NEEDS_DATE),
        (asks_for_missing, COMPLETE),
        (states_details, BOOKING),
        (no_repeated_questions, {"slots": SLOTS}),
    ):
        score = reward(transcript, target)
        assert 0 <= score.value <= 1
        assert score == reward(transcript, target)
