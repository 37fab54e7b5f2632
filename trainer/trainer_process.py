"""One of several trainer processes: holds its shard of the policy and does what the driver orders, one after another.

Every process gets every order, since each pass through the model is one of all of them; the first one answers.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rewards.errors import PostgymError
from rollout.trajectory import Group
from trainer.lessons import Lesson
from trainer.lora import FrozenAdapters
from trainer.optimizer import make_optimizer
from trainer.sharded import ShardedPolicy, load_optimizer_state, optimizer_state
from trainer.team import Team
from trainer.trainer_config import TrainerConfig
from trainer.update import update


@dataclass(frozen=True, slots=True)
class Start:
    """What a process is started with.

    Args:
        desk: the Ray actor that hands out orders and takes answers.
        threads: of each process (CPU); 0 leaves them as they are.
        reference: reference to the weights that `kl_coefficient` holds on to; None without KL.
    """

    desk: Any
    model_folder: str
    precision: str
    temperature: float
    config: TrainerConfig
    threads: int
    reference: Any


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update answers: its metrics, each lesson with the trainer's logprobs (N,), and the whole new weights."""

    metrics: dict[str, float]
    seen: list[tuple[Lesson, np.ndarray]]
    weights: dict[str, Tensor]


class TrainerProcess:
    """The shard of one process, and what can be ordered; all processes are ordered the same."""

    def __init__(self, start: Start, team: Team) -> None:
        self.config, self.team = start.config, team
        if start.threads:
            torch.set_num_threads(start.threads)
        model = (start.model_folder, start.precision, start.temperature, team, start.config.memory)
        self.policy = ShardedPolicy(*model)
        self.reference = None
        if start.reference is not None:
            import ray

            self.reference = self._frozen(model, ray.get(start.reference))

    def _frozen(self, model: tuple[Any, ...], weights: dict[str, Tensor]) -> ShardedPolicy | FrozenAdapters:
        if self.config.memory.lora:
            return FrozenAdapters(self.policy, weights)
        reference = ShardedPolicy(*model)
        reference.load_state(weights)
        return reference

    def load(self, weights: dict[str, Tensor]) -> None:
        """Takes whole weights as `Policy.state` gives them. The first order: an optimiser may copy what it moves."""
        self.policy.load_state(weights)
        self.optimizer = make_optimizer(self.policy, self.config)

    def update(self, groups: Sequence[Group], step: int) -> Updated:
        """Learns from one round of groups (trainer/update.py)."""
        seen: list[tuple[Lesson, np.ndarray]] = []
        metrics = update(
            self.policy,
            self.optimizer,
            groups,
            self.config,
            step,
            self.reference,
            on_lesson=lambda lesson, trainer_logprobs: seen.append((lesson, trainer_logprobs)),
            team=self.team,
        )
        everyones = [found for part in self.team.gather(seen) for found in part]
        return Updated(metrics, everyones, self.policy.whole_state())

    def optimizer_state(self) -> dict[int, dict[str, Tensor]]:
        """The optimiser's whole state by parameter."""
        return optimizer_state(self.optimizer, self.team, self.config.memory.rounded)

    def load_optimizer(self, state: dict[int, dict[str, Tensor]]) -> None:
        """Takes a state as `optimizer_state` gives it."""
        load_optimizer_state(self.optimizer, state)


def serve(start: Start) -> None:
    """Runs in every worker of Ray Train until the driver orders nothing more (None)."""
    import ray
    from ray import train

    context = train.get_context()
    team = Team(context.get_world_rank(), context.get_world_size())
    process = TrainerProcess(start, team)
    with contextlib.suppress(ray.exceptions.ActorDiedError):  # the desk goes with its driver
        while (order := ray.get(start.desk.take.remote(team.rank))) is not None:
            method, arguments = ray.get(order[0])
            try:
                found = method(process, *arguments)
            except (PostgymError, FloatingPointError) as error:  # all processes agree on those
                found = error
            if team.rank == 0:
                start.desk.answer.remote([ray.put(found)])
