"""Greedy evaluation of a model on held-out tasks: the same tasks for every model, so that gains are paired."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from envs.base import Task
from rewards.errors import EnvError
from rollout.chat import ChatRenderer
from rollout.collect import collect_groups
from rollout.engine import Engine, Sampling
from rollout.episode import Limits
from rollout.trajectory import Trajectory
from rollout.vllm_engine import VllmSettings
from trainer.compare import Outcome
from trainer.config import RolloutConfig
from trainer.logs import Display
from trainer.tasks import Mixture


def outcome_of(trajectory: Trajectory) -> Outcome:
    """What an evaluation keeps of an episode."""
    messages = tuple(m.to_dict() for m in trajectory.transcript.messages)
    return Outcome(trajectory.task.id, trajectory.task.env, trajectory.score.value, trajectory.score.reason, messages)


def engine_settings(model: str, rollout: RolloutConfig, precision: str) -> VllmSettings:
    """The engine that a config asks for."""
    return VllmSettings(
        model,
        rollout.max_context,
        rollout.concurrency,
        rollout.kv_cache_gb,
        rollout.gpu_memory_share,
        precision,
        rollout.ray_address,
    )


def evaluate_with_bar(
    runner: asyncio.Runner,
    engine: Engine,
    renderer: ChatRenderer,
    mixture: Mixture,
    count: int,
    rollout: RolloutConfig,
    display: Display,
    name: str,
) -> list[Outcome]:
    """`evaluate` on `count` held-out tasks with a progress bar."""
    tasks = mixture.held_out(count)
    scores: list[float] = []
    with display.bar(f"evaluate {name}", len(tasks)) as bar:

        def seen(trajectory: Trajectory) -> None:
            scores.append(trajectory.score.value or 0.0)
            bar.advance(f"mean score {np.mean(scores):.3f}")

        return runner.run(evaluate(engine, renderer, mixture, tasks, rollout, seen))


async def evaluate(
    engine: Engine,
    renderer: ChatRenderer,
    mixture: Mixture,
    tasks: Sequence[Task],
    rollout: RolloutConfig,
    on_episode: Callable[[Trajectory], None] = lambda trajectory: None,
) -> list[Outcome]:
    """One greedy episode a task.

    Returns:
        Outcomes in the order of `tasks`.

    Raises:
        EnvError: an environment failed in every one of its episodes.
    """
    groups = await collect_groups(
        tasks,
        1,
        mixture.make_env,
        engine,
        renderer,
        Sampling(rollout.max_new_tokens, temperature=0.0),
        Limits(rollout.max_context, rollout.step_seconds),
        rollout.concurrency,
        on_episode,
    )
    outcomes = [outcome_of(group.trajectories[0]) for group in groups]
    for env in {o.env for o in outcomes}:
        mine = [o for o in outcomes if o.env == env]
        if all(o.score is None for o in mine):
            raise EnvError(f"{env}: none of {len(mine)} episodes could be judged: {mine[0].reason}")
    return outcomes
