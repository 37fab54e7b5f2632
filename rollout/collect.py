"""Many episodes at once: every one is an asyncio task over the same engine, so a slow tool holds up no one."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from envs.base import Task, TextEnv
from rewards.errors import EngineError, Fault
from rewards.score import Rubric, Status, failure
from rollout.chat import ChatRenderer
from rollout.engine import ChatEngine, Engine, Sampling
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
    engine: Engine | ChatEngine,
    renderer: ChatRenderer | None,
    sampling: Sampling,
    limits: Limits,
    concurrency: int = 64,
    on_episode: Callable[[Trajectory], None] = lambda trajectory: None,
) -> list[Group]:
    """Plays every task `group_size` times, at most `concurrency` episodes at once.

    Members of a group start together, so that they share the engine's prefix cache. Each episode's seed
    follows from (sampling.seed, task, member): a repeated call asks for the same samples. When all have ended,
    each group is judged as a whole by the group criteria of its environment's rubric; `on_episode` comes earlier
    and sees what an episode earned by itself.

    Returns:
        One `Group` a task, in the order of `tasks`.

    Raises:
        EngineError: the engine is gone; what still ran is cancelled.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(task: Task, member: int) -> tuple[Trajectory, Rubric]:
        async with gate:
            env = make_env(task.env)
            seed = None if sampling.seed is None else episode_seed(sampling.seed, task.id, member)
            own = Sampling(sampling.max_tokens, sampling.temperature, seed)
            trajectory = await run_episode(env, task, engine, renderer, own, limits)
            on_episode(trajectory)
            return trajectory, env.rubric

    try:
        async with asyncio.TaskGroup() as running:
            groups = [[running.create_task(one(task, m)) for m in range(group_size)] for task in tasks]
    except ExceptionGroup as failed:
        if gone := failed.subgroup(EngineError):  # one tells what all met
            raise gone.exceptions[0] from None
        raise
    collected = []
    for task, members in zip(tasks, groups, strict=True):
        played = [member.result() for member in members]
        group = Group(task, tuple(trajectory for trajectory, _ in played))
        collected.append(judge_together(group, played[0][1]))
    return collected


def judge_together(group: Group, rubric: Rubric) -> Group:
    """The group with its rubric's group criteria weighed in; a rubric that fails leaves no member a value."""
    before = [t.score for t in group.trajectories]
    try:
        scores = rubric.in_group([t.transcript for t in group.trajectories], before, group.task.target)
    except Exception as error:  # a reward of the user's own may raise anything; the run goes on
        failed = failure(
            Status.INFRA_ERROR, f"{group.task.id}: the group could not be judged: {error!r}", Fault.UNJUDGED
        )
        scores = [s if s.value is None else failed for s in before]
    return Group(group.task, tuple(replace(t, score=s) for t, s in zip(group.trajectories, scores, strict=True)))


def error_counts(groups: Sequence[Group]) -> Mapping[str, int]:
    """How many episodes ended without a verdict, by kind (`Fault`), the most frequent first."""
    scores = [t.score for group in groups for t in group.trajectories if t.score.value is None]
    return dict(Counter(str(score.fault or score.status) for score in scores).most_common())
