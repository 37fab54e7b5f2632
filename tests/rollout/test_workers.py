"""Environments in real Ray actors: played as in this process, and what one of them breaks is nobody else's loss."""

import asyncio
import os
import re
import signal
import threading
import time

import psutil
import pytest

from rewards.errors import Fault
from rewards.transcript import Message
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.workers import EnvWorkers, WorkerSettings
from tests.worlds import Lookup

LIMITS = Limits(max_context=2048, step_seconds=2.0)


class Unsendable(Message):
    def __reduce__(self):
        raise TypeError("no message leaves this process")


class Guarded(Lookup):
    """Does something bad in the second turn of the tasks whose seed is a key of `BAD`."""

    id = "test/Guarded"

    def step(self, action):
        if self._turns == 1 and self.task.seed in BAD:
            _, harm = BAD[self.task.seed]
            return harm()
        return super().step(action)


LEAKED = []


def raises():
    raise OSError("the database is gone")


BAD = {
    91: (Fault.HUNG, threading.Event().wait),
    92: (Fault.HUNG, lambda: re.match(r"(a+)+$", "a" * 40 + "b")),  # holds the interpreter
    93: (Fault.WORKER_LOST, lambda: os.kill(os.getpid(), signal.SIGKILL)),
    94: (Fault.MEMORY, lambda: LEAKED.extend(bytearray(50 * 2**20) for _ in range(100))),
    95: (Fault.RAISED, raises),
    96: (Fault.BAD_REWARD, lambda: ((), threading.Lock(), True, False, {})),
    97: (Fault.BAD_STEP, lambda: ((Unsendable("tool", "x"),), 0.0, False, False, {})),
}


def make_env(env_id):
    return Guarded()


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def pool():
    made = EnvWorkers(WorkerSettings(workers=2, slots=8, memory_gb=0.5), make_env)
    yield made
    made.close()


def collect(runner, pool, renderer, seeds, limits=LIMITS, size=1):
    env = Guarded()
    engine = ScriptedEngine(env.expert, renderer.turn_ids)
    tasks = [env.sample_task(seed) for seed in seeds]
    groups = runner.run(collect_groups(tasks, size, pool, engine, renderer, Sampling(64), limits, concurrency=16))
    return [t for g in groups for t in g.trajectories]


def test_an_episode_is_the_same_as_in_this_process(runner, pool, renderer):
    there = collect(runner, pool, renderer, range(12), size=2)
    here = collect(runner, make_env, renderer, range(12), size=2)
    for a, b in zip(there, here, strict=True):
        assert a.token_ids.tobytes() == b.token_ids.tobytes()
        assert (a.transcript, a.score, a.finish, a.task) == (b.transcript, b.score, b.finish, b.task)
    assert pool.replaced == 0


def test_what_goes_wrong_in_a_worker_is_blamed_on_the_episode_that_did_it_and_the_others_go_on(runner, pool, renderer):
    played = collect(runner, pool, renderer, [*range(20), *BAD, *range(20, 40)])
    found = {t.task.seed: t.score.fault for t in played if t.score.value is None}
    assert found == {seed: fault for seed, (fault, _) in BAD.items()}
    assert [t.score.value for t in played if t.task.seed not in BAD] == [1.0] * 40
    assert pool.replaced >= 4
    assert sum(len(t.transcript.messages) for t in played if t.task.seed in BAD) >= 3 * len(BAD)


def test_a_worker_that_is_killed_from_outside_costs_nobody_an_episode(runner, pool, renderer):
    killed = []

    def kill_one(*_):
        time.sleep(0.4)
        mine = [p for p in psutil.Process().children(recursive=True) if "Host" in p.name()]
        if mine:
            mine[0].kill()
            killed.append(mine[0].pid)

    threading.Thread(target=kill_one).start()
    played = []
    while not killed or len(played) < 100:
        played += collect(runner, pool, renderer, range(60))
    assert {t.score.value for t in played} == {1.0}
    assert pool.replaced >= 1
