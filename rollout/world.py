"""An environment as an episode meets it: every answer is checked, and a time limit stands over each.

`Checked` is an environment whose answers are what they should be; `Threaded` plays one in threads of this process, and
`rollout/workers.py` in processes of their own.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from envs.base import Task, TextEnv
from rewards.errors import EnvError, Fault
from rewards.score import Rubric, Score, Status
from rewards.transcript import Message, Transcript
from rollout.deadline import in_thread, within
from rollout.trajectory import Finish

_MAX_OBSERVATION = 1_000_000  # characters: an environment that says more is broken
_MAX_KEPT = 10_000  # characters of a message in the trajectory of a broken environment

Tools = Sequence[Mapping[str, Any]]
Step = tuple[Sequence[Message], Finish, Score | None]


@runtime_checkable
class World(Protocol):
    """What an episode is played in. Each call is given up after `seconds`.

    Every method raises `EnvError` when the environment raises, hangs, or answers what is no answer.
    """

    @property
    def rubric(self) -> Rubric:
        """What judges a group once its episodes are over."""
        ...

    @property
    def transcript(self) -> Transcript:
        """The episode so far."""
        ...

    @property
    def turn_limit(self) -> int:
        """How many turns the episode may take, as things stand."""
        ...

    async def start(self, task: Task, seconds: float) -> tuple[Sequence[Message], Tools]:
        """Begins an episode: the prompt, and the tools' OpenAI schemas."""
        ...

    async def act(self, action: Message, seconds: float) -> Step:
        """Takes the assistant's turn: what is new, how it ended, and the score, None while it goes on."""
        ...

    async def cut(self, seconds: float) -> Score:
        """Ends the episode where it stands."""
        ...

    def leave(self) -> None:
        """The episode is over; nobody will ask again."""
        ...


class Checked:
    """The same calls without a time limit.

    Args:
        env: whose answers are checked.
    """

    def __init__(self, env: TextEnv) -> None:
        self.env = env

    def start(self, task: Task) -> tuple[Sequence[Message], Tools]:
        """See `World.start`."""
        returned = self.env.reset(options={"task": task})
        if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping)):
            raise EnvError(f"reset returned {type(returned).__name__}, not (messages, info)", Fault.BAD_STEP)
        return _observation(returned[0]), list(returned[1].get("tools", ()))

    def act(self, action: Message) -> Step:
        """See `World.act`."""
        step = self.env.step(action)
        if not isinstance(step, tuple) or len(step) != 5:
            raise EnvError(
                f"step returned {type(step).__name__}, not (messages, reward, terminated, truncated, info)",
                Fault.BAD_STEP,
            )
        new, reward, terminated, truncated, info = step
        try:
            sound = 0 <= float(reward) <= 1  # false for NaN
        except (TypeError, ValueError):
            sound = False
        if not sound:
            raise EnvError(f"reward {reward!r:.60} is no number in [0, 1]", Fault.BAD_REWARD)
        new = _observation(new)
        if not (terminated or truncated):
            return new, "terminated", None
        return new, "terminated" if terminated else "truncated", _verdict(info.get("score"))

    def cut(self) -> Score:
        """See `World.cut`."""
        return _verdict(self.env.truncate())


class Threaded:
    """A `World` in this process: each call in a thread, which is left behind when it hangs.

    Args:
        closes: whether the environment is closed when the episode is over: not where somebody else made it, who may go
            on with it.
    """

    def __init__(self, env: TextEnv, closes: bool = False) -> None:
        self._checked, self._env, self._closes = Checked(env), env, closes

    @property
    def rubric(self) -> Rubric:
        """The environment's."""
        return self._env.rubric

    @property
    def transcript(self) -> Transcript:
        """The environment's."""
        return self._env.transcript

    @property
    def turn_limit(self) -> int:
        """The environment's."""
        return self._env.turn_limit

    async def start(self, task: Task, seconds: float) -> tuple[Sequence[Message], Tools]:
        """See `World.start`."""
        return await within(seconds, self._checked.start, task)

    async def act(self, action: Message, seconds: float) -> Step:
        """See `World.act`."""
        return await within(seconds, self._checked.act, action)

    async def cut(self, seconds: float) -> Score:
        """See `World.cut`."""
        return await within(seconds, self._checked.cut)

    def leave(self) -> None:
        """Closes the environment, in a thread, for that may hang too; its transcript can still be read."""
        if self._closes:
            in_thread(self._close)

    def _close(self) -> None:
        with contextlib.suppress(BaseException):  # the episode is judged, whatever becomes of the environment
            self._env.close()


def shortened(transcript: Transcript) -> Transcript:
    """A broken environment's transcript without what may be huge and nobody will read."""
    messages = tuple(
        replace(m, content=m.content[:_MAX_KEPT] if isinstance(m.content, str) else "")
        for m in transcript.messages
        if isinstance(m, Message)
    )
    calls = tuple(replace(c, result=None) for c in transcript.calls)
    return Transcript(messages, calls)


def _verdict(given: Any) -> Score:
    if not isinstance(given, Score):
        raise EnvError(f"the episode ended with {type(given).__name__} where a Score is needed", Fault.BAD_SCORE)
    if given.value is None and given.fault is None:
        return replace(given, fault=Fault.TASK_BROKEN if given.status is Status.TASK_ERROR else Fault.UNJUDGED)
    return given


def _observation(given: Any) -> Sequence[Message]:
    if not isinstance(given, tuple | list) or not all(
        isinstance(m, Message) and isinstance(m.content, str) for m in given
    ):
        raise EnvError(f"an observation must be a tuple of messages, got {type(given).__name__}", Fault.BAD_OBSERVATION)
    if (size := sum(len(m.content) for m in given)) > _MAX_OBSERVATION:
        raise EnvError(
            f"an observation of {size} characters; at most {_MAX_OBSERVATION} are read", Fault.TOO_MUCH_OUTPUT
        )
    return given
