"""The names of the environments: `postgym/<Name>-v0` ids, known to Gymnasium through an entry point.

A plug-in package adds its own with an entry point named `postgym` in the group `gymnasium.envs`.
`postgym/reasoning_gym/<name>` is `postgym/reasoning_gym.<name>` for Gymnasium, whose ids have one slash at most.
"""

import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Literal

import gymnasium
from pydantic import ValidationError

from envs.base import TextEnv, Transport
from envs.reasoning.gym_datasets import DATASETS, PREFIX
from envs.transport.faults import Faults
from rewards.errors import ConfigError, nearest
from rewards.recipes import allow_rewards

NAMESPACE = "postgym"
_GROUP = "gymnasium.envs"

_ENVIRONMENTS = {
    "Arithmetic-v0": "envs.mathematics.arithmetic:Arithmetic",
    "Algebra-v0": "envs.mathematics.algebra:Algebra",
    "NumberTheory-v0": "envs.mathematics.number_theory:NumberTheory",
    "Counting-v0": "envs.mathematics.counting:Counting",
    "Calculus-v0": "envs.mathematics.calculus:Calculus",
    "Geometry-v0": "envs.mathematics.geometry:Geometry",
    "Constraints-v0": "envs.style.constraints:Constraints",
    "Poetry-v0": "envs.style.poetry:Poetry",
    "Structured-v0": "envs.style.structured:Structured",
    "Chemistry-v0": "envs.domain.chemistry:Chemistry",
    "Dates-v0": "envs.domain.dates:Dates",
    "Finance-v0": "envs.domain.finance:Finance",
    "Physics-v0": "envs.domain.physics:Physics",
    "WordProblems-v0": "envs.word_problems:WordProblems",
    "Weather-v0": "envs.weather:Weather",
    "Calendar-v0": "envs.api.calendar:Calendar",
    "Travel-v0": "envs.api.travel:Travel",
    "Functions-v0": "envs.api.functions:Functions",
    "Currency-v0": "envs.api.currency:Currency",
    "Units-v0": "envs.api.units:Units",
    "Orders-v0": "envs.api.orders:Orders",
    "Code-v0": "envs.code:Code",
    "CodeDebug-v0": "envs.code_debug:CodeDebug",
    "CodeOutput-v0": "envs.code_output:CodeOutput",
    "Sql-v0": "envs.sql:Sql",
    "Terminal-v0": "envs.terminal:Terminal",
    "Search-v0": "envs.retrieval.search:Search",
    "MissingInfo-v0": "envs.retrieval.missing_info:MissingInfo",
    "Clarify-v0": "envs.dialogue.clarify:Clarify",
    "Interruption-v0": "envs.dialogue.interruption:Interruption",
    "TopicTracking-v0": "envs.dialogue.topic_tracking:TopicTracking",
    "Refusal-v0": "envs.safety.refusal:Refusal",
    "Injection-v0": "envs.safety.injection:Injection",
    "Bias-v0": "envs.safety.bias:Bias",
    "Toxicity-v0": "envs.safety.toxicity:Toxicity",
    "Countdown-v0": "envs.reasoning.countdown:Countdown",
    "Sudoku-v0": "envs.reasoning.sudoku:Sudoku",
    "Knights-v0": "envs.reasoning.knights:Knights",
    "Maze-v0": "envs.reasoning.maze:Maze",
    "Blocksworld-v0": "envs.reasoning.blocksworld:Blocksworld",
    "MathDataset-v0": "envs.mathematics.dataset:MathDataset",
    "CodeDataset-v0": "envs.code_dataset:CodeDataset",
    "RefusalDataset-v0": "envs.safety.refusal_dataset:RefusalDataset",
}
# Modules that hold rewards and no environment.
_SHARED_REWARDS = ("envs.dialogue.forms", "envs.dialogue.scripted", "envs.api.orders_judge")
_ADAPTER = "envs.reasoning.gym_adapter"
_GYM_PREFIX = f"{NAMESPACE}/reasoning_gym."
_OF_FILES = ("MathDataset-v0", "CodeDataset-v0", "RefusalDataset-v0")  # made with a data set's file only


def register_envs() -> None:
    """Registers every environment with Gymnasium, and lets rubric files name their rewards; twice does no harm."""
    for name, entry_point in _ENVIRONMENTS.items():
        env_id = f"{NAMESPACE}/{name}"
        if env_id not in gymnasium.registry:
            gymnasium.register(id=env_id, entry_point=entry_point, disable_env_checker=True)
            allow_rewards(entry_point.partition(":")[0])
    for name in DATASETS:  # by a table: the package itself would take a second to import
        if (gym_id := f"{_GYM_PREFIX}{name}") not in gymnasium.registry:
            gymnasium.register(gym_id, f"{_ADAPTER}:ReasoningGym", disable_env_checker=True, kwargs={"name": name})
    for module in (*_SHARED_REWARDS, _ADAPTER):
        allow_rewards(module)
    _register_plugins()


@cache
def _register_plugins() -> None:
    """Calls what installed packages list as `postgym` in the group; one that fails is named, and the others go on.

    Gymnasium itself loads such entry points no more.
    """
    for point in entry_points(group=_GROUP, name=NAMESPACE):
        if point.module == __name__:
            continue
        try:
            point.load()()
        except Exception as error:  # somebody's code may raise anything
            why = f"{type(error).__name__}: {error}"
            warnings.warn(f"plug-in {point.value} can't be loaded ({why}); mend or uninstall it", stacklevel=2)


def all_ids() -> list[str]:
    """All postgym ids, plug-ins' and reasoning-gym's too, sorted."""
    register_envs()
    ours = [i for i in gymnasium.registry if i.startswith(f"{NAMESPACE}/") and not i.startswith(_GYM_PREFIX)]
    return sorted([*ours, *(f"{PREFIX}{name}" for name in DATASETS)])


def known_ids() -> list[str]:
    """Those of `all_ids` that make tasks by themselves, without a data set's file or another package."""
    return [i for i in all_ids() if i.partition("/")[2] not in _OF_FILES and not i.startswith(PREFIX)]


def reasoning_gym_ids() -> list[str]:
    """The ids of reasoning-gym's datasets, sorted; none where the package isn't installed."""
    return [i for i in all_ids() if i.startswith(PREFIX)] if find_spec("reasoning_gym") else []


def make(
    env_id: str,
    *,
    transport: Literal["process", "http"] = "process",
    faults: Faults | Mapping[str, Any] | float = 0.0,
    **kwargs: Any,
) -> TextEnv:
    """The bare environment (no wrappers) with that id.

    Args:
        env_id: as registered.
        transport: how calls reach the tools: in this process, or over HTTP by a local server (see docs/tools.md).
        faults: with "http" the share of calls that meet a fault on their way, or a `Faults`, or its fields.
        kwargs: the environment's own settings.

    Raises:
        ConfigError: no such id (the nearest known ones are named), a setting it doesn't take, or its package isn't
            installed.
    """
    register_envs()
    gym_id = env_id.replace(PREFIX, _GYM_PREFIX)
    if gym_id not in gymnasium.registry:
        raise ConfigError(f"no environment {env_id!r}; {nearest(env_id, all_ids())}")
    way = _transport(env_id, transport, faults)
    try:
        env = gymnasium.make(gym_id, **kwargs).unwrapped
    except TypeError as error:
        raise ConfigError(f"{env_id}: {error}") from error
    if not isinstance(env, TextEnv):
        raise ConfigError(f"{env_id} is a {type(env).__name__}, not a TextEnv")
    env.transport = way
    return env


def _transport(env_id: str, name: str, faults: Faults | Mapping[str, Any] | float) -> Transport | None:
    if name not in ("process", "http"):
        raise ConfigError(f"{env_id}: transport {name!r} is not known; use 'process' or 'http'")
    try:
        settings = Faults.model_validate({"rate": faults} if isinstance(faults, int | float) else faults)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{env_id}: faults.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if name == "http":
        from envs.transport.client import Http

        return Http(settings)
    if settings.rate:
        raise ConfigError(f"{env_id}: faults={settings.rate:g} needs transport='http'")
    return None
