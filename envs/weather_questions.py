"""The questions of the weather environment: what is asked at which difficulty, its answer, and the calls to it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs.kinds import pick_kind
from envs.weather_world import LAST_DAY, UNITS, make_cities, make_names, reading, shown

City = dict[str, Any]  # as make_cities returns it

_KINDS = (  # (the difficulty from which it is asked, the kind of question)
    (0.0, "value"),
    (0.35, "change"),
    (0.45, "peak"),
    (0.5, "warmer"),
    (0.6, "gap"),
    (0.7, "warmest"),
    (0.85, "spread"),
)
_HALVES_FROM, _NORTHERNMOST_FROM = 0.5, 0.75


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `cities` are the ones meant, `places` the words for them, `days` those to be read."""

    kind: str
    unit: str
    cities: tuple[City, ...]
    places: tuple[str, ...]
    days: tuple[int, ...]

    def readings(self) -> list[tuple[City, int]]:
        """The (city, day) pairs whose temperatures settle the question, city by city."""
        return [(city, day) for city in self.cities for day in self.days]

    def temperatures(self) -> list[int]:
        """Those temperatures, in tenths of a degree of the unit asked for."""
        return [reading(city, day, self.unit) for city, day in self.readings()]


def _day_words(day: int) -> str:
    return {0: "now", 1: "tomorrow"}.get(day, f"in {day} days")


def ask(q: Question) -> str:
    """The question in words."""
    at, listed = _day_words(q.days[-1]), f"{', '.join(q.places[:-1])} and {q.places[-1]}"
    first, last = q.places[0], q.places[-1]
    match q.kind:
        case "value":
            return f"What is the temperature in {first} {at}, in {q.unit}?"
        case "change":
            return f"How many degrees {q.unit} warmer will it be in {first} {at} than now? Negative if colder."
        case "peak":
            return f"What is the highest temperature in {first} over the next {q.days[-1]} days, in {q.unit}?"
        case "warmer":
            return (
                f"Which is warmer {at}, {first} or {last}, and by how many degrees {q.unit}? Answer with city, number."
            )
        case "gap":
            return f"How many degrees {q.unit} warmer is {first} than {last} {at}? Negative if colder."
        case "warmest":
            return f"Which is warmest {at}, {listed}, and how warm is it in {q.unit}? Answer with city, number."
        case "spread":
            return f"How many degrees {q.unit} lie between the warmest and the coldest of {listed} {at}?"
    raise ValueError(f"question kind {q.kind!r} is unknown; known: {[name for _, name in _KINDS]}")


def solve(q: Question) -> tuple[list[str], str]:
    """The fields of the answer, and the line of work before it (empty where nothing is worked out)."""
    values = q.temperatures()
    words = [str(shown(v)) for v in values]
    top, bottom = values.index(max(values)), values.index(min(values))

    def minus(a: int, b: int) -> tuple[str, str]:
        result = str(shown(values[a] - values[b]))
        return result, f"{words[a]} - {words[b]} = {result}"

    match q.kind:
        case "value":
            return words, ""
        case "peak":
            return [words[top]], f"Highest of {', '.join(words)}"
        case "warmest":
            return [q.cities[top]["name"], words[top]], f"Warmest of {', '.join(words)}"
        case "change":
            result, work = minus(1, 0)
            return [result], work
        case "gap":
            result, work = minus(0, 1)
            return [result], work
        case "warmer":
            result, work = minus(top, bottom)
            return [q.cities[top]["name"], result], work
    result, work = minus(top, bottom)  # spread
    return [result], work


def _reading_call(city: City, day: int, unit: str) -> dict[str, Any]:
    """The call that reads a temperature; celsius, the default, is left out."""
    arguments = {"lat": city["lat"], "lon": city["lon"]}
    if day:
        arguments["day"] = day
    if unit != UNITS[0]:
        arguments["unit"] = unit
    return {"name": "forecast" if day else "current", "arguments": arguments}


def plan(q: Question) -> list[dict[str, Any]]:
    """The calls that settle the question, in the order that keeps coordinates next to their use."""
    calls: list[dict[str, Any]] = []
    for city in q.cities:
        calls.append({"name": "geocode", "arguments": {"city": city["name"]}})
        calls += [_reading_call(city, day, q.unit) for day in q.days]
    return calls


def target(q: Question) -> dict[str, Any]:
    """What the rewards judge by (see rewards/tools.py)."""
    names = [city["name"] for city in q.cities]
    fields = [
        {"type": "text", "value": f, "choices": names} if f in names else {"type": "number", "value": f}
        for f in solve(q)[0]
    ]
    return {
        "answer": fields,
        # Either unit settles a need: whoever converts by hand has looked it up all the same.
        "needs": [[_reading_call(city, day, unit) for unit in UNITS] for city, day in q.readings()],
        "defaults": {name: {"unit": UNITS[0]} for name in ("current", "forecast")},
        "calls": len(plan(q)),
    }


def _pick_days(rng: random.Random, kind: str, difficulty: float) -> tuple[int, ...]:
    later = rng.randint(1, LAST_DAY)
    if kind == "peak":
        return tuple(range(1, max(2, min(later, 3 if difficulty < _HALVES_FROM else LAST_DAY)) + 1))
    if kind == "change":
        return (0, later)
    return (later if rng.random() < min(0.7, 1.5 * max(0.0, difficulty - 0.15)) else 0,)


def _count_cities(kind: str, difficulty: float) -> int:
    if kind in ("warmer", "gap"):
        return 2
    return 3 + (difficulty >= 0.8) + (difficulty >= 0.95) if kind in ("warmest", "spread") else 1


def _name_place(rng: random.Random, namesakes: list[City], difficulty: float) -> tuple[City, str]:
    """Which of the cities of one name is meant, and the words that tell it from the others."""
    meant = rng.choice(namesakes)
    if len(namesakes) == 1:
        return meant, meant["name"]
    if difficulty >= _NORTHERNMOST_FROM and rng.random() < 0.4:
        which, pick = rng.choice([("northernmost", max), ("southernmost", min)])
        return pick(namesakes, key=lambda c: c["lat"]), f"the {which} {meant['name']}"
    return meant, f"{meant['name']} in {meant['country']}"


def made_up(rng: random.Random, count: int, shared: float, difficulty: float) -> list[list[City]]:
    """Cities that nobody knows: `count` names, each with those that bear it, by chance `shared` more than one."""
    names = make_names(rng, count)
    copies = {name: rng.randint(2, 4 if difficulty > 0.6 else 2) if rng.random() < shared else 1 for name in names}
    world = make_cities(rng, copies, halves=difficulty >= _HALVES_FROM)
    return [[city for city in world if city["name"] == name] for name in names]


def make_question(
    rng: random.Random,
    difficulty: float,
    draw: Callable[[random.Random, int, float, float], list[list[City]]] = made_up,
    read: Callable[[City], City] = lambda city: city,
) -> tuple[Question, list[City]]:
    """A question of that difficulty and the whole world it is asked in.

    Args:
        rng: the source of chance.
        difficulty: 0 to 1.
        draw: where cities come from, as `made_up`.
        read: fills in the temperatures of a city that is meant, where `draw` leaves them out.
    """
    kind = pick_kind(rng, _KINDS, difficulty)
    unit = UNITS[1] if rng.random() < min(0.5, max(0.0, 2 * difficulty - 0.1)) else UNITS[0]
    days = _pick_days(rng, kind, difficulty)
    shared = max(0.0, min(0.9, 1.5 * (difficulty - 0.25)))
    groups = draw(rng, _count_cities(kind, difficulty), shared, difficulty)
    meant = [_name_place(rng, namesakes, difficulty) for namesakes in groups]
    cities = tuple(read(city) for city, _ in meant)
    return Question(kind, unit, cities, tuple(p for _, p in meant), days), [c for group in groups for c in group]
