"""What environments of many kinds of problem share: the draw of a kind by difficulty, the expert and the cheats."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from envs.base import Exploit, Policy, Task, TextEnv
from envs.mathematics.cheats import from_numbers, says
from envs.mutants import mutants
from rewards.equivalence import Kind
from rewards.math_answer import math_answer
from rewards.score import Criterion, Rubric
from rewards.transcript import Message

SYSTEM = Message("system", "Work it out step by step. End with one line: Answer: <answer>")


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its answer as `rewards.math_answer` reads it, and the lines of work that lead there."""

    question: str
    answer: str
    work: tuple[str, ...]
    kind: Kind = "number"
    units: tuple[str, ...] = ()  # words or signs that may stand by the answer


Maker = Callable[[random.Random, float], Problem]


class ProblemEnv(TextEnv):
    """One question of one of several kinds, and one exact answer.

    A subclass lists `makers`: (the difficulty from which a kind is asked, the function that makes one), easiest first.
    Only the hardest `window` of the kinds that a difficulty admits are asked.
    """

    rubric = Rubric([Criterion("answer", math_answer)])
    makers: ClassVar[Sequence[tuple[float, Maker]]]
    window: ClassVar[int] = 4
    commonest: ClassVar[Sequence[str]] = ("2", "12")  # answers that a policy without any work would try

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A problem of a kind that the difficulty admits."""
        admitted = [make for start, make in self.makers if start <= difficulty][-self.window :]
        make = admitted[int(rng.random() * len(admitted))]
        problem = make(rng, difficulty)
        return Task(
            prompt=(SYSTEM, Message("user", problem.question)),
            target=self.target_of(problem),
            meta={"sort": make.__name__, "work": list(problem.work), "answer": problem.answer},
        )

    def target_of(self, problem: Problem) -> dict[str, Any]:
        """What the rubric judges by; a subclass with a rubric of its own says it in that rubric's keys."""
        return {"answer": problem.answer, "kind": problem.kind, "units": list(problem.units)}

    def expert(self, task: Task) -> Policy:
        """Writes the work, then the answer."""
        text = "\n".join([*task.meta["work"], f"Answer: {task.meta['answer']}"])
        return lambda messages: text

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Guesses from the numbers of the question, hedges, and the right answer in the wrong place."""
        right = task.meta["answer"]
        wrong = next(iter(mutants(f"Answer: {right}").values())).removeprefix("Answer: ")
        undone = f"{right} + 0" if task.target.get("kind") == "number" else f"{right} = ?"
        twice = {"right answer boxed with another": says(f"\\boxed{{{wrong}}}\nAnswer: {right}")}
        return {
            **{f"commonest answer {i}": says(f"Answer: {text}") for i, text in enumerate(self.commonest, 1)},
            "first number of the question": from_numbers(lambda n: n[0]),
            "last number of the question": from_numbers(lambda n: n[-1]),
            "largest number of the question": from_numbers(max),
            "sum of all numbers": from_numbers(lambda n: sum(n, Fraction(0))),
            "product of the first two": from_numbers(lambda n: n[0] * n[min(1, len(n) - 1)]),
            "difference of the first two": from_numbers(lambda n: n[0] - n[min(1, len(n) - 1)]),
            "quotient of the first two": from_numbers(lambda n: n[0] / (n[min(1, len(n) - 1)] or 1)),
            "the question for an answer": says(f"Answer: {task.prompt[-1].content}"),
            "right or wrong": says(f"Answer: {right} or {wrong}"),
            "an answer line for each guess": says(f"Answer: {wrong}\nAnswer: {right}"),
            "right answer in the thinking only": says(f"<think>Answer: {right}</think>I give up"),
            "right answer left undone": says(f"Answer: {undone}"),
            **(twice if "kind" in task.target else {}),  # where only the closing line counts, a box is no answer
        }
