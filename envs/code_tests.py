"""Tests in the layouts of HumanEval and MBPP, judged from outside: the program returns values, we compare them.

A test is one assertion about one call, such as `assert candidate([1, 2]) == 3`. Its call is made in the sandbox, what
it is compared with stays here. Tests that loop, call a reference or need a library are refused, not skipped.
"""

import ast
import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.sandbox.run import Limits, SandboxResult, run_function
from rewards.errors import ConfigError

_CALLER = "_postgym_call"
_LARGE = 10_000  # of numbers to reckon with: a test is no place for 9**9**9
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_CASTS = {"tuple": tuple, "list": list, "set": set, "sorted": sorted}


@dataclass(frozen=True, slots=True)
class CodeTest:
    """One assertion.

    Args:
        call: the source of the call.
        expected: what it must give.
        tolerance: by how much a number may differ; NaN where any true (or untrue) value will do.
        cast: `tuple`, `list`, `set` or `sorted`, applied to the value first.
    """

    call: str
    expected: Any
    tolerance: float = 0.0
    cast: str = ""

    def accepts(self, value: Any) -> bool:
        """Whether a value that came out of the sandbox is right."""
        if math.isnan(self.tolerance):
            return (
                type(value) in (bool, int, float, str, list, tuple, set, dict, type(None))
                and bool(value) == self.expected
            )
        if self.cast:
            if type(value) not in (list, tuple, set):
                return False
            try:
                value = _CASTS[self.cast](value)
            except TypeError:
                return False
        if self.tolerance:
            return type(value) in (int, float) and abs(value - self.expected) < self.tolerance
        return same_value(value, self.expected)


@dataclass(frozen=True, slots=True)
class Names:
    """What names stand for in a test: the function, what it is called there, and what only the test defines."""

    function: str
    callable: set[str]
    of_the_test: set[str]


def same_value(found: Any, expected: Any) -> bool:
    """Equal as Python has it for plain values, except that True is not 1."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, int | float):
        return type(found) in (int, float) and found == expected
    if type(found) is not type(expected):
        return False
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same_value, found, expected))
    if isinstance(expected, set):
        return {(type(v) is bool, v) for v in found} == {(type(v) is bool, v) for v in expected}
    if isinstance(expected, dict):
        same_keys = same_value(set(found), set(expected))
        return same_keys and all(same_value(found[k], expected[k]) for k in expected)
    return bool(found == expected)


def read_tests(source: str, function: str) -> list[CodeTest]:
    """The assertions of a test's source, with `candidate` or `function` as the name of what is called.

    Args:
        source: HumanEval's `test` (a function `check`), or MBPP's `test_list`, joined by newlines.
        function: the name of the function that is wanted (HumanEval's `entry_point`).

    Raises:
        ConfigError: there is no assertion, or one that can't be judged from outside.
    """
    try:
        body: list[ast.stmt] = ast.parse(source).body
    except SyntaxError as error:
        raise ConfigError(f"tests of {function}: line {error.lineno} is no Python ({error.msg})") from error
    checks = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "check"]
    statements, names = checks[0].body if checks else body, _names(body, function, bool(checks))
    found = [test for node in statements for test in _read(node, names)]
    if not found:
        raise ConfigError(f"tests of {function}: no assertion calls it; a task needs at least one")
    if all(test.expected in (None, "") for test in found):
        raise ConfigError(f"tests of {function}: all expect nothing, which an empty function gives; add others")
    return found


def run_tests(code: str, function: str, tests: Sequence[CodeTest], limits: Limits | None = None) -> Mapping[str, Any]:
    """The evidence that `rewards.code` judges: how the run ended, and which tests passed.

    Raises:
        EnvError: the code could not be run.
    """
    calls = "".join(f"        {i}: lambda: {test.call},\n" for i, test in enumerate(tests))
    driver = f"\n\ndef {_CALLER}(number):\n    return {{\n{calls}    }}[number]()\n"
    result = run_function(code + driver, _CALLER, [[i] for i in range(len(tests))], limits)
    return evidence(result, [test.accepts for test in tests])


def evidence(result: SandboxResult, accept: Sequence[Callable[[Any], bool]]) -> Mapping[str, Any]:
    """What `rewards.code` judges: how the run ended, which calls gave an accepted value, and what others gave."""
    passed, reasons = [], []
    for call, right in zip(result.calls, accept, strict=False):
        passed.append(call.error is None and right(call.value))
        reasons.append("" if passed[-1] else call.error or f"a test gave {call.value!r}"[:200])
    return {"tests": {"kind": result.kind, "passed": passed, "reasons": reasons, "reason": result.reason}}


def _names(body: list[ast.stmt], function: str, checks: bool) -> Names:
    nodes = list(ast.walk(ast.Module(body, [])))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    imported = {n.asname or n.name for n in nodes if isinstance(n, ast.alias)}
    return Names(function, {function, "candidate"} if checks else {function}, stored | imported | {"candidate"})


def _read(node: ast.stmt, names: Names) -> Iterator[CodeTest]:
    if isinstance(node, ast.Assert):
        if isinstance(node.test, ast.Constant):
            return  # `assert True`: HumanEval has them, and they say nothing
        test = _assertion(node.test, names)
        if test is not None:
            yield test
            return
    elif isinstance(node, ast.Import | ast.ImportFrom | ast.Pass | ast.FunctionDef | ast.Assign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name)
    ):
        return
    raise ConfigError(
        f"tests of {names.function}: can't judge {ast.unparse(node)[:80]!r} from outside; compare with a literal"
    )


def _assertion(test: ast.expr, names: Names) -> CodeTest | None:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        call = _call(test.operand, names)
        return CodeTest(call, False, math.nan) if call else None
    call = _call(test, names)
    if call:
        return CodeTest(call, True, math.nan)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left, comparison, right = test.left, test.ops[0], test.comparators[0]
    if isinstance(comparison, ast.Lt | ast.LtE):
        return _close(left, right, names)
    if not isinstance(comparison, ast.Eq | ast.Is):
        return None
    cast = left.func.id if isinstance(left, ast.Call) and isinstance(left.func, ast.Name) else ""
    if cast in _CASTS and isinstance(left, ast.Call) and len(left.args) == 1:
        left = left.args[0]
        if isinstance(right, ast.Call) and isinstance(right.func, ast.Name) and right.func.id == cast:
            right = right.args[0]
            made = _value(right)
            call = _call(left, names)
            return CodeTest(call, _CASTS[cast](made[0]), cast=cast) if made and call else None
    else:
        cast = ""
    call, value = _call(left, names), _value(right)
    return CodeTest(call, value[0], cast=cast) if call and value else None


def _close(left: ast.expr, bound: ast.expr, names: Names) -> CodeTest | None:
    """`abs(candidate(...) - 0.5) < 1e-6`."""
    tolerance = _value(bound)
    if not (tolerance and isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "abs"):
        return None
    inside = left.args[0]
    if not isinstance(inside, ast.BinOp) or not isinstance(inside.op, ast.Sub):
        return None
    call, value = _call(inside.left, names), _value(inside.right)
    return CodeTest(call, value[0], tolerance[0]) if call and value else None


def _call(node: ast.expr, names: Names) -> str | None:
    """The source of a call of the function under its own name; None where it needs what only the test knows."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names.callable):
        return None
    arguments = [*node.args, *(k.value for k in node.keywords)]
    if any(isinstance(n, ast.Name) and n.id in names.of_the_test for a in arguments for n in ast.walk(a)):
        return None
    renamed = ast.Call(ast.Name(names.function, ast.Load()), node.args, node.keywords)
    return ast.unparse(ast.fix_missing_locations(renamed))


def _value(node: ast.expr) -> tuple[Any] | None:
    """A literal, or arithmetic on literals, in a tuple; None for anything else."""
    with contextlib.suppress(ValueError, TypeError, SyntaxError):
        return (ast.literal_eval(node),)
    if isinstance(node, ast.Tuple | ast.List):
        parts = [_value(part) for part in node.elts]
        whole = [part[0] for part in parts if part]
        return None if len(whole) < len(parts) else (tuple(whole) if isinstance(node, ast.Tuple) else whole,)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        sides = [_value(side) for side in (node.left, node.right)]
        numbers = [side[0] for side in sides if side and type(side[0]) in (int, float) and abs(side[0]) < _LARGE]
        with contextlib.suppress(ZeroDivisionError):
            return (_OPERATORS[type(node.op)](*numbers),) if len(numbers) == 2 else None
    return None
