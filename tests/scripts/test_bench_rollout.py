"""The simulated cluster against what queueing theory says of it, and the parts of the benchmark that need no engine."""

import asyncio
from dataclasses import replace

import pytest

from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from scripts.bench.rollout import cpu_per_turn
from scripts.bench.rollout_simulator import Cluster, simulate
from scripts.bench.rollout_work import Recorder, ToolTurns, Worlds

SMALL = Cluster(turn_cost=0.0, replicas=10, episodes=400, turn_tokens=500.0)


def test_a_free_scheduler_gives_the_turns_that_the_interactive_response_time_law_gives():
    """Episodes = turns/s x (generating + tool), and a batch as large as the law itself says (fixed point)."""
    batch = SMALL.episodes / SMALL.replicas
    for _ in range(100):
        generating = SMALL.turn_tokens * (1 + batch / SMALL.half) / SMALL.alone
        rate = SMALL.episodes / (generating + 1.05)
        batch = rate * generating / SMALL.replicas
    found = simulate(SMALL, turns_each=20)
    assert found.turns_per_second == pytest.approx(rate, rel=0.05)
    assert found.tokens_per_second == pytest.approx(rate * SMALL.turn_tokens, rel=0.05)
    assert found.driver_load == 0


def test_an_overloaded_scheduler_sends_as_many_turns_as_it_can_and_the_others_wait():
    cost = 0.1
    found = simulate(Cluster(turn_cost=cost, replicas=10, episodes=400, turn_tokens=500.0), turns_each=6)
    assert found.turns_per_second == pytest.approx(1 / cost, rel=0.05)
    assert found.driver_load == pytest.approx(1, abs=0.02)
    assert found.wait_mean > 10
    assert found.tokens_per_second < 0.6 * simulate(SMALL).tokens_per_second


def test_a_scheduler_that_is_half_busy_makes_turns_wait_as_a_queue_of_fixed_jobs_does():
    """Mean wait of M/D/1: load x cost / 2 / (1 - load); many independent episodes make nearly Poisson arrivals."""
    rate = simulate(SMALL, turns_each=20).turns_per_second
    cost = 0.5 / rate
    found = simulate(Cluster(turn_cost=cost, replicas=10, episodes=400, turn_tokens=500.0), turns_each=40)
    assert found.driver_load == pytest.approx(0.5, abs=0.03)
    assert found.wait_mean == pytest.approx(0.5 * cost / 2 / 0.5, rel=0.25)


def test_drivers_share_the_load_of_one():
    """Twice as many drivers send twice as many turns where they are what holds the cluster up."""
    overloaded = replace(SMALL, turn_cost=0.2)
    one, two = (simulate(replace(overloaded, drivers=drivers), turns_each=6) for drivers in (1, 2))
    assert two.turns_per_second == pytest.approx(2 * one.turns_per_second, rel=0.05)
    enough = simulate(replace(overloaded, drivers=16), turns_each=20)
    assert enough.tokens_per_second > 0.95 * simulate(SMALL, turns_each=20).tokens_per_second


def test_the_central_process_begins_no_more_groups_than_it_can():
    """Its rate of groups, times their size and turns, is all that drivers get to play."""
    central = replace(SMALL, drivers=4, group_cost=1.0, group_size=4, episode_turns=2)
    found = simulate(central, turns_each=20)
    assert found.turns_per_second == pytest.approx(1 / 1.0 * 4 * 2, rel=0.05)
    assert found.central_load == pytest.approx(1, abs=0.02)
    half_busy = simulate(replace(central, group_cost=4 * 2 * 0.5 / simulate(SMALL, 20).turns_per_second), turns_each=20)
    assert half_busy.central_load == pytest.approx(0.5, abs=0.05)


def test_the_recorded_work_is_what_the_episodes_asked_for(renderer):
    env = ToolTurns((0.0,))
    recorder = Recorder(ScriptedEngine(env.expert, renderer.turn_ids))
    worlds = Worlds([(0.0,), (0.0, 0.0, 0.0)], wait=False)
    tasks = [env.sample_task(i) for i in range(2)]
    groups = asyncio.run(collect_groups(tasks, 2, worlds, recorder, renderer, Sampling(64, seed=1), Limits()))
    assert sorted(len(turns) for turns in recorder.episodes) == [2, 2, 4, 4]
    played = [t for g in groups for t in g.trajectories]
    assert sum(w.tokens for turns in recorder.episodes for w in turns) == sum(t.sampled_tokens for t in played)
    last = {turns[-1].prompt_ids for turns in recorder.episodes}
    assert all(tuple(t.token_ids[: -len(renderer.turn_ids((), env.expert(t.task)(())))]) in last for t in played)


def test_a_turn_costs_less_than_the_goal(renderer):
    engine = ScriptedEngine(ToolTurns().expert, renderer.turn_ids)
    cpu_per_turn(engine, renderer, 40)
    assert min(cpu_per_turn(engine, renderer, 100) for _ in range(3)) < 1.0
