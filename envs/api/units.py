"""`postgym/Units-v0`: units converted by definitions that have to be looked up, exact to the decimals asked for.

One conversion at difficulty 0. Temperatures, compound units, sums, comparisons and journeys come with difficulty, and
with them names that mean one thing in America and another in Britain, at sea or in the gold trade.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from envs.api.lookup import Call, Lookup, closing_of, number, sum_call, worked_out
from envs.api.units_world import BASES, UNITS, Bureau, Unit, namesakes
from envs.base import Exploit, Task
from envs.kinds import pick_kind
from envs.plans import call_by_call
from envs.tools import Tool, tools_of
from rewards.arithmetic import MAX_CHARS
from rewards.transcript import Message

SYSTEM = Message(
    "system",
    "Look units up with the tools. Round once, at the end, halves away from zero. End with one line, no units: "
    "Answer: <value>",
)
_KINDS = (
    *((0.0, "convert"), (0.2, "temperature"), (0.3, "compound"), (0.45, "compare"), (0.6, "warming")),
    *((0.7, "work"), (0.8, "total")),
)
_SHARED_FROM = 0.25  # from here on names that several units share are asked for
_MAX_RATIO = 1_500  # between the units of a conversion
_MOST_DECIMALS = 6
_QUANTITIES = ("length", "mass", "volume", "area", "time", "energy", "pressure")
_LONG = ("kilometre", "statute_mile", "nautical_mile")
_CAPACITY = ("litre", "us_gallon", "imperial_gallon", "us_quart", "imperial_quart", "cubic_foot", "cubic_metre")
_WEIGHT = ("kilogram", "gram", "pound", "avoirdupois_ounce")
_RATES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # units that go over one another
    "trip": (_LONG, ("hour", "minute", "day")),
    "fuel": (_LONG, _CAPACITY[:5]),
    "pump": (_CAPACITY, ("second", "minute", "hour")),
    "field": (_WEIGHT, ("hectare", "square_metre", "square_yard", "square_foot")),
    "density": (_WEIGHT, _CAPACITY),
}
_THINGS = {  # what is compared: its name, the verb for its size, and for the larger one
    "length": ("rope", "measures", "is longer"),
    "mass": ("crate", "weighs", "is heavier"),
    "volume": ("tank", "holds", "holds more"),
    "area": ("field", "covers", "is larger"),
    "time": ("trial", "lasts", "lasts longer"),
}
_COLOURS = ("red", "blue", "green", "white", "black", "yellow", "grey", "brown")
_CONVERT = (
    "How many {to} are {amount}?",
    "What is {amount} in {to}?",
    "Convert {amount} to {to}.",
    "We got {amount}. How many {to} is that?",
    "Express {amount} in {to}.",
)
_TOTAL = ("How many {to} are {amounts} together?", "Add up {amounts}, in {to}.", "What do {amounts} make in {to}?")
_WARMING = (
    "It was {first} and is {second} now. By how many {to} did it get warmer? Negative if colder.",
    "The oven went from {first} to {second}. How many {to} is the rise? Negative if it fell.",
)
_WORK = {  # each by its rate
    "trip": "{who} goes {rate} for {given}. How far is that in {to}?",
    "fuel": "{who} goes {rate}. How many {to} of fuel does {given} take?",
    "pump": "A pump moves {rate}. How many {to} does it take to fill a tank of {given}?",
    "field": "A farmer spreads seed, {rate}. How many {to} of it does a field of {given} take?",
}


@dataclass(frozen=True, slots=True)
class Term:
    """An amount of units, over other units where it is a rate."""

    amount: str
    over: tuple[Unit, ...]
    under: tuple[Unit, ...] = ()

    def plain(self) -> list[Any]:
        """As JSON."""
        return [self.amount, [u.id for u in self.over], [u.id for u in self.under]]


@dataclass(slots=True)
class Draft:
    """A question with the terms it is made of and the sum that answers it.

    Attributes:
        names: the things compared, the answer first; empty where a number alone is asked for.
        terms: what is added up; a second one is taken off where `minus` is true.
    """

    question: str
    terms: list[Term]
    to: Term
    decimals: int
    expression: str
    minus: bool = False
    names: list[str] = field(default_factory=list)


class Setter:
    """Sets one question of a kind.

    Args:
        rng: the only source of chance.
        difficulty: 0 to 1.
    """

    def __init__(self, rng: random.Random, difficulty: float) -> None:
        self.rng, self.difficulty = rng, difficulty
        self.kind = pick_kind(rng, _KINDS, difficulty)

    def draft(self) -> Draft | None:
        """A question of this setter's kind, None where its numbers come out unfit."""
        draft = {
            "convert": self._convert,
            "temperature": self._temperature,
            "compound": self._compound,
            "compare": self._compare,
            "warming": self._warming,
            "work": self._work,
            "total": self._total,
        }[self.kind]()
        return draft if draft is not None and len(draft.expression) <= MAX_CHARS else None

    def _unit(self, among: Iterable[Unit], *but: Unit) -> Unit:
        """One of the units, none of `but`, and of a size near theirs where they measure the same."""
        shared = self.difficulty >= _SHARED_FROM
        left = [u for u in among if u not in but and (shared or not u.used)]
        near = [u for u in left if all(_near(u, b) for b in but if b.quantity == u.quantity)] or left
        favoured = [u for u in near if u.used and self.rng.random() < self.difficulty]
        return self.rng.choice(favoured or near)

    def _amount(self, low: int = 2, high: int = 400) -> str:
        value = self.rng.randint(low, high)
        return f"{value}.{self.rng.randint(1, 9)}" if self.rng.random() < 0.3 + 0.5 * self.difficulty else str(value)

    def _said(self, unit: Unit, plural: bool = True) -> str:
        """The unit's name, with what tells it from its namesakes."""
        name = unit.many if plural else unit.one
        return self.rng.choice(unit.contexts).format(name) if unit.contexts else name

    def _rate(self, term: Term) -> str:
        return f"{term.amount} {self._said(term.over[0])} per {self._said(term.under[0], False)}"

    def _rounded(self, question: str, value: float, terms: list[Term], to: Term, expression: str, **more: Any) -> Draft:
        """The question with its rounding: to about three significant digits, more for the harder ones."""
        size = math.floor(math.log10(abs(value))) if value else 0
        decimals = min(_MOST_DECIMALS, max(0, 2 - size + self.rng.randint(0, 1 + round(self.difficulty))))
        stated = f"{decimals} decimal{'s' * (decimals != 1)}" if decimals else "a whole number"
        return Draft(f"{question} Round to {stated}.", terms, to, decimals, expression, **more)

    def _convert(self) -> Draft:
        units = _measuring(self.rng.choice(_QUANTITIES))
        source = self._unit(units)
        return self._one(Term(self._amount(), (source,)), Term("1", (self._unit(units, source),)))

    def _compound(self) -> Draft:
        over, under = map(_named, self.rng.choice(sorted(_RATES.values())))
        above, below = self._unit(over), self._unit(under)
        others = (self._unit(over, above), self._unit(under, below))
        return self._one(Term(self._amount(), (above,), (below,)), Term("1", others[:1], others[1:]))

    def _one(self, term: Term, to: Term) -> Draft:
        expression = f"{product(term)}{quotient(to)}"
        amount = self._rate(term) if term.under else f"{term.amount} {self._said(term.over[0])}"
        wanted = (
            f"{self._said(to.over[0])} per {self._said(to.under[0], False)}" if to.under else self._said(to.over[0])
        )
        question = self.rng.choice(_CONVERT).format(amount=amount, to=wanted)
        return self._rounded(question, _size(term) / _size(to), [term], to, expression)

    def _temperature(self) -> Draft:
        source, to = self.rng.sample(_measuring("temperature"), 2)
        term = self._heat(source)
        question = self.rng.choice(_CONVERT[1:]).format(amount=f"{term.amount} {source.many}", to=to.many)
        expression = f"{absolute(term)}{quotient(Term('1', (to,)))}{f' - {to.plus}' * (to.plus != '0')}"
        return self._rounded(question, 100, [term], Term("1", (to,)), expression)

    def _heat(self, unit: Unit) -> Term:
        """A temperature that people may meet, from 200 to 500 kelvin."""
        kelvin = self.rng.randint(2000, 5000) / 10
        value = kelvin * int(unit.divided_by) / float(unit.times) - float(unit.plus)
        return Term(f"{value:.{int(self.rng.random() < 0.7)}f}".replace("-0.0", "0.0"), (unit,))

    def _warming(self) -> Draft:
        first, second = self.rng.sample(_measuring("temperature"), 2)
        before, now = self._heat(first), self._heat(second)
        to = self.rng.choice([UNITS["kelvin"], UNITS["fahrenheit"], UNITS["reaumur"]])
        said = {"first": f"{before.amount} {first.many}", "second": f"{now.amount} {second.many}"}
        question = self.rng.choice(_WARMING).format(**said, to=to.many.replace("kelvin", "kelvins"))
        expression = f"({absolute(now)} - {absolute(before)}){quotient(Term('1', (to,)))}"
        return self._rounded(question, 50, [now, before], Term("1", (to,)), expression, minus=True)

    def _compare(self) -> Draft | None:
        quantity = self.rng.choice(sorted(_THINGS))
        (thing, verb, more), units = _THINGS[quantity], _measuring(quantity)
        first = self._unit(units)
        second = self._unit(units, first)
        a = Term(self._amount(20), (first,))
        b = Term(f"{Decimal(f'{_ratio(a, second) * self.rng.uniform(0.85, 1.15):.3g}'):f}", (second,))
        larger, smaller = (a, b) if _size(a) > _size(b) else (b, a)
        colours = self.rng.sample(_COLOURS, 2)
        told = dict(zip(colours, self.rng.sample([larger, smaller], 2), strict=True))
        to = Term("1", (self._unit(units, larger.over[0]),))
        sizes = [f"he {c} {thing} {verb} {t.amount} {self._said(t.over[0])}" for c, t in told.items()]
        question = (
            f"T{sizes[0]} and t{sizes[1]}. Which {more}, and by how many {self._said(to.over[0])}? "
            "Answer with colour, number."
        )
        gap = (_size(larger) - _size(smaller)) / _size(to)
        if gap < 1e-4:
            return None
        expression = f"({product(larger)} - {product(smaller)}){quotient(to)}"
        names = sorted(colours, key=lambda c: told[c] is not larger)
        return self._rounded(question, gap, [larger, smaller], to, expression, minus=True, names=names)

    def _total(self) -> Draft:
        among = _measuring(self.rng.choice(["length", "mass", "volume", "area"]))
        units: list[Unit] = []
        for _ in range(3 + (self.difficulty > 0.95)):
            units.append(self._unit(among, *units))
        *sources, to = units
        terms = [Term(self._amount(), (u,)) for u in sources]
        listed = [f"{t.amount} {self._said(t.over[0])}" for t in terms]
        amounts = f"{', '.join(listed[:-1])} and {listed[-1]}"
        question = self.rng.choice(_TOTAL).format(amounts=amounts, to=self._said(to))
        goal = Term("1", (to,))
        expression = f"({' + '.join(map(product, terms))}){quotient(goal)}"
        return self._rounded(question, sum(map(_size, terms)) / _size(goal), terms, goal, expression)

    def _work(self) -> Draft:
        job = self.rng.choice(sorted(_WORK))
        over, under = map(_named, _RATES[job])
        rate = Term(self._amount(2, 60), (self._unit(over),), (self._unit(under[:1] if job == "trip" else under),))
        divides = job in ("fuel", "pump")
        given_of, asked_of = (over, under) if divides else (under, over)
        known = (*rate.over, *rate.under)
        given = Term(self._amount(2, 90), (self._unit(given_of, *(u for u in known if u in given_of)),))
        to = Term("1", (self._unit(asked_of, *(u for u in known if u in asked_of)),))
        question = _WORK[job].format(
            who=self.rng.choice(["A car", "A truck", "A bus", "A boat"]),
            rate=self._rate(rate),
            given=f"{given.amount} {self._said(given.over[0])}",
            to=self._said(to.over[0]),
        )
        value = _size(given) * (1 / _size(rate) if divides else _size(rate)) / _size(to)
        by = f" / ({product(rate)})" if divides else f" * {product(rate)}"
        expression = f"{product(given)}{by}{quotient(to)}"
        return self._rounded(question, value, [given, rate], to, expression)


def _measuring(quantity: str) -> list[Unit]:
    return [u for u in UNITS.values() if u.quantity == quantity]


def _named(ids: Sequence[str]) -> list[Unit]:
    return [UNITS[i] for i in ids]


def _ratio(term: Term, unit: Unit) -> float:
    """How many of the unit the term is, roughly."""
    return _size(term) / _size(Term("1", (unit,)))


def _near(unit: Unit, other: Unit) -> bool:
    return 1 / _MAX_RATIO < float(unit.times) / float(other.times) < _MAX_RATIO


def _size(term: Term) -> float:
    """The term in base units, roughly."""
    over, under = (math.prod(float(u.times) for u in units) for units in (term.over, term.under))
    return float(term.amount) * over / under


def product(term: Term) -> str:
    """The term in base units, as `calculate` takes it."""
    up = "".join(f" * {u.times}" for u in term.over if u.times != "1")
    return term.amount + up + "".join(f" / {u.times}" for u in term.under if u.times != "1")


def quotient(to: Term) -> str:
    """What a sum in base units has behind it to be in the units of `to`."""
    up = "".join(f" / {u.times}" * (u.times != "1") + f" * {u.divided_by}" * (u.divided_by != "1") for u in to.over)
    return up + "".join(f" * {u.times}" for u in to.under if u.times != "1")


def absolute(term: Term) -> str:
    """A temperature in kelvin, as `calculate` takes it."""
    (unit,) = term.over
    shifted = f"({term.amount} + {unit.plus})" if unit.plus != "0" else term.amount
    return shifted + f" * {unit.times}" * (unit.times != "1") + f" / {unit.divided_by}" * (unit.divided_by != "1")


class Units(Lookup):
    """Amounts in other units, through a catalogue and a calculator.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one conversion) to 1 (sums and journeys, in units of ambiguous names), None for any.
    """

    id = "postgym/Units-v0"

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question and the calls that settle it, from `rng` alone."""
        draft = None
        while draft is None:
            setter = Setter(rng, difficulty)
            draft = setter.draft()
        used = [u for t in [*draft.terms, draft.to] for u in (*t.over, *t.under)]
        defined = [u for u in dict.fromkeys(used) if u.id not in BASES.values()]
        reads: list[Call] = [{"name": "define_unit", "arguments": {"unit": u.id}} for u in defined]
        names = dict.fromkeys(u.one for u in defined if len(namesakes(u)) > 1)
        finds: list[Call] = [{"name": "find_unit", "arguments": {"name": name}} for name in names]
        plan = [*finds, *reads, sum_call(draft.expression, draft.decimals)]
        named = [{"type": "text", "value": draft.names[0], "choices": draft.names}] if draft.names else []
        return Task(
            prompt=(SYSTEM, Message("user", draft.question)),
            target={
                "answer": [*named, number(worked_out(draft.expression, draft.decimals))],
                "needs": [[call] for call in reads],
                "calls": len(plan),
            },
            meta={
                "kind": setter.kind,
                "terms": [t.plain() for t in draft.terms],
                "to": draft.to.plain(),
                "decimals": draft.decimals,
                "minus": draft.minus,
                "plan": plan,
            },
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`find_unit`, `define_unit` and `calculate`."""
        return tools_of(Bureau())

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Besides those of every lookup: the namesake of the unit meant, and a result that isn't rounded."""
        plan, closing = task.meta["plan"], closing_of(task.target)

        def close(messages: Sequence[Message]) -> str:
            return closing

        return {
            **super().exploits(task),
            "defines other units": Exploit(call_by_call([_another(c, plan) for c in plan], close)),
            "only finds the units": Exploit(call_by_call([c for c in plan if c["name"] == "find_unit"], close)),
        }


def _another(call: Call, plan: Sequence[Call]) -> Call:
    """The definition of a namesake, or of any other unit that isn't asked for."""
    if call["name"] != "define_unit":
        return call
    asked = [c["arguments"].get("unit") for c in plan]
    others = [u.id for u in [*namesakes(UNITS[call["arguments"]["unit"]]), *UNITS.values()] if u.id not in asked]
    return {**call, "arguments": {"unit": others[0]}}
