"""`postgym/Calculus-v0`: derivatives, integrals, limits and series with exact answers.

Derivatives of polynomials at difficulty 0; at 1 product, quotient and chain rules, areas between curves, improper
integrals, limits by expansion and infinite series.
"""

import random
from fractions import Fraction

from envs.mathematics.notation import bracketed, draw_nonzero, plus, polynomial, value_at
from envs.mathematics.problems import Problem, ProblemEnv

_DERIVE = ("Differentiate {f}.", "Find the derivative of f(x) = {f}.", "What is f'(x) for f(x) = {f}?")


def derivative(coefficients: list[int]) -> list[int]:
    """The coefficients of the derivative."""
    top = len(coefficients) - 1
    return [c * (top - i) for i, c in enumerate(coefficients[:-1])]


def antiderivative(coefficients: list[int]) -> list[Fraction]:
    """The coefficients of the antiderivative that is 0 at 0."""
    top = len(coefficients)
    return [*(Fraction(c, top - i) for i, c in enumerate(coefficients)), Fraction(0)]


def _draw(rng: random.Random, degree: int, most: int = 9) -> list[int]:
    return [draw_nonzero(rng, most), *(rng.randint(-most, most) for _ in range(degree - 1)), draw_nonzero(rng, most)]


def slope(rng: random.Random, difficulty: float) -> Problem:
    """The derivative of a polynomial at a point."""
    f = _draw(rng, 2 + (difficulty > 0.2))
    x = draw_nonzero(rng, 5)
    d = derivative(f)
    value = value_at(d, x)
    ask = rng.choice(("What is f'({x}) for f(x) = {f}?", "Find the slope of y = {f} at x = {x}."))
    return Problem(ask.format(f=polynomial(f), x=x), str(value), (f"f'(x) = {polynomial(d)}", f"f'({x}) = {value}"))


def polynomial_derivative(rng: random.Random, difficulty: float) -> Problem:
    """The derivative of a polynomial."""
    f = _draw(rng, rng.randint(2, 3 + int(2 * difficulty)))
    f[0] = abs(f[0]) + 1
    d = derivative(f)
    top = len(f) - 1
    lines = [f"({c} * x^{top - i})' = {polynomial((d[i], *[0] * (top - i - 1)))}" for i, c in enumerate(f[:-1]) if c]
    return Problem(rng.choice(_DERIVE).format(f=polynomial(f)), polynomial(d), tuple(lines), "expression")


def limit_at_hole(rng: random.Random, difficulty: float) -> Problem:
    """(x^2 + ...)/(x - a) as x goes to a."""
    a, b, c = draw_nonzero(rng, 9), draw_nonzero(rng, 9), rng.randint(1, 5)
    top = polynomial((c, c * (b - a), -c * a * b))
    value = c * (a + b)
    ask = rng.choice(("What is the limit of ({t})/(x{m}) as x goes to {a}?", "Find lim x->{a} of ({t})/(x{m})."))
    work = (f"{top} = {c if c > 1 else ''}(x{plus(-a)})(x{plus(b)})", f"{c} * ({a}{plus(b)}) = {value}")
    return Problem(ask.format(t=top, m=plus(-a), a=a), str(value), work)


def limit_at_infinity(rng: random.Random, difficulty: float) -> Problem:
    """A quotient of polynomials of the same degree."""
    degree = rng.randint(2, 3)
    f, g = _draw(rng, degree), _draw(rng, degree)
    value = Fraction(f[0], g[0])
    ask = rng.choice(("What is the limit of ({f})/({g}) as x goes to infinity?", "Find lim x->oo of ({f})/({g})."))
    work = (f"divide by x^{degree}: all but {f[0]} and {g[0]} vanish", f"{f[0]}/{bracketed(g[0])} = {value}")
    return Problem(ask.format(f=polynomial(f), g=polynomial(g)), str(value), work)


def definite_integral(rng: random.Random, difficulty: float) -> Problem:
    """The integral of a polynomial."""
    f = _draw(rng, 1 + (difficulty > 0.35) + (difficulty > 0.8))
    a = rng.randint(-3, 2)
    b = a + rng.randint(1, 4)
    big = antiderivative(f)
    high, low = Fraction(value_at(big, b)), Fraction(value_at(big, a))
    ask = rng.choice(("Integrate {f} from {a} to {b}.", "What is the integral of {f} from x = {a} to x = {b}?"))
    work = (
        f"F(x) = {polynomial(big)}",
        f"F({b}) = {high}",
        f"F({a}) = {low}",
        f"{high} - {bracketed(low)} = {high - low}",
    )
    return Problem(ask.format(f=polynomial(f), a=a, b=b), str(high - low), work)


def tangent(rng: random.Random, difficulty: float) -> Problem:
    """The tangent line at a point."""
    f, x = _draw(rng, 2, 6), draw_nonzero(rng, 4)
    d = derivative(f)
    m, y = value_at(d, x), value_at(f, x)
    line = polynomial((m, y - m * x))
    ask = rng.choice(("Find the tangent to y = {f} at x = {x}.", "Which line touches y = {f} at x = {x}?"))
    work = (
        f"y' = {polynomial(d)}, at {x}: {m}",
        f"y({x}) = {y}",
        f"{y} - {bracketed(m)} * {bracketed(x)} = {y - m * x}",
    )
    return Problem(ask.format(f=polynomial(f), x=x) + " Answer as y = ...", f"y = {line}", work, "equation")


def critical_points(rng: random.Random, difficulty: float) -> Problem:
    """Where the derivative of a cubic vanishes."""
    a, (p, q) = rng.randint(1, 3), sorted(rng.sample([n for n in range(-8, 9) if n], 2))
    if (p + q) % 2:
        a *= 2
    f = (2 * a, -3 * a * (p + q), 6 * a * p * q, rng.randint(-9, 9))
    ask = rng.choice(("At which x does {f} have its critical points?", "Find all x with f'(x) = 0 for f(x) = {f}."))
    work = (f"f'(x) = {6 * a}(x^2{_middle(-(p + q))}{plus(p * q)})", f"= {6 * a}(x{plus(-p)})(x{plus(-q)})")
    question = ask.format(f=polynomial(f)) + " Give all, separated by commas."
    return Problem(question, f"{{{p}, {q}}}", work, "set")


def _middle(c: int) -> str:
    return "" if c == 0 else f" {'-' if c < 0 else '+'} {polynomial((abs(c), 0))}"


def extreme_value(rng: random.Random, difficulty: float) -> Problem:
    """The least or largest value of a quadratic on an interval, which may lie at its end."""
    a, m, c = draw_nonzero(rng, 4), rng.randint(-5, 5), draw_nonzero(rng, 20)
    f = (a, -2 * a * m, a * m * m + c)
    low = rng.randint(-8, 4)
    high = low + rng.randint(3, 9)
    largest = rng.random() < 0.5
    seen = [low, *([m] if low < m < high else []), high]
    values = [value_at(f, x) for x in seen]
    value = max(values) if largest else min(values)
    word = "largest" if largest else "least"
    question = f"What is the {word} value of {polynomial(f)} for x from {low} to {high}?"
    lines = [f"f'(x) = {polynomial((2 * a, -2 * a * m))} is 0 at x = {m}"]
    return Problem(question, str(value), (*lines, *(f"f({x}) = {v}" for x, v in zip(seen, values, strict=True))))


def product_rule(rng: random.Random, difficulty: float) -> Problem:
    """The derivative of a polynomial times e^(kx) or sin."""
    a, b, k = draw_nonzero(rng, 6), draw_nonzero(rng, 9), rng.randint(2, 6)
    f = polynomial((a, b))
    if rng.random() < 0.6:
        inner = polynomial((k * a, a + k * b))
        question = rng.choice(_DERIVE).format(f=f"({f})e^({k}x)")
        work = (f"({f})' = {a}", f"(e^({k}x))' = {k}e^({k}x)", f"{a} + {k}({f}) = {inner}")
        return Problem(question, f"({inner})e^({k}x)", work, "expression")
    question = rng.choice(_DERIVE).format(f=f"({f})sin(x)")
    work = (f"({f})' = {a}", "(sin(x))' = cos(x)")
    return Problem(question, f"({f})cos(x){' - ' if a < 0 else ' + '}{abs(a)}sin(x)", work, "expression")


def chain_rule(rng: random.Random, difficulty: float) -> Problem:
    """The derivative of a power of a polynomial."""
    a, b, c, n = draw_nonzero(rng, 5), rng.randint(-5, 5), draw_nonzero(rng, 9), rng.randint(3, 7)
    inner = polynomial((a, b, c))
    outer = polynomial((2 * a, b))
    question = rng.choice(_DERIVE).format(f=f"({inner})^{n}")
    work = (f"the inner derivative is {outer}", f"{n}({inner})^{n - 1} times it")
    return Problem(question, f"{n}({outer})({inner})^{n - 1}", work, "expression")


def quotient_rule(rng: random.Random, difficulty: float) -> Problem:
    """The slope of a quotient of linear functions."""
    while True:
        a, b, c, d = (draw_nonzero(rng, 7) for _ in range(4))
        x = rng.randint(-4, 5)
        if c * x + d and a * d != b * c:
            break
    value = Fraction(a * d - b * c, (c * x + d) ** 2)
    question = f"What is f'({x}) for f(x) = ({polynomial((a, b))})/({polynomial((c, d))})?"
    work = (
        f"{bracketed(a)} * {bracketed(d)} - {bracketed(b)} * {bracketed(c)} = {a * d - b * c}",
        f"{polynomial((c, d))} at {x} is {c * x + d}",
        f"{a * d - b * c}/{bracketed(c * x + d)}^2 = {value}",
    )
    return Problem(question, str(value), work)


def area_between(rng: random.Random, difficulty: float) -> Problem:
    """The area between a parabola and a line."""
    a, p = rng.randint(1, 3), rng.randint(-5, 4)
    q = p + rng.randint(1, 5)
    m, n = draw_nonzero(rng, 5), draw_nonzero(rng, 9)
    parabola = polynomial((a, m - a * (p + q), n + a * p * q))
    value = Fraction(a * (q - p) ** 3, 6)
    question = f"What is the area between y = {parabola} and y = {polynomial((m, n))}?"
    work = (
        f"they meet where {polynomial((a, -a * (p + q), a * p * q))} = 0, at x = {p} and x = {q}",
        f"between, the line lies above by -{a if a > 1 else ''}(x{plus(-p)})(x{plus(-q)})",
        f"its integral is {a} * ({q}{plus(-p)})^3 / 6 = {value}",
    )
    return Problem(question, str(value), work)


def geometric_series(rng: random.Random, difficulty: float) -> Problem:
    """The sum of an infinite geometric series."""
    top = rng.randint(1, 6)
    r = Fraction(top, top + rng.randint(1, 6)) * rng.choice((1, 1, -1))
    a, start = rng.randint(2, 30), rng.randint(0, 2)
    first = a * r**start
    value = first / (1 - r)
    question = f"What is the sum of {a} * ({r})^n over all whole n from {start} on?"
    work = (
        f"the sum is the first term by 1 - q with q = {r}",
        f"first term: {first}",
        f"1 - {bracketed(r)} = {1 - r}",
        f"{bracketed(first)} / {bracketed(1 - r)} = {value}",
    )
    return Problem(question, str(value), work)


def limit_by_expansion(rng: random.Random, difficulty: float) -> Problem:
    """Limits at 0 of what sin, cos and exp leave."""
    a, b = rng.randint(2, 12), rng.randint(2, 12)
    kind = rng.randrange(4)
    expression, whole, first, below = (
        (f"sin({a}x)/({b}x)", f"sin({a}x)", f"{a}x", f"{b}x"),
        (f"(1 - cos({a}x))/({b}x^2)", f"1 - cos({a}x)", f"{a * a}x^2/2", f"{b}x^2"),
        (f"(e^({a}x) - 1 - {a}x)/({b}x^2)", f"e^({a}x) - 1 - {a}x", f"{a * a}x^2/2", f"{b}x^2"),
        (f"ln(1 + {a}x)/({b}x)", f"ln(1 + {a}x)", f"{a}x", f"{b}x"),
    )[kind]
    value = Fraction(a * a, 2 * b) if kind in (1, 2) else Fraction(a, b)
    work = (
        f"near 0, {whole} is {first} plus higher powers of x",
        f"so the limit is that of ({first})/({below}), which is {value}",
    )
    ask = rng.choice(("What is the limit of {e} as x goes to 0?", "Find lim x->0 of {e}."))
    return Problem(ask.format(e=expression), str(value), work)


def improper_integral(rng: random.Random, difficulty: float) -> Problem:
    """An integral to infinity of a power or an exponential."""
    a, c = rng.randint(2, 9), rng.randint(2, 12)
    if rng.random() < 0.5:
        n = rng.randint(2, 5)
        value = Fraction(c, (n - 1) * a ** (n - 1))
        question = f"What is the integral of {c}/x^{n} from {a} to infinity?"
        work = (
            f"F(x) = -{c}/({n - 1}x^{n - 1})",
            "F goes to 0 as x goes to infinity",
            f"-F({a}) = {c}/({n - 1} * {a}^{n - 1}) = {value}",
        )
    else:
        value = Fraction(c, a * a)
        question = f"What is the integral of {c}x e^(-{a}x) from 0 to infinity?"
        work = (
            f"by parts it is {c}/{a} times the integral of e^(-{a}x)",
            f"which is 1/{a}",
            f"{c}/{a} * 1/{a} = {value}",
        )
    return Problem(question, str(value), work)


def related_rates(rng: random.Random, difficulty: float) -> Problem:
    """A rate by another, through an equation."""
    x, y, z = rng.choice(((3, 4, 5), (4, 3, 5), (6, 8, 10), (8, 6, 10), (5, 12, 13), (12, 5, 13), (8, 15, 17)))
    k, speed = rng.randint(1, 4), rng.randint(2, 9)
    value = Fraction(speed * x, y)
    x, y, z = k * x, k * y, k * z
    question = (
        f"A ladder of {z} m leans on a wall. Its foot slides away from the wall at {speed} m/s. "
        f"How fast, in m/s, does its top slide down when the foot is {x} m from the wall?"
    )
    work = (
        f"height: sqrt({z}^2 - {x}^2) = {y}",
        f"x^2 + y^2 = {z}^2, so x dx/dt + y dy/dt is 0 and the top slides down at x dx/dt / y",
        f"{x} * {speed} / {y} = {value}",
    )
    return Problem(question, str(value), work)


class Calculus(ProblemEnv):
    """Derivatives, integrals, limits and series.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (derivatives of polynomials) to 1, None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/Calculus-v0"
    commonest = ("0", "1", "2x", "{0, 1}", "y = x")
    window = 5
    makers = (
        (0.0, slope),
        (0.0, polynomial_derivative),
        (0.2, limit_at_infinity),
        (0.25, limit_at_hole),
        (0.35, definite_integral),
        (0.4, critical_points),
        (0.5, tangent),
        (0.55, extreme_value),
        (0.6, product_rule),
        (0.65, chain_rule),
        (0.7, quotient_rule),
        (0.75, geometric_series),
        (0.8, limit_by_expansion),
        (0.85, area_between),
        (0.9, improper_integral),
        (0.95, related_rates),
    )
