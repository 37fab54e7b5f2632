"""The configuration: one YAML, validated whole before anything heavy loads; every field can be overridden.

A wrong field, type or value is a `ConfigError` that names it, what is allowed, and the nearest right name.
"""

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from envs.registry import all_ids
from rewards.errors import ConfigError, nearest
from rewards.recipes import allow_rewards
from rewards.rubric_yaml import read_rubric, rubric_from_dict, rubric_to_dict
from rollout.tool_formats import AUTO, FORMATS
from trainer.algorithms import ALGORITHMS
from trainer.trainer_config import Section, Share, TrainerConfig

allow_rewards("trainer.reward_model")


class EnvironmentConfig(Section):
    """One environment of the mixture."""

    id: str = Field(description="registered id, such as postgym/Weather-v0")
    difficulty: tuple[Share, Share] = Field((0.0, 1.0), description="tasks are spread evenly from the first to last")
    weight: float = Field(1.0, gt=0, description="share of the training tasks, relative to the others")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the environment")
    concurrency: int | None = Field(None, ge=1, description="its episodes at once; null: as many as all may be")
    rubric: dict[str, Any] | None = Field(
        None, description="in place of the environment's own: a YAML file, or its contents (see rewards/rubric_yaml.py)"
    )

    @field_validator("id")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in all_ids():
            raise ValueError(f"no environment {value!r}; {nearest(value, all_ids())}")
        return value

    @field_validator("rubric", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if value is None:
            return None
        try:  # the contents are kept, so that a run whose file has changed is another run
            return read_rubric(Path(value)) if isinstance(value, str) else rubric_to_dict(rubric_from_dict(value))
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @field_validator("difficulty")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"the first ({value[0]}) must not exceed the second ({value[1]})")
        return value


class CurriculumConfig(Section):
    """Difficulty and mixture that follow what is learned, within what `environments` say (trainer/curriculum.py)."""

    target: float = Field(0.5, gt=0, lt=1, description="mean score at which difficulty is held")
    rate: Share = Field(0.1, description="difficulty moves by rate * (score - target) of its range; 0 leaves it alone")
    start: Share = Field(0.0, description="where in its range of difficulty each environment begins")
    spread: Share = Field(0.2, description="tasks are spread over this part of the range, around where it stands")
    window: int = Field(10, ge=4, description="rounds over which progress is measured")
    floor: Share = Field(
        0.3,
        description="of the tasks, shared out by environments.*.weight alone, the rest by progress; 1: all by weight",
    )


class SftConfig(Section):
    """Cold start on expert traces of the training split."""

    traces: int = Field(240, ge=0, description="expert episodes, over all environments; 0 uses none")
    file: Path | None = Field(None, description="JSONL of chats in the OpenAI layout, learned from beside the experts")
    epochs: int = Field(1, ge=1)
    batch_size: int = Field(8, ge=1, description="episodes per optimiser step")
    learning_rate: float = Field(2e-4, gt=0)


class RolloutConfig(Section):
    """How episodes are generated."""

    groups: int = Field(8, ge=1, description="tasks per step")
    group_size: int = Field(8, ge=2, description="episodes per task")
    tool_format: str = Field(
        AUTO, description=f"how the model writes calls: auto (told by its chat template), {', '.join(FORMATS)}"
    )
    temperature: float = Field(1.0, gt=0, description="1 samples from the policy itself")
    max_new_tokens: int = Field(128, ge=1, description="tokens per turn")
    max_context: int = Field(1024, ge=64, description="tokens per episode")
    concurrency: int = Field(64, ge=1, description="episodes at once")
    step_seconds: float = Field(60, gt=0, description="an environment that takes longer has failed")
    straggler_seconds: float | None = Field(
        None, gt=0, description="training episodes that take longer are cancelled and leave their group; null: none"
    )
    dynamic_sampling: bool = Field(False, description="groups without variance are replaced by fresh tasks (DAPO)")
    max_refills: int = Field(3, ge=1, description="fresh tasks of a round by dynamic_sampling, times rollout.groups")
    drivers: int = Field(0, ge=0, description="processes that play training episodes; 0: the trainer's own")
    env_workers: int = Field(0, ge=0, description="processes that play environments; 0: threads of who plays episodes")
    env_memory_gb: float = Field(2.0, gt=0, description="GiB that the environments of one such process may hold")
    kv_cache_gb: float = Field(1.0, gt=0, description="GiB of KV cache (CPU)")
    compile: bool = Field(
        False,
        description="vLLM compiles the model on a CPU too (on a GPU it always does): a minute at the first start, "
        "seconds at later ones, for decoding steps that take a sixth less",
    )
    gpu_memory_share: float = Field(0.45, gt=0, lt=1, description="share of the GPU for the engine (GPU)")
    ray_address: str = Field("local", description="`local`, `auto` or ray://host:port")
    replicas: int = Field(1, ge=1, description="engines with the whole model each, that share the episodes")
    tensor_parallel: int = Field(1, ge=1, description="GPUs of one node that hold one replica together")
    weight_transport: Literal["auto", "files", "object_store", "nccl", "ipc"] = Field(
        "auto",
        description="how weights reach a replica; auto: files on the trainer's node, elsewhere Ray's store; nccl: from "
        "GPU to GPUs; ipc: within the GPU that one replica shares with the trainer",
    )
    lora: Literal["auto", "merged", "adapter"] = Field(
        "auto",
        description="what the engine is sent of trainer.memory.lora: the whole model with the adapter merged in, or "
        "the adapter alone; auto: the adapter on a GPU in bfloat16, where vLLM has kernels for it",
    )
    sleep_while_training: bool = Field(
        False, description="the engine gives the GPU's memory to the trainer while that learns (one GPU for both)"
    )

    @field_validator("tool_format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != AUTO and value not in FORMATS:
            raise ValueError(f"no tool format {value!r}; {nearest(value, [AUTO, *FORMATS])}")
        return value

    @model_validator(mode="after")
    def _shared_out(self) -> "RolloutConfig":
        if self.drivers > self.concurrency:
            raise ValueError(
                f"drivers: {self.drivers} of them share concurrency={self.concurrency} episodes; lower the one or "
                "raise the other"
            )
        if 0 < self.env_workers < self.drivers:
            raise ValueError(
                f"drivers: {self.drivers} of them share env_workers={self.env_workers}; raise it, or set it to 0"
            )
        return self


class EvaluationConfig(Section):
    """Greedy evaluation on held-out tasks."""

    tasks: int = Field(288, ge=1, description="over all environments, split evenly")


class LoggingConfig(Section):
    """Where the numbers go besides metrics.jsonl."""

    sinks: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        ("tensorboard",), description="trackers that are told every step (trainer/sinks.py)"
    )
    project: str = Field("postgym", min_length=1, description="what W&B and Trackio list the run under")
    vllm_metrics: str = Field(
        "",
        pattern=r"^([\w.:\[\]-]*:\d{1,5})?$",
        description="HOST:PORT where the engine answers Prometheus, such as 127.0.0.1:9400; empty for nowhere",
    )


class Config(Section):
    """A whole run."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="folder under runs/")
    seed: int = Field(0, ge=0)
    model: str = Field("smollm2-135m-instruct", description="the default model, a local folder or a hub id")
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="of engine and trainer (bf16 autocast over fp32 weights); auto takes the faster here"
    )
    environments: Annotated[tuple[EnvironmentConfig, ...], Field(min_length=1)]
    curriculum: CurriculumConfig | None = Field(None, description="null draws tasks as environments say, all along")
    sft: SftConfig = SftConfig()
    rollout: RolloutConfig = RolloutConfig()
    trainer: TrainerConfig = TrainerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    logging: LoggingConfig = LoggingConfig()

    @model_validator(mode="after")
    def _computable(self) -> "Config":
        if self.rollout.lora == "adapter" and not self.trainer.memory.lora:
            raise ValueError(
                "rollout.lora: adapter, but all weights learn (trainer.memory.lora is null): set trainer.memory.lora, "
                "or leave rollout.lora out"
            )
        rollout, way = self.rollout, self.rollout.weight_transport
        if self.trainer.memory.lora and way in ("nccl", "ipc"):
            raise ValueError(f"rollout.weight_transport: {way} sends neither adapters nor merged weights; take auto")
        if way == "ipc" and (gpus := rollout.replicas * rollout.tensor_parallel) > 1:
            raise ValueError(
                f"rollout.weight_transport: ipc is for one replica on the trainer's GPU; there are {gpus} GPUs "
                "(rollout.replicas times rollout.tensor_parallel): set both to 1, or take nccl or auto"
            )
        if self.trainer.memory.weights == "bfloat16" and self.precision != "bfloat16":
            raise ValueError(
                f"trainer.memory.weights: bfloat16 needs precision: bfloat16, not {self.precision}: rounded weights "
                "can't be computed with in fp32"
            )
        return self

    @field_validator("environments")
    @classmethod
    def _distinct(cls, value: tuple[EnvironmentConfig, ...]) -> tuple[EnvironmentConfig, ...]:
        ids = [e.id for e in value]
        if len(set(ids)) < len(ids):
            raise ValueError(f"an environment is listed twice in {ids}")
        return value

    @model_validator(mode="after")
    def _shared_out(self) -> "Config":
        for environment in self.environments:
            if environment.concurrency is not None and environment.concurrency < self.rollout.drivers:
                raise ValueError(
                    f"rollout.drivers: {self.rollout.drivers} of them share environments' concurrency, "
                    f"{environment.concurrency} for {environment.id}; lower the one or raise the other"
                )
        return self

    @model_validator(mode="after")
    def _awake(self) -> "Config":
        if self.rollout.sleep_while_training and self.trainer.max_staleness:
            raise ValueError(
                "rollout.sleep_while_training: rounds are played while the trainer learns "
                f"(trainer.max_staleness={self.trainer.max_staleness}); set the one to false or the other to 0"
            )
        if self.rollout.sleep_while_training and self.trainer.processes > 1:
            raise ValueError(
                f"rollout.sleep_while_training: {self.trainer.processes} trainer processes have GPUs of their own "
                "(trainer.processes); set the one to false or the other to 1"
            )
        return self

    @model_validator(mode="after")
    def _learnable(self) -> "Config":
        if self.rollout.dynamic_sampling and not ALGORITHMS[self.trainer.algorithm].compares_in_groups:
            raise ValueError(
                f"rollout.dynamic_sampling: {self.trainer.algorithm} learns from every group; set it to false"
            )
        return self


def load_config(path: Path, overrides: Sequence[str] = (), extra: dict[str, Any] | None = None) -> Config:
    """Reads a YAML file and applies overrides such as `["--trainer.steps", "10"]`.

    Args:
        extra: dotted names to values, applied before the overrides (a preset such as --smoke).

    Raises:
        ConfigError: the file is missing or no YAML, or a field is unknown, of the wrong type or out of range.
    """
    if not path.is_file():
        raise ConfigError(f"config file {path} does not exist; see scripts/configs/")
    try:
        values = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of fields is needed, found {type(values).__name__}")
    for name, value in {**(extra or {}), **parse_overrides(overrides)}.items():
        _set(values, name, value)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise explain_validation(error) from None


def explain_validation(error: ValidationError) -> ConfigError:
    """Pydantic's findings in words: a line each, with the nearest right name for an unknown field."""
    # Pydantic calls a list too short when its entries are wrong: the entries' own errors say more.
    found = [e for e in error.errors(include_url=False) if e["type"] != "too_short" or not e["input"]]
    return ConfigError("\n".join(_explain(e) for e in found))


def parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """`--a.b value` and `--a.b=value` pairs to dotted names and YAML values.

    Raises:
        ConfigError: a name without its dashes or without a value.
    """
    found: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise ConfigError(f"{word!r} is no override; write --section.field value")
        if not equals:
            if not rest:
                raise ConfigError(f"--{name} needs a value")
            text = rest.pop(0)
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        if isinstance(value, str):  # YAML 1.1 reads 1e-5 as text
            try:
                value = float(value)
            except ValueError:
                value = text
        found[name] = value
    return found


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    at: Any = values
    for part in path:
        if isinstance(at, list) and part.isdigit() and int(part) < len(at):
            at = at[int(part)]
        elif isinstance(at, dict):
            at = at.setdefault(part, {})
        else:
            raise ConfigError(f"--{dotted}: {part!r} is no section")
    if not isinstance(at, dict):
        raise ConfigError(f"--{dotted}: {last!r} can't be set there")
    at[last] = value


def _explain(error: Any) -> str:
    where = [p for p in error["loc"] if p != "[key]"]
    name = ".".join(str(p) for p in where)
    if error["type"] == "extra_forbidden":
        siblings = _fields_at(where[:-1])
        return f"unknown field {name}; {nearest(str(where[-1]), siblings)}"
    if error["type"] == "missing":
        return f"{name}: this field is needed"
    given = error["input"]
    return f"{name}: {error['msg'].removeprefix('Value error, ')} (got {given!r})"


def _fields_at(path: Sequence[Any]) -> list[str]:
    model: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        model = model.model_fields[part].annotation
        while not (isinstance(model, type) and issubclass(model, BaseModel)):
            options = [a for a in get_args(model) if a is not type(None) and a is not Ellipsis]
            if get_origin(model) not in (tuple, list, Annotated, Union, types.UnionType) or not options:
                return []
            model = options[0]
    return list(model.model_fields)
