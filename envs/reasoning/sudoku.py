"""`postgym/Sudoku-v0`: fill the grid; the solution is unique and follows from the clues by logic alone.

4x4 with a few gaps at difficulty 0, 6x6 in the middle, 9x9 with about 33 clues at 1.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = "Solve the puzzle. End with one line, the rows from top to bottom: Answer: <row> <row> ..."
_BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box
_SIX_FROM, _NINE_FROM = 0.35, 0.65
_SEPARATORS = re.compile(r"[\s,;|/]+")
_MAX_ANSWER = 400
_WORDINGS = (
    "Fill the {n}x{n} grid so that every row, column and {a}x{b} box holds 1 to {n} once.\n{grid}",
    "Here is a {n}x{n} Sudoku with boxes of {a} rows and {b} columns; a dot is an empty cell.\n{grid}\nSolve it.",
    "Replace the dots by digits from 1 to {n}. No digit may repeat in a row, a column or a box ({a}x{b}).\n{grid}",
    "Solve this Sudoku (digits 1 to {n}, boxes {a} high and {b} wide):\n{grid}",
    "{grid}\nThis is a {n}x{n} Sudoku. Complete it: each row, each column and each {a}x{b} box has all of 1 to {n}.",
)

Grid = list[int]  # row by row, 0 for an empty cell


@cache
def units(size: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Rows, columns and boxes by name, each as the cells that it holds."""
    high, wide = _BOXES[size]
    rows = [(f"row {r + 1}", tuple(r * size + c for c in range(size))) for r in range(size)]
    columns = [(f"column {c + 1}", tuple(r * size + c for r in range(size))) for c in range(size)]
    boxes = []
    for top, left in product(range(0, size, high), range(0, size, wide)):
        cells = tuple((top + r) * size + left + c for r in range(high) for c in range(wide))
        boxes.append((f"box {len(boxes) + 1}", cells))
    return (*rows, *columns, *boxes)


@cache
def _units_of(size: int) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]:
    return tuple(tuple(u for u in units(size) if cell in u[1]) for cell in range(size * size))


@cache
def _peers(size: int) -> tuple[tuple[int, ...], ...]:
    """Of every cell, those that must differ from it."""
    return tuple(
        tuple(sorted({c for _, cells in _units_of(size)[cell] for c in cells} - {cell})) for cell in range(size * size)
    )


def why_forced(grid: Grid, size: int, cell: int, digit: int) -> str | None:
    """Why only `digit` can stand in the empty `cell`, by one look at its peers or a unit; None if that is not so."""
    peers = _peers(size)
    if len({grid[p] for p in peers[cell] if grid[p]}) == size - 1:
        return "only digit left"
    for name, cells in _units_of(size)[cell]:
        if all(c == cell or grid[c] or any(grid[p] == digit for p in peers[c]) for c in cells):
            return f"only place in {name}"
    return None


def _solution(rng: random.Random, size: int) -> Grid:
    """A full grid: the cyclic one with its digits, bands, stacks, and rows and columns in them exchanged."""
    high, wide = _BOXES[size]

    def order(count: int, width: int) -> list[int]:
        return [i * width + j for i in rng.sample(range(count), count) for j in rng.sample(range(width), width)]

    rows, columns = order(size // high, high), order(size // wide, wide)
    digits = rng.sample(range(1, size + 1), size)
    grid = [digits[(wide * (r % high) + r // high + c) % size] for r in rows for c in columns]
    if high == wide and rng.random() < 0.5:
        return [grid[c * size + r] for r in range(size) for c in range(size)]
    return grid


def dig(rng: random.Random, solution: Grid, size: int, gaps: int) -> tuple[Grid, list[tuple[int, str]]]:
    """The puzzle with up to `gaps` empty cells, and how to fill them: (cell, why it is forced), in order.

    A cell is emptied only where its digit is forced by what is left, so that filling them in the
    opposite order proves the solution unique.
    """
    grid = list(solution)
    steps: list[tuple[int, str]] = []
    for cell in rng.sample(range(size * size), size * size):
        if len(steps) == gaps:
            break
        grid[cell] = 0
        reason = why_forced(grid, size, cell, solution[cell])
        if reason is None:
            grid[cell] = solution[cell]
        else:
            steps.append((cell, reason))
    return grid, steps[::-1]


def _size_and_gaps(rng: random.Random, difficulty: float) -> tuple[int, int]:
    if difficulty < _SIX_FROM:
        return 4, 5 + int(6 * difficulty / _SIX_FROM + rng.random())
    if difficulty < _NINE_FROM:
        return 6, 14 + int(9 * (difficulty - _SIX_FROM) / (_NINE_FROM - _SIX_FROM) + rng.random())
    return 9, 32 + int(24 * (difficulty - _NINE_FROM) / (1 - _NINE_FROM) + rng.random())


def _rows(grid: Grid, size: int) -> list[str]:
    text = "".join(str(d) if d else "." for d in grid)
    return [text[i : i + size] for i in range(0, len(text), size)]


def solves_grid(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing line is a full grid that keeps the clues and repeats no digit in a unit.

    `target` holds `clues`, rows of digits with "." for gaps. Rows may be set apart by spaces, "/", "|" or commas.
    """
    clues = target.get("clues")
    size = len(clues) if isinstance(clues, list) else 0
    if size not in _BOXES or any(not isinstance(row, str) or len(row) != size for row in clues):
        return failure(Status.TASK_ERROR, f"clues {clues!r} are no grid")
    line = final_answer(transcript.answer)
    if line is None or len(line) > _MAX_ANSWER:
        return Score(0.0, "no single closing line `Answer: <rows>`", status=Status.INVALID_OUTPUT)
    given = _SEPARATORS.sub("", line)
    if len(given) != size * size or not set(given) <= set("123456789"[:size]):
        return Score(0.0, f"not {size * size} digits from 1 to {size}", status=Status.INVALID_OUTPUT)
    if changed := sum(c not in (".", g) for c, g in zip("".join(clues), given, strict=True)):
        return Score(0.0, f"{changed} clues were changed")
    broken = [name for name, cells in units(size) if len({given[c] for c in cells}) < size]
    return Score(0.0, f"{broken[0]} repeats a digit") if broken else Score(1.0, "right")


class Sudoku(TextEnv):
    """A grid with gaps, and the whole grid in return."""

    id = "postgym/Sudoku-v0"
    rubric = Rubric([Criterion("answer", solves_grid)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A full grid, emptied as far as the difficulty wants."""
        size, gaps = _size_and_gaps(rng, difficulty)
        solution = _solution(rng, size)
        grid, steps = dig(rng, solution, size, gaps)
        high, wide = _BOXES[size]
        clues = _rows(grid, size)
        question = rng.choice(_WORDINGS).format(n=size, a=high, b=wide, grid="\n".join(clues))
        work = [f"r{c // size + 1}c{c % size + 1} = {solution[c]}: {why}" for c, why in steps]
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", question)),
            target={"clues": clues, "solution": _rows(solution, size), "work": work},
        )

    def expert(self, task: Task) -> Policy:
        """Fills one forced cell a line, each with its reason, then gives the rows."""
        text = "\n".join([*task.target["work"], "Answer: " + " ".join(task.target["solution"])])
        return lambda messages: text

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Grids filled without thought, the clues alone, and the solution spoilt, hedged or hidden."""
        clues, solution = task.target["clues"], task.target["solution"]
        digits = "123456789"[: len(clues)]

        def filled(row: str, order: Sequence[str]) -> str:
            missing = [d for d in order if d not in row]
            return "".join(missing.pop(0) if c == "." else c for c in row)

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: text)

        valid = _rows(_solution(random.Random(task.seed), len(clues)), len(clues))
        right = " ".join(solution)
        return {
            "the clues alone": says(f"Answer: {' '.join(clues)}"),
            "every row filled upwards": says("Answer: " + " ".join(filled(r, digits) for r in clues)),
            "every row filled downwards": says("Answer: " + " ".join(filled(r, digits[::-1]) for r in clues)),
            "gaps all 1": says("Answer: " + " ".join(clues).replace(".", "1")),
            "some other valid grid": says(f"Answer: {' '.join(valid)}"),
            "all but the last row": says(f"Answer: {' '.join(solution[:-1])} {clues[-1]}"),
            "two rows exchanged": says(f"Answer: {' '.join([solution[1], solution[0], *solution[2:]])}"),
            "the solution and another grid": says(f"Answer: {right} or {' '.join(valid)}"),
            "two answer lines": says(f"Answer: {' '.join(valid)}\nAnswer: {right}"),
            "the solution in the thinking": says(f"<think>\nAnswer: {right}\n</think>It has no solution."),
        }
