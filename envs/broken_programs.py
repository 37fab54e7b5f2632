"""Short correct programs, and bugs put into them: one place of the syntax tree changed as people get it wrong."""

import ast
import inspect
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from envs.classic_programs import CLASSICS, ints
from envs.code_specs import make_spec

MAX_ROUNDS = 2_000  # of a loop
Inputs = Callable[[random.Random], list[Any]]


@dataclass(frozen=True, slots=True)
class Program:
    """A right program: its name, what it does in words, its source, and a maker of arguments."""

    name: str
    words: str
    source: str
    inputs: Inputs


def make_right(rng: random.Random, difficulty: float) -> Program:
    """A right program: a short list function of a made-up spec, or a classic."""
    if rng.random() < 1 - 0.4 * difficulty:
        spec = make_spec(rng, difficulty)
        source = ast.unparse(ast.parse(spec.program))
        return Program(spec.name, f"gets a list of integers. {spec.words}", source, lambda r: [ints(r, -40, 60, 9)])
    return _classics()[int(rng.random() * len(CLASSICS))]


@cache
def _classics() -> tuple[Program, ...]:
    found = []
    for function, inputs in CLASSICS:
        tree = ast.parse(inspect.getsource(function))
        tree.body[0].body.pop(0)  # type: ignore[attr-defined]  # the docstring says what it does: that is the task's text
        found.append(Program(function.__name__, inspect.getdoc(function) or "", ast.unparse(tree), inputs))
    return tuple(found)


_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
}
_COMPUTED: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
}
_CALLED = {"max": "min", "min": "max", "sum": "len", "all": "any", "any": "all", "len": "sum", "sorted": "list"}


def bugs(tree: ast.Module) -> Iterator[Callable[[], None]]:
    """Every single change that puts a bug into the tree, as a function that makes it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for other in _COMPARED.get(type(node.ops[0]), ()):
                yield lambda n=node, o=other: n.ops.__setitem__(0, o())
        elif isinstance(node, ast.BinOp | ast.AugAssign):
            for operation in _COMPUTED.get(type(node.op), ()):
                yield lambda n=node, o=operation: setattr(n, "op", o())
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield lambda n=node: setattr(n, "value", n.value + 1)
            yield lambda n=node: setattr(n, "value", n.value - 1)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            yield lambda n=node: setattr(n.func, "id", _CALLED[n.func.id])
        elif isinstance(node, ast.BoolOp):
            yield lambda n=node: setattr(n, "op", ast.Or() if isinstance(n.op, ast.And) else ast.And())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Name):
            yield lambda n=node: setattr(n, "op", ast.Not()) or setattr(n, "operand", ast.UnaryOp(ast.Not(), n.operand))


def with_bugs(rng: random.Random, source: str, count: int) -> str:
    """The source with `count` bugs, each on a line of its own, with as many lines as before."""
    lines = source.splitlines()
    for _ in range(200):
        trial = ast.parse(source)
        found = list(bugs(trial))
        for change in rng.sample(found, min(count, len(found))):
            change()
        broken = ast.unparse(ast.fix_missing_locations(trial))
        if len(broken.splitlines()) == len(lines) and len(changed_lines(source, broken)) == count:
            return broken
    raise ValueError(f"no {count} bugs on lines of their own in {lines[0]!r}")


def changed_lines(source: str, other: str) -> list[int]:
    """The numbers, from 1, of the lines that differ."""
    pairs = zip(source.splitlines(), other.splitlines(), strict=True)
    return [number for number, (a, b) in enumerate(pairs, 1) if a != b]


class _Ticks(ast.NodeTransformer):
    """Has every loop count its rounds."""

    def visit_While(self, node: ast.While) -> ast.While:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(ast.Call(ast.Name("_tick", ast.Load()), [], [])))
        return node


def results(source: str, name: str, inputs: Sequence[list[Any]]) -> list[Any]:
    """What a program of ours returns for each list of arguments; `...` where it raises.

    Only for programs made here: they are run in this process.

    Raises:
        TimeoutError: a loop goes round more than `MAX_ROUNDS` times.
    """
    rounds = [0]

    def tick() -> None:
        rounds[0] += 1
        if rounds[0] > MAX_ROUNDS:
            raise TimeoutError

    tree = ast.fix_missing_locations(_Ticks().visit(ast.parse(source)))
    space: dict[str, Any] = {"_tick": tick}
    exec(compile(tree, "<program>", "exec"), space)
    found = []
    for arguments in inputs:
        rounds[0] = 0
        try:
            found.append(space[name](*json.loads(json.dumps(arguments))))
        except TimeoutError:
            raise
        except Exception:  # a broken program may raise anything
            found.append(...)
    return found
