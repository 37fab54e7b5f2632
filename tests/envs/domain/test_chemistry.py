"""Chemistry: every answer found again from the question alone; equations balanced by linear algebra."""

import random
import re
from fractions import Fraction

import pytest
import sympy

from envs.domain.chemistry import MASSES, REACTIONS, Chemistry
from rewards.chemistry import atoms
from rewards.quantity import read_quantity
from rewards.steps import read_steps

AMOUNT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) (kg|mg|g|mL|L|mol/L|mol|kPa|°C)\b")
SCALE = {"kg": 1000, "mg": 0.001, "mL": 0.001}


def amounts(question):
    text = question.partition(" Atomic masses")[0].partition(" Take R")[0]
    return [float(n) * SCALE.get(u, 1) for n, u in AMOUNT.findall(text)]


def given_masses(question):
    return {e: float(m) for e, m in re.findall(r"([A-Z][a-z]?) (\d+(?:\.\d+)?)", question.partition("g/mol: ")[2])}


def molar(question, formula):
    return sum(n * given_masses(question)[e] for e, n in atoms(formula).items())


def coefficients(question):
    """The whole equation of the question by the null space of its element matrix."""
    equation = re.search(r"[A-Z0-9][\w() +]*->[\w() +]*\w|[A-Z][\w() +]*->[\w() +]*\)", question)[0]
    sides = [re.findall(r"(?<![\w(])(?:\d+ )?([A-Z][A-Za-z0-9()]*)", side) for side in equation.split("->")]
    formulas = [*sides[0], *sides[1]]
    elements = sorted({e for f in formulas for e in atoms(f)})
    rows = [[atoms(f)[e] * (1 if i < len(sides[0]) else -1) for i, f in enumerate(formulas)] for e in elements]
    (vector,) = sympy.Matrix(rows).nullspace()
    scaled = vector * sympy.ilcm(*(v.q for v in vector))
    return dict(zip(formulas, [int(v) // int(sympy.igcd(*scaled)) for v in scaled], strict=True))


def made(question):
    found = re.search(r"What mass of (\S+) do .* of (\S+) give at a yield of (\d+)%", question)
    end, start, percent = found[1], found[2], int(found[3])
    k = coefficients(question.partition(". What")[0])
    return amounts(question)[0] / molar(question, start) * k[end] / k[start] * molar(question, end) * percent / 100


def freed(question):
    end = re.search(r"volume of (\S+),", question)[1]
    start = re.search(r"of (\S+) set free", question)[1]
    celsius, pressure, grams = amounts(question)
    k = coefficients(question.partition(". What")[0])
    n = grams / molar(question, start) * k[end] / k[start]
    return n * 8.314 * (celsius + 273.15) / pressure


def least(question):
    one, two, end = re.search(r"\. \S+ \S+ of (\S+) meet \S+ \S+ of (\S+)\. What mass of (\S+) can", question).groups()
    k = coefficients(question.partition(". ")[0])
    x, y = amounts(question)
    extent = min(x / molar(question, one) / k[one], y / molar(question, two) / k[two])
    return extent * k[end] * molar(question, end)


def weighed(question):
    n, formula = re.search(r"mass of (\S+) mol of (\S+)\?", question).groups()
    return float(n) * molar(question, formula)


def counted(question):
    return amounts(question)[0] / molar(question, re.search(r" of (\S+)\?", question)[1])


def dissolved(question):
    grams, litres = amounts(question)
    return grams / molar(question, re.search(r" of (\S+) are dissolved", question)[1]) / litres


def diluted(question):
    a, c, b, d, e = amounts(question)
    return c * a / b * d / e


FORMULAS = {
    "weight": weighed,
    "moles": counted,
    "concentration": dissolved,
    "dilution": diluted,
    "product_mass": made,
    "gas": freed,
    "limiting": least,
}


@pytest.mark.parametrize(("start", "make"), Chemistry.makers, ids=lambda value: getattr(value, "__name__", ""))
def test_every_answer_follows_from_the_question_and_every_step_is_true(start, make):
    rng = random.Random(make.__name__)
    for i in range(30):
        problem = make(rng, start + (1 - start) * i / 30)
        if make.__name__ == "balance":
            terms = re.findall(r"(?:(\d+) )?([A-Z][A-Za-z0-9()]*)", problem.answer)
            assert {f: int(n or 1) for n, f in terms} == coefficients(problem.question.partition(": ")[2]), problem
        elif make.__name__ == "empirical":
            grams, dioxide, water = amounts(problem.question)
            c, h = dioxide / 44.009, 2 * water / 18.015
            o = (grams - 12.011 * c - 1.008 * h) / 15.999
            found = atoms(problem.answer)
            for element, amount in (("H", h), ("O", o)):
                assert found[element] / found["C"] == pytest.approx(amount / c, rel=0.01), problem
            assert sympy.igcd(*found.values()) == 1
        else:
            answer = read_quantity(problem.answer).magnitude
            assert answer == pytest.approx(FORMULAS[make.__name__](problem.question), rel=1e-4), problem
        for step in read_steps("\n".join(problem.work)):
            assert step.true or not step.read, (step.text, problem)


def test_every_reaction_balances_with_the_smallest_coefficients():
    for reaction in REACTIONS:
        shown = " -> ".join(" + ".join(formula for _, formula in side) for side in reaction)
        assert {f: n for side in reaction for n, f in side} == coefficients(shown)
        assert set().union(*(atoms(f) for side in reaction for _, f in side)) <= set(MASSES)


def test_burning_takes_the_oxygen_that_it_needs():
    from envs.domain.chemistry import _burning

    rng = random.Random(0)
    for _ in range(300):
        reaction = _burning(rng)
        shown = " -> ".join(" + ".join(formula for _, formula in side) for side in reaction)
        assert {f: Fraction(n) for side in reaction for n, f in side} == coefficients(shown)
