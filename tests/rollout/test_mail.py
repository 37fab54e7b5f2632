"""Turns in batches over stand-in actors in Ray: what is asked together goes together, but fails alone."""

import asyncio
import os
import random
import signal
import time
from array import array
from types import SimpleNamespace

import pytest

from envs.base import Task
from rewards.errors import EngineError
from rollout.engine import Request, Sampling
from rollout.mail import Mail, SamplingActor
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine

ECHO, FAIL, WAIT, SLOW, QUICK = range(5)  # what a prompt's first id asks for


class Echo(SamplingActor):
    """Stands for `VllmActor`: samples the prompt and the seed, and counts."""

    def __init__(self, settings=None, slot=0, peers=1):
        super().__init__()
        self.asked, self.given, self.given_up = [], [], 0

    async def generate(self, prompt_ids, max_tokens, temperature, seed, stop_ids):
        if prompt_ids[0] == FAIL:
            raise ValueError(f"a prompt of {len(prompt_ids)}")
        try:
            await asyncio.sleep({ECHO: 0, WAIT: 600, SLOW: 3, QUICK: 0.002}[prompt_ids[0]])
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        ids = [*prompt_ids, seed, *stop_ids]
        versions = array("q", [7] * len(ids))  # any sequence of whole numbers will do
        return ids, [-1.5 - temperature] * len(ids), versions, "length" if max_tokens == len(ids) else "stop"

    async def exchange(self, session, orders):
        self.asked.append(len(orders))
        answers = await super().exchange(session, orders)
        self.given.append(len(answers))
        return answers

    async def seen(self):
        running = sum(len(box.running) + len(box._calls) for box in self._boxes.values())
        return os.getpid(), self.asked, self.given, self.given_up, running

    async def shutdown(self):
        pass


def asked(*ids, seed=0, max_tokens=9):
    return Request(ids, Sampling(max_tokens, 0.5, seed), Task(prompt=(), target={}, seed=seed), stop_ids=(2,))


def settings(replicas=1):
    return VllmSettings("none", kv_cache_gb=0, replicas=replicas)


@pytest.fixture
def lone():
    engine = VllmEngine(settings(), Echo)
    yield engine
    engine.close()


async def seen(engine):
    (found,) = await engine._everywhere("seen")
    return found


def test_what_is_asked_together_goes_and_comes_back_together_each_to_its_own(lone, event_loop_runner):
    async def go():
        found = await asyncio.gather(*(lone.generate(asked(ECHO, 100_000 + i, seed=i)) for i in range(50)))
        return found, await seen(lone)

    found, (_, sent, given, _, running) = event_loop_runner.run(go())
    assert [tuple(c.token_ids) for c in found] == [(ECHO, 100_000 + i, i, 2) for i in range(50)]
    assert {tuple(c.logprobs) for c in found} == {(-2.0,) * 4}
    assert {tuple(c.weight_versions) for c in found} == {(7,) * 4}
    assert {c.finish for c in found} == {"stop"}
    assert event_loop_runner.run(lone.generate(asked(ECHO, max_tokens=3))).finish == "length"
    assert (sent, given, running) == ([50], [50], 0)


def test_a_turn_that_fails_is_nobody_elses_loss(lone, event_loop_runner):
    async def go():
        turns = (lone.generate(asked(FAIL if i == 3 else ECHO, seed=i)) for i in range(6))
        return await asyncio.gather(*turns, return_exceptions=True)

    found = event_loop_runner.run(go())
    error = found.pop(3)
    assert isinstance(error, EngineError)
    assert str(error) == "the vLLM engine failed in generate: ValueError: a prompt of 1"
    assert [c.token_ids[1] for c in found] == [0, 1, 2, 4, 5]
    assert lone.restarts == 0


def test_a_turn_that_nobody_waits_for_any_more_is_given_up_there_too(lone, event_loop_runner):
    async def go():
        turns = [asyncio.create_task(lone.generate(asked(WAIT, seed=i))) for i in range(2)]
        await asyncio.sleep(0)
        turns[0].cancel()
        while not (await seen(lone))[4]:
            await asyncio.sleep(0.02)
        turns[1].cancel()
        await asyncio.wait(turns)
        answered = await lone.generate(asked(ECHO))
        deadline = time.monotonic() + 10
        while (found := await seen(lone))[4] and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return all(turn.cancelled() for turn in turns), answered, found

    cancelled, answered, (_, _, _, given_up, running) = event_loop_runner.run(go())
    assert cancelled
    assert tuple(answered.token_ids) == (ECHO, 0, 2)
    assert running == 0
    assert given_up >= 1, "the first may have been given up before it began"


def test_an_event_loop_that_ends_amid_a_turn_leaves_the_engine_usable(lone):
    async def given_up():
        async with asyncio.timeout(0.3):
            await lone.generate(asked(WAIT))

    for seed in range(3):
        with pytest.raises(TimeoutError):
            asyncio.run(given_up())
        answered = asyncio.run(asyncio.wait_for(lone.generate(asked(ECHO, seed=seed)), 10))
        assert tuple(answered.token_ids) == (ECHO, seed, 2)


def test_turns_at_an_actor_that_dies_are_sampled_again_from_the_same_ids_and_seed(event_loop_runner):
    engine = VllmEngine(settings(replicas=2), Echo)

    async def go():
        turns = [asyncio.create_task(engine.generate(asked(SLOW, 40 + i, seed=i))) for i in range(20)]
        await asyncio.sleep(0.2)
        (doomed, asked_there, *_), (_, asked_elsewhere, *_) = await engine._everywhere("seen")
        assert 0 < sum(asked_there) < 20 == sum(asked_there + asked_elsewhere)
        os.kill(doomed, signal.SIGKILL)
        found = await asyncio.wait_for(asyncio.gather(*turns), 60)
        while engine.living < 2:
            await asyncio.sleep(0.05)
        return found

    try:
        found = event_loop_runner.run(go())
        assert [tuple(c.token_ids) for c in found] == [(SLOW, 40 + i, i, 2) for i in range(20)]
        assert engine.restarts == 1
    finally:
        engine.close()


class Near:
    """Calls an actor in this process as Ray would one in another."""

    def __init__(self, actor):
        self._actor = actor

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *given: asyncio.ensure_future(getattr(self._actor, name)(*given)))


def test_a_single_turn_is_sent_at_once():
    async def go():
        actor = Echo()
        turn = asyncio.create_task(Mail(None, Near(actor)).generate(asked(WAIT)))
        for _ in range(3):  # it asks, it is sent, it has come
            await asyncio.sleep(0)
        turn.cancel()
        return actor.asked

    assert asyncio.run(go()) == [1]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_order_all_are_answered_with_no_more_calls_than_turns(seed):
    rng, actor = random.Random(seed), Echo()
    mail = Mail(None, Near(actor))

    async def episode(number):
        for turn in range(4):
            await asyncio.sleep(rng.choice([0, 0, 0.001, 0.003]))
            kind = rng.choice([ECHO, QUICK])
            assert tuple((await mail.generate(asked(kind, number, seed=turn))).token_ids) == (kind, number, turn, 2)

    async def go():
        await asyncio.wait_for(asyncio.gather(*(episode(number) for number in range(50))), 30)
        await asyncio.sleep(0)
        return await actor.seen()

    _, sent, given, _, left = asyncio.run(go())
    assert sum(sent) == sum(given) == 200
    assert len(sent) == len(given) <= 200
    assert left == 0
