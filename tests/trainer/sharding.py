"""What each process of a team does in test_sharded.py; new processes import it from here."""

import os
from functools import partial
from unittest.mock import patch

import numpy as np
import torch

from rewards.errors import TrainingError
from tests.trainer.groups import make_group
from trainer import token_logprobs, trainer_process
from trainer.critic import make_critic
from trainer.learned import LearnedLog
from trainer.lora import FrozenAdapters
from trainer.losses import value_loss
from trainer.optimizer import MasterWeights, make_adamw, make_optimizer
from trainer.policy import Policy
from trainer.sharded import ShardedCritic, ShardedPolicy, load_optimizer_state, optimizer_state
from trainer.team import ALONE, Team
from trainer.trainer_config import MemoryConfig, TrainerConfig
from trainer.update import update

LOOSE = {"max_mismatch": 100.0, "warmup_steps": 0, "pack_tokens": 64, "max_grad_norm": 0.02}


def rounds():
    """Two rounds: groups of many sizes, with an error and equal rewards among them; then a single one."""
    rng = np.random.default_rng(0)
    rewards = [[0.0, 1.0, 0.5], [0.2, None, 0.9, 0.1], [0.5, 0.5], [1.0, 0.0], [0.3, 0.4, 1.0, 0.0, 0.0]]
    first = [make_group(rng, values, prompt=9 + 7 * i, turns=1 + i % 3) for i, values in enumerate(rewards)]
    return [first, [make_group(rng, [1.0, 0.0], prompt=5, turns=1)]]


@patch.multiple(token_logprobs, LOGIT_ROWS=16, HELD_ROWS=16)  # several chunks a pack, computed again going backward
def learn(model, settings, make, team=ALONE):
    """Both rounds: for each the metrics, what was seen of the tokens, all weights, and the optimisers' state."""
    torch.set_num_threads(1)
    config = TrainerConfig(**LOOSE | settings)
    policy = _policy(model, team, config.memory)
    reference = _reference(model, team, policy) if config.kl_coefficient else None
    optimizer, critic = make(policy, config), _critic(model, team, policy, config)
    found = []
    for step, groups in enumerate(rounds()):
        log = LearnedLog(groups)
        metrics = update(policy, optimizer, groups, config, step, reference, critic, log.add, team)
        seen = {row: learned for rows in team.gather(log.rows) for row, learned in rows.items()}
        found.append((metrics, seen, *_state(policy, optimizer, critic, team)))
    return found


def _state(policy, optimizer, critic, team):
    """Weights and optimiser, those of the critic beside the policy's."""
    rounded = policy.memory.rounded
    weights, state = _weights(policy), optimizer_state(optimizer, team, rounded)
    if critic is not None:
        weights |= {f"critic.{name}": weight for name, weight in _weights(critic).items()}
        state |= {f"critic.{i}": values for i, values in optimizer_state(critic.optimizer, team, rounded).items()}
    return weights, state


def make_offloaded(policy, config):
    """The optimiser that `adamw_offload` is on a GPU, with host memory on both sides."""
    adamw = partial(make_adamw, rate=config.learning_rate, weight_decay=0.0, memory=MemoryConfig())
    return MasterWeights(policy.parameters, adamw, torch.device("cpu"))


def _policy(model, team, memory=None):
    precision = memory.weights if memory else "float32"
    if team is ALONE:
        return Policy(model, precision, 1.0, memory)
    return ShardedPolicy(model, precision, 1.0, team, memory)


def _reference(model, team, policy):
    if not policy.memory.lora:
        return _policy(model, team)
    own = team.gather(_weights(policy))[0]
    return FrozenAdapters(policy, {name: weight + 0.01 for name, weight in own.items()})


def _critic(model, team, policy, config):
    if team is ALONE:
        return make_critic(policy, config)
    if config.algorithm != "ppo":
        return None
    return ShardedCritic(Policy(model, policy.precision, memory=config.memory), config, team)


def _weights(model):
    return model.whole_state() if hasattr(model, "whole_state") else model.state()


def restore(model, settings, make, weights, optimizer_state_before, team):
    """What comes out when weights and an optimiser's state are given to shards and gathered again."""
    config = TrainerConfig(**settings)
    policy = _policy(model, team, config.memory)
    optimizer = make(policy, config)
    policy.load_state(weights)
    load_optimizer_state(optimizer, optimizer_state_before)
    return policy.whole_state(), optimizer_state(optimizer, team, config.memory.rounded)


def started(model, settings, make, team):
    """What a trainer process gives back after it took other weights than its model's and learned a round from them."""
    trainer_process.make_optimizer = make
    config = TrainerConfig(**LOOSE | settings)
    process = trainer_process.TrainerProcess(trainer_process.Start(None, model, "float32", 1.0, config, 1, None), team)
    process.load(shifted(_policy(model, ALONE).state()))
    return process.update(rounds()[0], 0)


def shifted(weights):
    """Weights that a cold start left."""
    return {name: weight + 0.01 for name, weight in weights.items()}


def broken(model, team):
    """What every process of a team says when the gradient of one isn't finite, and the weights after."""
    policy = _policy(model, team)
    if team.rank == team.size - 1:
        whole = policy.logprobs
        policy.logprobs = lambda *a, **k: tuple(x * float("nan") for x in whole(*a, **k))
    try:
        update(policy, make_optimizer(policy, TrainerConfig()), rounds()[0], TrainerConfig(**LOOSE), 0, team=team)
    except TrainingError as error:
        return team.gather(str(error)), policy.whole_state()
    raise AssertionError("an update with a gradient of nan went through")


def broken_critic(model, team):
    """As `broken`, where it is the gradient of the critic."""
    config = TrainerConfig(**LOOSE, algorithm="ppo")
    policy = _policy(model, team)
    critic = _critic(model, team, policy, config)
    factor = float("nan") if team.rank == team.size - 1 else 1.0
    with patch("trainer.critic.value_loss", lambda *a: value_loss(*a) * factor):
        try:
            update(policy, make_optimizer(policy, config), rounds()[0], config, 0, critic=critic, team=team)
        except TrainingError as error:
            return team.gather(str(error)), critic.whole_state()
    raise AssertionError("an update with a gradient of nan went through")


def work(rank, size, folder, cases):
    """One process: every case in turn; what the first process found goes into a file."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    store = torch.distributed.FileStore(str(folder / "store"), size)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=size)
    team = Team(rank, size)
    found = [case(*arguments, team) for case, arguments in cases]
    if rank == 0:
        torch.save(found, folder / "found.pt")
    torch.distributed.destroy_process_group()
