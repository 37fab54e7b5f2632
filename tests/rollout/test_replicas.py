"""Two replicas of vLLM for real: they share requests, get weights through Ray's object store, outlive a death."""

import asyncio
from collections import Counter

import numpy as np
import psutil
import pytest
import torch

from envs.base import Task
from rewards.errors import ConfigError, EngineError
from rewards.transcript import Message
from rollout.engine import Request, Sampling
from rollout.mail import Mail
from rollout.processes import divide_cores
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine, check_memory
from rollout.weights import weight_checksum
from trainer.policy import Policy
from trainer.weight_sync import score


def actors():
    """The processes of all engines' actors."""
    return {p for p in psutil.Process().children(recursive=True) if "VllmActor" in " ".join(p.cmdline())}


@pytest.fixture(scope="module")
def pair(tiny_model):
    others = actors()
    settings = VllmSettings(
        str(tiny_model), 512, 16, precision="float32", replicas=2, weight_transport="object_store", max_restarts=1
    )
    engine = VllmEngine(settings)
    engine.processes = actors() - others
    yield engine
    engine.close()


def asked(renderer, seed, **sampling):
    ids = renderer.prompt_ids([Message("user", f"n {seed % 8}")], ())
    task = Task(prompt=(Message("user", "x"),), target={}, seed=seed)
    return Request(ids, Sampling(**({"max_tokens": 24, "seed": seed % 8} | sampling)), task)


def test_both_serve_and_nobody_can_tell_which(pair, renderer, event_loop_runner, monkeypatch):
    served, generate = [], Mail.generate

    async def counted(mail, request):
        served.append(mail)
        return await generate(mail, request)

    monkeypatch.setattr(Mail, "generate", counted)

    async def go():
        return await asyncio.gather(*(pair.generate(asked(renderer, seed)) for seed in range(32)))

    completions = event_loop_runner.run(go())
    shares = Counter(served).values()
    assert len(shares) == 2
    assert set(shares) <= set(range(10, 23))
    for seed, completion in enumerate(completions):
        assert completion.token_ids == completions[seed % 8].token_ids


def test_weights_reach_every_replica_through_the_object_store(pair, renderer, event_loop_runner, tiny_model, tmp_path):
    policy = Policy(str(tiny_model), "float32")
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.mul_(1.1)
    policy.save(tmp_path, precision="float32", for_engine=True)
    ids = renderer.prompt_ids([Message("user", "Which weights are these?")], ())
    checksum = weight_checksum(tmp_path)
    with pytest.raises(EngineError, match="holds other weights than were sent"):
        event_loop_runner.run(pair.update_weights(tmp_path, 1, checksum ^ 1))
    event_loop_runner.run(pair.update_weights(tmp_path, 2, checksum))
    found = event_loop_runner.run(pair.scores(ids))
    assert len(found) == 2
    assert np.abs(np.array(found) - score(policy, ids)).max() < 2e-3


def test_a_core_killed_under_its_living_actor_is_noticed_and_every_turn_is_answered(pair, renderer, event_loop_runner):
    undisturbed = event_loop_runner.run(pair.generate(asked(renderer, 3, max_tokens=300)))
    actor = min(pair.processes, key=lambda process: process.pid)
    cores = [p for p in actor.children(recursive=True) if p.name().startswith("VLLM::")]
    assert cores

    async def go():
        running = [asyncio.create_task(pair.generate(asked(renderer, 3 + 8 * i, max_tokens=300))) for i in range(12)]
        await asyncio.sleep(0.3)
        for core in cores:
            core.kill()
        answered = await asyncio.wait_for(asyncio.gather(*running), 60)
        while pair.living < 2:  # the others didn't wait for it
            await asyncio.sleep(0.1)
        return answered, await pair.scores(list(asked(renderer, 1).prompt_ids))

    answered, found = event_loop_runner.run(asyncio.wait_for(go(), 400))
    assert pair.restarts == 1
    assert all(c.token_ids == undisturbed.token_ids for c in answered)
    assert {v for c in answered for v in c.weight_versions} == set(undisturbed.weight_versions)
    assert len(found) == 2
    assert np.abs(np.subtract(*found)).max() < 1e-4, "the new one has the newest weights"


@pytest.mark.parametrize(
    ("cores", "slot", "peers", "ranks", "expected"),
    [
        (2, 0, 1, 1, "0-1"),
        (8, 0, 2, 1, "0-3"),
        (8, 1, 2, 1, "4-7"),
        (8, 1, 2, 2, "4-5|6-7"),
        (7, 2, 3, 1, "4-6"),
        (1, 1, 2, 1, "0-0"),
    ],
)
def test_replicas_of_a_node_divide_its_cores(cores, slot, peers, ranks, expected):
    assert divide_cores(cores, slot, peers, ranks) == expected


def test_memory_is_counted_for_all_replicas(tiny_model):
    free = psutil.virtual_memory().available / 2**30
    check_memory(VllmSettings(str(tiny_model), kv_cache_gb=free / 2 - 2))
    with pytest.raises(EngineError, match="GiB with model and engine in 2 replicas"):
        check_memory(VllmSettings(str(tiny_model), kv_cache_gb=free / 2 - 1, replicas=2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_sleep_without_a_gpu_is_refused(pair):
    with pytest.raises(ConfigError, match=r"rollout\.sleep_while_training .* there is no GPU"):
        VllmEngine(VllmSettings(pair.settings.model, sleeps=True))
