"""Seeded faults: which call of an episode goes wrong on its way to the tool, and how.

A fault strikes before the tool runs, so that the same call again is always right. What strikes follows from the task
and the number of the call alone; no more than two calls in a row are struck.
"""

import hashlib
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["rate_limit", "server_error", "timeout", "malformed", "changed_field"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_IN_A_ROW = 2  # TextEnv's turn limit counts on it


class Faults(BaseModel):
    """How often calls go wrong, and in which ways.

    A `rate_limit` is answered 429 with Retry-After, a `server_error` 500, a `timeout` not at all; `malformed` is JSON
    that breaks off, and in `changed_field` the field with the result has another name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(0.0, ge=0, le=1, description="share of the calls that are struck")
    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1)
    retry_after: int = Field(1, ge=0, description="seconds that a 429 names; the next call is served all the same")
    stall_seconds: float = Field(0.05, gt=0, description="how long the client waits for an answer that won't come")

    def strikes(self, seed: str, index: int) -> Kind | None:
        """What strikes call number `index` (from 0) of the episode that `seed` names; None lets it through."""
        chance = _chance(seed, index)
        if chance >= self.rate:
            return None
        run = 1  # of calls whose number came up, ending here: two are struck, the third goes through
        while run <= index and _chance(seed, index - run) < self.rate:
            run += 1
        if run % (_IN_A_ROW + 1) == 0:
            return None
        return self.kinds[int(chance / self.rate * len(self.kinds))]


def _chance(seed: str, index: int) -> float:
    """A number in [0, 1) that is the same in every process."""
    digest = hashlib.sha256(f"fault|{seed}|{index}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56
