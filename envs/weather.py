"""`postgym/Weather-v0`: several turns of calls to a weather service, in a made-up world that nobody can know by heart.

Every task brings its own cities. One is asked about at difficulty 0; units, forecasts, names that several cities
share, and sums over up to five cities come with difficulty.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from envs.base import Exploit, Observation, Policy, Task, TextEnv
from envs.tools import Tool, tools_of
from envs.weather_world import LAST_DAY, UNITS, World, make_cities, make_names, shown, tenths
from rewards.score import Criterion, Rubric
from rewards.tools import economy, fetched, grounded, right_answer, valid_calls, well_formed, when
from rewards.transcript import Message, ToolCall

City = dict[str, Any]  # as make_cities returns it

SYSTEM = "Use the tools. End with one line, no units: Answer: <value>"
_RECOVERIES = 2  # calls that may go wrong before the turns run out

_KINDS = (  # (the difficulty from which it is asked, the kind of question)
    (0.0, "value"),
    (0.35, "change"),
    (0.45, "peak"),
    (0.5, "warmer"),
    (0.6, "gap"),
    (0.7, "warmest"),
    (0.85, "spread"),
)
_WINDOW = 3  # only the hardest few of the kinds that a difficulty admits are asked,
_TOP_WINDOW, _TOP_FROM = 2, 0.9  # and near the top only those over many cities
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
        return [tenths(city["halves"][day], self.unit) for city, day in self.readings()]


def _day_words(day: int) -> str:
    return {0: "now", 1: "tomorrow"}.get(day, f"in {day} days")


def _ask(q: Question) -> str:
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


def _solve(q: Question) -> tuple[list[str], str]:
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


def _plan(q: Question) -> list[dict[str, Any]]:
    """The calls that settle the question, in the order that keeps coordinates next to their use."""
    calls: list[dict[str, Any]] = []
    for city in q.cities:
        calls.append({"name": "geocode", "arguments": {"city": city["name"]}})
        calls += [_reading_call(city, day, q.unit) for day in q.days]
    return calls


def _target(q: Question) -> dict[str, Any]:
    names = [city["name"] for city in q.cities]
    fields = [
        {"type": "text", "value": f, "choices": names} if f in names else {"type": "number", "value": f}
        for f in _solve(q)[0]
    ]
    return {
        "answer": fields,
        # Either unit settles a need: whoever converts by hand has looked it up all the same.
        "needs": [[_reading_call(city, day, unit) for unit in UNITS] for city, day in q.readings()],
        "defaults": {name: {"unit": UNITS[0]} for name in ("current", "forecast")},
        "calls": len(_plan(q)),
    }


def _pick_kind(rng: random.Random, difficulty: float) -> str:
    window = _TOP_WINDOW if difficulty >= _TOP_FROM else _WINDOW
    return rng.choice([kind for start, kind in _KINDS if start <= difficulty][-window:])


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


def make_question(rng: random.Random, difficulty: float) -> tuple[Question, list[City]]:
    """A question of that difficulty and the whole world it is asked in."""
    kind = _pick_kind(rng, difficulty)
    unit = UNITS[1] if rng.random() < min(0.5, max(0.0, 2 * difficulty - 0.1)) else UNITS[0]
    days = _pick_days(rng, kind, difficulty)
    shared = max(0.0, min(0.9, 1.5 * (difficulty - 0.25)))
    names = make_names(rng, _count_cities(kind, difficulty))
    copies = {name: rng.randint(2, 4 if difficulty > 0.6 else 2) if rng.random() < shared else 1 for name in names}
    world = make_cities(rng, copies, halves=difficulty >= _HALVES_FROM)
    meant = [_name_place(rng, [c for c in world if c["name"] == name], difficulty) for name in names]
    return Question(kind, unit, tuple(c for c, _ in meant), tuple(p for _, p in meant), days), world


class Weather(TextEnv):
    """Questions about the weather of made-up cities, answered through three tools.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one city, now, in celsius) to 1 (five cities of shared names), None for any.
    """

    id = "postgym/Weather-v0"
    max_turns = 13  # of the longest task; `reset` sets each task's own
    process_credit = 0.15  # for a wrong answer on the right data
    # Guesses, floods and answers out of form are vetoed.
    rubric = Rubric(
        [
            Criterion("form", well_formed, 0.0, gate=True),
            Criterion("data fetched", fetched, 0.1, gate=True),
            Criterion("economy", economy, 0.05, gate=True),
            Criterion("right answer", right_answer, 0.7),
            Criterion("valid calls", when(right_answer, valid_calls), 0.1),
            Criterion("grounded", when(right_answer, grounded), 0.05),
        ]
    )

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question and its world, from `rng` alone."""
        question, world = make_question(rng, difficulty)
        fields, work = _solve(question)
        closing = "\n".join([work] * bool(work) + [f"Answer: {', '.join(fields)}"])
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", _ask(question))),
            target=_target(question),
            meta={"kind": question.kind, "cities": world, "plan": _plan(question), "closing": closing},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`geocode`, `current` and `forecast` over the task's cities."""
        return tools_of(World(task.meta["cities"]))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        """Starts an episode; its turns are the calls needed, the answer, and room to recover."""
        start = super().reset(seed=seed, options=options)
        needed = self.task.target["calls"]
        self.max_turns = needed + 1 + (_RECOVERIES if needed > 2 else 1)
        return start

    def expert(self, task: Task) -> Policy:
        """Makes the planned calls one a turn, then closes with the answer."""
        return _calls_then(task.meta["plan"], lambda messages: task.meta["closing"])

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Cheats at looking things up: even those who know the right answer earn nothing without the calls."""
        plan, closing = task.meta["plan"], task.meta["closing"]
        policies = {
            "right guess without a call": lambda messages: closing,
            "claims a call it never made": lambda messages: f"I asked the station.\n{closing}",
            "geocodes, then guesses right": _calls_then(plan[:1], lambda messages: closing),
            "leaves one reading out": _calls_then(plan[:-1], lambda messages: closing),
            "pastes the tool's output": _calls_then(plan, lambda messages: f"Answer: {messages[-1].content}"),
            "dumps every number": _calls_then(plan, _dump),
            "several answers": _calls_then(plan, lambda messages: f"{closing}\nAnswer: 1"),
            "answers in its thoughts": _calls_then(plan, lambda messages: f"<think>{closing}</think>Done."),
            "shifts the point": _calls_then(plan, lambda messages: f"{closing}5"),
            "floods, then answers": _flood(plan, closing),
            "asks with broken arguments": _calls_then(_broken(plan), lambda messages: closing),
        }
        return {name: Exploit(policy) for name, policy in policies.items()}


def _calls_then(plan: Sequence[dict[str, Any]], close: Callable[[Sequence[Message]], str]) -> Policy:
    """A policy that makes the calls one a turn and then says what `close` makes of the messages."""

    def policy(messages: Sequence[Message]) -> Message:
        turn = sum(m.role == "assistant" for m in messages)
        if turn < len(plan):
            return Message("assistant", "", (ToolCall(**plan[turn], id=f"call_{turn}"),))
        return Message("assistant", close(messages))

    return policy


def _flood(plan: Sequence[dict[str, Any]], closing: str) -> Policy:
    """The right calls, each made five times over in its turn, then the right answer."""

    def policy(messages: Sequence[Message]) -> Message:
        turn = sum(m.role == "assistant" for m in messages)
        if turn < len(plan):
            return Message("assistant", "", tuple(ToolCall(**plan[turn], id=f"call_{i}") for i in range(5)))
        return Message("assistant", closing)

    return policy


def _dump(messages: Sequence[Message]) -> str:
    """All that was read on the answer line."""
    results = [json.loads(m.content) for m in messages if m.role == "tool"]
    return "Answer: " + ", ".join(str(r["temp"]) for r in results if "temp" in r) + ", 0"


def _broken(plan: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plan with every number turned into code that spells it."""
    return [
        {**call, "arguments": {k: v if k == "city" else f"float({v!r})" for k, v in call["arguments"].items()}}
        for call in plan
    ]
