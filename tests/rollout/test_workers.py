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
from rollout import env_host
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.workers import EnvWorkers, WorkerSettings
from tests.worlds import Lookup
from trainer.config import EnvironmentConfig, RolloutConfig
from trainer.parts import worker_settings
from trainer.tasks import Mixture

LIMITS = Limits(max_context=2048)
QUICK = Limits(max_context=2048, step_seconds=8.0)  # to tell what hangs


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
    played = collect(runner, pool, renderer, [*range(20), *BAD, *range(20, 40)], QUICK)
    found = {t.task.seed: t.score.fault for t in played if t.score.value is None}
    assert found == {seed: fault for seed, (fault, _) in BAD.items()}
    assert [t.score.value for t in played if t.task.seed not in BAD] == [1.0] * 40
    assert pool.replaced >= 4
    assert sum(len(t.transcript.messages) for t in played if t.task.seed in BAD) >= 3 * len(BAD)


def test_a_call_that_no_thread_is_left_for_is_answered_as_out_of_memory_and_the_next_is_done(monkeypatch):
    failures = iter((RuntimeError("can't start new thread"), None, MemoryError()))

    def in_thread(work):
        if failure := next(failures):
            raise failure
        work()

    monkeypatch.setattr(env_host, "in_thread", in_thread)
    for name in ("_limit_memory", "_lift_memory_limit"):  # this process keeps its own
        monkeypatch.setattr(env_host, name, lambda *_: None)

    async def go():
        host, answers = env_host.Host(make_env, 0, 1), {}
        task = Guarded().sample_task(0)
        await host.post([env_host.Call(number, number, "start", ("test/Guarded", task)) for number in (1, 2)])
        await host.post([env_host.Call(3, 2, "leave")])
        assert not host._episodes, "what leaves is forgotten"
        while len(answers) < 2:
            answers |= {number: env_host.read_answer(data) for number, data in await host.answers()}
        return answers

    answers = asyncio.run(go())
    assert answers[1].error.fault is Fault.MEMORY, "the episode is played again with no other beside it"
    assert answers[2].error is None


def test_a_worker_that_is_killed_from_outside_costs_nobody_an_episode(runner, pool, renderer):
    collect(runner, pool, renderer, range(16))  # starts the workers
    threading.Timer(0.2, _worker_processes()[0].kill).start()
    ended, deadline = [], time.monotonic() + 60
    while not pool.replaced and time.monotonic() < deadline:
        ended += collect(runner, pool, renderer, range(40))
    assert {t.score.value for t in ended} == {1.0}
    assert pool.replaced == 1


def _worker_processes():
    children = psutil.Process().children(recursive=True)
    return [p for p in children if p.parent().name() == "raylet" and "ray::Host" in " ".join(p.cmdline())]


def test_the_environments_of_a_config_are_sent_with_its_settings(runner, renderer):
    mixture = Mixture([EnvironmentConfig(id="postgym/WordProblems-v0", options={"calculator": True})])
    config = RolloutConfig(env_workers=2, concurrency=7)
    assert worker_settings(RolloutConfig()) is None
    assert worker_settings(config) == WorkerSettings(workers=2, slots=4, memory_gb=2.0)
    pool = EnvWorkers(worker_settings(config), mixture.make_env)
    tasks = mixture.training(4, 0)
    engine = ScriptedEngine(mixture.expert, renderer.turn_ids)
    there, here = (
        runner.run(collect_groups(tasks, 1, make, engine, renderer, Sampling(64), LIMITS, concurrency=7))
        for make in (pool, mixture.make_env)
    )
    pool.close()
    assert [g.trajectories[0].transcript for g in there] == [g.trajectories[0].transcript for g in here]
    assert [g.trajectories[0].score for g in there] == [g.trajectories[0].score for g in here]
