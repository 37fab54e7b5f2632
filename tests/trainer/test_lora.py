"""Adapters in place of all weights: what learns, what is kept, what is merged."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rewards.errors import ConfigError
from tests.trainer.groups import make_group
from tests.trainer.padded import gradients, padded_logprobs
from trainer import attention
from trainer.checkpoint import CheckpointStore
from trainer.config import Config
from trainer.lora import FrozenAdapters, sends_adapter, sent_adapter
from trainer.model_folder import write_model
from trainer.optimizer import make_optimizer
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.trainer_config import LoraConfig, MemoryConfig, TrainerConfig
from trainer.trunk import sharing
from trainer.update import update

LORA = MemoryConfig(lora=LoraConfig(rank=4))
CONFIG = TrainerConfig(learning_rate=1e-2, warmup_steps=0, max_mismatch=100.0, memory=LORA)


@pytest.fixture
def policy(small_model):
    return Policy(str(small_model), "float32", memory=LORA)


def group():
    return make_group(np.random.default_rng(1), [0.0, 1.0, 0.5])


def trained(policy, steps=2):
    optimizer = make_optimizer(policy, CONFIG)
    for step in range(steps):
        update(policy, optimizer, [group()], CONFIG, step)
    return policy


def logprobs(policy):
    (pack,) = pack_group(group().trajectories, 10_000)
    with torch.no_grad():
        return policy.logprobs(pack)[0]


def test_adapters_change_nothing_at_the_start_and_are_the_same_in_every_run(policy, small_model):
    assert torch.equal(logprobs(policy), logprobs(Policy(str(small_model), "float32")))
    again = Policy(str(small_model), "float32", memory=LORA).state()
    assert all(torch.equal(tensor, again[name]) for name, tensor in policy.state().items())


def test_only_adapters_learn_and_only_they_are_kept(policy):
    frozen = {n: p.clone() for n, p in policy.model.named_parameters() if ".lora_" not in n}
    before = policy.state()
    assert all(".lora_" in name for name in before)
    assert len(policy.parameters) == len(before) == 2 * 7 * 2
    trained(policy)
    assert any(not torch.equal(tensor, policy.state()[name]) for name, tensor in before.items())
    now = dict(policy.model.named_parameters())
    assert all(torch.equal(weight, now[name]) for name, weight in frozen.items())


def test_a_shared_prompt_gives_the_gradients_of_padded_rows(policy):
    assert sharing(policy.trunk, policy.device).attention == attention.NAME
    trained(policy)
    (pack,) = pack_group(group().trajectories, 10_000)
    ours, padded = policy.logprobs(pack)[0], padded_logprobs(policy, group().trajectories)
    weights = torch.linspace(-1, 2, len(ours))
    for a, b in zip(
        gradients(policy, (weights * ours).sum()), gradients(policy, (weights * padded).sum()), strict=True
    ):
        assert (a - b).norm() <= 1e-5 * b.norm() + 1e-8


def test_the_saved_model_is_merged_and_loads_without_peft(policy, tmp_path):
    before = logprobs(policy)
    trained(policy).save(tmp_path / "model", precision="float32")
    merged = Policy(str(tmp_path / "model"), "float32")
    assert merged.state().keys() == Policy(str(tmp_path / "model"), "float32").state().keys()
    assert not any("lora" in name or "base_layer" in name for name in merged.state())
    assert torch.allclose(logprobs(merged), logprobs(policy), atol=1e-5)
    assert not torch.allclose(before, logprobs(policy), atol=1e-3)


def test_the_engine_is_sent_merged_weights_under_the_names_that_it_knows(policy, small_model, tmp_path):
    trained(policy).save(tmp_path / "adapted", precision="float32", for_engine=True)
    Policy(str(small_model), "float32").save(tmp_path / "whole", precision="float32", for_engine=True)
    sent, known = (load_file(tmp_path / name / "model.safetensors") for name in ("adapted", "whole"))
    assert sent.keys() == known.keys()
    assert torch.equal(sent["lm_head.weight"], sent["model.embed_tokens.weight"])
    assert not torch.equal(sent["model.layers.0.mlp.up_proj.weight"], known["model.layers.0.mlp.up_proj.weight"])


def test_the_saved_adapter_is_loaded_by_peft(policy, small_model, tmp_path):
    import peft
    import transformers

    trained(policy).save_adapter(tmp_path)
    base = transformers.AutoModelForCausalLM.from_pretrained(small_model, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path)
    ids = torch.arange(5, 30)[None]
    with torch.no_grad():
        assert torch.allclose(theirs(input_ids=ids).logits, policy.model(input_ids=ids).logits, atol=1e-5)


def config_of(sent, memory=LORA):
    settings = {"rollout": {"lora": sent}, "trainer": {"memory": memory.model_dump()}}
    return Config(environments=[{"id": "postgym/Weather-v0"}], **settings)


@pytest.mark.parametrize(
    ("sent", "precision", "on_gpu", "expected"),
    [
        ("auto", "bfloat16", True, True),
        ("auto", "float32", True, False),
        ("auto", "bfloat16", False, False),
        ("merged", "bfloat16", True, False),
        ("adapter", "float32", False, True),
    ],
)
def test_the_adapter_goes_alone_where_the_engine_has_kernels_for_it_or_where_it_is_asked_for(
    sent, precision, on_gpu, expected
):
    assert sends_adapter(config_of(sent), precision, on_gpu) is expected
    if sent != "adapter":
        assert not sends_adapter(config_of(sent, MemoryConfig()), precision, on_gpu), "where no adapter learns"


def test_an_adapter_that_the_engine_has_no_kernels_for_is_refused():
    with pytest.raises(ConfigError, match=r"rollout.lora: adapter, but .* float32; take merged, or precision: bfl"):
        sends_adapter(config_of("adapter"), "float32", on_gpu=True)


def test_the_engine_makes_room_for_the_layers_that_learn(policy, small_model):
    shape = sent_adapter(config_of("adapter"), str(small_model), "float32")
    learned = {name.partition(".lora_")[0].rpartition(".")[2] for name in policy.state()}
    assert (shape.rank, set(shape.layers)) == (4, learned)
    path, inputs, outputs = shape.example
    layer = policy.model.get_submodule(path)
    assert (layer.in_features, layer.out_features) == (inputs, outputs)
    few = MemoryConfig(lora=LoraConfig(targets=("q_proj", "v_proj")))
    assert sent_adapter(config_of("adapter", few), str(small_model), "float32").layers == ("q_proj", "v_proj")
    assert sent_adapter(config_of("merged"), str(small_model), "float32") is None


def test_a_checkpoint_of_adapters_becomes_a_whole_model(tiny_model, tmp_path):
    policy = trained(Policy(str(tiny_model), "float32", memory=LORA), 1)
    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    store.save(1, policy, make_optimizer(policy, CONFIG))
    store.wait()
    memory = LORA.model_dump(mode="json")
    config = {"model": str(tiny_model), "rollout": {"tool_format": "auto"}, "trainer": {"memory": memory}}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    write_model(tmp_path / "run", "newest", tmp_path / "out", "float32")
    assert torch.allclose(logprobs(Policy(str(tmp_path / "out"), "float32")), logprobs(policy), atol=1e-5)


def test_weights_come_back_and_others_are_refused(policy, small_model):
    state = trained(policy).state()
    fresh = Policy(str(small_model), "float32", memory=LORA)
    fresh.load_state(state)
    assert torch.equal(logprobs(fresh), logprobs(policy))
    with pytest.raises(ConfigError, match="don't fit the model: missing"):
        fresh.load_state(Policy(str(small_model), "float32").state())


def test_the_reference_is_the_policy_of_the_time_without_a_copy_of_the_model(policy):
    then = trained(policy, 1).state()
    expected = logprobs(policy)
    reference = FrozenAdapters(policy, then)
    trained(policy)
    now = logprobs(policy)
    assert torch.equal(logprobs(reference), expected)
    assert torch.equal(logprobs(policy), now), "and the policy is what it was"


def test_adapters_stay_fp32_on_bf16_weights(small_model):
    policy = Policy(str(small_model), "bfloat16", memory=LORA.model_copy(update={"weights": "bfloat16"}))
    assert {p.dtype for p in policy.parameters} == {torch.float32}
    assert policy.model.get_input_embeddings().weight.dtype == torch.bfloat16
    trained(policy)


def test_a_layer_that_is_not_there_is_named(small_model):
    with pytest.raises(ConfigError, match=r"trainer.memory.lora.targets: .* has no layer .q_prj.; did you .*q_proj"):
        Policy(str(small_model), "float32", memory=MemoryConfig(lora={"targets": ["q_prj"]}))
