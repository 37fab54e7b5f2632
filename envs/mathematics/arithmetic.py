"""`postgym/Arithmetic-v0`: expressions to be worked out exactly.

One operation on numbers up to 30 at difficulty 0; at 1 chains of a dozen terms with products, quotients, nested
brackets and negative numbers, in whole numbers, decimals or fractions. Plain integers throughout: it is the fastest.
"""

import ast
import operator
import random
from collections.abc import Callable
from fractions import Fraction
from math import gcd

from envs.base import Exploit, Policy, Task, TextEnv
from envs.mathematics.cheats import from_numbers, number_cheats
from rewards.arithmetic import show
from rewards.math import numeric_answer
from rewards.score import Criterion, Rubric
from rewards.transcript import Message

SYSTEM = Message("system", "Work it out step by step. End with one line: Answer: <number>")
MAX_TERMS = 12
_NEGATIVES_FROM, _BRACKETS_FROM, _DECIMALS_FROM, _FRACTIONS_FROM, _NESTED_FROM = 0.2, 0.25, 0.35, 0.45, 0.6
_WORDINGS = (
    "What is {}?",
    "Calculate {}.",
    "Work out {}.",
    "Compute {}",
    "{} = ?",
    "Find the value of {}.",
    "Evaluate: {}",
    "How much is {}?",
    "Please solve {}.",
    "What does {} come to?",
)
_OPERATORS = {ast.Add: ("+", operator.add), ast.Sub: ("-", operator.sub), ast.Mult: ("*", operator.mul)}
Draw = Callable[[], float]  # random.Random.random: an int of it costs a fifth of a randrange


def _easy(draw: Draw) -> tuple[str, int, int, int]:
    """One operation on two numbers, with a positive result."""
    kind = int(draw() * 5)
    a, b = 2 + int(draw() * 29), 2 + int(draw() * 29)
    if kind < 2:
        return f"{a} + {b}", a + b, 1, 1
    if kind == 2:
        return f"{a + b} - {b}", a, 1, 1
    a, b = 2 + a % 11, 2 + b % 11
    return (f"{a} * {b}", a * b, 1, 1) if kind == 3 else (f"{a * b} / {b}", a, 1, 1)


def _whole(draw: Draw, difficulty: float, most: float) -> tuple[str, int, int, int]:
    """A number, product, exact quotient or bracket of numbers up to `most`."""
    kind = draw()
    a = 2 + int(draw() * most)
    if kind < 0.4 - 0.2 * difficulty:
        if difficulty >= _NEGATIVES_FROM and draw() < 0.25:
            return f"(-{a})", -a, 1, 0
        return f"{a}", a, 1, 0
    b = 2 + int(draw() * most)
    if kind < 0.6:
        return f"{a} * {b}", a * b, 1, 1
    if kind < 0.75 or difficulty < _BRACKETS_FROM:
        return f"{a * b} / {b}", a, 1, 1
    c = 2 + int(draw() * most)
    if kind < 0.9 or difficulty < _NESTED_FROM:
        return (f"{a} * ({b} - {c})", a * (b - c), 1, 2) if kind < 0.83 else (f"({a} + {b}) * {c}", (a + b) * c, 1, 2)
    d = 2 + int(draw() * 12)
    return f"{a} * ({b} - {d} * ({c} - {a}))", a * (b - d * (c - a)), 1, 4


def _decimal(draw: Draw, difficulty: float, growth: float) -> tuple[str, int, int, int]:
    """A decimal of one to three places, or its product with a whole number; in thousandths, so that sums stay small."""
    places = 1 + int(draw() * (1 + 2 * difficulty))
    scale = 10**places
    a = 1 + int(draw() * 20 * growth * scale)
    text, thousandths = f"{a / scale:.{places}f}", a * (1000 // scale)
    if draw() < 0.5:
        return text, thousandths, 1000, 0
    b = 2 + int(draw() * 12 * 8**difficulty)
    return f"{text} * {b}", thousandths * b, 1000, 1


def _fraction(draw: Draw, difficulty: float, most: float) -> tuple[str, int, int, int]:
    """A fraction of a denominator up to `most`, or the product or quotient of two."""
    b, kind = 2 + int(draw() * most), draw()
    a = 1 + int(draw() * (2 * b - 1))
    if a % b == 0:
        a += 1
    if kind < 0.6:
        return f"{a}/{b}", a, b, 0
    d = 2 + int(draw() * most)
    c = 1 + int(draw() * (2 * d - 1))
    if c % d == 0:
        c += 1
    return (f"({a}/{b}) * ({c}/{d})", a * c, b * d, 1) if kind < 0.8 else (f"({a}/{b}) / ({c}/{d})", a * d, b * c, 1)


def draw_expression(draw: Draw, difficulty: float) -> tuple[str, int, int, int]:
    """The text of an expression, its value as top and bottom in lowest terms, and its operations."""
    terms = 1 + int((MAX_TERMS - 1) * difficulty**1.3 + draw())
    if terms == 1 or difficulty == 0:
        return _easy(draw)
    kind = draw()
    fractions = difficulty >= _FRACTIONS_FROM and kind < 0.3
    if fractions:
        make, size = _fraction, 4 + int(16 * difficulty)
    elif difficulty >= _DECIMALS_FROM and kind < 0.55:
        make, size = _decimal, 30**difficulty
    else:
        make, size = _whole, int(12 * 40**difficulty)
    count = min(terms, 3 + int(3 * difficulty)) if fractions else min(terms, MAX_TERMS)
    text, top, bottom, operations = make(draw, difficulty, size)
    for _ in range(count - 1):
        term, a, b, within = make(draw, difficulty, size)
        if draw() < 0.5:
            text = f"{text} + {term}"
        else:
            text, a = f"{text} - {term}", -a
        if b == bottom:
            top += a
        else:
            top, bottom = top * b + a * bottom, bottom * b
        operations += 1 + within
    common = 1 if bottom == 1 else gcd(top, bottom)
    return text, top // common, bottom // common, operations


def steps(expression: str) -> list[str]:
    """The expression worked out, one equation per operation in the order of the operations.

    Args:
        expression: trusted text over + - * / and brackets. A quotient of two whole numbers that leaves a remainder
            is a fraction, not a step.
    """
    lines: list[str] = []
    _work_out(ast.parse(expression, mode="eval").body, lines, show if "." in expression else str)
    return list(dict.fromkeys(lines))


def _work_out(node: ast.expr, lines: list[str], spell: Callable[[Fraction], str]) -> Fraction:
    if isinstance(node, ast.UnaryOp):
        return -_work_out(node.operand, lines, spell)
    if isinstance(node, ast.Constant):
        return Fraction(str(node.value))
    assert isinstance(node, ast.BinOp)
    sign, work = _OPERATORS.get(type(node.op), ("/", operator.truediv))
    a, b = _work_out(node.left, lines, spell), _work_out(node.right, lines, spell)
    value = work(a, b)
    plain = isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)
    if not (sign == "/" and plain and value.denominator == b):
        right = f"({spell(b)})" if b < 0 or ("/" in spell(b) and sign in "*/") else spell(b)
        left = f"({spell(a)})" if "/" in spell(a) and sign in "*/" else spell(a)
        lines.append(f"{left} {sign} {right} = {spell(value)}")
    return value


class Arithmetic(TextEnv):
    """Expressions with one exact number as their value.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one operation) to 1 (a dozen terms), None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/Arithmetic-v0"
    rubric = Rubric([Criterion("answer", numeric_answer)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """An expression and its value."""
        draw = rng.random
        text, top, bottom, operations = draw_expression(draw, difficulty)
        question = _WORDINGS[int(draw() * len(_WORDINGS))].format(text)
        return Task(
            prompt=(SYSTEM, Message("user", question)),
            target={"value": f"{top}/{bottom}" if bottom > 1 else f"{top}"},
            meta={"expression": text, "operations": operations},
        )

    def expert(self, task: Task) -> Policy:
        """Works out one operation a line."""
        value = Fraction(task.target["value"])
        expression = task.meta["expression"]
        shown = show(value) if "." in expression else str(value)
        return lambda messages: "\n".join([*steps(expression), f"Answer: {shown}"])

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """The family's cheats, and the operations that the sign hides."""
        return {
            **number_cheats(task, commonest="20"),
            "difference of the first two": from_numbers(lambda n: n[0] - n[min(1, len(n) - 1)]),
            "quotient of the first two": from_numbers(lambda n: n[0] / (n[min(1, len(n) - 1)] or 1)),
            "expression as the answer": Exploit(lambda messages: f"Answer: {task.meta['expression']}"),
        }
