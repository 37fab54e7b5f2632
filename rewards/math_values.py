"""Values of parsed mathematics in double precision: enough to tell expressions apart, never to call them equal."""

import cmath
import math
import zlib
from typing import Any

from rewards.math_parse import Node
from rewards.math_tokens import MathError

_POINTS = 4
_MARGIN = 1e-9  # differences below this share of the largest value on the way may be rounding
_POLE = 1e100


def differ(left: Node, right: Node) -> bool:
    """Whether values at fixed points show that two expressions are not equal; False proves nothing."""
    for index in range(_POINTS):
        try:
            a, b, largest = _at(left, right, index)
        except (ArithmeticError, ValueError, MathError):
            continue
        if abs(a - b) > _MARGIN * max(largest, abs(a), abs(b)) and abs(a.imag) + abs(b.imag) <= _MARGIN * largest:
            return True
        if abs(a - b) > _MARGIN * max(largest, abs(a), abs(b)) and not _symbols(left) | _symbols(right):
            return True
    return False


def approximate(node: Node) -> float | None:
    """The value of an expression without symbols, in double precision; None when it has no finite real one."""
    try:
        found = _evaluate(node, {}, [1.0])
    except (ArithmeticError, ValueError, MathError):
        return None
    return found.real if abs(found.imag) <= _MARGIN * abs(found.real) and math.isfinite(found.real) else None


def _symbols(node: Any) -> set[str]:
    if isinstance(node, tuple):
        return {node[1]} if node[0] == "sym" else set().union(*map(_symbols, node[1:]))
    return set()


def _at(left: Node, right: Node, index: int) -> tuple[complex, complex, float]:
    names = _symbols(left) | _symbols(right)
    point = {n: (zlib.crc32(f"{index}{n}".encode()) % 9_973 + 500) / 2_993 * (-1) ** (index % 2) for n in names}
    largest = [1e-300]
    return _evaluate(left, point, largest), _evaluate(right, point, largest), largest[0]


def _evaluate(node: Node, point: dict[str, float], largest: list[float]) -> complex:
    """The value in double precision; `largest` grows to the largest value met on the way."""
    kind = node[0]
    if kind == "num":
        found = complex(node[1].numerator / node[1].denominator)
    elif kind == "sym":
        found = complex(point[node[1]])
    elif kind == "const":
        found = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}.get(node[1], complex("nan"))
    elif kind == "fn":
        found = _call(node[1], [_evaluate(a, point, largest) for a in node[2:]])
    elif kind in ("neg", "+", "*", "/", "^", "root", "percent"):
        found = _operate(kind, [_evaluate(a, point, largest) for a in node[1:]])
    else:
        raise MathError("no expression")
    if not cmath.isfinite(found) or abs(found) > _POLE or 0 < abs(found) < 1 / _POLE:
        raise MathError("beyond double precision")
    largest[0] = max(largest[0], abs(found))
    return found


def _operate(kind: str, values: list[complex]) -> complex:
    a, b = values[0], values[-1]
    if kind == "neg":
        return -a
    if kind == "percent":
        return a / 100
    if kind == "+":
        return sum(values)
    if kind == "*":
        return math.prod(values[1:], start=a)
    if kind == "/":
        return a / b
    if kind == "^":
        return a**b
    odd = b.imag == 0 and b.real % 2 == 1
    return -((-a) ** (1 / b)) if odd and a.imag == 0 and a.real < 0 else a ** (1 / b)


def _call(name: str, values: list[complex]) -> complex:
    x = values[0]
    if name == "ln":
        return cmath.log(x)
    if name == "log":
        return cmath.log(x) / cmath.log(values[1] if len(values) > 1 else 10)
    if name in ("cot", "sec", "csc"):
        return 1 / {"cot": cmath.tan, "sec": cmath.cos, "csc": cmath.sin}[name](x)
    if name == "abs":
        return complex(abs(x))
    if name in ("floor", "ceil", "factorial", "binom"):
        if name in ("floor", "ceil") and x.imag == 0 and abs(x.real - round(x.real)) > 1e-6:
            return complex(math.floor(x.real) if name == "floor" else math.ceil(x.real))
        raise MathError("not by double precision")
    return getattr(cmath, name.replace("arc", "a"))(x)
