"""The numbers of a round's episodes: what they earned, how long they were, and how old the policy that sampled them."""

from collections.abc import Mapping, Sequence

import numpy as np

from rollout.collect import error_counts
from rollout.trajectory import Group


def rollout_metrics(groups: Sequence[Group], seconds: float, version: int) -> dict[str, float]:
    """Rewards, lengths, error counts, speed and staleness of one round.

    Args:
        seconds: what sampling took.
        version: of the weights that are about to learn from the round.

    Returns:
        `truncated_share` is of the episodes that ran into a limit of turns or context; `staleness` counts the updates
        between the weights that sampled a token and those that learn from it, mean and largest over all tokens.
    """
    episodes = [t for g in groups for t in g.trajectories]
    judged = [t for g in groups for t in g.judged]
    values = np.array([t.score.value for t in judged], np.float64)
    lengths = [t.sampled_tokens for t in episodes]
    ages = np.concatenate([version - t.weight_versions[t.loss_mask] for t in episodes] or [np.zeros(0)])
    row = {
        "reward_mean": float(values.mean()) if len(values) else 0.0,
        "success_rate": float((values == 1).mean()) if len(values) else 0.0,
        "completion_tokens": sum(lengths) / max(1, len(episodes)),
        "completion_tokens_max": float(max(lengths, default=0)),
        "truncated_share": sum(t.finish in ("truncated", "context") for t in episodes) / max(1, len(episodes)),
        "staleness": float(ages.mean()) if len(ages) else 0.0,
        "staleness_max": float(ages.max()) if len(ages) else 0.0,
        "tokens_per_second": sum(lengths) / max(seconds, 1e-9),
    }
    for env in sorted({t.task.env for t in judged}):
        row[f"reward/{env}"] = float(np.mean([t.score.value for t in judged if t.task.env == env]))
    for fault, count in error_counts(groups).items():
        row[f"errors/{fault}"] = float(count)
    return row


def errors_shown(counts: Mapping[str, float]) -> str:
    """`  errors: 3 hung, 1 raised` of a row of metrics or of counts by kind; empty where there were none."""
    kinds = {name.removeprefix("errors/"): int(n) for name, n in counts.items() if name.startswith("errors/")}
    listed = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.items())
    return f"  errors: {listed}" if listed else ""
