"""Thousands of episodes in which one of fifty goes wrong: none is lost, none comes twice, each fault has its kind.

`POSTGYM_SOAK_EPISODES=50000` plays as many as one likes; what it says of them is seen with `pytest -s`.
"""

import asyncio
import gc
import os
import random
import threading
from collections import Counter
from functools import partial

import psutil
import pytest

import envs
from rewards.errors import Fault, TurnError
from rewards.transcript import Message
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits

EPISODES = int(os.environ.get("POSTGYM_SOAK_EPISODES", "5000"))
ROUNDS, GROUP = 5, 4
RATE = 0.02  # of the episodes
GROWTH_MB = 24  # that the memory may grow by after the warm-up: what an allocator keeps, not one round's episodes
IDS = ("postgym/Weather-v0", "postgym/Currency-v0", "postgym/Clarify-v0", "postgym/Arithmetic-v0")
LIMITS = Limits(max_context=4096, step_seconds=6)
RELEASE = threading.Event()  # lets the threads of hanging environments end with the test


def raises(step, action):
    raise OSError("the database is gone")


def hangs(step, action):
    RELEASE.wait(60)


def eats_memory(step, action):
    return bytearray(1 << 62)


def with_changed(position, value):
    def changed(step, action):
        answer = list(step(action))
        answer[position] = value
        return tuple(answer)

    return changed


def never_ends(step, action):
    new = (Message("user", "And then?"),)
    step.__self__._messages += (action, *new)
    return new, 0.0, False, False, {}


ENV_FAULTS = {
    Fault.RAISED: raises,
    Fault.HUNG: hangs,
    Fault.MEMORY: eats_memory,
    Fault.BAD_STEP: lambda step, action: None,
    Fault.BAD_OBSERVATION: with_changed(0, "text"),
    Fault.BAD_REWARD: with_changed(1, float("nan")),
    Fault.BAD_SCORE: lambda step, action: ((), 1.0, True, False, {"score": 1.0}),
    Fault.TOO_MUCH_OUTPUT: with_changed(0, (Message("user", "x" * 1_000_001),)),
    Fault.ENDLESS: never_ends,
}
KINDS = (*ENV_FAULTS, Fault.TURN_FAILED)


class Injector:
    """Makes real environments and an engine of experts, some of which fail; `done` is what it did, by task and kind."""

    def __init__(self, renderer, seed):
        self.rng, self.lock, self.done, self.seeds = random.Random(seed), threading.Lock(), Counter(), Counter()
        self.sound = {i: envs.make(i) for i in IDS}
        self.scripted = ScriptedEngine(lambda task: self.sound[task.env].expert(task), renderer.turn_ids)

    def make_env(self, env_id):
        env = envs.make(env_id)
        if self.rng.random() < RATE * len(ENV_FAULTS) / len(KINDS):
            env.step = partial(self.strike, env, self.rng.choice(list(ENV_FAULTS)), env.step)
        return env

    def strike(self, env, kind, step, action):
        with self.lock:
            self.done[env.task.id, kind] += not hasattr(env, "struck")
            env.struck = True
        return ENV_FAULTS[kind](step, action)

    async def generate(self, request):
        if len(request.messages) == len(request.task.prompt):  # the first turn
            self.seeds[request.sampling.seed] += 1
            if random.Random(request.sampling.seed).random() < RATE / len(KINDS):
                self.done[request.task.id, Fault.TURN_FAILED] += 1
                raise TurnError("the endpoint refused")
        return await self.scripted.generate(request)


def play_round(injector, renderer, number, count):
    tasks = [injector.sound[IDS[i % len(IDS)]].sample_task(number * count + i) for i in range(count // GROUP)]
    ended = []
    groups = asyncio.run(
        collect_groups(
            tasks,
            GROUP,
            injector.make_env,
            injector,
            renderer,
            Sampling(512, seed=number),
            LIMITS,
            on_episode=ended.append,
        )
    )
    assert [g.task.id for g in groups] == [t.id for t in tasks]
    assert [len(g.trajectories) for g in groups] == [GROUP] * len(tasks)
    assert all(t.task is g.task for g in groups for t in g.trajectories)
    assert len({id(t) for t in ended}) == len(ended) == count
    assert {t.score.value for g in groups for t in g.judged} == {1.0}, "a fault is never a wrong answer"
    return Counter((t.task.id, t.score.fault) for g in groups for t in g.trajectories if t.score.value is None)


@pytest.fixture(autouse=True)
def _release():
    yield
    RELEASE.set()


def test_no_episode_is_lost_or_doubled_and_memory_is_flat(renderer):
    injector = Injector(renderer, seed=1)
    count = EPISODES // ROUNDS // GROUP * GROUP
    seen, held = Counter(), []
    for number in range(ROUNDS):
        seen += play_round(injector, renderer, number, count)
        gc.collect()
        held.append(psutil.Process().memory_info().rss / 2**20)
    assert seen == +injector.done, "each fault at its own task, under its own kind"
    assert {kind for _, kind in seen} == set(KINDS)
    assert sum(seen.values()) == pytest.approx(RATE * count * ROUNDS, rel=0.4)
    assert len(injector.seeds) == sum(injector.seeds.values()) == count * ROUNDS, "each episode was begun once"
    assert held[-1] - held[1] < GROWTH_MB, f"MB after each round: {[round(h) for h in held]}"
    print(f"{count * ROUNDS} episodes, {dict(Counter(k for _, k in seen.elements()))}, MB {[round(h) for h in held]}")
