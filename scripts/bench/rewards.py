"""Judging of mathematical answers against Math-Verify: verifications per second, in turn, in one run.

python scripts/bench/rewards.py --json rewards.json
"""

import random
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib.metadata import version

from rewards.equivalence import equivalent
from scripts.bench.ratios import compare, parser, rate, write

Pair = tuple[str, str]


def plain_pairs(count: int) -> list[Pair]:
    """Answers that are numbers, half of them wrong, in the spellings that people use."""
    rng = random.Random(0)
    pairs = []
    for _ in range(count):
        gold = Fraction(rng.randint(-9999, 9999), rng.choice((1, 1, 1, 2, 4, 5, 8)))
        given = gold + rng.choice((0, 1))
        shown = f"{given.numerator}/{given.denominator}" if given.denominator > 1 else f"{given.numerator:,}"
        pairs.append((shown, str(gold)))
    return pairs


SYMBOLIC: Sequence[Pair] = (
    (r"\sqrt{12}", r"2\sqrt{3}"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    ("(x+1)^2", "x^2+2x+1"),
    (r"x^2+\frac{1}{x}", r"\frac{x^3+1}{x}"),
    (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}"),
    ("(x+1)(x-1)", "x^2+1"),
    (r"3\pi + 1", r"1 + \pi \cdot 3"),
    (r"\ln 6", r"\ln 2 + \ln 3"),
    (r"2 \sin x \cos x", r"\sin 2x"),
    (r"\tan^2(y)+1", r"\sec^2(y)"),
    ("(1, 4.5)", r"(1, \frac{9}{2})"),
    ("2x+3y", "3x+2y"),
)


def ours(pairs: Sequence[Pair]) -> Callable[[], float]:
    """Verifications per second of `equivalent`, parsing of both sides included."""
    return lambda: rate(lambda: [equivalent(given, gold) for given, gold in pairs], len(pairs))


def math_verifys(pairs: Sequence[Pair]) -> Callable[[], float]:
    """The same of Math-Verify, without its signal-based time-outs, which cost extra."""
    from math_verify import parse, verify

    def judge() -> None:
        for given, gold in pairs:
            right = parse(f"${gold}$", parsing_timeout=None)
            verify(right, parse(f"${given}$", parsing_timeout=None), timeout_seconds=None)

    return lambda: rate(judge, len(pairs))


def main() -> int:
    """Measures and prints; without Math-Verify it says how to get it."""
    options = parser("verifications per second against Math-Verify").parse_args()
    try:
        peer = f"Math-Verify {version('math-verify')}"
    except ModuleNotFoundError:
        print("this compares with Math-Verify: pip install math-verify 'latex2sympy2_extended[antlr4_13_2]'")
        return 2
    plain, few = plain_pairs(20_000), plain_pairs(200)
    found = [
        compare("plain answers", ours(plain), math_verifys(few), peer, "verifications/s", options.repeats),
        compare(
            "symbolic answers", ours(SYMBOLIC * 5), math_verifys(SYMBOLIC), peer, "verifications/s", options.repeats
        ),
    ]
    write(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
