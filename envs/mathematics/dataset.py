"""`postgym/MathDataset-v0`: mathematics from a data set of yours, in the layout of GSM8K, SVAMP, MATH or AIME.

Answers are read and compared as mathematics: 1,200 is 1200, 1/2 is 0.5, \\frac{1}{2} too.
"""

import re
from fractions import Fraction

from envs.base import Exploit, Task
from envs.dataset_env import DatasetEnv
from envs.mathematics.cheats import from_numbers, says
from envs.mathematics.problems import SYSTEM
from envs.mutants import mutants
from envs.rows import Item, Layout, Row
from rewards.equivalence import check_gold
from rewards.math_answer import boxed, math_answer
from rewards.math_tokens import MathError
from rewards.score import Criterion, Rubric

_CALCULATED = re.compile(r"<<[^>]*>>")
_ANSWER = re.compile(r"^[ \t]*answer:.*$", re.IGNORECASE | re.MULTILINE)
_WHOLE = re.compile(r"(-?\d+)\.0+")
_UNITS = ("$", "%", "dollars")


def _item(question: str, answer: str, solution: str) -> Item:
    answer = _WHOLE.sub(r"\1", str(answer).strip().strip("$ "))
    if not str(question).strip() or not answer:
        raise ValueError("no question or no answer")
    try:
        check_gold(answer, "auto", _UNITS)
    except MathError as error:
        raise ValueError(f"answer {answer[:40]!r} can't be read ({error})") from error
    work = _ANSWER.sub("", _CALCULATED.sub("", str(solution))).strip()
    return Item(str(question).strip(), {"answer": answer, "units": list(_UNITS)}, work)


def _gsm8k(row: Row) -> Item:
    solution, mark, answer = str(row["answer"]).rpartition("####")
    return _item(row["question"], answer if mark else row["answer"], solution)


def _svamp(row: Row) -> Item:
    question = f"{str(row['Body']).rstrip(' .')}. {row['Question']}"
    return _item(question, row["Answer"], row.get("Equation", ""))


def _math(row: Row) -> Item:
    answers = boxed(str(row["solution"]))
    if not answers and "answer" not in row:
        raise ValueError("the solution has no \\boxed answer")
    return _item(row["problem"], row.get("answer") or answers[-1], str(row["solution"]).replace("\\boxed", ""))


def _aime(row: Row) -> Item:
    lower = {key.lower(): value for key, value in row.items()}
    return _item(lower["problem"], lower["answer"], "")


class MathDataset(DatasetEnv):
    """One question of the data set; the closing line is judged."""

    id = "postgym/MathDataset-v0"
    rubric = Rubric([Criterion("answer", math_answer)])
    system = SYSTEM
    layouts = (
        Layout("SVAMP", frozenset(("Body", "Question", "Answer")), _svamp),
        Layout("GSM8K", frozenset(("question", "answer")), _gsm8k),
        Layout("MATH", frozenset(("problem", "solution")), _math),
        Layout("AIME", frozenset(("problem", "answer")), _aime),
        Layout("AIME (capitals)", frozenset(("Problem", "Answer")), _aime),
    )

    def closing(self, task: Task) -> str:
        """The solution, then the answer."""
        return "\n".join([*filter(None, [task.meta["solution"]]), f"Answer: {task.target['answer']}"])

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Guesses from the numbers of the question, hedges, and the answer in the wrong place."""
        right = task.target["answer"]
        wrong = next(iter(mutants(f"Answer: {right}").values())).removeprefix("Answer: ")
        return {
            "first number of the question": from_numbers(lambda n: n[0]),
            "last number of the question": from_numbers(lambda n: n[-1]),
            "sum of all numbers": from_numbers(lambda n: sum(n, Fraction(0))),
            "the question for an answer": says(f"Answer: {task.prompt[-1].content}"),
            "right or wrong": says(f"Answer: {right} or {wrong}"),
            "an answer line for each guess": says(f"Answer: {wrong}\nAnswer: {right}"),
            "right answer in the thinking only": says(f"<think>Answer: {right}</think>I give up"),
        }
