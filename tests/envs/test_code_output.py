"""CodeOutput: Python itself prints what the environment says, and the expert's notes end where the program does."""

import json
import random
import subprocess
import sys

import pytest

import envs
from envs.code_output import make_program, run_program

RUN_ALL = """
import contextlib, io, json, sys
for program in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program, {})
    print(json.dumps(out.getvalue()))
"""


def programs(n):
    env = envs.make("postgym/CodeOutput-v0")
    return [env.sample_task(i, difficulty=i / (n - 1)) for i in range(n)]


def test_python_prints_what_the_target_says():
    tasks = programs(300)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([t.meta["program"] for t in tasks]),
        capture_output=True,
        text=True,
        check=True,
    )
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert printed == [t.target["answer"][0]["value"] + "\n" for t in tasks]


def test_the_notes_name_what_every_line_changes():
    printed, notes = run_program(
        "a = 3\nxs = [1]\nfor i in range(2):\n    a += i\n    xs.append(a)\n"
        "def f(n):\n    return n if n < 2 else n + f(n - 1)\nb = f(3)\nprint(a, xs, b)",
        trace=True,
    )
    assert printed == "4 [1, 3, 4] 6"
    assert notes == [
        *(
            "line 1: a = 3",
            "line 2: xs = [1]",
            "line 3: i = 0",
            "line 5: xs = [1, 3]",
            "line 3: i = 1",
            "line 4: a = 4",
        ),
        *(
            "line 5: xs = [1, 3, 4]",
            "line 7: f returns 1",
            "line 7: f returns 3",
            "line 7: f returns 6",
            "line 8: b = 6",
        ),
    ]


def test_the_last_notes_hold_the_printed_values():
    for task in programs(60):
        *notes, last = envs.make("postgym/CodeOutput-v0").expert(task)(()).splitlines()
        assert last == f"Answer: {task.target['answer'][0]['value']}"
        assert notes


@pytest.mark.parametrize(
    "program", ["while True:\n    pass", "print(1)\nprint(2)", "a = 1", "print('x' * 100)", "def f():\n    f()\nf()"]
)
def test_programs_that_run_on_or_print_too_much_are_refused(program):
    with pytest.raises((ValueError, RecursionError)):
        run_program(program)


def test_a_programme_can_reach_nothing_but_its_few_builtins():
    for program in ("import os", "open('x')", "print(__import__('os'))", "eval('1')"):
        with pytest.raises((ImportError, NameError)):
            run_program(program)


def test_a_debugger_that_watches_goes_on_watching():
    def watcher(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(watcher)
    try:
        run_program("print(1)")
        assert sys.gettrace() is watcher
    finally:
        sys.settrace(before)


def test_every_piece_is_drawn_somewhere():
    rng = random.Random(0)
    text = "\n".join(make_program(rng, i / 399) for i in range(400))
    for sign in (
        "if ",
        "for i",
        "while ",
        ".append(",
        ".sort()",
        "[::-1]",
        ".get(",
        "class Box",
        "return i",
        "=[",
        "else:",
    ):
        assert sign in text, sign
