"""`python -m tests.trainer.memory_taken MODEL CONFIG PROMPT TURNS PROCESSES`: what each process of a learner takes.

Prints the bytes by which the resident memory of each rose above that of the libraries, up to the end of two updates.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from tests.trainer.groups import make_group
from trainer.critic import make_critic
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.sharded import ShardedPolicy
from trainer.team import Team
from trainer.trainer_config import TrainerConfig
from trainer.update import update


def resident(name: str) -> int:
    """Bytes that the kernel says of this process."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if name in row)


def work(rank: int, size: int, folder: str, model: str, config: TrainerConfig, shape: tuple[int, int]) -> None:
    """One process: loads, learns twice, says what it took."""
    import peft  # noqa: F401
    import transformers.models.llama.modeling_llama  # noqa: F401
    import trl  # noqa: F401

    torch.set_num_threads(max(1, os.cpu_count() // size))
    torch.ones(64, 64) @ torch.ones(64, 64)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    store = torch.distributed.FileStore(f"{folder}/store", size)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=size)
    team = Team(rank, size)
    group = make_group(np.random.default_rng(0), [0.0, 1.0, 0.5, 0.2], *shape, 1000)
    before = resident("VmRSS")
    held = (model, "float32", 1.0)
    policy = Policy(*held, config.memory) if size == 1 else ShardedPolicy(*held, team, config.memory)
    optimizer, critic = make_optimizer(policy, config), make_critic(policy, config)
    for step in range(2):
        update(policy, optimizer, [group, group], config, step, critic=critic, team=team)
    taken = team.gather(resident("VmHWM") - before)
    if rank == 0:
        print(*taken)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    prompt, turns, processes = map(int, sys.argv[3:])
    settings = TrainerConfig.model_validate_json(sys.argv[2])
    with tempfile.TemporaryDirectory() as top:
        arguments = (processes, top, sys.argv[1], settings, (prompt, turns))
        torch.multiprocessing.spawn(work, arguments, processes)
