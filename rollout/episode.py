"""One episode: the engine speaks, the environment answers, ids are appended until it ends."""

import asyncio
import time
from dataclasses import dataclass

from envs.base import Task, TextEnv
from rewards.errors import EngineError, EnvError, Fault, TaskError, TurnError
from rewards.score import Score, Status, failure
from rollout.chat import ChatRenderer
from rollout.engine import ChatEngine, Engine, Sampling
from rollout.talk import MessageTalk, Talk, Tape, TokenTalk
from rollout.trajectory import Finish, Trajectory
from rollout.world import Threaded, World, shortened


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an episode may go.

    Args:
        max_context: tokens of a whole episode.
        step_seconds: how long an environment may take to answer.
        episode_seconds: how long a whole episode may take before it is cancelled; None: as long as it likes.
    """

    max_context: int = 2048
    step_seconds: float = 60.0
    episode_seconds: float | None = None


async def run_episode(
    env: TextEnv | World,
    task: Task,
    engine: Engine | ChatEngine,
    renderer: ChatRenderer | None,
    sampling: Sampling,
    limits: Limits,
) -> Trajectory:
    """Plays `task` to its end.

    An environment that raises, hangs, or returns what is no observation, reward or score ends its own episode
    with an INFRA_ERROR score, and so does a turn that the engine can't give; a prompt that leaves no room for an
    answer is a TASK_ERROR. The score's `fault` says what kind it was. One that takes too long is cancelled where it
    stands: the trajectory holds the turns that were complete, the engine drops the one it was at.

    Args:
        env: an environment, which is played in threads and left open, or a `World`.
        renderer: the model's; None for a `ChatEngine`, whose trajectories hold messages and no tokens.

    Raises:
        EngineError: the engine is gone: nothing can go on.
    """
    started = time.monotonic()
    tape = Tape([])
    world = Threaded(env) if isinstance(env, TextEnv) else env
    clock = asyncio.timeout(limits.episode_seconds)
    try:
        async with clock:
            messages, tools = await world.start(task, limits.step_seconds)
            if isinstance(engine, ChatEngine):
                talk: Talk = MessageTalk(engine, sampling, limits.max_context, tools)
            else:
                tape = Tape(renderer.prompt_ids(messages, tools))
                talk = TokenTalk(engine, renderer, sampling, limits.max_context, tools, task, tape)
            score, finish = await _play(world, talk, limits.step_seconds)
        seen = world.transcript
    except TurnError as error:
        score, finish = failure(Status.INFRA_ERROR, f"{task.id}: {error}", Fault.TURN_FAILED), "error"
        seen = world.transcript
    except EngineError:
        raise
    except Exception as error:
        seen = shortened(world.transcript)
        if clock.expired():
            why = f"{task.id}: cancelled after {limits.episode_seconds:g} s"
            score, finish = failure(Status.INFRA_ERROR, why, Fault.CANCELLED), "cancelled"
        else:
            score, finish = _failed(task, error), "error"
    finally:
        world.leave()
    return tape.trajectory(task, seen, score, finish, time.monotonic() - started)


async def _play(world: World, talk: Talk, seconds: float) -> tuple[Score, Finish]:
    turn = 0
    while turn <= world.turn_limit:
        action = await talk.speak(world.transcript.messages, turn)
        if action is None:
            return await world.cut(seconds), "context"
        new, finish, score = await world.act(action, seconds)
        if score is not None:
            return score, finish
        if not talk.hear(new, action):
            return await world.cut(seconds), "context"
        turn += 1
    raise EnvError(f"it goes on after its {world.turn_limit} turns", Fault.ENDLESS)


def _failed(task: Task, error: Exception) -> Score:
    if isinstance(error, TaskError):
        return failure(Status.TASK_ERROR, f"{task.id}: {error}", error.fault)
    if isinstance(error, EnvError):
        return failure(Status.INFRA_ERROR, f"{task.id}: environment failed: {error}", error.fault)
    return failure(Status.INFRA_ERROR, f"{task.id}: environment failed: {error!r}", Fault.RAISED)
