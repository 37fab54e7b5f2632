"""`postgym/Currency-v0`: money across currencies, by rates that have to be looked up, exact to the minor unit.

One amount out of the house currency at difficulty 0. Inverse and cross rates, weekends, sums, changes over time, shops
and providers with fees come with difficulty; yen have no decimals and Kuwaiti dinars three.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from envs.api.currency_world import CURRENCIES, DAYS, HOUSES, Exchange, is_business_day, last_business_day, make_rates
from envs.api.lookup import Call, Lookup, closing_of, number, plain, sum_call, worked_out
from envs.base import Exploit, Task
from envs.kinds import pick_kind
from envs.plans import call_by_call
from envs.tools import Tool, tools_of
from rewards.transcript import Message

_SYSTEM = (
    "Use the tools; rates are quoted per 1 {house}, and on days without one the last business day's holds. Round each "
    "converted amount once, at its end, to its currency's decimals, halves up. End with one line, no units: "
    "Answer: <value>"
)
_KINDS = (
    (0.0, "buy"),
    (0.15, "sell"),
    (0.35, "cross"),
    (0.5, "change"),
    (0.6, "total"),
    (0.7, "shops"),
    (0.8, "offers"),
)
_NAMES_FROM = 0.5  # from here on currencies may be told by name
_EXTRA_CODES = 4  # currencies that nobody asks about
_FIRST_DAY = date(2024, 1, 1)
_PROVIDERS = ("Norda", "Wirex", "Paypoint", "Transva", "Quickpay", "Monex", "Fairway", "Orbit")
_SHOPS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple")
_THINGS = ("camera", "coat", "guitar", "laptop", "bicycle", "telescope", "carpet", "watch", "tent", "drone")
_WORDS = {
    "buy": (
        "How many {to} are {amount} {day}?",
        "What is {amount} in {to} {day}?",
        "I change {amount} into {to} {day}. What do I get?",
        "Convert {amount} to {to} {day}.",
    ),
    "change": (
        "How much more was {amount} worth in {to} {later} than {day}? Negative if less.",
        "I had {amount}. By how many {to} did its worth grow from the rate {day} to the one {later}? Negative if less.",
    ),
    "total": (
        "What are {amounts} together in {to} {day}?",
        "I hold {amounts}. What is that in {to} {day}?",
        "My bills are {amounts}. What is the total in {to} {day}?",
    ),
    "shops": (
        "A {thing} costs {amounts}. Where is it cheapest {day}, and how many {to} is that? Answer with shop, number.",
        "Which shop is cheapest {day} for a {thing}: {amounts}? Answer with shop, number of {to}.",
    ),
    "offers": (
        "Which provider gives most {to} for {amount} {day}, and how many? Answer with provider, number.",
        "I send {amount} as {to} {day}. By which provider does most arrive? Answer with provider, number.",
    ),
}


@dataclass(slots=True)
class Sheet:
    """A question being set: the world's rates, and the calls that settle it in order."""

    house: str
    rates: dict[str, dict[str, str]]
    reads: list[Call] = field(default_factory=list)
    sums: list[Call] = field(default_factory=list)

    def read(self, code: str, day: date) -> str:
        """The rate of a code on that day or the last business day before; noted as a call once."""
        at = last_business_day(day).isoformat()
        call = {"name": "rate", "arguments": {"base": self.house, "quote": code, "day": at}}
        if call not in self.reads:
            self.reads.append(call)
        return self.rates[code][at]

    def convert(self, amount: str, source: str, to: str, day: date, less: str = "") -> Decimal:
        """The amount in another currency, as a calculation; `less` is what the rate is multiplied by, if anything."""
        expression = amount
        if source != self.house:
            expression += f" / {self.read(source, day)}"
        if to != self.house:
            expression += f" * {self.read(to, day)}"
        return self.work_out(expression + less, CURRENCIES[to][1])

    def work_out(self, expression: str, decimals: int) -> Decimal:
        """What an expression comes to; noted as a call."""
        self.sums.append(sum_call(expression, decimals))
        return worked_out(expression, decimals)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question in words with its answer's fields and the offers that its world makes."""

    question: str
    answer: list[dict[str, Any]]
    offers: list[dict[str, Any]] = field(default_factory=list)


class Setter:
    """Sets one question of a kind.

    Args:
        rng: the only source of chance.
        difficulty: 0 to 1.
    """

    def __init__(self, rng: random.Random, difficulty: float) -> None:
        self.rng, self.difficulty = rng, difficulty
        self.kind = pick_kind(rng, _KINDS, difficulty)
        house = rng.choice(HOUSES)
        count = {"buy": 1, "sell": 1, "total": 3, "shops": 3}.get(self.kind, 2) + (difficulty > 0.8)
        self.codes = rng.sample([c for c in CURRENCIES if c != house], count)
        first = _FIRST_DAY + timedelta(rng.randrange(900))
        extra = rng.sample([c for c in CURRENCIES if c not in (house, *self.codes)], _EXTRA_CODES)
        listed = rng.sample([*self.codes, *extra], count + _EXTRA_CODES)
        self.sheet = Sheet(house, make_rates(rng, house, listed, first))
        days = [first + timedelta(n) for n in range(DAYS) if last_business_day(first + timedelta(n)) >= first]
        early = [d for d in days if last_business_day(d) < last_business_day(days[-1])]
        off = rng.random() < 0.7 * difficulty
        self.day = rng.choice([d for d in early if is_business_day(d) != off])
        self.later = rng.choice([d for d in days if last_business_day(d) > last_business_day(self.day)])
        self.named = difficulty >= _NAMES_FROM and rng.random() < 0.6

    def draft(self) -> Draft | None:
        """The question of this setter's kind; None where two would be best."""
        if self.kind in ("buy", "sell", "cross"):
            return self._one()
        return {"change": self._change, "total": self._total, "shops": self._shops, "offers": self._offers}[self.kind]()

    def _name(self, code: str) -> str:
        return CURRENCIES[code][0] if self.named else code

    def _when(self, day: date) -> str:
        return f"on {day.isoformat()}" if self.rng.random() < 0.5 else f"on {day.day} {day:%B %Y}"

    def _amount(self, code: str, euros: int = 0) -> str:
        """About so many euros' worth of a currency, as a round figure or one with decimals."""
        worth = (euros or self.rng.randint(20, 4000)) * CURRENCIES[code][2]
        decimals = CURRENCIES[code][1] if self.rng.random() < self.difficulty and worth < 1e5 else 0
        return f"{max(1, round(worth, decimals)):.{decimals}f}"

    def _say(self, **words: str) -> str:
        kind = "buy" if self.kind in ("sell", "cross") else self.kind
        return self.rng.choice(_WORDS[kind]).format(day=self._when(self.day), **words)

    def _one(self) -> Draft:
        house, code = self.sheet.house, self.codes[0]
        source, to = {"buy": (house, code), "sell": (code, house)}.get(self.kind, (code, self.codes[-1]))
        amount = self._amount(source)
        value = self.sheet.convert(amount, source, to, self.day)
        return Draft(self._say(amount=f"{amount} {self._name(source)}", to=self._name(to)), [number(value)])

    def _change(self) -> Draft:
        (source, to), decimals = self.codes[:2], CURRENCIES[self.codes[1]][1]
        amount = self._amount(source)
        before, after = (self.sheet.convert(amount, source, to, day) for day in (self.day, self.later))
        value = self.sheet.work_out(f"{plain(after)} - {plain(before)}", decimals)
        words = {"amount": f"{amount} {self._name(source)}", "to": self._name(to), "later": self._when(self.later)}
        return Draft(self._say(**words), [number(value)])

    def _total(self) -> Draft:
        *sources, to = self.codes
        amounts = [self._amount(code) for code in sources]
        values = [self.sheet.convert(a, code, to, self.day) for a, code in zip(amounts, sources, strict=True)]
        value = self.sheet.work_out(" + ".join(str(plain(v)) for v in values), CURRENCIES[to][1])
        told = [f"{a} {self._name(code)}" for a, code in zip(amounts, sources, strict=True)]
        return Draft(self._say(amounts=f"{', '.join(told[:-1])} and {told[-1]}", to=self._name(to)), [number(value)])

    def _shops(self) -> Draft | None:
        *sources, to = self.codes
        shops, euros = self.rng.sample(_SHOPS, len(sources)), self.rng.randint(40, 900)
        amounts = [self._amount(code, round(euros * self.rng.uniform(0.85, 1.15))) for code in sources]
        values = [self.sheet.convert(a, code, to, self.day) for a, code in zip(amounts, sources, strict=True)]
        best = min(range(len(values)), key=values.__getitem__)
        told = [f"{a} {self._name(c)} at {s}" for a, c, s in zip(amounts, sources, shops, strict=True)]
        amounts_told = f"{', '.join(told[:-1])} and {told[-1]}"
        words = {"thing": self.rng.choice(_THINGS), "amounts": amounts_told, "to": self._name(to)}
        return self._ranked(shops, values, best, self._say(**words), [])

    def _offers(self) -> Draft | None:
        source, to = self.codes[:2]
        amount = self._amount(source, self.rng.randint(200, 3000))
        unit = CURRENCIES[source][2]
        offers = [
            {
                "provider": name,
                "fee": plain(Decimal(f"{max(1, round(self.rng.randint(1, 9) * unit))}")),
                "spread_percent": plain(Decimal(self.rng.randint(1, 30)) / 10),
            }
            for name in self.rng.sample(_PROVIDERS, 3 + (self.difficulty > 0.95))
        ]
        values = [
            self.sheet.convert(
                f"({amount} - {o['fee']})", source, to, self.day, f" * (100 - {o['spread_percent']}) / 100"
            )
            for o in offers
        ]
        best = max(range(len(values)), key=values.__getitem__)
        question = self._say(amount=f"{amount} {self._name(source)}", to=self._name(to))
        return self._ranked([o["provider"] for o in offers], values, best, question, offers)

    def _ranked(
        self, names: Sequence[str], values: list[Decimal], best: int, question: str, offers: list[dict[str, Any]]
    ) -> Draft | None:
        """The best of several; its sum comes last, so that the answer stands next to it."""
        if values.count(values[best]) > 1:
            return None
        self.sheet.sums.append(self.sheet.sums.pop(best - len(values)))
        name = {"type": "text", "value": names[best], "choices": list(names)}
        return Draft(question, [name, number(values[best])], offers)


class Currency(Lookup):
    """Amounts of money in other currencies, through rates, offers and a calculator.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one amount at a given rate) to 1 (several amounts, cross rates, fees, weekends), None for any.
    """

    id = "postgym/Currency-v0"

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question and the fortnight of rates it is asked in, from `rng` alone."""
        draft = None
        while draft is None:
            setter = Setter(rng, difficulty)
            draft, sheet = setter.draft(), setter.sheet
        lists = [{"name": "currencies", "arguments": {}}] * setter.named
        asks = [{"name": "offers", "arguments": {}}] * bool(draft.offers)
        plan = [*lists, *asks, *sheet.reads, *sheet.sums]
        return Task(
            prompt=(Message("system", _SYSTEM.format(house=sheet.house)), Message("user", draft.question)),
            target={
                "answer": draft.answer,
                "needs": [[call] for call in [*asks, *sheet.reads]],
                "calls": len(plan),
            },
            meta={
                "kind": setter.kind,
                "house": sheet.house,
                "rates": sheet.rates,
                "offers": draft.offers,
                "plan": plan,
            },
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`currencies`, `rate` and `offers` over the task's rates, and `calculate`."""
        return tools_of(Exchange(task.meta["house"], task.meta["rates"], task.meta["offers"]))

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Besides those of every lookup: figures from calls that failed, and from other days."""
        plan, closing = task.meta["plan"], closing_of(task.target)

        def close(messages: Sequence[Message]) -> str:
            return closing

        return {
            **super().exploits(task),
            "asks the wrong way round": Exploit(call_by_call([_reversed(c) for c in plan], close)),
            "asks for another day": Exploit(call_by_call([_days_off(c) for c in plan], close)),
        }


def _reversed(call: Call) -> Call:
    """A rate the other way round, which nobody quotes."""
    if call["name"] != "rate":
        return call
    arguments = call["arguments"]
    return {**call, "arguments": {**arguments, "base": arguments["quote"], "quote": arguments["base"]}}


def _days_off(call: Call) -> Call:
    """A rate of the Sunday of that week, on which there is none."""
    if call["name"] != "rate":
        return call
    day = date.fromisoformat(call["arguments"]["day"])
    return {**call, "arguments": {**call["arguments"], "day": (day + timedelta(6 - day.weekday())).isoformat()}}
