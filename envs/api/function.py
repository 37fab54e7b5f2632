"""One function of the catalogue: its tool, and the requests that ask for it.

A template is a request as an imperative: `(book|reserve) a table[ at {restaurant}][ for {guests}]`. Of alternatives
in round brackets one is taken; a part in square brackets goes when its parameter isn't said.
"""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from envs.api.parameters import Chance, Kind, joined
from envs.tools import Tool, make_tool

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_PART = re.compile(r"\[([^\[\]]*\{(\w+)\}[^\[\]]*)\]")
_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be asked for.

    Attributes:
        name: a verb and what it is done to, joined by underscores.
        template: its request.
        parameters: by name, required ones first.
        each: the parameter of which a request may name several, for a call each; empty where none suits.
    """

    name: str
    description: str
    template: str
    parameters: Mapping[str, Kind]
    each: str = ""

    @property
    def required(self) -> list[str]:
        """The parameters without a default."""
        return [p for p, kind in self.parameters.items() if kind.default is None]

    @property
    def droppable(self) -> list[str]:
        """Required parameters without which the request is still a sentence."""
        return [p for _, p in _PART.findall(self.template) if self.parameters[p].default is None]

    @property
    def asked(self) -> dict[str, list[str]]:
        """The words that name each parameter in a question."""
        return {p: list(kind.asked) or [p.replace("_", " ")] for p, kind in self.parameters.items()}

    @property
    def topics(self) -> list[str]:
        """The words for what it deals with: those of its name but the verb."""
        return self.name.split("_")[1:]

    @property
    def tool(self) -> Tool:
        """The function as the policy sees it."""
        return _tool(self)

    def wording(self, said: Collection[str], chance: Chance) -> str:
        """The request with a place for each parameter in `said`; the others' parts are gone."""
        text = _PART.sub(lambda m: m.group(1) if m.group(2) in said else "", self.template)
        return _CHOICE.sub(lambda m: chance.rng.choice(m.group(1).split("|")), text)

    def expected(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The call with these values, as `rewards.calls` has it: an optional argument may be given its default."""
        defaults = {p: kind.default for p, kind in self.parameters.items() if kind.default is not None}
        arguments = {p: _accepted(values.get(p, defaults.get(p))) for p in self.parameters}
        return {"name": self.name, "arguments": arguments, "optional": [p for p in defaults if p not in values]}

    def __hash__(self) -> int:
        return hash(self.name)


def function(name: str, description: str, template: str, /, each: str = "", **parameters: Kind) -> Function:
    """A function, its template held to its parameters.

    Raises:
        ValueError: the template and the parameters don't name the same, or `each` is none of them.
    """
    if set(_NAMED.findall(template)) != set(parameters) or (each and each not in parameters):
        raise ValueError(f"function {name}: template and parameters {sorted(parameters)} differ; name each in both")
    return Function(name, description, template, parameters, each)


def _accepted(value: Any) -> list[Any]:
    """The value, and "gas company" for "the gas company"."""
    article = isinstance(value, str) and value.casefold().startswith("the ")
    return [value, value[len("the ") :]] if article else [value]


def several(values: list[tuple[Any, str]]) -> str:
    """The words of several values of one parameter."""
    return joined([words for _, words in values])


class Stub:
    """The function to call: it takes note and does no more, since the calls are what is judged."""

    def __init__(self, name: str, description: str, signature: inspect.Signature) -> None:
        self.__name__, self.__doc__, self.__signature__ = name, description, signature

    def __call__(self, **arguments: Any) -> str:
        """Acknowledges the call."""
        return "ok"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Pickles by name: types made at run time can't be found by pickle."""
        return _stub_named, (self.__name__,)


def _stub_named(name: str) -> Callable[..., Any]:
    from envs.api.catalogue import FUNCTIONS

    return FUNCTIONS[name].tool.call.function


@lru_cache(None)
def _tool(of: Function) -> Tool:
    kinds = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature(
        [
            inspect.Parameter(
                p,
                kinds,
                default=inspect.Parameter.empty if kind.default is None else kind.default,
                annotation=kind.hint,
            )
            for p, kind in of.parameters.items()
        ]
    )
    return make_tool(Stub(of.name, of.description, signature))
