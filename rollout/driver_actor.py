"""What lives in a driver's own process: an event loop that plays whole groups on the replicas' actors."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from envs.base import Task, TextEnv
from rollout.chat import ChatRenderer
from rollout.collect import Player
from rollout.engine import Completion, Request, Sampling
from rollout.episode import Limits
from rollout.mail import ActorDiedError, Directory, Mail
from rollout.routing import Router
from rollout.schedule import Rank, Slots
from rollout.trajectory import Group
from rollout.workers import EnvWorkers, WorkerSettings


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """What drivers play with.

    Args:
        make_env: makes an environment by its id.
        make_renderer: loads the model's.
        replicas: of the engine, dead ones too.
        concurrency: episodes at once.
        by_environment: the same, of environments that have a limit of their own.
        workers: processes for environments; None: threads of the driver.
    """

    make_env: Callable[[str], TextEnv]
    make_renderer: Callable[[], ChatRenderer]
    limits: Limits
    replicas: int
    concurrency: int
    by_environment: Mapping[str, int] = field(default_factory=dict)
    workers: WorkerSettings | None = None

    def share(self, number: int, drivers: int) -> "DriverSettings":
        """What the `number`-th of `drivers` has of it."""

        def part(whole: int) -> int:
            return whole // drivers + (number < whole % drivers)

        limits = {env_id: part(most) for env_id, most in self.by_environment.items()}
        workers = self.workers and replace(self.workers, workers=part(self.workers.workers))
        return replace(self, concurrency=part(self.concurrency), by_environment=limits, workers=workers)


class LivingReplicas:
    """An `Engine` over the replicas' actors, as far as it has been told who lives.

    Args:
        client: names this process to the actors.
        replicas: dead ones too.
    """

    def __init__(self, ray: Any, client: str, replicas: int) -> None:
        self._ray, self._client, self._router = ray, client, Router(replicas)
        self._mails: dict[int, tuple[int, Mail]] = {}
        self._died: dict[int, int] = {}  # the last life of a replica that was seen to end
        self._told, self._someone = 0, asyncio.Event()

    def direct(self, version: int, living: Directory) -> None:
        """Takes the newest news of who lives; older ones may come later."""
        if version <= self._told:
            return
        before, self._mails, self._told = self._mails, {}, version
        for index, (life, actor) in living.items():
            if index in before and before[index][0] == life:
                self._mails[index] = before[index]
            elif life > self._died.get(index, -1):
                self._mails[index] = life, Mail(self._ray, actor, self._client)
        self._someone.set()

    async def generate(self, request: Request) -> Completion:
        """Samples one turn, and again on another replica, or the next life, when its replica dies of it."""
        while True:
            while not self._mails:
                self._someone.clear()
                await self._someone.wait()
            index = self._router.take(request.task.id, self._mails)
            life, mail = self._mails[index]
            try:
                return await mail.generate(request)
            except ActorDiedError:
                self._died[index] = max(life, self._died.get(index, -1))
                if self._mails.get(index) == (life, mail):
                    del self._mails[index]
            finally:
                self._router.give_back(index)


class Driver:
    """A Ray actor.

    Args:
        settings: those of all drivers; this is the `number`-th of `drivers`.
    """

    def __init__(self, settings: DriverSettings, number: int, drivers: int, client: str) -> None:
        import ray

        own = settings.share(number, drivers)
        self._replicas = LivingReplicas(ray, client, own.replicas)
        worlds = own.make_env if own.workers is None else EnvWorkers(own.workers, own.make_env)
        slots = Slots(own.concurrency, own.by_environment)
        self._player = Player(worlds, self._replicas, own.make_renderer(), own.limits, slots)

    async def direct(self, version: int, living: Directory) -> None:
        """See `LivingReplicas.direct`."""
        self._replicas.direct(version, living)

    async def play(self, task: Task, group_size: int, sampling: Sampling, rank: Rank) -> Group:
        """See `Player.play`."""
        return await self._player.play(task, group_size, sampling, rank)
