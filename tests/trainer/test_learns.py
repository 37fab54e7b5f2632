"""The default model, sampled by vLLM, learns what it is paid for: the whole loop of sampling, update and sync."""

import asyncio
import shutil

import numpy as np
import pytest

from rollout.collect import collect_groups
from rollout.engine import Sampling
from rollout.episode import Limits
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from tests.worlds import LikesEven
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update
from trainer.weight_sync import WeightSync

ROUNDS, TASKS, SIZE = 5, 3, 8


@pytest.fixture
def default_engine(default_model):
    engine = VllmEngine(VllmSettings(default_model, max_context=128, max_concurrent=32, precision="float32"))
    yield engine
    engine.close()


@pytest.fixture
def folder(tmp_path):
    """For half a gigabyte of weights: gone when the test is."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def test_the_default_model_improves_on_tasks_that_it_has_not_seen(default_model, default_engine, renderer, folder):
    config = TrainerConfig(learning_rate=1e-4, warmup_steps=0)
    policy, env = Policy(default_model, "float32"), LikesEven()
    optimizer, weights = (
        make_optimizer(policy, config),
        WeightSync(default_engine, folder, renderer, config.max_mismatch),
    )
    rewards, mismatches = [], []
    with asyncio.Runner() as runner:
        for step in range(ROUNDS):
            tasks = [env.sample_task(step * TASKS + n) for n in range(TASKS)]
            sampling = Sampling(16, 1.0, seed=step)
            played = collect_groups(tasks, SIZE, lambda i: LikesEven(), default_engine, renderer, sampling, Limits(128))
            groups = runner.run(played)
            rewards.append(np.mean([t.score.value for g in groups for t in g.trajectories]))
            mismatches.append(update(policy, optimizer, groups, config, step)["mismatch"])
            runner.run(weights.send(policy, step + 1))
    assert np.mean(rewards[-2:]) > np.mean(rewards[:2]) + 0.15, rewards
    assert max(mismatches) < 0.01, "every round was sampled with the weights that learned from it"
