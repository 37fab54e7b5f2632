"""`postgym/Algebra-v0`: equations, systems and inequalities with exact solutions.

One step to solve a linear equation at difficulty 0; at 1 systems of three unknowns, quadratic inequalities, surds,
exponential and rational equations, and sums over the roots of a polynomial.
"""

import random
from fractions import Fraction
from math import isqrt, lcm

from envs.mathematics.notation import bracketed, draw_nonzero, plus, polynomial, root
from envs.mathematics.problems import Problem, ProblemEnv

_SOLVE = ("Solve for {v}: {e}", "Find {v}: {e}", "What is {v} if {e}?", "Solve {e} for {v}.", "{e}. Find {v}.")
_ALL = " Give all solutions, separated by commas."
_LETTERS = "xyzabmnpt"


def _most(difficulty: float) -> int:
    """The size of the numbers."""
    return 12 + int(30 * difficulty)


def _ask(rng: random.Random, equation: str, variable: str) -> str:
    return rng.choice(_SOLVE).format(v=variable, e=equation)


def one_step(rng: random.Random, difficulty: float) -> Problem:
    """v + a = b, v - a = b, or a v = b."""
    v, a, value = rng.choice(_LETTERS), rng.randint(3, 25), rng.randint(2, 30)
    kind = rng.randrange(3)
    if kind == 0:
        return Problem(_ask(rng, f"{v} + {a} = {value + a}", v), str(value), (f"{v} = {value + a} - {a} = {value}",))
    if kind == 1:
        return Problem(_ask(rng, f"{v} - {a} = {value}", v), str(value + a), (f"{v} = {value} + {a} = {value + a}",))
    return Problem(_ask(rng, f"{a}{v} = {a * value}", v), str(value), (f"{v} = {a * value} / {a} = {value}",))


def two_steps(rng: random.Random, difficulty: float) -> Problem:
    """a v + b = c."""
    v, a, b = rng.choice(_LETTERS), rng.randint(2, 12), draw_nonzero(rng, 20)
    value = draw_nonzero(rng, _most(difficulty))
    c = a * value + b
    work = (f"{a}{v} = {c}{plus(-b)} = {c - b}", f"{v} = {c - b} / {a} = {value}")
    return Problem(_ask(rng, f"{a}{v}{plus(b)} = {c}", v), str(value), work)


def both_sides(rng: random.Random, difficulty: float) -> Problem:
    """a v + b = c v + d, with a fraction for its solution now and then."""
    v, most = rng.choice(_LETTERS), _most(difficulty)
    a, c = rng.sample(range(2, 15), 2)
    b, d = draw_nonzero(rng, most), draw_nonzero(rng, most)
    if rng.random() < 0.7:
        d = b + (a - c) * draw_nonzero(rng, 12)
    value = Fraction(d - b, a - c)
    work = (f"({a} - {c}){v} = {d}{plus(-b)}", f"{polynomial((a - c, 0), v)} = {d - b}", f"{v} = {value}")
    return Problem(_ask(rng, f"{a}{v}{plus(b)} = {c}{v}{plus(d)}", v), str(value), work)


def brackets(rng: random.Random, difficulty: float) -> Problem:
    """a(v + b) - c(v + d) = e."""
    v, value = rng.choice(_LETTERS), draw_nonzero(rng, 15)
    a, c = rng.sample(range(2, 12), 2)
    b, d = draw_nonzero(rng, 12), draw_nonzero(rng, 12)
    e = a * (value + b) - c * (value + d)
    left = f"{a}({v}{plus(b)}) - {c}({v}{plus(d)})"
    work = (
        f"{left} = {polynomial((a, 0), v)}{plus(a * b)} - {polynomial((c, 0), v)}{plus(-c * d)}",
        f"{polynomial((a - c, a * b - c * d), v)} = {e}",
        f"{polynomial((a - c, 0), v)} = {e - a * b + c * d}",
        f"{v} = {value}",
    )
    return Problem(_ask(rng, f"{left} = {e}", v), str(value), work)


def value_of_polynomial(rng: random.Random, difficulty: float) -> Problem:
    """p(x) at a whole number."""
    x, degree = draw_nonzero(rng, 6), rng.randint(2, 3 + (difficulty > 0.5))
    coefficients = [draw_nonzero(rng, 9) for _ in range(degree + 1)]
    terms = [c * x ** (degree - i) for i, c in enumerate(coefficients)]
    name = rng.choice("fghp")
    ask = rng.choice(
        ("Let {n}(x) = {p}. What is {n}({x})?", "Find {n}({x}) for {n}(x) = {p}.", "{n}(x) = {p}; {n}({x}) = ?")
    )
    work = [
        f"{c} * {bracketed(x)}^{degree - i} = {t}" for i, (c, t) in enumerate(zip(coefficients, terms, strict=True))
    ]
    total = sum(terms)
    work.append(f"{terms[0]}{''.join(plus(t) for t in terms[1:])} = {total}")
    return Problem(ask.format(n=name, p=polynomial(coefficients), x=x), str(total), tuple(work))


def coefficient(rng: random.Random, difficulty: float) -> Problem:
    """A coefficient of a product: what multiplying out comes to, asked so that the product itself is no answer."""
    first = [draw_nonzero(rng, 9) for _ in range(2)]
    second = [draw_nonzero(rng, 9) for _ in range(2 + (difficulty > 0.5))]
    power = rng.randint(1, len(second) - 1)
    pairs = [(a, b) for i, a in enumerate(reversed(first)) for j, b in enumerate(reversed(second)) if i + j == power]
    total = sum(a * b for a, b in pairs)
    where = "x" if power == 1 else f"x^{power}"
    ask = rng.choice(("What is the coefficient of {w} in {e}?", "Expand {e}. What number stands before {w}?"))
    sums = " + ".join(f"{bracketed(a)} * {bracketed(b)}" for a, b in pairs)
    shown = " + ".join(bracketed(a * b) for a, b in pairs)
    question = ask.format(w=where, e=f"({polynomial(first)})({polynomial(second)})")
    return Problem(question, str(total), (f"{sums} = {shown}", f"{shown} = {total}"))


def two_unknowns(rng: random.Random, difficulty: float) -> Problem:
    """A system of two equations."""
    x, y = draw_nonzero(rng, 9), draw_nonzero(rng, 9)
    while True:
        a, b, c, d = (draw_nonzero(rng, 4 + int(6 * difficulty)) for _ in range(4))
        if a * d != b * c:
            break
    e, f = a * x + b * y, c * x + d * y
    det = a * d - b * c
    question = rng.choice(
        ("Solve {s}. Answer as (x, y).", "Find x and y: {s}. Give (x, y).", "Which pair (x, y) solves {s}?")
    ).format(s=f"{_row((a, b), 'xy')} = {e} and {_row((c, d), 'xy')} = {f}")
    work = (
        f"Multiply the first by {d}, the second by {b}, and subtract: {det}x = {e * d - f * b}",
        f"x = {e * d - f * b} / {bracketed(det)} = {x}",
        f"{b}y = {e} - {bracketed(a)} * {bracketed(x)} = {e - a * x}",
        f"y = {y}",
    )
    return Problem(question, f"({x}, {y})", work, "tuple")


def _row(coefficients: tuple[int, ...], letters: str) -> str:
    text = ""
    for c, letter in zip(coefficients, letters, strict=True):
        body = polynomial((abs(c), 0), letter)
        text = f"{text} {'-' if c < 0 else '+'} {body}" if text else ("-" if c < 0 else "") + body
    return text


def linear_inequality(rng: random.Random, difficulty: float) -> Problem:
    """a x + b < c x + d, its solutions as an interval."""
    bound, sign = draw_nonzero(rng, 12), rng.choice(("<", "<=", ">", ">="))
    a, c = rng.sample(range(-9, 12), 2)
    b = draw_nonzero(rng, 20)
    d = b + (a - c) * bound
    down = ("<" in sign) == (a > c)
    shut = "=" in sign
    answer = f"(-oo, {bound}{']' if shut else ')'}" if down else f"{'[' if shut else '('}{bound}, oo)"
    turned = sign if a > c else {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]
    work = [f"{polynomial((a - c, 0))} {sign} {d - b}"]
    if a < c:
        work.append("dividing by a negative number turns the sign")
    work.append(f"x {turned} {bound}")
    question = (
        f"Solve {polynomial((a, b))} {sign} {polynomial((c, d))}. Answer with an interval, such as (-oo, 3] or (5, oo)."
    )
    return Problem(question, answer, tuple(work), "interval")


def quadratic(rng: random.Random, difficulty: float) -> Problem:
    """A quadratic equation with whole or rational roots."""
    a = rng.randint(2, 4) if difficulty > 0.6 else 1
    p, q = Fraction(draw_nonzero(rng, 9), rng.choice((1, a))), Fraction(draw_nonzero(rng, 12))
    while p == q:
        q += 1
    low, high = sorted((p, q))
    scale = a if a % p.denominator == 0 else p.denominator
    coefficients = (scale, -scale * (p + q), scale * p * q)
    disc = coefficients[1] ** 2 - 4 * coefficients[0] * coefficients[2]
    question = (
        rng.choice(("Find all x with {e} = 0.", "Solve {e} = 0.", "What are the roots of {e}?")).format(
            e=polynomial(coefficients)
        )
        + _ALL
    )
    work = (
        f"discriminant: {bracketed(coefficients[1])}^2 - 4 * {coefficients[0]} * {bracketed(coefficients[2])} = {disc}",
        f"x = ({-coefficients[1]} ± {isqrt(int(disc))}) / {2 * coefficients[0]}",
        f"the roots are {low} and {high}",
    )
    return Problem(question, f"{{{low}, {high}}}", work, "set")


def surds(rng: random.Random, difficulty: float) -> Problem:
    """A quadratic equation with irrational roots m ± sqrt(n)."""
    m, n = draw_nonzero(rng, 7), rng.choice((2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15, 18, 20))
    question = (
        rng.choice(("Find the exact roots of {e}.", "Solve {e} = 0 exactly.")).format(
            e=polynomial((1, -2 * m, m * m - n))
        )
        + _ALL
    )
    work = (f"(x{plus(-m)})^2 = {m * m} - {bracketed(m * m - n)} = {n}", f"x = {m} ± {root(n)}")
    return Problem(question, f"{{{m} - {root(n)}, {m} + {root(n)}}}", work, "set")


def absolute_value(rng: random.Random, difficulty: float) -> Problem:
    """|a x + b| = c."""
    a, middle, half = rng.randint(1, 5), draw_nonzero(rng, 9), rng.randint(1, 9)
    b, c = -a * middle, a * half
    low, high = middle - half, middle + half
    work = (f"{polynomial((a, b))} = {c} gives x = {high}", f"{polynomial((a, b))} = -{c} gives x = {low}")
    ask = rng.choice(("Solve |{e}| = {c}.", "Find all x with |{e}| = {c}."))
    return Problem(ask.format(e=polynomial((a, b)), c=c) + _ALL, f"{{{low}, {high}}}", work, "set")


def quadratic_inequality(rng: random.Random, difficulty: float) -> Problem:
    """A quadratic inequality: an interval between the roots, or the union outside them."""
    low = draw_nonzero(rng, 9)
    high = low + rng.randint(1, 9)
    sign = rng.choice(("<", "<=", ">", ">="))
    a = rng.choice((1, 1, 2, -1))
    left, right = ("[", "]") if "=" in sign else ("(", ")")
    inside = ("<" in sign) == (a > 0)
    answer = f"{left}{low}, {high}{right}" if inside else f"(-oo, {low}{right} U {left}{high}, oo)"
    e = polynomial((a, -a * (low + high), a * low * high))
    work = (
        f"{e} = {'' if a == 1 else '-' if a == -1 else a}(x{plus(-low)})(x{plus(-high)})",
        f"the roots are {low} and {high}",
        f"it opens {'up' if a > 0 else 'down'}: x lies {'between' if inside else 'outside'} them",
    )
    question = f"Solve {e} {sign} 0. Answer with an interval, such as (-2, 5], or a union, such as (-oo, 1) U (3, oo)."
    return Problem(question, answer, work, "interval")


def three_unknowns(rng: random.Random, difficulty: float) -> Problem:
    """A triangular system, its rows mixed so that it has to be eliminated."""
    x, y, z = (draw_nonzero(rng, 8) for _ in range(3))
    p, q, r = (draw_nonzero(rng, 4) for _ in range(3))
    rows = [(1, p, q), (2, 2 * p + 1, 2 * q + r), (-1, 1 - p, 2 * r - q + 1)]
    values = [a * x + b * y + c * z for a, b, c in rows]
    shown = "; ".join(f"{_row3(row)} = {v}" for row, v in zip(rows, values, strict=True))
    second, third = values[1] - 2 * values[0], values[2] + values[0]
    work = (
        f"second minus twice the first: {_row3((0, 1, r))} = {second}",
        f"third plus the first: {_row3((0, 1, 2 * r + 1))} = {third}",
        f"their difference: {_row3((0, 0, r + 1))} = {third - second}" if r != -1 else "",
        f"z = {z}, y = {second} - {bracketed(r)} * {bracketed(z)} = {y}",
        f"x = {values[0]} - {bracketed(p)} * {bracketed(y)} - {bracketed(q)} * {bracketed(z)} = {x}",
    )
    if r == -1:
        return three_unknowns(rng, difficulty)
    return Problem(f"Solve {shown}. Answer as (x, y, z).", f"({x}, {y}, {z})", work, "tuple")


def _row3(coefficients: tuple[int, ...]) -> str:
    kept = [(c, letter) for c, letter in zip(coefficients, "xyz", strict=True) if c]
    return _row(tuple(c for c, _ in kept), "".join(letter for _, letter in kept))


def exponential(rng: random.Random, difficulty: float) -> Problem:
    """b^(m x + n) = b^k, the right side worked out."""
    base, m, n = rng.choice((2, 3, 4, 5, 6, 7)), rng.randint(2, 4), draw_nonzero(rng, 7)
    k = rng.randint(2, 6 if base < 4 else 4)
    value = Fraction(k - n, m)
    work = (
        f"{base**k} = {base}^{k}",
        f"{polynomial((m, n))} = {k}",
        f"{polynomial((m, 0))} = {k - n}",
        f"x = {value}",
    )
    return Problem(_ask(rng, f"{base}^({polynomial((m, n))}) = {base**k}", "x"), str(value), work)


def rational(rng: random.Random, difficulty: float) -> Problem:
    """a/(x + p) = b/(x + q)."""
    p, q = rng.sample([n for n in range(-9, 10) if n], 2)
    a, b = rng.sample(range(2, 12), 2)
    value = Fraction(b * p - a * q, a - b)
    if value in (-p, -q):
        return rational(rng, difficulty)
    work = (
        f"{a}(x{plus(q)}) = {b}(x{plus(p)})",
        f"{polynomial((a, a * q))} = {polynomial((b, b * p))}",
        f"{polynomial((a - b, 0))} = {b * p - a * q}",
        f"x = {value}",
    )
    return Problem(_ask(rng, f"{a}/(x{plus(p)}) = {b}/(x{plus(q)})", "x"), str(value), work)


def sums_over_roots(rng: random.Random, difficulty: float) -> Problem:
    """Sums over the roots of a quadratic by Vieta's formulas, without the roots."""
    s, p = draw_nonzero(rng, 9), draw_nonzero(rng, 12)
    which = rng.randrange(3)
    squares = s * s - 2 * p
    name, value, step = (
        ("r^2 + s^2", Fraction(squares), f"r^2 + s^2 = ({s})^2 - 2 * ({p}) = {squares}"),
        ("r^3 + s^3", Fraction(s**3 - 3 * s * p), f"r^3 + s^3 = ({s})^3 - 3 * ({p}) * ({s}) = {s**3 - 3 * s * p}"),
        ("1/r + 1/s", Fraction(s, p), f"1/r + 1/s = (r + s)/(rs) = {Fraction(s, p)}"),
    )[which]
    question = f"Let r and s be the (possibly complex) roots of {polynomial((1, -s, p))}. What is {name}?"
    return Problem(question, str(value), (f"r + s = {s}", f"rs = {p}", step), "number")


def composed(rng: random.Random, difficulty: float) -> Problem:
    """f(g(x)) = c for linear f and g."""
    a, b, c, d = (draw_nonzero(rng, 7) for _ in range(4))
    value = draw_nonzero(rng, 9)
    inner = c * value + d
    e = a * inner + b
    work = (
        f"{polynomial((a, b), 'g')} = {e}, so g = {inner}",
        f"{polynomial((c, d))} = {inner}",
        f"{polynomial((c, 0))} = {inner - d}",
        f"x = {value}",
    )
    question = f"Let f(x) = {polynomial((a, b))} and g(x) = {polynomial((c, d))}. For which x is f(g(x)) = {e}?"
    return Problem(question, str(value), work)


def common_denominators(rng: random.Random, difficulty: float) -> Problem:
    """x/a + x/b = c."""
    v = rng.choice(_LETTERS)
    a, b = rng.sample(range(2, 13), 2)
    common = lcm(a, b)
    factor = common // a + common // b
    value = common * draw_nonzero(rng, 4) if rng.random() < 0.7 else rng.randint(2, 30)
    c = Fraction(value * factor, common)
    work = (
        f"times {common}: {common // a}{v} + {common // b}{v} = {c * common}",
        f"{factor}{v} = {c * common}",
        f"{v} = {value}",
    )
    return Problem(_ask(rng, f"{v}/{a} + {v}/{b} = {c}", v), str(value), work)


class Algebra(ProblemEnv):
    """Equations, systems and inequalities.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one step) to 1, None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/Algebra-v0"
    commonest = ("5", "{-1, 1}", "(1, 1)", "(-oo, oo)")
    makers = (
        (0.0, one_step),
        (0.1, two_steps),
        (0.2, both_sides),
        (0.25, value_of_polynomial),
        (0.35, brackets),
        (0.4, coefficient),
        (0.45, linear_inequality),
        (0.5, common_denominators),
        (0.55, two_unknowns),
        (0.6, absolute_value),
        (0.65, quadratic),
        (0.7, exponential),
        (0.75, rational),
        (0.8, surds),
        (0.85, composed),
        (0.9, sums_over_roots),
        (0.95, quadratic_inequality),
        (0.97, three_unknowns),
    )
