"""One of several trainer processes: holds its shards of policy and critic, and does what the driver orders in turn.

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
from trainer.algorithms import ALGORITHMS
from trainer.lessons import Lesson
from trainer.lora import FrozenAdapters
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.sharded import ShardedCritic, ShardedPolicy, load_optimizer_state, optimizer_state
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
    """The shards of one process, and what can be ordered; all processes are ordered the same."""

    def __init__(self, start: Start, team: Team) -> None:
        self.config, self.team = start.config, team
        if start.threads:
            torch.set_num_threads(start.threads)
        self._model = (start.model_folder, start.precision, start.temperature)
        self.policy = ShardedPolicy(*self._model, team, self.config.memory)
        self.critic: ShardedCritic | None = None
        self.reference = None
        if start.reference is not None:
            import ray

            self.reference = self._frozen(ray.get(start.reference))

    def _frozen(self, weights: dict[str, Tensor]) -> ShardedPolicy | FrozenAdapters:
        if self.config.memory.lora:
            return FrozenAdapters(self.policy, weights)
        reference = ShardedPolicy(*self._model, self.team, self.config.memory)
        reference.load_state(weights)
        return reference

    def load(self, weights: dict[str, Tensor]) -> None:
        """Takes whole weights as `Policy.state` gives them. The first order: optimisers and critic start from them."""
        self.policy.load_state(weights)
        self.optimizer = make_optimizer(self.policy, self.config)
        if ALGORITHMS[self.config.algorithm].advantage is None:
            whole = Policy(*self._model, self.config.memory)
            whole.load_state(weights)
            self.critic = ShardedCritic(whole, self.config, self.team)

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
            self.critic,
            on_lesson=lambda lesson, trainer_logprobs: seen.append((lesson, trainer_logprobs)),
            team=self.team,
        )
        everyones = [found for part in self.team.gather(seen) for found in part]
        return Updated(metrics, everyones, self.policy.whole_state())

    def optimizer_state(self, of_critic: bool) -> dict[int, dict[str, Tensor]]:
        """An optimiser's whole state by parameter: the policy's or the critic's."""
        return optimizer_state(self._optimizer(of_critic), self.team, self.config.memory.rounded)

    def load_optimizer(self, of_critic: bool, state: dict[int, dict[str, Tensor]]) -> None:
        """Takes a state as `optimizer_state` gives it."""
        load_optimizer_state(self._optimizer(of_critic), state)

    def _optimizer(self, of_critic: bool) -> torch.optim.Optimizer:
        return self.critic.optimizer if of_critic else self.optimizer

    def critic_state(self) -> dict[str, Tensor]:
        """The critic's whole weights."""
        return self.critic.whole_state()

    def load_critic(self, state: dict[str, Tensor]) -> None:
        """Takes weights as `critic_state` gives them."""
        self.critic.load_state(state)


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
            except PostgymError as error:  # all processes agree on those
                found = error
            if team.rank == 0:
                start.desk.answer.remote([ray.put(found)])
