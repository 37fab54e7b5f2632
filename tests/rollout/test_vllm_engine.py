"""vLLM for real: a Ray actor on a tiny random model."""

import asyncio
import os
import signal
import socket
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from envs.base import Task
from rewards.errors import EngineError
from rewards.transcript import Message
from rollout.collect import collect_groups
from rollout.engine import Request, Sampling
from rollout.episode import Limits
from rollout.mail import SamplingActor
from rollout.vllm_actor import VllmSettings, serve_metrics
from rollout.vllm_engine import VllmEngine, check_memory
from tests.worlds import LikesEven, Lookup
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.weight_sync import score

TASK = Task(prompt=(Message("user", "x"),), target={})


def ask(renderer, text, **sampling):
    ids = renderer.prompt_ids([Message("user", text)], ())
    return Request(ids, Sampling(**({"max_tokens": 24} | sampling)), TASK)


def trainer_logprobs(policy, trajectory):
    with torch.no_grad():
        return policy.logprobs(pack_group([trajectory], 10_000)[0])[0].numpy()


def test_the_same_seed_samples_the_same_tokens_and_another_seed_others(engine, renderer, event_loop_runner):
    async def go():
        requests = [ask(renderer, f"n {i}", seed=i % 4) for i in (0, 0, 1, 1)]
        return await asyncio.gather(*(engine.generate(r) for r in requests))

    a, b, c, d = event_loop_runner.run(go())
    different = event_loop_runner.run(engine.generate(ask(renderer, "n 0", seed=5)))
    assert a.token_ids == b.token_ids
    assert c.token_ids == d.token_ids
    assert a.token_ids != different.token_ids


def test_a_turn_ends_at_any_of_its_stop_ids_and_holds_it(engine, renderer, event_loop_runner):
    request = ask(renderer, "Go on.", seed=3)
    free = event_loop_runner.run(engine.generate(request)).token_ids
    stop = free[5]
    stopped = event_loop_runner.run(engine.generate(replace(request, stop_ids=(stop,))))
    assert stopped.token_ids == free[: free.index(stop) + 1]
    assert stopped.finish == "stop"


def test_many_seeded_requests_with_long_prompts_do_not_kill_the_engine(engine, renderer, event_loop_runner):
    async def go():
        requests = [ask(renderer, f"{i} " + "long words " * 120, seed=i, max_tokens=2) for i in range(40)]
        return await asyncio.gather(*(engine.generate(r) for r in requests))

    assert all(len(c.token_ids) >= 1 for c in event_loop_runner.run(go()))


def generated_tokens(engine):
    with urllib.request.urlopen(f"http://{engine.settings.metrics}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:generation_tokens_total{"))


def test_prometheus_reaches_what_the_engine_counts(engine, renderer, event_loop_runner):
    before = generated_tokens(engine)
    sampled = event_loop_runner.run(engine.generate(ask(renderer, "count", seed=1)))
    deadline = time.monotonic() + 10  # the engine counts a little later than it answers
    while generated_tokens(engine) < before + len(sampled.token_ids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert generated_tokens(engine) == before + len(sampled.token_ids)


def test_a_taken_metrics_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RuntimeError, match=f"logging.vllm_metrics: can't listen on {address}"):
            serve_metrics(address)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sampler_logprobs_are_the_trainers(engine, renderer, event_loop_runner, tiny_model, temperature):
    policy = Policy(str(tiny_model), "float32", temperature)
    recorded = _play(LikesEven(), renderer, engine, event_loop_runner, temperature)
    assert recorded.sampled_tokens > 8
    ours = trainer_logprobs(policy, recorded)
    assert np.abs(ours - recorded.logprobs[recorded.loss_mask]).max() < 2e-3


def test_new_weights_take_effect_in_place_and_are_proved_by_logprobs(
    engine, renderer, event_loop_runner, tiny_model, tmp_path
):
    ids = renderer.prompt_ids([Message("user", "Which weights are these?")], ())
    before = event_loop_runner.run(engine.score(ids))
    policy = Policy(str(tiny_model), precision="float32")
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.mul_(1.1)
    policy.save(tmp_path / "new", precision="float32", for_engine=True)
    try:
        event_loop_runner.run(engine.update_weights(tmp_path / "new", 3))
        after = event_loop_runner.run(engine.score(ids))
        with torch.no_grad():
            logits = policy.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = logits[:-1].gather(-1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()
        assert np.abs(np.array(after) - expected).max() < 2e-3
        assert np.abs(np.array(after) - np.array(before)).max() > 0.05
        assert set(event_loop_runner.run(engine.generate(ask(renderer, "x"))).weight_versions) == {3}
    finally:
        event_loop_runner.run(engine.update_weights(_as_sent(tiny_model, tmp_path), 0))
    assert np.abs(np.array(event_loop_runner.run(engine.score(ids))) - np.array(before)).max() < 1e-4


def test_requests_in_flight_go_on_with_the_new_weights_and_every_token_knows_its_own(
    engine, renderer, event_loop_runner, tiny_model, tmp_path
):
    policies = {7: Policy(str(tiny_model), "float32"), 8: Policy(str(tiny_model), "float32")}
    with torch.no_grad():
        for parameter in policies[8].parameters:
            parameter.mul_(1.1)
    for version, policy in policies.items():
        policy.save(tmp_path / str(version), precision="float32", for_engine=True)
    requests = [ask(renderer, f"{i}", max_tokens=300, seed=i) for i in range(4)]

    async def go():
        await engine.update_weights(tmp_path / "7", 7)
        running = [asyncio.create_task(engine.generate(request)) for request in requests]
        await asyncio.sleep(0)
        await engine.generate(ask(renderer, "x", max_tokens=1))  # asked after them: they have begun when it ends
        await engine.update_weights(tmp_path / "8", 8)
        return await asyncio.gather(*running)

    try:
        completions = event_loop_runner.run(go())
    finally:
        event_loop_runner.run(engine.update_weights(tmp_path / "7", 0))
    assert any(set(c.weight_versions) == {7, 8} for c in completions), "an update came amid a turn"
    for request, completion in zip(requests, completions, strict=True):
        versions, opening = np.array(completion.weight_versions), len(request.prompt_ids)
        assert (np.diff(versions) >= 0).all()
        for version, policy in policies.items():
            expected = score(policy, [*request.prompt_ids, *completion.token_ids])[opening - 1 :]
            gap = np.abs(expected - completion.logprobs)[versions == version]
            assert (gap < 2e-3).all(), "a token's logprob is that of the weights it names, what came before read anew"


def test_a_straggler_is_dropped_by_the_engine_too(engine, renderer, event_loop_runner):
    request = ask(renderer, "count", seed=1, max_tokens=400)

    async def go():
        whole = asyncio.create_task(engine.generate(request))
        given_up = asyncio.create_task(engine.generate(replace(request, prompt_ids=list(request.prompt_ids[:-1]))))
        await asyncio.sleep(0)
        await engine.generate(ask(renderer, "x", max_tokens=1))  # asked after them: they have begun when it ends
        await asyncio.sleep(0.3)
        before = generated_tokens(engine)
        given_up.cancel()
        return before, len((await whole).token_ids), await asyncio.gather(given_up, return_exceptions=True)

    before, length, (error,) = event_loop_runner.run(go())
    assert isinstance(error, asyncio.CancelledError)
    assert length == 400
    time.sleep(0.5)
    assert generated_tokens(engine) - before < 500, "one request went on, not two"


def test_an_update_from_a_folder_without_weights_is_an_engine_error(engine, event_loop_runner, tmp_path, tiny_model):
    with pytest.raises(EngineError, match="update_weights"):
        event_loop_runner.run(engine.update_weights(tmp_path, 1))
    event_loop_runner.run(engine.update_weights(tiny_model, 0))


def test_a_cache_that_cannot_fit_is_refused_before_anything_loads(tiny_model):
    with pytest.raises(EngineError, match=r"rollout\.kv_cache_gb"):
        check_memory(VllmSettings(str(tiny_model), kv_cache_gb=4096))


def test_a_model_plays_a_tool_environment_to_its_end(engine, renderer, event_loop_runner):
    trajectory = _play(Lookup(), renderer, engine, event_loop_runner)
    assert trajectory.score.value == 0
    assert trajectory.finish in ("terminated", "truncated", "context")


def test_an_engine_killed_amid_episodes_is_replaced_and_none_is_lost_or_played_twice(
    engine, renderer, event_loop_runner, tiny_model, tmp_path
):
    policy = Policy(str(tiny_model), precision="float32")
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.mul_(1.05)
    policy.save(tmp_path / "new", precision="float32", for_engine=True)
    event_loop_runner.run(engine.update_weights(tmp_path / "new", 5))
    tasks = [LikesEven().sample_task(i) for i in range(6)]
    stepped = []

    class Counted(LikesEven):
        def step(self, action):
            stepped.append(self.task.id)
            return super().step(action)

    def collect(on_episode):
        return event_loop_runner.run(
            collect_groups(
                tasks,
                2,
                lambda env_id: Counted(),
                engine,
                renderer,
                Sampling(150, 1.0, seed=3),
                Limits(max_context=400),
                concurrency=4,
                on_episode=on_episode,
            )
        )

    undisturbed = collect(lambda trajectory: None)
    stepped.clear()
    before, dead = engine.restarts, []

    def kill_at_the_third(trajectory):
        if len(stepped) >= 3 and not dead:
            dead.extend(_engine_processes())
            dead[0].kill()

    try:
        groups = collect(kill_at_the_third)
        assert engine.restarts == before + 1
        assert sorted(stepped) == sorted(t.id for t in tasks for _ in range(2)), "each is played once, to its end"
        for group, expected in zip(groups, undisturbed, strict=True):
            for one, other in zip(group.trajectories, expected.trajectories, strict=True):
                assert one.token_ids.tolist() == other.token_ids.tolist(), "nobody can tell that the engine died"
                assert set(one.weight_versions[one.loss_mask]) == {5}, "the new actor has the newest weights"
        ids = renderer.prompt_ids([Message("user", "Which weights are these?")], ())
        found = np.array(event_loop_runner.run(engine.score(ids)))
        assert np.abs(found - score(policy, ids)).max() < 2e-3
        assert not psutil.wait_procs(dead, timeout=30)[1], "what the dead actor had started ends with it"
    finally:
        event_loop_runner.run(engine.update_weights(_as_sent(tiny_model, tmp_path), 0))


def _engine_processes():
    """The actor's process and those it started."""
    for process in psutil.Process().children(recursive=True):
        if process.parent().name() == "raylet" and "VllmActor" in " ".join(process.cmdline()):
            return [process, *process.children(recursive=True)]
    raise AssertionError("no engine's process is found")


class Mortal(SamplingActor):
    """Stands for the actor; dies of every request, or loses the process that computes."""

    def __init__(self, settings, slot, peers):
        super().__init__()
        self._log, self._wholly = Path(settings.model) / "log", Path(settings.model).name == "wholly"

    async def update_weights(self, *weights):
        with self._log.open("a") as file:
            file.write(f"{weights}\n")

    async def generate(self, *arguments):
        from vllm.v1.engine.exceptions import EngineDeadError

        if not self._wholly:
            raise EngineDeadError
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("how", ["wholly", "partly"])
def test_an_engine_that_keeps_dying_stops_the_run(engine, renderer, event_loop_runner, tmp_path, how):
    folder = tmp_path / how
    folder.mkdir()
    mortal = VllmEngine(VllmSettings(str(folder), max_restarts=1), Mortal)

    async def go():
        await mortal.update_weights(tmp_path, 4)
        asked = (mortal.generate(ask(renderer, str(i))) for i in range(8))
        return await asyncio.gather(*asked, return_exceptions=True)

    errors = event_loop_runner.run(go())
    assert all(isinstance(e, EngineError) for e in errors)
    assert all("started again 1 times: free memory" in str(e) for e in errors), "all that waited are told"
    assert mortal.restarts == 1, "once for all that waited"
    assert (folder / "log").read_text().splitlines() == [str((str(tmp_path), 4, None))] * 2, (
        "the new actor gets the weights"
    )
    mortal.close()


def _as_sent(model, tmp_path):
    """The original weights in the form that the trainer sends them."""
    folder = tmp_path / "original"
    Policy(str(model), precision="float32").save(folder, precision="float32", for_engine=True)
    return folder


def _play(env, renderer, engine, runner, temperature=1.0):
    from rollout.episode import Limits, run_episode

    sampling = Sampling(32, temperature, seed=1)
    return runner.run(run_episode(env, env.sample_task(1), engine, renderer, sampling, Limits(max_context=480)))
