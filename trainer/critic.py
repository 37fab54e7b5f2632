"""PPO's critic: what the policy can still expect to earn, said before each token that it samples.

A copy of the policy's trunk with one linear row on top, read through the same packed forward pass.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rewards.errors import TrainingError
from trainer.algorithms import ALGORITHMS
from trainer.losses import value_loss
from trainer.optimizer import make_adamw
from trainer.packing import Pack
from trainer.policy import Policy, autocast, load_weights, square_sum
from trainer.recompute import recompute_layers
from trainer.team import ALONE, Team
from trainer.trainer_config import TrainerConfig
from trainer.trunk import hidden_states

# A run's settings are fixed, and its next try would learn from the same episodes.
IN_A_NEW_RUN = "in a new run, from a checkpoint of this one if you like (scripts/model.py RUN --out DIR, --model DIR)"


@dataclass(frozen=True, slots=True)
class ValueTarget:
    """What the critic said of a pack, and what it should have said.

    Args:
        values: float32 (N,), before the round's first step.
        returns: float32 (N,).
    """

    pack: Pack
    values: np.ndarray
    returns: np.ndarray


class Critic:
    """A value model with its optimiser.

    Args:
        policy: its device and precision are the critic's too.
        config: the rates and bounds it learns by.
        model: as `value_model` makes it.
    """

    def __init__(self, policy: Policy, config: TrainerConfig, model: torch.nn.ModuleDict) -> None:
        self.config, self.model = config, model
        self.device, self.precision = policy.device, policy.precision
        self.optimizer = make_adamw(self._learned(), config.critic.learning_rate, config.weight_decay, policy.memory)

    def _learned(self) -> list[torch.nn.Parameter]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def values(self, pack: Pack) -> Tensor:
        """The value before each sampled token of a pack: fp32 (N,), with gradient."""
        with autocast(self.device, self.precision):
            hidden = hidden_states(self.model["trunk"], pack, self.device)
        found = self.model["head"](hidden.float())  # bf16 couldn't tell 0.500 from 0.501
        return found.squeeze(-1).clone()  # FSDP wants no view

    @torch.no_grad()
    def judge(self, pack: Pack) -> np.ndarray:
        """`values` as float64 (N,), to reckon with."""
        return self.values(pack).double().cpu().numpy()

    def learn(self, batches: Sequence[Sequence[ValueTarget]], team: Team = ALONE) -> dict[str, float]:
        """Moves towards the returns of a round; every batch is one optimiser step in each of the epochs.

        Args:
            team: the processes over which the critic is sharded; all call with the same batches.

        Returns:
            Metrics: the loss and gradient norm, means over the steps, and how well the returns were foreseen.

        Raises:
            TrainingError: the gradient is not finite; the critic's weights are untouched by it.
        """
        steps = [self._step(batch, team) for _ in range(self.config.critic.epochs) for batch in batches]
        loss, norm = np.mean(steps, axis=0)
        known = np.concatenate([t.values for batch in batches for t in batch]).astype(np.float64)
        returns = np.concatenate([t.returns for batch in batches for t in batch]).astype(np.float64)
        return {
            "value_loss": float(loss),
            "grad_norm/critic": float(norm),
            "value_mean": float(known.mean()),
            "explained_variance": explained_variance(known, returns),
        }

    def _step(self, batch: Sequence[ValueTarget], team: Team) -> tuple[float, float]:
        tokens = sum(len(target.returns) for target in batch)
        own = 0.0
        for index, counts in team.share([len(target.pack.input_ids) for target in batch]):
            target = batch[index]
            known, returns = (torch.from_numpy(x).to(self.device) for x in (target.values, target.returns))
            losses = value_loss(self.values(target.pack), known, returns, self.config.critic.value_clip)
            loss = counts * losses.sum() / tokens
            loss.backward()
            own += float(loss.detach())
        gradients = [weight.grad for weight in self._learned() if weight.grad is not None]
        total, squares = map(sum, zip(*team.gather((own, square_sum(gradients))), strict=True))
        norm = math.sqrt(squares)
        if not np.isfinite(norm):
            self.optimizer.zero_grad(set_to_none=True)
            raise TrainingError(
                f"the critic's gradient norm is {norm}; lower trainer.critic.learning_rate {IN_A_NEW_RUN}"
            )
        torch.nn.utils.clip_grads_with_norm_(self._learned(), self.config.max_grad_norm, torch.tensor(norm))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, norm

    def state(self) -> dict[str, Tensor]:
        """Copies by name of what learning changes: all weights, or the adapters' and the head's alone."""
        return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in self._changing().items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes weights as `state` gives them."""
        load_weights(self.model, state, self._changing())

    def _changing(self) -> dict[str, Tensor]:
        frozen = {name for name, weight in self.model.named_parameters() if not weight.requires_grad}
        return {name: tensor for name, tensor in self.model.state_dict().items() if name not in frozen}


def make_critic(policy: Policy, config: TrainerConfig) -> Critic | None:
    """The critic of an algorithm that learns by one; None for the others."""
    if ALGORITHMS[config.algorithm].advantage is not None:
        return None
    return Critic(policy, config, value_model(policy, copy.deepcopy(policy.trunk)))


def value_model(policy: Policy, trunk: torch.nn.Module) -> torch.nn.ModuleDict:
    """A `trunk`, such as the policy's own or its copy, and a `head` of one row on top of it."""
    head = torch.nn.Linear(policy.model.config.get_text_config().hidden_size, 1, device=policy.device)
    # Zeros, not noise: the first values are all 0, and no random state is needed to start or resume.
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    if policy.memory.gradient_checkpointing:
        recompute_layers(trunk)
    return torch.nn.ModuleDict({"trunk": trunk, "head": head})


def explained_variance(values: np.ndarray, returns: np.ndarray) -> float:
    """`1 - var(returns - values) / var(returns)`: 1 foresees all, 0 no more than their mean; 0 where all are equal."""
    spread = returns.var()
    return float(1 - (returns - values).var() / spread) if spread > 0 else 0.0
