"""Solvers and referees for the puzzles of reasoning-gym that come without an answer, or whose scorer isn't strict.

A referee refuses the whole answer for one illegal move: reasoning-gym skips those, so that a fixed list of all moves
would solve many puzzles. Boards are as the datasets' metadata spell them.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SIDE = 6  # of a rush hour board
EXIT = 2 * SIDE + SIDE - 2  # where the red car's left end leaves the board
_CAR = re.compile(r"([A-Z])([+-][1-5])")
_AGENT = re.compile(r"Agent\[(\d+\.5), (\d+\.5)\]")
_BOX = re.compile(r"move\(box_(\w+), (?:target_(\w+)|square\[(\d+\.5), (\d+\.5)\])\)")
_STEPS = {"L": (0, -1), "R": (0, 1), "U": (-1, 0), "D": (1, 0)}

Cars = tuple[tuple[int, int], ...]  # of each car, A first: its length and the distance of its cells (1 or SIDE)
Squares = dict[tuple[float, float], list[str]]


# Rush hour: a state is where the first cell of each car is.


def _parked(board: str) -> tuple[Cars, tuple[int, ...], frozenset[int]]:
    letters = sorted(set(board) - {"o", "x"})
    cells = [[i for i, c in enumerate(board) if c == letter] for letter in letters]
    cars = tuple((len(own), own[1] - own[0]) for own in cells)
    return cars, tuple(own[0] for own in cells), frozenset(i for i, c in enumerate(board) if c == "x")


def _slides(cars: Cars, state: tuple[int, ...], walls: frozenset[int]) -> Iterator[tuple[int, int, int]]:
    """Every move that is legal: which car, how far, where its first cell is then."""
    taken = set(walls)
    for (length, stride), first in zip(cars, state, strict=True):
        taken.update(range(first, first + length * stride, stride))
    for car, ((length, stride), first) in enumerate(zip(cars, state, strict=True)):
        at = first % SIDE if stride == 1 else first // SIDE
        for sign, ahead, room in ((-1, -stride, at), (1, length * stride, SIDE - at - length)):
            for far in range(1, room + 1):
                if first + ahead + sign * (far - 1) * stride in taken:
                    break
                yield car, sign * far, first + sign * far * stride


def solve_rush_hour(board: str, most: int) -> str | None:
    """The fewest moves that bring the red car to the exit; None where that takes a look at more than `most` states."""
    cars, start, walls = _parked(board)
    came: dict[tuple[int, ...], tuple[tuple[int, ...], str] | None] = {start: None}
    queue = deque([start])
    while queue and len(came) <= most:
        state = queue.popleft()
        for car, far, first in _slides(cars, state, walls):
            after = (*state[:car], first, *state[car + 1 :])
            if after in came:
                continue
            came[after] = state, f"{chr(65 + car)}{far:+d}"
            if after[0] == EXIT:
                return " ".join(_way(came, after))
            queue.append(after)
    return None


def _way(came: Mapping[Any, tuple[Any, Any] | None], state: Any) -> list[Any]:
    moves = []
    while (step := came[state]) is not None:
        state, move = step
        moves.append(move)
    return moves[::-1]


def leaves_the_jam(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether the moves are legal one after the other and the red car stands at the exit then."""
    cars, state, walls = _parked(entry["metadata"]["board_config"])
    for word in answer.split():
        move = _CAR.fullmatch(word)
        if move is None:
            return False
        wanted = ord(move[1]) - 65, int(move[2])
        first = next((at for car, far, at in _slides(cars, state, walls) if (car, far) == wanted), None)
        if first is None:
            return False
        state = (*state[: wanted[0]], first, *state[wanted[0] + 1 :])
    return state[0] == EXIT


# Boxnet: what lies in each square.


def _squares(entry: Mapping[str, Any]) -> Squares:
    initial = entry["metadata"]["initial_state"]
    return {tuple(map(float, name.split("_"))): list(things) for name, things in initial.items()}  # type: ignore[misc]


def solve_boxnet(entry: Mapping[str, Any]) -> str:
    """A plan that carries one box after the other along its row and column to the nearest target of its colour."""
    squares, plan = _squares(entry), []
    targets = [(thing[7:], at) for at, things in squares.items() for thing in things if thing.startswith("target_")]
    boxes = [(thing[4:], at) for at, things in squares.items() for thing in things if thing.startswith("box_")]
    for colour, (x, y) in boxes:
        free = [at for kind, at in targets if kind == colour]
        to = min(free, key=lambda at, x=x, y=y: (abs(at[0] - x) + abs(at[1] - y), at))
        targets.remove((colour, to))
        while (x, y) != to:
            after = (x + (1 if to[0] > x else -1), y) if x != to[0] else (x, y + (1 if to[1] > y else -1))
            plan.append({f"Agent[{x}, {y}]": f"move(box_{colour}, square[{after[0]}, {after[1]}])"})
            x, y = after
        plan.append({f"Agent[{x}, {y}]": f"move(box_{colour}, target_{colour})"})
    return json.dumps(plan)


def carries_every_box(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether each step of the plan is legal and no box is left at the end."""
    squares = _squares(entry)
    plan = json.loads(answer)
    if not isinstance(plan, list):
        return False
    for step in plan:
        arrivals = []  # a box may be moved once in a step: it arrives after all agents have acted
        for agent, action in step.items():
            who, what = _AGENT.fullmatch(agent), _BOX.fullmatch(action)
            if who is None or what is None:
                return False
            here, box = squares.get((float(who[1]), float(who[2])), []), f"box_{what[1]}"
            goal = f"target_{what[2]}" if what[2] else None
            if box not in here or (goal and (what[2] != what[1] or goal not in here)):
                return False
            here.remove(box)
            if goal:
                here.remove(goal)
                continue
            to = float(what[3]), float(what[4])
            if to not in squares or abs(to[0] - float(who[1])) + abs(to[1] - float(who[2])) != 1:
                return False
            arrivals.append((to, box))
        for to, box in arrivals:
            squares[to].append(box)
    return not any(thing.startswith("box_") for things in squares.values() for thing in things)


# Knight swap: the two colours move in turn.


def swap_knights(
    board: Mapping[str, Sequence[str]], pieces: Mapping[str, str | None], start_turn: str = "w"
) -> list[tuple[str, str, str]] | None:
    """The fewest moves (colour, from, to) that swap the colours; None where none do.

    In the place of reasoning-gym's, whose moves follow the order of a set, and at a tenth of its time.
    """
    names = sorted(board)
    place = {name: i for i, name in enumerate(names)}
    jumps = [[place[to] for to in sorted(board[name])] for name in names]
    white, black = (sum(1 << place[n] for n, p in pieces.items() if p == kind) for kind in "wB")
    start = (white, black) if start_turn == "w" else (black, white)  # who is to move comes first
    came: dict[tuple[int, int, bool], tuple[tuple[int, int, bool], tuple[int, int]] | None] = {(*start, True): None}
    queue = deque([(*start, True)])
    while queue:
        state = queue.popleft()
        movers, others, first = state
        if (movers, others) == (start[::-1] if first else start):
            turns = "wB" if start_turn == "w" else "Bw"
            return [(turns[i % 2], names[a], names[b]) for i, (a, b) in enumerate(_way(came, state))]
        for at, ways in enumerate(jumps):
            if not movers >> at & 1:
                continue
            for to in ways:
                after = (others, movers ^ (1 << at) ^ (1 << to), not first)
                if not (movers | others) >> to & 1 and after not in came:
                    came[after] = state, (at, to)
                    queue.append(after)
    return None


# Sokoban.


def pushes_every_box(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether each of the moves is legal and every box stands on a goal then."""
    rows = [line.split() for line in entry["metadata"]["gamestr"].strip().splitlines()]
    cells = {(i, j): cell for i, row in enumerate(rows) for j, cell in enumerate(row)}
    boxes = {at for at, cell in cells.items() if cell in "@$"}
    goals = {at for at, cell in cells.items() if cell in "X$%"}
    floor = {at for at, cell in cells.items() if cell != "+"}
    (at,) = (at for at, cell in cells.items() if cell in "*%")
    count = len(boxes)
    for move in answer:
        down, right = _STEPS[move]
        at = at[0] + down, at[1] + right
        if at in boxes:
            boxes.remove(at)
            boxes.add(beyond := (at[0] + down, at[1] + right))
            if beyond not in floor or len(boxes) < count:
                return False
        if at not in floor:
            return False
    return boxes == goals
