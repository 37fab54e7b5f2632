"""vLLM for real, sent nothing but a LoRA adapter: through Ray's object store, in place, again after a death."""

import asyncio

import numpy as np
import psutil
import pytest
import torch

from envs.base import Task
from rewards.errors import EngineError
from rewards.transcript import Message
from rollout.engine import Request, Sampling
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from trainer.config import Config
from trainer.lora import sent_adapter
from trainer.policy import Policy
from trainer.trainer_config import LoraConfig, MemoryConfig
from trainer.weight_sync import WeightSync, score

TASK = Task(prompt=(Message("user", "x"),), target={})
MEMORY = MemoryConfig(lora=LoraConfig(rank=12, alpha=30))  # vLLM makes room for ranks of its own choice
CONFIG = Config.model_validate(
    {
        "environments": [{"id": "postgym/Weather-v0"}],
        "rollout": {"lora": "adapter"},
        "trainer": {"memory": MEMORY.model_dump()},
    }
)


def actors():
    """The processes of all engines' actors."""
    return {p for p in psutil.Process().children(recursive=True) if "VllmActor" in " ".join(p.cmdline())}


@pytest.fixture(scope="module")
def adapted(tiny_model):
    others = actors()
    shape = sent_adapter(CONFIG, str(tiny_model), "float32")
    engine = VllmEngine(
        VllmSettings(str(tiny_model), 512, 16, precision="float32", weight_transport="object_store", adapter=shape)
    )
    (engine.process,) = actors() - others
    yield engine
    engine.close()


@pytest.fixture
def sync(adapted, renderer, tmp_path):
    return WeightSync(adapted, tmp_path / "weights", renderer, 0.1)


def policy_of(model, size):
    """A policy whose adapters change what it says, each `size` in another way."""
    policy = Policy(str(model), "float32", memory=MEMORY)
    generator = torch.Generator().manual_seed(round(1000 * size))
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return policy


def prompt(renderer, text="Which weights are these?"):
    return renderer.prompt_ids([Message("user", text)], ())


def test_before_the_first_adapter_it_computes_with_the_model_alone(adapted, renderer, event_loop_runner, tiny_model):
    ids = prompt(renderer)
    found = np.array(event_loop_runner.run(adapted.score(ids)))
    assert np.abs(found - score(Policy(str(tiny_model), "float32"), ids)).max() < 2e-3


def test_what_is_sampled_after_an_update_is_the_trainers_and_only_the_adapter_was_written(
    adapted, sync, renderer, event_loop_runner, tiny_model, tmp_path
):
    whole = Policy(str(tiny_model), "float32")
    for version, size in ((1, 0.1), (2, 0.2)):
        policy = policy_of(tiny_model, size)
        assert event_loop_runner.run(sync.send(policy, version)) < 2e-3
        request = Request(prompt(renderer), Sampling(48, seed=version), TASK)
        sampled = event_loop_runner.run(adapted.generate(request))
        ids = [*request.prompt_ids, *sampled.token_ids]
        expected, without = (score(p, ids)[len(request.prompt_ids) - 1 :] for p in (policy, whole))
        assert np.abs(expected - sampled.logprobs).max() < 2e-3
        assert np.abs(without - sampled.logprobs).max() > 0.05, "the adapter makes a difference"
        assert set(sampled.weight_versions) == {version}
    written = {path.name: path.stat().st_size for path in (tmp_path / "weights").iterdir()}
    adapter = sum(parameter.nbytes for parameter in policy.parameters)
    assert adapter < sum(written.values()) < adapter + 20_000, "names and settings are all that is there besides"


def test_a_turn_in_flight_goes_on_with_the_new_adapter(adapted, sync, renderer, event_loop_runner, tiny_model):
    policies = {3: policy_of(tiny_model, 0.1), 4: policy_of(tiny_model, 0.2)}
    requests = [Request(prompt(renderer, f"{i}"), Sampling(300, seed=i), TASK) for i in range(4)]

    async def go():
        await sync.send(policies[3], 3)
        running = [asyncio.create_task(adapted.generate(request)) for request in requests]
        await asyncio.sleep(0)
        last = Request(prompt(renderer), Sampling(1), TASK)
        await adapted.generate(last)  # asked after them: they have begun when it ends
        await sync.send(policies[4], 4)
        return await asyncio.gather(*running)

    completions = event_loop_runner.run(go())
    assert any(set(c.weight_versions) == {3, 4} for c in completions), "an update came amid a turn"
    for request, completion in zip(requests, completions, strict=True):
        versions, opening = np.array(completion.weight_versions), len(request.prompt_ids)
        for version, policy in policies.items():
            expected = score(policy, [*request.prompt_ids, *completion.token_ids])[opening - 1 :]
            assert (np.abs(expected - completion.logprobs)[versions == version] < 2e-3).all()


def test_a_replica_that_is_started_again_gets_the_newest_adapter(
    adapted, sync, renderer, event_loop_runner, tiny_model
):
    policy = policy_of(tiny_model, 0.15)
    event_loop_runner.run(sync.send(policy, 5))
    restarts = adapted.restarts
    adapted.process.kill()
    ids = prompt(renderer)
    found = np.array(event_loop_runner.run(adapted.score(ids)))
    assert np.abs(found - score(policy, ids)).max() < 2e-3
    assert adapted.restarts == restarts + 1


def test_an_adapter_that_is_no_good_leaves_the_last_one_in_place(
    adapted, sync, renderer, event_loop_runner, tiny_model, tmp_path
):
    policy, ids = policy_of(tiny_model, 0.1), prompt(renderer)
    event_loop_runner.run(sync.send(policy, 6))
    policy_of(tiny_model, 0.2).save_adapter(tmp_path / "other")
    with pytest.raises(EngineError, match="holds other weights than were sent"):
        event_loop_runner.run(adapted.update_weights(tmp_path / "other", 7, 1))
    with pytest.raises(EngineError, match="the vLLM engine failed in update_weights"):
        event_loop_runner.run(adapted.update_weights(tmp_path, 7))
    found = np.array(event_loop_runner.run(adapted.score(ids)))
    assert np.abs(found - score(policy, ids)).max() < 2e-3
