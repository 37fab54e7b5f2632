"""From groups to forward passes: what the episodes of a group share goes in once, no padding.

A `Pack` is one row: the prompt, then what follows it, branch by branch (trainer/tree.py). Every token sees the path
that leads to it, and positions count along the path, so the result is that of separate rows at a fraction of the work.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rollout.trajectory import Trajectory
from trainer.tree import Stretch, Tree, grow, path_to

SHORTEST_SHARED = 64  # tokens after the prompt: below, the calls of attention more cost what two episodes save


@dataclass(frozen=True, slots=True)
class Pack:
    """One forward pass over T tokens with N sampled ones to learn from.

    Args:
        input_ids: int64 (T,).
        position_ids: int64 (T,): position within the episodes that the token is of.
        tree: which tokens see which.
        predict_at: int64 (N,): index into T whose output predicts the token; one may predict for many episodes.
        targets: int64 (N,): the sampled token ids.
        sampler_logprobs: float32 (N,).
        episodes: int64 (N,): which of the packed group's episodes sampled the token; none is in two packs.
    """

    input_ids: np.ndarray
    position_ids: np.ndarray
    tree: Tree
    predict_at: np.ndarray
    targets: np.ndarray
    sampler_logprobs: np.ndarray
    episodes: np.ndarray

    def rows(self) -> list[np.ndarray]:
        """For each end of the tree the indices into T that lead there: what a row of its own would hold."""
        return [self.tree.tokens(self.tree.path(leaf)) for leaf in self.tree.leaves()]


def bound(max_tokens: int, longest: int) -> int:
    """Tokens of a pack at most, where the longest episode has so many.

    One that doesn't fit `max_tokens` makes a pack that is longer anyway. A quarter more then holds others that differ
    from it little, as after a long prompt, which a pack for each of them would put through the model again.
    """
    return max_tokens if longest <= max_tokens else longest + longest // 4


def pack_group(
    trajectories: Sequence[Trajectory], max_tokens: int, shortest: int = SHORTEST_SHARED, shares: bool = True
) -> list[Pack]:
    """Packs the episodes of one task; a group longer than `max_tokens` becomes several packs.

    Args:
        trajectories: episodes with one common prompt.
        max_tokens: bound of a pack; see `bound` for where a single episode is longer.
        shortest: tokens after the prompt that episodes must have in common to share them.
        shares: whether the model computes once what a pack shares; else it counts as often as it is computed.

    Raises:
        ValueError: the prompts differ, or are empty.
    """
    prompt = trajectories[0].token_ids[: trajectories[0].prompt_length]
    if any(not np.array_equal(t.token_ids[: t.prompt_length], prompt) for t in trajectories):
        raise ValueError(f"{trajectories[0].task.id}: the prompts of a group differ")
    if not len(prompt):
        raise ValueError(f"{trajectories[0].task.id}: the prompt is empty: nothing predicts an episode's first token")
    stretches, last = grow([_read(t) for t in trajectories], shortest)
    parents = [s.parent for s in stretches]
    paths = {end: path_to(parents, end) for end in sorted(set(last))}
    if shares:
        max_tokens = bound(max_tokens, max(_tokens(stretches, path) for path in paths.values()))
    packs: list[Pack] = []
    chosen: dict[int, list[int]] = {}  # episodes by the stretch that they end with
    for end in paths:
        if chosen and _computed(stretches, [paths[e] for e in (*chosen, end)], shares) > max_tokens:
            packs.append(_pack(trajectories, stretches, chosen))
            chosen = {}
        chosen[end] = [e for e, its in enumerate(last) if its == end]
    return [*packs, _pack(trajectories, stretches, chosen)]


def _read(trajectory: Trajectory) -> np.ndarray:
    """What the model has to read of an episode: the last sampled token is only predicted."""
    sampled = np.flatnonzero(trajectory.loss_mask)
    return trajectory.token_ids[: sampled[-1] if len(sampled) else trajectory.prompt_length]


def _computed(stretches: Sequence[Stretch], paths: Sequence[tuple[int, ...]], shares: bool) -> int:
    """Tokens that go through the model for a pack with these paths."""
    held = {i for path in paths for i in path}
    if shares:
        return _tokens(stretches, held)
    inner = {stretches[i].parent for i in held}
    return sum(_tokens(stretches, path) for path in paths if path[-1] not in inner)


def _tokens(stretches: Sequence[Stretch], held: Iterable[int]) -> int:
    return sum(stretches[i].stop - stretches[i].start for i in held)


def _pack(trajectories: Sequence[Trajectory], stretches: Sequence[Stretch], chosen: dict[int, list[int]]) -> Pack:
    parents = [s.parent for s in stretches]
    paths = {end: path_to(parents, end) for end in chosen}
    place = {stretch: i for i, stretch in enumerate(sorted({i for path in paths.values() for i in path}))}
    used = [stretches[i] for i in place]
    tree = Tree(tuple(s.stop - s.start for s in used), tuple(place.get(s.parent, -1) for s in used))
    episodes, predict_at = [], []
    for episode, end in sorted((e, end) for end, members in chosen.items() for e in members):
        sampled = np.flatnonzero(trajectories[episode].loss_mask)
        # Token i of an episode is predicted at i - 1 of its path.
        predict_at.append(tree.tokens([place[i] for i in paths[end]])[sampled - 1])
        episodes.append(np.full(len(sampled), episode))
    members = [trajectories[e[0]] for e in episodes if len(e)]
    return Pack(
        np.concatenate([trajectories[s.owner].token_ids[s.start : s.stop] for s in used]).astype(np.int64),
        tree.positions(),
        tree,
        np.concatenate(predict_at).astype(np.int64),
        _joined([t.token_ids[t.loss_mask] for t in members], np.int64),
        _joined([t.logprobs[t.loss_mask] for t in members], np.float32),
        np.concatenate(episodes).astype(np.int64),
    )


def _joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)
