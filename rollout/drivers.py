"""Groups handed out to several processes, when one event loop can't keep up with the episodes.

This process hands out whole groups and gets them back; each driver (rollout/driver_actor.py) has an event loop,
environments and places of its own, and asks the replicas' actors itself. The replicas stay the engine's: it notices
who dies, starts them again, and every driver is told who lives. A driver that dies is started again, and its groups
are played again by others.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs.base import Task
from rewards.errors import EngineError
from rollout.driver_actor import Driver, DriverSettings
from rollout.engine import Sampling
from rollout.mail import Directory
from rollout.ray_session import last_line, start_ray
from rollout.schedule import Lengths, Rank, Running
from rollout.trajectory import Group, Trajectory
from rollout.vllm_engine import VllmEngine

_MAX_RESTARTS = 3  # of one driver
_MOST_GROUPS = 100_000  # that wait or are played in one driver


class _DiedError(Exception):
    """The driver that a group was at is gone."""


@dataclass(slots=True)
class _Seat:
    """A driver, whichever actor it is for now."""

    number: int
    actor: Any = None
    client: str = ""
    groups: int = 0
    restarts: int = 0


class Drivers:
    """Plays groups as a `Player` does, with the same samples.

    Args:
        settings: of all drivers together: each has its share of the places and of the environments' processes.

    `slots` counts the episodes of the groups that are played. `on_episode` sees those of a group when it has ended.
    """

    def __init__(self, count: int, settings: DriverSettings, engine: VllmEngine) -> None:
        self.lengths, self.slots = Lengths(), Running(settings.concurrency)
        self.on_episode: Callable[[Trajectory], None] = lambda trajectory: None
        self._ray = start_ray(engine.settings.ray_address)
        self._settings, self._engine = self._ray.put(settings), engine
        self._living: Directory = {}
        self._version = 0
        self._directing: asyncio.Task[None] | None = None
        self._failure: EngineError | None = None
        self._seats = [_Seat(number) for number in range(count)]
        for seat in self._seats:
            self._start(seat)

    @property
    def restarts(self) -> int:
        """Drivers that died and were started again."""
        return sum(seat.restarts for seat in self._seats)

    async def play(self, task: Task, group_size: int, sampling: Sampling, rank: Rank = ()) -> Group:
        """See `Player.play`; the driver with the fewest groups plays it.

        Raises:
            EngineError: the engine is gone, or drivers keep dying.
        """
        if self._directing is None or self._directing.done():
            self._directing = asyncio.create_task(self._direct())
        place = (*rank, -self.lengths.expected(task))
        self.slots.begin(group_size)
        try:
            while self._failure is None:
                seat = min(self._seats, key=lambda seat: seat.groups)
                seat.groups += 1
                try:
                    group = await self._played(seat, task, group_size, sampling, place)
                except _DiedError:
                    continue
                finally:
                    seat.groups -= 1
                for trajectory in group.trajectories:
                    self.on_episode(trajectory)
                return group
            raise self._failure
        finally:
            self.slots.end(group_size)

    async def _played(self, seat: _Seat, *group: Any) -> Group:
        actor = seat.actor
        reply = actor.play.remote(*group)
        try:
            return await reply
        except asyncio.CancelledError:
            self._ray.cancel(reply, recursive=False)  # the driver's calls to replicas are other groups' as well
            raise
        except self._ray.exceptions.RayTaskError as failed:
            raise failed.cause from None
        except self._ray.exceptions.RayError as death:
            if seat.actor is actor:
                self._restart(seat, last_line(str(death)))
            raise _DiedError from death

    def close(self) -> None:
        """Ends the drivers."""
        if self._directing is not None:
            self._directing.cancel()
        for seat in self._seats:
            self._ray.kill(seat.actor)

    async def _direct(self) -> None:
        """Tells the drivers who lives, as long as the engine does."""
        try:
            while True:
                self._living = await self._engine.directory(self._living)
                self._version += 1
                for seat in self._seats:
                    seat.actor.direct.remote(self._version, self._living)
        except EngineError as error:
            self._fail(error)

    def _start(self, seat: _Seat) -> None:
        options = {"num_cpus": 0, "max_concurrency": _MOST_GROUPS, "scheduling_strategy": "SPREAD"}
        seat.client = uuid.uuid4().hex
        seat.actor = (
            self._ray.remote(Driver)
            .options(**options)
            .remote(self._settings, seat.number, len(self._seats), seat.client)
        )
        if self._living:
            seat.actor.direct.remote(self._version, self._living)

    def _restart(self, seat: _Seat, why: str) -> None:
        """Starts a driver again; what it had asked of the replicas is given up."""
        if self._failure is not None:
            return
        self._ray.kill(seat.actor)  # its process may be there all the same
        self._engine.dismiss(seat.client)
        if seat.restarts >= _MAX_RESTARTS:
            self._fail(
                EngineError(
                    f"a driver of the rollouts died: {why}; it was started again {seat.restarts} times: free memory, "
                    "lower rollout.concurrency, or set rollout.env_workers where environments may be to blame"
                )
            )
            return
        seat.restarts += 1
        self._start(seat)

    def _fail(self, error: EngineError) -> None:
        self._failure = error
        self.close()  # whoever waits for a group is told
