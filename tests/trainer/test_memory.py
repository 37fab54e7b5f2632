"""The estimate of a run's memory, against what a process really took."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from rewards.errors import ConfigError
from tests.llamas import save_llama
from trainer.config import Config
from trainer.memory import Machine, _count_layers, check_fits, container_free, estimate
from trainer.policy import Policy, autocast

ROOT = Path(__file__).parents[2]
GIB = 2**30


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory):
    """Six layers of 384: large enough that its own memory is more than an allocator's caprice."""
    shape = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 6}
    return str(save_llama(tmp_path_factory.mktemp("wide"), 8000, **shape))


def config_of(memory=None, precision="float32", max_context=1100, **trainer):
    trainer = {"pack_tokens": 1100, "max_mismatch": 100.0, "memory": memory or {}} | trainer
    return Config(
        environments=[{"id": "postgym/Weather-v0"}],
        rollout={"group_size": 4, "max_context": max_context, "kv_cache_gb": 2.0},
        trainer=trainer,
        precision=precision,
    )


def of(found, name):
    return next((e.size for e in found.entries if e.name == name), 0.0)


def taken(model, config, prompt, turns):
    """Bytes that two updates really took, of each process."""
    arguments = ["-m", "tests.trainer.memory_taken", model, config.trainer.model_dump_json(), str(prompt), str(turns)]
    command = [sys.executable, *arguments, str(config.trainer.processes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    return [int(size) for size in done.stdout.split()]


PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "holes between them", "critic")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"memory": {"gradient_checkpointing": True}},
        {"memory": {"lora": {"rank": 16}}},
        {"algorithm": "ppo"},
        {"pack_tokens": 300},
    ],
    ids=str,
)
def test_the_estimate_is_what_an_update_takes(wide_model, settings):
    shape = (1000, 3) if "pack_tokens" in settings else (500, 30)  # of the group: prompt and turns
    config = config_of(critic={"warmup_rounds": 0}, **settings)
    found = estimate(config, wide_model, "float32", Machine(64 * GIB))
    assert [sum(of(found, name) for name in PARTS)] == pytest.approx(taken(wide_model, config, *shape), rel=0.25)


@pytest.mark.parametrize("memory", [{}, {"gradient_checkpointing": True}], ids=str)
def test_the_estimate_is_what_each_of_two_processes_takes(wide_model, memory):
    config = config_of(memory, processes=2)
    found = estimate(config, wide_model, "float32", Machine(64 * GIB))
    expected = sum(of(found, name) for name in (*PARTS, "gathered from shards")) / 2
    assert taken(wide_model, config, 500, 30) == pytest.approx([expected] * 2, rel=0.25)


def test_shards_are_a_part_on_a_gpu_each_and_the_whole_where_they_share_a_memory(wide_model):
    def sizes(processes, *memory, **settings):
        found = estimate(config_of(processes=processes, **settings), wide_model, "bfloat16", Machine(64 * GIB, *memory))
        return {e.name: (e.size, e.on_gpu) for e in found.entries}

    card = (70 * GIB, 80 * GIB, 8)
    for settings in ({}, {"algorithm": "ppo", "kl_coefficient": 0.1}, {"memory": {"weights": "bfloat16"}}):
        one, four = sizes(1, *card, precision="bfloat16", **settings), sizes(4, *card, precision="bfloat16", **settings)
        for name in ("gradients", "optimizer", "critic", "reference"):
            if name in one and not settings.get("memory"):
                assert four[name] == (one[name][0] / 4, True)
        assert four["activations"] == one["activations"]
        together = [sum(found[name][0] for name in ("weights", "optimizer")) for found in (one, four)]
        of_it = 12 / 14 if settings.get("memory") else 1  # rounded: 2 + 12 bytes a weight, in shards 4 + 8
        assert together[1] == pytest.approx(together[0] * of_it / 4)
        assert four["whole copy for engine and checkpoints"] == one["weights"]
    shared, alone = sizes(2), sizes(1)
    assert shared["weights"] == alone["weights"]
    assert shared["activations"][0] == 2 * alone["activations"][0]


@pytest.mark.parametrize("memory", [{}, {"lora": {"rank": 8}}], ids=str)
def test_weights_are_counted_to_the_byte_and_tied_ones_once(wide_model, memory):
    config = config_of(memory)
    model = Policy(wide_model, "float32", memory=config.trainer.memory).model
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    held, learned = (sum(p.nbytes for p in model.parameters() if p.requires_grad >= only) for only in (False, True))
    found = estimate(config, wide_model, "float32", Machine(64 * GIB))
    assert (of(found, "weights"), of(found, "gradients")) == (held, learned)
    tied = model.get_output_embeddings().weight.nbytes
    assert of(found, "weights handed to the engine") == held + tied, "the engine is told it under both names"


def test_every_setting_saves_what_it_should(wide_model):
    def sizes(memory=None, precision="float32", **trainer):
        found = estimate(config_of(memory, precision, **trainer), wide_model, precision, Machine(64 * GIB))
        return {name: of(found, name) for name in ("weights", "gradients", "optimizer", "activations", "reference")}

    plain = sizes()
    assert plain["gradients"] == plain["weights"]
    assert plain["optimizer"] == 2 * plain["weights"]
    assert sizes({"gradient_checkpointing": True})["activations"] < 0.4 * plain["activations"]
    assert sizes({"optimizer": "adamw_8bit"})["optimizer"] < 0.26 * plain["optimizer"]
    adapters = sizes({"lora": {"rank": 8}}, kl_coefficient=0.1)
    assert adapters["gradients"] < 0.1 * plain["gradients"]
    assert adapters["reference"] == 0, "the model itself is the reference"
    assert sizes(kl_coefficient=0.1)["reference"] == plain["weights"]
    half, whole = sizes({"weights": "bfloat16"}, "bfloat16"), sizes(precision="bfloat16")
    assert half["weights"] == whole["weights"] / 2
    assert half["activations"] < whole["activations"]
    assert half["optimizer"] == 1.5 * whole["optimizer"], "with its fp32 copies"


def test_an_adapter_is_less_to_hand_over_than_a_model(wide_model):
    config = config_of({"lora": {"rank": 8}}, "bfloat16")
    handed = [
        of(estimate(config, wide_model, "bfloat16", machine), "weights handed to the engine")
        for machine in (Machine(64 * GIB), Machine(64 * GIB, 70 * GIB, 80 * GIB))
    ]
    assert 0 < handed[1] < 0.2 * handed[0], "on a GPU it goes alone"


def test_moments_leave_the_gpu_when_they_are_offloaded(wide_model):
    card = Machine(64 * GIB, 70 * GIB, 80 * GIB)
    for kind, on_gpu in (("adamw", True), ("adamw_offload", False)):
        found = estimate(config_of({"optimizer": kind}), wide_model, "bfloat16", card)
        assert next(e.on_gpu for e in found.entries if e.name == "optimizer") is on_gpu
    assert of(found, "engine") == pytest.approx(0.45 * 80 * GIB)
    weights = of(found, "weights")  # of 4 bytes each; offloaded, each has a copy and two moments
    assert of(found, "optimizer") == 3 * weights
    for rounded in ({}, {"weights": "bfloat16"}):
        config = config_of({"optimizer": "adamw_offload"} | rounded, "bfloat16", processes=4)
        sharded = estimate(config, wide_model, "bfloat16", card)
        assert of(sharded, "optimizer") == 3 * weights, "the shards of all lie in one host memory"


def test_a_critic_is_a_second_model_with_its_own_optimizer(wide_model):
    card = Machine(64 * GIB, 70 * GIB, 80 * GIB)
    for memory in ({}, {"optimizer": "adamw_offload"}, {"weights": "bfloat16"}):
        alone, both = (
            estimate(config_of(memory, "bfloat16", algorithm=algorithm), wide_model, "bfloat16", card)
            for algorithm in ("grpo", "ppo")
        )
        assert of(both, "critic") == of(both, "weights") == of(alone, "weights")
        assert of(both, "optimizer") == 2 * of(alone, "optimizer")
        assert of(both, "checkpoint being written") == 2 * of(alone, "checkpoint being written")


def test_what_does_not_fit_is_refused_with_what_helps(wide_model):
    with pytest.raises(ConfigError) as caught:
        check_fits(config_of(), wide_model, "float32", Machine(4 * GIB))
    said = str(caught.value)
    assert said.startswith("too little memory: about ")
    assert "of 4.0 free in host memory (KV cache 2.00" in said
    assert "rollout.kv_cache_gb=1 saves 1.0 GiB and is enough." in said


@pytest.mark.parametrize(
    ("pack_tokens", "max_context", "helps", "does_not"),
    [
        (8000, 500, "trainer.pack_tokens=4000", "rollout.max_context="),
        (1100, 8000, "rollout.max_context=1100", "pack_tokens="),
    ],
)
def test_what_is_advised_shortens_what_makes_packs_long(wide_model, pack_tokens, max_context, helps, does_not):
    config = config_of(max_context=max_context, pack_tokens=pack_tokens)
    with pytest.raises(ConfigError) as caught:
        check_fits(config, wide_model, "float32", Machine(2 * GIB))
    assert f"{helps} saves " in str(caught.value)
    assert does_not not in str(caught.value)


def test_what_fits_is_told_in_a_line(wide_model):
    line = check_fits(config_of(), wide_model, "float32", Machine(64 * GIB)).line()
    assert line.startswith("memory: about ")
    assert "\n" not in line


def test_the_command_estimates_without_running(wide_model, tmp_path):
    (tmp_path / "c.yaml").write_text("environments: [{id: postgym/Weather-v0}]\nprecision: float32\n")
    command = [sys.executable, "scripts/train.py", str(tmp_path / "c.yaml"), "--estimate", "--model", wide_model]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 2), done.stderr
    assert "activations" in done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_mixture_of_experts_keeps_what_it_really_keeps(tmp_path, precision):
    """Against the same pass with storage: what autograd holds then, the weights apart."""
    shape = {"hidden_size": 64, "intermediate_size": 384, "num_attention_heads": 4, "num_key_value_heads": 4}
    config = MixtralConfig(**shape, vocab_size=300, num_hidden_layers=2, num_local_experts=4, sliding_window=None)
    MixtralForCausalLM(config).save_pretrained(tmp_path)
    policy, kept = Policy(str(tmp_path), precision), {}
    alive = []

    def keep(tensor):
        alive.append(tensor)
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with autocast(policy.device, precision), torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        hidden = policy.trunk(input_ids=torch.arange(200)[None], use_cache=False)
    for weight in policy.parameters:
        kept.pop(weight.untyped_storage().data_ptr(), None)
    del hidden
    assert _count_layers(str(tmp_path), precision, "float32", None, 200, 2)[3] == pytest.approx(
        sum(kept.values()), rel=0.1
    )
    found = estimate(config_of(precision=precision), str(tmp_path), precision, Machine(8 * GIB))
    assert of(found, "weights") == sum(weight.nbytes for weight in policy.parameters)


def test_a_containers_limit_counts_where_it_has_one(tmp_path):
    assert container_free(tmp_path) == float("inf")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 1000\ninactive_file 400\nactive_file 100\n")
    assert container_free(tmp_path) == float("inf")
    (tmp_path / "memory.max").write_text("10000\n")
    assert container_free(tmp_path) == 10_000 - 3000 + 500
    old = tmp_path / "old"
    (old / "memory").mkdir(parents=True)
    for name, value in (("limit_in_bytes", 9000), ("usage_in_bytes", 8000)):
        (old / "memory" / f"memory.{name}").write_text(f"{value}\n")
    (old / "memory" / "memory.stat").write_text("inactive_file 10\ntotal_inactive_file 300\n")
    assert container_free(old) == 1000 + 300
