"""Greedy evaluation of a model on held-out tasks: the same tasks for every model, so that gains are paired."""

from collections.abc import Callable, Sequence

from envs.base import Task
from rollout.chat import ChatRenderer
from rollout.collect import collect_groups
from rollout.engine import Engine, Sampling
from rollout.episode import Limits
from rollout.trajectory import Trajectory
from trainer.compare import Outcome
from trainer.config import RolloutConfig
from trainer.tasks import Mixture


def outcome_of(trajectory: Trajectory) -> Outcome:
    """What an evaluation keeps of an episode."""
    messages = tuple(m.to_dict() for m in trajectory.transcript.messages)
    return Outcome(
        trajectory.task.id, trajectory.task.env, trajectory.score.value, trajectory.score.reason, messages
    )


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
    return [outcome_of(group.trajectories[0]) for group in groups]
