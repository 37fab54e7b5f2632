"""One episode: the engine speaks, the environment answers, ids are appended until it ends."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envs.base import Task, TextEnv
from rewards.errors import EngineError, EnvError, TaskError
from rewards.score import Score, Status, failure
from rewards.transcript import Message, Transcript, with_call_ids
from rollout.chat import ChatRenderer
from rollout.deadline import within
from rollout.engine import Completion, Engine, Request, Sampling
from rollout.tool_formats import Tools
from rollout.trajectory import Finish, Trajectory

_MAX_OBSERVATION = 1_000_000  # characters: an environment that says more is broken
_MAX_KEPT = 10_000  # characters of a message in the trajectory of a broken environment
_MAX_CHARS_PER_TOKEN = (
    100  # longer than this times the room for it, a text needn't be encoded to see that it's too long
)


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_context`: tokens of a whole episode; `step_seconds`: how long an environment may take to answer."""

    max_context: int = 2048
    step_seconds: float = 60.0


class _Tape:
    """The append-only record of an episode's ids."""

    def __init__(self, prompt_ids: list[int]) -> None:
        self.ids = list(prompt_ids)
        self.prompt_length = len(prompt_ids)
        self.mask = [False] * len(prompt_ids)
        self.logprobs = [0.0] * len(prompt_ids)
        self.versions = [-1] * len(prompt_ids)

    def sampled(self, completion: Completion) -> None:
        count = len(completion.token_ids)
        self.ids += completion.token_ids
        self.mask += [True] * count
        self.logprobs += completion.logprobs
        self.versions += [completion.weight_version] * count

    def given(self, ids: list[int]) -> None:
        self.ids += ids
        self.mask += [False] * len(ids)
        self.logprobs += [0.0] * len(ids)
        self.versions += [-1] * len(ids)

    def trajectory(self, task: Task, seen: Transcript, score: Score, finish: Finish, seconds: float) -> Trajectory:
        return Trajectory(
            task,
            np.asarray(self.ids, np.int32),
            np.asarray(self.mask, np.bool_),
            np.asarray(self.logprobs, np.float32),
            np.asarray(self.versions, np.int32),
            self.prompt_length,
            seen,
            score,
            finish,
            seconds,
        )


async def run_episode(
    env: TextEnv, task: Task, engine: Engine, renderer: ChatRenderer, sampling: Sampling, limits: Limits
) -> Trajectory:
    """Plays `task` to its end.

    An environment that raises, hangs, or returns what is no observation, reward or score ends its own episode
    with an INFRA_ERROR score; a prompt that leaves no room for an answer is a TASK_ERROR.

    Raises:
        EngineError: the engine is gone: nothing can go on.
    """
    started = time.monotonic()
    tape = _Tape([])
    try:
        messages, info = await within(limits.step_seconds, lambda: env.reset(options={"task": task}))
        tape = _Tape(renderer.prompt_ids(_observation(messages), info["tools"]))
        score, finish = await _play(env, task, engine, renderer, sampling, limits, tape, info["tools"])
        seen = env.transcript
    except EngineError:
        raise
    except TaskError as error:
        score, finish, seen = failure(Status.TASK_ERROR, f"{task.id}: {error}"), "error", _shortened(env.transcript)
    except Exception as error:
        what = str(error) if isinstance(error, EnvError) else repr(error)
        score, finish = failure(Status.INFRA_ERROR, f"{task.id}: environment failed: {what}"), "error"
        seen = _shortened(env.transcript)
    return tape.trajectory(task, seen, score, finish, time.monotonic() - started)


async def _play(
    env: TextEnv,
    task: Task,
    engine: Engine,
    renderer: ChatRenderer,
    sampling: Sampling,
    limits: Limits,
    tape: _Tape,
    tools: Tools,
) -> tuple[Score, Finish]:
    if len(tape.ids) >= limits.max_context:
        raise TaskError(f"a prompt of {len(tape.ids)} tokens leaves no room; raise rollout.max_context")
    turn = 0
    while turn <= env.turn_limit:
        room = limits.max_context - len(tape.ids)
        # Every turn needs its own seed: with one seed, equal prompts would sample equal tokens turn after turn.
        seed = None if sampling.seed is None else (sampling.seed * 1_000_003 + turn) % 2**31
        turn_sampling = replace(sampling, max_tokens=min(sampling.max_tokens, room), seed=seed)
        request = Request(tape.ids, turn_sampling, task, env.transcript.messages, renderer.stop_ids)
        completion = await engine.generate(request)
        action = with_call_ids(renderer.read(tape.ids, completion.token_ids, tools), env.transcript.messages)
        tape.sampled(completion)
        new, finish, score = _checked(await within(limits.step_seconds, env.step, action))
        if score is not None:
            return score, finish
        room = limits.max_context - len(tape.ids)
        fits = sum(len(m.content) for m in new) <= room * _MAX_CHARS_PER_TOKEN
        ids = renderer.continuation_ids(new, renderer.ended(completion.token_ids), action.tool_calls) if fits else []
        if not fits or len(ids) >= room:  # what can't be answered any more isn't appended: it would only be carried
            return _score(await within(limits.step_seconds, env.truncate)), "context"
        tape.given(ids)
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
