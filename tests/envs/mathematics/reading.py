"""Reads the formulas and the numbers of a question."""

import re

import sympy
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication_application,
    parse_expr,
    standard_transformations,
)

_RULES = (*standard_transformations, implicit_multiplication_application, convert_xor)
X, Y, Z = sympy.symbols("x y z", real=True)


def read(text: str):
    """A formula of the question."""
    names = {c: sympy.Symbol(c, real=True) for c in "abmnpqrstxyz"}
    names |= {"e": sympy.E, "oo": sympy.oo, "sqrt": sympy.sqrt, "sin": sympy.sin, "cos": sympy.cos, "ln": sympy.log}
    return parse_expr(text, local_dict=names | {"pi": sympy.pi}, transformations=_RULES)


def ints(question: str) -> list[int]:
    return [int(n) for n in re.findall(r"(?<![\d)])-?\d+|\d+", question)]


def found(pattern: str, question: str) -> tuple[str, ...]:
    match = re.search(pattern, question)
    assert match, (pattern, question)
    return match.groups()
