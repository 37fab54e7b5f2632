"""One episode: the engine speaks, the environment answers, ids are appended until it ends."""

import asyncio
import time
from dataclasses import dataclass, replace

import numpy as np

from envs.actions import parse_action
from envs.base import Task, TextEnv
from rewards.errors import EngineError
from rewards.score import Score, Status, failure
from rewards.transcript import Transcript
from rollout.chat import ChatRenderer
from rollout.engine import Completion, Engine, Request, Sampling
from rollout.trajectory import Finish, Trajectory


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

    An environment that raises or hangs ends its own episode with an INFRA_ERROR score.

    Raises:
        EngineError: the engine is gone: nothing can go on.
    """
    started = time.monotonic()
    tape = _Tape([])
    try:
        messages, info = env.reset(options={"task": task})
        tape = _Tape(renderer.prompt_ids(messages, info["tools"]))
        score, finish = await _play(env, task, engine, renderer, sampling, limits, tape)
    except EngineError:
        raise
    except Exception as error:
        what = f"no answer within {limits.step_seconds} s" if isinstance(error, TimeoutError) else repr(error)
        score, finish = failure(Status.INFRA_ERROR, f"{task.id}: environment failed: {what}"), "error"
    return tape.trajectory(task, env.transcript, score, finish, time.monotonic() - started)


async def _play(
    env: TextEnv,
    task: Task,
    engine: Engine,
    renderer: ChatRenderer,
    sampling: Sampling,
    limits: Limits,
    tape: _Tape,
) -> tuple[Score, Finish]:
    for turn in range(env.max_turns + 1):
        room = limits.max_context - len(tape.ids)
        if room <= 0:
            return env.truncate(), "context"
        # Every turn needs its own seed: with one seed, equal prompts would sample equal tokens turn after turn.
        seed = None if sampling.seed is None else (sampling.seed * 1_000_003 + turn) % 2**31
        turn_sampling = replace(sampling, max_tokens=min(sampling.max_tokens, room), seed=seed)
        completion = await engine.generate(Request(tape.ids, turn_sampling, task, env.transcript.messages))
        tape.sampled(completion)
        action = parse_action(renderer.decode(completion.token_ids))
        step = asyncio.to_thread(env.step, action)
        new, _, terminated, truncated, info = await asyncio.wait_for(step, limits.step_seconds)
        if terminated or truncated:
            return info["score"], "terminated" if terminated else "truncated"
        ended = completion.token_ids[-1:] == (renderer.end_of_turn,)
        tape.given(renderer.continuation_ids(new, ended))
    raise RuntimeError(f"{env.id} goes on after its {env.max_turns} turns")
