"""Judges of our own for datasets of reasoning-gym whose scorer executes the answer, or pays what is wrong.

Each takes an answer and the entry, and reads the answer without evaluating it. One that it can't read may raise.
"""

import ast
import cmath
import json
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

from envs.reasoning.gym_puzzles import carries_every_box, leaves_the_jam, pushes_every_box
from rewards.arithmetic import calculate

Judge = Callable[[str, Mapping[str, Any]], bool]

_PROBABILITY = re.compile(r"\d{1,30}/\d{1,30}|\d{0,30}\.?\d{1,30}(?:[eE]-\d{1,2})?", re.ASCII)
_ROOTS = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?(?:\s*,\s*-?\d{1,15}(?:\.\d{1,15})?)*", re.ASCII)
_TERM = re.compile(r"[+-]?(?:\d{1,200}|[a-z](?:\*\*\d{1,3})?)(?:\*[a-z](?:\*\*\d{1,3})?)*", re.ASCII)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS = {
    **{name: getattr(cmath, name) for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "asin", "acos", "atan")},
    **{"ln": cmath.log, "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh},
    **{"sec": lambda z: 1 / cmath.cos(z), "csc": lambda z: 1 / cmath.sin(z), "cot": lambda z: 1 / cmath.tan(z)},
}
_FORMULA = re.compile(r"[\w\s.+*/()-]*", re.ASCII)  # no comment, which is part of Python's grammar
_CONCLUSION = re.compile(
    r"(?P<open>\()?(?P<not_p>¬)?(?P<p>[A-Z])\s*(?P<join>[∧∨→↔])\s*(?P<not_q>¬)?(?P<q>[A-Z])(?(open)\))"
)
_CONNECTIVES: Mapping[str, Callable[[bool, bool], bool]] = {
    **{"∧": operator.and_, "∨": operator.or_, "→": operator.le, "↔": operator.eq},
}
_STRETCHES = ((-1.7, -1.2, -0.7), (-0.28, -0.17, -0.05), (0.05, 0.17, 0.28), (0.7, 1.2, 1.7))  # no pole within


def is_the_probability(answer: str, entry: Mapping[str, Any]) -> bool:
    """Within 0.0001, as the dataset has it, and within a hundredth of the rarer of the two outcomes."""
    if not _PROBABILITY.fullmatch(answer):
        return False
    exact = Fraction(*entry["metadata"]["rational"].values())
    return abs(Fraction(answer) - exact) <= min(Fraction(1, 10_000), exact / 100, (1 - exact) / 100)


def makes_24(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether the expression is 24 and takes each of the given numbers once."""
    made = calculate(answer)
    return made.value == 24 and Counter(made.numbers) == Counter(map(Fraction, entry["metadata"]["numbers"]))


def are_the_roots(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether the numbers are the real solutions to four places."""
    if not _ROOTS.fullmatch(answer):
        return False
    given = sorted(float(number) for number in answer.split(","))
    return given == sorted(entry["metadata"]["real_solutions"])


def is_the_product(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether the sum of products of powers is the expanded product."""
    return _monomials(answer) == _monomials(entry["answer"])


def _monomials(text: str) -> dict[tuple[tuple[str, int], ...], int]:
    """A polynomial that is written out, as the coefficients of its monomials."""
    found: Counter[tuple[tuple[str, int], ...]] = Counter()
    compact = "".join(text.split())
    for term in re.split(r"(?<!^)(?=[+-])", compact):
        if not _TERM.fullmatch(term):
            raise ValueError(f"no sum of monomials: {term[:40]!r}")
        number, powers = -1 if term[0] == "-" else 1, Counter[str]()
        for factor in re.split(r"(?<!\*)\*(?!\*)", term.lstrip("+-")):
            name, _, power = factor.partition("**")
            if name.isdecimal():
                number *= int(name)
            else:
                powers[name] += int(power or 1)
        found[tuple(sorted(powers.items()))] += number
    return {monomial: number for monomial, number in found.items() if number}


def is_the_integral(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether the answer grows from point to point as the dataset's own antiderivative does: they differ by a constant.

    Compared in double precision on four stretches of the axis; what the dataset's own isn't defined on is left out.
    """
    if not _FORMULA.fullmatch(answer):
        return False
    variable, right = entry["metadata"]["variable"], entry["answer"]
    given, own = (ast.parse(text.strip(), mode="eval").body for text in (answer, right))
    compared = 0
    for stretch in _STRETCHES:
        try:
            wanted = [_value(own, {variable: x, "C": 0.7}) for x in stretch]
        except (ValueError, ArithmeticError):
            continue
        found = [_value(given, {variable: x, "C": 0.7}) for x in stretch]
        for (a, b), (c, d) in zip(pairwise(wanted), pairwise(found), strict=True):
            if abs((d - c) - (b - a)) > 1e-7 * abs(b - a) + 1e-14 * max(map(abs, (a, b, c, d))):
                return False
            compared += abs(b - a) > 1e-9 * max(1.0, abs(c), abs(d))
    return compared >= 3


def _value(node: ast.expr, names: Mapping[str, float]) -> complex:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, names)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return complex(node.value)
    if isinstance(node, ast.Name):
        return complex({"pi": cmath.pi, "E": cmath.e, **names}[node.id])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        return _FUNCTIONS[node.func.id](_value(node.args[0], names))
    raise ValueError(f"{ast.dump(node)[:40]} is not read")


def models(entry: Mapping[str, Any]) -> list[dict[str, bool]]:
    """Every choice of true and false for the symbols under which all premises are true."""
    from reasoning_gym.logic.propositional_logic import Expression

    names = entry["metadata"]["variables"]
    premises = [Expression.from_string(text) for text in entry["metadata"]["premises"]]
    choices = (dict(zip(names, values, strict=True)) for values in product((False, True), repeat=len(names)))
    return [choice for choice in choices if all(premise.evaluate(choice) for premise in premises)]


def follows(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether two different symbols, joined as the answer joins them, are true wherever the premises are."""
    read = _CONCLUSION.fullmatch(answer)
    if read is None or read["p"] == read["q"]:
        return False
    join = _CONNECTIVES[read["join"]]
    return all(
        join(model[read["p"]] ^ bool(read["not_p"]), model[read["q"]] ^ bool(read["not_q"])) for model in models(entry)
    )


def is_the_output(answer: str, entry: Mapping[str, Any]) -> bool:
    """Whether the JSON value is the program's output: 2.0 is 2, but true is not 1, and no key may stand twice."""
    given = json.loads(answer, parse_constant=_no_number, object_pairs_hook=_each_key_once)
    return _same_json(given, entry["metadata"]["output_data"])


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _same_json(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_json, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other


JUDGES: Mapping[str, Judge] = {
    "boxnet": carries_every_box,  # its own skips illegal moves, so that one fixed plan would solve any board
    "codeio": is_the_output,  # its own reads a JSON object out of any text
    "coin_flip": is_the_probability,  # its own calls 0 right for any small probability
    "intermediate_integration": is_the_integral,  # its own executes the answer
    "polynomial_equations": are_the_roots,  # its own passes over what is no number
    "polynomial_multiplication": is_the_product,  # its own executes the answer
    "propositional_logic": follows,  # its own pays any conclusion: a choice of all symbols nearly always holds
    "puzzle24": makes_24,  # its own executes the answer, and doesn't ask which numbers it takes
    "rush_hour": leaves_the_jam,  # its own skips illegal moves and all other text
    "simple_integration": is_the_integral,  # its own executes the answer
    "sokoban": pushes_every_box,  # its own skips illegal moves and all other text
}
