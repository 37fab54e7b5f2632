"""Sudoku: one solution per puzzle, found again by an independent search; grids are judged by the rules."""

import re
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.reasoning.sudoku import solves_grid, units, why_forced
from rewards.score import Status
from rewards.transcript import Message, Transcript

CLUES = ["..43", ".42.", "4.12", "1234"]
RIGHT = "2143 3421 4312 1234"


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Sudoku-v0")


def score(text: str, clues=CLUES):
    return solves_grid(Transcript((Message("assistant", text),)), {"clues": clues})


def solutions(clues: list[str], limit: int = 2) -> list[str]:
    """Up to `limit` full grids, by trying digits in the gap with the fewest left."""
    size = len(clues)
    high, wide = {4: (2, 2), 6: (2, 3), 9: (3, 3)}[size]
    grid = {(r, c): clues[r][c] for r in range(size) for c in range(size)}
    found: list[str] = []

    def left(r: int, c: int) -> list[str]:
        seen = {grid[r, k] for k in range(size)} | {grid[k, c] for k in range(size)}
        top, start = r - r % high, c - c % wide
        seen |= {grid[top + i, start + j] for i in range(high) for j in range(wide)}
        return [d for d in "123456789"[:size] if d not in seen]

    def fill() -> None:
        gaps = [(len(left(*cell)), cell) for cell, d in grid.items() if d == "."]
        if not gaps:
            found.append("".join(grid.values()))
            return
        _, cell = min(gaps)
        for digit in left(*cell):
            grid[cell] = digit
            fill()
            if len(found) >= limit:
                break
        grid[cell] = "."

    fill()
    return found


def test_a_search_finds_the_same_and_no_other_solution(env):
    for seed in range(24):
        task = env.sample_task(seed, "train", seed / 23)
        assert solutions(task.target["clues"]) == ["".join(task.target["solution"])]


def test_every_step_of_the_expert_is_forced_where_it_stands(env):
    for level in (0.1, 0.5, 1.0):
        task = env.sample_task(3, "train", level)
        size = len(task.target["clues"])
        grid = [int(d) if d != "." else 0 for d in "".join(task.target["clues"])]
        for step in task.target["work"]:
            row, column, digit = map(int, re.match(r"r(\d)c(\d) = (\d)", step).groups())
            cell = (row - 1) * size + column - 1
            assert step.endswith(why_forced(grid, size, cell, digit))
            grid[cell] = digit
        assert "".join(map(str, grid)) == "".join(task.target["solution"])


def test_units_cover_every_cell_three_times():
    for size in (4, 6, 9):
        cells = [c for _, unit in units(size) for c in unit]
        assert sorted(cells) == sorted([*range(size * size)] * 3)
        assert all(len(unit) == size for _, unit in units(size))


@pytest.mark.parametrize("form", [RIGHT, RIGHT.replace(" ", ""), RIGHT.replace(" ", " / "), " ".join(RIGHT)])
def test_rows_may_be_set_apart_in_any_usual_way(form):
    assert score(f"so\nAnswer: {form}").value == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("2143 3421 4312 1243", "clues were changed"),
        ("1243 3421 4312 1234", "repeats a digit"),
        ("2143 3421 4312", "not 16 digits"),
        ("2143 3421 4312 123.", "not 16 digits"),
        ("2143 3421 4312 1234 1234", "not 16 digits"),
        ("2143 3421 4312 123\u0664", "not 16 digits"),
        ("2143 3421 4312 1234 or 1", "not 16 digits"),
        ("2" * 500, "no single closing line"),
    ],
)
def test_what_is_no_solution_is_told_why(answer, why):
    judged = score(f"Answer: {answer}")
    assert judged.value == 0
    assert why in judged.reason


def test_the_grid_below_the_answer_line_does_not_count():
    assert score("Answer:\n" + RIGHT.replace(" ", "\n")).status is Status.INVALID_OUTPUT


@pytest.mark.parametrize("clues", [[], ["1"], ["..43", ".42."], None, ["..43", ".42.", "4.12", 1234]])
def test_broken_clues_are_the_tasks_fault(clues):
    assert score(f"Answer: {RIGHT}", clues).status is Status.TASK_ERROR


@given(st.text(alphabet="1234 /", min_size=14, max_size=24))
def test_only_the_solution_scores(text):
    if score(f"Answer: {text}").value:
        assert re.sub(r"\D", "", text) == RIGHT.replace(" ", "")


def test_who_looks_only_at_single_cells_and_not_for_long_solves_less_and_less(env):
    def solved(task, looks: int = 12) -> float:
        size = len(task.target["clues"])
        grid = [int(d) if d != "." else 0 for d in "".join(task.target["clues"])]
        solution = "".join(task.target["solution"])
        for _ in range(looks):
            forced = (
                c
                for c, d in enumerate(grid)
                if not d and why_forced(grid, size, c, int(solution[c])) == "only digit left"
            )
            if (cell := next(forced, None)) is None:
                break
            grid[cell] = int(solution[cell])
        return float(score("Answer: " + "".join(map(str, grid)), task.target["clues"]).value)

    earned = [mean(solved(env.sample_task(i, "train", level)) for i in range(40)) for level in (0, 0.2, 0.3, 0.6, 1)]
    assert earned == sorted(earned, reverse=True)
    assert earned[0] > 0.5 > earned[-1] == 0


def test_gaps_grow_with_difficulty(env):
    gaps = [
        mean("".join(env.sample_task(i, "train", level).target["clues"]).count(".") for i in range(30))
        for level in (0, 0.3, 0.5, 0.7, 1)
    ]
    assert gaps == sorted(gaps)
    assert gaps[0] < 7
    assert gaps[-1] > 45
