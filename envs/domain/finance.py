"""`postgym/Finance-v0`: interest, discounting, loans and cash flows, to the cent.

Simple interest and discounts at difficulty 0; at 1 loan payments, remaining balances, annuities, effective rates and
the present value of cash flows. Amounts are worked out exactly and rounded once, half up.
"""

import random
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from envs.mathematics.problems import Problem, ProblemEnv

_MONEY = ("$", "dollars", "USD")
_PERCENT = ("%", "percent")
_CENTS = " Round to the cent."
_NAMES = ("Ada", "Ben", "Chloe", "Dan", "Eva", "Farid", "Grace", "Hugo", "Ines", "Jon", "Kira", "Luis")


def cents(value: Fraction) -> str:
    """The amount rounded half up to two decimals."""
    thousandths = Decimal(abs(value.numerator) * 1000 // value.denominator).scaleb(-3)  # the third decimal decides
    rounded = thousandths.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return str(-rounded if value < 0 and rounded else rounded)


def _growth(rate: Fraction, periods: int) -> Fraction:
    return (1 + rate) ** periods


def _percent(rng: random.Random, low: int, high: int) -> Fraction:
    """A rate in quarters of a percent."""
    return Fraction(rng.randint(4 * low, 4 * high), 4)


def _shown(value: Fraction) -> str:
    """A decimal that ends, such as 4.25."""
    return f"{float(value):g}"


def _money(question: str, value: Fraction, work: Sequence[str]) -> Problem:
    answer = cents(value)
    return Problem(question + _CENTS, answer, (*work, f"to the cent: {answer}"), units=_MONEY)


def simple_interest(rng: random.Random, difficulty: float) -> Problem:
    """Interest without compounding."""
    p, r, n = rng.randint(2, 200) * 50, _percent(rng, 1, 9), rng.randint(2, 9)
    value = p * r / 100 * n
    question = rng.choice(
        (
            f"{rng.choice(_NAMES)} lends ${p} at {_shown(r)}% simple interest a year. How much is that in {n} years?",
            f"What is the simple interest on ${p} at {_shown(r)}% a year over {n} years?",
        )
    )
    return _money(
        question,
        value,
        (f"{p} * {_shown(r)} / 100 = {_exact(p * r / 100)}", f"{_exact(p * r / 100)} * {n} = {_exact(value)}"),
    )


def _exact(value: Fraction) -> str:
    """A decimal that ends, in full."""
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def discount(rng: random.Random, difficulty: float) -> Problem:
    """A discount, then a tax."""
    price, off, tax = (
        Fraction(rng.randint(500, 30000), 100),
        rng.choice((5, 10, 15, 20, 25, 30, 40)),
        rng.randint(4, 21),
    )
    reduced = price * (100 - off) / 100
    value = reduced * (100 + tax) / 100
    question = f"A price of ${float(price):.2f} is reduced by {off}%; then {tax}% tax is added. What is to be paid?"
    work = (
        f"{_exact(price)} * {100 - off} / 100 = {_exact(reduced)}",
        f"{_exact(reduced)} * {100 + tax} / 100 = {_exact(value)}",
    )
    return _money(question, value, work)


def margin(rng: random.Random, difficulty: float) -> Problem:
    """The price for a margin on the price, not on the cost."""
    cost, percent = rng.randint(20, 900), rng.choice((10, 12, 15, 20, 25, 30, 35, 40, 45))
    value = Fraction(cost * 100, 100 - percent)
    question = f"Goods cost ${cost}. At what price is the profit {percent}% of the price?"
    return _money(
        question, value, (f"100 - {percent} = {100 - percent}", f"{cost} * 100 / {100 - percent} ≈ {cents(value)}")
    )


def break_even(rng: random.Random, difficulty: float) -> Problem:
    """How many pieces cover the fixed costs."""
    cost = rng.randint(3, 60)
    price = cost + rng.randint(2, 40)
    fixed = rng.randint(20, 900) * 100
    value = -(-fixed // (price - cost))
    question = (
        f"A maker has fixed costs of ${fixed}. A piece costs ${cost} to make and sells for ${price}. "
        "What is the least number of pieces that brings no loss?"
    )
    work = (
        f"{price} - {cost} = {price - cost}",
        f"{fixed} / {price - cost} is more than {value - 1} and at most {value}",
    )
    return Problem(question, str(value), work, units=("pieces", "piece"))


def compound(rng: random.Random, difficulty: float) -> Problem:
    """Yearly compounding."""
    p, r, n = rng.randint(5, 200) * 100, _percent(rng, 1, 9), rng.randint(2, 6 + int(14 * difficulty))
    value = p * _growth(r / 100, n)
    question = rng.choice(
        (
            f"${p} earns {_shown(r)}% interest a year, compounded yearly. What is it worth after {n} years?",
            f"What do ${p} become in {n} years at {_shown(r)}% a year with yearly compounding?",
        )
    )
    return _money(
        question,
        value,
        (f"1 + {_shown(r)} / 100 = {_exact(1 + r / 100)}", f"{p} * {_exact(1 + r / 100)}^{n} ≈ {cents(value)}"),
    )


def monthly(rng: random.Random, difficulty: float) -> Problem:
    """Monthly or quarterly compounding."""
    p, per = rng.randint(5, 200) * 100, rng.choice((4, 12))
    r, n = _percent(rng, 1, 12), rng.randint(2, 10)
    value = p * _growth(r / 100 / per, n * per)
    word = "monthly" if per == 12 else "quarterly"
    question = f"${p} earns {_shown(r)}% a year, compounded {word}. What is it worth after {n} years?"
    work = (
        f"{n} * {per} = {n * per} periods at {_shown(r)}% / {per}",
        f"{p} * (1 + {_shown(r)}/{100 * per})^{n * per} ≈ {cents(value)}",
    )
    return _money(question, value, work)


def present_value(rng: random.Random, difficulty: float) -> Problem:
    """What a later payment is worth now."""
    f, r, n = rng.randint(10, 300) * 100, _percent(rng, 2, 12), rng.randint(2, 15)
    value = f / _growth(r / 100, n)
    question = f"${f} will be paid in {n} years. What is that worth today at a discount rate of {_shown(r)}% a year?"
    return _money(
        question,
        value,
        (f"1 + {_shown(r)} / 100 = {_exact(1 + r / 100)}", f"{f} / {_exact(1 + r / 100)}^{n} ≈ {cents(value)}"),
    )


def depreciation(rng: random.Random, difficulty: float) -> Problem:
    """The book value under straight-line or declining-balance depreciation."""
    price, n = rng.randint(20, 400) * 100, rng.randint(4, 12)
    k = rng.randint(2, n - 1)
    if rng.random() < 0.5:
        rest = price // 10 // 100 * 100
        value = price - Fraction((price - rest) * k, n)
        question = (
            f"A machine of ${price} is written off evenly to ${rest} over {n} years. "
            f"What is its book value after {k} years?"
        )
        work = (
            f"({price} - {rest}) * {k} / {n} ≈ {cents(price - value)}",
            f"{price} - {cents(price - value)} ≈ {cents(value)}",
        )
        return _money(question, value, work)
    rate = rng.choice((10, 15, 20, 25, 30, 40))
    value = price * Fraction(100 - rate, 100) ** k
    question = (
        f"A machine of ${price} loses {rate}% of its book value every year. What is its book value after {k} years?"
    )
    return _money(
        question,
        value,
        (
            f"1 - {rate} / 100 = {_exact(Fraction(100 - rate, 100))}",
            f"{price} * {_exact(Fraction(100 - rate, 100))}^{k} ≈ {cents(value)}",
        ),
    )


def effective_rate(rng: random.Random, difficulty: float) -> Problem:
    """The yearly rate that monthly or quarterly compounding comes to."""
    per, r = rng.choice((2, 4, 12, 52)), Fraction(rng.randint(100, 2400), 100)
    value = (_growth(r / 100 / per, per) - 1) * 100
    word = {2: "twice a year", 4: "quarterly", 12: "monthly", 52: "weekly"}[per]
    question = (
        f"A loan has a nominal rate of {_shown(r)}% a year, compounded {word}. "
        "What is the effective yearly rate, in percent, to two decimals?"
    )
    return Problem(
        question,
        cents(value),
        (f"(1 + {_shown(r)}/{100 * per})^{per} - 1", f"in percent: {cents(value)}"),
        units=_PERCENT,
    )


def savings(rng: random.Random, difficulty: float) -> Problem:
    """The future value of equal deposits at the end of each period."""
    a, r, n = rng.randint(2, 60) * 50, _percent(rng, 1, 9), rng.randint(3, 20)
    value = a * (_growth(r / 100, n) - 1) / (r / 100)
    question = (
        f"{rng.choice(_NAMES)} saves ${a} at the end of every year at {_shown(r)}% interest a year. "
        f"What is it worth right after deposit number {n}?"
    )
    work = (
        f"the growth factor is {_exact(1 + r / 100)}^{n}",
        f"{a} * ({_exact(1 + r / 100)}^{n} - 1) / {_exact(r / 100)} ≈ {cents(value)}",
    )
    return _money(question, value, work)


def _payment(loan: int, rate: Fraction, months: int) -> Fraction:
    """The level payment that repays a loan: loan i / (1 - (1 + i)^-n)."""
    return loan * rate / (1 - 1 / _growth(rate, months))


def loan_payment(rng: random.Random, difficulty: float) -> Problem:
    """The monthly payment of a loan."""
    loan, r, years = rng.randint(10, 400) * 500, _percent(rng, 2, 12), rng.randint(1, 10)
    value = _payment(loan, r / 1200, 12 * years)
    question = (
        f"A loan of ${loan} at {_shown(r)}% a year is repaid in {12 * years} equal monthly payments, "
        "the rate a month being a twelfth. How much is each?"
    )
    work = (f"i = {_shown(r)}/1200", f"{loan} * i / (1 - (1 + i)^-{12 * years}) ≈ {cents(value)}")
    return _money(question, value, work)


def balance(rng: random.Random, difficulty: float) -> Problem:
    """What is still owed after some payments."""
    loan, r, n = rng.randint(10, 400) * 500, _percent(rng, 2, 12), rng.randint(12, 60)
    k = rng.randint(3, n - 3)
    pay = Fraction(cents(_payment(loan, r / 1200, n)))
    grown = _growth(r / 1200, k)
    value = loan * grown - pay * (grown - 1) / (r / 1200)
    question = (
        f"A loan of ${loan} carries {_shown(r)}% a year, a twelfth of it a month. "
        f"Each month ${float(pay):.2f} is paid. How much is owed right after payment {k}?"
    )
    work = (
        f"i = {_shown(r)}/1200",
        f"the loan grows to {loan} * (1 + i)^{k} ≈ {cents(loan * grown)}",
        f"the payments grow to {_exact(pay)} * ((1 + i)^{k} - 1) / i ≈ {cents(loan * grown - value)}",
    )
    return _money(question, value, work)


def net_present_value(rng: random.Random, difficulty: float) -> Problem:
    """The present value of a project's cash flows less its cost."""
    r, n = _percent(rng, 3, 14), rng.randint(3, 5)
    flows = [rng.randint(5, 90) * 100 for _ in range(n)]
    cost = sum(flows) * rng.randint(60, 100) // 100
    worth = [f / _growth(r / 100, i) for i, f in enumerate(flows, 1)]
    value = sum(worth) - cost
    listed = ", ".join(f"${f}" for f in flows)
    question = (
        f"A project costs ${cost} now and brings {listed} at the end of years 1 to {n}. "
        f"What is its net present value at {_shown(r)}%?"
    )
    work = [
        f"{f} / {_exact(1 + r / 100)}^{i} ≈ {cents(w)}" for i, (f, w) in enumerate(zip(flows, worth, strict=True), 1)
    ]
    return _money(question, value, work)


class Finance(ProblemEnv):
    """Interest, loans and cash flows.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (simple interest) to 1 (loans and cash flows), None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/Finance-v0"
    commonest = ("100", "1000", "5")
    makers = (
        (0.0, simple_interest),
        (0.0, margin),
        (0.0, break_even),
        (0.2, discount),
        (0.3, compound),
        (0.4, present_value),
        (0.5, effective_rate),
        (0.6, depreciation),
        (0.65, monthly),
        (0.7, savings),
        (0.75, loan_payment),
        (0.85, balance),
        (0.95, net_present_value),
    )
