"""Typed parameters of the functions of `postgym/Functions-v0`: each knows its type, draws a value and says it in words.

What the user says isn't always what the call holds: dates, times, units and lists are said as people say them.
"""

import random
from calendar import month_name
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model

_RELATIVE = {0: "today", 1: "tomorrow"}
_FARTHEST = 60  # days ahead


@dataclass(frozen=True, slots=True)
class Chance:
    """What values are drawn from: the randomness, how indirectly they are said (0 to 1), and the day it is."""

    rng: random.Random
    level: float
    today: date


@dataclass(frozen=True, slots=True)
class Kind:
    """What a parameter may hold.

    Attributes:
        hint: the type hint that the tool's schema is made of.
        draw: gives a value (plain JSON) and the words for it.
        asked: the words that name it in a question; its own name where there are none.
        default: what the tool takes where it isn't given, None for a required one.
    """

    hint: Any
    draw: Callable[[Chance], tuple[Any, str]]
    asked: tuple[str, ...] = ()
    default: Any = None


def text(pool: Sequence[str], *asked: str, default: str | None = None) -> Kind:
    """A text as the user says it."""
    drawn = [value for value in pool if value != default]
    return Kind(str, lambda c: (value := c.rng.choice(drawn), value), asked, default)


def whole(low: int, high: int, *asked: str, of: str = "", default: int | None = None) -> Kind:
    """A whole number from `low` to `high`, said with the plural noun `of`."""

    def draw(c: Chance) -> tuple[int, str]:
        value = c.rng.choice([v for v in range(low, high + 1) if v != default])
        return value, f"{value} {of}".strip()

    return Kind(Annotated[int, Field(ge=low, le=high)], draw, asked, default)


def money(low: int, high: int, *asked: str) -> Kind:
    """A sum of dollars, with cents for the harder requests."""

    def draw(c: Chance) -> tuple[float, str]:
        cents = c.rng.randint(low, high) * 100 + (c.rng.randint(1, 99) if c.rng.random() < c.level else 0)
        return (cents / 100 if cents % 100 else cents // 100), f"${cents // 100}" + (
            f".{cents % 100:02d}" if cents % 100 else ""
        )

    return Kind(Annotated[float, Field(gt=0, description="in dollars")], draw, asked)


def choice(words: Mapping[str, str] | Sequence[str], *asked: str, default: str | None = None) -> Kind:
    """One of a few constants; a mapping gives the words for each."""
    said = dict(words) if isinstance(words, Mapping) else {w: w.replace("_", " ") for w in words}

    def draw(c: Chance) -> tuple[str, str]:
        value = c.rng.choice([v for v in said if v != default])
        return value, said[value]

    return Kind(Literal[tuple(said)], draw, asked, default)  # type: ignore[misc]


def flag() -> Kind:
    """False unless the request says so."""
    return Kind(bool, lambda c: (True, ""), (), False)


def day(*asked: str) -> Kind:
    """A date to come, written YYYY-MM-DD; said with its preposition, for the harder requests in any form."""

    def draw(c: Chance) -> tuple[str, str]:
        ahead = c.rng.randint(2, _FARTHEST)
        if c.rng.random() < 0.5 * c.level:
            ahead = c.rng.choice([0, 1, *range(2, 15)])
            when = c.today + timedelta(ahead)
            return when.isoformat(), _RELATIVE.get(ahead, f"in {ahead} days")
        when = c.today + timedelta(ahead)
        forms = [f"{when.day} {month_name[when.month]} {when.year}", f"{month_name[when.month]} {when.day}"]
        said = when.isoformat() if c.rng.random() > c.level + 0.2 else c.rng.choice(forms)
        return when.isoformat(), f"on {said}"

    hint = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="YYYY-MM-DD")]
    return Kind(hint, draw, asked or ("date", "day"))


def clock(*asked: str, first: int = 7, last: int = 22) -> Kind:
    """A time of day between two hours, written HH:MM and said with am or pm for the harder requests."""

    def draw(c: Chance) -> tuple[str, str]:
        hour, minute = c.rng.randint(first, last), c.rng.choice([0, 0, 15, 30, 45])
        value = f"{hour:02d}:{minute:02d}"
        if c.rng.random() > c.level + 0.1:
            return value, value
        twelve = f"{(hour - 1) % 12 + 1}" + (f":{minute:02d}" if minute else "")
        return value, f"{twelve} {'am' if hour < 12 else 'pm'}"

    hint = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM, 24 hours")]
    return Kind(hint, draw, asked or ("time", "hour"))


def amount(units: Mapping[str, str], values: Sequence[int], *asked: str) -> Kind:
    """A quantity whose unit the tool fixes: the first of `units`, each with how many of the first it is."""
    own = next(iter(units))

    def draw(c: Chance) -> tuple[float, str]:
        unit = c.rng.choice(list(units)) if c.rng.random() < c.level else own
        factor, count = Decimal(units[unit]), Decimal(c.rng.choice(values))
        if factor > 1:
            count = Decimal(c.rng.choice([15, 20, 25, 30, 40, 50])) / 10
        elif factor < 1:
            count = (count + Decimal(c.rng.choice(["0", "0.25", "0.5"]))) / factor
        value = count * factor
        said = f"{count.normalize():f} {unit}"
        return int(value) if value == int(value) else float(value), said

    return Kind(Annotated[float, Field(gt=0, description=f"in {own}")], draw, asked)


def listing(pool: Sequence[str], *asked: str) -> Kind:
    """Two to four texts, in the order in which they are said."""

    def draw(c: Chance) -> tuple[list[str], str]:
        values = c.rng.sample(pool, c.rng.randint(2, 2 + round(2 * c.level)))
        return values, joined(values)

    return Kind(list[str], draw, asked)


def record(name: str, words: str, /, *asked: str, **fields: Kind) -> Kind:
    """An object of several fields, said by `words` with a place for each."""
    model = create_model(
        name, __config__=ConfigDict(extra="forbid"), **{field: (kind.hint, ...) for field, kind in fields.items()}
    )

    def draw(c: Chance) -> tuple[dict[str, Any], str]:
        drawn = {field: kind.draw(c) for field, kind in fields.items()}
        return {f: v for f, (v, _) in drawn.items()}, words.format(**{f: w for f, (_, w) in drawn.items()})

    return Kind(model, draw, asked)


def rows(one: Kind, key: str) -> Kind:
    """One to three objects, no two with the same `key`."""

    def draw(c: Chance) -> tuple[list[Any], str]:
        drawn = {}
        for _ in range(c.rng.randint(1, 1 + round(2 * c.level))):
            value, words = one.draw(c)
            drawn[value[key]] = (value, words)
        return [v for v, _ in drawn.values()], joined([w for _, w in drawn.values()])

    return replace(one, hint=list[one.hint], draw=draw)  # type: ignore[name-defined]


def joined(words: Sequence[str]) -> str:
    """A list as it is said: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
