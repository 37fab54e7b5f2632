"""Physics: every amount found again from the question alone, all in SI units through pint."""

import math
import random
import re

import pytest

from envs.domain.physics import Physics
from envs.domain.sheet import shown
from rewards.quantity import read_quantity
from rewards.steps import read_steps

AMOUNT = re.compile(r"(?<![\w/.])\d+(?:\.\d+)? (?:[a-zA-Z°]+(?:/[a-z]+(?:\^\d)?)?|ohm|kohm)(?![\w^*(])")
G = 9.8


def si(question, count):
    """The first amounts of the question, in SI base units."""
    found = [read_quantity(text) for text in AMOUNT.findall(question.partition(" Take")[0])]
    amounts = [quantity for quantity in found if quantity is not None]
    assert len(amounts) >= count, (question, amounts)
    return [a.magnitude if str(a.units) == "degree_Celsius" else a.to_base_units().magnitude for a in amounts][:count]


def percent(question):
    return int(re.search(r"(\d+)%", question)[1]) / 100


def triangle(question):
    rise, base = map(int, re.search(r"rises (\d+) m over (\d+) m", question).groups())
    return math.atan2(rise, base)


def block(q):
    a, b, c, rho = si(q.replace("by ", ""), 4)
    return a * b * c * rho


def circuit(q):
    a, b, c, u = si(q, 4)
    return u * u / (a + 1 / (1 / b + 1 / c))


def image(q):
    y, g, f = si(q, 3)
    return y * f / (g - f)


def up_the_slope(q):
    v, angle = si(q.partition("starts at")[2], 1)[0], triangle(q)
    mu = float(re.search(r"friction is ([\d.]+)\.", q)[1])
    return v * v / (2 * G * (math.sin(angle) + mu * math.cos(angle)))


def thrown(q):
    v, h = si(q, 2)
    angle = math.asin(eval(re.search(r"sine of (\d+/\d+)", q)[1]))
    flight = max(t for t in roots(-G / 2, v * math.sin(angle), h))
    return v * math.cos(angle) * flight


def roots(a, b, c):
    d = math.sqrt(b * b - 4 * a * c)
    return (-b + d) / (2 * a), (-b - d) / (2 * a)


def sped_up(q):
    m, v, w = si(q, 3)
    return m * (w * w - v * v) / 2


def hoist(q):
    m, h, t = si(q, 3)
    return m * G * h / t / percent(q)


def warmed(q):
    watts, mass, low, high = si(q, 4)
    return 4180 * mass * (high - low) / (watts * percent(q))


FORMULAS = {
    "average_speed": lambda q: si(q, 2)[0] / si(q, 2)[1],
    "ohm": lambda q: si(q, 2)[0] * si(q, 2)[1],
    "density": block,
    "force": lambda q: si(q, 3)[0] * si(q, 3)[1] / si(q, 3)[2],
    "kinetic_energy": sped_up,
    "kettle": warmed,
    "lifting_power": hoist,
    "mixing": lambda q: (lambda m, a, n, b: (m * a + n * b) / (m + n))(*si(q, 4)),
    "circuit": circuit,
    "lens": image,
    "free_fall": lambda q: math.sqrt(si(q, 2)[0] ** 2 + 2 * G * si(q, 2)[1]),
    "collision": lambda q: (lambda m, v, n, w: (m * v + n * w) / (m + n))(*si(q, 4)),
    "slope": up_the_slope,
    "projectile": thrown,
}


@pytest.mark.parametrize(("start", "make"), Physics.makers, ids=lambda value: getattr(value, "__name__", ""))
def test_every_amount_follows_from_the_question_and_every_step_is_true(start, make):
    rng = random.Random(make.__name__)
    for i in range(40):
        problem = make(rng, start + (1 - start) * i / 40)
        answer = read_quantity(problem.answer)
        value = answer.magnitude if "°C" in problem.answer else answer.to_base_units().magnitude
        assert value == pytest.approx(FORMULAS[make.__name__](problem.question), rel=1e-4), problem
        for step in read_steps("\n".join(problem.work)):
            assert step.true or not step.read, (step.text, problem)


@pytest.mark.parametrize(
    ("value", "text"), [(0.000123456789, "0.000123457"), (1234567.8, "1234568"), (0.0, "0"), (-2.5, "-2.5")]
)
def test_amounts_are_written_without_exponents_to_six_digits_or_the_unit(value, text):
    assert shown(value) == text
