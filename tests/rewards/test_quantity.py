"""Amounts with units: any unit of the right dimension, and nothing that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.quantity import read_quantity, right_quantity
from rewards.score import Status
from rewards.transcript import Message, Transcript

TARGET = {"value": "9.81", "unit": "m/s^2"}


def score(text, target=TARGET):
    return right_quantity(Transcript((Message("user", "?"), Message("assistant", text))), target)


@pytest.mark.parametrize(
    ("value", "unit", "answers"),
    [
        ("9.81", "m/s^2", ["9.81 m/s^2", "9.8 m/s²", "981 cm/s^2", "9.81 m s^-2", "9.81 m/s/s", "9.81 N/kg"]),
        ("25", "m/s", ["25 m/s", "90 km/h", "90 km per hour", "2.5e1 m/s", "2.5 x 10^1 m/s", "25 meters/second"]),
        ("1500", "W", ["1.5 kW", "1500 watts", "1500 J/s", "1500 V*A", "1500 Watt."]),
        ("20", "°C", ["20 °C", "20 degC", "293.15 K"]),
        ("2.5", "J/(g*K)", ["2.5 J/(g*K)", "2500 J/(kg K)", "2.5 kJ/(kg*K)"]),
    ],
)
def test_every_unit_that_measures_it_counts(value, unit, answers):
    for text in answers:
        assert score(f"Answer: {text}", {"value": value, "unit": unit}).value == 1, text


@pytest.mark.parametrize(
    "text",
    [
        "9.81",
        "9.81 m/s",
        "9.81 s^2/m",
        "9.9 m/s^2",
        "-9.81 m/s^2",
        "9.81 m/s^2 or 3 m",
        "about 9.81 m/s^2",
        "9.81 m/s^2, 9.81 m",
        "m/s^2",
        "9.81 __import__",
        "9.81 m/s^99999999",
        "9.81" + "0" * 60 + " m/s^2",
        "1e999 m/s^2",
        "9.81 m/(s^2",
        "9.81 kg m/s^2",
        "9.81 * 1 m/s^2",
    ],
)
def test_nothing_else_does(text):
    assert score(f"Answer: {text}").value == 0
    assert score(text).value == 0


def test_the_tolerance_is_a_share_of_the_amount():
    target = {"value": "200", "unit": "m", "tolerance": 0.01}
    assert [score(f"Answer: {v} m", target).value for v in (198, 202, 197.9, 202.1)] == [1, 1, 0, 0]
    assert score("Answer: 0 m", {"value": "0", "unit": "m"}).value == 1
    assert score("Answer: 0.1 m", {"value": "0", "unit": "m"}).value == 0


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"value": "x", "unit": "m"},
        {"value": "1", "unit": "blurb"},
        {"value": "1"},
        {**TARGET, "tolerance": True},
        {**TARGET, "tolerance": 2},
    ],
)
def test_a_target_that_nobody_can_meet_is_the_tasks_fault(target):
    found = score("Answer: 9.81 m/s^2", target)
    assert found.value is None
    assert found.status is Status.TASK_ERROR


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[0-9.eE+-]{1,8} [a-zµΩ°/*^() 0-9-]{0,20}", fullmatch=True)))
def test_any_text_is_read_or_not_and_never_raises(text):
    found = read_quantity(text)
    assert found is None or isinstance(found.magnitude, float)
    assert score(f"Answer: {text}").value in (0, 1)
