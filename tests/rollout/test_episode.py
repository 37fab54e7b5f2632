import asyncio
import threading
import time

import numpy as np
import pytest

from envs.transport.client import Http
from envs.transport.faults import Faults
from envs.transport.retrying import retrying
from rewards.errors import EngineError
from rewards.score import Status
from rollout.collect import collect_groups, error_counts
from rollout.deadline import within
from rollout.engine import Completion, Sampling, ScriptedEngine
from rollout.episode import Limits, run_episode
from tests.worlds import Hangs, Lookup, Raises

SAMPLING = Sampling(max_tokens=64)


def play(env, renderer, limits=None, engine=None):
    task = env.sample_task(0)
    engine = engine or ScriptedEngine(env.expert, renderer.turn_ids)
    return asyncio.run(run_episode(env, task, engine, renderer, SAMPLING, limits or Limits()))


class Recorder:
    """Remembers the ids it was asked to continue and what it answered."""

    def __init__(self, inner):
        self.inner = inner
        self.turns = []

    async def generate(self, request):
        completion = await self.inner.generate(request)
        self.turns.append((list(request.prompt_ids), completion.token_ids))
        return completion


def test_three_turns_are_token_exact_and_only_sampled_tokens_are_learned_from(renderer):
    env = Lookup()
    recorder = Recorder(ScriptedEngine(env.expert, renderer.turn_ids))
    t = play(env, renderer, engine=recorder)
    assert len(recorder.turns) == 3
    assert t.score.value == 1
    for prompt, sampled in recorder.turns:
        end = len(prompt) + len(sampled)
        assert t.token_ids[: len(prompt)].tolist() == prompt, "the prefix never changes"
        assert t.token_ids[len(prompt) : end].tolist() == list(sampled), "what was sampled is what is trained"
        assert t.loss_mask[len(prompt) : end].all()
    assert t.sampled_tokens == sum(len(s) for _, s in recorder.turns)
    assert t.token_ids.tolist() == [*recorder.turns[-1][0], *recorder.turns[-1][1]]


def test_tool_output_never_enters_the_loss(renderer):
    t = play(Lookup(), renderer)
    learned = renderer.tokenizer.decode(t.token_ids[t.loss_mask])
    given = renderer.tokenizer.decode(t.token_ids[~t.loss_mask])
    assert t.task.target["word"] + " <|im_end|> </tool_call>" in given
    assert "</tool_call>" in learned
    assert "<|im_end|> </tool_call>" not in learned
    assert (t.logprobs[~t.loss_mask] == 0).all()
    assert (t.weight_versions[~t.loss_mask] == -1).all()


def test_an_environment_that_raises_ends_its_own_episode_without_a_score(renderer):
    t = play(Raises(), renderer)
    assert t.score.value is None
    assert t.score.status is Status.INFRA_ERROR
    assert "the database is gone" in t.score.reason
    assert t.finish == "error"


def test_an_environment_that_hangs_is_given_up(renderer):
    t = play(Hangs(), renderer, Limits(step_seconds=0.05))
    assert t.score.status is Status.INFRA_ERROR
    assert "0.05 s" in t.score.reason


def test_an_answer_in_time_counts_though_the_event_loop_was_held_up():
    async def go():
        answered = threading.Event()
        answer = asyncio.ensure_future(within(0.1, lambda: answered.set() or "in time"))
        await asyncio.sleep(0)
        assert answered.wait(60)
        time.sleep(0.3)
        return await answer

    assert asyncio.run(go()) == "in time"


def test_no_room_for_another_turn_ends_the_episode_with_a_score(renderer):
    t = play(Lookup(), renderer, Limits(max_context=90))
    assert t.finish == "context"
    assert t.score.value == 0


def test_faults_of_the_transport_give_turns_to_repeat_calls_in(renderer):
    env = Lookup()
    env.transport = Http(Faults(rate=1, kinds=("server_error",)))
    patient = ScriptedEngine(lambda task: retrying(env.expert(task)), renderer.turn_ids)
    t = play(env, renderer, engine=patient)
    assert (t.finish, t.score.value) == ("terminated", 1)
    assert sum(m.role == "assistant" for m in t.transcript.messages) == 7 > Lookup.max_turns
    assert sum(record.fault for record in t.transcript.calls) == 4


def test_a_dead_engine_is_no_episode_error(renderer):
    class Dead:
        async def generate(self, request):
            raise EngineError("gone")

    with pytest.raises(EngineError):
        play(Lookup(), renderer, engine=Dead())


def test_groups_keep_the_order_of_their_tasks_and_errors_leave_the_baseline(renderer):
    env = Lookup()
    tasks = [env.sample_task(i) for i in range(5)]
    failing = {tasks[1].id, tasks[3].id}
    engine = ScriptedEngine(env.expert, renderer.turn_ids)
    made = iter(Raises() if t.id in failing else Lookup() for t in tasks for _ in range(2))
    groups = asyncio.run(
        collect_groups(tasks, 2, lambda env_id: next(made), engine, renderer, SAMPLING, Limits(), concurrency=1)
    )
    assert [g.task.id for g in groups] == [t.id for t in tasks]
    assert [len(g.judged) for g in groups] == [2, 0, 2, 0, 2]
    assert error_counts(groups) == {"raised": 4}


def test_members_of_a_group_and_turns_get_seeds_of_their_own(renderer):
    seeds = []

    class Seeds:
        async def generate(self, request):
            seeds.append(request.sampling.seed)
            call = renderer.encode('<tool_call>{"name": "look", "arguments": {"box": 1}}</tool_call>')
            ids = (*call, renderer.end_of_turn)
            return Completion(ids, (0.0,) * len(ids), "stop", (0,) * len(ids))

    task = Lookup().sample_task(0)
    again = []
    for _ in range(2):
        seeds.clear()
        asyncio.run(
            collect_groups(
                [task], 3, lambda i: Lookup(), Seeds(), renderer, Sampling(64, 1.0, seed=7), Limits(), concurrency=1
            )
        )
        again.append(list(seeds))
    assert len(set(seeds)) == len(seeds) == 3 * Lookup.max_turns
    assert again[0] == again[1]


def test_arrays_of_a_trajectory_must_agree(renderer):
    t = play(Lookup(), renderer)
    fields = {f: getattr(t, f) for f in t.__dataclass_fields__}
    with pytest.raises(ValueError, match="one length"):
        type(t)(**(fields | {"logprobs": t.logprobs[:-1]}))
    with pytest.raises(ValueError, match="prompt is marked"):
        type(t)(**(fields | {"loss_mask": np.ones_like(t.loss_mask)}))
