"""Signs that a run goes wrong, in words that name what to change. Pure functions on the metrics so far."""

from collections import Counter
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
    return _of_verdicts(rows[-WINDOW:]) | _of_drift(rows) if len(rows) >= 2 * WINDOW else {}


def _of_verdicts(last: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """What the newest rounds' scores say."""
    if failed := [row for row in last if "reward_mean" not in row]:
        counts: Counter[str] = Counter()
        for row in failed:
            counts.update({name: int(n) for name, n in row.items() if name.startswith("errors/")})
        kind = f" ({counts.most_common(1)[0][0].removeprefix('errors/')})" if counts else ""
        text = (
            f"no episode could be judged in {len(failed)} of the last {WINDOW} rounds{kind}: nothing is learned; see "
            "the errors in scripts/view.py, then mend the environment or its service"
        )
        return {"unjudged": text}
    if (share := _mean(last, "zero_variance_share")) > 0.8:
        outcome, mend = "fail", "lower environments.*.difficulty or raise sft.traces"
        if _mean(last, "reward_mean") > 0.5:
            outcome, mend = "succeed", "raise environments.*.difficulty"
        text = (
            f"{share:.0%} of the groups taught nothing: nearly all episodes {outcome}; {mend}, or let `curriculum` "
            "find the difficulty"
        )
        return {"no variance": text}
    return {}


def _of_drift(rows: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """What has changed since the first rounds."""
    signs = {}
    before, now = _ends(rows, "entropy")
    if 0 <= now < 0.1 * before and _mean(rows[-WINDOW:], "reward_mean") < 0.9:
        signs["entropy"] = (
            f"entropy fell from {before:.2f} to {now:.3f}: the policy hardly explores; raise trainer.clip_high or "
            "trainer.entropy_coefficient, or lower trainer.learning_rate"
        )
    before, now = _ends(rows, "completion_tokens")
    if now > 2 * before:
        signs["length"] = (
            f"episodes grew from {before:.0f} to {now:.0f} tokens: where the reward didn't, set trainer.overlong, or "
            "add a length reward (rewards.reasoning.soft_overlong) to the rubric"
        )
    before, now = _ends(rows, "repetition")
    if now > max(0.3, 2 * before):
        signs["repetition"] = (
            f"{now:.0%} of what is sampled repeats itself (4-grams of a turn; it was {before:.0%}): the policy loops; "
            "lower trainer.learning_rate, add rewards.reasoning.not_repetitive to the rubric, or hold on to the start "
            "with trainer.kl_coefficient"
        )
    before, now = _ends(rows, "mismatch")
    if now > max(0.05, 3 * before):
        signs["mismatch"] = (
            f"engine and trainer drift apart ({now:.3f} mean |delta logprob|): set trainer.importance_beyond to mask, "
            "or precision to float32"
        )
    return signs


def _ends(rows: Sequence[Mapping[str, float]], name: str) -> tuple[float, float]:
    """Means of the first and of the last rounds that have the number; not a number where they are too few to tell.

    A round without an update has no entropy and no mismatch.
    """
    having = [row for row in rows if name in row]
    if len(having) < 2 * WINDOW:
        return float("nan"), float("nan")
    return _mean(having[:WINDOW], name), _mean(having[-WINDOW:], name)


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    found = [row[name] for row in rows if name in row]
    return sum(found) / len(found) if found else float("nan")
