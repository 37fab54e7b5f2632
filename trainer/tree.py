"""What the episodes of a group have in common, as a tree: stretches of tokens that go through the model once.

`grow` finds the tree of a group's ids; `Tree` is the shape of one that is laid out in a row, which is all that
attention has to know of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


def path_to(parents: Sequence[int], index: int) -> tuple[int, ...]:
    """The stretches from the beginning to `index`, itself among them; `parents` says which each one continues."""
    found = []
    while index >= 0:
        found.append(index)
        index = parents[index]
    return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Tree:
    """Stretches of tokens in a row, each after the one that it continues: what branches off A, then A's next sibling.

    A token sees the stretches that its own continues, and its own up to itself. Hashable, so that masks are made once.

    Args:
        lengths: tokens of each stretch; they sum to T.
        parents: which stretch each one continues; -1 begins at position 0.

    Raises:
        ValueError: a stretch doesn't follow what it continues, or comes after another branch has begun.
    """

    lengths: tuple[int, ...]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        for index, parent in enumerate(self.parents):
            if parent >= 0 and parent not in self.path(index - 1):
                raise ValueError(f"stretch {index} continues {parent}, whose branch has ended: {self.parents}")

    def path(self, index: int) -> tuple[int, ...]:
        """The stretches from the beginning to this one, itself among them."""
        return path_to(self.parents, index)

    def before(self, index: int) -> int:
        """The position of a stretch's first token: how many tokens it continues."""
        return sum(self.lengths[i] for i in self.path(index)[:-1])

    def tokens(self, path: Sequence[int]) -> np.ndarray:
        """Where the tokens of some stretches stand in the row: int64."""
        ends = (0, *np.cumsum(self.lengths).tolist())
        return np.concatenate([np.arange(ends[i], ends[i + 1]) for i in path])

    def positions(self) -> np.ndarray:
        """int64 (T,): every token's position in the episodes that it is of."""
        return np.concatenate([self.before(i) + np.arange(n) for i, n in enumerate(self.lengths)])

    def leaves(self) -> list[int]:
        """The stretches that none continues."""
        return [i for i in range(len(self.lengths)) if i not in self.parents]

    def branch_ends(self) -> np.ndarray:
        """int64 (T,): the place in the row where all that continues a token's stretch has ended."""
        ends = np.cumsum(self.lengths)
        for index in range(len(self.lengths) - 1, 0, -1):
            if (parent := self.parents[index]) >= 0:
                ends[parent] = max(ends[parent], ends[index])
        return np.repeat(ends, self.lengths)

    def attention_mask(self, window: int | None = None) -> np.ndarray:
        """bool (T, T): row may look at column.

        Args:
            window: positions that a token sees, itself among them; None sees all.
        """
        order = np.arange(sum(self.lengths))
        mask = (order[None, :] <= order[:, None]) & (order[:, None] < self.branch_ends()[None, :])
        if window is not None:
            positions = self.positions()
            mask &= positions[:, None] - positions[None, :] < window
        return mask


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens `start` to `stop` of the episode `owner`, which others may share.

    Args:
        parent: which stretch this one continues; -1 begins.
    """

    start: int
    stop: int
    owner: int
    parent: int


def grow(ids: Sequence[np.ndarray], shortest: int) -> tuple[list[Stretch], list[int]]:
    """The tree of what episodes share from their beginning on.

    Args:
        ids: each episode's tokens; all begin alike.
        shortest: what fewer tokens than these share after a parting is not worth a stretch: each has its own copy.

    Returns:
        the stretches, a branch after the other, and for each episode the last one of its path. An episode that is the
        beginning of another, or its double, has no stretch of its own: its tokens are the first of the other's path.
    """
    whole = [e for e in range(len(ids)) if not any(_is_within(ids, e, other) for other in range(len(ids)))]
    stretches: list[Stretch] = []
    last: dict[int, int] = {}

    def split(members: list[int], start: int, depth: int, parent: int) -> None:
        """Members are alike up to `depth` and in stretches up to `start`."""
        stop = _alike([ids[m] for m in members], depth)
        if len(members) == 1 or start == 0 or stop - start >= shortest:
            stretches.append(Stretch(start, stop, members[0], parent))
            start, parent = stop, len(stretches) - 1
        if len(members) == 1:
            last[members[0]] = parent
            return
        branches: dict[int, list[int]] = {}
        for m in members:
            branches.setdefault(int(ids[m][stop]), []).append(m)
        for branch in branches.values():
            split(branch, start, stop, parent)

    split(whole, 0, 0, -1)
    hosts = [next(w for w in whole if w == e or _is_within(ids, e, w)) for e in range(len(ids))]
    return stretches, [last[host] for host in hosts]


def _is_within(ids: Sequence[np.ndarray], episode: int, other: int) -> bool:
    """Is an episode the beginning of another? Of doubles the first is the other of all."""
    short, long = ids[episode], ids[other]
    if len(short) > len(long) or (len(short) == len(long) and episode <= other):
        return False
    return np.array_equal(short, long[: len(short)])


def _alike(ids: Sequence[np.ndarray], depth: int) -> int:
    """How many first tokens all have in common, `depth` of which are known to be."""
    shortest = min(len(i) for i in ids)
    stop = shortest
    for a, b in pairwise(ids):
        differ = np.flatnonzero(a[depth:stop] != b[depth:stop])
        stop = depth + int(differ[0]) if len(differ) else stop
    return stop
