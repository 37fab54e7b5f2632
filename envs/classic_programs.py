"""Short classic functions, right as they stand, for tasks that break them. Each docstring is what its task says.

`CLASSICS` gives each a maker of arguments.
"""

import random
from collections.abc import Callable
from typing import Any


def binary_search(values, target):
    """returns the index of target in a sorted list of different numbers, or -1 if it isn't there."""
    low = 0
    high = len(values) - 1
    while low <= high:
        middle = (low + high) // 2
        if values[middle] == target:
            return middle
        if values[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1


def run_lengths(text):
    """returns the runs of equal letters as text, each letter followed by its count: "aab" gives "a2b1"."""
    result = ""
    i = 0
    while i < len(text):
        j = i
        while j < len(text) and text[j] == text[i]:
            j += 1
        result += text[i] + str(j - i)
        i = j
    return result


def merge(left, right):
    """merges two sorted lists into one sorted list."""
    result = []
    i = 0
    j = 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            result.append(left[i])
            i += 1
        else:
            result.append(right[j])
            j += 1
    return result + left[i:] + right[j:]


def primes(n):
    """returns all primes up to and including n, in order."""
    found = []
    for candidate in range(2, n + 1):
        if all(candidate % p != 0 for p in found):
            found.append(candidate)
    return found


def balanced(text):
    """says whether every bracket of ()[] in the text is closed by its own kind in the right order."""
    pairs = {")": "(", "]": "["}
    stack = []
    for sign in text:
        if sign in "([":
            stack.append(sign)
        elif sign in pairs and (not stack or stack.pop() != pairs[sign]):
            return False
    return not stack


def longest_run(values):
    """returns the length of the longest run of neighbours that grow strictly; 0 for an empty list."""
    best = 0
    current = 0
    for i in range(len(values)):
        if i > 0 and values[i] > values[i - 1]:
            current += 1
        else:
            current = 1
        best = max(best, current)
    return best


def to_base(number, base):
    """writes a number of 0 or more in the given base (2 to 9) as text."""
    if number == 0:
        return "0"
    digits = ""
    while number > 0:
        digits = str(number % base) + digits
        number = number // base
    return digits


def rotate(values, k):
    """rotates a list k places to the right; k may be larger than the list is long."""
    if not values:
        return []
    k = k % len(values)
    cut = len(values) - k
    return values[cut:] + values[:cut]


def two_sum(values, target):
    """returns the first pair of positions [i, j], i < j, whose values add up to target, or [] if there is none."""
    for i in range(len(values)):
        for j in range(i + 1, len(values)):
            if values[i] + values[j] == target:
                return [i, j]
    return []


def caesar(text, k):
    """shifts every lower-case letter k places on in the alphabet, round its end; other signs stay."""
    result = ""
    for sign in text:
        if "a" <= sign <= "z":
            place = (ord(sign) - ord("a") + k) % 26
            result += chr(ord("a") + place)
        else:
            result += sign
    return result


def bubble_sort(values):
    """returns the list sorted from small to large, without changing the one it was given."""
    values = list(values)
    for end in range(len(values) - 1, 0, -1):
        for i in range(end):
            if values[i] > values[i + 1]:
                values[i], values[i + 1] = values[i + 1], values[i]
    return values


def roman(number):
    """writes a number from 1 to 99 in Roman numerals."""
    values = [90, 50, 40, 10, 9, 5, 4, 1]
    signs = ["XC", "L", "XL", "X", "IX", "V", "IV", "I"]
    result = ""
    for i in range(len(values)):
        while number >= values[i]:
            result += signs[i]
            number -= values[i]
    return result


def moving_sums(values, k):
    """returns the sums of every k neighbours; an empty list if there are fewer than k values."""
    result = []
    for start in range(len(values) - k + 1):
        result.append(sum(values[start : start + k]))
    return result


def digital_root(number):
    """adds up the digits of a number again and again until one digit is left, and returns it."""
    while number >= 10:
        total = 0
        while number > 0:
            total += number % 10
            number //= 10
        number = total
    return number


def transpose(matrix):
    """turns rows into columns; the matrix is a list of rows of equal length."""
    if not matrix:
        return []
    result = []
    for column in range(len(matrix[0])):
        result.append([row[column] for row in matrix])
    return result


def common_prefix(first, second):
    """returns the longest text that both words begin with."""
    length = 0
    while length < min(len(first), len(second)):
        if first[length] != second[length]:
            break
        length += 1
    return first[:length]


def ints(rng: random.Random, low: int = -9, high: int = 20, most: int = 7) -> list[int]:
    """Up to `most` random numbers."""
    return [rng.randint(low, high) for _ in range(rng.randint(0, most))]


def _word(rng: random.Random, letters: str, most: int = 9) -> str:
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, most)))


def _sorted_and_one(rng: random.Random) -> list[Any]:
    values = sorted(set(ints(rng, -20, 40, 9)))
    return [values, rng.choice(values) if values and rng.random() < 0.6 else rng.randint(-20, 40)]


def _matrix(rng: random.Random) -> list[Any]:
    width = rng.randint(1, 4)
    return [[[rng.randint(0, 9) for _ in range(width)] for _ in range(rng.randint(0, 4))]]


CLASSICS: tuple[tuple[Callable[..., Any], Callable[[random.Random], list[Any]]], ...] = (
    (binary_search, _sorted_and_one),
    (run_lengths, lambda rng: [_word(rng, "aab")]),
    (merge, lambda rng: [sorted(ints(rng)), sorted(ints(rng))]),
    (primes, lambda rng: [rng.randint(0, 40)]),
    (balanced, lambda rng: [rng.choice(("", "()", "[()]", "([)]", "(", ")(", "[]()", _word(rng, "()[]", 6)))]),
    (longest_run, lambda rng: [ints(rng, 0, 9, 9)]),
    (to_base, lambda rng: [rng.randint(0, 200), rng.randint(2, 9)]),
    (rotate, lambda rng: [ints(rng), rng.randint(0, 12)]),
    (two_sum, lambda rng: [ints(rng, 0, 9), rng.randint(2, 14)]),
    (caesar, lambda rng: [_word(rng, "abyz -"), rng.randint(0, 30)]),
    (bubble_sort, lambda rng: [ints(rng)]),
    (roman, lambda rng: [rng.randint(1, 99)]),
    (moving_sums, lambda rng: [ints(rng), rng.randint(1, 4)]),
    (digital_root, lambda rng: [rng.randint(0, 99_999)]),
    (transpose, _matrix),
    (common_prefix, lambda rng: [_word(rng, "aab", 6), _word(rng, "aab", 6)]),
)
