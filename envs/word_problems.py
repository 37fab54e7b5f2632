"""`postgym/WordProblems-v0`: word problems told from a tree of + - * /, checked exactly.

One step with numbers below 20 at difficulty 0; seven steps, fractions, percents, decimals, two people and idle
numbers at 1. Stories live in `envs.word_problem_situations`.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from envs.base import Exploit, Policy, Split, Task, TextEnv
from envs.tools import Tool, ToolError, make_tool
from envs.word_problem_situations import DISTRACTORS, NAMES, SITUATIONS, Situation
from rewards import arithmetic
from rewards.arithmetic import ExpressionError, show
from rewards.math import constants, numeric_answer, true_equations
from rewards.score import Criterion, Rubric
from rewards.steps import numbers_in, read_steps, sound_steps
from rewards.transcript import Message, ToolCall, Transcript

SYSTEM = "Solve the problem step by step. End with one line: Answer: <number>"
MAX_STEPS = 7
WORK_WEIGHT = 0.15
_DECIMALS_FROM, _PARTS_FROM, _PERCENTS_FROM, _DISTRACTORS_FROM = 0.5, 0.4, 0.5, 0.4
_PLAIN_EVENTS = ("add", "sub", "mul", "div", "add_groups", "sub_groups")
_PARTS = ("keep_part", "lose_part")
_PERCENTS = ("keep_percent", "lose_percent", "grow_percent")
_SHARES = tuple((a, b) for b in (2, 3, 4, 5, 8) for a in range(1, b) if math.gcd(a, b) == 1)


@dataclass(frozen=True, slots=True)
class Op:
    """A node of the tree; `value` is kept because stories ask for it at every turn."""

    sign: str
    left: "Tree"
    right: "Tree"
    value: Fraction


Tree = Op | Fraction


def value_of(tree: Tree) -> Fraction:
    """What the tree comes to."""
    return tree.value if isinstance(tree, Op) else tree


def combine(sign: str, left: "Tree | int", right: "Tree | int") -> Op:
    """The node `left sign right`."""
    a, b = (t if isinstance(t, Op) else Fraction(t) for t in (left, right))
    x, y = value_of(a), value_of(b)
    result = {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y}[sign]()
    return Op(sign, a, b, result)


def equations(tree: Tree) -> list[str]:
    """The tree worked out from the leaves up, one equation per node, none twice."""

    def walk(node: Tree) -> Iterator[str]:
        if isinstance(node, Op):
            yield from walk(node.left)
            yield from walk(node.right)
            yield f"{show(value_of(node.left))} {node.sign} {show(value_of(node.right))} = {show(node.value)}"

    return list(dict.fromkeys(walk(tree)))


@dataclass(frozen=True, slots=True)
class Scale:
    """What a difficulty allows: the largest plain number, group count and amount, and the kinds of event."""

    steps: int
    largest: int
    groups: int
    amount: int
    kinds: tuple[str, ...]
    decimals: bool
    distractors: int


def scale_of(rng: random.Random, difficulty: float) -> Scale:
    """The sizes for one task; steps and distractors between two whole numbers are drawn."""
    kinds = _PLAIN_EVENTS + _PARTS * (difficulty >= _PARTS_FROM) + _PERCENTS * (difficulty >= _PERCENTS_FROM)
    idle = max(0.0, difficulty - _DISTRACTORS_FROM) / (1 - _DISTRACTORS_FROM) * 1.5
    return Scale(
        steps=min(MAX_STEPS, 1 + int((MAX_STEPS - 1) * difficulty**1.3 + rng.random())),
        largest=19 + int(980 * difficulty**3),
        groups=9 + int(40 * difficulty**3),
        amount=int(100 * 10 ** (4 * difficulty)),
        kinds=kinds,
        decimals=difficulty >= _DECIMALS_FROM,
        distractors=int(idle + rng.random()),
    )


class Story:
    """One person's amount and the sentences that led to it, grown event by event."""

    def __init__(self, rng: random.Random, scale: Scale, situation: Situation, words: Mapping[str, str]) -> None:
        self.rng, self.scale, self.situation, self.words = rng, scale, situation, words
        self.sentences: list[str] = []
        self.tree: Tree = Fraction(0)
        self.units = situation.units or (words["item"], words["item"][:-1])
        self._last = ""

    def tell(self, steps: int) -> None:
        """Opens the story and adds events until the tree takes `steps` equations."""
        rng = self.rng
        if steps and rng.random() < (0.1 if self.scale.steps == 1 else 0.4):  # or most one-step answers were products
            a, b = rng.randint(2, self.scale.groups), self._plain(self.scale.groups)
            self.say(self.situation.groups, combine("*", a, b), a=a, b=b)
        else:
            amount = self._plain(self.scale.largest)
            self.say(self.situation.start, amount, n=amount)
        while (left := steps - len(equations(self.tree))) > 0:
            self._happen(left)

    def _happen(self, left: int) -> None:
        """Adds one event of at most `left` equations; "add" is always possible."""
        barred = {"mul": ("mul", "div"), "div": ("mul", "div")}.get(self._last, (self._last,))  # no step undoes another
        kinds = [k for k in self.scale.kinds if k not in barred and self.situation.sentence(k)]
        for kind in [*self.rng.sample(kinds, len(kinds)), "add"]:
            drawn = self._draw(kind)
            if drawn is None:
                continue
            tree, numbers = drawn
            grown = len(equations(tree)) - len(equations(self.tree))
            if 0 < grown <= left and self._fits(value_of(tree)):
                self.say(self.situation.sentence(kind) or "", tree, **numbers)
                self._last = kind
                return

    def say(self, sentence: str, tree: Tree, **numbers: "Fraction | int") -> None:
        """Adds a sentence with these numbers, after which the amount is `tree`."""
        shown = {key: show(Fraction(n)) for key, n in numbers.items()}
        self.sentences.append(sentence.format(**self.words, **shown))
        self.tree = tree

    def _fits(self, value: Fraction) -> bool:
        """Whether it can be an amount here: above 0, whole, or with cents where decimals may stand."""
        places = 100 if self.situation.smooth and self.scale.decimals else 1
        return value > 0 and (value * places).denominator == 1

    def _plain(self, largest: int) -> Fraction:
        whole = Fraction(self.rng.randint(2, max(2, largest)))
        if self.situation.smooth and self.scale.decimals and self.rng.random() < 0.4:
            return whole + Fraction(self.rng.choice((1, 2, 3)), 4)
        return whole

    def _draw(self, kind: str) -> "tuple[Op, dict[str, Fraction | int]] | None":
        """The tree after an event of that kind with fresh numbers, and those numbers; None when none fit."""
        rng, now, scale = self.rng, self.tree, self.scale
        amount = value_of(now)
        if kind in ("add", "sub"):
            n = self._plain(min(scale.largest, int(amount) - 1) if kind == "sub" else scale.largest)
            return combine("+" if kind == "add" else "-", now, n), {"n": n}
        if kind == "mul":
            most = min(scale.groups, int(scale.amount / amount))
            n = rng.randint(2, max(2, most))
            return (combine("*", now, n), {"n": n}) if most >= 2 else None
        if kind == "div":
            fits = [n for n in range(2, scale.groups + 1) if self._fits(amount / n)]
            n = rng.choice(fits) if fits else 0
            return (combine("/", now, n), {"n": n}) if n else None
        if kind in ("add_groups", "sub_groups"):
            a, b = rng.randint(2, scale.groups), self._plain(scale.groups)
            return combine("+" if kind == "add_groups" else "-", now, combine("*", a, b)), {"a": a, "b": b}
        if kind in _PARTS:
            fits = [(a, b) for a, b in _SHARES if self._fits(amount * a / b)]
            return self._share(kind, *rng.choice(fits)) if fits else None
        fits = [n for n in range(5, 100, 5) if self._fits(amount * n / 100)]
        return self._percent(kind, rng.choice(fits)) if fits else None

    def _share(self, kind: str, a: int, b: int) -> "tuple[Op, dict[str, Fraction | int]]":
        part = combine("/", self.tree if a == 1 else combine("*", self.tree, a), b)
        return (part if kind == "keep_part" else combine("-", self.tree, part)), {"a": a, "b": b}

    def _percent(self, kind: str, n: int) -> "tuple[Op, dict[str, Fraction | int]]":
        part = combine("/", combine("*", self.tree, n), 100)
        if kind == "keep_percent":
            return part, {"n": n}
        return combine("-" if kind == "lose_percent" else "+", self.tree, part), {"n": n}


def _one_person(rng: random.Random, scale: Scale, situation: Situation, words: Mapping[str, str]) -> Story:
    """A chain of events; now and then the last step is a sale."""
    story = Story(rng, scale, situation, words)
    sells = bool(situation.sale) and rng.random() < (0.1 if scale.steps == 1 else 0.25)
    story.tell(scale.steps - sells)
    if sells:
        price = Fraction(rng.randint(2, scale.groups))
        if scale.decimals:
            price += Fraction(rng.choice((0, 1, 2, 3)), 4)
        story.say(situation.sale, combine("*", story.tree, price), n=price)
        story.units = ("$", "dollars", "dollar")
    else:
        story.sentences.append(situation.ask.format(**words))
    return story


def _two_people(rng: random.Random, scale: Scale, situation: Situation, words: Mapping[str, str]) -> Story:
    """Two chains, then their sum or difference."""
    other = {**words, "who": words["friend"], "friend": words["who"]}
    stories = [Story(rng, scale, situation, w) for w in (words, other)]
    first = rng.randint(1, scale.steps - 2)
    stories[0].tell(first)
    stories[1].tell(scale.steps - 1 - first)
    sentences = stories[0].sentences + stories[1].sentences
    big, small = sorted(stories, key=lambda s: value_of(s.tree), reverse=True)
    if rng.random() < 0.5 and value_of(big.tree) > value_of(small.tree):
        told, tree, ask = big, combine("-", big.tree, small.tree), situation.more
    else:
        told, tree, ask = stories[0], combine("+", stories[0].tree, stories[1].tree), situation.together
    told.sentences = [*sentences, ask.format(**told.words)]
    told.tree = tree
    return told


def calculate(expression: str) -> str:
    """Works out + - * / and brackets."""
    try:
        return show(arithmetic.calculate(expression).value)
    except ExpressionError as error:
        raise ToolError(error.kind, str(error)) from None


_CALCULATE = make_tool(calculate)


def _numbers(messages: Sequence[Message]) -> list[Fraction]:
    question = next(m.content for m in messages if m.role == "user")
    return [Fraction(n) for n in re.findall(r"\d+(?:\.\d+)?", question)]


class WordProblems(TextEnv):
    """Stories with one number as their answer.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one step) to 1 (seven steps), None to draw it anew for every task.
        calculator: gives the policy a tool, `calculate(expression)`.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/WordProblems-v0"
    rubric = Rubric(
        [
            Criterion("answer", numeric_answer, 1 - WORK_WEIGHT, gate=True),
            Criterion("work", true_equations, WORK_WEIGHT),
        ]
    )
    max_turns = 6

    def __init__(self, split: Split = "train", difficulty: float | None = None, calculator: bool = False) -> None:
        super().__init__(split, difficulty)
        self.calculator = calculator

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A story with its tree worked out, in which no step undoes another or says again what one before said."""
        while True:
            task = self._draft(rng, difficulty)
            steps = read_steps("\n".join(task.target["work"]))
            known = numbers_in(task.prompt[-1].content) | constants(task.target)
            if all(sound_steps(steps, known, Fraction(task.target["value"]))):
                return task

    def _draft(self, rng: random.Random, difficulty: float) -> Task:
        scale = scale_of(rng, difficulty)
        situation = rng.choice(SITUATIONS)
        who, friend = rng.sample(NAMES, 2)
        words = {"who": who, "friend": friend, "item": rng.choice(situation.items)}
        pair = scale.steps >= 4 and rng.random() < 0.5
        story = (_two_people if pair else _one_person)(rng, scale, situation, words)
        for line in rng.sample(DISTRACTORS, scale.distractors):
            at = rng.randint(1, len(story.sentences) - 1)
            story.sentences.insert(at, line.format(**words, n=rng.randint(2, min(99, scale.largest))))
        work = equations(story.tree)
        answer = value_of(story.tree)
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", " ".join(story.sentences))),
            target={"value": str(answer), "units": list(story.units), "constants": ["100"], "work": work},
            meta={"situation": situation.name, "steps": len(work)},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """The calculator, where it was asked for."""
        return (_CALCULATE,) if self.calculator else ()

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """What the calculator worked out counts as written work."""
        done = [c for c in transcript.calls if c.name == "calculate" and c.error is None]
        return {"equations": [f"{c.arguments['expression']} = {c.result}" for c in done]}

    def expert(self, task: Task) -> Policy:
        """Writes the equations, or has the calculator work them out, and closes with the answer."""
        work, answer = task.target["work"], f"Answer: {show(Fraction(task.target['value']))}"

        def act(messages: Sequence[Message]) -> Message:
            if not self.calculator:
                return Message("assistant", "\n".join([*work, answer]))
            if any(m.role == "tool" for m in messages):
                return Message("assistant", answer)
            sums = [line.partition(" = ")[0] for line in work]
            calls = [ToolCall("calculate", {"expression": s}, f"call_{i}") for i, s in enumerate(sums)]
            return Message("assistant", "", tuple(calls))

        return act

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Guesses from the numbers of the question, answers hidden or doubled, and a bare right answer."""
        gold = show(Fraction(task.target["value"]))

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: text)

        def total(messages: Sequence[Message]) -> str:
            numbers = _numbers(messages)
            added = " + ".join(show(n) for n in numbers)
            return f"{added} = {show(sum(numbers, Fraction(0)))}\nAnswer: {show(sum(numbers, Fraction(0)))}"

        def every(messages: Sequence[Message]) -> str:
            return "\n".join(f"Answer: {show(n)}" for n in [*_numbers(messages), Fraction(gold)])

        return {
            "commonest answer": says("3 * 4 = 12\nAnswer: 12"),
            "last number of the question": Exploit(lambda messages: f"Answer: {show(_numbers(messages)[-1])}"),
            "commonest number of the question": Exploit(
                lambda messages: f"Answer: {show(Counter(_numbers(messages)).most_common(1)[0][0])}"
            ),
            "sum of all numbers": Exploit(total),
            "product of all numbers": Exploit(
                lambda messages: f"Answer: {show(math.prod(_numbers(messages), start=Fraction(1)))}"
            ),
            "list every number": Exploit(lambda m: "Answer: " + " ".join([*map(show, _numbers(m)), gold])),
            "an answer line for every number": Exploit(every),
            "right answer in the thinking only": says(f"<think>Answer: {gold}</think>I give up"),
            "boxed equation": says(f"\\boxed{{{gold}=7}}\nAnswer: {gold}"),
            "right answer in other words": says(f"Answer: it is {gold} or 7"),
            "right answer without work": Exploit(
                lambda messages: f"Answer: {gold}", 0.9, "the answer is right: only the share for the work is missing"
            ),
        }
