"""`Trajectory` and `Group`: what the policy sampled, token by token, and what it was worth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.base import Task
from rewards.score import Score
from rewards.transcript import Transcript

Finish = Literal["terminated", "truncated", "context", "error", "cancelled"]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One episode as tokens.

    Args:
        token_ids: int32 (tokens,): prompt, then sampled and appended tokens in order; never re-tokenised.
        loss_mask: bool (tokens,): true on tokens that the policy sampled, on nothing else.
        logprobs: float32 (tokens,): the sampler's logprob where `loss_mask`, 0 elsewhere.
        weight_versions: int32 (tokens,): version of the weights that sampled the token, -1 elsewhere.
        prompt_length: tokens before the first turn.
        finish: how it ended; `error` and `cancelled` leave the score without a value.
        seconds: wall-clock time of the episode.

    Raises:
        ValueError: shapes differ, the prompt is marked as sampled, or a sampled token has no version.
    """

    task: Task
    token_ids: np.ndarray
    loss_mask: np.ndarray
    logprobs: np.ndarray
    weight_versions: np.ndarray
    prompt_length: int
    transcript: Transcript
    score: Score
    finish: Finish
    seconds: float

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.token_ids, self.loss_mask, self.logprobs, self.weight_versions)}
        if len(shapes) != 1 or len(shapes.copy().pop()) != 1:
            raise ValueError(f"{self.task.id}: arrays of one length (tokens,) needed, got {sorted(shapes)}")
        if self.loss_mask[: self.prompt_length].any():
            raise ValueError(f"{self.task.id}: the prompt is marked as sampled")
        if (self.weight_versions[self.loss_mask] < 0).any():
            raise ValueError(f"{self.task.id}: a sampled token has no weight version")

    @property
    def sampled_tokens(self) -> int:
        """How many tokens the policy sampled."""
        return int(self.loss_mask.sum())


@dataclass(frozen=True, slots=True)
class Group:
    """The trajectories of one task: the baseline of each other."""

    task: Task
    trajectories: tuple[Trajectory, ...]

    @property
    def judged(self) -> tuple[Trajectory, ...]:
        """Those with a score: errors that aren't the policy's fault leave the group."""
        return tuple(t for t in self.trajectories if t.score.value is not None)
