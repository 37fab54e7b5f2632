"""The optimiser of a policy, and the rate that it learns at."""

import torch

from trainer.config import TrainerConfig
from trainer.policy import Policy


def make_optimizer(policy: Policy, config: TrainerConfig) -> torch.optim.AdamW:
    """AdamW over all weights, which passes over them once."""
    return torch.optim.AdamW(
        policy.parameters,
        lr=config.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate(config: TrainerConfig, step: int) -> float:
    """The rate of a round: a linear warm-up, then level or, with `linear`, a straight fall that ends after the last."""
    rate = config.learning_rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
    return rate if config.schedule == "constant" else rate * max(0.0, 1 - step / config.steps)
