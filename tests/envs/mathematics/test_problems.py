"""The environments of many kinds of problem: every answer found another way, every written step true."""

import random
from fractions import Fraction

import pytest
import sympy

import envs
from envs.mathematics.notation import polynomial, root
from envs.proof import play
from rewards.steps import read_steps
from tests.envs.mathematics.by_sympy import ALGEBRA, CALCULUS, GEOMETRY
from tests.envs.mathematics.by_trial import COUNTING, NUMBER_THEORY
from tests.envs.mathematics.reading import X, read

ORACLES = {
    "Algebra": ALGEBRA,
    "Calculus": CALCULUS,
    "Counting": COUNTING,
    "Geometry": GEOMETRY,
    "NumberTheory": NUMBER_THEORY,
}

KINDS = [
    pytest.param(make, start, name, id=f"{name}-{make.__name__}")
    for name in ORACLES
    for start, make in type(envs.make(f"postgym/{name}-v0")).makers
]


def drawn(make, start, n=6):
    rng = random.Random(make.__name__)
    return [make(rng, start + (1 - start) * i / n) for i in range(n)]


def as_sympy(problem):
    """The stated answer, in sympy's terms."""
    text = problem.answer
    match problem.kind:
        case "number":
            return sympy.Rational(text)
        case "set":
            return {sympy.nsimplify(read(part)) for part in text.strip("{}").split(",")}
        case "tuple":
            return tuple(read(part) for part in text.strip("()").split(","))
        case "equation":
            return read(text.removeprefix("y = "))
        case "interval":
            return sympy.Union(*(_interval(part) for part in text.split(" U ")))
    return read(text)


def _interval(text):
    low, high = text[1:-1].split(", ")
    ends = [sympy.oo if e == "oo" else -sympy.oo if e == "-oo" else sympy.Integer(e) for e in (low, high)]
    return sympy.Interval(*ends, text[0] == "(", text[-1] == ")")


def agree(a, b) -> bool:
    if isinstance(a, set):
        return len(a) == len(b) and all(any(agree(x, y) for y in b) for x in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(agree, a, b))
    if isinstance(a, sympy.Set):
        return a == b
    b = sympy.Rational(b.numerator, b.denominator) if isinstance(b, Fraction) else sympy.sympify(b)
    return sympy.simplify(a - b) == 0


@pytest.mark.parametrize(("make", "start", "name"), KINDS)
def test_every_answer_is_found_another_way(make, start, name):
    oracle = ORACLES[name][make.__name__]
    for problem in drawn(make, start):
        assert agree(as_sympy(problem), oracle(problem.question)), problem


@pytest.mark.parametrize(("make", "start", "name"), KINDS)
def test_every_step_that_can_be_worked_out_is_true(make, start, name):
    for problem in drawn(make, start):
        for step in read_steps("\n".join(problem.work)):
            assert step.true or not step.read, (step.text, problem)


@pytest.mark.parametrize("name", ORACLES)
def test_every_kind_is_drawn_at_some_difficulty(name):
    env = envs.make(f"postgym/{name}-v0")
    drawn = {env.sample_task(i, difficulty=i / 999).meta["sort"] for i in range(1000)}
    assert drawn == {make.__name__ for _, make in env.makers} == set(ORACLES[name])


@pytest.mark.parametrize(
    ("name", "answer", "kind", "right", "wrong"),
    [
        (
            "Algebra",
            "{-1/2, 3}",
            "set",
            ["3, -1/2", "{3, -0.5}", "\\{3, -\\frac{1}{2}\\}"],
            ["3", "3, 3, -1/2", "-1/2, 4"],
        ),
        ("Algebra", "(-oo, 3]", "interval", ["x <= 3", "(-\\infty, 3]", "(-inf,3]"], ["(-oo, 3)", "x < 3", "3"]),
        ("Algebra", "(2, -1)", "tuple", ["(2,-1)", "2, -1"], ["(-1, 2)", "2", "{2, -1}"]),
        (
            "Calculus",
            "(6x + 2)e^(3x)",
            "expression",
            ["2(3x+1)e^{3x}", "6xe^(3x) + 2e^(3x)"],
            ["(6x+2)e^(2x)", "6x + 2"],
        ),
        ("Geometry", "500pi/3", "expression", ["\\frac{500\\pi}{3}", "(500/3)π"], ["500/3", "523.6"]),
        ("Counting", "3/8", "number", ["0.375", "3/8", "\\frac38"], ["6/16", "0.37", "3:8"]),
    ],
)
def test_an_answer_counts_in_any_spelling_and_no_other_does(name, answer, kind, right, wrong):
    env = envs.make(f"postgym/{name}-v0")
    task = env.sample_task(0)
    task = task.model_copy(update={"target": {"answer": answer, "kind": kind}})
    for text in right:
        assert play(env, task, lambda messages, text=text: f"Answer: {text}")[1].value == 1, text
    for text in wrong:
        assert play(env, task, lambda messages, text=text: f"Answer: {text}")[1].value == 0, text


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [
        ((1, 0), "x"),
        ((-1, 2, 0), "-x^2 + 2x"),
        ((0, 0), "0"),
        ((3, 0, -1), "3x^2 - 1"),
        ((Fraction(1, 2), -1), "(1/2)x - 1"),
    ],
)
def test_polynomials_as_people_write_them(coefficients, text):
    assert polynomial(coefficients) == text
    top = len(coefficients) - 1
    assert sympy.expand(read(text) - sum(sympy.nsimplify(c) * X ** (top - i) for i, c in enumerate(coefficients))) == 0


def test_roots_are_taken_out_as_far_as_they_go():
    for n in range(1, 300):
        assert sympy.simplify(read(root(n)) - sympy.sqrt(n)) == 0
        assert root(n) == str(sympy.sqrt(n)).replace("*", ""), n
