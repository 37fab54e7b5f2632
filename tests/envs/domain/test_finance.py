"""Finance: every amount found again by keeping the books period by period."""

import random
import re
from decimal import Decimal, getcontext
from fractions import Fraction

import pytest

import envs
from envs.domain.finance import Finance, cents
from envs.proof import play
from rewards.steps import read_steps

getcontext().prec = 60
NUMBER = r"\d+(?:\.\d+)?"


def numbers(question: str) -> list[Decimal]:
    return [Decimal(n) for n in re.findall(NUMBER, question)]


def grown(start: Decimal, rate: Decimal, periods: int, deposit: Decimal = Decimal(0)) -> Decimal:
    for _ in range(periods):
        start += start * rate + deposit
    return start


def sought(left_over, low=Decimal(0), high=Decimal(10**7)) -> Decimal:
    """Where a falling function crosses 0, by halving."""
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (middle, high) if left_over(middle) > 0 else (low, middle)
    return low


def compounded(question: str) -> Decimal:
    p, r, n = numbers(question)
    if "% a year with" in question:
        p, n, r = numbers(question)
    per = 12 if "monthly" in question else 4 if "quarterly" in question else 1
    return grown(p, r / 100 / per, int(n) * per)


def written_off(question: str) -> Decimal:
    price, *rest = numbers(question)
    if "evenly" in question:
        salvage, years, after = rest
        for _ in range(int(after)):
            price -= (numbers(question)[0] - salvage) / years
        return price
    rate, after = rest
    return grown(price, -rate / 100, int(after))


def effective(question: str) -> Decimal:
    (rate, *_) = numbers(question)
    per = {"twice": 2, "quarterly": 4, "monthly": 12, "weekly": 52}[re.search(r"compounded (\w+)", question).group(1)]
    return (grown(Decimal(1), rate / 100 / per, per) - 1) * 100


def payment(question: str) -> Decimal:
    loan, r, n = numbers(question)
    return sought(lambda pay: grown(loan, r / 1200, int(n), -pay))


def owed(question: str) -> Decimal:
    loan, r, pay, k = numbers(question)
    return grown(loan, r / 1200, int(k), -pay)


def worth_now(question: str) -> Decimal:
    cost, *flows, _, _, r = numbers(question)
    return sum((f / grown(Decimal(1), r / 100, i) for i, f in enumerate(flows, 1)), -cost)


def pieces(question: str) -> Decimal:
    fixed, cost, price = numbers(question)
    made = next(n for n in range(10**6) if n * price >= fixed + n * cost)
    return Decimal(made)


BOOKS = {
    "simple_interest": lambda q: sum(numbers(q)[0] * numbers(q)[1] / 100 for _ in range(int(numbers(q)[2]))),
    "margin": lambda q: sought(lambda price: numbers(q)[0] - price * (100 - numbers(q)[1]) / 100),
    "break_even": pieces,
    "discount": lambda q: (numbers(q)[0] * (1 - numbers(q)[1] / 100)) * (1 + numbers(q)[2] / 100),
    "compound": compounded,
    "monthly": compounded,
    "present_value": lambda q: sought(lambda v: numbers(q)[0] - grown(v, numbers(q)[2] / 100, int(numbers(q)[1]))),
    "depreciation": written_off,
    "effective_rate": effective,
    "savings": lambda q: grown(Decimal(0), numbers(q)[1] / 100, int(numbers(q)[2]), numbers(q)[0]),
    "loan_payment": payment,
    "balance": owed,
    "net_present_value": worth_now,
}


@pytest.mark.parametrize(("start", "make"), Finance.makers, ids=lambda value: getattr(value, "__name__", ""))
def test_the_books_agree_to_the_cent_and_every_step_is_true(start, make):
    rng = random.Random(make.__name__)
    for i in range(20):
        problem = make(rng, start + (1 - start) * i / 20)
        assert abs(Decimal(problem.answer) - BOOKS[make.__name__](problem.question)) <= Decimal("0.005000001"), problem
        for step in read_steps("\n".join(problem.work)):
            assert step.true or not step.read, (step.text, problem)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 3), "0.33"),
        (Fraction(5, 1000), "0.01"),
        (Fraction(4999, 10**6), "0.00"),
        (Fraction(-12345, 10**4), "-1.23"),
        (Fraction(-1, 1000), "0.00"),
        (Fraction(10**12, 7), "142857142857.14"),
    ],
)
def test_amounts_are_rounded_once_half_up(value, text):
    assert cents(value) == text


def test_amounts_may_carry_their_currency_and_nothing_else():
    env = envs.make("postgym/Finance-v0")
    task = env.sample_task(0)
    target = {"answer": "1234.50", "kind": "number", "units": ["$", "dollars", "USD"]}
    task = task.model_copy(update={"target": target})

    def earned(text):
        return play(env, task, lambda messages: f"Answer: {text}")[1].value

    assert [earned(t) for t in ("1234.50", "$1,234.50", "1234.5 dollars", "$1234.5")] == [1] * 4
    assert [earned(t) for t in ("1234.51", "1234.5 euros", "1234", "1234.50 or 1234.51")] == [0] * 4
