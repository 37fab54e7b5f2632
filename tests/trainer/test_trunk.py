"""Sharing a prompt, architecture by architecture, against the model's own attention on padded rows."""

import numpy as np
import pytest
import torch
import transformers

from rewards.errors import ConfigError
from tests.trainer.groups import make_group
from tests.trainer.padded import gradients, padded_logprobs
from trainer import attention, trunk
from trainer.packing import pack_group
from trainer.policy import Policy, autocast

WINDOW, PROMPT = 11, 19
SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": WINDOW}
ARCHITECTURES = {
    "llama": ("Llama", {"tie_word_embeddings": True}),
    "llama untied": ("Llama", {"tie_word_embeddings": False}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": False}),
    "qwen2 with windows": ("Qwen2", MIXED | {"use_sliding_window": True, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"tie_word_embeddings": True}),
    "qwen3 untied": ("Qwen3", {"tie_word_embeddings": False}),
    "gemma2": ("Gemma2", MIXED | {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 4.0}),
    "gemma3": ("Gemma3Text", MIXED | {"query_pre_attn_scalar": 40, "tie_word_embeddings": True}),
    "gemma3 capped, untied": (
        "Gemma3Text",
        MIXED | {"query_pre_attn_scalar": 40, "final_logit_softcapping": 4.0, "tie_word_embeddings": False},
    ),
    "mistral": ("Mistral", {"sliding_window": WINDOW, "tie_word_embeddings": False}),
    "mistral without a window": ("Mistral", {"sliding_window": None, "tie_word_embeddings": True}),
    "cohere2": ("Cohere2", MIXED | {"logit_scale": 0.25, "tie_word_embeddings": True}),
    "granite": ("Granite", {"logits_scaling": 3.0, "tie_word_embeddings": False}),
    "mixtral": ("Mixtral", {"sliding_window": WINDOW, "num_local_experts": 3}),
}


def make_policy(folder, family, settings, sizes=SIZES):
    """A tiny model of an architecture with random weights, norms and biases too, through its folder."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**sizes | settings)
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model.save_pretrained(folder)
    return Policy(str(folder), precision="float32")


def some_groups():
    rng = np.random.default_rng(3)
    return [
        make_group(rng, [0.1] * size, PROMPT, turns, SIZES["vocab_size"], choices)
        for size, turns, choices in [(5, 3, None), (6, 3, 2), (1, 2, None)]
    ]


def assert_equals_padded(policy):
    for group in some_groups():
        packs = pack_group(group.trajectories, 10_000, shortest=1)
        ours = torch.cat([policy.logprobs(pack)[0] for pack in packs])
        padded = padded_logprobs(policy, group.trajectories)
        assert (ours - padded).norm() <= 1e-5 * padded.norm()
        weights = torch.linspace(-1, 2, len(ours))
        for a, b in zip(
            gradients(policy, (weights * ours).sum()), gradients(policy, (weights * padded).sum()), strict=True
        ):
            assert (a - b).norm() <= 1e-5 * b.norm() + 1e-8


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_shared_prompt_gives_the_logprobs_and_gradients_of_padded_rows(tmp_path, name):
    policy = make_policy(tmp_path, *ARCHITECTURES[name])
    assert trunk.sharing(policy.trunk, policy.device) == trunk.Sharing(attention.NAME)
    assert policy.notice == ""
    assert_equals_padded(policy)


def test_an_architecture_that_can_not_share_is_computed_row_by_row_and_says_so(tmp_path):
    """Bloom's attention is its own, with a bias by distance that nobody can replace."""
    torch.manual_seed(0)
    config = transformers.BloomConfig(vocab_size=120, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2)
    transformers.BloomForCausalLM(config).save_pretrained(tmp_path)
    policy = Policy(str(tmp_path), precision="float32")
    assert trunk.sharing(policy.trunk, policy.device).attention is None
    assert policy.notice.startswith("BloomModel can't share a group's prompt")
    assert_equals_padded(policy)


def test_layers_that_remember_in_another_way_are_not_shared_unseen(tmp_path):
    """Chunks are longer than any small pack: only the configuration tells."""
    policy = make_policy(tmp_path, "Llama", {})
    policy.trunk.config.layer_types = ["full_attention", "chunked_attention"]
    found = trunk._find_out(policy.trunk, policy.device)
    assert found.attention is None
    assert "chunked_attention" in found.notice


def test_a_window_that_is_not_handed_over_is_noticed(tmp_path, monkeypatch):
    policy = make_policy(tmp_path, "Mistral", {"sliding_window": WINDOW})

    def forgetful(*arguments, sliding_window, **settings):
        return attention.prefix_attention(*arguments, **settings)

    monkeypatch.setattr(
        attention, "register", lambda: transformers.AttentionInterface.register(attention.NAME, forgetful)
    )
    try:
        found = trunk._find_out(policy.trunk, policy.device)
    finally:
        monkeypatch.undo()
        attention.register()
    assert found.attention is None
    assert "hidden states are" in found.notice


def test_an_attention_that_fails_going_backward_is_noticed_before_it_is_needed(tmp_path, monkeypatch):
    policy = make_policy(tmp_path, "Llama", {})

    class Fails(torch.autograd.Function):
        forward = staticmethod(lambda ctx, x: x.clone())

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("no kernel goes this way")

    def one_way(*arguments, **settings):
        found, weights = attention.prefix_attention(*arguments, **settings)
        return Fails.apply(found), weights

    monkeypatch.setattr(
        attention, "register", lambda: transformers.AttentionInterface.register(attention.NAME, one_way)
    )
    try:
        with torch.no_grad(), autocast(policy.device, "bfloat16"):  # as where a critic judges first
            found = trunk._find_out(policy.trunk, policy.device)
    finally:
        monkeypatch.undo()
        attention.register()
    assert found.attention is None
    assert "no kernel goes this way" in found.notice
    assert all(weight.grad is None for weight in policy.parameters)


def test_a_head_that_is_not_understood_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.policy._SCALES", {})
    with pytest.raises(ConfigError, match="GraniteForCausalLM makes its logits in a way of its own"):
        make_policy(tmp_path, "Granite", {"logits_scaling": 3.0})
