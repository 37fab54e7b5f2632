"""`postgym/Countdown-v0`: reach a number with given numbers and + - * /; the expression is worked out to judge it.

Three numbers below 10 at difficulty 0, seven below 100 and a target of up to four digits at 1.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from rewards.arithmetic import ExpressionError, calculate
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = "Write the steps. End with one line: Answer: <expression>"
_WORDINGS = (
    "Numbers: {numbers}. Make {target} with + - * / and brackets, using each number at most once.",
    "Reach {target} from the numbers {numbers}. You may use + - * / and brackets, and no number twice.",
    "You hold the cards {numbers}. Use each card once at most, with + - * / and brackets, to make {target}.",
    "Write an expression that comes to {target}. Allowed are {numbers}, each at most once, and + - * / with brackets.",
    "Countdown: the target is {target}, the numbers are {numbers}. Each may be used once or not at all; "
    "+ - * / and brackets are allowed.",
    "{target} is wanted. Combine some or all of {numbers} by + - * / and brackets; a number counts only once.",
)


@dataclass(frozen=True, slots=True)
class Term:
    """A value with the expression that gives it; `binding` is 3 for a number, 2 for * /, 1 for + -."""

    value: int
    text: str
    binding: int = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """What a difficulty allows."""

    count: int
    largest: int
    limit: int  # of every intermediate result


def scale_of(rng: random.Random, difficulty: float) -> Scale:
    """The sizes for one task; a count between two whole numbers is drawn."""
    return Scale(
        count=min(7, 3 + int(4 * difficulty + rng.random())),
        largest=9 + int(90 * difficulty),
        limit=int(60 * 150**difficulty),
    )


def join(sign: str, left: Term, right: Term) -> Term | None:
    """`left sign right` with no more brackets than needed; None where it isn't a whole number above 0."""
    a, b = left.value, right.value
    if (sign == "-" and a <= b) or (sign == "/" and (a % b or b == 1)) or (sign == "*" and 1 in (a, b)):
        return None
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
    binding = 1 if sign in "+-" else 2
    before = left.text if left.binding >= binding else f"({left.text})"
    tight = right.binding > binding or (right.binding == binding and sign in "+*")
    return Term(value, f"{before} {sign} {right.text if tight else f'({right.text})'}", binding)


def _combine(rng: random.Random, scale: Scale, numbers: Sequence[int]) -> tuple[Term, list[str]] | None:
    """All numbers joined in random order, and the steps; None when a pair can't be joined."""
    terms = [Term(n, str(n)) for n in numbers]
    steps = []
    while len(terms) > 1:
        left, right = rng.sample(terms, 2)
        joined = [t for s in rng.sample("+-*/", 4) if (t := join(s, left, right)) and t.value <= scale.limit]
        if not joined:
            return None
        terms.remove(left)
        terms.remove(right)
        terms.append(joined[0])
        sign = next(s for s in "+-*/" if join(s, left, right) == joined[0])
        rest = "" if len(terms) == 1 else f" (left: {', '.join(str(t.value) for t in terms)})"
        steps.append(f"{left.value} {sign} {right.value} = {joined[0].value}{rest}")
    return terms[0], steps


def _cheap(numbers: Sequence[int], target: int) -> bool:
    """Whether a number, a pair, the sum or the product reaches the target: no search would be needed."""
    if target in (*numbers, sum(numbers), math.prod(numbers)):
        return True
    pairs = ((a, b) for a, b in combinations(numbers, 2))
    return any(target in (a + b, abs(a - b), a * b) or target * min(a, b) == max(a, b) for a, b in pairs)


def reaches_target(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing line is an expression of the given numbers, each used at most once, that hits the value.

    `target` holds `numbers` and `value`. A closing "= value" may follow the expression.
    """
    numbers, value = target.get("numbers"), target.get("value")
    if not isinstance(numbers, list) or not numbers or not isinstance(value, int):
        return failure(Status.TASK_ERROR, f"target {value!r} from {numbers!r} can't be judged")
    line = final_answer(transcript.answer)
    if line is None:
        return Score(0.0, "no single closing line `Answer: <expression>`", status=Status.INVALID_OUTPUT)
    left, equals, right = line.partition("=")
    try:
        expression = calculate(left)
        claimed = calculate(right).value if equals else expression.value
    except ExpressionError as error:
        return Score(0.0, f"{line[:60]!r} is no expression: {error}", status=Status.INVALID_OUTPUT)
    if excess := Counter(expression.numbers) - Counter(Fraction(n) for n in numbers):
        shown = ", ".join(str(n)[:20] for n in excess)
        return Score(0.0, f"not given, or used too often: {shown}")
    if expression.value != value or claimed != value:
        return Score(0.0, f"{line[:60]!r} is not {value}")
    return Score(1.0, "right")


def _asked(messages: Sequence[Message]) -> list[str]:
    return re.findall(r"\d+", messages[-1].content)


class Countdown(TextEnv):
    """Numbers, a target, and an expression in return.

    Any expression that reaches the target is right.
    """

    id = "postgym/Countdown-v0"
    rubric = Rubric([Criterion("answer", reaches_target)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Numbers joined at random; the target is what they came to."""
        scale = scale_of(rng, difficulty)
        while True:
            numbers = [rng.randint(1, scale.largest) for _ in range(scale.count)]
            drawn = _combine(rng, scale, numbers)
            if drawn and drawn[0].value >= 10 and not _cheap(numbers, drawn[0].value):
                break
        term, steps = drawn
        rng.shuffle(numbers)
        shown = ", ".join(map(str, numbers))
        question = rng.choice(_WORDINGS).format(numbers=shown, target=term.value)
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", question)),
            target={"numbers": numbers, "value": term.value, "steps": steps, "expression": term.text},
        )

    def expert(self, task: Task) -> Policy:
        """One join a line with what is left, then the whole expression."""
        text = "\n".join([*task.target["steps"], f"Answer: {task.target['expression']}"])
        return lambda messages: text

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Expressions that need no search, numbers that weren't given, and the solution hedged or hidden."""
        right, value = task.target["expression"], task.target["value"]
        numbers = [str(n) for n in task.target["numbers"]]

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: text)

        return {
            "the target itself": says(f"Answer: {value}"),
            "the target in disguise": says(f"Answer: {value} + {numbers[0]} - {numbers[0]}"),
            "the sum of all": says(f"Answer: {' + '.join(numbers)}"),
            "the product of all": says(f"Answer: {' * '.join(numbers)}"),
            "a claimed result": says(f"Answer: {' + '.join(numbers)} = {value}"),
            "first two multiplied, rest added": says(f"Answer: {numbers[0]} * {' + '.join(numbers[1:])}"),
            "two numbers run together": says(f"Answer: {numbers[0]}{numbers[1]} - {numbers[2]}"),
            "every number of the question": Exploit(lambda m: "Answer: " + " + ".join(_asked(m))),
            "a number used twice": says(f"Answer: {right} + {numbers[0]} - {numbers[0]}"),
            "the solution or another": says(f"Answer: {right} or {numbers[0]}"),
            "two answer lines": says(f"Answer: {numbers[0]}\nAnswer: {right}"),
            "the solution in the thinking": says(f"<think>\nAnswer: {right}\n</think>I don't know"),
        }
