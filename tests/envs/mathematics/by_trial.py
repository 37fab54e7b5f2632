"""Answers of NumberTheory and Counting found by trying all cases."""

import itertools
import math
import re
from fractions import Fraction

from tests.envs.mathematics.reading import found, ints

# Number theory, by trying all.


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def in_base(question: str) -> int:
    n, base = ints(question.replace("base ten", ""))
    return int("".join(str(n // base**k % base) for k in range(12, -1, -1)))


def least_with(question: str) -> int:
    rules = [(int(r), int(m)) for r, m in re.findall(r"(\d+) when divided by (\d+)", question)]
    return next(n for n in itertools.count(1) if all(n % m == r for r, m in rules))


# Counting, by trying all.


def probability(outcomes, holds) -> Fraction:
    outcomes = list(outcomes)
    return Fraction(sum(map(bool, map(holds, outcomes))), len(outcomes))


def dice(question: str) -> Fraction:
    numbers = [n for n in ints(question) if not ("from 1." in question and n == 1)]
    a, b, wanted = numbers
    return probability(itertools.product(range(1, a + 1), range(1, b + 1)), lambda p: sum(p) == wanted)


def drawn(question: str) -> Fraction:
    a, first, b, second = found(r"holds (\d+) (\w+) and (\d+) (\w+) marbles", question)
    pairs = itertools.permutations([first] * int(a) + [second] * int(b), 2)
    if "differ" in question:
        return probability(pairs, lambda p: p[0] != p[1])
    return probability(pairs, lambda p: p == (first, first))


def tosses(question: str) -> Fraction:
    p, n, k = found(r"probability (1/\d) *\. .* (\d) times\. .*exactly (\d) heads", question.replace(". It", " . It"))
    p = Fraction(p)
    return sum(
        p**k_ * (1 - p) ** (int(n) - k_)
        for seq in itertools.product((0, 1), repeat=int(n))
        if (k_ := sum(seq)) == int(k)
    )


def shared(question: str) -> int:
    things, people, *least = ints(question)
    low = least[0] if least else 0
    return sum(sum(parts) == things for parts in itertools.product(range(low, things + 1), repeat=people))


def grid_paths(question: str) -> int:
    *_, w, h, _, x, y = [n for n in ints(question)]
    ways: dict[tuple[int, int], tuple[int, int]] = {}
    for i, j in itertools.product(range(w + 1), range(h + 1)):
        past = [ways[p] for p in ((i - 1, j), (i, j - 1)) if p in ways]
        missed, hit = (sum(p[0] for p in past), sum(p[1] for p in past)) if past else (1, 0)
        ways[i, j] = (0, missed + hit) if (i, j) == (x, y) else (missed, hit)
    return ways[w, h][0 if "avoid" in question else 1]


def committees(question: str) -> int:
    size, women, men, least = ints(question)
    people = "w" * women + "m" * men
    return sum(c.count("w") >= least for c in itertools.combinations(people, size))


def fixed_points(question: str) -> int:
    n, _, k = ints(question.replace("one to each", ""))
    by_count: list[dict[int, int]] = [{0: 1}]
    # Rencontres numbers by their recurrence from permutations of one less: insert the new element anywhere.
    for size in range(1, n + 1):
        row: dict[int, int] = {}
        for fixed, ways in by_count[-1].items():
            row[fixed + 1] = row.get(fixed + 1, 0) + ways  # it stays
            row[fixed - 1] = row.get(fixed - 1, 0) + ways * fixed  # it joins one that stayed
            row[fixed] = row.get(fixed, 0) + ways * (size - 1 - fixed)
        by_count.append(row)
    return by_count[n][k]


def screening(question: str) -> Fraction:
    p, hit, false = ints(question)[:3]
    cases = [(True, True, p * hit), (False, True, (100 - p) * false)]
    return Fraction(sum(w for ill, _, w in cases if ill), sum(w for *_, w in cases))


def expected_gain(question: str) -> Fraction:
    total, price = int(found(r"has (\d+) equal", question)[0]), int(found(r"costs (\d+)", question)[0])
    prizes = [(int(c), int(p)) for c, p in re.findall(r"(\d+) of which wins? (\d+)", question)]
    fields = [p for c, p in prizes for _ in range(c)]
    return sum(Fraction(p - price, total) for p in fields + [0] * (total - len(fields)))


def _coefficient_and_modulus(question: str) -> tuple[int, int]:
    numbers = ints(question)
    if "inverse" in question:
        return numbers[0], numbers[1]
    return numbers[2], numbers[-1]


def _pairs(question: str) -> int:
    if "In how many" in question:
        n, a, b = ints(question)[:3]
    else:
        a, b, n = ints(question)[-3:]
    return sum(a * x + b * y == n for x in range(n // a + 1) for y in range(n // b + 1))


def _multiples(question: str) -> int:
    numbers = ints(question)
    if numbers[0] == 1:
        _, n, a, b = numbers
    else:
        a, b, n = numbers
    return sum(k % a == 0 or k % b == 0 for k in range(1, n + 1))


def _free(question: str) -> int:
    _, n, *primes = ints(question)
    return sum(all(k % p for p in primes) for k in range(1, n + 1))


def _of_colour(question: str) -> int:
    (colour,) = found(r"it is (\w+)", question)
    return int(found(rf"(\d+) {colour}", question)[0])


def _orders(letters: str) -> int:
    """Distinct orders, by choosing places letter by letter."""
    total, left = 1, len(letters)
    for letter in set(letters):
        total *= math.comb(left, letters.count(letter))
        left -= letters.count(letter)
    return total


NUMBER_THEORY = {
    "remainder": lambda q: ints(q)[0] % ints(q)[1],
    "common_divisor": lambda q: max(set(divisors(ints(q)[0])) & set(divisors(ints(q)[1]))),
    "common_multiple": lambda q: next(n for n in itertools.count(1) if all(n % m == 0 for m in ints(q))),
    "digit_sum": lambda q: sum(int(c) for c in q if c.isdigit()),
    "largest_prime": lambda q: max(d for d in divisors(ints(q)[0]) if len(divisors(d)) == 2),
    "count_divisors": lambda q: len(divisors(ints(q)[0])),
    "sum_divisors": lambda q: sum(divisors(ints(q)[0])),
    "to_base": in_base,
    "from_base": lambda q: int(str(ints(q)[0]), ints(q)[1]),
    "modular_power": lambda q: math.prod([ints(q)[0]] * ints(q)[1]) % ints(q)[2],
    "inverse": lambda q: next(
        x
        for x in range(1, max(ints(q)) + 2)
        if x * _coefficient_and_modulus(q)[0] % _coefficient_and_modulus(q)[1] == 1
    ),
    "chinese_remainders": least_with,
    "totient": lambda q: sum(math.gcd(k, max(ints(q))) == 1 for k in range(1, max(ints(q)) + 1)),
    "trailing_zeros": lambda q: next(k for k in itertools.count() if math.factorial(ints(q)[0]) % 10 ** (k + 1)),
    "last_digits": lambda q: int(str(ints(q)[0] ** ints(q)[1])[-1]),
    "count_solutions": lambda q: _pairs(q),
    "multiples": lambda q: _multiples(q),
}

COUNTING = {
    "menu": lambda q: len(list(itertools.product(*map(range, ints(q))))),
    "single_draw": lambda q: Fraction(_of_colour(q), sum(ints(q))),
    "arrangements": lambda q: sum(1 for _ in itertools.permutations(range(max(ints(q))), min(ints(q)))),
    "choices": lambda q: sum(1 for _ in itertools.combinations(range(max(ints(q))), min(ints(q)))),
    "two_dice": dice,
    "word": lambda q: _orders(found(r"letters (?:of )?([A-Z]+)", q)[0]),
    "two_draws": drawn,
    "at_least_one": lambda q: probability(
        itertools.product(range(1, ints(q)[0] + 1), repeat=ints(q)[1]), lambda rolls: ints(q)[2] in rolls
    ),
    "coins": tosses,
    "stars_and_bars": shared,
    "paths": grid_paths,
    "committee": committees,
    "bayes": screening,
    "expected_value": expected_gain,
    "derangement": fixed_points,
    "inclusion_exclusion": lambda q: _free(q),
}
