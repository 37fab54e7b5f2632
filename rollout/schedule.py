"""Which episode starts next: the one that is expected to be longest, within the limits of what may run at once.

A round is over when its last episode is. Long ones that start late leave the engine nearly empty at the end.
"""

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from collections.abc import AsyncIterator, Mapping

from envs.base import Task

Rank = tuple[float, ...]  # the lower, the sooner

_NEW = 0.3  # of an expected length that the newest episode makes up
_LEVELS = 5  # of difficulty, told apart


class Lengths:
    """How many tokens an episode is expected to sample, learned from those seen.

    Environment and difficulty, in fifths, tell lengths apart; each is a moving average of the episodes seen. The same
    episodes in the same order leave the same expectations: a resumed run plays in the order of an undisturbed one.
    """

    def __init__(self) -> None:
        self._means: dict[tuple[str, int | None], float] = {}  # (environment, fifth); None stands for all its fifths

    def learn(self, env_id: str, difficulty: float, tokens: int) -> None:
        """Takes an episode into account."""
        for key in ((env_id, None), (env_id, _level(difficulty))):
            before = self._means.get(key, float(tokens))
            self._means[key] = before + _NEW * (tokens - before)

    def expected(self, task: Task) -> float:
        """Tokens; infinite where no episode of the environment has been seen, since it might be long."""
        whole = self._means.get((task.env, None), math.inf)
        return self._means.get((task.env, _level(task.difficulty)), whole)


def _level(difficulty: float) -> int:
    return min(_LEVELS - 1, int(difficulty * _LEVELS))


class Running:
    """How many episodes run, and how long none did.

    Args:
        most: that can run at once, whatever is counted.
    """

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._idle_seconds, self._idle_since = 0.0, time.monotonic()

    @property
    def running(self) -> int:
        """Episodes that run."""
        return min(self._most, self._count)

    @property
    def idle_seconds(self) -> float:
        """Seconds since the start in which no episode ran."""
        return self._idle_seconds + (0.0 if self._count else time.monotonic() - self._idle_since)

    def begin(self, episodes: int = 1) -> None:
        """Some more run."""
        if not self._count:
            self._idle_seconds += time.monotonic() - self._idle_since
        self._count += episodes

    def end(self, episodes: int = 1) -> None:
        """Some have ended."""
        self._count -= episodes
        if not self._count:
            self._idle_since = time.monotonic()


class Slots(Running):
    """Places for episodes that run at once, given to the lowest rank first and, among equals, to who asked first.

    Args:
        total: places in all.
        by_environment: places for the episodes of an environment; those that are not named have no limit of their own.
    """

    def __init__(self, total: int, by_environment: Mapping[str, int] | None = None) -> None:
        super().__init__(total)
        self._free = total
        self._free_of = dict(by_environment or {})
        self._waiting: dict[str, list[tuple[Rank, int, asyncio.Future[None]]]] = {}
        self._order = itertools.count()

    @contextlib.asynccontextmanager
    async def held(self, env_id: str, rank: Rank = ()) -> AsyncIterator[None]:
        """Waits for a place and keeps it for the block."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting.setdefault(env_id, []), (rank, next(self._order), turn))
        loop.call_soon(self._grant)  # not at once: what else asks in this moment may rank before
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came too late
                self._release(env_id)
            raise
        try:
            yield
        finally:
            self._release(env_id)

    def _grant(self) -> None:
        while self._free and (chosen := self._foremost()):
            env_id, turn = chosen
            self._free -= 1
            if env_id in self._free_of:
                self._free_of[env_id] -= 1
            self.begin()
            turn.set_result(None)

    def _foremost(self) -> tuple[str, asyncio.Future[None]] | None:
        """Takes the first that may run out of its environment's queue; None when there is none."""
        for env_id in list(self._waiting):
            queue = self._waiting[env_id]
            while queue and queue[0][2].done():  # cancelled while it waited
                heapq.heappop(queue)
            if not queue:
                del self._waiting[env_id]
        open_to = [(queue[0], env_id) for env_id, queue in self._waiting.items() if self._free_of.get(env_id, 1) > 0]
        if not open_to:
            return None
        (_, _, turn), env_id = min(open_to)
        heapq.heappop(self._waiting[env_id])
        return env_id, turn

    def _release(self, env_id: str) -> None:
        self._free += 1
        if env_id in self._free_of:
            self._free_of[env_id] += 1
        self.end()
        self._grant()


@contextlib.asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that fails with the first error: one engine that is gone is met by all, and told once."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as failed:
        raise _first(failed) from None


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
