"""Rewards by name: what a rubric file may name, and how a reward that a factory made is made again.

A name is the dotted path of a public function of the `rewards` package that has a reward's signature or is a
`factory`. Nothing else can be named, so reading a rubric runs no code but ours.
"""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

import rewards
from rewards.errors import ConfigError, nearest
from rewards.score import GroupReward, Reward

Kind = Literal["reward", "group"]
_SIGNATURES: Mapping[tuple[str, ...], Kind] = {
    ("transcript", "target"): "reward",
    ("transcripts", "scores", "target"): "group",
}
_MAX_DEPTH = 8
_allowed: set[str] = set()


@dataclass(frozen=True, slots=True)
class Made:
    """A reward with its recipe: the factory's dotted name and plain arguments. Equal recipes are equal rewards."""

    factory: str
    arguments: Mapping[str, Any]
    function: Callable[..., Any] = field(compare=False, repr=False)

    def __call__(self, *judged: Any) -> Any:
        """What the made reward says."""
        return self.function(*judged)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (self.factory, dict(self.arguments))


def factory(make: Callable[..., Any]) -> Callable[..., Made]:
    """Marks a function that makes rewards from plain-JSON arguments and other rewards.

    Its return annotation, `Reward` or `GroupReward`, says which kind it makes.
    """
    name = f"{make.__module__}.{make.__qualname__}"
    signature = inspect.signature(make)

    @wraps(make)
    def recorded(*args: Any, **kwargs: Any) -> Made:
        given = signature.bind(*args, **kwargs)
        return Made(name, dict(given.arguments), make(*args, **kwargs))

    recorded.__postgym_makes__ = "group" if signature.return_annotation is GroupReward else "reward"  # type: ignore
    return recorded


def allow_rewards(module: str) -> None:
    """Lets rubric files name the rewards of a module of your own; it is imported when one is named."""
    _allowed.add(module)


def known_rewards(kind: Kind = "reward") -> dict[str, Callable[..., Any]]:
    """Every function of that kind that a rubric may name, factories included, by dotted name."""
    found = {}
    for module in sorted(_modules()):
        for name, value in vars(importlib.import_module(module)).items():
            if kind_of(value) == kind and value.__module__ == module and not name.startswith("_"):
                found[f"{module}.{name}"] = value
    return found


def kind_of(value: Any) -> Kind | None:
    """What a module's attribute judges, or makes rewards to judge; None when it isn't a reward."""
    if not inspect.isfunction(value):
        return None
    return getattr(value, "__postgym_makes__", None) or _SIGNATURES.get(tuple(inspect.signature(value).parameters))


def is_factory(value: Any) -> bool:
    """Whether the function makes rewards and isn't one itself."""
    return hasattr(value, "__postgym_makes__")


def describe(reward: Any) -> Any:
    """A reward as plain JSON: its dotted name, or `{factory: arguments}`."""
    if isinstance(reward, Made):
        return {reward.factory: {k: describe(v) if callable(v) else v for k, v in reward.arguments.items()}}
    named = reward if hasattr(reward, "__qualname__") else type(reward)
    return f"{named.__module__}.{named.__qualname__}"


def doc_of(reward: Any) -> str:
    """The first line of the reward's, or its factory's, docstring."""
    if isinstance(reward, Made):
        module, _, name = reward.factory.rpartition(".")
        reward = getattr(importlib.import_module(module), name)
    return (inspect.getdoc(reward) or "").partition("\n")[0] if inspect.isfunction(reward) else ""


def resolve(spec: Any, kind: Kind = "reward", depth: int = 0) -> Any:
    """The reward that `describe` wrote down.

    Raises:
        ConfigError: the name is not one of `known_rewards`, or an argument is unknown, missing or of the wrong type.
    """
    if depth > _MAX_DEPTH:
        raise ConfigError(f"rewards nest deeper than {_MAX_DEPTH}; write fewer factories into each other")
    name, arguments = (spec, None) if isinstance(spec, str) else _single(spec)
    found = _look_up(name, kind)
    if not is_factory(found):
        if arguments is not None:
            raise ConfigError(f"reward {name} takes no arguments, got {arguments!r}; write its name alone")
        return found
    parameters = inspect.signature(found).parameters
    given = {key: _argument(name, parameters, key, value, depth) for key, value in (arguments or {}).items()}
    try:
        return found(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"reward {name}: {error}") from None


def _make(name: str, arguments: dict[str, Any]) -> Made:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)(**arguments)


def _modules() -> set[str]:
    return _our_modules() | _allowed


@cache
def _our_modules() -> frozenset[str]:
    return frozenset(m.name for m in pkgutil.walk_packages(rewards.__path__, "rewards.") if not m.ispkg)


def _single(spec: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, dict) and len(spec) == 1:
        (name, arguments) = next(iter(spec.items()))
        if isinstance(name, str) and isinstance(arguments, dict) and all(isinstance(k, str) for k in arguments):
            return name, arguments
    raise ConfigError(f"{spec!r} is no reward; write a dotted name, or one factory with a mapping of its arguments")


def _look_up(name: str, kind: Kind) -> Callable[..., Any]:
    module, _, function = name.rpartition(".")
    if module in _modules() and not function.startswith("_"):
        found = getattr(importlib.import_module(module), function, None)
        if kind_of(found) == kind and found.__module__ == module:
            return found
    raise ConfigError(f"no {'group ' * (kind == 'group')}reward {name!r}; {nearest(name, known_rewards(kind))}")


def _argument(name: str, parameters: Mapping[str, inspect.Parameter], key: str, value: Any, depth: int) -> Any:
    if key not in parameters:
        raise ConfigError(f"reward {name} has no argument {key!r}; {nearest(key, parameters)}")
    wanted = parameters[key].annotation
    if wanted is Reward or wanted is GroupReward:
        return resolve(value, "reward" if wanted is Reward else "group", depth + 1)
    try:
        return TypeAdapter(wanted).validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ConfigError(f"reward {name}: argument {key}={value!r}: {why}") from None
