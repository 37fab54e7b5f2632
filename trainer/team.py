"""The processes that make an update together: who computes which pack, and what they tell each other.

Every pass through a sharded model is one of all processes: each layer's weights are gathered from them all. So all go
through equally many packs, of like size, and a process without one left goes through one that doesn't count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Team:
    """One process among `size`; alone by default, and then nothing is sent anywhere.

    Args:
        rank: which of them, from 0.
        size: of torch.distributed's default group.
    """

    rank: int = 0
    size: int = 1

    def share(self, tokens: Sequence[int]) -> list[tuple[int, bool]]:
        """Which packs this process computes, in order.

        In each pass the processes wait for the longest pack of it: neighbours in size are computed together.

        Args:
            tokens: of each pack; the same in all processes.

        Returns:
            Index of the pack, and whether it counts: of the smallest there are as many more as fill the last pass.
        """
        if self.size == 1:
            return [(index, True) for index in range(len(tokens))]
        order = sorted(range(len(tokens)), key=lambda index: -tokens[index])
        company = [(index, False) for index in order[-1:]] * (-len(order) % self.size)
        return [*((index, True) for index in order), *company][self.rank :: self.size]

    def gather(self, mine: Any) -> list[Any]:
        """What each process has, in the order of ranks; all must ask."""
        if self.size == 1:
            return [mine]
        from torch.distributed import all_gather_object

        found = [None] * self.size
        all_gather_object(found, mine)
        return found


ALONE = Team()
