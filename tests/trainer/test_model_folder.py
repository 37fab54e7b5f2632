import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rewards.errors import CheckpointError, ConfigError
from rewards.files import write_json_atomically
from tests.trainer.groups import make_group
from trainer.checkpoint import CheckpointStore, ranking
from trainer.model_folder import find_checkpoint, write_model
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained_run(tiny_model, tmp_path_factory):
    """A run of two updates whose first checkpoint is the better one, and the weights of both."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    write_json_atomically(run / "config.json", {"model": str(tiny_model), "rollout": {"tool_format": "auto"}})
    config = TrainerConfig(max_mismatch=100.0, learning_rate=1e-2, warmup_steps=0)
    policy = Policy(str(tiny_model), precision="float32")
    optimizer, weights, rows = make_optimizer(policy, config), {}, []
    store = CheckpointStore(run / "checkpoints", keep=2, keep_best=1)
    for step, reward in enumerate([0.1, 0.9]):
        update(policy, optimizer, [make_group(np.random.default_rng(step), [0.0, 1.0])], config, step)
        rows.append({"step": step, "reward_mean": reward})
        weights[step + 1] = policy.state()
        store.save(step + 1, policy, optimizer, ranked=ranking(rows, "reward_mean", 1))
        store.wait()
    return run, weights


def test_the_best_the_newest_and_any_other_checkpoint_are_found(trained_run):
    run, _ = trained_run
    assert find_checkpoint(run, "best").name == "step-00001"
    assert find_checkpoint(run, "newest").name == "step-00002"
    assert find_checkpoint(run, "1").name == "step-00001"
    with pytest.raises(ConfigError, match="no checkpoint '7'; take best, newest, or one of: 1, 2"):
        find_checkpoint(run, "7")
    with pytest.raises(ConfigError, match="holds no run"):
        find_checkpoint(run / "checkpoints", "best")


def test_a_checkpoint_becomes_a_model_that_transformers_loads_with_its_tokenizer(trained_run, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, weights = trained_run
    out = tmp_path / "model"
    command = [sys.executable, "scripts/model.py", str(run), "--out", str(out), "--precision", "float32"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "step-00001" in done.stdout
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    assert AutoTokenizer.from_pretrained(out).chat_template
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights[1].items())
    with pytest.raises(ConfigError, match="there already"):
        write_model(run, "best", out)


def test_a_damaged_checkpoint_makes_no_model(trained_run, tmp_path):
    run, _ = trained_run
    state = run / "checkpoints" / "step-00002" / "state.json"
    whole = state.read_text()
    state.write_text(json.dumps(json.loads(whole) | {"sha256": {"weights.safetensors": "0"}}))
    try:
        with pytest.raises(CheckpointError, match="damaged"):
            write_model(run, "newest", tmp_path / "model")
    finally:
        state.write_text(whole)
    assert not (tmp_path / "model").exists()
