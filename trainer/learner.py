"""Who learns from a round: the policy of this process, or several processes that hold it in shards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from rollout.trajectory import Group
from trainer.checkpoint import read_weights
from trainer.config import Config
from trainer.critic import make_critic
from trainer.lora import FrozenAdapters
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.update import OnLesson, update


class Optimizer(Protocol):
    """What a checkpoint asks of an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """Its whole state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what `state_dict` gave."""
        ...


class LearnedCritic(Protocol):
    """What a checkpoint asks of a critic."""

    optimizer: Optimizer

    def state(self) -> dict[str, Tensor]:
        """Its weights by name."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes what `state` gave."""
        ...


class Learner(Protocol):
    """Changes the run's policy by a round of episodes.

    Attributes:
        optimizer: the policy's.
        critic: of an algorithm that has one, with its own optimiser.
    """

    optimizer: Optimizer
    critic: LearnedCritic | None

    def update(self, groups: Sequence[Group], step: int, on_lesson: OnLesson) -> dict[str, float]:
        """Learns from one round; arguments, metrics and errors as of trainer/update.py."""
        ...

    def close(self) -> None:
        """Ends what runs beside this process."""
        ...


class OneProcess:
    """The learner in this process.

    Args:
        reference: what `kl_coefficient` holds the policy to; needed when it isn't 0.
    """

    def __init__(self, policy: Policy, config: Config, reference: Policy | FrozenAdapters | None) -> None:
        self._policy, self._settings, self._reference = policy, config.trainer, reference
        self.optimizer: torch.optim.Optimizer = make_optimizer(policy, config.trainer)
        self.critic = make_critic(policy, config.trainer)

    def update(self, groups: Sequence[Group], step: int, on_lesson: OnLesson) -> dict[str, float]:
        """Learns from one round."""
        return update(
            self._policy, self.optimizer, groups, self._settings, step, self._reference, self.critic, on_lesson
        )

    def close(self) -> None:
        """Nothing runs beside this process."""


def make_learner(policy: Policy, model_folder: str, config: Config, folder: Path) -> Learner:
    """One process or several, as `trainer.processes` says.

    Args:
        policy: what is to learn, before its first round or after its last.
        model_folder: what it was loaded from.
        folder: the run's, with the weights of the cold start: KL's reference.
    """
    weights = read_weights(folder / "sft" / "weights.safetensors") if config.trainer.kl_coefficient else None
    if config.trainer.processes > 1:
        from trainer.processes import SeveralProcesses

        return SeveralProcesses(policy, model_folder, config, folder, weights)
    reference = _reference(policy, model_folder, weights) if weights else None
    return OneProcess(policy, config, reference)


def _reference(policy: Policy, model_folder: str, before: dict[str, Tensor]) -> Policy | FrozenAdapters:
    """The policy with its weights of before: a frozen copy, or with adapters a copy of them alone."""
    if policy.memory.lora:
        return FrozenAdapters(policy, before)
    reference = Policy(model_folder, policy.precision, policy.temperature, policy.memory)
    reference.load_state(before)
    return reference
