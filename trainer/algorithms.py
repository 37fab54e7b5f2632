"""The algorithms by name: each a choice of advantage, objective and aggregation, with its paper's clip.

A new one is a function in `advantages.py` or `losses.py` where it needs one, and a line here. Losses are named, not
imported: a config is checked before torch loads.
"""

from dataclasses import dataclass
from typing import Literal

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

    advantage: advantages.Advantage | None
    objective: Literal["token_clipped", "sequence_clipped", "clipped_weight"]
    aggregation: Aggregation
    clip: Clip

    @property
    def compares_in_groups(self) -> bool:
        """Whether an episode is compared with those of its group: then one of equal rewards teaches nothing."""
        return self.advantage not in (None, advantages.round_normalised)


ALGORITHMS = {
    "grpo": Algorithm(advantages.group_normalised, "token_clipped", "sequence", Clip(0.2, 0.2)),
    "dr_grpo": Algorithm(advantages.group_centred, "token_clipped", "constant", Clip(0.2, 0.2)),
    "dapo": Algorithm(advantages.group_normalised, "token_clipped", "token", Clip(0.2, 0.28)),
    "gspo": Algorithm(advantages.group_normalised, "sequence_clipped", "sequence", Clip(3e-4, 4e-4)),
    "cispo": Algorithm(advantages.group_normalised, "clipped_weight", "token", Clip(1.0, 4.0)),
    "rloo": Algorithm(advantages.leave_one_out, "token_clipped", "constant", Clip(0.2, 0.2)),
    "reinforce++": Algorithm(advantages.round_normalised, "token_clipped", "token", Clip(0.2, 0.2)),
    "reinforce++_baseline": Algorithm(advantages.batch_normalised, "token_clipped", "token", Clip(0.2, 0.2)),
    "ppo": Algorithm(None, "token_clipped", "token", Clip(0.2, 0.2, dual=3.0)),
}
"""By name, each with its paper's loss; `rho_t = pi_new / pi_old`, `clip` to `1 - low .. 1 + high`, G episodes.

- `grpo`: `-1/G sum_i 1/|o_i| sum_t min(rho_t A_i, clip(rho_t) A_i)`; Shao et al. 2024 (DeepSeekMath), eq. 3. Its KL is
  `trainer.kl_coefficient` with k3, eq. 4.
- `dr_grpo`: `-1/G sum_i sum_t min(...)` over a constant, with `A_i = r_i - mean(r)`; Liu et al. 2025, section 3.2.
- `dapo`: `-1/(sum_i |o_i|) sum_i sum_t min(...)` with `high > low`; Yu et al. 2025, eq. 8. Its overlong punishment
  (eq. 13) is `trainer.overlong`.
- `gspo`: `-1/G sum_i min(s_i A_i, clip(s_i) A_i)`, `s_i = exp(1/|o_i| sum_t log rho_t)`; Zheng et al. 2025, eq. 5, 7.
- `cispo`: `-1/(sum_i |o_i|) sum_i sum_t sg(clip(rho_t)) A_i log pi_t`; MiniMax 2025 (MiniMax-M1), eq. 4 and 5.
- `rloo`: `A_i = r_i - 1/(G-1) sum_{j != i} r_j` times `log pi` of the whole episode, a sum over its tokens (over a
  constant); Ahmadian et al. 2024, eq. 8, here with PPO's clip for further steps.
- `reinforce++`: `A_i = (r_i - mean_round(r)) / std_round(r)`, by token; Hu et al. 2025, global normalisation.
- `reinforce++_baseline`: `A_i = (r_i - mean_group(r)) / std_round`, by token; Hu et al. 2025, the variant for groups.
- `ppo`: `A_t` by GAE (Schulman et al. 2016, eq. 16), `min(...)` by token (Schulman et al. 2017, eq. 7), dual clip
  (Ye et al. 2020, eq. 5).
"""
