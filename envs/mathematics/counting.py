"""`postgym/Counting-v0`: combinatorics and probability, answered by exact numbers and fractions.

Simple products and single draws at difficulty 0; at 1 inclusion and exclusion, derangements, blocked grid paths,
conditional probability and expected values.
"""

import math
import random
from collections import Counter
from fractions import Fraction

from envs.mathematics.problems import Problem, ProblemEnv

_WORDS = ("LEVEL", "BANANA", "COFFEE", "TOFFEE", "PEPPER", "LETTER", "BALLOON", "CHEESE", "GOGGLES", "SUCCESS")
_WORDS += ("TATTOO", "KOKOMO", "PAPAYA", "INDIGO", "MINIMUM", "RADAR", "COCONUT", "KAYAK", "NOON", "ASSESS", "POSSESS")
_COLOURS = ("red", "blue", "green", "yellow", "black", "white")
_CLOTHES = ("shirts", "hats", "scarves", "pairs of shoes", "coats", "belts")
_DISHES = ("soups", "salads", "main dishes", "desserts", "drinks", "cheeses")


def menu(rng: random.Random, difficulty: float) -> Problem:
    """The product rule."""
    things = rng.sample(_CLOTHES if rng.random() < 0.5 else _DISHES, rng.randint(2, 3 + (difficulty > 0.3)))
    counts = [rng.randint(2, 9) for _ in things]
    value = math.prod(counts)
    listed = ", ".join(f"{n} {t}" for n, t in zip(counts, things, strict=True))
    ask = rng.choice(
        (
            "There are {l}. In how many ways can one of each be chosen?",
            "From {l}, one of each kind is taken. How many choices are there?",
            "How many combinations take one of each from {l}?",
        )
    )
    return Problem(ask.format(l=listed), str(value), (f"{' * '.join(map(str, counts))} = {value}",))


def single_draw(rng: random.Random, difficulty: float) -> Problem:
    """The probability of one draw."""
    colours = rng.sample(_COLOURS, rng.randint(2, 4))
    counts = [rng.randint(2, 12) for _ in colours]
    total = sum(counts)
    value = Fraction(counts[0], total)
    listed = ", ".join(f"{n} {c}" for n, c in zip(counts, colours, strict=True))
    question = f"A bag holds {listed} balls. One is drawn. What is the probability that it is {colours[0]}?"
    work = [f"{' + '.join(map(str, counts))} = {total}", f"{counts[0]}/{total} = {value}"]
    return Problem(question, str(value), tuple(work))


def arrangements(rng: random.Random, difficulty: float) -> Problem:
    """Ordered choices without repeats."""
    n, k = rng.randint(4, 40), rng.randint(2, 3 + (difficulty > 0.3))
    value = math.perm(n, k)
    ask = rng.choice(
        (
            "In how many ways can {k} of {n} runners take the first {k} places?",
            "{n} books; {k} of them are put on a shelf in order. In how many ways?",
            "How many codes of {k} different signs can be made from {n} signs?",
            "A club of {n} members gives {k} different offices to {k} members. In how many ways?",
        )
    )
    return Problem(ask.format(n=n, k=k), str(value), (f"{' * '.join(str(n - i) for i in range(k))} = {value}",))


def choices(rng: random.Random, difficulty: float) -> Problem:
    """Unordered choices."""
    n, k = rng.randint(5, 20), rng.randint(2, 3 + int(3 * difficulty))
    value = math.comb(n, k)
    ask = rng.choice(
        (
            "In how many ways can a team of {k} be chosen from {n} people?",
            "How many hands of {k} cards can be dealt from {n} different cards?",
            "{n} points lie on a circle. How many sets of {k} of them are there?",
            "How many ways are there to pick {k} of {n} books to take along?",
            "A jury of {k} is drawn from {n} citizens. How many juries are possible?",
        )
    )
    top, bottom = math.perm(n, k), math.factorial(k)
    work = (
        f"{' * '.join(str(n - i) for i in range(k))} = {top}",
        f"{' * '.join(map(str, range(1, k + 1)))} = {bottom}",
        f"{top} / {bottom} = {value}",
    )
    return Problem(ask.format(n=n, k=k), str(value), work)


def two_dice(rng: random.Random, difficulty: float) -> Problem:
    """The probability of a sum of two dice."""
    a, b = rng.randint(4, 10), rng.randint(4, 12)
    wanted = rng.randint(3, a + b - 1)
    pairs = [(i, wanted - i) for i in range(1, a + 1) if 1 <= wanted - i <= b]
    value = Fraction(len(pairs), a * b)
    question = rng.choice(
        (
            f"A die of {a} sides and one of {b} sides are rolled. What is the probability of a sum of {wanted}?",
            f"Two dice have {a} and {b} sides, numbered from 1. How likely is a sum of {wanted}? Give the probability.",
        )
    )
    work = (f"the pairs: {', '.join(map(str, pairs))}", f"{a} * {b} = {a * b}", f"{len(pairs)}/{a * b} = {value}")
    return Problem(question, str(value), work)


def word(rng: random.Random, difficulty: float) -> Problem:
    """Arrangements of letters with repeats."""
    letters = rng.choice(_WORDS) + "".join(rng.sample("XYZQVW", rng.randint(0, 2)))
    repeats = sorted(c for c in Counter(letters).values() if c > 1)
    value = math.factorial(len(letters)) // math.prod(map(math.factorial, repeats))
    ask = rng.choice(
        ("In how many ways can the letters of {w} be arranged?", "How many different orders have the letters {w}?")
    )
    below = " * ".join(f"{r}!" for r in repeats) or "1"
    return Problem(ask.format(w=letters), str(value), (f"{len(letters)}! / ({below}) = {value}",))


def two_draws(rng: random.Random, difficulty: float) -> Problem:
    """Two draws without putting back."""
    first, second = rng.sample(_COLOURS, 2)
    a, b = rng.randint(3, 12), rng.randint(3, 12)
    total, same = a + b, rng.random() < 0.5
    if same:
        value = Fraction(a * (a - 1), total * (total - 1))
        asked, step = f"both are {first}", f"{a}/{total} * {a - 1}/{total - 1} = {value}"
    else:
        value = Fraction(2 * a * b, total * (total - 1))
        asked, step = "they differ in colour", f"2 * {a}/{total} * {b}/{total - 1} = {value}"
    question = (
        f"A box holds {a} {first} and {b} {second} marbles. Two are drawn without putting back. "
        f"What is the probability that {asked}?"
    )
    return Problem(question, str(value), (f"{a} + {b} = {total}", step))


def coins(rng: random.Random, difficulty: float) -> Problem:
    """The binomial distribution, with a coin that may be biased."""
    n = rng.randint(3, 6)
    k = rng.randint(1, n - 1)
    p = Fraction(1, rng.choice((2, 3, 4, 5)))
    value = math.comb(n, k) * p**k * (1 - p) ** (n - k)
    question = f"A coin shows heads with probability {p}. It is tossed {n} times. How likely are exactly {k} heads?"
    work = (f"C({n}, {k}) = {math.comb(n, k)}", f"{math.comb(n, k)} * ({p})^{k} * ({1 - p})^{n - k} = {value}")
    return Problem(question + " Give the probability.", str(value), work)


def at_least_one(rng: random.Random, difficulty: float) -> Problem:
    """The complement rule."""
    sides, n = rng.randint(4, 20), rng.randint(2, 5)
    value = 1 - Fraction(sides - 1, sides) ** n
    face = rng.randint(1, sides)
    question = (
        f"A die with {sides} sides is rolled {n} times. What is the probability that a {face} comes up at least once?"
    )
    missed = 1 - value
    return Problem(question, str(value), (f"({sides - 1}/{sides})^{n} = {missed}", f"1 - {missed} = {value}"))


def committee(rng: random.Random, difficulty: float) -> Problem:
    """A choice with a least number of one kind."""
    women, men = rng.randint(4, 11), rng.randint(4, 11)
    size = rng.randint(3, 5)
    least = rng.randint(1, size - 1)
    terms = [
        (w, math.comb(women, w) * math.comb(men, size - w))
        for w in range(least, min(size, women) + 1)
        if size - w <= men
    ]
    value = sum(t for _, t in terms)
    question = (
        f"A committee of {size} is chosen from {women} women and {men} men. "
        f"In how many ways can it hold at least {least} {'woman' if least == 1 else 'women'}?"
    )
    lines = [f"{w} women: C({women}, {w}) * C({men}, {size - w}) = {t}" for w, t in terms]
    return Problem(question, str(value), (*lines, f"{' + '.join(str(t) for _, t in terms)} = {value}"))


def paths(rng: random.Random, difficulty: float) -> Problem:
    """Grid paths, through a point or around it."""
    w, h = rng.randint(3, 7), rng.randint(3, 7)
    x, y = rng.randint(1, w - 1), rng.randint(1, h - 1)
    total = math.comb(w + h, w)
    through = math.comb(x + y, x) * math.comb(w - x + h - y, w - x)
    around = rng.random() < 0.6
    value = total - through if around else through
    question = (
        f"A path goes from (0, 0) to ({w}, {h}) in steps of 1 to the right or up. "
        f"How many such paths {'avoid' if around else 'go through'} the point ({x}, {y})?"
    )
    work = [f"through it: C({x + y}, {x}) * C({w - x + h - y}, {w - x}) = {through}"]
    work += [f"all: C({w + h}, {w}) = {total}", f"{total} - {through} = {value}"] if around else []
    return Problem(question, str(value), tuple(work))


def stars_and_bars(rng: random.Random, difficulty: float) -> Problem:
    """Ways to share equal things, everybody getting a least number."""
    people, least = rng.randint(3, 5), rng.randint(0, 2)
    things = people * least + rng.randint(4, 12)
    free = things - people * least
    value = math.comb(free + people - 1, people - 1)
    what = rng.choice(("coins", "sweets", "apples", "stickers", "tickets"))
    rule = f", each getting at least {least}" if least else ", some perhaps getting none"
    question = f"In how many ways can {things} equal {what} be shared among {people} children{rule}?"
    given = [f"{things} - {people} * {least} = {free}"] if least else []
    return Problem(question, str(value), (*given, f"C({free} + {people} - 1, {people} - 1) = {value}"))


def derangement(rng: random.Random, difficulty: float) -> Problem:
    """Permutations in which exactly k things stay."""
    n = rng.randint(4, 12)
    k = rng.randint(0, n - 3)
    none = [1, 0]
    for i in range(2, n - k + 1):
        none.append((i - 1) * (none[-1] + none[-2]))
    value = math.comb(n, k) * none[n - k]
    what, place = rng.choice(
        (("letters", "envelopes"), ("hats", "owners"), ("keys", "locks"), ("guests", "seats"), ("coats", "hooks"))
    )
    question = (
        f"{n} {what} belong to {n} {place}, one to each. In how many ways can they be handed out, one to each, "
        f"so that exactly {k} {'is' if k == 1 else 'are'} right?"
    )
    lines = [f"D({i}) = {i - 1} * ({none[i - 1]} + {none[i - 2]}) = {none[i]}" for i in range(2, n - k + 1)]
    return Problem(question, str(value), (*lines, f"C({n}, {k}) * {none[n - k]} = {value}"))


def bayes(rng: random.Random, difficulty: float) -> Problem:
    """A cause by its effect."""
    p, hit, false = rng.randint(1, 25), rng.choice((80, 85, 90, 95, 96, 98, 99)), rng.choice((1, 2, 4, 5, 10))
    right, wrong = p * hit, (100 - p) * false
    value = Fraction(right, right + wrong)
    what = rng.choice(("parts are faulty", "mails are spam", "samples are infected", "alarms are real"))
    question = (
        f"{p}% of the {what}. A test reports {hit}% of these, and {false}% of the others by mistake. "
        "One is reported. What is the probability that the report is right, as a fraction?"
    )
    work = (
        f"of 10000: {p} * {hit} = {right} rightly, {100 - p} * {false} = {wrong} wrongly",
        f"{right}/{right + wrong} = {value}",
    )
    return Problem(question, str(value), work)


def inclusion_exclusion(rng: random.Random, difficulty: float) -> Problem:
    """Numbers up to n with none of three primes as a factor."""
    n, (a, b, c) = rng.randint(150, 1500), sorted(rng.sample((2, 3, 5, 7, 11, 13), 3))
    ones, twos, three = (n // a, n // b, n // c), (n // (a * b), n // (a * c), n // (b * c)), n // (a * b * c)
    value = n - sum(ones) + sum(twos) - three
    question = rng.choice(
        (
            f"How many whole numbers from 1 to {n} are divisible by none of {a}, {b} and {c}?",
            f"Count the whole numbers from 1 to {n} that neither {a} nor {b} nor {c} divides.",
        )
    )
    work = (
        f"one: {' + '.join(map(str, ones))} = {sum(ones)}",
        f"two: {' + '.join(map(str, twos))} = {sum(twos)}",
        f"all three: {three}",
        f"{n} - {sum(ones)} + {sum(twos)} - {three} = {value}",
    )
    return Problem(question, str(value), work)


def expected_value(rng: random.Random, difficulty: float) -> Problem:
    """The expected gain of a game with a few prizes."""
    total = rng.choice((8, 10, 12, 15, 20, 24, 30))
    counts = [rng.randint(1, total // 5 + 1) for _ in range(3)]
    prizes = sorted(rng.sample(range(2, 60), 3))
    price = rng.randint(1, 5)
    won = sum(c * p for c, p in zip(counts, prizes, strict=True))
    value = Fraction(won, total) - price
    listed = ", ".join(f"{c} of which {'wins' if c == 1 else 'win'} {p}" for c, p in zip(counts, prizes, strict=True))
    question = (
        f"A wheel has {total} equal fields, {listed}; the others win nothing. A turn costs {price}. "
        "What is the expected gain of a turn (negative for a loss)?"
    )
    sums = " + ".join(f"{c} * {p}" for c, p in zip(counts, prizes, strict=True))
    return Problem(question, str(value), (f"{sums} = {won}", f"{won}/{total} - {price} = {value}"))


class Counting(ProblemEnv):
    """Combinatorics and probability.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (products and single draws) to 1, None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    id = "postgym/Counting-v0"
    commonest = ("1/2", "1/6", "24", "120")
    window = 5
    makers = (
        (0.0, menu),
        (0.0, single_draw),
        (0.0, arrangements),
        (0.15, choices),
        (0.2, two_dice),
        (0.4, word),
        (0.45, two_draws),
        (0.5, at_least_one),
        (0.6, coins),
        (0.65, stars_and_bars),
        (0.7, paths),
        (0.75, committee),
        (0.8, bayes),
        (0.85, expected_value),
        (0.9, derangement),
        (0.95, inclusion_exclusion),
    )
