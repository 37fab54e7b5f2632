"""Decides most equalities of parsed mathematics without a computer algebra system.

`same` brings both sides to one exact normal form, a quotient of polynomials whose generators are symbols, roots of
primes, i, and whatever else is opaque. Equal forms are equal; forms in symbols alone that differ are not; else
values at fixed points can tell them apart. What is left undecided is for `rewards.symbolic`.
"""

import math
from fractions import Fraction
from typing import Any

from rewards.math_parse import Node
from rewards.math_tokens import MathError
from rewards.math_values import differ

Monomial = tuple[tuple[Any, int], ...]
Poly = dict[Monomial, Fraction]
Form = tuple[Poly, Poly]

MAX_BITS = 80_000  # of one number: 24,000 digits
MAX_TERMS = 300
MAX_POWER = 64  # of a sum
MAX_FACTORIAL = 5_000
_SMALL_PRIMES = [p for p in range(2, 1_000) if all(p % d for d in range(2, math.isqrt(p) + 1))]
_ONE: Poly = {(): Fraction(1)}


class UndecidedError(MathError):
    """A normal form of too many terms; the sides may still be judged otherwise."""


def same(left: Node, right: Node) -> bool | None:
    """Whether two expressions are equal for all values of their symbols; None where that takes more than this.

    Raises:
        MathError: one side is too large to be worked out.
    """
    if left == right:
        return True
    try:
        first, second = normal(left), normal(right)
        crossed, other = _times(first[0], second[1]), _times(second[0], first[1])
    except UndecidedError:
        return False if differ(left, right) else None
    if crossed == other:
        return True
    if all(_independent(g) for poly in (*first, *second) for monomial in poly for g, _ in monomial):
        return False
    return False if differ(left, right) else None


def value(node: Node) -> Fraction | None:
    """The rational number that an expression comes to, None when it is none (or isn't seen to be).

    Raises:
        MathError: it is too large to be worked out.
    """
    top, bottom = normal(node)
    if set(top) <= {()} and set(bottom) == {()}:
        return top.get((), Fraction(0)) / bottom[()]
    return None


def normal(node: Node) -> Form:
    """The normal form: numerator and denominator.

    Raises:
        MathError: too large, a division by zero, or no expression.
    """
    kind = node[0]
    if kind == "num":
        return _number(node[1])
    if kind == "sym" or (kind == "const" and node[1] != "oo"):
        return {((node[1:] if kind == "sym" else node, 1),): Fraction(1)}, _ONE
    if kind == "neg":
        top, bottom = normal(node[1])
        return {m: -c for m, c in top.items()}, bottom
    if kind == "+":
        total = normal(node[1])
        for term in node[2:]:
            total = _sum(total, normal(term))
        return total
    if kind == "*":
        product = normal(node[1])
        for factor in node[2:]:
            other = normal(factor)
            product = _simple(_times(product[0], other[0]), _times(product[1], other[1]))
        return product
    if kind in ("/", "percent"):
        over = normal(node[2]) if kind == "/" else _number(Fraction(100))
        top = normal(node[1])
        return _simple(_times(top[0], over[1]), _times(top[1], over[0]))
    if kind == "^":
        return _power(node[1], node[2])
    if kind == "root":
        return _root(node[1], node[2])
    if kind == "fn":
        return _function(node[1], node[2:])
    raise MathError("no expression")


def _independent(generator: Any) -> bool:
    """Symbols, i and square roots of primes: their monomials are linearly independent over the rationals."""
    if generator[0] == "root":
        return generator[1] == 2
    return len(generator) == 1 or generator == ("const", "i")


def _number(number: Fraction) -> Form:
    return ({(): number} if number else {}), _ONE


def _guard(poly: Poly) -> Poly:
    if len(poly) > MAX_TERMS:
        raise UndecidedError(f"more than {MAX_TERMS} terms", too_large=True)
    for c in poly.values():
        if c.numerator.bit_length() > MAX_BITS or c.denominator.bit_length() > MAX_BITS:
            raise MathError("a number of too many digits", too_large=True)
    return poly


def _times(left: Poly, right: Poly) -> Poly:
    if left is _ONE or right is _ONE:
        return left if right is _ONE else right
    if len(left) * len(right) > 4 * MAX_TERMS:
        raise UndecidedError(f"more than {MAX_TERMS} terms", too_large=True)
    out: Poly = {}
    for m, a in left.items():
        for n, b in right.items():
            monomial, factor = _join(m, n)
            c = out.get(monomial, 0) + a * b * factor
            if c:
                out[monomial] = c
            else:
                out.pop(monomial, None)
    return _guard(out)


def _join(left: Monomial, right: Monomial) -> tuple[Monomial, int]:
    """The product of two monomials, with i*i and roots of primes worked out into its factor."""
    if not left or not right:
        return left or right, 1
    powers = dict(left)
    factor = 1
    for generator, exponent in right:
        powers[generator] = powers.get(generator, 0) + exponent
    for generator, exponent in list(powers.items()):
        if generator == ("const", "i"):
            factor *= -1 if exponent % 4 >= 2 else 1
            powers[generator] = exponent % 2
        elif generator[0] == "root" and exponent >= generator[1]:
            factor *= generator[2] ** (exponent // generator[1])
            powers[generator] = exponent % generator[1]
    return tuple(sorted(((g, e) for g, e in powers.items() if e), key=repr)), factor


def _simple(top: Poly, bottom: Poly) -> Form:
    """The quotient with a number below divided out."""
    if not bottom:
        raise MathError("a division by zero")
    if set(bottom) == {()}:
        below = bottom[()]
        return (top if below == 1 else _guard({m: c / below for m, c in top.items()})), _ONE
    return top, bottom


def _sum(left: Form, right: Form) -> Form:
    if left[1] == right[1]:
        a, b, bottom = left[0], right[0], left[1]
    else:
        a, b = _times(left[0], right[1]), _times(right[0], left[1])
        bottom = _times(left[1], right[1])
    out = dict(a)
    for monomial, c in b.items():
        if total := out.get(monomial, 0) + c:
            out[monomial] = total
        else:
            out.pop(monomial, None)
    return _guard(out), bottom


def _constant(form: Form) -> Fraction | None:
    return form[0].get((), Fraction(0)) if set(form[0]) <= {()} and form[1] is _ONE else None


def _opaque(*parts: Any) -> Form:
    return {((parts, 1),): Fraction(1)}, _ONE


def _key(form: Form) -> Any:
    """Forms as parts of a generator; a sorted tuple, so that it has one spelling."""
    return tuple(tuple(sorted(((m, str(c)) for m, c in poly.items()), key=repr)) for poly in form)


def _power(base: Node, exponent: Node) -> Form:
    power, below = _constant(normal(exponent)), normal(base)
    if power is None:
        return _opaque("^", _key(below), _key(normal(exponent)))
    if power.denominator != 1:
        return _rational_power(below, power)
    n = abs(int(power))
    if power == 0 and not below[0]:
        raise MathError("0 to the power 0")
    number = _constant(below)
    if number is not None:
        bits = max(number.numerator.bit_length(), number.denominator.bit_length())
        if number in (-1, 0, 1):
            n = min(n, 2 + n % 2)
        elif n * (bits - 1) > MAX_BITS:
            raise MathError("a power of too many digits", too_large=True)
        result = _number(number**n)
    else:
        if n > MAX_POWER and len(below[0]) + len(below[1]) > 2:
            raise UndecidedError(f"a power above {MAX_POWER} of a sum", too_large=True)
        if n > 10**6:
            raise MathError("a power too high", too_large=True)
        result = _repeated(below[0], n), _repeated(below[1], n)
    return result if power >= 0 else _simple(result[1], result[0])


def _repeated(poly: Poly, n: int) -> Poly:
    result = _ONE
    while n:
        result = _times(result, poly) if n & 1 else result
        n >>= 1
        poly = _times(poly, poly) if n else poly
    return result


def _root(inside: Node, index: Node) -> Form:
    form, n = normal(inside), _constant(normal(index))
    if n is None or n.denominator != 1 or not 2 <= n <= 64:
        return _opaque("^", _key(form), _key(normal(("/", ("num", Fraction(1)), index))))
    number = _constant(form)
    if number is not None and number < 0 and n % 2:  # the real root, as schools have it
        top, bottom = _rational_power(_number(-number), 1 / n)
        return {m: -c for m, c in top.items()}, bottom
    return _rational_power(form, 1 / n)


def _rational_power(form: Form, power: Fraction) -> Form:
    number = _constant(form)
    if number == 0 and power > 0:
        return form
    if number is not None and number > 0 and power.denominator <= 64 and abs(power) <= MAX_POWER:
        top = _prime_powers(number.numerator, abs(power))
        bottom = _prime_powers(number.denominator, abs(power))
        return _simple(top, bottom) if power > 0 else _simple(bottom, top)
    if number is not None and number < 0 and power == Fraction(1, 2):
        top, bottom = _rational_power(_number(-number), power)
        return _times(top, {((("const", "i"), 1),): Fraction(1)}), bottom
    return _opaque("^", _key(form), str(power))


def _factors(n: int) -> dict[int, int]:
    """Prime factors; what small primes leave over stands as if it were one, unless it is a square."""
    if n.bit_length() > 512:
        raise MathError("a root of too large a number", too_large=True)
    found: dict[int, int] = {}
    for p in _SMALL_PRIMES:
        while n % p == 0:
            found[p] = found.get(p, 0) + 1
            n //= p
        if p * p > n:
            break
    if n > 1:
        square = math.isqrt(n)
        found[square if square * square == n else n] = 2 if square * square == n else 1
    return found


def _prime_powers(n: int, power: Fraction) -> Poly:
    result = _ONE
    for prime, count in _factors(n).items():
        whole, rest = divmod(count * power, 1)
        if prime.bit_length() * whole > MAX_BITS:
            raise MathError("a power of too many digits", too_large=True)
        factor: Poly = {(): Fraction(prime) ** int(whole)}
        if rest:
            factor = _times(factor, {((("root", rest.denominator, prime), rest.numerator),): Fraction(1)})
        result = _times(result, factor)
    return result


def _function(name: str, arguments: tuple[Node, ...]) -> Form:
    forms = [normal(a) for a in arguments]
    number = _constant(forms[0])
    if name == "factorial" and number is not None:
        return _number(Fraction(math.factorial(_count(number))))
    if name == "binom":
        n, k = number, _constant(forms[1])
        if n is not None and k is not None:
            return _number(Fraction(math.comb(_count(n), _count(k))))
    if name in ("abs", "floor", "ceil") and number is not None:
        return _number(Fraction({"abs": abs, "floor": math.floor, "ceil": math.ceil}[name](number)))
    if name == "exp":
        return _power(("const", "e"), arguments[0])
    if name in ("ln", "log"):
        return _logarithm(name, arguments, forms)
    return _opaque("fn", name, *map(_key, forms))


def _count(number: Fraction) -> int:
    if number.denominator != 1 or number < 0:
        raise MathError("a factorial of what is no whole number")
    if number > MAX_FACTORIAL:
        raise MathError(f"a factorial above {MAX_FACTORIAL}!", too_large=True)
    return int(number)


def _logarithm(name: str, arguments: tuple[Node, ...], forms: list[Form]) -> Form:
    """ln of a number falls into those of its primes; a logarithm to a base is a quotient of two."""
    if name == "log":
        base = arguments[1] if len(arguments) > 1 else ("num", Fraction(10))
        bottom = _logarithm("ln", (base,), [normal(base)])
        top = _logarithm("ln", arguments[:1], forms[:1])
        return _simple(_times(top[0], bottom[1]), _times(top[1], bottom[0]))
    number = _constant(forms[0])
    if arguments[0] == ("const", "e"):
        return _number(Fraction(1))
    if number is None:
        return _opaque("fn", "ln", _key(forms[0]))
    if number <= 0:
        raise MathError("a logarithm of no positive number")
    primes = _factors(number.numerator)
    for prime, count in _factors(number.denominator).items():
        primes[prime] = primes.get(prime, 0) - count
    return {((("ln", prime, 0), 1),): Fraction(count) for prime, count in primes.items() if count}, _ONE
