"""The settings of memory where TRL and vLLM are at work: the cold start, and a whole run of adapters."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.groups import make_group
from tests.trainer.test_run import run
from trainer.config import SftConfig
from trainer.policy import Policy
from trainer.sft import fine_tune
from trainer.trainer_config import LoraConfig, MemoryConfig

LORA = ("--trainer.memory.lora", "{rank: 12, alpha: 24}")
SMALL = ("--trainer.steps", "2", "--sft.traces", "16", "--sft.epochs", "1", "--trainer.kl_coefficient", "0.01")


def test_a_whole_run_of_adapters_reaches_the_engine_and_leaves_a_merged_model(tmp_path, tiny_model):
    done = run(tmp_path, tiny_model, *LORA, *SMALL)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = tmp_path / "runs" / "tiny"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert max(row["probe"] for row in rows) < 2e-3, "the engine computes with what the adapters make of the weights"
    assert max(row.get("mismatch", 0) for row in rows) < 2e-3
    (newest,) = sorted(folder.glob("checkpoints/step-*"))[-1:]
    kept = load_file(newest / "weights.safetensors")
    assert all(".lora_" in name for name in kept)
    assert sum(t.nbytes for t in kept.values()) < 0.05 * (folder / "model" / "model.safetensors").stat().st_size
    whole = Policy(str(tiny_model), "float32", memory=MemoryConfig(lora=LoraConfig(rank=12, alpha=24)))
    start = whole.state()
    whole.load_state(kept)
    assert any(not torch.equal(t, start[name]) for name, t in whole.state().items())
    merged = Policy(str(folder / "model"), "float32").state()
    base = Policy(str(tiny_model), "float32").state()
    moved = {name for name, tensor in merged.items() if not torch.allclose(tensor, base[name], atol=1e-2)}
    assert all("_proj" in name for name in moved)
    adapter = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["base_model_name_or_path"]) == (12, str(tiny_model))
    names = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert np.all([name.startswith("base_model.model.model.layers.") for name in names])


@pytest.mark.parametrize("memory", [{"weights": "bfloat16"}, {"optimizer": "adamw_8bit", "lora": {"rank": 4}}])
def test_the_cold_start_learns_with_the_settings_of_memory(memory, small_model, tokenizer, tmp_path):
    settings = MemoryConfig.model_validate(memory | {"gradient_checkpointing": True})
    policy = Policy(str(small_model), "bfloat16", memory=settings)
    before, losses = policy.state(), []
    examples = make_group(np.random.default_rng(0), [1.0] * 8).trajectories
    config = SftConfig(epochs=4, batch_size=4, learning_rate=3e-3)
    fine_tune(policy, tokenizer, examples, config, tmp_path, 0, lambda row: losses.append(row["loss"]))
    assert np.mean(losses[-2:]) < 0.9 * np.mean(losses[:2])
    assert any(not torch.equal(tensor, before[name]) for name, tensor in policy.state().items())
    assert {p.dtype for p in policy.parameters} == {torch.float32 if settings.lora else torch.bfloat16}
