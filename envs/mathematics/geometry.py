"""`postgym/Geometry-v0`: lengths, angles, areas and volumes, in words and coordinates, exact with pi and roots.

Rectangles and angles of triangles at difficulty 0; at 1 the laws of sines and cosines, circles through points,
polygons by coordinates and solids.
"""

import random
from fractions import Fraction
from math import gcd

from envs.mathematics.notation import bracketed, draw_nonzero, plus, polynomial, root
from envs.mathematics.problems import Problem, ProblemEnv

_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41))
_UNITS = ("cm", "m", "mm", "km", "inches", "feet")


def _pi(value: Fraction | int) -> str:
    """A multiple of pi."""
    value = Fraction(value)
    top = "pi" if value.numerator == 1 else f"{value.numerator}pi"
    return top if value.denominator == 1 else f"{top}/{value.denominator}"


def _point(rng: random.Random, most: int = 9) -> tuple[int, int]:
    return rng.randint(-most, most), rng.randint(-most, most)


def rectangle(rng: random.Random, difficulty: float) -> Problem:
    """A side, the area or the perimeter of a rectangle."""
    a, b, u = rng.randint(3, 30), rng.randint(3, 30), rng.choice(_UNITS)
    if (kind := rng.randrange(3)) == 0:
        return Problem(
            f"A rectangle is {a} {u} by {b} {u}. What is its area in square {u}?", str(a * b), (f"{a} * {b} = {a * b}",)
        )
    if kind == 1:
        work = (f"{a} + {b} = {a + b}", f"2 * {a + b} = {2 * (a + b)}")
        return Problem(f"What is the perimeter, in {u}, of a rectangle of {a} {u} by {b} {u}?", str(2 * (a + b)), work)
    question = (
        f"A rectangle has an area of {a * b} square {u} and a side of {a} {u}. How long is the other side, in {u}?"
    )
    return Problem(question, str(b), (f"{a * b} / {a} = {b}",))


def triangle_angle(rng: random.Random, difficulty: float) -> Problem:
    """The third angle of a triangle, or the angles at the base of one with two equal sides."""
    a = rng.randint(20, 110)
    if rng.random() < 0.6:
        b = rng.randint(15, 165 - a)
        ask = rng.choice(
            (
                "Two angles of a triangle are {a} and {b} degrees. How many degrees has the third?",
                "A triangle has angles of {a} and {b} degrees. What is its third angle, in degrees?",
            )
        )
        return Problem(
            ask.format(a=a, b=b), str(180 - a - b), (f"{a} + {b} = {a + b}", f"180 - {a + b} = {180 - a - b}")
        )
    a -= a % 2
    question = rng.choice(
        (
            f"Two equal sides of a triangle enclose an angle of {a} degrees. How many degrees has each other angle?",
            f"An isosceles triangle has {a} degrees between its equal sides. What is a base angle, in degrees?",
        )
    )
    return Problem(question, str((180 - a) // 2), (f"180 - {a} = {180 - a}", f"{180 - a} / 2 = {(180 - a) // 2}"))


def triangle_area(rng: random.Random, difficulty: float) -> Problem:
    """The area of a triangle or a trapezoid."""
    b, h = rng.randint(3, 30), rng.randint(3, 30)
    if rng.random() < 0.5:
        value = Fraction(b * h, 2)
        question = f"What is the area of a triangle with a base of {b} and a height of {h}?"
        return Problem(question, str(value), (f"{b} * {h} = {b * h}", f"{b * h} / 2 = {value}"))
    c = rng.randint(3, 30)
    value = Fraction((b + c) * h, 2)
    question = f"A trapezoid has parallel sides of {b} and {c} and a height of {h}. What is its area?"
    return Problem(question, str(value), (f"{b} + {c} = {b + c}", f"{b + c} * {h} / 2 = {value}"))


def circle(rng: random.Random, difficulty: float) -> Problem:
    """Area, circumference, or a sector."""
    r, kind = rng.randint(2, 60), rng.randrange(3)
    if kind == 0:
        question = rng.choice(
            (f"What is the area of a circle of radius {r}?", f"A circle has a diameter of {2 * r}. What is its area?")
        )
        work, value = (f"pi * {r}^2 = {r * r}pi",), _pi(r * r)
    elif kind == 1:
        question, work, value = (
            f"What is the circumference of a circle of radius {r}?",
            (f"2 * pi * {r} = {2 * r}pi",),
            _pi(2 * r),
        )
    else:
        angle = rng.choice((20, 30, 36, 40, 45, 60, 72, 80, 90, 108, 120, 135, 150))
        value = _pi(Fraction(angle * r * r, 360))
        question = f"What is the area of a sector of {angle} degrees in a circle of radius {r}?"
        work = (f"{angle}/360 = {Fraction(angle, 360)}", f"{Fraction(angle, 360)} * pi * {r}^2 = {value}")
    return Problem(f"{question} Answer exactly, with pi.", value, work, "expression")


def pythagoras(rng: random.Random, difficulty: float) -> Problem:
    """A side of a right triangle, whole or a root."""
    if difficulty < 0.4:
        a, b, c = _scaled(rng)
    else:
        a, b, c = rng.randint(2, 15), rng.randint(2, 15), 0
    square = a * a + b * b
    hypotenuse = root(square)
    if c and rng.random() < 0.5:
        question = f"A right triangle has a hypotenuse of {c} and a leg of {a}. How long is the other leg?"
        return Problem(question, str(b), (f"{c}^2 - {a}^2 = {b * b}", f"sqrt({b * b}) = {b}"))
    question = rng.choice(
        (
            f"The legs of a right triangle are {a} and {b}. How long is its hypotenuse, exactly?",
            f"What is the exact length of the diagonal of a rectangle of {a} by {b}?",
        )
    )
    return Problem(question, hypotenuse, (f"{a}^2 + {b}^2 = {square}", f"sqrt({square}) = {hypotenuse}"), "expression")


def _scaled(rng: random.Random) -> tuple[int, int, int]:
    k = rng.randint(1, 6)
    a, b, c = rng.choice(_TRIPLES)
    return (k * a, k * b, k * c) if rng.random() < 0.5 else (k * b, k * a, k * c)


def polygon_angles(rng: random.Random, difficulty: float) -> Problem:
    """Angles and diagonals of a polygon."""
    n = rng.randint(5, 90)
    kind = rng.randrange(3)
    if kind == 0:
        question, value = (
            f"What is the sum of the inner angles of a polygon with {n} sides, in degrees?",
            Fraction(180 * (n - 2)),
        )
        work = (f"{n} - 2 = {n - 2}", f"{n - 2} * 180 = {value}")
    elif kind == 1:
        value = Fraction(180 * (n - 2), n)
        question = f"How many degrees has each inner angle of a regular polygon with {n} sides?"
        work = (f"{n - 2} * 180 = {180 * (n - 2)}", f"{180 * (n - 2)} / {n} = {value}")
    else:
        value = Fraction(n * (n - 3), 2)
        question = f"How many diagonals has a convex polygon with {n} sides?"
        work = (f"{n} * ({n} - 3) = {n * (n - 3)}", f"{n * (n - 3)} / 2 = {value}")
    return Problem(question, str(value), work)


def similar(rng: random.Random, difficulty: float) -> Problem:
    """A side by similarity."""
    a, b = rng.randint(3, 15), rng.randint(3, 20)
    k = Fraction(rng.randint(3, 12), rng.randint(2, 5))
    value = b * k
    question = rng.choice(
        (
            f"Triangles ABC and DEF are similar. AB = {a}, BC = {b} and DE = {a * k}. How long is EF?",
            f"A post of {a} m casts a shadow of {b} m. How long is the shadow, in m, of a tower of {a * k} m?",
        )
    )
    return Problem(question, str(value), (f"{a * k} / {a} = {k}", f"{b} * {bracketed(k)} = {value}"))


def box(rng: random.Random, difficulty: float) -> Problem:
    """Volume and surface of a box, or the edge of a cube."""
    a, b, c = (rng.randint(2, 15) for _ in range(3))
    if rng.random() < 0.5:
        question, value = f"What is the volume of a box of {a} by {b} by {c}?", a * b * c
        return Problem(question, str(value), (f"{a} * {b} = {a * b}", f"{a * b} * {c} = {value}"))
    value = 2 * (a * b + b * c + a * c)
    work = (f"{a} * {b} + {b} * {c} + {a} * {c} = {value // 2}", f"2 * {value // 2} = {value}")
    return Problem(f"What is the surface area of a closed box of {a} by {b} by {c}?", str(value), work)


def distance(rng: random.Random, difficulty: float) -> Problem:
    """The distance of two points."""
    (a, b), (c, d) = _point(rng), _point(rng)
    if a == c or b == d:
        return distance(rng, difficulty)
    square = (a - c) ** 2 + (b - d) ** 2
    question = f"What is the exact distance between ({a}, {b}) and ({c}, {d})?"
    work = (
        f"{bracketed(c)} - {bracketed(a)} = {c - a}, {bracketed(d)} - {bracketed(b)} = {d - b}",
        f"({c - a})^2 + ({d - b})^2 = {square}",
        f"sqrt({square}) = {root(square)}",
    )
    return Problem(question, root(square), work, "expression")


def line_through(rng: random.Random, difficulty: float) -> Problem:
    """The line through two points."""
    (a, b), (c, d) = _point(rng), _point(rng)
    if a == c:
        return line_through(rng, difficulty)
    m = Fraction(d - b, c - a)
    n = b - m * a
    work = (f"slope: ({d}{plus(-b)})/({c}{plus(-a)}) = {m}", f"{b} - {bracketed(m)} * {bracketed(a)} = {n}")
    question = f"Which line goes through ({a}, {b}) and ({c}, {d})? Answer as y = ..."
    return Problem(question, f"y = {polynomial((m, n))}", work, "equation")


def solid(rng: random.Random, difficulty: float) -> Problem:
    """The volume of a cylinder, a cone or a sphere."""
    r, h = rng.randint(2, 15), rng.randint(2, 20)
    name, value, step = rng.choice(
        (
            (f"cylinder of radius {r} and height {h}", Fraction(r * r * h), f"pi * {r}^2 * {h}"),
            (f"cone of radius {r} and height {h}", Fraction(r * r * h, 3), f"pi * {r}^2 * {h} / 3"),
            (f"sphere of radius {r}", Fraction(4 * r**3, 3), f"4/3 * pi * {r}^3"),
            (f"hemisphere of radius {r}", Fraction(2 * r**3, 3), f"2/3 * pi * {r}^3"),
        )
    )
    question = f"What is the volume of a {name}? Answer exactly, with pi."
    return Problem(question, _pi(value), (f"{step} = {_pi(value)}",), "expression")


def shoelace(rng: random.Random, difficulty: float) -> Problem:
    """The area of a triangle or quadrangle by its corners."""
    while True:
        corners = [_point(rng) for _ in range(3)]
        crossed = [a * d - b * c for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True)]
        if sum(crossed):
            break
    value = Fraction(abs(sum(crossed)), 2)
    lines = [
        f"{bracketed(a)} * {bracketed(d)} - {bracketed(b)} * {bracketed(c)} = {s}"
        for ((a, b), (c, d)), s in zip(zip(corners, corners[1:] + corners[:1], strict=True), crossed, strict=True)
    ]
    shown = ", ".join(map(str, corners))
    total = f"{' + '.join(map(bracketed, crossed))} = {sum(crossed)}"
    question = f"What is the area of the triangle with the corners {shown}?"
    return Problem(question, str(value), (*lines, total, f"{abs(sum(crossed))} / 2 = {value}"))


def circle_equation(rng: random.Random, difficulty: float) -> Problem:
    """The radius of a circle by its equation."""
    a, b, square = draw_nonzero(rng, 8), draw_nonzero(rng, 8), rng.randint(2, 60)
    c = a * a + b * b - square
    question = f"What is the exact radius of the circle x^2 + y^2{_term(-2 * a, 'x')}{_term(-2 * b, 'y')}{plus(c)} = 0?"
    work = (
        f"(x{plus(-a)})^2 + (y{plus(-b)})^2 = {a * a} + {b * b}{plus(-c)} = {square}",
        f"sqrt({square}) = {root(square)}",
    )
    return Problem(question, root(square), work, "expression")


def _term(c: int, letter: str) -> str:
    return f" {'-' if c < 0 else '+'} {abs(c)}{letter}"


def law_of_cosines(rng: random.Random, difficulty: float) -> Problem:
    """The third side of a triangle with an angle of 60 or 120 degrees."""
    a, b, angle = rng.randint(2, 20), rng.randint(2, 20), rng.choice((60, 120))
    mixed = -a * b if angle == 60 else a * b
    square = a * a + b * b + mixed
    question = f"Two sides, {a} and {b}, of a triangle enclose {angle} degrees. How long, exactly, is its third side?"
    work = (f"{a}^2 + {b}^2{plus(mixed)} = {square}", f"sqrt({square}) = {root(square)}")
    return Problem(question, root(square), work, "expression")


def heron(rng: random.Random, difficulty: float) -> Problem:
    """The area of a triangle by its sides."""
    while True:
        a, b, c = sorted(rng.randint(3, 20) for _ in range(3))
        if c < a + b:
            break
    square = (a + b + c) * (a + b - c) * (a - b + c) * (b + c - a)  # 16 times that of the area
    top = root(square)
    outside, _, inside = top.partition("sqrt")
    share = Fraction(int(outside or 1), 4)
    value = f"{share}" if not inside else f"({share})sqrt{inside}" if share != 1 else f"sqrt{inside}"
    work = (
        f"{a + b + c} * {a + b - c} * {a - b + c} * {b + c - a} = {square}",
        f"sqrt({square}) / 4 = {value}",
    )
    question = f"A triangle has sides of {a}, {b} and {c}. What is its area, exactly?"
    return Problem(question, value, work, "expression")


def distance_to_line(rng: random.Random, difficulty: float) -> Problem:
    """The distance of a point from a line, whole-numbered normals only."""
    p, q, norm = _scaled_triple(rng)
    x, y = _point(rng)
    c = draw_nonzero(rng, 30)
    top = p * x + q * y + c
    value = Fraction(abs(top), norm)
    question = f"How far is the point ({x}, {y}) from the line {p}x{_term(q, 'y')}{plus(c)} = 0?"
    work = (
        f"{p} * {bracketed(x)} + {bracketed(q)} * {bracketed(y)}{plus(c)} = {top}",
        f"sqrt({p}^2 + {bracketed(q)}^2) = {norm}",
        f"{abs(top)} / {norm} = {value}",
    )
    return Problem(question, str(value), work)


def _scaled_triple(rng: random.Random) -> tuple[int, int, int]:
    a, b, c = rng.choice(_TRIPLES[:4])
    return (a, rng.choice((-1, 1)) * b, c) if rng.random() < 0.5 else (b, rng.choice((-1, 1)) * a, c)


def lattice(rng: random.Random, difficulty: float) -> Problem:
    """Whole-numbered points on a segment, and inside a right triangle, by Pick's theorem."""
    a, b = rng.randint(4, 20), rng.randint(4, 20)
    edge = a + b + gcd(a, b)
    value = Fraction(a * b - edge, 2) + 1
    question = (
        f"A triangle has the corners (0, 0), ({a}, 0) and (0, {b}). "
        "How many points with whole coordinates lie strictly inside it?"
    )
    work = (
        f"on its border: {a} + {b} + {gcd(a, b)} = {edge}",
        f"twice its area: {a} * {b} = {a * b}",
        f"({a * b} - {edge} + 2) / 2 = {value}",
    )
    return Problem(question, str(value), work)


class Geometry(ProblemEnv):
    """Lengths, angles, areas and volumes.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (rectangles and triangles) to 1, None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/Geometry-v0"
    commonest = ("60", "10", "pi", "sqrt(2)", "y = x")
    window = 5
    makers = (
        (0.0, rectangle),
        (0.0, triangle_angle),
        (0.1, triangle_area),
        (0.2, polygon_angles),
        (0.25, pythagoras),
        (0.35, circle),
        (0.4, box),
        (0.45, similar),
        (0.55, distance),
        (0.6, solid),
        (0.65, line_through),
        (0.7, circle_equation),
        (0.75, law_of_cosines),
        (0.8, distance_to_line),
        (0.85, lattice),
        (0.9, shoelace),
        (0.95, heron),
    )
