"""From groups to forward passes: the prompt of a group once, its episodes behind it, no padding.

A `Pack` is one row `[prompt, suffix 1, suffix 2, ...]`. Every suffix sees the prompt and itself, and its
positions go on from the prompt's end, so the result is that of separate rows at a fraction of the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rollout.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Pack:
    """One forward pass over T tokens with N sampled ones to learn from.

    Args:
        input_ids: int64 (T,).
        position_ids: int64 (T,): position within prompt + own suffix.
        segment_lengths: tokens of the prompt and of each suffix; they sum to T.
        predict_at: int64 (N,): index into T whose output predicts the token.
        targets: int64 (N,): the sampled token ids.
        sampler_logprobs: float32 (N,).
        episodes: int64 (N,): which of the packed group's episodes sampled the token; none is in two packs.
    """

    input_ids: np.ndarray
    position_ids: np.ndarray
    segment_lengths: tuple[int, ...]
    predict_at: np.ndarray
    targets: np.ndarray
    sampler_logprobs: np.ndarray
    episodes: np.ndarray

    def attention_mask(self, window: int | None = None) -> np.ndarray:
        """bool (T, T): row may look at column.

        Args:
            window: positions that a token sees, itself among them; None sees all.
        """
        segments = np.repeat(np.arange(len(self.segment_lengths)), self.segment_lengths)
        order = np.arange(len(self.input_ids))
        mask = order[None, :] <= order[:, None]
        mask &= (segments[None, :] == segments[:, None]) | (segments[None, :] == 0)
        if window is not None:
            mask &= self.position_ids[:, None] - self.position_ids[None, :] < window
        return mask

    def rows(self) -> list[np.ndarray]:
        """For each suffix the indices into T of the prompt and of itself: what a row of its own would hold."""
        ends = np.cumsum(self.segment_lengths)
        return [np.concatenate((np.arange(ends[0]), np.arange(*span))) for span in pairwise(ends)]


def pack_group(trajectories: Sequence[Trajectory], max_tokens: int) -> list[Pack]:
    """Packs the episodes of one task; a group longer than `max_tokens` becomes several packs.

    Args:
        trajectories: episodes with one common prompt.
        max_tokens: bound of a pack; a single episode that is longer gets a pack of its own.

    Raises:
        ValueError: the prompts differ.
    """
    prompt = trajectories[0].token_ids[: trajectories[0].prompt_length]
    if any(not np.array_equal(t.token_ids[: t.prompt_length], prompt) for t in trajectories):
        raise ValueError(f"{trajectories[0].task.id}: the prompts of a group differ")
    packs: list[Pack] = []
    chosen: list[tuple[int, Trajectory]] = []
    size = len(prompt)
    for index, trajectory in enumerate(trajectories):
        length = len(trajectory.token_ids) - len(prompt)
        if chosen and size + length > max_tokens:
            packs.append(_pack(prompt, chosen))
            chosen, size = [], len(prompt)
        chosen.append((index, trajectory))
        size += length
    return [*packs, _pack(prompt, chosen)]


def _pack(prompt: np.ndarray, chosen: Sequence[tuple[int, Trajectory]]) -> Pack:
    start = len(prompt)
    ids, positions = [prompt], [np.arange(start)]
    predict_at, targets, logprobs, episodes = [], [], [], []
    offset = start
    for index, trajectory in chosen:
        sampled = np.flatnonzero(trajectory.loss_mask)
        # The last sampled token is only predicted, never read.
        suffix = trajectory.token_ids[start : sampled[-1]] if len(sampled) else prompt[:0]
        # Token i is predicted at i - 1: the first of a suffix by the shared prompt's last token.
        predict_at.append(np.where(sampled == start, start - 1, offset + sampled - 1 - start))
        targets.append(trajectory.token_ids[sampled])
        logprobs.append(trajectory.logprobs[sampled])
        episodes.append(np.full(len(sampled), index))
        ids.append(suffix)
        positions.append(np.arange(start, start + len(suffix)))
        offset += len(suffix)
    return Pack(
        np.concatenate(ids).astype(np.int64),
        np.concatenate(positions).astype(np.int64),
        tuple(len(part) for part in ids),
        np.concatenate(predict_at).astype(np.int64),
        np.concatenate(targets).astype(np.int64),
        np.concatenate(logprobs).astype(np.float32),
        np.concatenate(episodes).astype(np.int64),
    )
