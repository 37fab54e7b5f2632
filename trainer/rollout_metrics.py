"""The numbers of a round's episodes: what they earned, how long they were, and how old the policy that sampled them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from rollout.collect import error_counts
from rollout.trajectory import Group, Trajectory

_GRAM = 4  # tokens: shorter ones repeat in any text, longer ones miss short loops


def rollout_metrics(groups: Sequence[Group], version: int) -> dict[str, float]:
    """Rewards and their parts, lengths, error counts and staleness of one round.

    Args:
        groups: all that were played, also those that nothing is learned from.
        version: of the weights that are about to learn from the round.

    Returns:
        `reward_mean` and `success_rate` are there where an episode was judged; `truncated_share` is of the episodes
        that ran into a limit of turns or context; `staleness` counts the updates between the weights that sampled a
        token and those that learn from it, mean and largest over all tokens;
        `token_age/N` is the share of tokens that are N updates old;
        `repetition` is of the 4-grams that stood earlier in the same turn. `reward/ENV`, `success/ENV` and
        `parts/ENV/CRITERION` are means over the environment's judged episodes; `errors/FAULT` counts episodes
        without a verdict, `call_errors/KIND` tool calls that failed.
    """
    episodes = [t for g in groups for t in g.trajectories]
    judged = [t for g in groups for t in g.judged]
    values = np.array([t.score.value for t in judged], np.float64)
    lengths = [t.sampled_tokens for t in episodes]
    ages = np.concatenate([version - t.weight_versions[t.loss_mask] for t in episodes] or [np.zeros(0)])
    row = {
        "completion_tokens": sum(lengths) / max(1, len(episodes)),
        "completion_tokens_max": float(max(lengths, default=0)),
        "truncated_share": sum(t.finish in ("truncated", "context") for t in episodes) / max(1, len(episodes)),
        "repetition": repetition(episodes),
        "staleness": float(ages.mean()) if len(ages) else 0.0,
        "staleness_max": float(ages.max()) if len(ages) else 0.0,
    }
    if len(values):
        row |= {"reward_mean": float(values.mean()), "success_rate": float((values == 1).mean())}
    for age, count in zip(*np.unique(ages, return_counts=True), strict=True):
        row[f"token_age/{int(age)}"] = count / len(ages)
    for env in sorted({t.task.env for t in judged}):
        scores = [t.score for t in judged if t.task.env == env]
        row[f"reward/{env}"] = float(np.mean([s.value for s in scores]))
        row[f"success/{env}"] = float(np.mean([s.value == 1 for s in scores]))
        for name in dict.fromkeys(part.name for s in scores for part in s.parts):
            found = [part.value for s in scores for part in s.parts if part.name == name]
            row[f"parts/{env}/{name}"] = float(np.mean(found))
    for fault, count in error_counts(groups).items():
        row[f"errors/{fault}"] = float(count)
    for kind, count in Counter(c.error for t in episodes for c in t.transcript.calls if c.error).items():
        row[f"call_errors/{kind}"] = float(count)
    return row


class Tally:
    """What the episodes that have ended so far earned, and how many had no verdict."""

    def __init__(self) -> None:
        self._scores: list[float] = []
        self._errors: Counter[str] = Counter()

    def add(self, trajectory: Trajectory) -> str:
        """Counts an episode; says all so far in a few words: `mean score 0.412  errors: 3 hung`."""
        if trajectory.score.value is None:
            self._errors[f"errors/{trajectory.score.fault}"] += 1
        else:
            self._scores.append(trajectory.score.value)
        mean = f"mean score {np.mean(self._scores):.3f}" if self._scores else "none judged"
        return mean + errors_shown(self._errors)

    @property
    def episodes(self) -> int:
        """How many it has counted."""
        return len(self._scores) + self._errors.total()


def errors_shown(counts: Mapping[str, float]) -> str:
    """`  errors: 3 hung, 1 raised` of a row of metrics or of counts by kind; empty where there were none."""
    kinds = {name.removeprefix("errors/"): int(n) for name, n in counts.items() if name.startswith("errors/")}
    listed = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.items())
    return f"  errors: {listed}" if listed else ""


def repetition(episodes: Sequence[Trajectory]) -> float:
    """Share of the sampled 4-grams that stood earlier in the same turn; 0 where no turn has any.

    Source: Welleck et al. 2020 (Neural Text Generation with Unlikelihood Training), seq-rep-4.
    """
    total = repeated = 0
    for t in episodes:
        edges = np.flatnonzero(np.diff(t.loss_mask, prepend=False, append=False))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end - start >= _GRAM:
                grams = np.lib.stride_tricks.sliding_window_view(t.token_ids[start:end], _GRAM)
                total += len(grams)
                repeated += len(grams) - len(np.unique(grams, axis=0))
    return repeated / max(1, total)
