"""Replicas of vLLM over two processes and compiled, for real: they compute what the trainer does, after updates too."""

import numpy as np
import pytest
import torch
from torch._inductor import cpp_builder
from torch._inductor.exc import InvalidCxxCompiler

from rewards.transcript import Message
from rollout import vllm_actor
from rollout.vllm_actor import VllmSettings, require_compiler, vllm_arguments
from rollout.vllm_engine import VllmEngine
from trainer.policy import Policy
from trainer.weight_sync import score


@pytest.mark.parametrize("kind", [{"tensor_parallel": 2}, {"compiles": True}], ids=["two processes", "compiled"])
def test_it_computes_with_the_model_and_with_new_weights(kind, tiny_model, renderer, event_loop_runner, tmp_path):
    if kind.get("compiles"):
        try:
            require_compiler()
        except RuntimeError as error:
            pytest.skip(str(error))
    ids = renderer.prompt_ids([Message("user", "Which weights are these?")], ())
    policy = Policy(str(tiny_model), "float32")
    engine = VllmEngine(VllmSettings(str(tiny_model), 512, 8, precision="float32", **kind))
    try:
        found = [event_loop_runner.run(engine.score(ids))]
        expected = [score(policy, ids)]
        with torch.no_grad():
            for parameter in policy.parameters:
                parameter.mul_(1.1)
        policy.save(tmp_path, precision="float32", for_engine=True)
        event_loop_runner.run(engine.update_weights(tmp_path, 1))
        found.append(event_loop_runner.run(engine.score(ids)))
        expected.append(score(policy, ids))
    finally:
        engine.close()
    assert np.abs(np.subtract(found, expected)).max() < 2e-3
    assert np.abs(expected[1] - expected[0]).max() > 0.05


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU vLLM always compiles, and not with these")
def test_on_a_cpu_it_compiles_only_if_told_to_and_says_what_it_lacks(monkeypatch, tmp_path):
    with monkeypatch.context() as here:
        here.setattr(vllm_actor, "require_compiler", lambda: None)
        assert vllm_arguments(VllmSettings("m"))["enforce_eager"]
        assert not vllm_arguments(VllmSettings("m", compiles=True))["enforce_eager"]

    def no_compiler():
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", no_compiler)
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": str(tmp_path)})
    vllm_arguments(VllmSettings("m"))
    with pytest.raises(RuntimeError, match=r"rollout\.compile: a C\+\+ compiler and Python\.h not found.*apt"):
        vllm_arguments(VllmSettings("m", compiles=True))
