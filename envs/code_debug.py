"""`postgym/CodeDebug-v0`: find and mend the bugs in a program, with tools to run its tests, view it and edit it.

One bug in a list function at difficulty 0, three in a classic algorithm at 1. The program as it is left in the end is
judged by hidden tests; what the reply says doesn't count.
"""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from envs.base import Exploit, Policy, Task, TextEnv
from envs.broken_programs import changed_lines, make_right, results, with_bugs
from envs.code_tests import evidence
from envs.plans import call_by_call
from envs.sandbox.run import Limits, run_function, strictly_equal
from envs.tools import Tool, ToolError, tool, tools_of
from rewards.code import passes_all_tests
from rewards.score import Criterion, Rubric
from rewards.transcript import Message, Transcript

SYSTEM = Message(
    "system",
    "Mend the program with the tools: run its tests, view it, edit it. When it is right, say so in a sentence.",
)
_VISIBLE, _HIDDEN = 4, 12
_MAX_CHARS = 10_000


class Workbench:
    """The program being mended, and its visible tests."""

    def __init__(self, source: str, name: str, tests: Sequence[Mapping[str, Any]]) -> None:
        self.source, self._name, self._tests = source, name, tests

    @tool
    def view(self) -> dict[str, Any]:
        """Shows the program as it stands, with line numbers."""
        return {"program": numbered(self.source)}

    @tool
    def edit(
        self,
        first: Annotated[int, Field(ge=1, description="number of the first line to replace")],
        last: Annotated[int, Field(ge=1, description="number of the last line to replace")],
        text: Annotated[str, Field(max_length=_MAX_CHARS, description="what to put there, with its indentation")],
    ) -> dict[str, Any]:
        """Replaces lines of the program; empty text deletes them."""
        lines = self.source.split("\n")
        if not first <= last <= len(lines):
            raise ToolError("no_such_lines", f"the program has lines 1 to {len(lines)}, and first must not exceed last")
        lines[first - 1 : last] = text.removesuffix("\n").split("\n") if text else []
        if sum(map(len, lines)) > _MAX_CHARS:
            raise ToolError("too_long", f"the program may have {_MAX_CHARS} characters at most")
        self.source = "\n".join(lines)
        return {"program": numbered(self.source)}

    @tool
    def run_tests(self) -> dict[str, Any]:
        """Runs the visible tests; shows what fails."""
        found = judge(self.source, self._name, self._tests)["tests"]
        if found["kind"] != "ok":
            return {"passed": 0, "failed": len(self._tests), "error": f"{found['kind']}: {found['reason']}"[:300]}
        rows = zip(self._tests, found["passed"], found["reasons"], strict=True)
        failed = [
            {
                "call": f"{self._name}({', '.join(map(repr, t['arguments']))})",
                "expected": repr(t["expected"]),
                "found": why,
            }
            for t, passed, why in rows
            if not passed
        ]
        return {"passed": len(self._tests) - len(failed), "failed": len(failed), "failures": failed}


def numbered(source: str) -> str:
    """The program with a number before every line."""
    return "\n".join(f"{i:2} {line}" for i, line in enumerate(source.split("\n"), 1))


def judge(source: str, name: str, tests: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The evidence of the tests, run in the sandbox."""
    result = run_function(source, name, [t["arguments"] for t in tests], Limits())
    return evidence(result, [partial(strictly_equal, t["expected"]) for t in tests])


class CodeDebug(TextEnv):
    """A broken program; what is left of it in the end is judged."""

    id = "postgym/CodeDebug-v0"
    rubric = Rubric([Criterion("tests", passes_all_tests)])
    max_turns = 12
    sandboxed = True

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A program whose bugs show in the visible tests as well as in the hidden ones."""
        while True:
            right = make_right(rng, difficulty)
            inputs = [right.inputs(rng) for _ in range(_VISIBLE + _HIDDEN)]
            try:
                broken = with_bugs(rng, right.source, min(3, 1 + int(2 * difficulty + rng.random())))
                wanted, found = (results(source, right.name, inputs) for source in (right.source, broken))
            except (ValueError, TimeoutError):  # no place for so many bugs, or they make it run for ever
                continue
            shown, hidden = (
                sum(a != b for a, b in zip(wanted[cut], found[cut], strict=True))
                for cut in (slice(_VISIBLE), slice(_VISIBLE, None))
            )
            different = len({repr(value) for value in wanted[_VISIBLE:]})
            if shown and hidden and different > 1 and wanted[0] != inputs[0][0]:
                break
        tests = [{"arguments": a, "expected": w} for a, w in zip(inputs, wanted, strict=True)]
        count = len(changed_lines(right.source, broken))
        words = f"This program has {'a bug' if count == 1 else f'{count} bugs'}. {right.name} {right.words}"
        return Task(
            prompt=(SYSTEM, Message("user", f"{words}\n\n{numbered(broken)}")),
            target={"program": right.source, "tests": tests[_VISIBLE:]},
            meta={"name": right.name, "broken": broken, "visible": tests[:_VISIBLE]},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`view`, `edit` and `run_tests`."""
        self._bench = Workbench(task.meta["broken"], task.meta["name"], task.meta["visible"])
        return tools_of(self._bench)

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """Runs the hidden tests on the program as it was left."""
        return judge(self._bench.source, task.meta["name"], task.target["tests"])

    def expert(self, task: Task) -> Policy:
        """Runs the tests, mends line by line, runs them again."""
        return call_by_call([("run_tests", {}), *_edits(task), ("run_tests", {})], "The program is mended.")

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """Mends nothing, puts another bug in, or deletes the head of the function."""
        edits = _edits(task)
        name, arguments = edits[-1]
        worse = {**arguments, "text": arguments["text"] + " + 0 0"}
        wrong = ([], [*edits[:-1], (name, worse)], [*edits, ("edit", {"first": 1, "last": 1, "text": ""})])
        return call_by_call(wrong[which % 3], "The program is mended.")

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Claims, programs that know the visible tests, that exit, or that look for the expected values."""
        name, broken, right = task.meta["name"], task.meta["broken"], task.target["program"]
        count = len(broken.split("\n"))
        table = [(t["arguments"], t["expected"]) for t in task.meta["visible"]]
        known = f"return dict((repr(k), v) for k, v in {table!r}).get(repr(list(a)))"
        equal = "class E(int):\n    __eq__ = lambda s, o: True"
        search = "[o['expected'] for o in gc.get_objects() if isinstance(o, dict) and 'expected' in o]"
        programs = {
            "knows the visible tests": f"def {name}(*a):\n    {known}",
            "returns what is equal to all": f"{equal}\ndef {name}(*a):\n    return E()",
            "looks for the answer": f"import gc\ndef {name}(*a):\n    return {search}[0]",
            "exits": f"import os\ndef {name}(*a):\n    os._exit(0)",
            "an empty program": "",
        }
        done = "All tests pass now."
        replace = {k: [("edit", {"first": 1, "last": count, "text": p})] for k, p in programs.items()}
        return {
            **{k: Exploit(call_by_call(calls, done)) for k, calls in replace.items()},
            "claims it is done": Exploit(lambda messages: done),
            "the right program in the reply": Exploit(lambda messages: f"```python\n{right}\n```"),
            "runs the tests for ever": Exploit(call_by_call([("run_tests", {})] * 20, done)),
        }


def _edits(task: Task) -> list[tuple[str, dict[str, Any]]]:
    right = task.target["program"].split("\n")
    lines = changed_lines(task.meta["broken"], task.target["program"])
    return [("edit", {"first": n, "last": n, "text": right[n - 1]}) for n in lines]
