"""Cheats that every environment with one number as its answer invites; each adds its own kinds."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

from envs.base import Exploit, Task
from rewards.arithmetic import show
from rewards.transcript import Message

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def says(text: str) -> Exploit:
    """A policy that always says `text`."""
    return Exploit(lambda messages: text)


def from_numbers(guess: Callable[[list[Fraction]], Fraction]) -> Exploit:
    """A policy that makes its answer of the numbers of the question (a 0 where it has none), in their order."""

    def act(messages: Sequence[Message]) -> str:
        question = next(m.content for m in messages if m.role == "user")
        return f"Answer: {show(guess([Fraction(n) for n in _NUMBER.findall(question)] or [Fraction(0)]))}"

    return Exploit(act)


def number_cheats(task: Task, commonest: str) -> dict[str, Exploit]:
    """Guesses from the question, hedges, near misses and answers in the wrong place."""
    gold = Fraction(task.target["value"])
    shown = show(gold)
    hedge = " ".join(show(gold + i) for i in range(-2, 3))
    return {
        "commonest answer": says(f"Answer: {commonest}"),
        "last number of the question": from_numbers(lambda n: n[-1]),
        "commonest number of the question": from_numbers(lambda n: Counter(n).most_common(1)[0][0]),
        "sum of all numbers": from_numbers(lambda n: sum(n, Fraction(0))),
        "product of all numbers": from_numbers(lambda n: math.prod(n, start=Fraction(1))),
        "off by one": says(f"Answer: {show(gold + 1)}"),
        "wrong sign": says(f"Answer: {show(-gold if gold else Fraction(1))}"),
        "upside down": says(f"Answer: {show(1 / gold if gold * gold not in (0, 1) else gold + 2)}"),
        "several answers on one line": says(f"Answer: {hedge}"),
        "an answer line for each guess": says(f"Answer: {shown}\nAnswer: {show(gold + 1)}"),
        "right answer in the thinking only": says(f"<think>Answer: {shown}</think>I give up"),
        "right answer left undone": says(f"Answer: {shown} + 0"),
        "right answer boxed with another": says(f"\\boxed{{{show(gold + 1)}}}\nAnswer: {shown}"),
    }
