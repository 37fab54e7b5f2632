"""Any number of models against the same held-out tasks, with the code that a training run evaluates with."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rewards.errors import ConfigError, nearest
from rewards.files import write_json_atomically
from rollout.models import load_renderer, resolve_model
from rollout.openai_engine import PREFIX, OpenAIEngine, parse_endpoint
from rollout.trajectory import Group
from trainer.config import Config, explain_validation
from trainer.logs import Display, PhaseLog, quiet_libraries
from trainer.run_folder import claim_folder, fixed_precision
from trainer.tasks import Mixture


def benchmark_config(
    env_ids: Sequence[str], difficulty: str, tasks: int, max_new_tokens: int, max_context: int, precision: str
) -> Config:
    """A validated config for an evaluation.

    Raises:
        ConfigError: an unknown environment, or a value out of range.
    """
    try:
        low, _, high = difficulty.partition(",")
        spread = [float(low), float(high or low)]
    except ValueError:
        raise ConfigError(f"--difficulty {difficulty!r}: write LOW,HIGH between 0 and 1, such as 0,0.3") from None
    try:
        return Config.model_validate(
            {
                "name": "benchmark",
                "environments": [{"id": i.strip(), "difficulty": spread} for i in env_ids],
                "rollout": {"max_new_tokens": max_new_tokens, "max_context": max_context},
                "evaluation": {"tasks": tasks},
                "precision": precision,
            }
        )
    except ValidationError as error:
        raise explain_validation(error) from None


def benchmark(
    models: Mapping[str, str],
    config: Config,
    folder: Path,
    display: Display,
    api_key_envs: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Evaluates every model on the same tasks and writes `summary.json`, `report.html` and `eval/*.jsonl`.

    Models that an earlier, interrupted call has finished are not evaluated again.

    Args:
        models: by name; a folder, a hub id, or `openai:MODEL@URL` for a model behind an endpoint.
        api_key_envs: which environment variable holds the key of a named endpoint.

    Returns:
        The summary, whose format `trainer.compare` documents.

    Raises:
        ConfigError: a model or key is missing, or the folder holds another benchmark.
    """
    from trainer.compare import compare, read_outcomes
    from trainer.report import write_report

    places = _places(models, api_key_envs or {})
    description = {"models": dict(models), **config.model_dump(mode="json", exclude={"sft", "trainer", "logging"})}
    claim_folder(folder, description)
    precision = fixed_precision(folder, config.precision)
    quiet_libraries()
    phases = PhaseLog(folder)
    for name, place in places.items():
        if not (folder / "eval" / f"{name}.jsonl").is_file():
            with phases.measure(f"evaluate {name}"):
                _evaluate_model(name, place, config, precision, folder, display)
    stages = {name: read_outcomes(folder / "eval" / f"{name}.jsonl") for name in models}
    rubrics = Mixture(config.environments).rubrics()
    summary = {
        "name": config.name,
        **compare(stages),
        "rubrics": rubrics,
        "phases": phases.summary(),
        "config": description,
    }
    write_report(folder / "report.html", summary, stages, [])
    write_json_atomically(folder / "summary.json", summary)
    return summary


def _places(models: Mapping[str, str], api_key_envs: Mapping[str, str]) -> dict[str, str | OpenAIEngine]:
    """Where each model is: a folder or hub id, or an endpoint whose key is there, known before any is evaluated."""
    places: dict[str, str | OpenAIEngine] = {}
    for name, model in models.items():
        is_endpoint = model.startswith(PREFIX)
        key = api_key_envs.get(name, "")
        places[name] = OpenAIEngine(parse_endpoint(model, key)) if is_endpoint else resolve_model(model)
    endpoints = [name for name, place in places.items() if isinstance(place, OpenAIEngine)]
    for name in api_key_envs:
        if name not in endpoints:
            raise ConfigError(f"--api-key-env {name}=...: no endpoint of that name; {nearest(name, endpoints)}")
    return places


def _evaluate_model(
    name: str, place: str | OpenAIEngine, config: Config, precision: str, folder: Path, display: Display
) -> None:
    from trainer.evaluate import keep_evaluation

    mixture = Mixture(config.environments)
    if walls := mixture.walls():
        display.say(walls)
    if isinstance(place, OpenAIEngine):
        groups = _ask_endpoint(name, place, config, mixture, display)
    else:
        groups = _run_model(name, place, config, precision, mixture, display)
    keep_evaluation(folder, name, groups)


def _ask_endpoint(name: str, engine: OpenAIEngine, config: Config, mixture: Mixture, display: Display) -> list[Group]:
    from trainer.evaluate import evaluate_with_bar

    with asyncio.Runner() as runner:
        try:
            groups = evaluate_with_bar(
                runner, engine, None, mixture, config.evaluation.tasks, config.rollout, display, name
            )
        finally:
            runner.run(engine.close())
    if engine.refused:
        display.say(f"{name} takes no {', '.join(sorted(engine.refused))}: its own was used")
    return groups


def _run_model(
    name: str, model: str, config: Config, precision: str, mixture: Mixture, display: Display
) -> list[Group]:
    from rollout.vllm_engine import VllmEngine
    from trainer.evaluate import engine_settings, evaluate_with_bar

    renderer = load_renderer(model, config.rollout.tool_format)
    engine = VllmEngine(engine_settings(model, config.rollout, precision))
    try:
        with asyncio.Runner() as runner:
            return evaluate_with_bar(
                runner, engine, renderer, mixture, config.evaluation.tasks, config.rollout, display, name
            )
    finally:
        engine.close()
