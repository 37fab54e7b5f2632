"""PPO's critic: what the policy can still expect to earn, said before each token that it samples.

A copy of the policy's trunk with one linear row on top, read through the same packed forward pass.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.algorithms import ALGORITHMS
from trainer.losses import value_loss
from trainer.optimizer import make_adamw
from trainer.packing import Pack
from trainer.policy import Policy, autocast
from trainer.recompute import recompute_layers
from trainer.trainer_config import TrainerConfig
from trainer.trunk import hidden_states


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
        policy: its trunk is copied as it is now; device and precision are its too.
        config: the rates and bounds it learns by.
    """

    def __init__(self, policy: Policy, config: TrainerConfig) -> None:
        self.config = config
        self.device, self.precision = policy.device, policy.precision
        head = torch.nn.Linear(policy.model.config.get_text_config().hidden_size, 1, device=self.device)
        # Zeros, not noise: the first values are all 0, and no random state is needed to start or resume.
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        self.model = torch.nn.ModuleDict({"trunk": copy.deepcopy(policy.trunk), "head": head})
        if policy.memory.gradient_checkpointing:
            recompute_layers(self.model["trunk"])
        learned = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = make_adamw(learned, config.critic.learning_rate, config.weight_decay, policy.memory)

    def values(self, pack: Pack) -> Tensor:
        """The value before each sampled token of a pack: fp32 (N,), with gradient."""
        with autocast(self.device, self.precision):
            hidden = hidden_states(self.model["trunk"], pack, self.device)
        return self.model["head"](hidden.float()).squeeze(-1)  # bf16 couldn't tell 0.500 from 0.501

    @torch.no_grad()
    def judge(self, pack: Pack) -> np.ndarray:
        """`values` as float64 (N,), to reckon with."""
        return self.values(pack).double().cpu().numpy()

    def learn(self, batches: Sequence[Sequence[ValueTarget]]) -> dict[str, float]:
        """Moves towards the returns of a round; every batch is one optimiser step in each of the epochs.

        Returns:
            Metrics: the loss and gradient norm, means over the steps, and how well the returns were foreseen.

        Raises:
            FloatingPointError: the gradient is not finite; the critic's weights are untouched by it.
        """
        steps = [self._step(batch) for _ in range(self.config.critic.epochs) for batch in batches]
        loss, norm = np.mean(steps, axis=0)
        known = np.concatenate([t.values for batch in batches for t in batch]).astype(np.float64)
        returns = np.concatenate([t.returns for batch in batches for t in batch]).astype(np.float64)
        return {
            "value_loss": float(loss),
            "grad_norm/critic": float(norm),
            "value_mean": float(known.mean()),
            "explained_variance": explained_variance(known, returns),
        }

    def _step(self, batch: Sequence[ValueTarget]) -> tuple[float, float]:
        tokens = sum(len(target.returns) for target in batch)
        total = 0.0
        for target in batch:
            known, returns = (torch.from_numpy(x).to(self.device) for x in (target.values, target.returns))
            loss = value_loss(self.values(target.pack), known, returns, self.config.critic.value_clip).sum() / tokens
            loss.backward()
            total += float(loss.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm))
        if not np.isfinite(norm):
            self.optimizer.zero_grad(set_to_none=True)
            raise FloatingPointError(f"the critic's gradient norm is {norm}; lower trainer.critic.learning_rate")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, norm

    def state(self) -> dict[str, Tensor]:
        """Copies of the weights by name."""
        return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in self.model.state_dict().items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes weights as `state` gives them."""
        self.model.load_state_dict(state)


def make_critic(policy: Policy, config: TrainerConfig) -> Critic | None:
    """The critic of an algorithm that learns by one; None for the others."""
    return Critic(policy, config) if ALGORITHMS[config.algorithm].advantage is None else None


def explained_variance(values: np.ndarray, returns: np.ndarray) -> float:
    """`1 - var(returns - values) / var(returns)`: 1 foresees all, 0 no more than their mean; 0 where all are equal."""
    spread = returns.var()
    return float(1 - (returns - values).var() / spread) if spread > 0 else 0.0
