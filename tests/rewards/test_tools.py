from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.score import Score, Status
from rewards.tools import (
    economy,
    fetched,
    grounded,
    read_number,
    right_answer,
    same_json,
    valid_calls,
    well_formed,
    when,
)
from rewards.transcript import CallRecord, Message, Transcript


def number(value):
    return {"answer": [{"type": "number", "value": value}]}


CITY_AND_NUMBER = {
    "answer": [{"type": "text", "value": "Oslo", "choices": ["Oslo", "Bergen"]}, {"type": "number", "value": "6"}]
}
READ = {"name": "read", "arguments": {"lat": 1.5, "unit": "celsius"}}
NEEDS = {"needs": [[READ]], "defaults": {"read": {"unit": "celsius"}}, "calls": 2}


def said(reply, *calls, asked=""):
    return Transcript((Message("user", asked), Message("assistant", reply)), calls)


def call(name="read", result=None, error=None, **arguments):
    return CallRecord(name, arguments, result, error)


@pytest.mark.parametrize(
    ("gold", "given_"),
    [("1.5", "15"), ("-5", "5"), ("15", "1.5"), ("15", "150"), ("1", "10"), ("10", "100"), ("0.1", "01"), ("5", "-5")],
)
def test_a_number_is_right_by_its_value_alone(gold, given_):
    assert right_answer(said(f"Answer: {given_}"), number(gold)).value == 0
    assert right_answer(said(f"Answer: {gold}"), number(gold)).value == 1


@pytest.mark.parametrize("spelling", ["15", "15.0", "15.00", "+15", "015"])
def test_spellings_of_one_number_are_all_right(spelling):
    assert right_answer(said(f"Answer: {spelling}"), number("15")).value == 1


def test_the_typographic_minus_is_a_minus():
    assert right_answer(said("Answer: \u22125"), number("-5")).value == 1
    assert right_answer(said("Answer: \u22125"), number("5")).value == 0


@pytest.mark.parametrize(
    "text",
    [
        "15 C",
        "15, 16",
        "fifteen",
        "1e1",
        "１５",
        "٥",
        "5.",
        ".5",
        "--5",
        "1_5",
        "0x5",
        "nan",
        "inf",
        "true",
        '{"t": 15}',
        "",
    ],
)
def test_what_is_no_plain_number_is_not_well_formed(text):
    verdict = well_formed(said(f"Answer: {text}"), number("15"))
    assert (verdict.value, verdict.status) == (0, Status.INVALID_OUTPUT)


@pytest.mark.parametrize(
    "reply",
    ["15", "Answer: 15\nAnswer: 15", "Answer: 15\nor so", "<think>Answer: 15</think>", "<think>x\nAnswer: 15", ""],
)
def test_a_reply_without_one_closing_answer_line_is_not_well_formed(reply):
    assert well_formed(said(reply), number("15")).value == 0
    assert right_answer(said(reply), number("15")).value == 0


def test_two_fields_must_both_be_right_and_in_order():
    assert right_answer(said("Answer: Oslo, 6"), CITY_AND_NUMBER).value == 1
    for wrong in ("Bergen, 6", "Oslo, 7", "oslo, 6", "6, Oslo", "Oslo", "Oslo, 6, 7", "Oslo 6"):
        assert right_answer(said(f"Answer: {wrong}"), CITY_AND_NUMBER).value == 0, wrong


def test_a_text_field_must_be_one_of_its_choices():
    assert well_formed(said("Answer: Bergen, 1"), CITY_AND_NUMBER).value == 1
    assert well_formed(said("Answer: Oslo or Bergen, 1"), CITY_AND_NUMBER).value == 0


@pytest.mark.parametrize(
    "fields",
    [None, [], [{"type": "number", "value": ""}], [{"type": "text", "value": " "}], [{"type": "number", "value": "x"}]],
)
def test_a_gold_answer_that_nothing_can_meet_is_the_tasks_fault(fields):
    for reward in (right_answer, well_formed):
        assert reward(said("Answer: "), {"answer": fields}).status is Status.TASK_ERROR


@given(st.decimals(-(10**6), 10**6, places=1))
def test_every_number_is_read_back(value):
    assert read_number(str(value)) == value


@given(st.text(max_size=20))
def test_reading_a_number_never_raises(text):
    assert isinstance(read_number(text), Decimal | None)


def test_json_equality_is_strict_about_types():
    assert same_json({"a": [1, 2.0]}, {"a": [1.0, 2]})
    for left, right in [(True, 1), ("1", 1), (None, 0), ([1], {"0": 1}), ({"a": 1}, {}), ([1, 2], [2, 1]), (False, 0)]:
        assert not same_json(left, right)
        assert not same_json(right, left)


def test_a_needed_call_counts_with_or_without_its_default():
    assert fetched(said("", call(lat=1.5)), NEEDS).value == 1
    assert fetched(said("", call(lat=1.5, unit="celsius")), NEEDS).value == 1


@pytest.mark.parametrize(
    "record",
    [
        call(lat=1.5, unit="fahrenheit"),
        call(lat=15),
        call(lat=-1.5),
        call(lat="1.5"),
        call(lat=1.5, extra=1),
        call(name="write", lat=1.5),
        call(lat=1.5, error="no_station"),
    ],
)
def test_another_call_does_not_fetch_what_is_needed(record):
    assert fetched(said("Answer: 15", record), NEEDS).value == 0


def test_every_need_must_be_met_but_any_one_way_of_it_does():
    needs = {"needs": [[READ, {"name": "other", "arguments": {}}], [{"name": "second", "arguments": {}}]]}
    assert fetched(said("", call("other")), needs).value == 0
    assert fetched(said("", call("other"), call("second")), needs).value == 1


def test_a_target_without_needs_or_a_call_count_is_the_tasks_fault():
    assert fetched(said(""), {"needs": []}).status is Status.TASK_ERROR
    for count in (0, None, True, "2"):
        assert economy(said(""), {"calls": count}).status is Status.TASK_ERROR


def test_valid_calls_is_the_share_without_error():
    assert valid_calls(said(""), {}).value == 0
    assert valid_calls(said("", call(), call(error="x"), call(), call()), {}).value == 0.75


@pytest.mark.parametrize(("made", "value"), [(0, 0), (1, 1), (2, 1), (3, 0.75), (4, 0.5), (6, 0), (10_000, 0)])
def test_economy_falls_to_nothing_at_three_times_the_calls_needed(made, value):
    assert economy(said("", *[call()] * made), NEEDS).value == value


def test_figures_from_results_questions_and_differences_are_grounded():
    calls = (call(result={"temp": 21.5}), call(result={"temp": -3}), call(result=[{"lat": 9.9}]))
    for reply in ("21.5 - -3 = 24.5", "-24.5 colder", "in 3 days: 21.5.", "at 9.9", "no figure"):
        assert grounded(said(reply, *calls, asked="How warm in 3 days?"), {}).value == 1, reply


@pytest.mark.parametrize("figure", ["2.5", "21", "215", "3", "11.6", "18.5"])
def test_a_made_up_figure_is_not_grounded(figure):
    calls = (call(result={"temp": 21.5}), call(result={"temp": -3}), call(result=[{"lat": 9.9}]))
    verdict = grounded(said(f"21.5 and {figure}", *calls), {})
    assert verdict.value == 0.5
    assert figure in verdict.reason


def test_nothing_is_grounded_without_a_successful_call():
    assert grounded(said("Answer: 15"), {}).value == 0
    assert grounded(said("Answer: 15", call(result={"temp": 15}, error="x")), {}).value == 0


@given(st.text(max_size=60) | st.text("0123456789.-+ ", max_size=60))
def test_any_reply_gets_a_judged_score(reply):
    seen = said(reply, call(result={"temp": 1}))
    for reward in (grounded, well_formed, right_answer, fetched, economy, valid_calls):
        assert 0 <= reward(seen, {**number("1"), **NEEDS}).value <= 1


def test_a_conditional_reward_counts_only_where_its_condition_does():
    def full(transcript, target):
        return Score(1.0, "fine")

    def none(transcript, target):
        return Score(0.0, "not met")

    assert when(full, full)(said(""), {}).value == 1
    assert when(none, full)(said(""), {}).value == 0
    assert when(full, none)(said(""), {}).value == 0
    assert when(fetched, full)(said(""), {}).status is Status.TASK_ERROR
