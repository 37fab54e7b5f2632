"""Maze: ways are walked; the shortest length is confirmed from the question alone."""

import random
import re
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.proof import play
from envs.reasoning.maze import is_shortest, read_moves
from rewards.score import Status
from rewards.transcript import Message, Transcript

# S.#
# ..#
# #.G   two shortest ways: RDDR and DRDR
TARGET = {"size": 3, "walls": [[0, 2], [1, 2], [2, 0]], "start": [0, 0], "goal": [2, 2]}
STEPS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Maze-v0")


def score(text: str, target=TARGET):
    return is_shortest(Transcript((Message("assistant", text),)), target)


def field(question: str) -> tuple[set, tuple, tuple]:
    """Free cells, start and goal as the question shows or tells them."""
    rows = [line for line in question.splitlines() if re.fullmatch(r"[#.SG]{4,}", line)]
    if rows:
        at = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row)}
        where = {mark: cell for cell, mark in at.items()}
        return {cell for cell, mark in at.items() if mark != "#"}, where["S"], where["G"]
    told = re.findall(r"^Row (\d+): (?:no walls|walls in columns ([\d, ]+))\.$", question, re.MULTILINE)
    walls = {(int(r) - 1, int(c) - 1) for r, columns in told for c in re.findall(r"\d+", columns)}
    places = [(int(r) - 1, int(c) - 1) for r, c in re.findall(r"row (\d+), column (\d+)", question)]
    return {(r, c) for r in range(len(told)) for c in range(len(told))} - walls, *places


def shortest(free: set, start: tuple, goal: tuple) -> float:
    """The length of a shortest way, by relaxing every cell until nothing changes."""
    away = {cell: float("inf") for cell in free} | {start: 0}
    changed = True
    while changed:
        changed = False
        for (r, c), moves in list(away.items()):
            for dr, dc in STEPS.values():
                near = (r + dr, c + dc)
                if near in away and moves + 1 < away[near]:
                    away[near], changed = moves + 1, True
    return away[goal]


def test_the_experts_way_is_as_short_as_the_question_allows(env):
    for seed in range(60):
        task = env.sample_task(seed, "train", seed / 59)
        assert len(task.target["way"]) == shortest(*field(task.prompt[1].content))


def test_the_experts_walk_names_the_cells_it_crosses(env):
    for seed in range(20):
        task = env.sample_task(seed, "train", seed / 19)
        free, start, goal = field(task.prompt[1].content)
        text = env.expert(task)(task.prompt)
        cells = [(int(r) - 1, int(c) - 1) for r, c in re.findall(r"\((\d+),(\d+)\)", text)]
        assert set(cells) <= free
        assert (cells[0], cells[-1]) == (start, goal)


@pytest.mark.parametrize(
    "moves", ["RDDR", "DRDR", "r d d r", "R, D, D, R", "right down down right", "R -> D -> D -> R", "RDDR."]
)
def test_every_shortest_way_in_any_usual_spelling_is_right(moves):
    assert score(f"Answer: {moves}").value == 1


@pytest.mark.parametrize(
    ("moves", "why"),
    [
        ("RDD", "end elsewhere"),
        ("RRDD", "hit a wall"),
        ("DDRR", "hit a wall"),
        ("URDDRD", "hit a wall"),
        ("LRRDDR", "hit a wall"),
        ("RLRDDR", "6 moves, 4 suffice"),
        ("RDDR or DRDR", "no single closing line"),
        ("RDDR (4 moves)", "no single closing line"),
        ("RD\u0414R", "no single closing line"),
        ("...", "no single closing line"),
        ("R" * 3000, "no single closing line"),
    ],
)
def test_what_is_no_shortest_way_is_told_why(moves, why):
    judged = score(f"Answer: {moves}")
    assert judged.value == 0
    assert why in judged.reason


@pytest.mark.parametrize("broken", [{}, {**TARGET, "walls": None}, {**TARGET, "walls": [[1, 2], [2, 1]]}])
def test_a_maze_that_cannot_be_solved_is_the_tasks_fault(broken):
    assert score("Answer: RDDR", broken).status is Status.TASK_ERROR


@given(st.text(alphabet="UDLR ,", max_size=12))
def test_only_the_two_shortest_ways_score(text):
    assert bool(score(f"Answer: {text}").value) == (read_moves(text) in ("RDDR", "DRDR"))


def test_who_looks_only_at_the_next_cell_arrives_less_and_less(env):
    def greedy(task) -> float:
        free, here, goal = field(task.prompt[1].content)
        rng, way, been = random.Random(task.seed), "", set()
        while here != goal:
            been.add(here)
            near = [(m, (here[0] + d[0], here[1] + d[1])) for m, d in STEPS.items()]
            near = [(m, cell) for m, cell in near if cell in free and cell not in been]
            if not near:
                break
            rng.shuffle(near)
            move, here = min(near, key=lambda n: abs(n[1][0] - goal[0]) + abs(n[1][1] - goal[1]))
            way += move
        return play(env, task, lambda messages: f"Answer: {way}")[1].value

    earned = [mean(greedy(env.sample_task(i, "train", level)) for i in range(60)) for level in (0, 0.5, 1)]
    assert earned == sorted(earned, reverse=True)
    assert earned[0] > earned[-1] + 0.3


def test_ways_grow_with_difficulty(env):
    lengths = [
        mean(len(env.sample_task(i, "train", level).target["way"]) for i in range(40)) for level in (0, 0.3, 0.6, 1)
    ]
    assert lengths == sorted(lengths)
    assert lengths[0] < 7
    assert lengths[-1] > 18
