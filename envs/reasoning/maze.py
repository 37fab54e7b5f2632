"""`postgym/Maze-v0`: a shortest way through a maze, judged by walking it; every shortest way is right.

A 4x4 field and four to six moves at difficulty 0, 14x14 and twenty to forty moves at 1; drawn, or told row by row.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = "Find a shortest way. End with one line of moves (U, D, L, R): Answer: <moves>"
MOVES = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
_MAX_ANSWER = 2_000
_WORDS = {"up": "U", "down": "D", "left": "L", "right": "R"}
_DRAWN = (
    "Go from S to G in as few moves as possible; # is a wall.\n{maze}",
    "S is the start, G the goal, # a wall and . a free cell. Which moves lead from S to G fastest?\n{maze}",
    "{maze}\nWalk from S to G without entering a #, with the fewest moves.",
    "A robot stands on S and must reach G. It can't enter cells marked #. Give a shortest list of moves.\n{maze}",
)
_TOLD = (
    "A field has {n} rows and {n} columns. You stand in row {sr}, column {sc}; the goal is row {gr}, column {gc}. "
    "Row 1 is at the top, column 1 on the left.\n{rows}\nGet there with the fewest moves.",
    "Rows are counted from the top, columns from the left; there are {n} of each.\n{rows}\n"
    "Start: row {sr}, column {sc}. Goal: row {gr}, column {gc}. Find a shortest way.",
)

Cell = tuple[int, int]
Walls = frozenset[Cell]


def step(cell: Cell, move: str) -> Cell:
    """The cell that a move leads to."""
    return cell[0] + MOVES[move][0], cell[1] + MOVES[move][1]


def distances(start: Cell, walls: Walls, size: int) -> dict[Cell, int]:
    """How many moves every reachable cell is away from `start`; breadth first."""
    away, edge = {start: 0}, [start]
    while edge:
        reached = []
        for cell in edge:
            for move in MOVES:
                near = step(cell, move)
                if near not in away and near not in walls and 0 <= near[0] < size and 0 <= near[1] < size:
                    away[near] = away[cell] + 1
                    reached.append(near)
        edge = reached
    return away


def arrives(moves: str, start: Cell, goal: Cell, walls: Walls, size: int) -> bool:
    """Whether the moves stay on free cells and end on the goal."""
    here = start
    for move in moves:
        here = step(here, move)
        if here in walls or not (0 <= here[0] < size and 0 <= here[1] < size):
            return False
    return here == goal


def _straight(start: Cell, goal: Cell) -> tuple[str, str]:
    """The two ways with one turn that a maze without walls would allow."""
    down, right = goal[0] - start[0], goal[1] - start[1]
    vertical, horizontal = ("D" if down > 0 else "U") * abs(down), ("R" if right > 0 else "L") * abs(right)
    return vertical + horizontal, horizontal + vertical


def _draw_maze(rng: random.Random, size: int, density: float) -> tuple[Walls, Cell, Cell]:
    """Walls, start, and a goal among the farthest that no straight way reaches."""
    cells = [(r, c) for r in range(size) for c in range(size)]
    while True:
        walls = frozenset(cell for cell in cells if rng.random() < density)
        start = rng.choice(cells)
        if start in walls:
            continue
        away = distances(start, walls, size)
        least = max(4, int(0.75 * max(away.values())))
        far = [
            cell
            for cell, moves in away.items()
            if moves >= least and not any(arrives(way, start, cell, walls, size) for way in _straight(start, cell))
        ]
        if far and max(away.values()) >= size:
            return walls, start, rng.choice(far)


def _way(rng: random.Random, start: Cell, goal: Cell, walls: Walls, size: int) -> str:
    """One of the shortest ways."""
    left = distances(goal, walls, size)
    here, moves = start, ""
    while here != goal:
        nearer = [m for m in MOVES if left.get(step(here, m)) == left[here] - 1]
        moves += rng.choice(nearer)
        here = step(here, moves[-1])
    return moves


def _picture(start: Cell, goal: Cell, walls: Walls, size: int) -> str:
    marks = {**dict.fromkeys(walls, "#"), start: "S", goal: "G"}
    return "\n".join("".join(marks.get((r, c), ".") for c in range(size)) for r in range(size))


def _told(walls: Walls, size: int) -> str:
    lines = []
    for r in range(size):
        blocked = ", ".join(str(c + 1) for c in range(size) if (r, c) in walls)
        lines.append(f"Row {r + 1}: walls in columns {blocked}." if blocked else f"Row {r + 1}: no walls.")
    return "\n".join(lines)


def read_moves(text: str) -> str | None:
    """The moves in a line such as "RRD", "R, R, D" or "right right down"; None when it holds anything else."""
    parts = [p for p in re.split(r"[\s,;>-]+", text.strip().removesuffix(".").lower()) if p]
    moves = "".join(_WORDS.get(part, part.upper()) for part in parts)
    return moves if moves and set(moves) <= set(MOVES) and moves.isascii() else None


def is_shortest(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the moves of the closing line lead over free cells to the goal, no longer than needed.

    `target` holds `size`, `walls` (a list of [row, column] from 0), `start` and `goal`.
    """
    try:
        size, walls = int(target["size"]), frozenset((int(r), int(c)) for r, c in target["walls"])
        start, goal = tuple(map(int, target["start"])), tuple(map(int, target["goal"]))
        shortest = distances(start, walls, size)[goal]  # type: ignore[arg-type,index]
    except (KeyError, TypeError, ValueError) as error:
        return failure(Status.TASK_ERROR, f"the target is no maze that can be solved: {error!r}")
    line = final_answer(transcript.answer)
    moves = read_moves(line) if line and len(line) <= _MAX_ANSWER else None
    if moves is None:
        return Score(0.0, "no single closing line of moves, such as `Answer: RRD`", status=Status.INVALID_OUTPUT)
    if not arrives(moves, start, goal, walls, size):  # type: ignore[arg-type]
        return Score(0.0, "the moves hit a wall or end elsewhere")
    return Score(1.0, "right") if len(moves) == shortest else Score(0.0, f"{len(moves)} moves, {shortest} suffice")


class Maze(TextEnv):
    """A field with walls, and a shortest list of moves in return."""

    id = "postgym/Maze-v0"
    rubric = Rubric([Criterion("answer", is_shortest)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Random walls, a start and a far goal."""
        size = min(14, 4 + int(10 * difficulty + rng.random()))
        walls, start, goal = _draw_maze(rng, size, 0.3 + 0.08 * difficulty)
        place = {"sr": start[0] + 1, "sc": start[1] + 1, "gr": goal[0] + 1, "gc": goal[1] + 1}
        if rng.random() < 0.7:
            question = rng.choice(_DRAWN).format(maze=_picture(start, goal, walls, size))
        else:
            question = rng.choice(_TOLD).format(n=size, rows=_told(walls, size), **place)
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", question)),
            target={
                "size": size,
                "walls": sorted(map(list, walls)),
                "start": list(start),
                "goal": list(goal),
                "way": _way(rng, start, goal, walls, size),
            },
        )

    def expert(self, task: Task) -> Policy:
        """Walks a shortest way cell by cell (row, column), then gives its moves."""
        here, way = tuple(task.target["start"]), task.target["way"]
        walk = [f"({here[0] + 1},{here[1] + 1})"]
        for move in way:
            here = step(here, move)
            walk.append(f"{move} ({here[0] + 1},{here[1] + 1})")
        text = f"{' '.join(walk)}\nThat is {len(way)} moves.\nAnswer: {way}"
        return lambda messages: text

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Ways through walls, detours, and the way spoilt, hedged or hidden."""
        way = task.target["way"]
        start, goal = tuple(task.target["start"]), tuple(task.target["goal"])
        back = {"U": "D", "D": "U", "L": "R", "R": "L"}
        ways: Sequence[str] = _straight(start, goal)
        stairs = "".join(a + b for a, b in zip(ways[0], ways[0][::-1], strict=True))[: len(way)]

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: text)

        return {
            "straight, rows first": says(f"Answer: {ways[0]}"),
            "straight, columns first": says(f"Answer: {ways[1]}"),
            "in stairs": says(f"Answer: {stairs}"),
            "one move short": says(f"Answer: {way[:-1]}"),
            "a step back and forth": says(f"Answer: {way}{back[way[-1]]}{way[-1]}"),
            "the way backwards": says("Answer: " + "".join(back[m] for m in way[::-1])),
            "all moves": says("Answer: UDLR"),
            "the way or another": says(f"Answer: {way} or {ways[0]}"),
            "two answer lines": says(f"Answer: {ways[0]}\nAnswer: {way}"),
            "the way in the thinking": says(f"<think>\nAnswer: {way}\n</think>There is none."),
        }
