"""FLOPs against PyTorch's own counter and against counts by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from rollout.trajectory import Group
from tests.trainer.groups import make_group
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.throughput import ModelShape, Throughput, frozen_of, passes_of, peak_flops, sampling_flops, shape_of
from trainer.trainer_config import LoraConfig, MemoryConfig, TrainerConfig

SMALL = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}


def counted(model, tokens, backward=False):
    """PyTorch's count of a pass over one row; its eager attention looks at every pair of tokens."""
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=torch.arange(3, 3 + tokens)[None], use_cache=False).logits
        if backward:
            logits.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("tokens", [16, 200])
def test_a_pass_over_a_row_is_what_pytorch_counts(tiny_model, tokens):
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    every_pair = np.full(tokens, tokens - 1)  # each token sees all
    ours = shape_of(model).forward(every_pair, tokens)
    assert ours == pytest.approx(counted(model, tokens), rel=1e-3)  # PyTorch counts the angles of positions too
    assert 3 * ours == pytest.approx(counted(model, tokens, backward=True), rel=1e-3)


def test_an_update_of_adapters_computes_no_gradients_of_frozen_weights(tmp_path):
    LlamaForCausalLM(LlamaConfig(**SMALL, num_hidden_layers=2, vocab_size=500)).save_pretrained(tmp_path)
    policy = Policy(str(tmp_path), "float32", memory=MemoryConfig(lora=LoraConfig(rank=8)))
    every_pair = np.full(40, 39)
    ours = 3 * shape_of(policy.model).forward(every_pair, 40) - frozen_of(policy.model).forward(every_pair, 40)
    # No gradient goes on from the first layer's queries, keys and values and their adapters: nothing learns below.
    first = 2 * 40 * (64 * (128 + 64 + 64) + 3 * 8 * 64)
    assert ours - first == pytest.approx(counted(policy.model, 40, backward=True), rel=1e-3)
    assert frozen_of(AutoModelForCausalLM.from_pretrained(tmp_path)) == ModelShape(0, 0, (), ())


def test_the_meter_leaves_those_gradients_out(small_model):
    group = make_group(np.random.default_rng(0), [0.0, 1.0], prompt=50)
    (pack,) = pack_group(group.trajectories, 10_000)
    flops = []
    for memory in (MemoryConfig(), MemoryConfig(lora=LoraConfig(rank=1))):
        policy = Policy(str(small_model), "float32", memory=memory)
        meter = Throughput(policy, TrainerConfig())
        meter.learned(pack)
        flops.append(meter.report([], 0.0, 1.0)["trainer_tflops"])
    assert 2 / 3 < flops[1] / flops[0] < 0.8


def test_layers_that_see_a_window_are_known_by_their_kind():
    config = Gemma3TextConfig(
        **SMALL,
        num_hidden_layers=2,
        vocab_size=500,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
    )
    model = Gemma3ForCausalLM(config)
    shape = shape_of(model)
    assert shape.windows == (8, None)
    full = replace(shape, windows=(None, None))
    assert full.forward(np.full(40, 39), 40) == pytest.approx(counted(model, 40), rel=1e-3)
    saved = full.forward(np.full(40, 39), 40) - shape.forward(np.full(40, 39), 40)
    assert saved == 4 * 4 * 32 * 40 * (40 - 8)


def test_of_a_mixture_the_experts_count_that_a_token_meets():
    config = MixtralConfig(
        **SMALL, num_hidden_layers=1, vocab_size=500, num_local_experts=4, num_experts_per_tok=2, sliding_window=None
    )
    shape, expert = shape_of(MixtralForCausalLM(config)), 3 * 64 * 96
    attention, router = 64 * 128 * 2 + 64 * 64 * 2, 64 * 4
    assert shape.weights == attention + router + 2 * expert


def test_attention_counts_what_a_token_sees():
    shape = ModelShape(weights=0, head=0, attention=(10,), windows=(None,))
    assert shape.forward(np.arange(4), 0) == 4 * 10 * (1 + 2 + 3 + 4)
    assert replace(shape, windows=(2,)).forward(np.arange(4), 0) == 4 * 10 * (1 + 2 + 2 + 2)


def test_a_shared_prompt_is_computed_once_by_trainer_and_engine(tiny_model):
    group = make_group(np.random.default_rng(0), [0.0, 1.0, 1.0], prompt=50)
    (pack,) = pack_group(group.trajectories, 10_000)
    policy = Policy(str(tiny_model), precision="float32")
    shape = shape_of(policy.model)
    meter = Throughput(policy, TrainerConfig())
    meter.learned(pack)
    row = meter.report([group], 2.0, 4.0)
    suffixes = [np.arange(50, len(t.token_ids) - 1) for t in group.trajectories]  # the last token is only predicted
    predicted = sum(t.sampled_tokens for t in group.trajectories)
    once = shape.forward(np.concatenate([np.arange(50), *suffixes]), predicted)
    assert row["trainer_tflops"] * 1e12 == pytest.approx(3 * once / 4.0)
    assert row["engine_tflops"] * 1e12 == pytest.approx(once / 2.0)
    assert row["trainer_tokens_per_second"] == len(pack.input_ids) / 4.0
    assert row["tokens_per_second"] == predicted / 2.0
    anew = meter.report([], 2.0, 4.0)
    assert anew == {"trainer_tokens_per_second": 0.0, "trainer_tflops": 0.0}, "nobody knows a stored round's speed"


def test_what_several_steps_and_a_reference_compute_besides_is_counted():
    assert passes_of(TrainerConfig()) == 3
    assert passes_of(TrainerConfig(minibatches=2)) == 4
    assert passes_of(TrainerConfig(minibatches=2, kl_coefficient=0.1)) == 5


def test_the_engine_reads_each_groups_prompt_once():
    shape = ModelShape(weights=1, head=0, attention=(), windows=())
    group = make_group(np.random.default_rng(0), [0.0, 1.0], prompt=30)
    alone = sum(sampling_flops(shape, [Group(group.task, (t,))]) for t in group.trajectories)
    assert alone - sampling_flops(shape, [group]) == 2 * 30


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("NVIDIA L400", None),
        ("", None),
    ],
)
def test_a_known_card_has_a_peak_and_another_has_none(card, peak):
    assert peak_flops(card) == peak


def test_the_share_of_the_peak_is_told_in_bfloat16_on_a_known_card(tiny_model):
    group = make_group(np.random.default_rng(0), [0.0, 1.0])
    rows = {}
    for precision in ("bfloat16", "float32"):
        policy = Policy(str(tiny_model), precision=precision)
        meter = Throughput(policy, TrainerConfig(processes=2), engine_cards=6, card="NVIDIA H100 80GB HBM3")
        meter.learned(pack_group(group.trajectories, 10_000)[0])
        rows[precision] = meter.report([group], 1.0, 1.0)
    assert rows["bfloat16"]["trainer_peak_share"] == pytest.approx(rows["bfloat16"]["trainer_tflops"] / (2 * 989))
    assert rows["bfloat16"]["engine_peak_share"] == pytest.approx(rows["bfloat16"]["engine_tflops"] / (6 * 989))
    assert "trainer_peak_share" not in rows["float32"]
