"""Drivers in Ray actors over replicas that babble from ids and seed: the same episodes, whoever plays or dies."""

import asyncio
import contextlib
import os
import random
import signal
import time
from dataclasses import replace
from functools import partial

import psutil
import pytest

from rewards.errors import EngineError
from rollout.collect import Player
from rollout.driver_actor import DriverSettings, LivingReplicas
from rollout.drivers import Drivers
from rollout.engine import Sampling
from rollout.episode import Limits
from rollout.mail import SamplingActor
from rollout.models import load_renderer
from rollout.schedule import Slots, together
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from rollout.workers import WorkerSettings
from tests.worlds import Lookup
from trainer.config import load_config
from trainer.rounds import Rounds
from trainer.tasks import Mixture

LIMITS = Limits(max_context=400)
SLOW = 77  # tokens of a turn from which on turns take long


class Babbler(SamplingActor):
    """Stands for `VllmActor`: what it samples follows from ids and seed."""

    def __init__(self, settings, slot, peers):
        super().__init__()
        self.clients = set()

    async def generate(self, prompt_ids, max_tokens, temperature, seed, stop_ids):
        rng = random.Random(repr((prompt_ids, seed)))
        ids = [rng.randrange(300, 900) for _ in range(rng.randint(1, max_tokens))]
        await asyncio.sleep(rng.uniform(0, 0.5 if max_tokens >= SLOW else 0.02))
        return ids, [-rng.random() for _ in ids], [0] * len(ids), "stop"

    async def exchange(self, session, orders):
        self.clients.add(session.split()[0])
        return await super().exchange(session, orders)

    async def seen(self):
        running = {name.split()[0]: len(box.running) for name, box in self._boxes.items() if box.running}
        return os.getpid(), self.clients, running

    async def shutdown(self):
        pass


def make_env(env_id):
    return Lookup()


@pytest.fixture(scope="module")
def babblers():
    made = VllmEngine(VllmSettings("none", kv_cache_gb=0, replicas=2, max_restarts=1), Babbler)
    yield made
    made.close()


@pytest.fixture(scope="module")
def settings(default_model):
    return DriverSettings(make_env, partial(load_renderer, default_model), LIMITS, replicas=2, concurrency=11)


@pytest.fixture(scope="module")
def drivers(babblers, settings):
    made = Drivers(2, settings, babblers)
    yield made
    made.close()


async def play(player, tokens=40):
    """Groups of three of ten tasks."""
    async with together() as playing:
        tasks = [Lookup().sample_task(seed) for seed in range(10)]
        groups = [playing.create_task(player.play(task, 3, Sampling(tokens, seed=5))) for task in tasks]
    return [group.result() for group in groups]


@pytest.fixture(scope="module")
def expected(babblers, renderer, event_loop_runner):
    """The groups as this process plays them, by how long a turn may be."""
    player = Player(make_env, babblers, renderer, LIMITS, Slots(11))
    return {tokens: content(event_loop_runner.run(play(player, tokens))) for tokens in (40, SLOW)}


def content(groups):
    return [
        (t.task, t.token_ids.tobytes(), t.logprobs.tobytes(), t.loss_mask.tobytes(), t.transcript, t.score, t.finish)
        for group in groups
        for t in group.trajectories
    ]


async def seen(engine):
    """Clients that ever asked, and turns that run, by client."""
    states = await engine._everywhere("seen")
    return set.union(*(s[1] for s in states)), [client for s in states for client in s[2]]


async def at_work(engine, clients=()):
    """What the replicas say once turns run, and such of each of these clients."""
    async with asyncio.timeout(60):
        while True:
            states = await engine._everywhere("seen")
            running = {client for *_, turns in states for client in turns}
            if running and running.issuperset(clients):
                return states
            await asyncio.sleep(0.01)


def test_drivers_play_the_episodes_that_this_process_would(drivers, babblers, expected, event_loop_runner):
    shown = []
    drivers.on_episode = shown.append
    assert content(event_loop_runner.run(play(drivers))) == expected[40]
    drivers.on_episode = lambda trajectory: None
    assert len(shown) == 30
    clients, _ = event_loop_runner.run(seen(babblers))
    assert clients == {"main", *(seat.client for seat in drivers._seats)}, "both drivers asked, and asked themselves"
    assert drivers.slots.running == 0
    assert drivers.restarts == 0


def test_a_rounds_groups_are_the_same(settings, babblers, renderer, event_loop_runner, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("environments: [{id: postgym/WordProblems-v0}]\nrollout: {groups: 3, group_size: 2}\n")
    config = load_config(path)
    mixture = Mixture(config.environments)
    own = Player(mixture.make_env, babblers, renderer, LIMITS, Slots(11))
    elsewhere = Drivers(1, replace(settings, make_env=mixture.make_env), babblers)

    async def taken(player, folder):
        rounds = Rounds(config, tmp_path / folder, mixture, player, 0)
        played = await rounds.take(0)
        await rounds.close()
        return content(played.groups), played.flow["running_episodes"]

    try:
        assert event_loop_runner.run(taken(elsewhere, "b")) == event_loop_runner.run(taken(own, "a"))
    finally:
        elsewhere.close()


def test_a_replica_that_dies_under_drivers_is_replaced_and_nobody_can_tell(
    drivers, babblers, expected, event_loop_runner
):
    async def go():
        playing = asyncio.create_task(play(drivers, SLOW))
        os.kill(next(pid for pid, _, running in await at_work(babblers) if running), signal.SIGKILL)
        played = await asyncio.wait_for(playing, 60)
        while not babblers.restarts or babblers.living < 2:
            await asyncio.sleep(0.05)
        return played

    assert content(event_loop_runner.run(go())) == expected[SLOW]
    assert babblers.restarts == 1
    assert drivers.restarts == 0


def test_the_groups_of_a_driver_that_dies_are_played_again(drivers, babblers, expected, event_loop_runner):
    async def go():
        doomed, before = driver_processes()[0], {seat.client for seat in drivers._seats}
        playing = asyncio.create_task(play(drivers, SLOW))
        await at_work(babblers, before)
        doomed.kill()
        played = await asyncio.wait_for(playing, 180)
        return played, before - {seat.client for seat in drivers._seats}, await seen(babblers)

    played, gone, (_, running) = event_loop_runner.run(go())
    assert content(played) == expected[SLOW]
    assert drivers.restarts == len(gone) == 1
    assert not gone & set(running), "its turns were given up"


def driver_processes():
    children = psutil.Process().children(recursive=True)
    return [p for p in children if p.parent().name() == "raylet" and "ray::Driver" in " ".join(p.cmdline())]


def test_groups_that_nobody_waits_for_are_given_up_there_too_and_no_others(
    drivers, babblers, expected, event_loop_runner
):
    async def go():
        others, playing = (asyncio.create_task(play(drivers, tokens)) for tokens in (SLOW, SLOW + 1))
        await at_work(babblers)
        await asyncio.sleep(0.1)
        playing.cancel()
        await asyncio.wait([playing])
        played = await asyncio.wait_for(others, 60)
        deadline = time.monotonic() + 10
        while (running := (await seen(babblers))[1]) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        return playing.cancelled(), played, running

    cancelled, played, running = event_loop_runner.run(go())
    assert cancelled
    assert content(played) == expected[SLOW]
    assert running == []


def test_drivers_have_their_share_of_the_workers(settings, babblers, expected, event_loop_runner):
    drivers = Drivers(1, replace(settings, workers=WorkerSettings(1, slots=16)), babblers)
    try:
        assert content(event_loop_runner.run(play(drivers))) == expected[40]
    finally:
        drivers.close()


def test_shares_add_up(settings):
    whole = replace(settings, concurrency=11, by_environment={"a": 4, "b": 3}, workers=WorkerSettings(5))
    shares = [whole.share(number, 3) for number in range(3)]
    assert [s.concurrency for s in shares] == [4, 4, 3]
    assert [s.by_environment for s in shares] == [{"a": 2, "b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1}]
    assert [s.workers.workers for s in shares] == [2, 2, 1]
    assert settings.share(0, 3).workers is None


def test_news_of_the_living_that_come_late_are_not_believed():
    living = LivingReplicas(None, "driver", 2)
    living.direct(2, {0: (1, "new"), 1: (0, "actor")})
    living.direct(1, {0: (0, "old")})
    assert {index: life for index, (life, _) in living._mails.items()} == {0: 1, 1: 0}


def test_a_driver_that_keeps_dying_stops_the_run(settings, babblers, event_loop_runner, monkeypatch):
    monkeypatch.setattr("rollout.drivers._MAX_RESTARTS", 0)
    drivers = Drivers(1, replace(settings, make_renderer=lambda: os._exit(1)), babblers)
    with pytest.raises(EngineError, match=r"a driver of the rollouts died: .*started again 0 times: free memory"):
        event_loop_runner.run(asyncio.wait_for(play(drivers), 60))


def test_an_engine_that_is_gone_is_told_to_all_who_play(drivers, babblers, event_loop_runner):
    """The last: nothing can be played after it."""

    async def go():
        playing = asyncio.create_task(play(drivers, SLOW))
        await at_work(babblers)
        while not playing.done():
            with contextlib.suppress(EngineError):
                for pid, *_ in await babblers._everywhere("seen"):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.3)
        await playing

    with pytest.raises(EngineError, match="started again 1 times"):
        event_loop_runner.run(asyncio.wait_for(go(), 60))
