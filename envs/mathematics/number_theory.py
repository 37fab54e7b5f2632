"""`postgym/NumberTheory-v0`: divisors, primes, remainders and digits of whole numbers.

Remainders and common divisors of small numbers at difficulty 0; at 1 modular powers and inverses, the Chinese
remainder theorem, and Euler's and the divisor functions of numbers up to five digits.
"""

import math
import random
from collections import Counter
from itertools import pairwise

from envs.mathematics.problems import Problem, ProblemEnv


def factors(n: int) -> list[int]:
    """The prime factors of n > 1, smallest first, each as often as it divides."""
    found, p = [], 2
    while p * p <= n:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1 if p == 2 else 2
    return found + [n] * (n > 1)


def _product(numbers: list[int]) -> str:
    return " * ".join(map(str, numbers))


def _powers(n: int) -> str:
    return " * ".join(f"{p}^{k}" if k > 1 else f"{p}" for p, k in Counter(factors(n)).items())


def euclid(a: int, b: int) -> tuple[list[str], int]:
    """The lines of Euclid's algorithm, and the greatest common divisor."""
    lines = []
    while b:
        lines.append(f"{a} = {a // b} * {b} + {a % b}")
        a, b = b, a % b
    return lines, a


def remainder(rng: random.Random, difficulty: float) -> Problem:
    """The remainder of a division."""
    b = rng.randint(3, 15 + int(60 * difficulty))
    a = rng.randint(b + 1, 120 + int(4000 * difficulty))
    ask = rng.choice(
        (
            "What remains when {a} is divided by {b}?",
            "Find {a} mod {b}.",
            "{a} is divided by {b}. What is the remainder?",
        )
    )
    line = f"{a // b} * {b} = {a // b * b}"
    return Problem(ask.format(a=a, b=b), str(a % b), (line, f"{a} - {a // b * b} = {a % b}"))


def common_divisor(rng: random.Random, difficulty: float) -> Problem:
    """The greatest common divisor of two numbers."""
    most = 12 + int(60 * difficulty)
    g = rng.randint(2, most)
    a, b = (g * n for n in rng.sample(range(2, 4 + most), 2))
    lines, value = euclid(max(a, b), min(a, b))
    ask = rng.choice(
        ("What is the greatest common divisor of {a} and {b}?", "Find gcd({a}, {b}).", "gcd({a}, {b}) = ?")
    )
    return Problem(ask.format(a=a, b=b), str(value), tuple(lines))


def common_multiple(rng: random.Random, difficulty: float) -> Problem:
    """The least common multiple of two numbers."""
    most = 15 + int(50 * difficulty)
    g = rng.randint(2, 12)
    a, b = sorted(g * n for n in rng.sample(range(2, most), 2))
    lines, divisor = euclid(b, a)
    value = a * b // divisor
    ask = rng.choice(("What is the least common multiple of {a} and {b}?", "Find lcm({a}, {b})."))
    return Problem(ask.format(a=a, b=b), str(value), (*lines, f"{a} * {b} / {divisor} = {value}"))


def digit_sum(rng: random.Random, difficulty: float) -> Problem:
    """The sum or the alternating sum of the digits."""
    n = rng.randint(10**3, 10 ** (5 + int(8 * difficulty)))
    digits = [int(d) for d in str(n)]
    ask = rng.choice(("What is the sum of the digits of {n}?", "Add up the digits of {n}."))
    return Problem(ask.format(n=n), str(sum(digits)), (f"{' + '.join(map(str, digits))} = {sum(digits)}",))


def largest_prime(rng: random.Random, difficulty: float) -> Problem:
    """The largest prime factor."""
    n = 1
    while n < 60 * 60**difficulty or n in factors(n):
        n *= rng.choice((2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37))
    primes = factors(n)
    ask = rng.choice(("What is the largest prime factor of {n}?", "Find the greatest prime that divides {n}."))
    return Problem(ask.format(n=n), str(primes[-1]), (f"{n} = {_product(primes)}",))


def count_divisors(rng: random.Random, difficulty: float) -> Problem:
    """How many divisors a number has."""
    n = rng.randint(30, 200) * rng.choice((1, 2, 3, 4, 6, 12) if difficulty > 0.5 else (1, 2))
    powers = Counter(factors(n))
    value = math.prod(k + 1 for k in powers.values())
    ask = rng.choice(("How many positive divisors does {n} have?", "How many positive whole numbers divide {n}?"))
    work = (f"{n} = {_powers(n)}", f"{' * '.join(f'({k} + 1)' for k in powers.values())} = {value}")
    return Problem(ask.format(n=n), str(value), work)


def sum_divisors(rng: random.Random, difficulty: float) -> Problem:
    """The sum of all divisors."""
    n = rng.randint(20, 100 + int(300 * difficulty))
    parts = [[p**i for i in range(k + 1)] for p, k in Counter(factors(n)).items()]
    value = math.prod(map(sum, parts))
    sums = [f"{' + '.join(map(str, part))} = {sum(part)}" for part in parts]
    product = " * ".join(str(sum(part)) for part in parts)
    ask = rng.choice(("What is the sum of all positive divisors of {n}?", "Add up all divisors of {n}, 1 and {n} too."))
    return Problem(ask.format(n=n), str(value), (f"{n} = {_powers(n)}", *sums, f"{product} = {value}"))


def to_base(rng: random.Random, difficulty: float) -> Problem:
    """A number written in another base."""
    n, base = rng.randint(20, 150 + int(800 * difficulty)), rng.choice((2, 3, 4, 5, 6, 7, 8, 9))
    lines, digits, rest = [], "", n
    while rest:
        lines.append(f"{rest} = {rest // base} * {base} + {rest % base}")
        digits, rest = str(rest % base) + digits, rest // base
    ask = rng.choice(("Write {n} in base {b}.", "What is {n} (base ten) in base {b}?"))
    return Problem(ask.format(n=n, b=base), digits, tuple(lines))


def from_base(rng: random.Random, difficulty: float) -> Problem:
    """A number read from another base."""
    base = rng.choice((2, 3, 5, 6, 7, 8, 9))
    digits = [rng.randint(1, base - 1), *(rng.randrange(base) for _ in range(rng.randint(2, 4 + int(3 * difficulty))))]
    value, lines = 0, []
    for d in digits:
        lines.append(f"{value} * {base} + {d} = {value * base + d}")
        value = value * base + d
    ask = rng.choice(("What number, in base ten, is {d} in base {b}?", "Read {d} in base {b}; give it in base ten."))
    return Problem(ask.format(d="".join(map(str, digits)), b=base), str(value), tuple(lines[1:]))


def modular_power(rng: random.Random, difficulty: float) -> Problem:
    """a^n mod m by repeated squaring."""
    a, m, n = rng.randint(2, 20), rng.randint(7, 30 + int(70 * difficulty)), rng.randint(6, 20 + int(180 * difficulty))
    value, lines = 1, []
    for bit in bin(n)[2:]:
        squared = value * value % m
        after = squared * a % m if bit == "1" else squared
        step = f"{value}^2 * {a}" if bit == "1" else f"{value}^2"
        lines.append(f"{step} = {value * value * (a if bit == '1' else 1)}, which leaves {after}")
        value = after
    ask = rng.choice(("What remains when {a}^{n} is divided by {m}?", "Find {a}^{n} mod {m}."))
    return Problem(ask.format(a=a, n=n, m=m), str(value), tuple(lines))


def inverse(rng: random.Random, difficulty: float) -> Problem:
    """The inverse modulo m."""
    while True:
        m = rng.randint(11, 40 + int(160 * difficulty))
        a = rng.randint(3, m - 2)
        if math.gcd(a, m) == 1:
            break
    value = pow(a, -1, m)
    lines, _ = euclid(m, a)
    ask = rng.choice(
        ("Find the x from 1 to {top} with {a}x = 1 mod {m}.", "What is the inverse of {a} modulo {m}, from 1 to {top}?")
    )
    check = f"{a} * {value} = {a * value} = {a * value // m} * {m} + 1"
    return Problem(ask.format(a=a, m=m, top=m - 1), str(value), (*lines, check))


def chinese_remainders(rng: random.Random, difficulty: float) -> Problem:
    """The least number with given remainders for two or three coprime moduli."""
    while True:
        moduli = rng.sample((3, 4, 5, 7, 8, 9, 11, 13, 17), 3 if difficulty > 0.85 else 2)
        if math.gcd(moduli[0], moduli[1]) == 1 and math.lcm(*moduli) == math.prod(moduli):
            break
    value = rng.randint(max(moduli) + 1, math.prod(moduli) - 1)
    known, step, lines = value % moduli[0], moduli[0], [f"{value % moduli[0]} + k * {moduli[0]}"]
    for m in moduli[1:]:
        while known % m != value % m:
            known += step
        step *= m
        lines.append(f"{known} leaves {value % m} when divided by {m}: {known} + k * {step}")
    rules = ", ".join(f"{value % m} when divided by {m}" for m in moduli[:-1])
    last = f"{value % moduli[-1]} when divided by {moduli[-1]}"
    question = f"What is the least whole number above 0 that leaves {rules} and {last}?"
    return Problem(question, str(known), tuple(lines))


def totient(rng: random.Random, difficulty: float) -> Problem:
    """Euler's function."""
    n = rng.randint(30, 150 + int(850 * difficulty))
    parts = [(p**k, p ** (k - 1)) for p, k in Counter(factors(n)).items()]
    value = math.prod(a - b for a, b in parts)
    lines = [f"{a} - {b} = {a - b}" for a, b in parts]
    shown = " * ".join(str(a - b) for a, b in parts)
    ask = rng.choice(("How many numbers from 1 to {n} have no common factor with {n} but 1?", "Find Euler's phi({n})."))
    return Problem(ask.format(n=n), str(value), (f"{n} = {_powers(n)}", *lines, f"{shown} = {value}"))


def trailing_zeros(rng: random.Random, difficulty: float) -> Problem:
    """Zeros at the end of n!."""
    n = rng.randint(20, 120 + int(2000 * difficulty))
    parts, power = [], 5
    while power <= n:
        parts.append((power, n // power))
        power *= 5
    value = sum(q for _, q in parts)
    lines = [f"{n} / {p} has the whole part {q}" for p, q in parts]
    ask = rng.choice(("With how many zeros does {n}! end?", "How many trailing zeros has {n}! (n factorial)?"))
    return Problem(ask.format(n=n), str(value), (*lines, f"{' + '.join(str(q) for _, q in parts)} = {value}"))


def last_digits(rng: random.Random, difficulty: float) -> Problem:
    """The last digit of a large power, by its period."""
    a, n = rng.choice((2, 3, 7, 8, 12, 13, 17, 18, 22, 23, 27, 28)), rng.randint(30, 3000)
    period = [pow(a, k, 10) for k in (1, 2, 3, 4)]
    value = pow(a, n, 10)
    ask = rng.choice(("What is the last digit of {a}^{n}?", "Find the units digit of {a}^{n}."))
    lines = [f"{d} * {a % 10} = {d * (a % 10)}, which ends in {e}" for d, e in pairwise(period)]
    work = (*lines, f"so they repeat: {', '.join(map(str, period))}", f"{n} = {n // 4} * 4 + {n % 4}")
    return Problem(ask.format(a=a, n=n), str(value), work)


def count_solutions(rng: random.Random, difficulty: float) -> Problem:
    """How many ways to pay an amount with two coins."""
    while True:
        a, b = rng.sample(range(3, 14), 2)
        n = rng.randint(60, 150 + int(300 * difficulty))
        pairs = [(x, (n - a * x) // b) for x in range(n // a + 1) if (n - a * x) % b == 0]
        if pairs:
            break
    ask = rng.choice(
        (
            "In how many ways is {n} = {a}x + {b}y with whole numbers x, y of at least 0?",
            "How many pairs (x, y) of whole numbers, 0 or more, satisfy {a}x + {b}y = {n}?",
        )
    )
    shown = ", ".join(f"({x}, {y})" for x, y in pairs)
    return Problem(ask.format(n=n, a=a, b=b), str(len(pairs)), (f"the pairs: {shown}",))


def multiples(rng: random.Random, difficulty: float) -> Problem:
    """How many numbers up to n are multiples of a or b."""
    n, (a, b) = rng.randint(100, 500 + int(1500 * difficulty)), rng.sample(range(3, 16), 2)
    both = math.lcm(a, b)
    value = n // a + n // b - n // both
    ask = rng.choice(
        (
            "How many numbers from 1 to {n} are divisible by {a} or by {b}?",
            "Count the multiples of {a} or {b} up to {n}.",
        )
    )
    work = (
        f"{n // a} multiples of {a}, {n // b} of {b}, {n // both} of both ({both})",
        f"{n // a} + {n // b} - {n // both} = {value}",
    )
    return Problem(ask.format(n=n, a=a, b=b), str(value), work)


class NumberTheory(ProblemEnv):
    """Divisors, primes, remainders and digits.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (remainders of small numbers) to 1, None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/NumberTheory-v0"
    commonest = ("2", "1", "12")
    makers = (
        (0.0, remainder),
        (0.0, common_divisor),
        (0.1, digit_sum),
        (0.2, common_multiple),
        (0.3, largest_prime),
        (0.35, from_base),
        (0.4, multiples),
        (0.45, to_base),
        (0.5, count_divisors),
        (0.55, trailing_zeros),
        (0.6, last_digits),
        (0.65, sum_divisors),
        (0.7, totient),
        (0.8, count_solutions),
        (0.85, inverse),
        (0.9, modular_power),
        (0.95, chinese_remainders),
    )
