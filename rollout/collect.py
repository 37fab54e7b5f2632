"""Many episodes at once: every one is an asyncio task over the same engine, so a slow tool holds up no one."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envs.base import Task, TextEnv
from rollout.chat import ChatRenderer
from rollout.engine import Engine, Sampling
from rollout.episode import Limits, run_episode
from rollout.trajectory import Group, Trajectory

MakeEnv = Callable[[str], TextEnv]


def episode_seed(*parts: Any) -> int:
    """A 31-bit seed from anything printable, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


async def collect_groups(
    tasks: Sequence[Task],
    group_size: int,
    make_env: MakeEnv,
    engine: Engine,
    renderer: ChatRenderer,
    sampling: Sampling,
    limits: Limits,
    concurrency: int = 64,
    on_episode: Callable[[Trajectory], None] = lambda trajectory: None,
) -> list[Group]:
    """Plays every task `group_size` times, at most `concurrency` episodes at once.

    Members of a group start together, so that they share the engine's prefix cache. Each episode's seed
    follows from (sampling.seed, task, member): a repeated call asks for the same samples.

    Returns:
        One `Group` a task, in the order of `tasks`.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(task: Task, member: int) -> Trajectory:
        async with gate:
            seed = None if sampling.seed is None else episode_seed(sampling.seed, task.id, member)
            own = Sampling(sampling.max_tokens, sampling.temperature, seed)
            trajectory = await run_episode(make_env(task.env), task, engine, renderer, own, limits)
            on_episode(trajectory)
            return trajectory

    async with asyncio.TaskGroup() as running:
        groups = [[running.create_task(one(task, m)) for m in range(group_size)] for task in tasks]
    return [Group(task, tuple(t.result() for t in group)) for task, group in zip(tasks, groups, strict=True)]


def error_counts(groups: Sequence[Group]) -> Mapping[str, int]:
    """How many episodes ended without a verdict, by status."""
    counts: dict[str, int] = {}
    for group in groups:
        for trajectory in group.trajectories:
            if trajectory.score.value is None:
                counts[str(trajectory.score.status)] = counts.get(str(trajectory.score.status), 0) + 1
    return counts
