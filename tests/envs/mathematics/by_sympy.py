"""Answers of Algebra, Calculus and Geometry found by sympy, from the formulas and points of the question."""

import itertools
import re
from fractions import Fraction

import sympy

from tests.envs.mathematics.reading import X, Y, Z, found, ints, read

_EQUATION = re.compile(r"(?:Solve for \w: |Find \w: |What is \w if |Solve )?(.+?=.+?)(?:\?| for \w\.|\. Find \w\.)?")

# Algebra.


def solutions(equation: str) -> set:
    left, right = map(read, equation.split("="))
    (symbol,) = (left - right).free_symbols
    return set(sympy.solve(left - right, symbol))


def only_solution(question: str):
    (value,) = solutions(_EQUATION.fullmatch(question).group(1))
    return value


def roots(question: str) -> set:
    (text,) = found(r"(-?\d*x\^2[^=.?]*?)(?: = 0| exactly|\.|\?)", question)
    return set(sympy.solve(read(text), X))


def absolute(question: str) -> set:
    inner, size = found(r"\|(.+)\| = (\d+)", question)
    return {v for s in (1, -1) for v in sympy.solve(read(inner) - s * int(size), X)}


def inequality(question: str):
    text, sign, right = found(r"Solve (.+?) (<=|>=|<|>) (.+?)\. Answer", question)
    relation = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge}[sign]
    return sympy.solve_univariate_inequality(relation(read(text), read(right)), X, relational=False)


def system(question: str) -> tuple:
    rows = re.findall(r"([-+0-9xyz ]+) = (-?\d+)", question.split(":", 1)[-1])
    symbols = (X, Y, Z)[: len(rows)]
    (found_,) = sympy.linsolve([read(a.strip()) - int(b) for a, b in rows], symbols)
    return tuple(found_)


def polynomial_value(question: str):
    (formula,) = found(r"\w\(x\) = ([^.;]+?)[.;]", question)
    (x,) = found(r"[fghp]\((-?\d+)\)", question)
    return read(formula).subs(X, int(x))


def coefficient(question: str):
    (product,) = found(r"(\(.+\)\(.+\))", question)
    power = 2 if re.search(r"x\^2(?:\?| in|\.)", question.replace(product, "")) else 1
    return sympy.expand(read(product)).coeff(X, power)


def vieta(question: str):
    formula, wanted = found(r"roots of (.+?)\. What is (.+)\?", question)
    r, s = sympy.Poly(read(formula), X).all_roots()
    return sympy.simplify(read(wanted).subs({sympy.Symbol("r", real=True): r, sympy.Symbol("s", real=True): s}))


def composed(question: str):
    f, g, e = found(r"f\(x\) = (.+?) and g\(x\) = (.+?)\. .* = (-?\d+)\?", question)
    (value,) = sympy.solve(read(f).subs(X, read(g)) - int(e), X)
    return value


# Calculus, by sympy.


def function(question: str):
    (text,) = found(r"(?:f\(x\) = |Differentiate |y = )(.+?)(?:\?|\.| at x)", question)
    return read(text)


def slope(question: str):
    (x,) = found(r"f'\((-?\d+)\)" if "f'" in question else r"at x = (-?\d+)", question)
    return sympy.diff(function(question), X).subs(X, int(x))


def limit(question: str):
    if "lim x->" in question:
        where, text = found(r"lim x->(\S+) of (.+)\.", question)
    else:
        text, where = found(r"limit of (.+) as x goes to (\S+)\?", question)
    return sympy.limit(read(text), X, sympy.oo if where in ("oo", "infinity") else int(where))


def integral(question: str):
    if "infinity" in question:
        text, low = found(r"integral of (.+) from (\d+) to infinity", question)
        return sympy.integrate(read(text), (X, int(low), sympy.oo))
    text, low, high = found(r"(?:Integrate|integral of) (.+) from (?:x = )?(-?\d+) to (?:x = )?(-?\d+)", question)
    return sympy.integrate(read(text), (X, int(low), int(high)))


def tangent(question: str):
    f, (x,) = read(found(r"y = (.+?) at x", question)[0]), found(r"at x = (-?\d+)", question)
    return f.subs(X, int(x)) + sympy.diff(f, X).subs(X, int(x)) * (X - int(x))


def stationary(question: str) -> set:
    (text,) = found(r"(-?\d+x\^3.+?)(?: have|\. Give)", question)
    return set(sympy.solve(sympy.diff(read(text), X), X))


def extreme(question: str):
    word, text, low, high = found(r"the (\w+) value of (.+) for x from (-?\d+) to (-?\d+)", question)
    pick = sympy.maximum if word == "largest" else sympy.minimum
    return pick(read(text), X, sympy.Interval(int(low), int(high)))


def series(question: str):
    a, r, start = found(r"sum of (\d+) \* \((.+?)\)\^n over all whole n from (\d)", question)
    n = sympy.Symbol("n", integer=True)
    return sympy.summation(int(a) * sympy.Rational(r) ** n, (n, int(start), sympy.oo))


def between(question: str):
    f, g = map(read, found(r"between y = (.+?) and y = (.+)\?", question))
    low, high = sorted(sympy.solve(f - g, X))
    return abs(sympy.integrate(f - g, (X, low, high)))


def sliding(question: str):
    z, speed, x = ints(question)
    t = sympy.Symbol("t")
    return -sympy.diff(sympy.sqrt(z**2 - (x + speed * t) ** 2), t).subs(t, 0)


# Geometry, by coordinates and limits of polygons.


def points(question: str) -> list[sympy.Point]:
    return [sympy.Point(int(a), int(b)) for a, b in re.findall(r"\((-?\d+), (-?\d+)\)", question)]


def rectangle(question: str):
    a, b = ints(question)
    return a * b if "is its area" in question else a // b if "an area" in question else 2 * a + 2 * b


def angle(question: str):
    numbers = ints(question)
    return 180 - sum(numbers) if len(numbers) == 2 else sympy.Rational(180 - numbers[0], 2)


def flat_area(question: str):
    *sides, h = ints(question)
    corners = [(0, 0), (sides[0], 0), (sides[1], h) if len(sides) == 2 else (3, h), (0, h)]
    return abs(sympy.Polygon(*(corners if len(sides) == 2 else corners[:3])).area)


def round_area(question: str):
    numbers = ints(question)
    if "sector" in question:
        return sympy.pi * numbers[1] ** 2 * numbers[0] / 360
    if "circumference" in question:
        return sympy.Circle((0, 0), numbers[0]).circumference
    r = sympy.Rational(numbers[0], 2 if "diameter" in question else 1)
    return sympy.Circle((0, 0), r).area


def right_triangle(question: str):
    a, b = ints(question)
    return sympy.sqrt(a * a - b * b) if "hypotenuse of" in question else sympy.Point(a, 0).distance(sympy.Point(0, b))


def polygon(question: str):
    (n,) = ints(question)
    if "diagonals" in question:
        return sum(1 for i, j in itertools.combinations(range(n), 2) if j - i not in (1, n - 1))
    return 180 * (n - 2) if "sum" in question else 180 - sympy.Rational(360, n)


def scaled(question: str):
    a, b, c = (Fraction(n) for n in re.findall(r"\d+(?:/\d+)?", question))
    return b * c / a if "AB" in question else c * b / a


def boxed(question: str):
    a, b, c = ints(question)
    return a * b * c if "volume" in question else 2 * a * b + 2 * b * c + 2 * a * c


def revolved(question: str):
    r, *h = ints(question)
    h = h[0] if h else 0
    profile = {
        "cylinder": (sympy.Integer(r) ** 2, 0, h),
        "cone": ((sympy.Rational(r, max(h, 1)) * X) ** 2, 0, h),
        "hemisphere": (r**2 - X**2, 0, r),
        " sphere": (r**2 - X**2, -r, r),
    }
    square, low, high = next(v for name, v in profile.items() if name in question)
    return sympy.pi * sympy.integrate(square, (X, low, high))


def radius(question: str):
    formula = read(found(r"circle (.+) = 0", question)[0])
    centre = sympy.solve([sympy.diff(formula, X), sympy.diff(formula, Y)], (X, Y))
    return sympy.sqrt(-formula.subs(centre))


def third_side(question: str):
    a, b, degrees = ints(question)
    turn = sympy.rad(degrees)
    return sympy.Point(a, 0).distance(sympy.Point(b * sympy.cos(turn), b * sympy.sin(turn)))


def to_line(question: str):
    (p,) = points(question)
    return sympy.Line(read(found(r"line (.+) = 0", question)[0])).distance(p)


def inside(question: str) -> int:
    a, b = ints(question)[2], ints(question)[5]
    return sum(b * x + a * y < a * b for x in range(1, a) for y in range(1, b))


def by_sides(question: str):
    a, b, c = ints(question)
    x = sympy.Rational(a * a + c * c - b * b, 2 * c)  # the corner between a and c, c along the axis
    return c * sympy.sqrt(a * a - x * x) / 2


ALGEBRA = {
    **dict.fromkeys(
        ("one_step", "two_steps", "both_sides", "brackets", "common_denominators", "exponential", "rational"),
        only_solution,
    ),
    **dict.fromkeys(("quadratic", "surds"), roots),
    **dict.fromkeys(("linear_inequality", "quadratic_inequality"), inequality),
    **dict.fromkeys(("two_unknowns", "three_unknowns"), system),
    "value_of_polynomial": polynomial_value,
    "coefficient": coefficient,
    "absolute_value": absolute,
    "sums_over_roots": vieta,
    "composed": composed,
}

CALCULUS = {
    "slope": slope,
    "quotient_rule": slope,
    **dict.fromkeys(("polynomial_derivative", "product_rule", "chain_rule"), lambda q: sympy.diff(function(q), X)),
    **dict.fromkeys(("limit_at_hole", "limit_at_infinity", "limit_by_expansion"), limit),
    **dict.fromkeys(("definite_integral", "improper_integral"), integral),
    "tangent": tangent,
    "critical_points": stationary,
    "extreme_value": extreme,
    "geometric_series": series,
    "area_between": between,
    "related_rates": sliding,
}

GEOMETRY = {
    "rectangle": rectangle,
    "triangle_angle": angle,
    "triangle_area": flat_area,
    "polygon_angles": polygon,
    "pythagoras": right_triangle,
    "circle": round_area,
    "box": boxed,
    "similar": scaled,
    "distance": lambda q: points(q)[0].distance(points(q)[1]),
    "solid": revolved,
    "line_through": lambda q: sympy.solve(sympy.Line(*points(q)).equation(X, Y), Y)[0],
    "circle_equation": radius,
    "law_of_cosines": third_side,
    "distance_to_line": to_line,
    "lattice": inside,
    "shoelace": lambda q: abs(sympy.Triangle(*points(q)).area),
    "heron": by_sides,
}
