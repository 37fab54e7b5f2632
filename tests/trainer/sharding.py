"""What each process of a team does in test_sharded.py; new processes import it from here."""

import os
from unittest.mock import patch

import numpy as np
import torch

from tests.trainer.groups import make_group
from trainer import token_logprobs
from trainer.learned import LearnedLog
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.sharded import ShardedPolicy, load_optimizer_state, optimizer_state
from trainer.team import ALONE, Team
from trainer.trainer_config import TrainerConfig
from trainer.update import update

LOOSE = {"max_mismatch": 100.0, "warmup_steps": 0, "pack_tokens": 64, "max_grad_norm": 0.02}


def rounds():
    """Two rounds: groups of many sizes, with an error and equal rewards among them; then a single one."""
    rng = np.random.default_rng(0)
    rewards = [[0.0, 1.0, 0.5], [0.2, None, 0.9, 0.1], [0.5, 0.5], [1.0, 0.0], [0.3, 0.4, 1.0, 0.0, 0.0]]
    first = [make_group(rng, values, prompt=9 + 7 * i, turns=1 + i % 3) for i, values in enumerate(rewards)]
    return [first, [make_group(rng, [1.0, 0.0], prompt=5, turns=1)]]


@patch.multiple(token_logprobs, LOGIT_ROWS=16, HELD_ROWS=16)  # several chunks a pack, computed again going backward
def learn(model, settings, team=ALONE):
    """Both rounds: for each the metrics, what was seen of the tokens, the weights, and the optimiser's state."""
    torch.set_num_threads(1)
    config = TrainerConfig(**LOOSE | settings)
    policy = _policy(model, team, config.memory)
    reference = _policy(model, team) if config.kl_coefficient else None
    optimizer = make_optimizer(policy, config)
    found = []
    for step, groups in enumerate(rounds()):
        log = LearnedLog(groups)
        metrics = update(policy, optimizer, groups, config, step, reference, on_lesson=log.add, team=team)
        seen = {row: learned for rows in team.gather(log.rows) for row, learned in rows.items()}
        state = optimizer_state(optimizer, team)
        found.append((metrics, seen, _weights(policy), state))
    return found


def _policy(model, team, memory=None):
    if team is ALONE:
        return Policy(model, "float32", 1.0, memory)
    return ShardedPolicy(model, "float32", 1.0, team, memory)


def _weights(policy):
    return policy.whole_state() if isinstance(policy, ShardedPolicy) else policy.state()


def restore(model, weights, optimizer_state_before, team):
    """What comes out when weights and an optimiser's state are given to shards and gathered again."""
    policy = _policy(model, team)
    optimizer = make_optimizer(policy, TrainerConfig())
    policy.load_state(weights)
    load_optimizer_state(optimizer, optimizer_state_before)
    return policy.whole_state(), optimizer_state(optimizer, team)


def broken(model, team):
    """What every process of a team says when the gradient of one isn't finite, and the weights after."""
    policy = _policy(model, team)
    if team.rank == team.size - 1:
        whole = policy.logprobs
        policy.logprobs = lambda *a, **k: tuple(x * float("nan") for x in whole(*a, **k))
    try:
        update(policy, make_optimizer(policy, TrainerConfig()), rounds()[0], TrainerConfig(**LOOSE), 0, team=team)
    except FloatingPointError as error:
        return team.gather(str(error)), policy.whole_state()
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
