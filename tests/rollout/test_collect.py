"""Groups judged as a whole once all their episodes are over."""

import asyncio
import threading

import pytest

from rewards.group import brevity
from rewards.score import Criterion, GroupCriterion, Rubric, Score, Status
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits, run_episode
from rollout.store import read_groups, write_groups
from tests.worlds import Lookup, Raises


def fine(transcript, target):
    return Score(1.0, "fine")


def environment(kind, *group, turns=""):
    env = kind()
    env.rubric = Rubric([Criterion("fine", fine, turns=turns), *group])
    return env


def asks(times):
    """A policy that makes so many calls before it answers."""
    call = '<tool_call>{"name": "look", "arguments": {"box": 1}}</tool_call>'
    return lambda messages: call if sum(m.role == "tool" for m in messages) < times else "done"


def collect(made, renderer):
    """One group, one episode after the other: the n-th environment meets a policy that makes n calls."""
    played, seen = iter(enumerate(made)), []
    current = [0]

    def make_env(env_id):
        current[0], env = next(played)
        return env

    engine = ScriptedEngine(lambda task: asks(current[0]), renderer.turn_ids)
    groups = collect_groups(
        [Lookup().sample_task(0)],
        len(made),
        make_env,
        engine,
        renderer,
        Sampling(64),
        Limits(),
        concurrency=1,
        on_episode=lambda trajectory: seen.append(trajectory.score.value),
    )
    return asyncio.run(groups)[0], seen


def test_members_are_compared_when_all_have_ended(renderer):
    brief = GroupCriterion("brief", brevity())
    group, seen = collect([environment(Lookup, brief) for _ in range(3)], renderer)
    values = [t.score.value for t in group.trajectories]
    assert seen == [1, 1, 1], "by themselves all are alike"
    assert values[0] == 1 > values[1] > values[2] > 0.5
    assert [p.name for p in group.trajectories[2].score.parts] == ["fine", "brief"]


def test_an_episode_that_failed_is_not_compared(renderer):
    brief = GroupCriterion("brief", brevity())
    made = [environment(Raises, brief), environment(Lookup, brief), environment(Lookup, brief)]
    group, _ = collect(made, renderer)
    assert [t.score.value is None for t in group.trajectories] == [True, False, False]
    assert group.trajectories[1].score.value == 1


@pytest.mark.parametrize("failing", [lambda t, s, g: 1 / 0, lambda t, s, g: [], lambda t, s, g: None])
def test_a_group_reward_that_fails_leaves_nobody_a_value_and_the_run_goes_on(renderer, failing):
    group, _ = collect([environment(Lookup, GroupCriterion("odd", failing)) for _ in range(2)], renderer)
    assert {t.score.status for t in group.trajectories} == {Status.INFRA_ERROR}
    assert "the group could not be judged" in group.trajectories[0].score.reason
    assert group.judged == ()


def test_the_values_of_turns_are_stored_with_the_score(renderer, tmp_path):
    group, _ = collect([environment(Lookup, turns="mean") for _ in range(3)], renderer)
    write_groups(tmp_path / "g.parquet", [group])
    (read,) = read_groups(tmp_path / "g.parquet")
    assert [t.score.parts[0].turns for t in read.trajectories] == [(1.0,), (1.0, 1.0), (1.0, 1.0, 1.0)]


class Closable(Lookup):
    """Notes that it was closed; may fail at it."""

    def __init__(self, error=None):
        super().__init__()
        self.closed, self.error = threading.Event(), error

    def close(self):
        super().close()
        self.closed.set()
        if self.error:
            raise self.error


def test_an_environment_made_for_an_episode_is_closed_after_it(renderer):
    made = [Closable(), Closable(RuntimeError("the server is gone")), Closable(SystemExit(1))]
    group, _ = collect(made, renderer)
    assert all(env.closed.wait(60) for env in made)
    assert all(t.score.value is not None for t in group.trajectories), "a failure to close costs no score"
    assert [t.transcript for t in group.trajectories] == [env.transcript for env in made], "still to be read"


def test_an_environment_is_closed_when_its_episode_failed(renderer):
    class Fails(Closable, Raises):
        pass

    made = [Fails()]
    group, _ = collect(made, renderer)
    assert group.trajectories[0].finish == "error"
    assert made[0].closed.wait(60)


def test_an_environment_of_somebody_elses_stays_open(renderer):
    env = Closable()
    engine = ScriptedEngine(lambda task: asks(1), renderer.turn_ids)
    asyncio.run(run_episode(env, env.sample_task(0), engine, renderer, Sampling(64), Limits()))
    assert not env.closed.wait(0.1)
