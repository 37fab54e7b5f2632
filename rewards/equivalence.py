"""Whether two mathematical answers are the same: numbers exactly, expressions for all values, structures by shape.

What kind of answer is wanted is the task's to say; the text of an answer decides nothing but its value.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal, get_args

from rewards import symbolic
from rewards.math_normal import normal, same, value
from rewards.math_parse import Node, parse
from rewards.math_tokens import MathError, clean
from rewards.plain_numbers import latex_fraction, parse_number, without_unit

Kind = Literal["auto", "number", "expression", "set", "tuple", "interval", "matrix", "equation", "choice"]
KINDS: tuple[str, ...] = get_args(Kind)
_UNDONE = ("\\int", "\\iint", "\\sum", "\\prod", "\\lim")
_UNIT = re.compile(r"\\(?:text|textnormal|textrm|mbox|mathrm)\s*\{\s*([A-Za-z][A-Za-z ./]{1,30})\}(\^\d|\^\{\d\})?$")
_UNIT_ENDS = ("}", *"0123456789")
_FLIPPED = {">": "<", ">=": "<="}
_LISTS = ("bare", "tuple", "list", "set")


class UnsureError(Exception):
    """The machinery, not the answer, failed: nobody can judge."""


def equivalent(given: str, gold: str, kind: Kind = "auto", units: Sequence[str] = ()) -> tuple[bool, str]:
    """Whether `given` is the answer `gold`, and why (not).

    Args:
        given: one answer, plain or LaTeX, as the policy wrote it.
        gold: the right one; `check_gold` says beforehand whether it can be read.
        kind: `number` wants a number written out, in lowest terms; `set` takes any order and nothing twice; `tuple`
            keeps the order; both may come without brackets. `auto` goes by the gold's own shape.
        units: words or signs that may stand by a number.

    Raises:
        MathError: `given` can't be read, or is too large to be worked out: no answer.
        UnsureError: the symbolic worker died.
    """
    if kind == "choice":
        return _same_choice(given, gold)
    gold, own_unit = _split_unit(gold)
    if "\\" in given:
        given, unit = _split_unit(given.replace("\\%", "%").replace("\\$", "$"))
        if unit and unit not in (own_unit, *(re.sub(r"\s", "", u).casefold() for u in units)):
            return False, f"the unit {unit[:20]!r} is not the one asked for"
    plain, number = parse_number(given, units), _gold_number(gold, tuple(units))
    if plain is not None and number is not None and kind in ("auto", "number"):
        if plain != number:
            return False, "another number"
        return _lowest(given, units, number)
    wanted = _read(gold, kind)
    if kind == "auto" and wanted[:2] == ("rel", ("in",)) and _as_interval(wanted)[0] in ("interval", "union"):
        kind, wanted = "interval", _as_interval(wanted)
    text = clean(without_unit(given.strip(), units))
    if any(sign in text for sign in _UNDONE) and not any(sign in gold for sign in _UNDONE):
        return False, "not worked out"
    try:
        found = _shaped(parse(text, thousands=kind not in ("set", "tuple")), kind)
    except MathError as error:
        if error.too_large or wanted[0] in (*_LISTS, "interval", "union", "matrix", "rel"):
            raise
        found = symbolic.latex_node(text)
    if found[0] == "rel" and wanted[0] != "rel":
        found = _solved(found)
    elif wanted[0] == "rel" and found[0] != "rel" and kind == "auto":
        wanted = _solved(wanted)
    if number is not None and kind in ("auto", "number") and not _written_out(found):
        return False, "not worked out"
    return (True, "right") if _same(found, wanted) else (False, "not equal")


def check_gold(gold: str, kind: Kind = "auto", units: Sequence[str] = ()) -> None:
    """Raises MathError for a gold answer that can't be read, says nothing, or doesn't fit its kind."""
    if kind == "choice":
        if not _choice(gold):
            raise MathError("an empty choice")
        return
    gold, _ = _split_unit(gold)
    if _gold_number(gold, tuple(units)) is None:
        node = _read(gold, kind)
        if kind == "number" and value(node) is None:
            raise MathError("no number")


def _split_unit(text: str) -> tuple[str, str]:
    """An answer and the unit that LaTeX sets upright behind it: `15\\text{ cm}^2` is 15 and "cm^2"."""
    text = text.strip().strip("$").strip() if "\\" in text else text
    match = _UNIT.search(text) if text.endswith(_UNIT_ENDS) else None
    if match is None or not match.start():
        return text, ""
    return text[: match.start()], re.sub(r"[\s{}]", "", match.group(1) + (match.group(2) or "")).casefold()


@lru_cache(4096)
def _gold_number(gold: str, units: tuple[str, ...]) -> Fraction | None:
    plain = parse_number(gold, units)
    if plain is not None:
        return plain
    try:
        node = _read(gold, "auto")
        return value(node) if node[0] in ("num", "neg", "/", "+") else None
    except MathError:
        return None


@lru_cache(4096)
def _read(gold: str, kind: Kind) -> Node:
    text = clean(gold)
    try:
        return _shaped(parse(text, thousands=kind not in ("set", "tuple")), kind)
    except MathError:
        if kind not in ("auto", "expression"):
            raise
        return symbolic.latex_node(text)


def _shaped(node: Node, kind: Kind) -> Node:
    """The node as the task's kind of answer; a list that doesn't fit it stays what it is."""
    if kind == "set" and node[0] == "pm":
        return ("set", _both(node))
    if kind in ("set", "tuple"):
        if node[0] == "bare" or node[0] not in (*_LISTS, "interval", "union"):
            return (kind, node[1] if node[0] == "bare" else (node,))
        if kind == "tuple" and node[0] == "list":
            return ("tuple", node[1])
    if kind == "interval":
        return _as_interval(node)
    return node


def _as_interval(node: Node) -> Node:
    if node[0] in ("tuple", "list") and len(node[1]) == 2:
        return ("interval", *node[1], node[0] == "list", node[0] == "list")
    if node[0] == "union":
        return ("union", tuple(_as_interval(part) for part in node[1]))
    if node[0] == "rel":
        operators, sides = _ascending(node)
        if operators == ("in",):
            return _as_interval(sides[1])
        infinite = ("const", "oo")
        if len(sides) == 3 and sides[1][0] == "sym":
            return ("interval", sides[0], sides[2], operators[0] == "<=", operators[1] == "<=")
        if len(sides) == 2 and operators[0] in ("<", "<="):
            closed = operators[0] == "<="
            if sides[0][0] == "sym":
                return ("interval", ("neg", infinite), sides[1], False, closed)
            if sides[1][0] == "sym":
                return ("interval", sides[0], infinite, closed, False)
    return node


def _ascending(node: Node) -> tuple[tuple[str, ...], tuple[Node, ...]]:
    """Operators and sides of a chain of relations, turned so that it goes upwards."""
    operators, sides = node[1], node[2]
    if all(o in _FLIPPED for o in operators):
        return tuple(_FLIPPED[o] for o in reversed(operators)), tuple(reversed(sides))
    return operators, sides


def _solved(node: Node) -> Node:
    """`x = 5` says 5, and `x \\in S` says S."""
    _, operators, sides = node
    if operators in (("=",), ("in",)) and sides[0][0] == "sym":
        return sides[1]
    raise MathError("a relation where a value is wanted")


def _written_out(node: Node) -> bool:
    """Numbers, signs before them, and fractions in lowest terms; 2 + 15 and 12/3 leave the work undone."""
    if node[0] == "neg":
        return node[1][0] != "neg" and _written_out(node[1])
    if node[0] == "percent":
        return node[1][0] == "num"
    if node[0] == "/":
        top, bottom = (side[1] if side[0] == "num" else None for side in node[1:])
        if node[1][0] == "neg" and node[1][1][0] == "num":
            top = -node[1][1][1]
        if top is None or bottom is None or top.denominator != 1 or bottom.denominator != 1 or not bottom:
            return False
        return (top / bottom).denominator == bottom > 1
    if node[0] == "*" and len(node) == 3 and node[2][0] == "^":  # 6.02 * 10^23
        power = node[2][2][1] if node[2][2][0] == "neg" else node[2][2]
        return node[1][0] == "num" and node[2][1] == ("num", Fraction(10)) and power[0] == "num"
    return node[0] == "num"


def _lowest(given: str, units: Sequence[str], number: Fraction) -> tuple[bool, str]:
    parts = latex_fraction(given.strip())
    _, slash, below = without_unit(given.strip(), units).partition("/")
    bottom = parts[1] if parts else int(below.strip().replace(",", "")) if slash else 1
    if bottom not in (1, number.denominator) or (slash and bottom == 1):
        return False, "not worked out: a fraction must be in lowest terms"
    return True, "right"


def _same(a: Node, b: Node) -> bool:
    if a[0] == "rel" or b[0] == "rel":
        return a[0] == b[0] and _same_relation(a, b)
    if a[0] == "pm" or b[0] == "pm":
        return _matched(_both(a), _both(b), _same)
    if a[0] in ("set", "union") or b[0] in ("set", "union"):
        return a[0] == b[0] and _matched(a[1], b[1], _same)
    if a[0] in _LISTS or b[0] in _LISTS:
        solutions = a[0] == b[0] == "bare" and all(part[0] == "rel" for part in a[1])  # x = 1 or x = 2, in any order
        return a[0] == b[0] and (_matched(a[1], b[1], _same) if solutions else _each(a[1], b[1]))
    if a[0] == "matrix" or b[0] == "matrix":
        return a[0] == b[0] and len(a[1]) == len(b[1]) and all(map(_each, a[1], b[1]))
    if a[0] == "interval" or b[0] == "interval":
        return a[0] == b[0] and a[3:] == b[3:] and _each(a[1:3], b[1:3])
    infinite = [_infinity(node) for node in (a, b)]
    if any(infinite):
        return infinite[0] == infinite[1]
    return _same_expression(a, b)


def _same_expression(a: Node, b: Node) -> bool:
    decided = None if "latex" in (a[0], b[0]) else same(a, b)
    if decided is not None:
        return decided
    verdict = symbolic.ask(a, b)
    if verdict is symbolic.Verdict.DEAD:
        raise UnsureError("the symbolic worker died twice; see whether memory is left")
    if verdict in (symbolic.Verdict.TOO_LARGE, symbolic.Verdict.TIMEOUT):
        raise MathError(f"not decided: {verdict}", too_large=True)
    return verdict is symbolic.Verdict.EQUAL


def _infinity(node: Node) -> str:
    """`+` or `-` for an infinity, else nothing."""
    if node == ("const", "oo"):
        return "+"
    return "-" if node == ("neg", ("const", "oo")) else ""


def _both(node: Node) -> tuple[Node, ...]:
    """The two values of `a ± b`; of anything else, that alone."""
    if node[0] == "pm":
        return ("+", node[1], node[2]), ("+", node[1], ("neg", node[2]))
    return node[1] if node[0] in ("bare", "set") else (node,)


def _each(a: Sequence[Node], b: Sequence[Node]) -> bool:
    return len(a) == len(b) and all(map(_same, a, b))


def _matched(a: Sequence[Node], b: Sequence[Node], equal: Callable[[Node, Node], bool]) -> bool:
    """Whether each of `a` has its own equal in `b` and none is left over: equality is transitive, so greed is safe."""
    left = list(b)
    for item in a:
        at = next((i for i, other in enumerate(left) if equal(item, other)), None)
        if at is None:
            return False
        del left[at]
    return not left


def _same_relation(a: Node, b: Node) -> bool:
    """Equations and single inequalities by their solutions' defining form, up to a factor; chains side by side."""
    (first, sides), (second, others) = _ascending(a), _ascending(b)
    if first != second or len(sides) != len(others):
        return False
    if _each(sides, others):
        return True
    if len(sides) != 2 or first[0] in ("in",):
        return False
    factor = _factor(_difference(sides), _difference(others))
    if factor is None:
        return False
    return factor > 0 if first[0] in ("<", "<=") else True


def _difference(sides: Sequence[Node]) -> Node:
    return ("+", sides[1], ("neg", sides[0]))


def _factor(a: Node, b: Node) -> Fraction | None:
    """The number c with a = c * b for polynomials a and b that aren't zero; None when there is none."""
    (top, bottom), (other, below) = normal(a), normal(b)
    if set(bottom) != {()} or set(below) != {()} or set(top) != set(other) or not top:
        return None
    factors = {top[m] / other[m] for m in top}
    return factors.pop() if len(factors) == 1 else None


def _choice(text: str) -> str:
    bare = text.strip().removesuffix(".").strip()
    for start, end in (("\\text{", "}"), ("\\textbf{", "}"), ("\\mathrm{", "}"), ("(", ")"), ("[", "]"), ("$", "$")):
        if bare.startswith(start) and bare.endswith(end) and len(bare) > len(start) + len(end):
            bare = bare[len(start) : -len(end)].strip()
    return bare.removeprefix("(").removesuffix(")").strip().casefold()


def _same_choice(given: str, gold: str) -> tuple[bool, str]:
    equal = _choice(given) == _choice(gold)
    return equal, "right" if equal else "another choice"
