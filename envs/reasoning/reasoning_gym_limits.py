"""What to know of reasoning-gym's scorers: which execute the answer, which pay guesses, which refuse their own gold.

The tables hold for reasoning-gym 0.1.25; `tests/envs/reasoning/test_reasoning_gym_adapter.py` measures them.
"""

import re

MAX_CHARS = 2_000  # of an answer, beyond four times the gold one's length
_LITERALS = ("binary_matrix", "n_queens", "number_sorting", "spiral_matrix", "string_insertion")
_FORMULAS = ("intermediate_integration", "polynomial_multiplication", "simple_integration")
_CALCULATIONS = ("countdown", "puzzle24")
_WORD = re.compile(r"[^\W\d]+")
_FUNCTIONS = frozenset(["sin", "cos", "tan", "exp", "log", "ln", "sqrt", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sec", "csc", "cot", "Abs", "erf", "pi"])
_POWER = re.compile(
    r"(?:\*\*|\^)\s*(?:\d{1,2}|[a-zA-Z]|\(\s*-?\s*(?:\d{1,2}(?:\s*/\s*\d{1,2})?|\d?\*?[a-zA-Z])\s*\))(?![\w.])"
)
_MAX_POWERS_OF_BRACKETS = 4

PAYS_GUESSES: dict[str, tuple[float, str]] = {}
GOLD_BELOW_ONE: dict[str, tuple[float, str]] = {}


def why_refused(name: str, answer: str, gold: str) -> str:
    """Why the scorer of the dataset must not see this answer; nothing when it may.

    Some scorers pass the answer to `eval` or to sympy's parser, which does the same: what isn't plainly a list,
    a formula or a calculation would be executed, and `9**9**9` would never end.
    """
    if len(answer) > MAX_CHARS + 4 * len(gold):
        return f"{len(answer)} characters are no answer"
    if name in _LITERALS and re.search(r"[(*]|<<|\blambda\b|\bfor\b|__", answer):
        return "not plainly a list"
    if name in _CALCULATIONS and (re.search(r"[^\d+\-*/().\s]", answer) or "**" in answer or "//" in answer):
        return "not plainly a calculation"
    if name in _FORMULAS and not _is_formula(answer):
        return "not plainly a formula"
    return ""


def _is_formula(text: str) -> bool:
    if re.search(r"[^\w\s+\-*/^().]|_|\d{12}|[^\d\s]\.|\.\D", text) or not text.isascii():
        return False
    if any(len(word) > 1 and word not in _FUNCTIONS for word in _WORD.findall(text)):
        return False
    rest = _POWER.sub("", text)
    return not re.search(r"\*\*|\^", rest) and len(re.findall(r"\)\s*(?:\*\*|\^)", text)) <= _MAX_POWERS_OF_BRACKETS
