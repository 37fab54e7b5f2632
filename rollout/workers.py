"""Environments in Ray actors: each of a few processes plays many episodes, and is ended when one of them goes wrong.

A hung thread can't be stopped and leaked memory doesn't come back, but a process can be replaced. What else it was
playing is played again from (environment, task, actions) elsewhere, and goes on: no episode is lost to another's fault.

Who is to blame? A call that takes too long in a process that still answers. When the process is gone, out of memory or
silent, those whose calls were running are suspects: each is played again alone, and the one that does it again is
blamed.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from envs.base import Task, TextEnv
from rewards.errors import EnvError, Fault
from rewards.score import Rubric, Score
from rewards.transcript import Message, Transcript
from rollout.env_host import Answer, Call, Host, read_answer
from rollout.ray_session import start_ray
from rollout.world import Step, Tools

_PING_SECONDS = 2.0
_MAX_MOVES = 5  # of an episode from worker to worker
_ALONE_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How environments are hosted.

    Args:
        workers: processes.
        slots: episodes that one of them plays at once.
        memory_gb: what the environments of one process may hold together.
    """

    workers: int
    slots: int = 32
    memory_gb: float = 2.0
    ray_address: str = "local"


class _LostError(Exception):
    """The worker is gone; `suspect` when this very call may be why."""

    def __init__(self, suspect: bool) -> None:
        super().__init__()
        self.suspect = suspect


class EnvWorkers:
    """Makes worlds that live in the workers: what `collect_groups` takes for `make_env`.

    Args:
        settings: how many workers, and their limits.
        make_env: makes an environment by its id; it is sent to the workers.

    `replaced` counts the workers that were ended or died.
    """

    def __init__(self, settings: WorkerSettings, make_env: Callable[[str], TextEnv]) -> None:
        self.settings, self.replaced = settings, 0
        self._make_env, self._rubrics = make_env, dict[str, Rubric]()
        self._ray = start_ray(settings.ray_address)
        self._shared = self._ray.put(make_env)
        self._workers: list[_Worker] = []
        self._room = asyncio.Condition()
        self._alone = asyncio.Semaphore(_ALONE_AT_ONCE)
        self.numbers = itertools.count()

    def __call__(self, env_id: str) -> "RemoteWorld":
        """A world for one episode."""
        return RemoteWorld(self, env_id)

    def rubric(self, env_id: str) -> Rubric:
        """That of the environments with this id."""
        if env_id not in self._rubrics:
            self._rubrics[env_id] = self._make_env(env_id).rubric
        return self._rubrics[env_id]

    async def seat(self, alone: bool) -> "_Worker":
        """A worker with room for an episode, waited for; one that plays nothing else if `alone`."""
        if alone:
            await self._alone.acquire()
            return _Worker(self, 1, alone=True)
        async with self._room:
            while True:
                while len(self._workers) < self.settings.workers:
                    self._workers.append(_Worker(self, self.settings.slots))
                worker = max(self._workers, key=lambda w: w.free)
                if worker.free > 0:
                    worker.free -= 1
                    return worker
                await self._room.wait()

    def leave(self, worker: "_Worker") -> None:
        """Gives a seat back."""
        worker.free += 1
        if worker.alone:
            self._alone.release()
            worker.close()
        self._tell()

    def lost(self, worker: "_Worker") -> None:
        """Takes a worker that is gone off the list; another is started when it is needed."""
        self.replaced += 1
        if worker in self._workers:
            self._workers.remove(worker)
        self._tell()

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._workers:
            worker.close()
        self._workers = []

    def spawn(self, slots: int) -> Any:
        """A new actor."""
        memory = int(self.settings.memory_gb * 2**30)
        options = {"num_cpus": 0, "max_concurrency": 1_000, "scheduling_strategy": "SPREAD"}
        return self._ray.remote(Host).options(**options).remote(self._shared, memory, slots)

    @property
    def errors(self) -> type[Exception]:
        """What Ray raises."""
        return self._ray.exceptions.RayError

    def kill(self, actor: Any) -> None:
        """Ends an actor's process at once."""
        self._ray.kill(actor)

    def _tell(self) -> None:
        async def told() -> None:
            async with self._room:
                self._room.notify_all()

        task = asyncio.ensure_future(told())
        _running.add(task)
        task.add_done_callback(_running.discard)


_running: set[asyncio.Future[None]] = set()  # the loop itself holds tasks only weakly


class _Worker:
    """The driver's end of one actor: calls go out together once a turn of the event loop, answers come together."""

    def __init__(self, pool: EnvWorkers, slots: int, alone: bool = False) -> None:
        self.free, self.alone = slots, alone
        self._pool, self._actor = pool, pool.spawn(slots)
        self._ready: asyncio.Future[Any] = asyncio.ensure_future(_value(self._actor.__ray_ready__.remote()))
        self._outbox: list[Call] = []
        self._running: dict[int, asyncio.Future[Answer]] = {}
        self._listener = asyncio.ensure_future(self._listen())  # ends with the actor
        self.gone = False

    async def ask(self, call: Call, seconds: float) -> Answer:
        """The answer to a call.

        Raises:
            EnvError: it hangs.
            _LostError: the worker is gone, before or during the call.
        """
        await self._started()
        answer = self._running[call.number] = asyncio.get_running_loop().create_future()
        self.tell(call)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(answer)
        except TimeoutError:
            alone = len(self._running) == 1
            silent = not answer.done() and not await self._answers_ping()
            if answer.done():  # it came, or the worker went, meanwhile
                return answer.result()
            blamed = alone or not silent
            self._running.pop(call.number)
            self.end(suspect=silent)
            if blamed:
                raise EnvError(f"no answer within {seconds} s", Fault.HUNG) from None
            raise _LostError(suspect=True) from None
        except asyncio.CancelledError:  # nobody waits for it any more; it must end all the same
            asyncio.get_running_loop().call_later(seconds, self._end_if_running, call.number)
            raise

    def tell(self, call: Call) -> None:
        """Sends a call without waiting for its answer."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._send)
        self._outbox.append(call)

    def end(self, suspect: bool = False) -> None:
        """Ends the process; calls that run are lost, and suspects if so said."""
        if self.gone:
            return
        self.close()
        self._pool.lost(self)
        for answer in self._running.values():
            if not answer.done():
                answer.set_exception(_LostError(suspect))
                answer.exception()  # whoever waits will see it, and nobody may wait
        self._running.clear()

    def close(self) -> None:
        """Ends the process, with which nothing is wrong."""
        self.gone = True
        self._pool.kill(self._actor)

    async def _started(self) -> None:
        try:
            await asyncio.shield(self._ready)
        except self._pool.errors:
            self.end()
        if self.gone:
            raise _LostError(suspect=False)

    def _send(self) -> None:
        calls, self._outbox = self._outbox, []
        if not self.gone:
            self._actor.post.remote(calls)

    async def _listen(self) -> None:
        try:
            while True:
                for number, data in await self._actor.answers.remote():
                    answer = self._running.pop(number, None)
                    if answer is not None and not answer.done():
                        answer.set_result(read_answer(data))
        except self._pool.errors:
            self.end(suspect=True)

    async def _answers_ping(self) -> bool:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await self._actor.ping.remote()
        except (TimeoutError, self._pool.errors):
            return False
        return True

    def _end_if_running(self, number: int) -> None:
        if number in self._running:
            self._running.pop(number)
            self.end()


class RemoteWorld:
    """A `World` in a worker."""

    def __init__(self, pool: EnvWorkers, env_id: str) -> None:
        self._pool, self._env_id = pool, env_id
        self._episode = next(pool.numbers)
        self._worker: _Worker | None = None
        self._task: Task | None = None
        self._actions: list[Message] = []
        self._messages: list[Message] = []
        self._whole: Transcript | None = None
        self._alone = False
        self._moves = 0
        self.turn_limit = 0

    @property
    def rubric(self) -> Rubric:
        """That of an environment made here."""
        return self._pool.rubric(self._env_id)

    @property
    def transcript(self) -> Transcript:
        """The messages so far; the calls stand in it once the episode is over."""
        return self._whole or Transcript(tuple(self._messages))

    async def start(self, task: Task, seconds: float) -> tuple[Sequence[Message], Tools]:
        """See `World.start`."""
        self._task = task
        return await self._ask("start", (self._env_id, task), seconds)

    async def act(self, action: Message, seconds: float) -> Step:
        """See `World.act`."""
        step = await self._ask("act", (action,), seconds)
        self._actions.append(action)
        return step

    async def cut(self, seconds: float) -> Score:
        """See `World.cut`."""
        return await self._ask("cut", (), seconds)

    def leave(self) -> None:
        """Gives the seat to the next episode."""
        if self._worker is not None:
            if not self._worker.gone:
                self._worker.tell(Call(next(self._pool.numbers), self._episode, "leave"))
            self._unseat()

    async def _ask(self, method: Any, arguments: tuple[Any, ...], seconds: float) -> Any:
        """The result of a call, from another worker when this one is lost."""
        while True:
            try:
                if self._worker is None:
                    await self._sit(replay=method != "start", seconds=seconds)
                answer = await self._call(method, arguments, seconds)
            except _LostError as lost:
                self._moved(lost.suspect)
                continue
            self._whole = answer.whole or self._whole
            if answer.error is not None:
                raise answer.error
            self._messages += answer.new
            self.turn_limit = answer.turn_limit
            return answer.result

    async def _call(self, method: Any, arguments: tuple[Any, ...], seconds: float) -> Answer:
        assert self._worker is not None
        call = Call(next(self._pool.numbers), self._episode, method, arguments)
        answer = await self._worker.ask(call, seconds)
        if answer.error is not None and answer.error.fault is Fault.MEMORY:
            self._worker.end(suspect=True)
            if not self._alone:  # it may be another's memory
                raise _LostError(suspect=True)
        return answer

    async def _sit(self, replay: bool, seconds: float) -> None:
        self._worker = await self._pool.seat(self._alone)
        if not replay:
            return
        arguments = (self._env_id, self._task, *self._actions)
        answer = await self._call("replay", arguments, seconds * (1 + len(self._actions)))
        if answer.error is not None:
            raise answer.error
        if list(answer.new) != self._messages:
            raise EnvError("its worker was lost, and played again it went another way", Fault.WORKER_LOST)

    def _moved(self, suspect: bool) -> None:
        """Leaves a lost worker; blames the episode that was alone in it, or has lost too many."""
        self._unseat()
        self._moves += 1
        if suspect and self._alone:
            raise EnvError("its worker died under it, with nothing else in it", Fault.WORKER_LOST)
        if self._moves > _MAX_MOVES:
            raise EnvError(f"it lost {self._moves} workers", Fault.WORKER_LOST)
        self._alone = self._alone or suspect

    def _unseat(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.leave(worker)


async def _value(reference: Any) -> Any:
    return await reference
