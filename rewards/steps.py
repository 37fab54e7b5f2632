"""Written work as steps: the equations in a text, and which of them are sound.

`rewards.math` and `rewards.reasoning` judge derivations with it. Equations are found in prose, with units, money,
percents and LaTeX's signs; what can't be read as arithmetic (algebra, words) is a step that is not `read`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from fractions import Fraction

from rewards.arithmetic import Expression, ExpressionError, calculate

MAX_WORK_CHARS = 8_000
MAX_EQUATIONS = 64
MAX_READ = 10 * MAX_EQUATIONS  # far more than a judge accepts; what comes after isn't read

_WRITTEN = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<!\d)\.\d+", re.ASCII)
_SPELLED = (
    (re.compile(r" (?:times|multiplied by) (?=[\d.($])", re.IGNORECASE), "*"),
    (re.compile(r" divided by (?=[\d.($])", re.IGNORECASE), "/"),
    (re.compile(r" plus (?=[\d.($])", re.IGNORECASE), "+"),
    (re.compile(r" minus (?=[\d.($])", re.IGNORECASE), "-"),
    (re.compile(r" (?:equals|is equal to) (?=[\d.($])", re.IGNORECASE), "="),
    (re.compile(r"(?<=\d)\("), "*("),
)
CLAIMS = re.compile(r"=|≈|\\approx|equals|equal to", re.IGNORECASE)
_HUNDREDTHS = re.compile(r"%|\bper ?cent|\bcents?\b", re.IGNORECASE)
_EQUALS = re.compile(r"(?<![<>!=])==?(?![=>])|≈")
_LATEX = (
    (re.compile(r"\\[()\[\]]|\\(?:left|right|quad|,|;|!| )|\\?\$|\\(?=%)|[£€]"), " "),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-z])|[×·]"), "*"),
    (re.compile(r"\\div(?![a-z])|÷"), "/"),
    (re.compile(r"\\approx(?![a-z])"), "≈"),
    (re.compile(r"\\d?frac\s?\{([^{}]{1,40})\}\s?\{([^{}]{1,40})\}"), r"((\1)/(\2))"),
    (re.compile(r"\\(?:text|mathrm|boxed|mbox)\s?\{([^{}]{0,40})\}"), r" \1 "),
    (re.compile(r"[−–]"), "-"),
)
_TIMES = re.compile(r"(?<=[\w)%])(?: {1,3}[xX] {1,3}|(?<=\d)[xX])(?=[\d(.])")
_PERCENT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?%(?: of(?= ?[\d(]))?")
_A_PERCENTAGE = re.compile(r"\([\d.]+/100\)")
_UNIT = re.compile(r"(?<=[\d)]) ?(?:/ ?)?[A-Za-z]{2,20}(?:[ /][A-Za-z]{1,20}){0,5} ?(?=[-+*/=≈)])")
_OPEN_DECIMAL = re.compile(r"(?<![\d.])\.(?=\d)")
_ARITHMETIC = frozenset("0123456789.,()+-*/ \t")
_BREAK = re.compile(r",(?!\d{3}(?!\d))|\.(?= |$)|(?<=[\d)]) +(?=[\d(])")

_NUMBER_WORDS = {
    **{
        w: (n,)
        for n, w in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
    },
    **{w: (n,) for n, w in enumerate(("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"), 11)},
    **{w: (n,) for n, w in enumerate(("seventeen", "eighteen", "nineteen", "twenty"), 17)},
    **{w: (n,) for w, n in {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70}.items()},
    **{w: (n,) for w, n in {"eighty": 80, "ninety": 90, "hundred": 100}.items()},
    **{w: (2, Fraction(1, 2)) for w in ("half", "halves", "twice", "double", "doubled", "doubles", "both", "pair")},
    **{w: (2,) for w in ("couple", "pairs", "twin", "twins", "average")},
    **{w: (3, Fraction(1, 3)) for w in ("third", "thirds", "triple", "tripled", "thrice", "triplets")},
    **{w: (4, Fraction(1, 4)) for w in ("fourth", "quarter", "quarters", "fourths", "quadruple", "quadruples")},
    **{w: (5, Fraction(1, 5)) for w in ("fifth", "fifths")},
    **{w: (6, Fraction(1, 6)) for w in ("sixth", "sixths")},
    **{w: (8, Fraction(1, 8)) for w in ("eighth", "eighths")},
    **{w: (10, Fraction(1, 10)) for w in ("tenth", "tenths")},
    **{w: (12,) for w in ("dozen", "dozens", "foot", "feet", "inch", "inches")},
    **{w: (7,) for w in ("daily", "weekly", "weekend", "weekday", "weekdays")},
    **{w: (7, 4, 52) for w in ("week", "weeks")},
    **{w: (7, 24, 30, 365) for w in ("day", "days")},
    **{w: (24, 60, 2) for w in ("hour", "hours", "minute", "minutes", "second", "seconds", "hourly")},
    **{w: (12, 4, 30) for w in ("month", "months", "monthly")},
    **{w: (12, 52, 365, 10, 100) for w in ("year", "years", "yearly", "decade", "century")},
    **{w: (100,) for w in ("percent", "cent", "cents", "dollar", "dollars", "meter", "meters", "centimeters")},
    **{w: (1000,) for w in ("thousand", "km", "kilometers", "kilometer", "kg", "kilograms", "ml", "liter", "liters")},
    **{w: (16,) for w in ("pound", "pounds", "ounce", "ounces")},
    **{w: (3,) for w in ("yard", "yards")},
    "million": (10**6,),
    **{w: (Fraction(1, n), n) for w, n in {"dime": 10, "dimes": 10, "nickel": 20, "nickels": 20}.items()},
    **{w: (Fraction(1, n), n) for w, n in {"penny": 100, "pennies": 100}.items()},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One written equation: the numbers it calculates with, what it claims, and whether that is so.

    `read` is false for what is no calculation that ends in a number: algebra, definitions, 17 = 17.
    """

    text: str
    numbers: tuple[Fraction, ...]
    result: Fraction
    true: bool
    read: bool = True


@dataclass(frozen=True, slots=True)
class _Member:
    """What stands on one side of an equals sign."""

    expression: Expression
    text: str


def read_steps(text: str) -> list[Step]:
    """Every equation in `text`, in order; a chain such as 3 * 4 + 5 = 12 + 5 = 17 is one.

    "=" is exact; "≈" may round to the places it writes. A line with "=" and nothing that can be read is one step.
    """
    found = (step for line in text.splitlines() if CLAIMS.search(line) for step in _in_line(line))
    return list(itertools.islice(found, MAX_READ))


def sound_steps(steps: list[Step], known: Set[Fraction], goal: Fraction | None) -> list[bool]:
    """Which steps count: true, new, from known numbers, and needed later or for the goal.

    A step that calculates with the same numbers to the same result as one before is not new, nor is one that goes
    nowhere, such as 17 * 1 = 17 or 17 + 5 - 5 = 17.
    """
    known, derived, seen, sound = set(known), set(), set(), []
    for index, step in enumerate(steps):
        needed = step.result == goal or any(step.result in later.numbers for later in steps[index + 1 :])
        same = (tuple(sorted(step.numbers)), step.result)
        new = same not in seen and not _goes_nowhere(step, derived)
        ok = step.true and needed and new and all(n in known for n in step.numbers)
        seen.add(same)
        if ok:
            known.add(step.result)
            derived.add(step.result)
        sound.append(ok)
    return sound


def _goes_nowhere(step: Step, derived: Set[Fraction]) -> bool:
    """Whether the others of the step's numbers cancel out.

    One apple for each of 5 children, and 5% of 100 apples, may be reckoned once.
    """
    if step.result not in step.numbers:
        return False
    others = Counter(step.numbers)
    others[step.result] -= 1
    if +others in ({1: 1}, {100: 2}):
        return step.result in derived
    return all(n in (0, 1) or times % 2 == 0 for n, times in others.items())


def numbers_in(text: str, implied: bool = False) -> set[Fraction]:
    """The numbers written in `text`.

    Args:
        text: a question, say.
        implied: also those that words stand for: "three", "half", "a dozen", the 7 days of "a week", the 100 of "%".
    """
    text = text[:MAX_WORK_CHARS]
    found = {Fraction(w.replace(",", "")) for w in _WRITTEN.findall(text)}
    if implied:
        for word in re.findall(r"[a-z]+", text.lower()):
            found |= {Fraction(n) for n in _NUMBER_WORDS.get(word, ())}
        if _HUNDREDTHS.search(text):
            found |= {x for n in found for x in (n / 100, 1 - n / 100, 1 + n / 100, 100 - n, 100 + n)}
        if _HUNDREDTHS.search(text) or "$" in text:
            found.add(Fraction(100))
    return found


def _in_line(line: str) -> Iterator[Step]:
    text = line
    for pattern, plain in (*_LATEX, *_SPELLED):
        text = pattern.sub(plain, text)
    text = _OPEN_DECIMAL.sub("0.", _TIMES.sub("*", text))
    text = _PERCENT.sub(lambda m: f"({m.group(1)}/100)" + "*" * m.group().endswith("of"), " ".join(text.split()))
    text = _UNIT.sub(" ", text)
    steps, start = [], 0
    chain: list[_Member | None] = []
    signs: list[str] = []
    for sign in [*_EQUALS.finditer(text), None]:
        member = text[start : sign.start() if sign else len(text)]
        closing, opening = _first(member) if chain else None, _last(member) if sign else None
        whole = closing is not None and closing == opening
        chain.append(_read(closing) if chain else _name_or(_read(opening), member))
        if sign is None or (len(chain) > 1 and not whole):
            if len(chain) > 1 and (step := _step(line, chain, signs)) is not None:
                steps.append(step)
            chain, signs = [_name_or(_read(opening), member)], []
        if sign is not None:
            signs.append(sign.group())
            start = sign.end()
    if not steps and "=" not in line:
        return
    yield from steps or [Step(line.strip(), (), Fraction(0), False, False)]


def _name_or(opening: _Member | None, member: str) -> _Member | None:
    """None for a name that holds a number, such as "Remaining 10" in Remaining 10 = 62300 / 10 = 6230."""
    named = opening is not None and not opening.expression.operations and any(c.isalpha() for c in member)
    return None if named else opening


def _step(line: str, chain: list[_Member | None], signs: list[str]) -> Step | None:
    """A step of the members of one chain; None where a name or a unit stands, so that it claims nothing here."""
    first_read = next((i for i, member in enumerate(chain) if member is not None), len(chain))
    chain, signs = chain[first_read:], signs[first_read:]
    if len(chain) < 2 or None in chain:
        return None
    members = [m for m in chain if m is not None]
    first = next((m.expression for m in members if m.expression.operations), None)
    result = members[-1].expression
    is_number = result.operations == 0 or (result.operations == 1 and "/" in members[-1].text)
    if first is None or not is_number:
        return None
    pairs = list(zip(members, members[1:], signs, strict=False))
    true = all(_holds(a.expression.value, sign, b.expression.value) for a, b, sign in pairs)
    if not _A_PERCENTAGE.fullmatch(members[-1].text):
        return Step(line.strip(), first.numbers, result.value, true)
    share = result.numbers[0]  # people write both 1/5 = 20% and 1/5 * 100 = 20%
    before, _, sign = pairs[-1]
    true = all(_holds(a.expression.value, sign, b.expression.value) for a, b, sign in pairs[:-1]) and (
        _holds(before.expression.value, sign, share) or _holds(before.expression.value * 100, sign, share)
    )
    return Step(line.strip(), first.numbers, share, true)


def _holds(value: Fraction, sign: str, written: Fraction) -> bool:
    """Equal, or for "≈" rounded to the places that `written` has."""
    if sign != "≈":
        return value == written
    places = next((p for p in range(10) if (written * 10**p).denominator == 1), 0)
    return abs(value - written) * 2 * 10**places <= 1


def _last(member: str) -> str | None:
    """The arithmetic that a member ends with, None where something unreadable belongs to it."""
    cut = len(member)
    while cut and member[cut - 1] in _ARITHMETIC:
        cut -= 1
    run, before = member[cut:], member[cut - 1 : cut]
    attached = before.isalnum() and re.match(r"[\d+\-*/(]|\.\d", run)
    if attached or before in tuple("^!√_{}\\|'"):
        return None
    piece = [p for p in _BREAK.split(run) if p.strip()][-1:]
    text = piece[0].strip() if piece else ""
    variable = text[:1] in ("+", "*", "/") or (text[:1] == "-" and text[1:2] == " " and before.isalnum())
    return None if variable or not any(c.isdigit() for c in text) else text


def _first(member: str) -> str | None:
    """The arithmetic that a member starts with."""
    cut = 0
    while cut < len(member) and member[cut] in _ARITHMETIC:
        cut += 1
    run, after = member[:cut], member[cut:]
    if after[:1] in tuple("^!_{}\\|") or (run[-1:].isdigit() and re.match(r"[A-Za-z](?![A-Za-z])\s?[-+*/^(\d]", after)):
        return None
    piece = [p for p in _BREAK.split(run) if p.strip()][:1]
    text = piece[0].strip().rstrip("+-*/(., ") if piece else ""
    return text if any(c.isdigit() for c in text) else None


def _read(text: str | None) -> _Member | None:
    if text is None:
        return None
    if text.count(")") > text.count("("):
        text = text.rstrip(") ") + ")" * text.count("(")
    try:
        return _Member(calculate(text), text)
    except ExpressionError:
        return None
