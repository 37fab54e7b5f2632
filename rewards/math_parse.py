"""Reads mathematics as people write it, plain or LaTeX, into plain tuples: strictly, and never by evaluating it.

A node is a tuple whose first item is its type: ("num", Fraction), ("sym", "x"), ("const", "pi"), ("+", a, b, ...),
("*", a, b, ...), ("/", a, b), ("^", a, b), ("root", a, n), ("neg", a), ("pm", a, b), ("percent", a),
("fn", "sin", a, ...), ("rel", ("<", "<="), (a, b, c)), ("set" | "tuple" | "list" | "bare" | "union", items),
("interval", low, high, closed_low, closed_high), ("matrix", rows).
"""

import re
from fractions import Fraction
from typing import Any

from rewards.math_tokens import FUNCTIONS, MAX_DIGITS, TRIG, MathError, tokens_of

Node = tuple[Any, ...]

MAX_DEPTH = 30

_REPEATING = re.compile(r"(-?)(\d+)\.(\d*)\\overline\s*\{(\d+)\}", re.ASCII)
_PLAIN_MIXED = re.compile(r"(-?)(\d+)\s+(\d+)\s*/\s*(\d+)", re.ASCII)

_CONSTANTS = {"pi": "pi", "e": "e", "i": "i", "oo": "oo", "infty": "oo", "inf": "oo", "infinity": "oo"}
_GREEK = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau
    upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell""".split()  # noqa: SIM905
)
_RELATIONS = {
    **{"=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", r"\lt": "<", r"\gt": ">"},
    **{r"\le": "<=", r"\leq": "<=", r"\leqslant": "<=", r"\ge": ">=", r"\geq": ">=", r"\geqslant": ">="},
    **{r"\ne": "!=", r"\neq": "!=", r"\in": "in"},
}
_TIMES, _OVER = ("*", r"\times", r"\cdot", r"\ast"), ("/", r"\div")
_FRACS = (r"\frac", r"\dfrac", r"\tfrac", r"\cfrac")
_FENCES = {
    **{"|": ("|", "abs"), r"\lvert": (r"\rvert", "abs"), r"\vert": (r"\vert", "abs")},
    **{r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceil")},
}


def parse(text: str, thousands: bool = True) -> Node:
    """Reads cleaned text.

    Args:
        text: what `clean` returned.
        thousands: whether 1,234 is one number; in a list of numbers it is two.

    Raises:
        MathError: it can't be read, or is over a limit.
    """
    if match := _REPEATING.fullmatch(text):
        return ("num", _repeating(*match.groups()))
    if (match := _PLAIN_MIXED.fullmatch(text)) and max(map(len, match.groups())) <= MAX_DIGITS:
        sign, whole, top, bottom = match.groups()
        return _mixed(int(whole), Fraction(int(top), int(bottom) or 1), sign == "-", int(bottom))
    return _Parser(tokens_of(text, thousands)).everything()


def _repeating(sign: str, whole: str, start: str, period: str) -> Fraction:
    if len(whole + start + period) > MAX_DIGITS:
        raise MathError("a number of too many digits", too_large=True)
    value = Fraction(int(whole + start + period) - int(whole + start), (10 ** len(period) - 1) * 10 ** len(start))
    return -value if sign else value


def _mixed(whole: int, part: Fraction, negative: bool, bottom: int) -> Node:
    if bottom == 0 or not 0 < part < 1:
        raise MathError("two numbers side by side")
    return ("num", -(whole + part) if negative else whole + part)


class _Parser:
    """list: relation (, relation)*; relation: sum (op sum)*; sum: product (+|- product)*; product: power+."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.next = 0
        self.depth = 0
        self.fences = 0

    def peek(self) -> str:
        return self.tokens[self.next][1] if self.next < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.next][0] if self.next < len(self.tokens) else "end"

    def take(self) -> str:
        value = self.peek()
        self.next += 1
        return value

    def expect(self, value: str) -> None:
        if self.kind() == "words" or self.peek() != value:
            raise MathError(f"expected {value!r}, found {self.peek()[:20] or 'the end'!r}")
        self.next += 1

    def everything(self) -> Node:
        if not self.tokens:
            raise MathError("nothing")
        items = self.items()
        if self.next < len(self.tokens):
            raise MathError(f"unexpected {self.peek()[:20]!r}")
        return items[0] if len(items) == 1 else ("bare", items)

    def items(self) -> tuple[Node, ...]:
        found = [self.union()]
        while self.kind() == "op" and self.peek() in (",", ";"):
            while self.kind() == "op" and self.peek() in (",", ";"):  # "1, 2, and 3" separates twice
                self.take()
            found.append(self.union())
        return tuple(found)

    def union(self) -> Node:
        parts = [self.relation()]
        while self.peek() in (r"\cup", "U") and self.kind() in ("cmd", "word"):
            self.take()
            parts.append(self.relation())
        return parts[0] if len(parts) == 1 else ("union", tuple(parts))

    def relation(self) -> Node:
        operators, sides = [], [self.sum()]
        while self.kind() in ("op", "cmd") and self.peek() in _RELATIONS:
            operators.append(_RELATIONS[self.take()])
            sides.append(self.sum())
        return ("rel", tuple(operators), tuple(sides)) if operators else sides[0]

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MathError(f"nested deeper than {MAX_DEPTH}", too_large=True)
        terms: list[Node] = []
        while True:
            sign = self.take() if self.peek() in ("+", "-", r"\pm", r"\mp") else ""
            if not sign and terms:
                break
            term = self.product()
            if sign in (r"\pm", r"\mp"):
                before = ("+", *terms) if len(terms) > 1 else terms[0] if terms else ("num", Fraction(0))
                terms = [("pm", before, term)]
            else:
                terms.append(("neg", term) if sign == "-" else term)
        self.depth -= 1
        return terms[0] if len(terms) == 1 else ("+", *terms)

    def product(self) -> Node:
        value = self.signed_power()
        factors = [value]
        while True:
            if self.peek() in _TIMES and self.kind() != "words":
                self.take()
                factors.append(self.signed_power())
            elif self.peek() in _OVER and self.kind() != "words":
                self.take()
                below = self.signed_power()
                factors = [("/", factors[0] if len(factors) == 1 else ("*", *factors), below)]
            elif self.starts_factor():
                factors.append(self.power())
            else:
                return factors[0] if len(factors) == 1 else ("*", *factors)

    def starts_factor(self) -> bool:
        """Whether a factor may follow without a sign; a number only after a bracket: "2 3" is no product."""
        kind, value = self.kind(), self.peek()
        if kind == "num":
            return self.tokens[self.next - 1] in (("op", "}"), ("op", ")"))
        if kind == "word":
            return value != "U"
        if kind == "cmd":
            name = value[1:]
            return (
                value in _FRACS
                or name in FUNCTIONS
                or name in _GREEK
                or name in _CONSTANTS
                or value in (*("\\binom", "\\lfloor", "\\lceil", "\\lvert"),)
            )
        return (kind == "op" and value in ("(", "{")) or (value == "|" and not self.fences)

    def signed_power(self) -> Node:
        if self.peek() in ("-", "+") and self.kind() == "op":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise MathError(f"nested deeper than {MAX_DEPTH}", too_large=True)
            negative = self.take() == "-"
            inner = self.signed_power()
            self.depth -= 1
            return ("neg", inner) if negative else inner
        return self.power()

    def power(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MathError(f"nested deeper than {MAX_DEPTH}", too_large=True)
        value = self.atom()
        while self.kind() in ("op", "cmd"):
            if self.peek() == "^":
                self.take()
                value = ("^", value, self.group() if self.peek() == "{" else self.signed_power())
            elif self.peek() == "!":
                self.take()
                value = ("fn", "factorial", value)
            elif self.peek() in ("%", r"\%"):
                self.take()
                value = ("percent", value)
            else:
                break
        self.depth -= 1
        return value

    def group(self) -> Node:
        """A LaTeX argument: braces, or the one sign that follows."""
        if self.peek() == "{":
            self.take()
            value = self.sum()
            self.expect("}")
            return value
        if self.kind() == "num" and len(self.peek()) > 1:  # \frac12 takes one digit at a time
            kind, digits = self.tokens[self.next]
            if not digits.isdigit():
                raise MathError(f"unexpected {digits[:20]!r}")
            self.tokens[self.next : self.next + 1] = [(kind, digits[0]), (kind, digits[1:])]
        return self.atom()

    def atom(self) -> Node:
        kind, value = self.kind(), self.peek()
        if kind == "num":
            return self.number()
        if kind == "word":
            return self.word()
        if kind == "cmd" or value == "|":
            return self.command()
        if kind == "begin":
            return self.matrix()
        if kind == "op" and value in ("(", "[", "{"):
            return self.brackets()
        raise MathError(f"unexpected {value[:20] or 'end'!r}")

    def number(self) -> Node:
        value = Fraction(self.take().replace(",", ""))
        if self.peek() in _FRACS and value.denominator == 1:
            start = self.next
            self.take()
            top, bottom = self.group(), self.group()
            if top[0] == bottom[0] == "num" and top[1].denominator == bottom[1].denominator == 1:
                return _mixed(int(value), top[1] / (bottom[1] or 1), False, int(bottom[1]))
            self.next = start
        if self.peek() == "_":
            raise MathError("a number in another base")
        return ("num", value)

    def word(self) -> Node:
        word = self.take()
        if word in FUNCTIONS:
            return self.function(word)
        if word in _CONSTANTS:
            return ("const", _CONSTANTS[word])
        if len(word) > 3:
            raise MathError(f"the word {word[:20]!r}")
        letters = [("const", c) if c in ("e", "i") else ("sym", c) for c in word]
        letters[-1] = self.subscripted(letters[-1])
        if self.peek() == "^" and len(letters) > 1:  # in "ab^2" only b is squared
            self.take()
            exponent = self.group() if self.peek() == "{" else self.signed_power()
            letters[-1] = ("^", letters[-1], exponent)
        return letters[0] if len(letters) == 1 else ("*", *letters)

    def subscripted(self, symbol: Node) -> Node:
        if self.peek() != "_":
            return symbol
        self.take()
        braced = self.peek() == "{"
        self.next += braced
        kind, value = self.kind(), self.take()
        if kind not in ("num", "word"):
            raise MathError("a subscript that is no name")
        if braced:
            self.expect("}")
        return ("sym", f"{symbol[1]}_{value}")

    def command(self) -> Node:
        command = self.take()
        name = command[1:]
        if command in _FRACS:
            return ("/", self.group(), self.group())
        if command in _FENCES:
            return self.fenced(*_FENCES[command])
        if name in FUNCTIONS:
            return self.function(name)
        if name in _CONSTANTS:
            return ("const", _CONSTANTS[name])
        if name in _GREEK:
            return self.subscripted(("sym", name))
        if name in ("binom", "dbinom", "tbinom"):
            return ("fn", "binom", self.group(), self.group())
        if command == r"\{":
            items = () if self.peek() == r"\}" else self.items()
            self.expect(r"\}")
            return ("set", items)
        if name in ("emptyset", "varnothing"):
            return ("set", ())
        if name == "mathbbR":
            return ("interval", ("neg", ("const", "oo")), ("const", "oo"), False, False)
        raise MathError(f"the command {command[:20]!r}")

    def fenced(self, close: str, name: str) -> Node:
        self.fences += close == "|"
        value = self.sum()
        self.fences -= close == "|"
        self.expect(close)
        return ("fn", name, value)

    def function(self, name: str) -> Node:
        index = power = None
        if name == "sqrt" and self.peek() == "[":
            self.take()
            index = self.sum()
            self.expect("]")
        if name == "log" and self.peek() == "_":
            self.take()
            index = self.group()
        if name != "sqrt" and self.peek() == "^":
            self.take()
            power = self.group()
        argument = self.group() if name in ("sqrt", "exp") or self.peek() in ("(", "{") else self.bare_argument()
        if name == "sqrt":
            return ("root", argument, index or ("num", Fraction(2)))
        if power == ("neg", ("num", Fraction(1))) and name in TRIG:
            return ("fn", f"arc{name}", argument)
        value = ("fn", name, argument) if index is None else ("fn", name, argument, index)
        return value if power is None else ("^", value, power)

    def bare_argument(self) -> Node:
        """In \\sin 2x \\cos x the sine takes 2x."""
        factors = [self.signed_power()]
        while self.kind() in ("word", "cmd") and self.peek().removeprefix("\\") not in FUNCTIONS:
            if not self.starts_factor():
                break
            factors.append(self.power())
        return factors[0] if len(factors) == 1 else ("*", *factors)

    def brackets(self) -> Node:
        opening = self.take()
        fences, self.fences = self.fences, 0
        items = self.items()
        self.fences = fences
        closing = self.take()
        if opening == "{":
            if closing != "}":
                raise MathError("a brace is not closed")
            return items[0] if len(items) == 1 else ("set", items)
        if closing not in (")", "]"):
            raise MathError("a bracket is not closed")
        if (opening, closing) in (("(", "]"), ("[", ")")):
            if len(items) != 2:
                raise MathError("an interval has two ends")
            return ("interval", *items, opening == "[", closing == "]")
        if opening == "[":
            return ("list", items)
        return items[0] if len(items) == 1 else ("tuple", items)

    def matrix(self) -> Node:
        environment = self.take()
        if environment not in ("matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix"):
            raise MathError(f"the environment {environment[:20]!r}")
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            row.append(self.sum())
            kind, value = self.kind(), self.take()
            if value == "&":
                continue
            rows.append(tuple(row))
            row = []
            if (
                value == r"\\"
                and self.kind() != "end_env"
                and self.tokens[self.next : self.next + 1] != [("end", environment)]
            ):
                continue
            if value == r"\\":
                kind, value = self.kind(), self.take()
            if (kind, value) != ("end", environment) or len({len(r) for r in rows}) > 1:
                raise MathError("a matrix whose rows don't fit")
            return ("matrix", tuple(rows))
