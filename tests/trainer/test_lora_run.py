"""A whole run that learns adapters and nothing else."""

import json

import numpy as np
import torch
from safetensors.torch import load_file

from tests.trainer.test_run import run
from trainer.config import LoraConfig, MemoryConfig
from trainer.policy import Policy

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
