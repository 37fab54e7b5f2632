"""One episode: the engine speaks, the environment answers, ids are appended until it ends."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from envs.base import Task, TextEnv
from rewards.errors import EngineError, EnvError, TaskError, TurnError
from rewards.score import Score, Status, failure
from rewards.transcript import Message, Transcript
from rollout.chat import ChatRenderer
from rollout.deadline import within
from rollout.engine import ChatEngine, Engine, Sampling
from rollout.talk import MessageTalk, Talk, Tape, TokenTalk
from rollout.trajectory import Finish, Trajectory

_MAX_OBSERVATION = 1_000_000  # characters: an environment that says more is broken
_MAX_KEPT = 10_000  # characters of a message in the trajectory of a broken environment


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_context`: tokens of a whole episode; `step_seconds`: how long an environment may take to answer."""

    max_context: int = 2048
    step_seconds: float = 60.0


async def run_episode(
    env: TextEnv,
    task: Task,
    engine: Engine | ChatEngine,
    renderer: ChatRenderer | None,
    sampling: Sampling,
    limits: Limits,
) -> Trajectory:
    """Plays `task` to its end.

    An environment that raises, hangs, or returns what is no observation, reward or score ends its own episode
    with an INFRA_ERROR score, and so does a turn that the engine can't give; a prompt that leaves no room for an
    answer is a TASK_ERROR.

    Args:
        renderer: the model's; None for a `ChatEngine`, whose trajectories hold messages and no tokens.

    Raises:
        EngineError: the engine is gone: nothing can go on.
    """
    started = time.monotonic()
    tape = Tape([])
    try:
        messages, info = await within(limits.step_seconds, lambda: env.reset(options={"task": task}))
        messages = _observation(messages)
        if isinstance(engine, ChatEngine):
            talk: Talk = MessageTalk(engine, sampling, limits.max_context, info["tools"])
        else:
            tape = Tape(renderer.prompt_ids(messages, info["tools"]))
            talk = TokenTalk(engine, renderer, sampling, limits.max_context, info["tools"], task, tape)
        score, finish = await _play(env, talk, limits)
        seen = env.transcript
    except TurnError as error:
        score, finish, seen = failure(Status.INFRA_ERROR, f"{task.id}: {error}"), "error", env.transcript
    except EngineError:
        raise
    except TaskError as error:
        score, finish, seen = failure(Status.TASK_ERROR, f"{task.id}: {error}"), "error", _shortened(env.transcript)
    except Exception as error:
        what = str(error) if isinstance(error, EnvError) else repr(error)
        score, finish = failure(Status.INFRA_ERROR, f"{task.id}: environment failed: {what}"), "error"
        seen = _shortened(env.transcript)
    return tape.trajectory(task, seen, score, finish, time.monotonic() - started)


async def _play(env: TextEnv, talk: Talk, limits: Limits) -> tuple[Score, Finish]:
    turn = 0
    while turn <= env.turn_limit:
        action = await talk.speak(env.transcript.messages, turn)
        if action is None:
            return _score(await within(limits.step_seconds, env.truncate)), "context"
        new, finish, score = _checked(await within(limits.step_seconds, env.step, action))
        if score is not None:
            return score, finish
        if not talk.hear(new, action):
            return _score(await within(limits.step_seconds, env.truncate)), "context"
        turn += 1
    raise EnvError(f"{env.id} goes on after its {env.turn_limit} turns")


def _checked(step: Any) -> tuple[Sequence[Message], Finish, Score | None]:
    """What an environment's step may return, or an EnvError; the score is None while the episode goes on."""
    if not isinstance(step, tuple) or len(step) != 5:
        raise EnvError(f"step returned {type(step).__name__}, not (messages, reward, terminated, truncated, info)")
    new, reward, terminated, truncated, info = step
    try:
        sound = 0 <= float(reward) <= 1  # false for NaN
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise EnvError(f"reward {reward!r:.60} is no number in [0, 1]")
    new = _observation(new)
    if not (terminated or truncated):
        return new, "terminated", None
    return new, "terminated" if terminated else "truncated", _score(info.get("score"))


def _score(given: Any) -> Score:
    if not isinstance(given, Score):
        raise EnvError(f"the episode ended with {type(given).__name__} where a Score is needed")
    return given


def _observation(given: Any) -> Sequence[Message]:
    if not isinstance(given, tuple | list) or not all(
        isinstance(m, Message) and isinstance(m.content, str) for m in given
    ):
        raise EnvError(f"an observation must be a tuple of messages, got {type(given).__name__}")
    if (size := sum(len(m.content) for m in given)) > _MAX_OBSERVATION:
        raise EnvError(f"an observation of {size} characters; at most {_MAX_OBSERVATION} are read")
    return given


def _shortened(transcript: Transcript) -> Transcript:
    """A broken environment's transcript without what may be huge and nobody will read."""
    messages = tuple(
        replace(m, content=m.content[:_MAX_KEPT] if isinstance(m.content, str) else "")
        for m in transcript.messages
        if isinstance(m, Message)
    )
    calls = tuple(replace(c, result=None) for c in transcript.calls)
    return Transcript(messages, calls)
