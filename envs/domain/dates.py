"""`postgym/Dates-v0`: calendars and clocks: weekdays, spans, working days, time zones, recurring dates.

A weekday a few days on at difficulty 0; at 1 flights across zones, working days of a month and the weekday of any date.
The calendar is the Gregorian one, also before it was adopted; weeks are those of ISO 8601.
"""

import calendar
import random
import re
from datetime import date, timedelta
from typing import Any

from envs.mathematics.problems import Problem, ProblemEnv
from rewards.score import Criterion, Rubric
from rewards.tools import right_answer

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = tuple(calendar.month_name)[1:]
_ORDINALS = ("first", "second", "third", "fourth")
_AS_DATE = " Answer as YYYY-MM-DD."
_AS_TIME = " Answer as HH:MM, on the 24-hour clock."
_CITIES = ("Arden", "Belmar", "Corvo", "Dunmore", "Elsted", "Fairhill", "Galway Point", "Harlow Bay")
_NUMBER = re.compile(r"-?\d+")


def _day(rng: random.Random, first: int = 1990, last: int = 2060) -> date:
    return date(first, 1, 1) + timedelta(days=rng.randrange((date(last, 12, 31) - date(first, 1, 1)).days))


def _words(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _zone(offset: int) -> str:
    return f"UTC{offset:+d}" if offset else "UTC"


def _month_ends(start: date, end: date) -> list[date]:
    """The last day of every month from `start`'s on that lies before `end`, and `end`."""
    ends, at = [], start
    while (last := at.replace(day=calendar.monthrange(at.year, at.month)[1])) < end:
        ends.append(last)
        at = last + timedelta(days=1)
    return [*ends, end]


def _days_of_months(start: date, end: date) -> tuple[list[str], int]:
    """The days from `start` to `end`, month by month: the lines of work and their sum."""
    lines, total, at = [], 0, start
    for stop in _month_ends(start, end):
        days = (stop - at).days
        lines.append(f"to {_words(stop)}: {total} + {days} = {total + days}")
        total, at = total + days, stop
    return lines, total


def next_weekday(rng: random.Random, difficulty: float) -> Problem:
    """The weekday some days after a known one."""
    start, days = _day(rng), rng.randint(3, 20 + int(200 * difficulty))
    back = rng.random() < 0.4
    end = start - timedelta(days=days) if back else start + timedelta(days=days)
    question = (
        f"{_words(start)} is a {DAYS[start.weekday()]}. Which day of the week is it {days} days "
        f"{'earlier' if back else 'later'}?"
    )
    work = (f"{days} = 7 * {days // 7} + {days % 7}", f"{days % 7} days {'before' if back else 'after'} it")
    return Problem(question, DAYS[end.weekday()], work)


def time_later(rng: random.Random, difficulty: float) -> Problem:
    """A time of day some hours and minutes on."""
    start, hours, minutes = rng.randrange(1440), rng.randint(0, 11), rng.randint(3, 59)
    end = start + 60 * hours + minutes
    question = f"It is {_clock(start)}. What time is it {hours} hours and {minutes} minutes later?{_AS_TIME}"
    work = (f"{start % 60} + {minutes} = {start % 60 + minutes} minutes", f"{start // 60} + {hours} hours before carry")
    return Problem(question, _clock(end), work)


def days_later(rng: random.Random, difficulty: float) -> Problem:
    """The date some days after another, over the ends of months."""
    start, days = _day(rng), rng.randint(20, 60 + int(300 * difficulty))
    end = start + timedelta(days=days)
    work, _ = _days_of_months(start, end)
    return Problem(f"Which date is {days} days after {_words(start)}?{_AS_DATE}", end.isoformat(), tuple(work))


def days_between(rng: random.Random, difficulty: float) -> Problem:
    """How many days lie from one date to another."""
    start = _day(rng)
    end = start + timedelta(days=rng.randint(30, 120 + int(300 * difficulty)))
    work, total = _days_of_months(start, end)
    question = f"How many days after {_words(start)} is {_words(end)}?"
    return Problem(question, str(total), tuple(work))


def in_zone(rng: random.Random, difficulty: float) -> Problem:
    """The same moment in another time zone."""
    here, there = rng.sample(range(-11, 13), 2)
    start = rng.randrange(0, 1440, 5)
    end = start + 60 * (there - here)
    day = {-1: "the day before", 0: "the same day", 1: "the day after"}[end // 1440]
    question = f"At {_clock(start)} in {_zone(here)}, what time is it in {_zone(there)}?{_AS_TIME}"
    work = (f"{there} - {'(' * (here < 0)}{here}{')' * (here < 0)} = {there - here} hours", f"it is {day} there")
    return Problem(question, _clock(end), work)


def day_of_year(rng: random.Random, difficulty: float) -> Problem:
    """The number of a date within its year."""
    day = _day(rng)
    work, total = _days_of_months(date(day.year - 1, 12, 31), day)
    question = f"1 January is day 1 of its year. Which day of the year is {_words(day)}?"
    return Problem(question, str(total), tuple(work[1:] or work))


def nth_weekday(rng: random.Random, difficulty: float) -> Problem:
    """The third Tuesday of a month, whose first day is told."""
    first = _day(rng).replace(day=1)
    weekday, n = rng.randrange(7), rng.randrange(4)
    offset = (weekday - first.weekday()) % 7
    found = first + timedelta(days=offset + 7 * n)
    question = (
        f"{_words(first)} is a {DAYS[first.weekday()]}. Which date is the {_ORDINALS[n]} {DAYS[weekday]} of "
        f"that month?{_AS_DATE}"
    )
    work = (
        f"{DAYS[weekday]} comes {offset} days after {DAYS[first.weekday()]}: first on the {1 + offset}.",
        f"{1 + offset} + 7 * {n} = {found.day}",
    )
    return Problem(question, found.isoformat(), work)


def every_weeks(rng: random.Random, difficulty: float) -> Problem:
    """A meeting every so many weeks: the date of a later one."""
    start, weeks, n = _day(rng), rng.randint(2, 6), rng.randint(5, 9 + int(6 * difficulty))
    end = start + timedelta(weeks=weeks * (n - 1))
    question = (
        f"A meeting takes place every {weeks} weeks, for the first time on {_words(start)}. On which date is meeting "
        f"number {n}?{_AS_DATE}"
    )
    work, total = _days_of_months(start, end)
    return Problem(question, end.isoformat(), (f"7 * {weeks} * {n - 1} = {total} days", *work))


def working_days(rng: random.Random, difficulty: float) -> Problem:
    """A date some working days on, with one day off on the way."""
    start = _day(rng)
    while start.weekday() > 4:
        start += timedelta(days=1)
    days = rng.randint(6, 12 + int(14 * difficulty))
    holiday = start + timedelta(days=rng.randint(1, days))
    lines, at, counted = [], start, 0
    while counted < days:
        at += timedelta(days=1)
        if at.weekday() < 5 and at != holiday:
            counted += 1
            lines.append(f"{counted}: {DAYS[at.weekday()]} {at.day}")
    question = (
        f"{_words(start)} is a {DAYS[start.weekday()]}. Which date is {days} working days later? Working days are "
        f"Monday to Friday, except {_words(holiday)}, a holiday.{_AS_DATE}"
    )
    return Problem(question, at.isoformat(), tuple(lines))


def month_arithmetic(rng: random.Random, difficulty: float) -> Problem:
    """Months added to a date, and days on top; a month that is too short ends on its last day."""
    start, months, days = _day(rng), rng.randint(5, 40), rng.randint(20, 90)
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    between = date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))
    end = between + timedelta(days=days)
    question = (
        f"A contract of {months} months begins on {_words(start)} and ends on the same day of the month, or on the "
        f"last one if that month is shorter. Notice expires {days} days after it ends. On which date?{_AS_DATE}"
    )
    work, _ = _days_of_months(between, end)
    steps = (
        f"{start.year} * 12 + {start.month} - 1 + {months} = {index}",
        f"{index} = 12 * {year} + {month}",
        f"it ends on {_words(between)}",
    )
    return Problem(question, end.isoformat(), (*steps, *work))


def flight(rng: random.Random, difficulty: float) -> Problem:
    """Two flights with a wait between them: the local time of arrival."""
    here, middle, there = rng.sample(range(-9, 12), 3)
    start, first, wait, second = (rng.randrange(5 * a, 5 * b, 5) for a, b in ((0, 288), (12, 100), (9, 50), (12, 120)))
    start %= 1440
    towns = rng.sample(_CITIES, 3)
    question = (
        f"A flight leaves {towns[0]} ({_zone(here)}) at {_clock(start)} and takes {first} minutes to {towns[1]} "
        f"({_zone(middle)}). After {wait} minutes the next leaves for {towns[2]} ({_zone(there)}) and takes "
        f"{second} minutes. What is the local time on arrival?{_AS_TIME}"
    )
    end = start + first + wait + second + 60 * (there - here)
    work = (
        f"{start // 60} * 60 + {start % 60} = {start} minutes after midnight in {towns[0]}",
        f"{first} + {wait} + {second} = {first + wait + second} minutes on the way",
        f"{start} + {first + wait + second} = {start + first + wait + second}",
        f"{there} - ({here}) = {there - here} hours of difference",
        f"{start + first + wait + second} + 60 * ({there - here}) = {end}",
        f"{end} = 1440 * ({end // 1440}) + {end % 1440}",
        f"{end % 1440} = 60 * {end % 1440 // 60} + {end % 60}",
    )
    return Problem(question, _clock(end), work)


def count_weekdays(rng: random.Random, difficulty: float) -> Problem:
    """How often a weekday comes in a span of dates."""
    start, weekday = _day(rng), rng.randrange(7)
    end = start + timedelta(days=rng.randint(60, 150 + int(250 * difficulty)))
    work, total = _days_of_months(start, end)
    offset = (weekday - start.weekday()) % 7
    count = (total - offset) // 7 + 1
    question = (
        f"{_words(start)} is a {DAYS[start.weekday()]}. How many {DAYS[weekday]}s are there from that day to "
        f"{_words(end)}, both included?"
    )
    steps = (
        f"the first {DAYS[weekday]} comes {offset} days after the start",
        f"{total} - {offset} = {total - offset}",
        f"{total - offset} = 7 * {(total - offset) // 7} + {(total - offset) % 7}",
        f"{(total - offset) // 7} + 1 = {count}",
    )
    return Problem(question, str(count), (*work, *steps))


def weekday_of(rng: random.Random, difficulty: float) -> Problem:
    """The weekday of any date, from its year alone (the doomsday rule)."""
    day = _day(rng, 1700, 2299)
    century, two = divmod(day.year, 100)
    anchor = (5 * (century % 4) + 2) % 7
    doomsday = (anchor + two + two // 4) % 7
    leap = calendar.isleap(day.year)
    easy = (4 if leap else 3, 29 if leap else 28, 14, 4, 9, 6, 11, 8, 5, 10, 7, 12)[day.month - 1]
    names = ("Sunday", *DAYS[:6])
    work = (
        "weekdays from Sunday = 0",
        f"{century} = 4 * {century // 4} + {century % 4}",
        f"5 * {century % 4} + 2 = {5 * (century % 4) + 2}, which leaves {anchor} when divided by 7",
        f"{two} = 4 * {two // 4} + {two % 4}",
        f"{anchor} + {two} + {two // 4} = {anchor + two + two // 4}, which leaves {doomsday} when divided by 7",
        f"so the {easy} of {MONTHS[day.month - 1]} {day.year} is a {names[doomsday]}",
        f"{day.day} - {easy} = {day.day - easy} days from there",
        f"{doomsday} + ({day.day - easy}) = {doomsday + day.day - easy}, which leaves "
        f"{(doomsday + day.day - easy) % 7} when divided by 7",
    )
    return Problem(f"Which day of the week is {_words(day)}?", DAYS[day.weekday()], work)


class Dates(ProblemEnv):
    """Calendar and clock problems; dates as YYYY-MM-DD, times as HH:MM."""

    id = "postgym/Dates-v0"
    rubric = Rubric([Criterion("answer", right_answer)])
    commonest = ("Monday", "2024-01-01", "12:00")
    window = 3
    makers = (
        (0.0, next_weekday),
        (0.0, time_later),
        (0.1, in_zone),
        (0.2, nth_weekday),
        (0.3, days_later),
        (0.35, days_between),
        (0.45, month_arithmetic),
        (0.5, working_days),
        (0.55, day_of_year),
        (0.65, flight),
        (0.7, weekday_of),
        (0.75, every_weeks),
        (0.85, count_weekdays),
    )

    def target_of(self, problem: Problem) -> dict[str, Any]:
        """One field: a number, or text to the letter."""
        number = _NUMBER.fullmatch(problem.answer) is not None
        return {"answer": [{"type": "number" if number else "text", "value": problem.answer}]}
