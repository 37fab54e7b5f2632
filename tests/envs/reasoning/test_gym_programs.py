"""codeio's programs: only harmless ones are run, they come to the same in every process, and their output is judged."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

import envs
from envs.reasoning import gym_programs
from envs.reasoning.gym_datasets import PREFIX, SIZES
from envs.reasoning.gym_judges import is_the_output
from envs.reasoning.gym_program_rows import DRAWS, ROWS
from envs.reasoning.gym_programs import Programs, make_entry, read_programs, run_program
from envs.registry import reasoning_gym_ids
from rewards.errors import ConfigError
from scripts.choose_programs import look_through, reaches_out, why_unfit

needs_package = pytest.mark.skipif(not reasoning_gym_ids(), reason="no reasoning-gym")
EVERY = 17  # of the entries that are compared between processes
DIGEST = f"""
import hashlib, json
from envs.reasoning.gym_programs import Programs
programs = Programs()
entries = [programs[i] for i in reversed(range(0, len(programs), {EVERY}))][::-1]
print(hashlib.sha256(json.dumps(entries).encode()).hexdigest())
"""


def program(body: str, draw: str = "{'n': rng.randint(1, 10**6)}") -> dict[str, str]:
    return {
        "task_description": "What is it?",
        "input_output_spec": "`n` (int); `return` (int)",
        "code_sample": body,
        "input_generator": f"def generate_inputs(rng: Random) -> dict:\n    return {draw}",
    }


DOUBLES = program("def main_solution(n):\n    print(n)\n    return {'twice': 2 * n}")


@needs_package
def test_a_sample_of_all_entries_is_the_same_in_another_process_and_order():
    programs = Programs()
    entries = [programs[i] for i in range(0, len(programs), EVERY)]
    here = hashlib.sha256(json.dumps(entries).encode()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "4242"}
    done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


@needs_package
def test_no_program_that_is_run_reaches_out():
    _, programs = read_programs()
    assert not [row for row in ROWS if reaches_out(programs[row])]


def test_the_table_says_how_many_entries_there_are():
    assert SIZES["codeio"] == len(ROWS) * DRAWS == len(set(ROWS)) * DRAWS > 5_000


@needs_package
def test_another_file_of_programs_is_not_run(monkeypatch):
    monkeypatch.setattr(gym_programs, "DATA", "0" * 64)
    with pytest.raises(ConfigError, match=r"holds other programs .* choose anew"):
        Programs()


@needs_package
def test_the_question_shows_the_input_as_it_was_before_the_program_changed_it(capsys):
    drops = program("def main_solution(n):\n    print(n)\n    return n.pop()", "{'n': [rng.randint(1, 9), 7]}")
    given, returned = run_program(drops, 3)
    assert (len(given["n"]), returned) == (2, 7)
    assert str(given) in make_entry(drops, 3)["question"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import os", "import os"),
        ("from os import path", "import os"),
        ("import math, random", "import random"),
        ("from random import choice", "import random"),
        ("import random\nx = random.random()", "random"),
        ("import random as r", "import random"),
        ("from . import x", "import ."),
        ("open('x')", "open"),
        ("f = eval", "eval"),
        ("().__class__", "a private attribute"),
        ("x = {1, 2}", "set"),
        ("x = {n for n in 'ab'}", "set"),
        ("x = list(set('ab'))", "set"),
        ("x = hash('a')", "hash"),
        ("'\\d'", "no clean Python"),
        ("x = 1 is 2", "no clean Python"),
        ("def", "no clean Python"),
    ],
)
def test_a_program_that_reaches_out_or_depends_on_the_process_is_refused(body, why):
    assert reaches_out(program(body)) == why


def test_a_program_of_plain_python_is_not():
    assert reaches_out(DOUBLES) == ""


@needs_package
@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        (DOUBLES, ""),
        (program("def main_solution(n):\n    return n / 3"), "an output that is not plain"),
        (program("def main_solution(n):\n    return (n, n)"), "an output that is not plain"),
        (program("def main_solution(n):\n    return {n: 1}"), "an output that is not plain"),
        (program("def main_solution(n):\n    return float('nan')"), "an output that is not plain"),
        (
            program("def main_solution(n):\n    return str(n[0])", "{'n': (rng.random(),)}"),
            "an input that is not plain",
        ),
        (program("def main_solution(n):\n    return n % 2"), "few answers"),
        (program("def main_solution(n):\n    return n"), "the output stands in the input"),
        (program("def main_solution(n):\n    return {'n': n}"), "the output stands in the input"),
        (program("def main_solution(n):\n    return str(n) * 100"), "long"),
    ],
)
def test_a_program_whose_entries_are_no_tasks_is_refused_with_the_reason(chosen, why):
    assert why_unfit([make_entry(chosen, draw) for draw in range(DRAWS)]) == why


@needs_package
def test_a_program_that_raises_or_does_not_end_is_refused():
    read_programs()  # imports the package, which takes longer than a program may
    assert look_through(program("def main_solution(n):\n    return [n][n]"), [0])[0] == "raises IndexError"
    endless = "while True:\n        try:\n            n += 1\n        except Exception:\n            pass"
    assert look_through(program(f"def main_solution(n):\n    {endless}"), [0])[0] == "slow"


@needs_package
def test_looking_through_gives_questions_and_answers_in_the_order_of_the_draws():
    read_programs()
    forwards, backwards = (look_through(DOUBLES, draws) for draws in ((0, 1), (1, 0)))
    assert forwards == backwards
    assert [json.loads(answer) for _, answer in forwards[1]] == [run_program(DOUBLES, draw)[1] for draw in (0, 1)]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('{"b": [1, true, null], "a": 2}', True),
        ('{"a": 2.0, "b": [1, true, null]}', True),
        ('{"a": 2, "b": [1, 1, null]}', False),
        ('{"a": 2, "b": [true, true, null]}', False),
        ('{"a": "2", "b": [1, true, null]}', False),
        ('{"a": 2, "b": [1, true, null], "c": 0}', False),
        ('{"a": 2, "b": [1, true]}', False),
        ('{"b": [1, true, null]}', False),
        ("2", False),
    ],
)
def test_an_output_is_right_when_it_is_the_same_json_value(answer, right):
    assert is_the_output(answer, {"metadata": {"output_data": {"a": 2, "b": [1, True, None]}}}) is right


@pytest.mark.parametrize("answer", ['{"a": 1, "a": 2}', "NaN", "Infinity", "{'a': 2}", '{"a": 2} or so', "[" * 100_000])
def test_what_is_not_one_json_value_cannot_be_read(answer):
    with pytest.raises((ValueError, RecursionError)):
        is_the_output(answer, {"metadata": {"output_data": {"a": 2}}})


@needs_package
def test_a_program_that_prints_leaves_nothing_on_the_terminal(capsys):
    env = envs.make(f"{PREFIX}codeio")
    for seed in range(20):
        env.sample_task(seed)
    assert capsys.readouterr() == ("", "")
