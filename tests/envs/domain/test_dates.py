"""Dates: every answer found again by numpy's calendar, or by walking day by day."""

import random
import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

import envs
from envs.domain.dates import DAYS, MONTHS, Dates
from envs.proof import play
from rewards.steps import read_steps

DATE = re.compile(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4})")
CLOCK = re.compile(r"(\d\d):(\d\d)")
ZONE = re.compile(r"UTC([+-]\d+)?")


def dates(question):
    return [np.datetime64(f"{y}-{MONTHS.index(m) + 1:02d}-{int(d):02d}") for d, m, y in DATE.findall(question)]


def numbers(question):
    return [int(n) for n in re.findall(r"\d+", CLOCK.sub("", DATE.sub("", ZONE.sub("", question))))]


def weekday(day):
    return DAYS[(int(day.astype(int)) + 3) % 7]  # 1 January 1970 was a Thursday


def walk(day, fits, count):
    """The `count`-th day after `day` that fits."""
    while count:
        day += np.timedelta64(1, "D")
        count -= fits(day)
    return day


def next_weekday(question):
    days = numbers(question)[0]
    return weekday(dates(question)[0] + np.timedelta64(-days if "earlier" in question else days, "D"))


def in_clock(question, minutes=0):
    """The time asked for: from the first zone named, so many minutes later, in the last zone named."""
    zones = [timezone(timedelta(hours=int(z or 0))) for z in ZONE.findall(question)]
    hour, minute = map(int, CLOCK.findall(question)[0])
    start = datetime(2001, 6, 15, hour, minute, tzinfo=zones[0] if zones else None) + timedelta(minutes=minutes)
    return (start.astimezone(zones[-1]) if zones else start).strftime("%H:%M")


def time_later(question):
    hours, minutes = numbers(question)[:2]
    return in_clock(question, 60 * hours + minutes)


def nth_weekday(question):
    start = dates(question)[0] - np.timedelta64(1, "D")
    nth, name = re.search(r"the (first|second|third|fourth) (\w+) of", question).groups()
    count = ["first", "second", "third", "fourth"].index(nth) + 1
    return str(walk(start, lambda day: weekday(day) == name, count))


def working_days(question):
    start, holiday = dates(question)
    return str(np.busday_offset(start, numbers(question)[0], holidays=[holiday]))


def month_arithmetic(question):
    start, (months, days) = dates(question)[0], numbers(question)[:2]
    month = start.astype("datetime64[M]") + np.timedelta64(months, "M")
    last = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    same = month.astype("datetime64[D]") + (start - start.astype("datetime64[M]").astype("datetime64[D]"))
    return str(min(same, last) + np.timedelta64(days, "D"))


def every_weeks(question):
    weeks, n = numbers(question)
    return str(dates(question)[0] + np.timedelta64(7 * weeks * (n - 1), "D"))


def count_weekdays(question):
    start, end = dates(question)
    name = re.search(r"How many (\w+)s are", question)[1]
    return str(sum(weekday(day) == name for day in np.arange(start, end + np.timedelta64(1, "D"))))


CALENDAR = {
    "next_weekday": next_weekday,
    "time_later": time_later,
    "in_zone": in_clock,
    "nth_weekday": nth_weekday,
    "days_later": lambda q: str(dates(q)[0] + np.timedelta64(numbers(q)[0], "D")),
    "days_between": lambda q: str((dates(q)[1] - dates(q)[0]).astype(int)),
    "day_of_year": lambda q: str(
        (dates(q)[0] - dates(q)[0].astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
    ),
    "every_weeks": every_weeks,
    "month_arithmetic": month_arithmetic,
    "working_days": working_days,
    "flight": lambda q: in_clock(q, sum(numbers(q)[:3])),
    "weekday_of": lambda q: weekday(dates(q)[0]),
    "count_weekdays": count_weekdays,
}


@pytest.mark.parametrize(("start", "make"), Dates.makers, ids=lambda value: getattr(value, "__name__", ""))
def test_the_calendar_agrees_and_every_step_is_true(start, make):
    rng = random.Random(make.__name__)
    for i in range(60):
        problem = make(rng, start + (1 - start) * i / 60)
        assert problem.answer == CALENDAR[make.__name__](problem.question), problem
        for step in read_steps("\n".join(problem.work)):
            assert step.true or not step.read, (step.text, problem)


def test_only_the_form_that_was_asked_for_counts():
    env = envs.make("postgym/Dates-v0")
    task = env.sample_task(0)

    def earned(gold, text):
        answer = [{"type": "number" if gold.isdigit() else "text", "value": gold}]
        shown = task.model_copy(update={"target": {"answer": answer}})
        return play(env, shown, lambda messages: f"Answer: {text}")[1].value

    assert earned("2024-02-29", "2024-02-29") == earned("Monday", "Monday") == earned("31", "31.0") == 1
    assert not any(earned("2024-02-29", text) for text in ("29.02.2024", "2024-02-29, 2024-03-01", "2024-2-29"))
    assert not any(earned("Monday", text) for text in ("Mon", "Monday or Tuesday", "monday?"))
