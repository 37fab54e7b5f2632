"""The far end of `rollout/workers.py`: environments in a process of their own, asked in batches.

Everything an environment does happens in threads here; the process is what can be ended when one goes wrong.
"""

import asyncio
import contextlib
import pickle
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cloudpickle

from envs.base import TextEnv
from rewards.errors import EnvError, Fault
from rewards.transcript import Message, Transcript
from rollout.deadline import in_thread, told
from rollout.world import Checked, shortened

_STACK = 8 * 2**20  # bytes that a thread's stack counts for


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to do for an episode: `start` with (env id, task), `replay` with (env id, task, actions), `act` with
    (action,), `cut` or `leave`."""

    number: int
    episode: int
    method: Literal["start", "replay", "act", "cut", "leave"]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Args:
        result: as `World` gives it; of a replay that of the start.
        error: why there is none.
        new: the episode's messages since the last answer; all of them after a replay.
        whole: the transcript once the episode is over or failed.
        turn_limit: as it stands now.
    """

    result: Any = None
    error: EnvError | None = None
    new: tuple[Message, ...] = ()
    whole: Transcript | None = None
    turn_limit: int = 0


@dataclass(slots=True)
class _Episode:
    checked: Checked
    told: int = 0  # messages that the driver has

    @property
    def env(self) -> TextEnv:
        return self.checked.env


@dataclass(slots=True)
class _Mailbox:
    """Answers that wait to be fetched; filled by threads, emptied on the loop."""

    loop: asyncio.AbstractEventLoop
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, number: int, answer: bytes) -> None:
        self.answers.append((number, answer))
        self.filled.set()


class Host:
    """A Ray actor that plays episodes.

    Args:
        make_env: of the ids that it will be asked for.
        memory: bytes that the environments may hold beyond what the process holds now.
        slots: episodes at once.
    """

    def __init__(self, make_env: Callable[[str], TextEnv], memory: int, slots: int) -> None:
        self._make_env = make_env
        self._episodes: dict[int, _Episode] = {}
        self._box: _Mailbox | None = None
        _limit_memory(memory + slots * _STACK)

    async def post(self, calls: Sequence[Call]) -> None:
        """Begins what is asked."""
        box = self._mailbox()
        for call in calls:
            try:
                in_thread(lambda call=call: self._work(call, box))
            except (RuntimeError, MemoryError) as error:  # there is no memory left for a thread's stack
                self._turn_away(call, error, box)

    def _turn_away(self, call: Call, error: Exception, box: _Mailbox) -> None:
        if call.method == "leave":  # nobody waits for an answer
            self._episodes.pop(call.episode, None)
            return
        _lift_memory_limit()
        box.put(call.number, cloudpickle.dumps(Answer(error=EnvError(str(error), Fault.MEMORY))))

    async def answers(self) -> list[tuple[int, bytes]]:
        """The numbers of calls that are done, with their pickled answers; waits until there is one."""
        box = self._mailbox()
        await box.filled.wait()
        box.filled.clear()
        done, box.answers = box.answers, []
        return done

    async def ping(self) -> None:
        """Answers while the interpreter isn't held up."""

    def _mailbox(self) -> _Mailbox:
        self._box = self._box or _Mailbox(asyncio.get_running_loop())
        return self._box

    def _work(self, call: Call, box: _Mailbox) -> None:
        if call.method == "leave":
            if episode := self._episodes.pop(call.episode, None):
                with contextlib.suppress(BaseException):  # nobody is left to tell
                    episode.env.close()
            return
        answer = self._answered(call)
        try:
            data = cloudpickle.dumps(answer)
        except Exception as error:
            answer = Answer(error=EnvError(f"it answered what can't be sent: {error!r:.200}", Fault.BAD_STEP))
            data = cloudpickle.dumps(answer)
        box.loop.call_soon_threadsafe(box.put, call.number, data)

    def _answered(self, call: Call) -> Answer:
        try:
            result, over = self._done(call)
            episode = self._episodes[call.episode]
            messages = episode.env.transcript.messages
            first, episode.told = episode.told, len(messages)
            whole = episode.env.transcript if over else None
            return Answer(result, None, messages[first:], whole, episode.env.turn_limit)
        except BaseException as error:  # a tool may raise SystemExit
            if isinstance(error, MemoryError):
                _lift_memory_limit()  # so that this can be told
            return Answer(error=told(error), whole=self._seen(call.episode))

    def _done(self, call: Call) -> tuple[Any, bool]:
        """The result, and whether the episode is over."""
        if call.method in ("start", "replay"):
            env_id, task, *actions = call.arguments
            episode = self._episodes[call.episode] = _Episode(Checked(self._make_env(env_id)))
            result = episode.checked.start(task)
            for action in actions:
                episode.checked.act(action)
            return result, False
        checked = self._episodes[call.episode].checked
        if call.method == "cut":
            return checked.cut(), True
        step = checked.act(*call.arguments)
        return step, step[2] is not None

    def _seen(self, number: int) -> Transcript | None:
        try:
            return shortened(self._episodes[number].env.transcript)
        except BaseException:  # it never began, or is broken beyond telling
            return None


def read_answer(data: bytes) -> Answer:
    """An answer as it was sent."""
    try:
        return pickle.loads(data)
    except Exception as error:  # of classes that only the worker knows
        return Answer(error=EnvError(f"it answered what can't be read: {error!r:.200}", Fault.BAD_STEP))


def _limit_memory(beyond: int) -> None:
    with open("/proc/self/status") as status:
        held = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + beyond
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _lift_memory_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
