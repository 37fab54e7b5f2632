"""`postgym/CodeOutput-v0`: say what a Python program prints, to the letter.

A few assignments at difficulty 0; branches, loops, lists that share their contents, dictionaries, strings, recursion,
closures and classes at 1. The programs are made here, so they are run here; the expert notes what every line does.
"""

import random
import sys
import textwrap
from collections.abc import Callable
from types import FrameType
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.mathematics.cheats import from_numbers, says
from envs.mutants import mutants
from rewards.score import Criterion, Rubric
from rewards.tools import right_answer
from rewards.transcript import Message

SYSTEM = Message("system", "Work out what the program prints. End with one line: Answer: <what it prints>")
_BUILTINS = {
    **{"range": range, "len": len, "sum": sum, "max": max, "min": min, "sorted": sorted, "abs": abs, "str": str},
    **{
        "list": list,
        "zip": zip,
        "enumerate": enumerate,
        "divmod": divmod,
        "reversed": reversed,
        "set": set,
        "dict": dict,
    },
    **{
        "__build_class__": __build_class__,
        "next": next,
        "iter": iter,
        "tuple": tuple,
        "map": map,
        "any": any,
        "all": all,
    },
}
_WORDS = ("banana", "letter", "sesame", "coffee", "bubble", "pepper", "kitten", "summer", "cotton", "rabbit", "valley")
_MAX_STEPS = 400  # lines that a program may take
_MAX_PRINTED = 80

Piece = Callable[[random.Random, "Names"], str]


class Names:
    """The variables that hold numbers, lists and words so far; lists keep at least three elements."""

    def __init__(self, rng: random.Random) -> None:
        letters = rng.sample("abdehkmnpqrtuvwyz", 17)  # c, i and x are what loops run through
        self.free = [*(letter * 2 for letter in letters), *letters]
        self.numbers: list[str] = []
        self.lists: list[str] = []
        self.words: list[str] = []

    def new(self, kind: list[str]) -> str:
        """A fresh name of that kind."""
        kind.append(self.free.pop())
        return kind[-1]

    def shown(self, rng: random.Random) -> list[str]:
        """What the program prints at its end: the latest of every kind."""
        latest = [kind[-1] for kind in (self.numbers, self.lists, self.words) if kind]
        return rng.sample(latest, len(latest))


def _number(rng: random.Random, names: Names) -> str:
    return f"{names.new(names.numbers)} = {rng.randint(2, 20)}"


def _formula(rng: random.Random, names: Names) -> str:
    a, b = rng.choice(names.numbers), rng.choice(names.numbers)
    form = rng.choice(
        ("{a} * {k} - {b}", "{a} + {b} * {k}", "({a} + {b}) // {k}", "{a} * {b} % {m}", "{a} - {b} + {m}")
    )
    expression = form.format(a=a, b=b, k=rng.randint(2, 5), m=rng.randint(7, 13))
    return f"{names.new(names.numbers)} = {expression}"


def _branch(rng: random.Random, names: Names) -> str:
    a = rng.choice(names.numbers)
    test = rng.choice((f"{a} % {rng.randint(2, 3)} == 0", f"{a} > {rng.randint(4, 15)}"))
    return f"if {test}:\n    {a} += {rng.randint(2, 9)}\nelse:\n    {a} -= {rng.randint(2, 9)}"


def _loop(rng: random.Random, names: Names) -> str:
    a = rng.choice(names.numbers)
    body = rng.choice((f"{a} += i * {rng.randint(2, 4)}", f"{a} = {a} * 2 - i", f"{a} += {rng.randint(3, 9)} - i"))
    return f"for i in range({rng.randint(3, 5)}):\n    {body}"


def _halving(rng: random.Random, names: Names) -> str:
    a = rng.choice(names.numbers)
    count = names.new(names.numbers)
    return f"{count} = 0\nwhile {a} > {rng.randint(2, 5)}:\n    {a} //= 2\n    {count} += 1"


def _list(rng: random.Random, names: Names) -> str:
    return f"{names.new(names.lists)} = {[rng.randint(1, 12) for _ in range(rng.randint(3, 5))]}"


def _change(rng: random.Random, names: Names) -> str:
    xs, a = rng.choice(names.lists), rng.choice(names.numbers)
    k = rng.randint(0, 2)
    return rng.choice(
        (
            f"{xs}.append({a} % {rng.randint(3, 9)})",
            f"{xs}[{k}] += {a}",
            f"{xs}.sort()",
            f"{xs}.reverse()",
            f"{xs}.insert({k}, {a})",
            f"{xs}[{k}], {xs}[-1] = {xs}[-1], {xs}[{k}]",
        )
    )


def _summary(rng: random.Random, names: Names) -> str:
    xs = rng.choice(names.lists)
    form = rng.choice(("sum({xs}[1:])", "max({xs}) - min({xs})", "len({xs}) * {xs}[1]", "{xs}[-2] + {xs}[0]"))
    return f"{names.new(names.numbers)} = {form.format(xs=xs)}"


def _comprehension(rng: random.Random, names: Names) -> str:
    xs, k = rng.choice(names.lists), rng.randint(2, 3)
    form = rng.choice(
        (f"[x * {k} for x in {xs}]", f"[x + i for i, x in enumerate({xs})]", f"[x % {k + 3} for x in {xs}]")
    )
    return f"{names.new(names.lists)} = {form}"


def _alias(rng: random.Random, names: Names) -> str:
    xs, a = rng.choice(names.lists), rng.choice(names.numbers)
    ys = names.new(names.lists)
    copied = rng.choice(("", "[:]", ""))
    return f"{ys} = {xs}{copied}\n{ys}.append({a})\n{xs}[0] = {rng.randint(20, 40)}"


def _word(rng: random.Random, names: Names) -> str:
    form = rng.choice(
        ("'{w}'[::-1]", "'{w}'[{i}:]", "'{w}'.upper()[:{j}]", "'{w}'.replace('{c}', '{d}')", "'{w}'[::2]")
    )
    word = rng.choice(_WORDS)
    made = form.format(w=word, i=rng.randint(1, 3), j=rng.randint(3, 5), c=rng.choice(word), d=rng.choice("xyz"))
    return f"{names.new(names.words)} = {made}"


def _tally(rng: random.Random, names: Names) -> str:
    word, count = rng.choice(_WORDS), names.new(names.numbers)
    d = names.free.pop()
    return (
        f"{d} = {{}}\nfor c in '{word}':\n    {d}[c] = {d}.get(c, 0) + 1\n{count} = max({d}.values()) * 10 + len({d})"
    )


def _function(rng: random.Random, names: Names) -> str:
    f, a, k = names.free.pop(), rng.choice(names.numbers), rng.randint(2, 4)
    result = names.new(names.numbers)
    body = rng.choice((f"return i if i < {k} else {f}(i - 2) + {k}", f"return 1 if i < 2 else i + {f}(i - {k})"))
    return f"def {f}(i):\n    {body}\n{result} = {f}({a} % {rng.randint(5, 8)} + {k})"


def _closure(rng: random.Random, names: Names) -> str:
    f, total, result = names.free.pop(), names.free.pop(), names.new(names.numbers)
    calls = " + ".join(f"{f}({rng.randint(2, 9)})" for _ in range(3))
    head = f"def {f}(i, {total}=[{rng.randint(1, 5)}]):"
    return f"{head}\n    {total}.append(i)\n    return sum({total})\n{result} = {calls}"


def _object(rng: random.Random, names: Names) -> str:
    c, o, result = f"Box{rng.randint(2, 9)}", names.free.pop(), names.new(names.numbers)
    puts = "\n".join(f"{o}.put({rng.randint(2, 9)})" for _ in range(rng.randint(2, 3)))
    return (
        f"class {c}:\n    def __init__(self, n):\n        self.n, self.seen = n, []\n    def put(self, i):\n"
        f"        self.seen.append(i * self.n)\n        self.n += {rng.randint(1, 3)}\n"
        f"{o} = {c}({rng.randint(1, 5)})\n{puts}\n{result} = sum({o}.seen) - {o}.n"
    )


_PIECES: tuple[tuple[float, Piece], ...] = (
    (0.0, _formula),
    (0.0, _formula),
    (0.1, _branch),
    (0.2, _list),
    (0.2, _change),
    (0.25, _summary),
    (0.3, _word),
    (0.4, _loop),
    (0.45, _comprehension),
    (0.5, _alias),
    (0.6, _halving),
    (0.65, _tally),
    (0.75, _function),
    (0.85, _closure),
    (0.9, _object),
)
_NEED_LIST = (_change, _summary, _comprehension, _alias)


def make_program(rng: random.Random, difficulty: float) -> str:
    """A program of 2 pieces at difficulty 0, 8 at 1, that prints one line."""
    names = Names(rng)
    lines = [_number(rng, names), _number(rng, names)]
    admitted = [piece for start, piece in _PIECES if start <= difficulty]
    for i in range(2 + round(6 * difficulty)):
        piece = rng.choice(admitted[-7:] if i % 2 else admitted)
        if piece in _NEED_LIST and not names.lists:
            lines.append(_list(rng, names))
        lines.append(piece(rng, names))
    return "\n".join([*lines, f"print({', '.join(names.shown(rng))})"])


def run_program(program: str, trace: bool = False) -> tuple[str, list[str]]:
    """What a program made here prints, and with `trace` what each of its lines leaves in the variables.

    Raises:
        ValueError: it takes more than 400 lines, or prints more than fits on one.
    """
    printed: list[str] = []
    notes: list[str] = []
    steps = [0]
    before: dict[int, tuple[int, dict[str, str]]] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != "<program>":
            return None
        steps[0] += event == "line"
        if steps[0] > _MAX_STEPS:
            raise ValueError(f"more than {_MAX_STEPS} steps")
        if not trace:
            return watch
        values = {k: repr(v) for k, v in frame.f_locals.items() if isinstance(v, int | str | list | dict)}
        line, old = before.get(id(frame), (frame.f_lineno, values))
        if changed := [f"{k} = {v}" for k, v in values.items() if old.get(k) != v and k[:2] != "__"]:
            notes.append(f"line {line}: {', '.join(changed)}")
        before[id(frame)] = (frame.f_lineno, values)
        if event == "return":
            if frame.f_code.co_name not in ("<module>", "__init__", "put", "<listcomp>") and argument is not None:
                notes.append(f"line {frame.f_lineno}: {frame.f_code.co_name} returns {argument!r}")
            before.pop(id(frame), None)
        return watch

    def say(*values: Any) -> None:
        printed.append(" ".join(map(str, values)))

    space = {"__builtins__": {**_BUILTINS, "print": say}, "__name__": "program"}
    outer = sys.gettrace()
    sys.settrace(watch)
    try:
        exec(compile(program, "<program>", "exec"), space)
    finally:
        sys.settrace(outer)
    if len(printed) != 1 or len(printed[0]) > _MAX_PRINTED:
        raise ValueError(f"prints {len(printed)} lines of {sum(map(len, printed))} characters")
    return printed[0], notes


class CodeOutput(TextEnv):
    """A program, and the line that it prints."""

    id = "postgym/CodeOutput-v0"
    rubric = Rubric([Criterion("output", right_answer)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A program that ends soon and prints one line, which doesn't stand in it already."""
        while True:
            program = make_program(rng, difficulty)
            try:
                printed, _ = run_program(program)
            except (ValueError, IndexError, RecursionError, ZeroDivisionError):
                continue
            if printed not in program:
                break
        shown = textwrap.indent(program, "    ")
        return Task(
            prompt=(SYSTEM, Message("user", f"What does this Python program print?\n\n{shown}")),
            target={"answer": [{"type": "text", "value": printed}]},
            meta={"program": program},
        )

    def expert(self, task: Task) -> Policy:
        """Writes down what every line changes, then the output."""
        _, notes = run_program(task.meta["program"], trace=True)
        text = "\n".join([*notes, f"Answer: {task.target['answer'][0]['value']}"])
        return lambda messages: text

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """The output with another value, in another order, or quoted."""
        right = task.target["answer"][0]["value"]
        return [f"Answer: {t}" for t in (f"{right} 0", f"'{right}'", f"0 {right}")]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Guesses from the program's text, hedges and the right line in the wrong place."""
        right = task.target["answer"][0]["value"]
        wrong = next(iter(mutants(f"Answer: {right}").values())).removeprefix("Answer: ")
        last = task.meta["program"].rpartition("\n")[2]
        return {
            "commonest answer": says("Answer: 0"),
            "first number of the program": from_numbers(lambda n: n[0]),
            "last number of the program": from_numbers(lambda n: n[-1]),
            "largest number of the program": from_numbers(max),
            "the last line of the program": says(f"Answer: {last}"),
            "the program for an answer": says(f"Answer: {task.meta['program']}"),
            "right or wrong": says(f"Answer: {right} or {wrong}"),
            "an answer line for each guess": says(f"Answer: {wrong}\nAnswer: {right}"),
            "right answer in the thinking only": says(f"<think>Answer: {right}</think>I give up"),
            "a program that prints it": says(f"```python\nprint({right!r})\n```"),
            "an object that is equal to all": says("Answer: type('E', (), {'__eq__': lambda s, o: True})()"),
        }
