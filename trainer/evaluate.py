"""Greedy evaluation of a model on held-out tasks: the same tasks for every model, so that gains are paired."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from envs.base import Task
from rewards.errors import EnvError
from rollout.adapters import AdapterShape
from rollout.chat import ChatRenderer
from rollout.collect import collect_groups
from rollout.engine import ChatEngine, Engine, Sampling
from rollout.episode import Limits
from rollout.store import write_groups
from rollout.trajectory import Group, Trajectory
from rollout.vllm_actor import VllmSettings
from trainer.compare import Outcome, write_outcomes
from trainer.config import RolloutConfig
from trainer.logs import Display
from trainer.rollout_metrics import Tally
from trainer.tasks import Mixture


def outcome_of(trajectory: Trajectory) -> Outcome:
    """What an evaluation keeps of an episode."""
    messages = tuple(m.to_dict() for m in trajectory.transcript.messages)
    return Outcome(trajectory.task.id, trajectory.task.env, trajectory.score.value, trajectory.score.reason, messages)


def engine_settings(
    model: str, rollout: RolloutConfig, precision: str, metrics: str = "", adapter: AdapterShape | None = None
) -> VllmSettings:
    """The engine that a config asks for; `adapter` is what it will be sent in place of whole weights."""
    return VllmSettings(
        model,
        rollout.max_context,
        rollout.concurrency,
        rollout.kv_cache_gb,
        rollout.gpu_memory_share,
        precision,
        rollout.ray_address,
        metrics,
        replicas=rollout.replicas,
        tensor_parallel=rollout.tensor_parallel,
        weight_transport=rollout.weight_transport,
        adapter=adapter,
        sleeps=rollout.sleep_while_training,
        compiles=rollout.compile,
    )


def evaluate_with_bar(
    runner: asyncio.Runner,
    engine: Engine | ChatEngine,
    renderer: ChatRenderer | None,
    mixture: Mixture,
    count: int,
    rollout: RolloutConfig,
    display: Display,
    name: str,
) -> list[Group]:
    """`evaluate` on `count` held-out tasks with a progress bar."""
    tasks = mixture.held_out(count)
    tally = Tally()
    with display.bar(f"evaluate {name}", len(tasks)) as bar:

        def seen(trajectory: Trajectory) -> None:
            bar.advance(tally.add(trajectory))

        return runner.run(evaluate(engine, renderer, mixture, tasks, rollout, seen))


async def evaluate(
    engine: Engine | ChatEngine,
    renderer: ChatRenderer | None,
    mixture: Mixture,
    tasks: Sequence[Task],
    rollout: RolloutConfig,
    on_episode: Callable[[Trajectory], None] = lambda trajectory: None,
) -> list[Group]:
    """One greedy episode a task.

    Returns:
        Groups of one, in the order of `tasks`.

    Raises:
        EnvError: an environment failed in every one of its episodes.
    """
    groups = await collect_groups(
        tasks,
        1,
        mixture.make_world,
        engine,
        renderer,
        Sampling(rollout.max_new_tokens, temperature=0.0),
        Limits(rollout.max_context, rollout.step_seconds),
        rollout.concurrency,
        on_episode,
        mixture.concurrency,
    )
    for env in {g.task.env for g in groups}:
        mine = [g for g in groups if g.task.env == env]
        if not any(g.judged for g in mine):
            reason = mine[0].trajectories[0].score.reason
            raise EnvError(f"{env}: none of {len(mine)} episodes could be judged: {reason}")
    return groups


def keep_evaluation(folder: Path, stage: str, groups: Sequence[Group]) -> None:
    """Writes `trajectories/eval-STAGE.parquet`, then `eval/STAGE.jsonl`: where that is, the stage is evaluated."""
    write_groups(folder / "trajectories" / f"eval-{stage}.parquet", groups)
    outcomes = (outcome_of(group.trajectories[0]) for group in groups)
    write_outcomes(folder / "eval" / f"{stage}.jsonl", outcomes)
