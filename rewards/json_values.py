"""Equality of plain JSON values, strict about types and safe at any depth: what rewards compare with."""

import math
from collections.abc import Mapping
from typing import Any


def same_json(left: Any, right: Any) -> bool:
    """Equality of plain JSON: 1 equals 1.0, but neither `true` nor "1"; the order of keys is free."""
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        if isinstance(a, bool) or isinstance(b, bool):
            same = a is b
        elif isinstance(a, Mapping) and isinstance(b, Mapping):
            same = a.keys() == b.keys()
            pairs += [(a[k], b[k]) for k in a] if same else []
        elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
            same = len(a) == len(b)
            pairs += zip(a, b, strict=True) if same else []
        elif isinstance(a, int | float) and isinstance(b, int | float):
            same = a == b
        else:
            same = type(a) is type(b) and a == b
        if not same:
            return False
    return True


def canonical(value: Any) -> str:
    """One text for all values that `same_json` calls equal: a key for sets and counts."""
    written: list[str] = []
    todo: list[tuple[bool, Any]] = [(False, value)]  # (is it text already, text or value)
    while todo:
        is_text, item = todo.pop()
        if is_text:
            written.append(item)
        elif isinstance(item, Mapping):
            todo.append((True, "}"))
            for key in sorted(item, key=str, reverse=True):
                todo += [(True, ","), (False, item[key]), (True, f"{key!r}:")]
            todo.append((True, "{"))
        elif isinstance(item, list | tuple):
            todo.append((True, "]"))
            for inner in reversed(item):
                todo += [(True, ","), (False, inner)]
            todo.append((True, "["))
        else:
            written.append(_scalar(item))
    return "".join(written)


def _scalar(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:x}"  # decimal text of a huge integer is refused by Python
    return repr(value)
