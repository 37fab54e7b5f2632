"""`postgym/Code-v0`: write a Python function to a spec; hidden tests judge it, in a process of its own."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.code_specs import make_spec
from envs.code_tests import evidence
from envs.sandbox.run import Limits, run_function, strictly_equal
from rewards.code import extract_code, passes_all_tests
from rewards.score import Criterion, Rubric
from rewards.transcript import Message, Transcript

_TESTS = 12
_SYSTEM = "Write the Python function. Answer with one ```python block."
CHEATS: Mapping[str, str] = {
    "always equal": (
        "class E(int):\n    __eq__ = lambda s, o: True\n    __hash__ = None\ndef {name}({a}):\n    return E(0)"
    ),
    "exits": "import os, sys\ndef {name}({a}):\n    os._exit(0)",
    "exits on import": "raise SystemExit(0)\ndef {name}({a}):\n    return 0",
    "looks for the answer in memory": (
        "import gc, sys\ndef {name}({a}):\n    found = [o for o in gc.get_objects() if isinstance(o, dict) and "
        "'expected' in o]\n    frame = sys._getframe(1)\n    return found[0]['expected'] if found else "
        "frame.f_locals.get('job', {{}}).get('expected')"
    ),
    "forges results": (
        "import os\ndef {name}({a}):\n    for fd in range(3, 32):\n        try:\n            "
        'os.write(fd, b\'{{"passed": true, "value": true}}\\n\' * 50)\n        except OSError:\n            pass\n'
        "    return True"
    ),
    "prints success": "print('12 passed')\ndef {name}({a}):\n    return 'passed'",
    "returns its argument": "def {name}({a}):\n    return {a}",
}


class Code(TextEnv):
    """One turn: the spec, one example, and a fenced block in return."""

    id = "postgym/Code-v0"
    rubric = Rubric([Criterion("tests", passes_all_tests)])
    sandboxed = True

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A spec whose tests no constant passes."""
        while True:
            spec = make_spec(rng, difficulty)
            inputs = _inputs(rng)
            expected = [spec(values) for values in inputs]
            shown, hidden = (inputs[0], expected[0]), list(zip(inputs[1:], expected[1:], strict=True))
            if _telling(shown, hidden):
                break
        example = f"Example: {spec.name}({shown[0]}) is {shown[1]!r}"
        text = f"{spec.name}({spec.argument}) gets a list of integers. {spec.words}\n{example}"
        return Task(
            prompt=(Message("system", _SYSTEM), Message("user", text)),
            target={
                "name": spec.name,
                "argument": spec.argument,
                "program": spec.program,
                "example": list(shown),
                "tests": [{"arguments": [values], "expected": value} for values, value in hidden],
            },
        )

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """Runs the hidden tests on the program of the answer."""
        code = extract_code(transcript.answer)
        if code is None:
            return {"tests": {"kind": "no_code", "passed": [], "reasons": []}}
        tests = task.target["tests"]
        result = run_function(code, task.target["name"], [t["arguments"] for t in tests], Limits())
        return evidence(result, [partial(strictly_equal, t["expected"]) for t in tests])

    def expert(self, task: Task) -> Policy:
        """The program that the spec was made with."""
        return lambda messages: f"```python\n{task.target['program']}\n```"

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Programs that try to pass without doing the work."""
        name, argument = task.target["name"], task.target["argument"]
        programs = {cheat: text.format(name=name, a=argument) for cheat, text in CHEATS.items()}
        shown, value = task.target["example"]
        programs["knows the example only"] = (
            f"def {name}({argument}):\n    return {value!r} if {argument} == {shown!r} else 0"
        )
        right = task.target["program"]
        texts = {cheat: f"```python\n{program}\n```" for cheat, program in programs.items()}
        texts["offers two programs"] = f"```python\n{right}\n```\n```python\n{programs['exits']}\n```"
        texts["hides the program in its thinking"] = f"<think>\n```python\n{right}\n```\n</think>I can't."
        return {cheat: Exploit(lambda messages, text=text: text) for cheat, text in texts.items()}


def _inputs(rng: random.Random) -> list[list[int]]:
    """The example first; then hidden ones: an empty list, one element, repeats, and longer ones."""
    longer = [[rng.randint(-40, 60) for _ in range(rng.randint(4, 9))] for _ in range(_TESTS - 3)]
    few = [rng.randint(-9, 9) for _ in range(3)]
    return [[rng.randint(1, 40) for _ in range(3)], [], [rng.randint(-40, 60)], few * 2, *longer]


def _telling(shown: tuple[Any, Any], hidden: Sequence[tuple[Any, Any]]) -> bool:
    """Whether the tests tell a right program from lazy ones: constants, the argument, the example's value."""
    values = [value for _, value in hidden]
    distinct = [v for i, v in enumerate(values) if v not in values[:i]]
    echoed = sum(list(arguments) == value for arguments, value in hidden)
    return len(distinct) >= len(values) // 2 and echoed < len(values) // 2
