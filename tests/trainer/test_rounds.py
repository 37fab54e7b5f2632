"""Rounds ahead of the learner, kept, refilled: a real environment over an engine whose pace the test sets."""

import asyncio
import random
import re
from zlib import crc32

import pytest

from rewards.errors import ConfigError
from rollout.catalogue import scan_all
from rollout.collect import Player
from rollout.engine import Completion
from rollout.episode import Limits
from rollout.schedule import Slots
from rollout.store import read_groups
from trainer.config import load_config
from trainer.credit import varied
from trainer.rollout_metrics import rollout_metrics
from trainer.rounds import Rounds
from trainer.tasks import Mixture
from trainer.trainer_config import TrainerConfig

GROUPS, SIZE, STEPS = 4, 2, 6


class Engine:
    """Says the expert's words or wrong ones, at a pace of its own; its weights are numbers that the test counts up.

    A turn takes two moments, between which new weights may arrive.
    """

    def __init__(self, mixture, renderer, right=lambda task, nth: nth % 2 == 0, pace=lambda: 0.0):
        self._mixture, self._renderer, self._right, self._pace = mixture, renderer, right, pace
        self.version, self.asked = 0, []

    async def generate(self, request):
        task, begun = request.task, self.version
        nth = self.asked.count(task.id)
        self.asked.append(task.id)
        await asyncio.sleep(self._pace())
        env = self._mixture.make_env(task.env)
        env.reset(options={"task": task})
        policy = env.expert(task) if self._right(task, nth) else env.wrong_policy(task, nth)
        ids = tuple(self._renderer.turn_ids(request.prompt_ids, policy(request.messages)))
        versions = (begun,) * (len(ids) // 2) + (self.version,) * (len(ids) - len(ids) // 2)
        return Completion(ids, (0.0,) * len(ids), "stop", versions)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("environments: [{id: postgym/WordProblems-v0}]\n")

    def made(**fields):
        values = {"rollout.groups": GROUPS, "rollout.group_size": SIZE, "trainer.steps": STEPS}
        return load_config(path, extra=values | {name.replace("__", "."): value for name, value in fields.items()})

    return made


@pytest.fixture
def made(config, renderer, tmp_path):
    """Rounds in a folder, with their engine."""

    def make(folder="run", first=0, concurrency=64, settings=None, **engine):
        found = config(**(settings or {}))
        mixture = Mixture(found.environments)
        speaking = Engine(mixture, renderer, **engine)
        player = Player(mixture.make_env, speaking, renderer, Limits(), Slots(concurrency))
        return Rounds(found, tmp_path / folder, mixture, player, first), speaking

    return make


async def learn(rounds, engine, steps, seconds=0.0, first=0, ahead=0):
    """Takes rounds as a learner does that needs `seconds` for each, and more until one so far ahead has begun."""
    taken = []
    for step in range(first, first + steps):
        taken.append(await rounds.take(step))
        await asyncio.sleep(seconds)
        while ahead and len(engine.asked) <= min(step + ahead, STEPS - 1) * GROUPS * SIZE:
            await asyncio.sleep(0.001)
        engine.version = step + 1
    await rounds.close()
    return taken


def content(groups):
    return [(t.task.id, t.token_ids.tolist(), t.score.value) for g in groups for t in g.trajectories]


def test_in_turns_nothing_is_played_while_the_learner_is_at_it(made):
    rounds, engine = made()

    async def go():
        await rounds.take(0)
        asked = len(engine.asked)
        await asyncio.sleep(0.02)
        assert len(engine.asked) == asked == GROUPS * SIZE
        engine.version = 1
        assert rollout_metrics((await rounds.take(1)).groups, 1)["staleness_max"] == 0

    asyncio.run(go())


@pytest.mark.parametrize("staleness", [1, 3])
def test_the_next_rounds_are_played_meanwhile_and_never_more_than_the_learner_may_use(made, staleness):
    rounds, engine = made(settings={"trainer__max_staleness": staleness})

    async def go():
        await rounds.take(0)
        while rounds._finished.total() < staleness * GROUPS:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # as long as it likes
        assert len(engine.asked) == (1 + staleness) * GROUPS * SIZE
        engine.version = 1
        done = await rounds.take(1)
        assert done.flow["queued_groups"] >= (staleness - 1) * GROUPS
        await rounds.close()

    asyncio.run(go())


@pytest.mark.parametrize("staleness", [0, 1, 2])
def test_no_token_is_older_than_it_may_be_whatever_the_pace(made, staleness):
    pace = random.Random(staleness)
    rounds, engine = made(
        concurrency=5, settings={"trainer__max_staleness": staleness}, pace=lambda: pace.choice([0, 0.02, 0.1])
    )
    taken = asyncio.run(learn(rounds, engine, STEPS, seconds=0.01, ahead=staleness))
    rows = [rollout_metrics(done.groups, step) for step, done in enumerate(taken)]
    assert max(row["staleness_max"] for row in rows) == staleness
    assert all(sum(v for name, v in row.items() if name.startswith("token_age/")) == pytest.approx(1) for row in rows)
    mixed = [t for done in taken for g in done.groups for t in g.trajectories if len({*t.weight_versions}) > 2]
    assert bool(mixed) == (staleness > 0), "turns go on over an update, each token with its own weights"


def test_what_the_engine_waited_for_the_learner_is_told(made):
    taken = asyncio.run(learn(*made(), 3, seconds=0.05))
    assert all(done.flow["seconds_engine_idle"] >= 0.05 for done in taken[1:])
    assert all(done.busy_seconds > 0 for done in taken)


def test_all_modes_learn_from_the_same_tasks_in_the_same_order(made):
    taken = {}
    for staleness in (0, 2):
        rounds, engine = made(f"run-{staleness}", settings={"trainer__max_staleness": staleness})
        taken[staleness] = asyncio.run(learn(rounds, engine, 3))
    assert [[g.task.id for g in r.groups] for r in taken[0]] == [[g.task.id for g in r.groups] for r in taken[2]]


@pytest.mark.parametrize("staleness", [0, 2])
def test_what_had_ended_before_a_kill_is_not_played_again_and_nothing_else_is_left_out(made, tmp_path, staleness):
    folder = tmp_path / "run"
    settings = {"trainer__max_staleness": staleness}
    whole = [content(r.groups) for r in asyncio.run(learn(*made("whole", settings=settings), 4))]
    rounds, engine = made(settings=settings, concurrency=3, pace=lambda: 0.01)

    async def killed():
        await rounds.take(0)
        engine.version = 1
        waiting = asyncio.create_task(rounds.take(1))
        while not list(folder.glob("playing/*/group-*.parquet")):
            await asyncio.sleep(0)
        waiting.cancel()
        await rounds.close()

    asyncio.run(killed())
    kept = {read_groups(path)[0].task.id for path in folder.glob("playing/*/group-*.parquet")}
    assert kept
    again, engine = made(settings=settings, first=1)
    taken = asyncio.run(learn(again, engine, 3, first=1))
    assert [sorted(content(r.groups)) for r in taken] == [sorted(c) for c in whole[1:]]
    assert not kept & set(engine.asked)
    ended = [t.task.id for done in taken for group in done.ended for t in group.trajectories]
    assert sorted(ended) == sorted(engine.asked), "of what a life before has played nobody knows the speed"
    became = [folder / "playing" / f"step-{step:05d}" for step in range(4)]  # those ahead may have ended groups
    assert not any(path.exists() for path in became), "what became a round is not kept twice"


def test_a_resumed_run_expects_the_lengths_that_an_undisturbed_one_does(made):
    rounds, engine = made()
    asyncio.run(learn(rounds, engine, 3))
    resumed, _ = made(first=3)
    assert resumed._player.lengths._means == rounds._player.lengths._means != {}


def flat_for(share):
    """Half of the episodes of a task are right, or, for a share of the tasks, all."""
    return lambda task, nth: nth % 2 == 0 or crc32(task.id.encode()) % 100 < share * 100


def test_groups_without_variance_are_replaced_by_fresh_tasks_and_kept_apart(made, tmp_path):
    settings = {"rollout__dynamic_sampling": True}
    found = {}
    for name, concurrency, seed in (("alone", 1, 0), ("many", 64, 1), ("few", 5, 2)):
        pace = random.Random(seed)
        rounds, engine = made(
            name, concurrency=concurrency, settings=settings, right=flat_for(0.5), pace=lambda p=pace: p.random() / 200
        )
        found[name] = asyncio.run(learn(rounds, engine, 3))
    for done in found["alone"]:
        assert len(done.groups) == GROUPS
        assert all(varied(group.judged, TrainerConfig()) for group in done.groups)
        assert not any(varied(group.judged, TrainerConfig()) for group in done.unused)
        assert done.flow["unused_groups"] == len(done.unused)
    assert sum(len(done.unused) for done in found["alone"]) > 0
    for name in ("many", "few"):
        for done, expected in zip(found[name], found["alone"], strict=True):
            assert [g.task.id for g in done.groups] == [g.task.id for g in expected.groups], "whatever ends first"
            assert [g.task.id for g in done.unused] == [g.task.id for g in expected.unused]
    stored = [entry for entry in scan_all(tmp_path / "alone") if entry.stage == "unused"]
    assert len(stored) == SIZE * sum(len(done.unused) for done in found["alone"])


def test_a_resumed_round_counts_what_was_thrown_away(made):
    settings = {"rollout__dynamic_sampling": True}
    rounds, engine = made(settings=settings, right=flat_for(0.5))
    done = asyncio.run(learn(rounds, engine, 2))
    again, engine = made(settings=settings, right=flat_for(0.5))
    for before, after in zip(done, asyncio.run(learn(again, engine, 2)), strict=True):
        assert before.ended
        assert not after.ended, "nobody knows how fast they were played"
        assert content(after.unused) == content(before.unused)
        assert content(after.groups) == content(before.groups)
    assert engine.asked == []


def test_a_round_that_never_gets_variance_ends_at_the_bound_and_is_filled_up(made):
    rounds, engine = made(settings={"rollout__dynamic_sampling": True, "rollout__max_refills": 2}, right=flat_for(1.0))
    (done,) = asyncio.run(learn(rounds, engine, 1))
    assert len(done.groups) == GROUPS
    assert len(done.unused) == 2 * GROUPS
    assert len({g.task.id for g in done.groups + done.unused}) == 3 * GROUPS, "every refill is a fresh task"


@pytest.mark.parametrize("algorithm", ["ppo", "reinforce++"])
def test_an_algorithm_that_learns_from_every_group_needs_none_replaced(config, algorithm):
    with pytest.raises(ConfigError, match=re.escape(f"{algorithm} learns from every group")):
        config(rollout__dynamic_sampling=True, trainer__algorithm=algorithm)


def test_an_algorithm_without_groups_has_no_turn_to_compare_with(config):
    with pytest.raises(ConfigError, match=r"credit: reinforce\+\+ compares with the whole round.*_baseline"):
        config(trainer__credit="turn", trainer__algorithm="reinforce++")
    config(trainer__credit="turn", trainer__algorithm="ppo")
