import hashlib
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.mathematics.arithmetic import Arithmetic, draw_expression, steps
from rewards.arithmetic import calculate


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_the_value_is_that_of_the_expression(seed, difficulty):
    text, top, bottom, operations = draw_expression(random.Random(seed).random, difficulty)
    expression = calculate(text)
    assert expression.value == Fraction(top, bottom)
    assert operations >= 1


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_every_step_is_true_and_the_last_gives_the_answer(seed, difficulty):
    text, top, bottom, _ = draw_expression(random.Random(seed).random, difficulty)
    worked = steps(text)
    for line in worked:
        left, right = line.split(" = ")
        assert calculate(left).value == calculate(right).value, (text, line)
    assert calculate(worked[-1].split(" = ")[1]).value == Fraction(top, bottom)


@pytest.mark.parametrize(
    ("expression", "lines"),
    [
        ("3 + 4 * 5", ["4 * 5 = 20", "3 + 20 = 23"]),
        ("(2 - 7) * 3", ["2 - 7 = -5", "-5 * 3 = -15"]),
        ("8 - (-3)", ["8 - (-3) = 11"]),
        ("1/2 + 1/3", ["1/2 + 1/3 = 5/6"]),
        ("(1/2) / (3/4)", ["(1/2) / (3/4) = 2/3"]),
        ("12 / 4", ["12 / 4 = 3"]),
        ("0.5 * 3", ["0.5 * 3 = 1.5"]),
    ],
)
def test_steps_as_people_write_them(expression, lines):
    assert steps(expression) == lines


def test_it_grows_with_difficulty():
    env = Arithmetic()
    sizes = [sum(len(env.sample_task(i, "train", d).meta["expression"]) for i in range(100)) for d in (0, 0.5, 1)]
    assert sizes[0] * 2 < sizes[1] < sizes[2]
    easy = [env.sample_task(i, "train", 0.0).meta["operations"] for i in range(50)]
    assert set(easy) == {1}


def test_a_seed_names_the_task_that_it_always_named():
    env, told = Arithmetic(), hashlib.sha256()
    for seed in range(300):
        for level in (None, 0.0, 0.4, 0.7, 1.0):
            task = env.sample_task(seed, "test" if seed % 5 == 0 else "train", level)
            told.update(task.model_dump_json().encode())
    assert told.hexdigest() == "c3241b4e6177599ba6d88d0f63baf0342a31e59536657a0d22888cca38d1a3a6"
