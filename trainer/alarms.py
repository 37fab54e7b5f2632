"""Signs that a run goes wrong, in words that name what to change. Pure functions on the metrics so far."""

from collections.abc import Mapping, Sequence

WINDOW = 5  # rounds: a single odd round is no sign


def alarms(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """What the newest rounds give reason to worry about; each sign is told once, when it begins.

    Args:
        rows: the metrics of all rounds so far, oldest first.
    """
    now, before = _signs(rows), _signs(rows[:-1])
    return [text for name, text in now.items() if name not in before]


def _signs(rows: Sequence[Mapping[str, float]]) -> dict[str, str]:
    if len(rows) < 2 * WINDOW:
        return {}
    first, last = rows[:WINDOW], rows[-WINDOW:]
    signs = {}
    if _mean(last, "zero_variance_share") > 0.8:
        easy = _mean(last, "reward_mean") > 0.5
        signs["no variance"] = (
            f"{_mean(last, 'zero_variance_share'):.0%} of the groups taught nothing: "
            + ("nearly all episodes succeed; " if easy else "nearly all episodes fail; ")
            + ("raise environments.*.difficulty" if easy else "lower environments.*.difficulty or raise sft.traces")
            + ", or let `curriculum` find the difficulty"
        )
    if 0 <= _mean(last, "entropy") < 0.1 * _mean(first, "entropy") and _mean(last, "reward_mean") < 0.9:
        signs["entropy"] = (
            f"entropy fell from {_mean(first, 'entropy'):.2f} to {_mean(last, 'entropy'):.3f}: the policy hardly "
            "explores; raise trainer.clip_high or trainer.entropy_coefficient, or lower trainer.learning_rate"
        )
    if _mean(last, "completion_tokens") > 2 * _mean(first, "completion_tokens"):
        signs["length"] = (
            f"episodes grew from {_mean(first, 'completion_tokens'):.0f} to {_mean(last, 'completion_tokens'):.0f} "
            "tokens: where the reward didn't, set trainer.overlong, or add a length reward "
            "(rewards.reasoning.soft_overlong) to the rubric"
        )
    if _mean(last, "repetition") > max(0.3, 2 * _mean(first, "repetition")):
        signs["repetition"] = (
            f"{_mean(last, 'repetition'):.0%} of what is sampled repeats itself (4-grams of a turn; it was "
            f"{_mean(first, 'repetition'):.0%}): the policy loops; lower trainer.learning_rate, add "
            "rewards.reasoning.not_repetitive to the rubric, or hold on to the start with trainer.kl_coefficient"
        )
    if _mean(last, "mismatch") > max(0.05, 3 * _mean(first, "mismatch")):
        signs["mismatch"] = (
            f"engine and trainer drift apart ({_mean(last, 'mismatch'):.3f} mean |delta logprob|): set "
            "trainer.importance_beyond to mask, or precision to float32"
        )
    return signs


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    found = [row[name] for row in rows if name in row]
    return sum(found) / len(found) if found else 0.0
