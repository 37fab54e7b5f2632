"""Layers computed again going backward: the same gradients, less kept."""

import numpy as np
import pytest
import torch
import transformers

from rewards.errors import ConfigError
from tests.trainer.groups import make_group
from tests.trainer.padded import gradients
from tests.trainer.test_trunk import ARCHITECTURES, make_policy
from trainer.critic import make_critic
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.recompute import recompute_layers
from trainer.trainer_config import MemoryConfig, TrainerConfig

RECOMPUTE = MemoryConfig(gradient_checkpointing=True)


def the_pack(vocabulary=1000):
    (pack,) = pack_group(make_group(np.random.default_rng(2), [0.1] * 4, 19, 3, vocabulary).trajectories, 10_000)
    return pack


def loss_of(logprobs):
    return (torch.linspace(-1, 2, len(logprobs)) * logprobs).sum()


def kept_bytes(compute):
    """Bytes of what autograd keeps of a forward pass, weights apart."""
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = compute()
    return sum(storages.values()), result


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3", "mistral"])
def test_gradients_are_those_of_layers_that_keep_everything(tmp_path, name):
    """Of windows and full layers alike: the attention of the pack is in force the second time too."""
    policy = make_policy(tmp_path, *ARCHITECTURES[name])
    pack = the_pack(120)
    expected = gradients(policy, loss_of(policy.logprobs(pack)[0]))
    recompute_layers(policy.trunk)
    for ours, theirs in zip(gradients(policy, loss_of(policy.logprobs(pack)[0])), expected, strict=True):
        assert (ours - theirs).norm() <= 1e-6 * theirs.norm() + 1e-9


def test_much_less_is_kept_for_the_backward_pass(small_model):
    pack, kept = the_pack(), {}
    for memory in (MemoryConfig(), RECOMPUTE):
        policy = Policy(str(small_model), "float32", memory=memory)
        weights = sum(p.nbytes for p in policy.parameters)
        kept[memory.gradient_checkpointing] = kept_bytes(lambda p=policy: p.logprobs(pack))[0] - weights
    entering = 4 * 64 * len(pack.input_ids) * 2  # what enters the two layers is held where no hook sees it
    logits = 4 * len(pack.targets) * 1000
    assert kept[True] + entering - logits < 0.4 * (kept[False] - logits)


def test_the_critics_layers_are_recomputed_with_its_own_attention(small_model):
    grads = []
    for memory in (MemoryConfig(), RECOMPUTE):
        config = TrainerConfig(algorithm="ppo", memory=memory)
        critic = make_critic(Policy(str(small_model), "float32", memory=memory), config)
        torch.nn.init.ones_(critic.model["head"].weight)
        loss_of(critic.values(the_pack())).backward()
        grads.append([p.grad for p in critic.model.parameters() if p.grad is not None])
    for ours, theirs in zip(*grads, strict=True):
        assert (ours - theirs).norm() <= 1e-6 * theirs.norm() + 1e-9


def test_a_model_without_such_layers_is_refused():
    with pytest.raises(ConfigError, match="gradient_checkpointing"):
        recompute_layers(torch.nn.Linear(2, 2))


def test_dropout_stays_off(tmp_path):
    policy = make_policy(tmp_path, "Qwen2", {"attention_dropout": 0.5, "tie_word_embeddings": True})
    recompute_layers(policy.trunk)
    with torch.no_grad():
        assert torch.equal(policy.logprobs(the_pack(120))[0], policy.logprobs(the_pack(120))[0])
    assert isinstance(policy.model, transformers.Qwen2ForCausalLM)
