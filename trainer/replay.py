"""A run's stored episodes played again, with the tokenizer, the limits and the options of that run."""

import asyncio
import itertools
from pathlib import Path

from rewards.errors import ConfigError
from rewards.files import read_json
from rollout.catalogue import Filter, read_all
from rollout.episode import Limits
from rollout.models import load_renderer, resolve_model
from rollout.recorded import Replay, replay
from rollout.schedule import Slots
from rollout.trajectory import Group
from trainer.config import EnvironmentConfig, RolloutConfig
from trainer.run_folder import environment_maker


def replay_run(folder: Path, wanted: Filter) -> list[Replay]:
    """Plays again what `wanted` takes; see `rollout.recorded.replay`.

    Raises:
        ConfigError: it is no run's folder, or holds nothing that can be played again.
    """
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else {}
    if not isinstance(config.get("model"), str):
        raise ConfigError(
            f"{folder} is no run's folder (no config.json with a model); give one such as runs/quickstart"
        )
    rollout = RolloutConfig.model_validate(config["rollout"])
    environments = [EnvironmentConfig.model_validate(spec) for spec in config["environments"]]
    grouped = itertools.groupby(read_all(folder, wanted), key=lambda pair: (pair[0].path, pair[0].group))
    members = [tuple(trajectory for _, trajectory in found) for _, found in grouped]
    return asyncio.run(
        replay(
            [Group(found[0].task, found) for found in members],
            environment_maker(folder),
            load_renderer(resolve_model(config["model"]), rollout.tool_format),
            Limits(rollout.max_context, rollout.step_seconds),
            Slots(rollout.concurrency, {e.id: e.concurrency for e in environments if e.concurrency}),
        )
    )
