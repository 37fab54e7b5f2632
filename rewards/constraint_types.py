"""What a checkable constraint is: a name, typed parameters, a sentence that asks for it, and a check.

The constraints themselves stand in `rewards.constraint_counts`, `_words`, `_layout` and `_language`;
`rewards.constraints` gathers them and makes rewards of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.text import distinct, folded, words

RELATIONS = ("at least", "at most", "exactly")


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a reply meets a constraint, and what was found."""

    met: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a value must be: `accepts` it or not, and `kind` says in words what is accepted."""

    kind: str
    accepts: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A demand on a reply's form that a programme can check.

    `ask` makes the sentence for the prompt from the parameters, `check` judges a reply given the same parameters.
    `sample` holds parameters that are accepted, as an example.
    """

    name: str
    parameters: Mapping[str, Parameter]
    ask: Callable[..., str]
    check: Callable[..., Finding]
    sample: Mapping[str, Any]

    def fault(self, given: Any) -> str:
        """What is wrong with the parameters `given`, or nothing."""
        if not isinstance(given, Mapping) or given.keys() != self.parameters.keys():
            return f"{self.name} takes exactly the parameters {sorted(self.parameters)}, got {given!r:.80}"
        for name, parameter in self.parameters.items():
            if not parameter.accepts(given[name]):
                return f"{self.name}: {name} must be {parameter.kind}, got {given[name]!r:.80}"
        return ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000


def _is_wording(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 4_000 and bool(words(folded(value)))


def _are_words(value: Any) -> bool:
    return isinstance(value, list | tuple) and 0 < len(value) <= 100 and all(map(_is_wording, value))


COUNT = Parameter("an integer above 0", _is_count)
BOUNDS = Parameter(
    "two integers, the lower first",
    lambda v: isinstance(v, list | tuple) and len(v) == 2 and all(map(_is_count, v)) and v[0] <= v[1],
)
RELATION = Parameter(f"one of {RELATIONS}", lambda v: isinstance(v, str) and v in RELATIONS)
WORDING = Parameter("a text that holds a word", _is_wording)
WORDINGS = Parameter("a list of texts that hold words", _are_words)
LETTER = Parameter("one letter", lambda v: isinstance(v, str) and len(folded(v)) == 1 and folded(v).isalpha())
SIGN = Parameter(
    "one punctuation mark or symbol",
    lambda v: isinstance(v, str) and len(v) == 1 and len(folded(v)) == 1 and not v.isalnum(),
)
MARK = Parameter("a text without line breaks", lambda v: isinstance(v, str) and bool(v.strip()) and "\n" not in v)


def plural(count: int, noun: str) -> str:
    """ "1 bullet point", "3 bullet points"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def compare(found: int, relation: str, count: int, noun: str) -> Finding:
    """Whether a number found stands in the demanded relation."""
    met = {"at least": found >= count, "at most": found <= count, "exactly": found == count}[relation]
    return Finding(met, f"{plural(found, noun)} where {relation} {count} {'is' if count == 1 else 'are'} asked for")


def compare_items(found: Sequence[str], relation: str, count: int, noun: str) -> Finding:
    """As `compare`, for items that must differ: none may be said twice to make up the number."""
    different = distinct(list(found))
    if relation != "at most" and different < len(found):
        return Finding(False, f"only {different} of {plural(len(found), noun)} differ")
    return compare(len(found), relation, count, noun)
