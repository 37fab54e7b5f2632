"""Specs for small functions: a pipeline of list operations, with its words, its code and its meaning.

Each operation holds all three, so the reference, the expert's program and the prompt can't drift apart.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Values = list[Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step over a list: `words` continue "take xs", `code` is an expression of {xs}, `apply` does it."""

    words: str
    code: str
    apply: Callable[[Values], Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """A function to write: its stages in order; the last gives the result."""

    name: str
    argument: str
    stages: tuple[Stage, ...]

    @property
    def words(self) -> str:
        """The task in words."""
        *middle, last = [s.words for s in self.stages]
        if not middle:
            return f"Return {last.format(xs=self.argument)}."
        first, *rest = middle
        steps = "".join(f" Then {words.format(xs='them')}." for words in rest)
        return f"Take {self.argument}. {_sentence(first)}{steps} Return {last.format(xs='them')}."

    @property
    def program(self) -> str:
        """The expert's program."""
        needed = ["import math"] if any("math." in s.code for s in self.stages) else []
        lines = [*needed, f"def {self.name}({self.argument}):"]
        value = self.argument
        for stage in self.stages[:-1]:
            lines.append(f"    {self.argument} = {stage.code.format(xs=value)}")
        lines.append(f"    return {self.stages[-1].code.format(xs=value)}")
        return "\n".join(lines)

    def __call__(self, values: Values) -> Any:
        """The meaning: trusted code, run where the task is made."""
        found: Any = list(values)
        for stage in self.stages:
            found = stage.apply(found)
        return found


def _sentence(words: str) -> str:
    text = words.format(xs="the numbers")
    return text[0].upper() + text[1:] + "."


def _filter(rng: random.Random) -> Stage:
    k, m = rng.randint(2, 30), rng.randint(2, 9)
    return rng.choice(
        (
            Stage("keep the even ones", "[x for x in {xs} if x % 2 == 0]", lambda v: [x for x in v if x % 2 == 0]),
            Stage("keep the odd ones", "[x for x in {xs} if x % 2 == 1]", lambda v: [x for x in v if x % 2 == 1]),
            Stage(f"keep those above {k}", f"[x for x in {{xs}} if x > {k}]", lambda v: [x for x in v if x > k]),
            Stage(f"keep those below {k}", f"[x for x in {{xs}} if x < {k}]", lambda v: [x for x in v if x < k]),
            Stage(
                f"keep multiples of {m}",
                f"[x for x in {{xs}} if x % {m} == 0]",
                lambda v: [x for x in v if x % m == 0],
            ),
            Stage(f"drop every {k}", f"[x for x in {{xs}} if x != {k}]", lambda v: [x for x in v if x != k]),
        )
    )


def _map(rng: random.Random) -> Stage:
    k = rng.randint(2, 30)
    return rng.choice(
        (
            Stage("square each", "[x * x for x in {xs}]", lambda v: [x * x for x in v]),
            Stage(f"multiply each by {k}", f"[x * {k} for x in {{xs}}]", lambda v: [x * k for x in v]),
            Stage(f"add {k} to each", f"[x + {k} for x in {{xs}}]", lambda v: [x + k for x in v]),
            Stage(f"subtract {k} from each", f"[x - {k} for x in {{xs}}]", lambda v: [x - k for x in v]),
            Stage("negate each", "[-x for x in {xs}]", lambda v: [-x for x in v]),
        )
    )


def _reshape(rng: random.Random) -> Stage:
    k = rng.randint(2, 5)
    return rng.choice(
        (
            Stage("sort {xs}", "sorted({xs})", sorted),
            Stage("sort {xs} from large to small", "sorted({xs}, reverse=True)", lambda v: sorted(v, reverse=True)),
            Stage("reverse {xs}", "{xs}[::-1]", lambda v: v[::-1]),
            Stage(f"take the first {k}", f"{{xs}}[:{k}]", lambda v: v[:k]),
            Stage(f"take the last {k}", f"{{xs}}[-{k}:]", lambda v: v[-k:]),
            Stage(f"take every {k}th, beginning with the first", f"{{xs}}[::{k}]", lambda v: v[::k]),
            Stage("drop repeats, keeping first places", "list(dict.fromkeys({xs}))", lambda v: list(dict.fromkeys(v))),
            Stage(
                "replace {xs} by their running sums",
                "[sum({xs}[:i + 1]) for i in range(len({xs}))]",
                lambda v: [sum(v[: i + 1]) for i in range(len(v))],
            ),
            Stage(
                "replace {xs} by the differences of neighbours, later minus earlier",
                "[b - a for a, b in zip({xs}, {xs}[1:])]",
                lambda v: [b - a for a, b in pairwise(v)],
            ),
        )
    )


def _result(rng: random.Random) -> Stage:
    k = rng.randint(2, 30)
    return rng.choice(
        (
            Stage("the sum of {xs}", "sum({xs})", sum),
            Stage("the largest of {xs}, or 0 if there is none", "max({xs}, default=0)", lambda v: max(v, default=0)),
            Stage("the smallest of {xs}, or 0 if there is none", "min({xs}, default=0)", lambda v: min(v, default=0)),
            Stage(f"the sum of {{xs}} plus {k}", f"sum({{xs}}) + {k}", lambda v: sum(v) + k),
            Stage(f"the sum of {{xs}} times {k}", f"sum({{xs}}) * {k}", lambda v: sum(v) * k),
            Stage("the list of {xs}", "list({xs})", list),
        )
    )


def _rich_result(rng: random.Random) -> Stage:
    m = rng.randint(2, 5)
    return rng.choice(
        (
            Stage(
                "a dict from each distinct one, as text, to its count",
                "{{str(x): {xs}.count(x) for x in {xs}}}",
                lambda v: {str(x): v.count(x) for x in v},
            ),
            Stage(
                f"{m} sums in a list: that of remainder 0 when divided by {m}, of remainder 1, and so on",
                f"[sum(x for x in {{xs}} if x % {m} == r) for r in range({m})]",
                lambda v: [sum(x for x in v if x % m == r) for r in range(m)],
            ),
            Stage(
                "the product of the distinct ones that aren't 0",
                "math.prod(set({xs}) - {{0}})",
                lambda v: math.prod(set(v) - {0}),
            ),
            Stage(
                "the largest sum of two neighbours, or 0 if there are fewer than two",
                "max((a + b for a, b in zip({xs}, {xs}[1:])), default=0)",
                lambda v: max((a + b for a, b in pairwise(v)), default=0),
            ),
        )
    )


def make_spec(rng: random.Random, difficulty: float) -> Spec:
    """A spec of 2 stages at difficulty 0, up to 7 of more kinds at 1."""
    count = 1 + round(difficulty * 5)
    kinds: Sequence[Callable[[random.Random], Stage]] = (
        (_filter, _map) if difficulty < 0.25 else (_filter, _map, _reshape)
    )
    stages = [rng.choice(kinds)(rng) for _ in range(count)]
    stages.append((_rich_result if rng.random() < difficulty - 0.3 else _result)(rng))
    name = rng.choice(("f", "g", "solve", "run", "calc", "work", "go", "func", "compute", "apply"))
    argument = rng.choice(("xs", "nums", "values", "items", "data", "a", "ns", "numbers"))
    return Spec(name, argument, tuple(stages))
