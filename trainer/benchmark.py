"""Any number of models against the same held-out tasks, with the code that a training run evaluates with."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rewards.errors import ConfigError
from rewards.files import write_json_atomically
from rollout.models import load_renderer, resolve_model
from trainer.config import Config, explain_validation
from trainer.logs import Display, PhaseLog, quiet_libraries
from trainer.run_folder import claim_folder, fixed_precision


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


def benchmark(models: Mapping[str, str], config: Config, folder: Path, display: Display) -> dict[str, Any]:
    """Evaluates every model on the same tasks and writes `summary.json`, `report.html` and `eval/*.jsonl`.

    Models that an earlier, interrupted call has finished are not evaluated again.

    Returns:
        The summary, whose format `trainer.compare` documents.

    Raises:
        ConfigError: a model is missing, or the folder holds another benchmark.
    """
    from trainer.compare import compare, read_outcomes
    from trainer.report import write_report
    from trainer.tasks import Mixture

    folders = {name: resolve_model(model) for name, model in models.items()}
    description = {"models": dict(models), **config.model_dump(mode="json", exclude={"sft", "trainer", "logging"})}
    claim_folder(folder, description)
    precision = fixed_precision(folder, config.precision)
    quiet_libraries()
    phases = PhaseLog(folder)
    for name, model in folders.items():
        if not (folder / "eval" / f"{name}.jsonl").is_file():
            with phases.measure(f"evaluate {name}"):
                _evaluate_model(name, model, config, precision, folder, display)
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


def _evaluate_model(name: str, model: str, config: Config, precision: str, folder: Path, display: Display) -> None:
    from rollout.vllm_engine import VllmEngine
    from trainer.evaluate import engine_settings, evaluate_with_bar, keep_evaluation
    from trainer.tasks import Mixture

    mixture = Mixture(config.environments)
    if walls := mixture.walls():
        display.say(walls)
    renderer = load_renderer(model, config.rollout.tool_format)
    engine = VllmEngine(engine_settings(model, config.rollout, precision))
    try:
        with asyncio.Runner() as runner:
            groups = evaluate_with_bar(
                runner, engine, renderer, mixture, config.evaluation.tasks, config.rollout, display, name
            )
        keep_evaluation(folder, name, groups)
    finally:
        engine.close()
