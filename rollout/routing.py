"""Which replica of an engine answers a request: the one that knows its beginning, unless that one is too busy."""

import hashlib
import math
from array import array
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np


class Router:
    """Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018).

    Each key has its own order of the replicas, always the same: a group's members and an episode's later turns find
    their prefix where the first turn left it. The first in the order that is not too busy answers. A replica that
    dies loses its keys to the next in their orders, and gets them back when it lives again.

    Args:
        replicas: how many there are; they are named 0 to replicas - 1.
    """

    def __init__(self, replicas: int) -> None:
        self._running = [0] * replicas
        self._total = 0

    @property
    def running(self) -> tuple[int, ...]:
        """Requests that each replica is at."""
        return tuple(self._running)

    def take(self, key: str, alive: Collection[int]) -> int:
        """The replica for a request about `key`; it counts as running until `give_back`.

        Args:
            alive: the replicas that can answer; one at least.
        """
        self._total += 1
        most = most_running(self._total, len(alive))
        chosen = next(r for r in _order(key, len(self._running)) if r in alive and self._running[r] < most)
        self._running[chosen] += 1
        return chosen

    def give_back(self, replica: int) -> None:
        """A request that `take` gave to `replica` has ended, well or not."""
        self._running[replica] -= 1
        self._total -= 1


def most_running(total: int, replicas: int) -> int:
    """How many of `total` running requests one of `replicas` may have: a quarter above its even share."""
    return min(total, math.ceil(1.25 * total / replicas))


@lru_cache(maxsize=1024)  # a group's turns all ask for the same one
def _order(key: str, replicas: int) -> Sequence[int]:
    """A shuffle that follows from the key; of a thousand replicas it takes a thirtieth of what hashing each would."""
    seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return array("i", np.random.Generator(np.random.PCG64(seed)).permutation(replicas).tolist())
