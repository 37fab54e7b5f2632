"""Many episodes at once: every one is an asyncio task over the same engine, so a slow tool holds up no one."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from envs.base import Task, TextEnv
from rewards.errors import Fault
from rewards.score import Rubric, Status, failure
from rollout.chat import ChatRenderer
from rollout.engine import ChatEngine, Engine, Sampling
from rollout.episode import Limits, run_episode
from rollout.schedule import Lengths, Rank, Slots, together
from rollout.trajectory import Group, Trajectory
from rollout.world import Threaded, World

MakeEnv = Callable[[str], TextEnv | World]


def episode_seed(*parts: Any) -> int:
    """A 31-bit seed from anything printable, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True, slots=True)
class Player:
    """What groups are played with.

    Args:
        make_env: makes what one episode is played in; it is closed when that is over.
        renderer: the model's; None for a `ChatEngine`.
        on_episode: sees every episode as it ends, with what it earned by itself.
    """

    make_env: MakeEnv
    engine: Engine | ChatEngine
    renderer: ChatRenderer | None
    limits: Limits
    slots: Slots
    lengths: Lengths = field(default_factory=Lengths)
    on_episode: Callable[[Trajectory], None] = lambda trajectory: None

    async def play(self, task: Task, group_size: int, sampling: Sampling, rank: Rank = ()) -> Group:
        """Plays one task `group_size` times and judges the episodes together.

        The members stand in the queue for places one behind the other, so that they start together and share the
        engine's prefix cache. Each one's seed follows from (sampling.seed, task, member): a repeated call asks for
        the same samples.

        Args:
            rank: goes before the expected length in the order of who starts next.

        Raises:
            EngineError: the engine is gone; what still ran is cancelled.
        """
        place = (*rank, -self.lengths.expected(task))
        async with together() as playing:
            members = [playing.create_task(self._episode(task, sampling, n, place)) for n in range(group_size)]
        played = [member.result() for member in members]
        return judge_together(Group(task, tuple(trajectory for trajectory, _ in played)), played[0][1])

    async def _episode(self, task: Task, sampling: Sampling, member: int, rank: Rank) -> tuple[Trajectory, Rubric]:
        async with self.slots.held(task.env, rank):
            made = self.make_env(task.env)
            world = Threaded(made, closes=True) if isinstance(made, TextEnv) else made
            seed = None if sampling.seed is None else episode_seed(sampling.seed, task.id, member)
            trajectory = await run_episode(
                world, task, self.engine, self.renderer, replace(sampling, seed=seed), self.limits
            )
            self.on_episode(trajectory)
            return trajectory, world.rubric


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
    by_environment: Mapping[str, int] | None = None,
) -> list[Group]:
    """Plays every task `group_size` times, at most `concurrency` episodes at once.

    Args:
        on_episode: as in `Player`.
        by_environment: how many episodes of an environment may run at once, where it has a limit of its own.

    Returns:
        One `Group` a task, in the order of `tasks`.

    Raises:
        EngineError: the engine is gone; what still ran is cancelled.
    """
    slots = Slots(concurrency, by_environment)
    player = Player(make_env, engine, renderer, limits, slots, on_episode=on_episode)
    async with together() as playing:
        groups = [playing.create_task(player.play(task, group_size, sampling)) for task in tasks]
    return [group.result() for group in groups]


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
