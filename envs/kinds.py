"""Which kind of question a difficulty asks, for environments with a list of kinds that grow harder."""

import random
from collections.abc import Sequence

_WINDOW = 3  # only the hardest few of the kinds that a difficulty admits are asked,
_TOP_WINDOW, _TOP_FROM = 2, 0.9  # and near the top only those with most to do


def pick_kind(rng: random.Random, kinds: Sequence[tuple[float, str]], difficulty: float) -> str:
    """One of the hardest few kinds of question, each told with the difficulty from which it is asked."""
    window = _TOP_WINDOW if difficulty >= _TOP_FROM else _WINDOW
    return rng.choice([kind for start, kind in kinds if start <= difficulty][-window:])
