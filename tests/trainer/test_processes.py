"""Two processes by Ray Train, for real: they learn as one does, hand over their state, and die with a word."""

import contextlib
import os

import numpy as np
import psutil
import pytest
import torch

from rewards.errors import ConfigError, TrainingError
from tests.trainer.groups import make_group
from trainer.checkpoint import CheckpointStore, write_weights
from trainer.config import Config
from trainer.learned import LearnedLog
from trainer.learner import make_learner
from trainer.policy import Policy
from trainer.processes import SeveralProcesses, check_gpus

pytestmark = pytest.mark.xdist_group("training")


def config(processes, weights="float32", **changes):
    settings = {"learning_rate": 1e-4, "kl_coefficient": 0.1, "max_mismatch": 100.0, "pack_tokens": 64}
    memory = {"weights": weights, "lora": changes.pop("lora", None)}
    trainer = settings | changes | {"processes": processes, "memory": memory}
    return Config(environments=({"id": "postgym/Weather-v0"},), precision=weights, trainer=trainer)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": 1001, "hidden_size": 32, "intermediate_size": 41, "num_hidden_layers": 2}
    made = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4, tie_word_embeddings=True))
    folder = tmp_path_factory.mktemp("model")
    made.save_pretrained(folder)
    return str(folder)


def policy_of(model, settings):
    return Policy(model, settings.precision, memory=settings.trainer.memory)


def cold_start(model, folder, settings):
    """Leaves what a run's cold start does."""
    write_weights(folder / "sft" / "weights.safetensors", policy_of(model, settings).state())


def learn(learner, step):
    """Learns one round; the metrics of the update."""
    rng = np.random.default_rng(step)
    groups = [make_group(rng, [0.0, 1.0, 0.5], prompt=9 + 5 * i) for i in range(3)]
    log = LearnedLog(groups)
    metrics = learner.update(groups, step, log.add)
    assert len(log.rows) == 9, "each episode is seen"
    return metrics


def train(model, folder, processes, changes, after_round=lambda learner: None):
    """A run that is stopped after each round and goes on from its checkpoint, with so many processes in each."""
    cold_start(model, folder, config(1, **changes))
    store, rows = CheckpointStore(folder / f"checkpoints-{processes}"), []
    for step, number in enumerate(processes):
        settings = config(number, **changes)
        policy = policy_of(model, settings)
        learner = make_learner(policy, model, settings, folder)
        assert isinstance(learner, SeveralProcesses) == (number > 1)
        assert store.load_newest(policy, learner.optimizer, critic=learner.critic) == (step or None)
        rows.append(learn(learner, step))
        store.save(step + 1, policy, learner.optimizer, learner.critic)
        store.wait()
        after_round(learner)
        learner.close()
    critic = learner.critic.state() if learner.critic else {}
    return rows, policy.state() | critic


PPO = {"algorithm": "ppo", "critic": {"warmup_rounds": 0}}
RUNS = {
    "grpo": ({}, 1e-6),
    "adapters": ({"lora": {"rank": 4}}, 1e-5),
    "ppo, bf16 weights": (PPO | {"weights": "bfloat16"}, 1e-6),
}


@pytest.mark.parametrize(("changes", "within"), RUNS.values(), ids=RUNS)
def test_two_processes_go_on_where_one_was_and_one_goes_on_where_two_were(model, tmp_path, changes, within):
    """And when one of the two is killed the error says what to do, and the other ends too."""
    expected, weights = train(model, tmp_path, [1, 1, 1], changes)
    found, others = train(model, tmp_path, [1, 2, 1], changes, assert_a_death_is_told)
    for row, alone in zip(found, expected, strict=True):
        assert row == pytest.approx(alone, rel=1e-5, abs=1e-7)
    for name, weight in weights.items():
        assert float((weight - others[name]).norm() / weight.norm()) < within, name
    assert not psutil.wait_procs(workers(), timeout=60)[1]
    assert not (tmp_path / ".ray-train").exists()


def workers():
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if "RayTrainWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


def assert_a_death_is_told(learner):
    if not isinstance(learner, SeveralProcesses):
        return
    _, second = workers()
    os.kill(second.pid, 9)
    with pytest.raises(TrainingError, match=r"a trainer process has died.*run the same command again"):
        learn(learner, 9)


def test_a_model_that_can_not_share_prompts_is_refused_before_anything_starts(tmp_path):
    import transformers

    sizes = transformers.BloomConfig(vocab_size=120, hidden_size=32, n_layer=1, n_head=4)
    transformers.BloomForCausalLM(sizes).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"BloomModel can't share a group's prompt.*set trainer.processes to 1"):
        SeveralProcesses(Policy(str(tmp_path), "float32"), str(tmp_path), config(2), tmp_path)


def test_more_processes_than_free_gpus_are_refused_instead_of_waited_for():
    check_gpus(4, 4)
    with pytest.raises(ConfigError, match=r"trainer.processes 4 needs as many GPUs.*Ray has 3 free"):
        check_gpus(4, 3)
