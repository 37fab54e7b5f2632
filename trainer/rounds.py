"""The rounds of a run: played, kept on disk, and handed to the learner in order, at most `max_staleness` ahead of it.

A round is what one update learns from. Round n starts when the engine has the weights of n - `max_staleness` updates,
so no token is ever older than that when it is learned from: nothing is played that would have to be thrown away.
"""

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rewards.errors import CheckpointError
from rollout.catalogue import scan
from rollout.collect import Player, episode_seed
from rollout.drivers import Drivers
from rollout.engine import Sampling
from rollout.schedule import together
from rollout.store import read_groups, write_groups
from rollout.trajectory import Group
from trainer.config import Config
from trainer.credit import varied
from trainer.curriculum import Plan
from trainer.tasks import Mixture


@dataclass(frozen=True, slots=True)
class Round:
    """What one update learns from.

    Args:
        groups: in the order of their tasks.
        unused: groups without variance that others have replaced (`rollout.dynamic_sampling`).
        path: the file of `groups`.
        ended: groups of any round that ended since the round before was taken, whether to be learned from or not.
        busy_seconds: of that time, while episodes ran.
        flow: numbers of how playing and learning keep up with each other, for the metrics.
    """

    groups: list[Group]
    unused: list[Group]
    path: Path
    ended: list[Group] = field(default_factory=list)
    busy_seconds: float = 0.0
    flow: dict[str, float] = field(default_factory=dict)


class Rounds:
    """Plays the rounds of a run while the learner is at earlier ones.

    Every group is kept as it ends, every round when all its groups have: what was played before a kill is not played
    again. Tasks and seeds follow from (run's seed, round, number in the round), not from what ends first.

    Args:
        folder: the run's.
        first: the round that will be taken first; the lengths of those before are learned from their files.
        plan: what the curriculum gives to a round; None where there is none.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        mixture: Mixture,
        player: Player | Drivers,
        first: int,
        plan: Callable[[int], Plan | None] = lambda step: None,
    ) -> None:
        self._config, self._folder, self._mixture, self._player = config, folder, mixture, player
        self._plan = plan
        self._playing: dict[int, asyncio.Task[Round]] = {}
        self._finished: Counter[int] = Counter()  # groups, by round
        self._ended: list[Group] = []
        self._taken, self._idle = time.monotonic(), player.slots.idle_seconds
        for step in range(first):
            with contextlib.suppress(OSError, CheckpointError):  # only the order of starting depends on it
                for entry in scan(self._path(step)):
                    player.lengths.learn(entry.env, entry.difficulty, entry.sampled_tokens)

    async def take(self, step: int) -> Round:
        """The round to learn from when engine and trainer have the weights of `step` updates.

        Raises:
            EngineError: the engine is gone.
            CheckpointError: what was kept of the round is damaged.
        """
        settings = self._config.trainer
        for ahead in range(step, min(step + settings.max_staleness, settings.steps - 1) + 1):
            if ahead not in self._playing:
                self._playing[ahead] = asyncio.create_task(self._play(ahead))
        done = await self._playing.pop(step)
        now, slots = time.monotonic(), self._player.slots
        idle, self._idle = slots.idle_seconds - self._idle, slots.idle_seconds
        elapsed, self._taken = now - self._taken, now
        del self._finished[step]
        flow = {
            "seconds_engine_idle": idle,
            "queued_groups": float(self._finished.total()),
            "running_episodes": float(slots.running),
            "unused_groups": float(len(done.unused)),
        }
        ended, self._ended = self._ended, []
        return replace(done, ended=ended, busy_seconds=elapsed - idle, flow=flow)

    async def close(self) -> None:
        """Stops what is being played; groups that have ended are kept."""
        for task in self._playing.values():
            task.cancel()
        await asyncio.gather(*self._playing.values(), return_exceptions=True)

    async def _play(self, step: int) -> Round:
        path, kept = self._path(step), self._folder / "playing" / f"step-{step:05d}"
        unused_path = path.with_name(f"unused-{step:05d}.parquet")
        if path.is_file():  # played before a kill, not learned from yet
            groups = read_groups(path)
            unused = read_groups(unused_path) if unused_path.is_file() else []
        else:
            groups, unused = self._chosen(await self._sample(step, kept))
            if unused:
                write_groups(unused_path, unused)
            write_groups(path, groups)
        shutil.rmtree(kept, ignore_errors=True)
        self._finished[step] = len(groups)
        for trajectory in (t for group in groups for t in group.trajectories):
            self._player.lengths.learn(trajectory.task.env, trajectory.task.difficulty, trajectory.sampled_tokens)
        return Round(groups, unused, path)

    async def _sample(self, step: int, kept: Path) -> list[Group]:
        """The round's groups by number: its tasks', then those of the fresh tasks that replaced flat ones.

        Each of the round's places plays the next number until it has a group with variance. Which numbers are played
        depends on what the groups earn, not on which of them ends first.
        """
        settings, seed = self._config.rollout, self._config.seed
        plan = self._plan(step)
        tasks = self._mixture.training(settings.groups, seed, "grpo", step, plan=plan)
        if settings.dynamic_sampling:
            refills = settings.groups * settings.max_refills
            tasks += self._mixture.training(refills, seed, "grpo", step, "refill", plan=plan)
        numbers, found = iter(range(len(tasks))), {}

        async def place() -> None:
            for number in numbers:
                key = (step,) if number < settings.groups else (step, "refill", number)
                sampling = Sampling(settings.max_new_tokens, settings.temperature, episode_seed(seed, "sampling", *key))
                path = kept / f"group-{number:05d}.parquet"
                if path.is_file():
                    (found[number],) = read_groups(path)
                else:
                    found[number] = await self._player.play(tasks[number], settings.group_size, sampling, (step,))
                    self._ended.append(found[number])
                    await asyncio.to_thread(write_groups, path, [found[number]])
                if not settings.dynamic_sampling or self._varied(found[number]):
                    break
            self._finished[step] += 1

        async with together() as playing:
            for _ in range(settings.groups):
                playing.create_task(place())
        return [found[number] for number in sorted(found)]

    def _chosen(self, groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
        """The groups to learn from, and those that are thrown away.

        A round that stays short of groups with variance is filled up with others: they teach nothing, and their
        weight in the mean keeps the step as small as what was learned.
        """
        if not self._config.rollout.dynamic_sampling:
            return list(groups), []
        order = sorted(range(len(groups)), key=lambda n: (not self._varied(groups[n]), n))
        used = set(order[: self._config.rollout.groups])
        return [g for n, g in enumerate(groups) if n in used], [g for n, g in enumerate(groups) if n not in used]

    def _varied(self, group: Group) -> bool:
        return varied(group.judged, self._config.trainer)

    def _path(self, step: int) -> Path:
        return self._folder / "trajectories" / f"step-{step:05d}.parquet"
