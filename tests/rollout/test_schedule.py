"""Who starts next, and what ends early: real environments over an engine whose pace the test sets."""

import asyncio
import itertools
from collections import Counter

import pytest

from envs.base import Task
from rewards.errors import EngineError, Fault
from rewards.transcript import Message
from rollout.collect import Player, collect_groups, error_counts
from rollout.engine import Completion, Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.schedule import Lengths, Slots
from tests.worlds import LikesEven, Lookup


class Paced:
    """Says one word after the seconds that `pace` gives for a task, and notes who came when and who gave up."""

    def __init__(self, renderer, pace=lambda task: 0.0):
        self._renderer, self._pace = renderer, pace
        self.began, self.aborted = [], []

    async def generate(self, request):
        self.began.append(request.task.id)
        try:
            await asyncio.sleep(self._pace(request.task))
        except asyncio.CancelledError:
            self.aborted.append(request.task.id)
            raise
        ids = tuple(self._renderer.turn_ids(request.prompt_ids, "even"))
        return Completion(ids, (0.0,) * len(ids), "stop", (0,) * len(ids))


NUMBERS = itertools.count()


def task_of(env_id="test/LikesEven", difficulty=0.0):
    text = f"Say {next(NUMBERS)}."
    return Task(prompt=(Message("user", text),), target={}, env=env_id, difficulty=difficulty)


def play(engine, renderer, tasks, size=2, concurrency=64, lengths=None, limits=None, **slots):
    async def go():
        player = Player(
            lambda env_id: LikesEven(),
            engine,
            renderer,
            limits or Limits(),
            Slots(concurrency, **slots),
            lengths or Lengths(),
        )
        return await asyncio.gather(*(player.play(task, size, Sampling(8)) for task in tasks))

    return asyncio.run(go())


def test_an_expected_length_follows_the_episodes_seen_by_environment_and_difficulty():
    lengths = Lengths()
    lengths.learn("a", 0.1, 100)
    lengths.learn("a", 0.1, 200)
    lengths.learn("a", 0.9, 500)
    assert lengths.expected(task_of("a", 0.15)) == pytest.approx(0.7 * 100 + 0.3 * 200)
    assert lengths.expected(task_of("a", 1.0)) == 500
    assert lengths.expected(task_of("a", 0.5)) == pytest.approx(0.7 * 130 + 0.3 * 500), "unseen: as the environment's"
    assert lengths.expected(task_of("b", 0.1)) == float("inf"), "it might be long"


def test_the_longest_expected_starts_first_and_members_of_a_group_start_together(renderer):
    lengths = Lengths()
    for difficulty, tokens in ((0.1, 10), (0.5, 900), (0.9, 300)):
        lengths.learn("test/LikesEven", difficulty, tokens)
    short, long, middle = (task_of(difficulty=d) for d in (0.1, 0.5, 0.9))
    engine = Paced(renderer)
    play(engine, renderer, [short, long, middle], 3, concurrency=1, lengths=lengths)
    assert engine.began == [long.id] * 3 + [middle.id] * 3 + [short.id] * 3


def test_before_anything_is_seen_tasks_start_in_their_order(renderer):
    tasks, engine = [task_of(difficulty=d) for d in (0.9, 0.1, 0.5)], Paced(renderer)
    play(engine, renderer, tasks, 2, concurrency=1)
    assert engine.began == [t.id for t in tasks for _ in range(2)]


def test_no_more_run_at_once_than_the_limits_of_all_and_of_an_environment(renderer):
    now, most, full = Counter(), Counter(), asyncio.Event()

    class Crowded(Paced):
        """Answers nobody before six are there at once."""

        async def generate(self, request):
            now.update(("all", request.task.env))
            most.update(now - most)
            if now["all"] == 6:
                full.set()
            await asyncio.wait_for(full.wait(), 30)
            completion = await super().generate(request)
            now.subtract(("all", request.task.env))
            return completion

    tasks = [task_of("a") for _ in range(5)] + [task_of("b") for _ in range(5)]
    groups = play(Crowded(renderer, lambda task: 0.005), renderer, tasks, 2, concurrency=6, by_environment={"a": 2})
    assert most["all"] == 6, "an environment at its limit holds up no other"
    assert most["a"] == 2
    assert most["b"] > 2
    assert [g.task.id for g in groups] == [t.id for t in tasks]


def test_an_episode_that_was_cancelled_while_it_waited_or_ran_leaves_its_place_to_others():
    async def go():
        slots, order = Slots(1), []

        async def hold(name, gate):
            async with slots.held("x"):
                order.append(name)
                await gate.wait()

        gate = asyncio.Event()
        first, second, third = (asyncio.create_task(hold(name, gate)) for name in "abc")
        while not order:
            await asyncio.sleep(0)
        second.cancel()  # waits
        first.cancel()  # runs: the place becomes free in the moment in which the third is asked
        await asyncio.sleep(0.001)
        gate.set()
        await third
        assert slots.running == 0
        return order

    assert asyncio.run(go()) == ["a", "c"]


def test_a_place_given_to_an_episode_that_is_cancelled_in_that_moment_is_not_lost():
    async def go():
        slots = Slots(1)

        async def hold():
            async with slots.held("x"):
                pass

        held = slots.held("x")
        await held.__aenter__()
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0.001)
        await held.__aexit__(None, None, None)  # the place is the waiting one's now
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert slots.running == 0
        async with asyncio.timeout(1):
            await hold()

    asyncio.run(go())


def test_idle_seconds_count_only_while_nothing_runs():
    async def go():
        slots = Slots(2)
        await asyncio.sleep(0.02)
        async with slots.held("x"):
            before = slots.idle_seconds
            await asyncio.sleep(0.02)
            assert slots.idle_seconds == before
        assert before >= 0.02

    asyncio.run(go())


def test_a_straggler_is_cancelled_counted_and_leaves_its_group_and_its_request_is_given_up(renderer):
    slow = itertools.cycle([60.0, 0.0, 0.0])  # whoever comes first
    engine = Paced(renderer, lambda task: next(slow))
    (group,) = play(engine, renderer, [task_of()], 3, limits=Limits(episode_seconds=3))
    (cancelled,) = [t for t in group.trajectories if t.finish == "cancelled"]
    others = [t for t in group.trajectories if t is not cancelled]
    assert cancelled.score.fault is Fault.CANCELLED
    assert engine.aborted == [group.task.id]
    assert list(group.judged) == others
    assert error_counts([group]) == {"cancelled": 1}


def test_what_a_straggler_had_sampled_is_kept(renderer):
    script = ScriptedEngine(
        lambda task: lambda messages: '<tool_call>{"name": "look", "arguments": {"box": 1}}</tool_call>',
        renderer.turn_ids,
    )

    class StopsAtTheSecond:
        turns = 0

        async def generate(self, request):
            self.turns += 1
            if self.turns == 2:
                await asyncio.sleep(60)
            return await script.generate(request)

    groups = collect_groups(
        [Lookup().sample_task(0)],
        1,
        lambda env_id: Lookup(),
        StopsAtTheSecond(),
        renderer,
        Sampling(64),
        Limits(episode_seconds=3),
    )
    (trajectory,) = asyncio.run(groups)[0].trajectories
    assert trajectory.finish == "cancelled"
    assert trajectory.sampled_tokens > 5
    assert [m.role for m in trajectory.transcript.messages][-2:] == ["assistant", "tool"]


def test_an_engine_that_is_gone_is_one_error_whatever_many_met_it(renderer):
    class Gone:
        async def generate(self, request):
            raise EngineError("gone")

    with pytest.raises(EngineError, match="gone"):
        asyncio.run(
            collect_groups(
                [task_of() for _ in range(3)], 2, lambda e: LikesEven(), Gone(), renderer, Sampling(8), Limits()
            )
        )
