"""Chooses the programs of reasoning-gym's codeio that are fit to be asked about.

    python -m scripts.choose_programs            # how many, and why the others are not
    python -m scripts.choose_programs --write    # envs/reasoning/gym_program_rows.py anew

A program is fit when it reaches for nothing outside itself, and when two processes, with another PYTHONHASHSEED and
the opposite order, get the same plain values from it, soon, for every input that a task may ask about.
"""

import argparse
import ast
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envs.reasoning import gym_program_rows
from envs.reasoning.gym_program_rows import DRAWS
from envs.reasoning.gym_programs import make_entry, read_programs

_PLAIN = "abc bisect cmath collections copy dataclasses decimal enum fractions functools heapq itertools json math"
MODULES = frozenset([*_PLAIN.split(), "__future__", "numbers", "operator", "re", "statistics", "string", "typing"])
# What reaches out of the program, or depends on the process: sets are walked through in the order of their hashes.
_OUTWARD = "breakpoint compile delattr eval exec exit getattr globals help id input locals memoryview open quit setattr"
NAMES = frozenset([*_OUTWARD.split(), "__builtins__", "__import__", "frozenset", "hash", "set", "vars"])
MAX_QUESTION, MAX_ANSWER = 8_000, 300  # characters
MAX_SECONDS = 0.02  # of processor time
PLACES = 4  # that a float may have: more would ask for a calculator, and differ between machines
LEAST_ANSWERS = DRAWS * 3 // 4  # different ones
MOST_ECHOES = DRAWS // 10  # outputs that stand in the input
PATH = Path(gym_program_rows.__file__)


class TooSlow(BaseException):
    """No `except Exception` of a program's own stops it."""


def reaches_out(program: Mapping[str, Any]) -> str:
    """What the program or its generator reaches for that it must not; "" where there is nothing."""
    source = f"{program['code_sample']}\n\n{program['input_generator']}"
    try:
        with warnings.catch_warnings(action="error"):  # of the compiler, who would tell them with every entry
            compile(source, "codeio", "exec")
    except (SyntaxError, ValueError):
        return "no clean Python"
    # A third import random, most of them without using it; in others it is what a generator calls its argument.
    names = NAMES | {"random"} if "import random" in source else NAMES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if isinstance(node, ast.Import) and ast.unparse(node) == "import random":
                continue
            parts = [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module or "."]
            if foreign := [part for part in parts if part.partition(".")[0] not in MODULES]:
                return f"import {foreign[0]}"
        if isinstance(node, ast.Set | ast.SetComp):
            return "set"
        if isinstance(node, ast.Name) and node.id in names:
            return node.id
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr != "__init__":
            return "a private attribute"
    return ""


def unplain(value: Any) -> bool:
    """Whether JSON doesn't bring the value back as it was, or a float in it has too many places."""
    if isinstance(value, dict):
        return not all(type(key) is str for key in value) or any(map(unplain, value.values()))
    if isinstance(value, list):
        return any(map(unplain, value))
    if type(value) is float:
        return not (abs(value) < 1e9 and round(value, PLACES) == value)
    return not (value is None or type(value) in (bool, int, str))


def why_unfit(entries: Sequence[Mapping[str, Any]]) -> str:
    """Why a program's entries are no tasks; "" where they are."""
    if any(unplain(entry["metadata"]["output_data"]) for entry in entries):
        return "an output that is not plain"
    if any(json.loads(json.dumps(e["metadata"]["input_data"])) != e["metadata"]["input_data"] for e in entries):
        return "an input that is not plain"
    if any(len(e["question"]) > MAX_QUESTION or len(e["answer"]) > MAX_ANSWER for e in entries):
        return "long"
    if len({entry["answer"] for entry in entries}) < LEAST_ANSWERS:
        return "few answers"
    if sum(_echoes(**entry["metadata"]) for entry in entries) > MOST_ECHOES:
        return "the output stands in the input"
    return ""


def _echoes(input_data: Mapping[str, Any], output_data: Any) -> bool:
    said = [output_data, *(output_data.values() if isinstance(output_data, dict) and len(output_data) == 1 else ())]
    return input_data in said or any(value in said for value in input_data.values())


def look_through(program: Mapping[str, Any], draws: Sequence[int]) -> tuple[str, list[Any]]:
    """Why the program is unfit ("" where it isn't), and its questions and answers in the order of the draws."""
    if why := reaches_out(program):
        return why, []
    entries = {}
    try:
        for draw in draws:
            started = time.process_time()
            with _for_a_second():
                entries[draw] = make_entry(program, draw)
            if time.process_time() - started > MAX_SECONDS:
                return "slow", []
        ordered = [entries[draw] for draw in sorted(draws)]
        return why_unfit(ordered), [(entry["question"], entry["answer"]) for entry in ordered]
    except TooSlow:
        return "slow", []
    except (Exception, SystemExit) as error:
        return f"raises {type(error).__name__}", []


@contextmanager
def _for_a_second() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1, 0.1)  # again and again: a program may catch the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _look_through_all(backwards: bool) -> dict[str, tuple[str, list[Any]]]:
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
    rows, draws = list(enumerate(read_programs()[1])), range(DRAWS)
    if backwards:
        rows, draws = rows[::-1], draws[::-1]
    return {str(row): look_through(program, draws) for row, program in rows}


def _in_another_process(backwards: bool) -> dict[str, Any]:
    code = f"import json; from scripts import choose_programs as c; print(json.dumps(c._look_through_all({backwards})))"
    environment = {**os.environ, "PYTHONHASHSEED": "1" if backwards else "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Looks through all programs twice, says what was found, and writes it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PATH.name} anew")
    write = parser.parse_args().write
    one, other = _in_another_process(False), _in_another_process(True)
    verdicts = {row: one[row][0] or other[row][0] or ("" if one[row] == other[row] else "differs") for row in one}
    for why, count in Counter(verdicts.values()).most_common():
        print(f"{count:5} {why or 'fit'}")
    if write:
        rows = " ".join(row for row, why in verdicts.items() if not why)
        docstring = PATH.read_text().partition("\n")[0]
        PATH.write_text(
            f'{docstring}\n\nDATA = "{read_programs()[0]}"  # SHA-256 of the file that the rows are of\n'
            f"DRAWS = {DRAWS}  # of an input for each program\n"
            f'_ROWS = """\n{textwrap.fill(rows, 116)}\n"""\nROWS = tuple(map(int, _ROWS.split()))\n'
        )


if __name__ == "__main__":
    main()
