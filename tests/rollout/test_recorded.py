"""Recorded runs: the same tokens, the same score, and what is said when the world has become another."""

import asyncio
import random

import numpy as np
import pytest

from rewards.errors import ConfigError, Fault
from rewards.score import Criterion, Rubric, Score
from rollout.collect import collect_groups
from rollout.engine import Completion, Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.recorded import RecordedEngine, replay
from rollout.schedule import Slots
from tests.worlds import LikesEven, Lookup, Raises

LIMITS = Limits(max_context=2048)


class Unsteady:
    """An expert who is wrong now and then; each token has a logprob and weights of its own."""

    def __init__(self, renderer):
        self._rng = random.Random(3)
        self._scripted = ScriptedEngine(lambda task: self._act, renderer.turn_ids)

    def _act(self, messages):
        if sum(m.role == "tool" for m in messages) < 2:
            return f'<tool_call>{{"name": "look", "arguments": {{"box": {self._rng.randrange(2)}}}}}</tool_call>'
        return messages[-1].content[1:7] if self._rng.random() < 0.5 else "wrong"

    async def generate(self, request):
        ids = (await self._scripted.generate(request)).token_ids
        weights = random.Random(str((request.prompt_ids, ids)))  # who says the same has the same weights here
        return Completion(ids, tuple(-weights.random() for _ in ids), "stop", (weights.randrange(9),) * len(ids))


@pytest.fixture(scope="module")
def groups(renderer):
    tasks = [Lookup().sample_task(i) for i in range(3)]
    playing = collect_groups(tasks, 8, lambda e: Lookup(), Unsteady(renderer), renderer, Sampling(64), LIMITS)
    found = asyncio.run(playing)
    assert {t.score.value for g in found for t in g.trajectories} == {0.0, 1.0}
    return found


def again(groups, renderer, make_env=lambda e: Lookup(), limits=LIMITS):
    return asyncio.run(replay(groups, make_env, renderer, limits, Slots(16)))


def test_a_recorded_run_is_played_again_to_the_token_and_to_the_score(groups, renderer):
    found = again(groups, renderer)
    assert [r.before for r in found] == [t for g in groups for t in g.trajectories]
    for r in found:
        assert r.same
        assert r.after.score == r.before.score
        assert r.after.transcript == r.before.transcript
        for name in ("token_ids", "loss_mask"):
            assert np.array_equal(getattr(r.after, name), getattr(r.before, name))


def test_the_engine_gives_every_recorded_turn_once_with_its_logprobs_and_weights(groups, renderer):
    recorded = [t for g in groups for t in g.trajectories]
    engine = RecordedEngine(recorded)
    tasks = [g.task for g in groups]
    playing = collect_groups(tasks, 8, lambda e: Lookup(), engine, renderer, Sampling(64), LIMITS)

    def content(trajectories):
        names = ("token_ids", "logprobs", "weight_versions")
        return sorted([getattr(t, name).tolist() for name in names] for t in trajectories)

    assert content(t for g in asyncio.run(playing) for t in g.trajectories) == content(recorded)


def test_another_rubric_and_another_answer_of_the_world_are_told_apart(groups, renderer):
    class Strict(Lookup):
        rubric = Rubric([Criterion("never", lambda transcript, target: Score(0.0, "never right"))])

    class Other(Lookup):
        def make_tools(self, task):
            return super().make_tools(task.model_copy(update={"target": {"word": "zzz"}}))

    strict = again(groups, renderer, lambda e: Strict())
    assert [r.same for r in strict] == [r.before.score.value == 0 for r in strict]
    assert all("never right" in r.after.score.reason for r in strict)
    assert all(r.after is None and not r.same for r in again(groups, renderer, lambda e: Other()))


def test_what_no_recorded_turn_continues_has_no_verdict(groups, renderer):
    task = LikesEven().sample_task(0)
    engine = RecordedEngine(groups[0].trajectories)
    (group,) = asyncio.run(collect_groups([task], 1, lambda e: LikesEven(), engine, renderer, Sampling(8), LIMITS))
    assert group.trajectories[0].score.fault is Fault.TURN_FAILED
    assert "no recorded turn follows" in group.trajectories[0].score.reason


def test_episodes_without_a_verdict_are_nothing_to_play_again(renderer):
    engine = ScriptedEngine(Lookup().expert, renderer.turn_ids)
    tasks = [Lookup().sample_task(0)]
    failed = asyncio.run(collect_groups(tasks, 2, lambda e: Raises(), engine, renderer, Sampling(64), LIMITS))
    with pytest.raises(ConfigError, match="no episode with tokens and a score"):
        again(failed, renderer)
