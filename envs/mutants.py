"""Right answers made wrong: what an environment's expert would say, spoiled so that nobody could call it right."""

import ast
import re

from rewards.code import extract_code

_LAST_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?=\D*\Z)", re.ASCII)
_OTHER = (  # another value of the same type, whatever the type
    "def __other(v):\n"
    "    if isinstance(v, bool):\n        return not v\n"
    "    if isinstance(v, (int, float)):\n        return v + 1\n"
    "    if isinstance(v, str):\n        return v + '!'\n"
    "    return [*v, 0] if isinstance(v, list) else {**v, '!': 0} if isinstance(v, dict) else [v]\n"
)


def mutants(text: str) -> dict[str, str]:
    """Wrong versions of a right closing text, by what was done to it.

    A program returns something else than it should. Otherwise the last number of the last line changes, or the
    last word where there is no number.
    """
    code = extract_code(text)
    if code is not None and _is_python(code):
        return {name: text.replace(code, spoiled) for name, spoiled in _programs(code).items()}
    body, newline, line = text.rstrip().rpartition("\n")
    found = _LAST_NUMBER.search(line)
    if found is None:
        return {"another word": f"{body}{newline}{line}s"}
    number, (start, end) = found.group(), found.span()
    if line[:start].rstrip().endswith(("-", "+")) or not number.lstrip("+-").strip("0."):
        negated = _plus_one(number)
    else:
        negated = number[1:] if number.startswith("-") else f"-{number.removeprefix('+')}"
    changed = {"one more": _plus_one(number), "other sign": negated, "a digit more": f"{number}1"}
    return {name: f"{body}{newline}{line[:start]}{value}{line[end:]}" for name, value in changed.items()}


def _is_python(code: str) -> bool:
    try:
        return any(isinstance(node, ast.Return) for node in ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError):
        return False


def _plus_one(number: str) -> str:
    whole, dot, decimals = number.partition(".")
    return f"{int(whole) + 1}{dot}{decimals}" if not whole.startswith("-") else f"{int(whole) - 1}{dot}{decimals}"


def _programs(code: str) -> dict[str, str]:
    return {
        "returns nothing": _with_returns(code, "None"),
        "returns it in a list": _with_returns(code, "[{value}]"),
        "returns another value": _OTHER + _with_returns(code, "__other({value})"),
    }


def _with_returns(code: str, form: str) -> str:
    """The program with `return form` for every `return value`."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            node.value = ast.parse(form.format(value=f"({ast.unparse(node.value)})"), mode="eval").body
    return ast.unparse(tree) + "\n"
