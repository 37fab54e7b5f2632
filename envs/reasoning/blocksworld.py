"""`postgym/Blocksworld-v0`: rebuild stacks of blocks in few moves; a plan is carried out to judge it.

Four blocks and two or three moves at difficulty 0, nine blocks and about ten moves at 1. The limit is always below
what unstacking everything and building anew would take.
"""

import random
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = "Plan the moves. End with one line: Answer: <block> to <block or table>; <block> to ..."
TABLE = "table"
MAX_MOVES = 64
_TRIES = 4  # of the greedy planner, which breaks deadlocks at random
_NAMES = (
    tuple("ABCDEFGHJKLMNPQRSTUVWXYZ"),
    ("red", "blue", "green", "black", "white", "pink", "gold", "gray", "brown", "orange", "purple", "silver"),
    ("ace", "bay", "cog", "dot", "elm", "fig", "gem", "hat", "ink", "jar", "key", "log", "mug", "net", "oak", "pin"),
)
_STACKS = (
    "Blocks stand on a table, each line a stack from bottom to top:\n{start}\nWanted:\n{goal}\n",
    "Start (one stack a line, its bottom first):\n{start}\nGoal:\n{goal}\n",
    "These stacks, written from bottom to top,\n{start}\nshall become\n{goal}\n",
)
_SENTENCES = (
    "At first {start}. In the end {goal}.\n",
    "Blocks: {start}. The goal: {goal}.\n",
)
_RULES = (
    "Only a block with nothing on it may be moved, onto the table or onto another such block. Use at most {n} moves.",
    "Move one free block (nothing on it) at a time, to the table or onto a free block, in at most {n} moves.",
)
_MOVE = re.compile(
    r"(?:move |put )?(?:block )?(\w+) (?:to|on|onto|->) (?:top of )?(?:the )?(?:block )?(\w+)", re.IGNORECASE
)

Stacks = list[list[str]]  # each from bottom to top
State = dict[str, str]  # what every block stands on
Move = tuple[str, str]


def state_of(stacks: Stacks) -> State:
    """What every block of the stacks stands on."""
    return {block: below for stack in stacks for below, block in zip([TABLE, *stack[:-1]], stack, strict=True) if stack}


def stacks_of(state: State) -> Stacks:
    """The stacks, ordered by their lowest blocks."""
    above = {below: block for block, below in state.items() if below != TABLE}
    stacks = []
    for bottom in sorted(block for block, below in state.items() if below == TABLE):
        stack = [bottom]
        while stack[-1] in above:
            stack.append(above[stack[-1]])
        stacks.append(stack)
    return stacks


def why_barred(state: State, move: Move) -> str | None:
    """Why the move can't be made, in words; None when it can."""
    block, to = move
    taken = set(state.values())
    if block not in state or (to != TABLE and to not in state):
        return f"there is no {block if block not in state else to}"
    if block in taken:
        return f"{block} has a block on it"
    if to == block or (to != TABLE and to in taken):
        return f"{to} is not free"
    return f"{block} stands there already" if state[block] == to else None


def plan(rng: random.Random, state: State, goal: State) -> list[Move]:
    """A plan by Gupta and Nau's greedy rule (1992): what can go to its final place goes, else one block to the table.

    At most one move longer than needed for most small problems, never more than two moves a block.
    """
    state, moves = dict(state), []
    while state != goal:
        taken = set(state.values())
        settled: set[str] = {TABLE}
        for stack in stacks_of(state):
            for block in stack:
                if state[block] != goal[block] or goal[block] not in settled:
                    break
                settled.add(block)
        free = [b for b in sorted(state) if b not in taken and b not in settled]
        ready = [b for b in free if goal[b] in settled and (goal[b] == TABLE or goal[b] not in taken)]
        block = ready[0] if ready else rng.choice([b for b in free if state[b] != TABLE])
        moves.append((block, goal[block] if ready else TABLE))
        state[block] = moves[-1][1]
    return moves


def rebuild(state: State, goal: State) -> list[Move]:
    """The plan without thought: everything to the table, then stack by stack."""
    down = [(block, TABLE) for stack in stacks_of(state) for block in stack[:0:-1]]
    return down + [(block, below) for stack in stacks_of(goal) for below, block in pairwise(stack)]


def read_plan(text: str) -> list[Move] | None:
    """The moves of a line such as "A to B; C to table" or "move A onto B, put C on the table"; else None."""
    parts = [re.sub(r"\s+", " ", part).strip() for part in re.split(r"[;,]", text.removesuffix("."))]
    if len(parts) > MAX_MOVES:
        return None
    found = [_MOVE.fullmatch(part) for part in parts]
    return [(m[1].casefold(), m[2].casefold()) for m in found if m] if all(found) else None


def reaches_goal(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when every move of the closing line can be made and the goal stands within the allowed number of moves.

    `target` holds `start` and `goal`, lists of stacks from bottom to top, and `limit`.
    """
    start, goal, limit = target.get("start"), target.get("goal"), target.get("limit")
    if not isinstance(start, list) or not isinstance(goal, list) or not isinstance(limit, int):
        return failure(Status.TASK_ERROR, "the target has no start, goal and limit")
    state, wanted = ({a.casefold(): b.casefold() for a, b in state_of(s).items()} for s in (start, goal))
    if not state or state.keys() != wanted.keys() or state == wanted:
        return failure(Status.TASK_ERROR, f"start {start!r} and goal {goal!r} are no task")
    line = final_answer(transcript.answer)
    moves = read_plan(line) if line else None
    if moves is None:
        return Score(0.0, "no single closing line of moves, `Answer: A to B; ...`", status=Status.INVALID_OUTPUT)
    if len(moves) > limit:
        return Score(0.0, f"{len(moves)} moves, at most {limit} are allowed")
    for number, move in enumerate(moves, 1):
        if why := why_barred(state, move):
            return Score(0.0, f"move {number} can't be made: {why[:80]}")
        state[move[0]] = move[1]
    misplaced = [block for block in sorted(state) if state[block] != wanted[block]]
    return Score(0.0, f"{misplaced[0]} is not where it should be") if misplaced else Score(1.0, "right")


def _heap(rng: random.Random, blocks: Sequence[str]) -> Stacks:
    """The blocks in random stacks."""
    stacks: Stacks = []
    for block in rng.sample(blocks, len(blocks)):
        place = rng.randrange(len(stacks) + 2)
        if place < len(stacks):
            stacks[place].append(block)
        else:
            stacks.append([block])
    return stacks


def _lines(stacks: Stacks) -> str:
    return "\n".join(" ".join(stack) for stack in stacks)


def _told(rng: random.Random, state: State) -> str:
    facts = [f"{block} is on {'the table' if below == TABLE else below}" for block, below in state.items()]
    return ", ".join(rng.sample(facts, len(facts)))


def _spelled(moves: Sequence[Move]) -> str:
    return "; ".join(f"{block} to {to}" for block, to in moves)


class Blocksworld(TextEnv):
    """Stacks, the stacks wanted, and a plan in return; any plan within the limit is right."""

    id = "postgym/Blocksworld-v0"
    rubric = Rubric([Criterion("answer", reaches_goal)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Two random heaps of the same blocks, neither too near each other nor best rebuilt from nothing."""
        count = min(9, 4 + int(5 * difficulty + rng.random()))
        names = rng.sample(rng.choice(_NAMES), count)
        least, most = 2 + int(4 * difficulty), 3 + int(10 * difficulty)
        while True:
            start, goal = _heap(rng, names), _heap(rng, names)
            state, wanted = state_of(start), state_of(goal)
            moves = min((plan(rng, state, wanted) for _ in range(_TRIES)), key=len)
            if least <= len(moves) <= most and len(moves) < len(rebuild(state, wanted)):
                break
        limit = min(len(moves) + (count > 5), len(rebuild(state, wanted)) - 1)
        if rng.random() < 0.7:
            told = rng.choice(_STACKS).format(start=_lines(start), goal=_lines(goal))
        else:
            told = rng.choice(_SENTENCES).format(start=_told(rng, state), goal=_told(rng, wanted))
        question = told + rng.choice(_RULES).format(n=limit)
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", question)),
            target={"start": start, "goal": goal, "limit": limit, "plan": [list(move) for move in moves]},
        )

    def expert(self, task: Task) -> Policy:
        """A move a line with the stacks that it leaves, then the plan."""
        state, lines = state_of(task.target["start"]), []
        for block, to in task.target["plan"]:
            state[block] = to
            lines.append(f"{block} to {to}: {' | '.join(' '.join(stack) for stack in stacks_of(state))}")
        text = "\n".join([*lines, f"Answer: {_spelled(task.target['plan'])}"])
        return lambda messages: text

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Plans that need no thought, plans that break the rules, and the plan spoilt, hedged or hidden."""
        moves = [(block, to) for block, to in task.target["plan"]]
        state, goal = state_of(task.target["start"]), state_of(task.target["goal"])
        right, blocks = _spelled(moves), sorted(state)
        wrong = [(block, below) for block, below in sorted(goal.items()) if state[block] != below]

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: f"Answer: {text}")

        return {
            "everything down, then rebuilt": says(_spelled(rebuild(state, goal))),
            "misplaced blocks moved in the order of their names": says(_spelled(wrong)),
            "all blocks to the table": says(_spelled([(block, TABLE) for block in blocks])),
            "the goal's upper blocks stacked at once": says(
                _spelled([(b, below) for b, below in goal.items() if below != TABLE])
            ),
            "the last move left out": says(_spelled(moves[:-1])),
            "the plan backwards": says(_spelled(moves[::-1])),
            "the plan with idle moves": says("; ".join([right] + [f"{blocks[0]} to table"] * 9)),
            "the plan or another": says(f"{right} or {_spelled(wrong)}"),
            "two answer lines": says(f"{_spelled(wrong)}\nAnswer: {right}"),
            "the plan in the thinking": Exploit(lambda messages: f"<think>\nAnswer: {right}\n</think>Impossible."),
        }
