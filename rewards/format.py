"""Where the answer stands in a text: the one rule for what counts as *the* answer."""

import re

_ANSWER_LINE = re.compile(r"^[ \t]*answer:(.*)$", re.IGNORECASE | re.MULTILINE)


def final_answer(text: str) -> str | None:
    """The value on the closing `Answer: ...` line.

    There must be exactly one such line, it must be the last that holds text, and it must not be
    empty: a text that offers several answers, or goes on after its answer, has none.
    """
    found = list(_ANSWER_LINE.finditer(text))
    if len(found) != 1 or text[found[0].end() :].strip():
        return None
    return found[0].group(1).strip() or None
