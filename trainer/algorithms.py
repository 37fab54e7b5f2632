"""The algorithms by name: each a choice of advantage, objective and aggregation, with its paper's clip.

A new one is a function in `advantages.py` or `losses.py` where it needs one, and a line here. Losses are named, not
imported: a config is checked before torch loads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainer import advantages

Aggregation = Literal["token", "sequence", "constant"]
KlEstimator = Literal["k1", "k2", "k3"]


@dataclass(frozen=True, slots=True)
class Clip:
    """Bounds of the ratio: `1 - low` to `1 + high`; `dual` bounds what a bad token can cost, None doesn't."""

    low: float
    high: float
    dual: float | None = None


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What tells one policy-gradient algorithm from another.

    Args:
        advantage: rewards of all groups to advantages of all episodes; None takes a critic's, token by token.
        objective: the function of `trainer.losses` that says what a token contributes.
        aggregation: how tokens add up.
        clip: used where the config says nothing.
    """

    advantage: Callable[[advantages.Rewards], list[np.ndarray]] | None
    objective: Literal["token_clipped", "sequence_clipped", "clipped_weight"]
    aggregation: Aggregation
    clip: Clip


ALGORITHMS = {
    "grpo": Algorithm(advantages.group_normalised, "token_clipped", "sequence", Clip(0.2, 0.2)),
    "dr_grpo": Algorithm(advantages.group_centred, "token_clipped", "constant", Clip(0.2, 0.2)),
    "dapo": Algorithm(advantages.group_normalised, "token_clipped", "token", Clip(0.2, 0.28)),
    "gspo": Algorithm(advantages.group_normalised, "sequence_clipped", "sequence", Clip(3e-4, 4e-4)),
    "cispo": Algorithm(advantages.group_normalised, "clipped_weight", "token", Clip(1.0, 4.0)),
    "rloo": Algorithm(advantages.leave_one_out, "token_clipped", "sequence", Clip(0.2, 0.2)),
    "reinforce++": Algorithm(advantages.batch_normalised, "token_clipped", "token", Clip(0.2, 0.2)),
    "ppo": Algorithm(None, "token_clipped", "token", Clip(0.2, 0.2, dual=3.0)),
}
