"""Do two ways of training learn alike? Reward curves of some seeds each, compared step by step and as a whole."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Paired:
    """Ours minus the peer's mean reward, paired by seed and step.

    Args:
        difference: mean over seeds and steps, with its 95% interval `low` to `high` by Student's t over the seeds.
        p: of the t-test that the mean difference is 0.
        smallest_p: of the t-tests of the single steps, after Holm's correction for so many of them.
        steps_apart: how many steps still differ at 5% then.
    """

    difference: float
    low: float
    high: float
    p: float
    smallest_p: float
    steps_apart: int

    def __str__(self) -> str:
        return (
            f"difference {self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}], p {self.p:.2f}; "
            f"{self.steps_apart} steps apart, smallest p {self.smallest_p:.2f}"
        )


def paired(ours: np.ndarray, theirs: np.ndarray) -> Paired:
    """Compares curves.

    Args:
        ours: mean rewards (seeds, steps); at least two seeds.
        theirs: the same shape.
    """
    gaps = ours - theirs
    (whole,), (half_width,) = _t_test(gaps.mean(1)[:, None])
    corrected = holm(_t_test(gaps)[0])
    mean = float(gaps.mean())
    return Paired(
        mean,
        mean - float(half_width),
        mean + float(half_width),
        float(whole),
        float(corrected.min()),
        int((corrected < 0.05).sum()),
    )


def _t_test(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of columns (n, tests): p that their means are 0, and half the width of the means' 95% intervals.

    Student's t with x = sqrt(n - 1) tan(angle) has a density of cos(angle)^(n - 2): its integral gives both.
    """
    freedom = len(samples) - 1
    angles = np.linspace(0, np.pi / 2, 20_001)
    density = np.cos(angles) ** (freedom - 1)
    inside = np.concatenate(([0], np.cumsum(density[1:] + density[:-1])))
    inside /= inside[-1]
    errors = samples.std(0, ddof=1) / np.sqrt(len(samples))
    # arctan2(0, 0) is 0: where all samples are 0 nothing speaks against it
    p = 1 - np.interp(np.arctan2(np.abs(samples.mean(0)), errors * np.sqrt(freedom)), angles, inside)
    return p, errors * np.sqrt(freedom) * np.tan(np.interp(0.95, inside, angles))


def holm(p: np.ndarray) -> np.ndarray:
    """Each p-value of many tests, corrected so that one false alarm in all of them keeps its probability.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    order = np.argsort(p)
    corrected = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    found = np.empty_like(p)
    found[order] = np.minimum(1, corrected)
    return found
