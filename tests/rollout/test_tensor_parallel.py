"""One replica of vLLM over two processes for real: it computes what the whole model does, also with new weights."""

import numpy as np
import torch

from rewards.transcript import Message
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from trainer.policy import Policy
from trainer.weight_sync import score


def test_two_processes_hold_one_model_and_take_new_weights_together(tiny_model, renderer, event_loop_runner, tmp_path):
    ids = renderer.prompt_ids([Message("user", "Which weights are these?")], ())
    policy = Policy(str(tiny_model), "float32")
    halves = VllmEngine(VllmSettings(str(tiny_model), 512, 8, precision="float32", tensor_parallel=2))
    try:
        found = [event_loop_runner.run(halves.score(ids))]
        expected = [score(policy, ids)]
        with torch.no_grad():
            for parameter in policy.parameters:
                parameter.mul_(1.1)
        policy.save(tmp_path, precision="float32", for_engine=True)
        event_loop_runner.run(halves.update_weights(tmp_path, 1))
        found.append(event_loop_runner.run(halves.score(ids)))
        expected.append(score(policy, ids))
    finally:
        halves.close()
    assert np.abs(np.subtract(found, expected)).max() < 2e-3
    assert np.abs(expected[1] - expected[0]).max() > 0.05
