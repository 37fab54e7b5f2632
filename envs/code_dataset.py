"""`postgym/CodeDataset-v0`: programs to a text from a data set of yours, in the layout of MBPP or HumanEval.

The data set's own assertions judge, from outside the program's process: what they expect never enters it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from envs.base import Exploit, Task
from envs.code import CHEATS
from envs.code_tests import CodeTest, read_tests, run_tests
from envs.dataset_env import DatasetEnv
from envs.rows import Item, Layout, Row
from rewards.code import extract_code, passes_all_tests
from rewards.errors import ConfigError
from rewards.score import Criterion, Rubric
from rewards.transcript import Message, Transcript

_CALLED = re.compile(r"\b([A-Za-z_]\w*)\(")
_CASTS = ("set", "sorted", "tuple", "list", "abs", "round", "str", "len", "not", "math", "isclose")


@lru_cache(maxsize=4096)
def _tests(source: str, name: str) -> list[CodeTest]:
    return read_tests(source, name)


def _item(text: str, name: str, tests: str, solution: str) -> Item:
    try:
        calls = [test.call for test in _tests(tests, name)]
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return Item(text, {"name": name, "source": tests, "tests": calls}, solution)


def _mbpp(row: Row) -> Item:
    tests = "\n".join(row["test_list"])
    if str(row.get("test_setup_code") or "").strip():
        raise ValueError("its tests need set-up code, which would have to run with the program")
    names = [name for name in _CALLED.findall(tests) if name not in _CASTS]
    defined = [name for name in names if re.search(rf"^def {name}\(", row["code"], re.MULTILINE)]
    if not defined:
        raise ValueError("its tests call no function that its code defines")
    text = f"{row.get('text') or row.get('prompt')}\nFor example: {row['test_list'][0]}"
    return _item(text, defined[0], tests, row["code"].replace("\r", ""))


def _human_eval(row: Row) -> Item:
    return _item(row["prompt"], row["entry_point"], row["test"], row["prompt"] + row["canonical_solution"])


class CodeDataset(DatasetEnv):
    """One program of the data set, judged by its tests."""

    id = "postgym/CodeDataset-v0"
    rubric = Rubric([Criterion("tests", passes_all_tests)])
    system = Message("system", "Write the Python function. Answer with one ```python block.")
    sandboxed = True
    layouts = (
        Layout("HumanEval", frozenset(("prompt", "canonical_solution", "test", "entry_point")), _human_eval),
        Layout("MBPP", frozenset(("code", "test_list")), _mbpp),
    )

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """Runs the data set's tests on the program of the answer."""
        code = extract_code(transcript.answer)
        if code is None:
            return {"tests": {"kind": "no_code", "passed": [], "reasons": []}}
        return run_tests(code, task.target["name"], _tests(task.target["source"], task.target["name"]))

    def closing(self, task: Task) -> str:
        """The solution in a block."""
        return f"```python\n{task.meta['solution']}\n```"

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Programs that try to pass without doing the work."""
        name = task.target["name"]
        programs = {cheat: text.format(name=name, a="*a") for cheat, text in CHEATS.items()}
        programs["returns nothing"] = f"def {name}(*a):\n    pass"
        programs["knows the shown test"] = f"def {name}(*a):\n    assert False"
        return {
            cheat: Exploit(lambda messages, text=f"```python\n{program}\n```": text)
            for cheat, program in programs.items()
        }
