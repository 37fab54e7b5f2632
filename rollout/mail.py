"""Turns asked of a replica and handed back in batches: a call to an actor costs about as much as a turn's own work.

What is asked in one turn of the driver's event loop goes as one call. The answer to a call is all that has ended when
the first turn ends, whichever calls brought them: there are never more calls than turns, and far fewer when many are
played. Nothing waits for a batch to fill.
"""

import asyncio
import itertools
import uuid
from array import array
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rewards.errors import EngineError
from rollout.engine import Completion, Request
from rollout.ray_session import last_line

Directory = Mapping[int, tuple[int, Any]]  # of living replicas: how often each was started again, and its actor


class ActorDiedError(Exception):
    """The actor that a call went to is gone, or lives on without the process that computes."""

    def __init__(self, actor: Any, why: str) -> None:
        super().__init__(why)
        self.actor = actor


class Order(NamedTuple):
    """A turn to sample; `prompt_ids` are the bytes of int32 (tokens,)."""

    number: int
    prompt_ids: bytes
    max_tokens: int
    temperature: float
    seed: int | None
    stop_ids: tuple[int, ...]


class Sampled(NamedTuple):
    """A turn that was sampled: int32, float32 and int32 (tokens,) as bytes, and why it ended."""

    number: int
    token_ids: bytes
    logprobs: bytes
    versions: bytes
    finish: str


class Failed(NamedTuple):
    """A turn that wasn't; `dead`: the process that computes is gone."""

    number: int
    why: str
    dead: bool


Answer = Sampled | Failed


class _Box:
    """The orders of one session that an actor is at, the answers to them, and the calls that wait for any."""

    def __init__(self) -> None:
        self.running: dict[int, asyncio.Task[None]] = {}
        self._answers: list[Answer] = []
        self._calls: deque[asyncio.Future[list[Answer]]] = deque()

    def put(self, number: int, answer: Answer) -> None:
        if self.running.pop(number, None) is None:  # dropped, and ended all the same
            return
        if not self._answers:
            asyncio.get_running_loop().call_soon(self.give)  # not at once: others end in this moment
        self._answers.append(answer)

    async def taken(self) -> list[Answer]:
        call = asyncio.get_running_loop().create_future()
        self._calls.append(call)
        self.give()
        return await call

    def give(self) -> None:
        """Hands out what has ended, and ends the calls that nothing is left for."""
        if self._answers and self._calls:
            self._calls.popleft().set_result(self._answers)
            self._answers = []
        while len(self._calls) > len(self.running):
            self._calls.popleft().set_result([])


class SamplingActor:
    """The far end: what lives in a Ray actor and samples; a subclass brings `generate`."""

    def __init__(self) -> None:
        self._boxes: defaultdict[str, _Box] = defaultdict(_Box)

    async def generate(
        self, prompt_ids: list[int], max_tokens: int, temperature: float, seed: int | None, stop_ids: list[int]
    ) -> tuple[Sequence[int], Sequence[float], Sequence[int], str]:
        """One turn: sampled ids, a logprob and a weight version each, and why it ended.

        A cancelled one gives its place free.
        """
        raise NotImplementedError

    async def exchange(self, session: str, orders: Sequence[Order]) -> list[Answer]:
        """Begins turns, and waits until some of the session have ended."""
        box = self._boxes[session]
        for order in orders:
            box.running[order.number] = asyncio.create_task(self._sample(order, box))
        return await box.taken()

    async def drop(self, session: str, number: int) -> None:
        """Cancels a turn that nobody waits for any more. One that comes before its order is in vain."""
        box = self._boxes[session]
        if task := box.running.pop(number, None):
            task.cancel()
            box.give()

    async def leave(self, client: str) -> None:
        """Cancels all turns of a client, or of a session of it."""
        for session in [session for session in self._boxes if session.startswith(client)]:
            for number in list(self._boxes[session].running):
                await self.drop(session, number)
            del self._boxes[session]

    async def live(self) -> None:
        """Never answers: who calls it is told when the actor dies."""
        await asyncio.Event().wait()

    async def _sample(self, order: Order, box: _Box) -> None:
        number, prompt_ids, max_tokens, temperature, seed, stop_ids = order
        answer: Answer
        try:
            prompt = np.frombuffer(prompt_ids, np.int32).tolist()
            ids, logprobs, versions, finish = await self.generate(prompt, max_tokens, temperature, seed, list(stop_ids))
            answer = Sampled(number, _ints(ids), array("f", logprobs).tobytes(), _ints(versions), finish)
        except Exception as error:
            answer = Failed(number, last_line(f"{type(error).__name__}: {error}"), _reports_death(error))
        box.put(number, answer)


class Mail:
    """The near end of one actor.

    Args:
        actor: a `SamplingActor`.
        client: names this process to the actor.
    """

    def __init__(self, ray: Any, actor: Any, client: str = "main") -> None:
        self._ray, self._actor, self._client = ray, actor, client
        self._numbers = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session = ""

    async def generate(self, request: Request) -> Completion:
        """Has the actor sample one turn.

        Raises:
            ActorDiedError: it is gone.
            EngineError: this turn failed.
        """
        loop, number, s = asyncio.get_running_loop(), next(self._numbers), request.sampling
        if loop is not self._loop:
            self._begin(loop)
        prompt_ids = _ints(request.prompt_ids)
        self._outbox.append(Order(number, prompt_ids, s.max_tokens, s.temperature, s.seed, tuple(request.stop_ids)))
        answer = self._waiting[number] = loop.create_future()
        self._send_soon()
        try:
            _, ids, logprobs, versions, finish = await answer
        except asyncio.CancelledError:
            self._forget(number)
            raise
        ended = "stop" if finish == "stop" else "length"
        return Completion(array("i", ids), array("f", logprobs), ended, array("i", versions))

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """A session is an event loop's: what one that has ended left at the actor must not come to the next."""
        if self._session:
            self._actor.leave.remote(self._session)
        self._loop, self._session = loop, f"{self._client} {uuid.uuid4().hex}"
        self._outbox: list[Order] = []
        self._waiting: dict[int, asyncio.Future[Sampled]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._sends = False

    def _send_soon(self) -> None:
        if not self._sends:
            self._sends = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._sends = False
        orders, self._outbox = self._outbox, []
        if orders or (self._waiting and not self._calls):
            reply = self._actor.exchange.remote(self._session, orders)
            self._calls.add(self._loop.create_task(self._receive(reply)))

    async def _receive(self, reply: Any) -> None:
        try:
            answers = await reply
        except self._ray.exceptions.RayError as error:
            self._fail(error)
        else:
            for answer in answers:
                self._take(answer)
        self._calls.remove(asyncio.current_task())
        self._send_soon()

    def _take(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.number, None)
        if waiting is None or waiting.done():  # it was cancelled
            return
        if isinstance(answer, Sampled):
            waiting.set_result(answer)
        else:
            why = _failed_in("generate", answer.why)
            waiting.set_exception(ActorDiedError(self._actor, why) if answer.dead else EngineError(why))

    def _fail(self, error: Exception) -> None:
        failed, self._waiting, self._outbox = self._waiting, {}, []
        for waiting in failed.values():
            if not waiting.done():
                waiting.set_exception(engine_failure(self._ray, self._actor, "generate", error))

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)
        self._actor.drop.remote(self._session, number)


def engine_failure(ray: Any, actor: Any, method: str, error: Exception) -> EngineError | ActorDiedError:
    """What Ray says of a call that failed, as an error of ours."""
    why = _failed_in(method, last_line(str(error)))
    if isinstance(error, ray.exceptions.RayActorError) or _reports_death(getattr(error, "cause", None)):
        return ActorDiedError(actor, why)
    return EngineError(why)


def _failed_in(method: str, why: str) -> str:
    return f"the vLLM engine failed in {method}: {why}"


def _reports_death(error: Exception | None) -> bool:
    return type(error).__name__ == "EngineDeadError"


def _ints(values: Sequence[int]) -> bytes:
    as_they_are = isinstance(values, array) and values.typecode == "i"
    return (values if as_they_are else array("i", values)).tobytes()
