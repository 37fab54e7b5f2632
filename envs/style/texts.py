"""Plain sentences about everyday topics, made to order: by first letter, by count, with given words."""

import random
from collections.abc import Sequence

TOPICS = (
    *("rivers", "bread", "libraries", "bridges", "gardens", "trains", "winter", "music", "maps", "bicycles", "markets"),
    *("lighthouses", "tea", "forests", "clocks", "kitchens", "harbours", "mountains", "letters", "museums", "islands"),
    *("birds", "rain", "football", "paper", "salt", "candles", "boats", "kites", "honey", "windmills", "chess"),
)
OPENERS = {
    **{"a": "Always", "b": "Besides", "c": "Clearly", "d": "Daily", "e": "Everywhere", "f": "Frankly"},
    **{"g": "Generally", "h": "Here", "i": "Indeed", "j": "Jointly", "k": "Kindly", "l": "Lately", "m": "Mostly"},
    **{"n": "Nowadays", "o": "Often", "p": "Perhaps", "r": "Rarely", "s": "Sometimes", "t": "Today", "u": "Usually"},
    **{"v": "Visibly", "w": "Widely", "y": "Yearly"},
}
_WHO = (
    *("people", "children", "artists", "neighbours", "travellers", "teachers", "families", "friends", "visitors"),
    "workers",
)
_DO = (
    *("talk about {t}", "think of {t}", "write about {t}", "look after {t}", "learn about {t}", "tell tales of {t}"),
    *("dream of {t}", "care for {t}", "enjoy {t}", "praise {t}", "remember {t}", "share {t}"),
)
_HOW = (
    *(
        "with great joy",
        "in the evening",
        "at the weekend",
        "all over the land",
        "without a second thought",
        "by heart",
    ),
    *("for many years", "in small towns", "with their friends", "for good reasons", "in a calm mood", "after work"),
)
ACROSTICS = (
    *("sun", "star", "moon", "leaf", "wind", "coast", "stone", "bloom", "green", "light", "water", "dream", "grain"),
    *("forest", "island", "garden"),
)
EXTRAS = (
    *("lantern", "marble", "velvet", "compass", "orchard", "whistle", "pebble", "meadow", "ribbon", "cobalt"),
    *("anchor", "thimble"),
)
PALINDROMES = ("level", "civic", "noon", "radar", "kayak", "refer")


def sentence(rng: random.Random, topic: str, letter: str = "", extra: Sequence[str] = ()) -> str:
    """One sentence without commas or digits; `letter` begins it, `extra` words stand in it."""
    opener = OPENERS[letter or rng.choice(sorted(OPENERS))]
    tail = f" near the {' and the '.join(extra)}" if extra else ""
    return f"{opener} {rng.choice(_WHO)} {rng.choice(_DO).format(t=topic)} {rng.choice(_HOW)}{tail}."


def sentences(rng: random.Random, topic: str, count: int, letters: str = "") -> list[str]:
    """Different sentences, with different first words as long as there are letters for it."""
    order = list(letters) or rng.sample(sorted(OPENERS), min(count, len(OPENERS)))
    found: list[str] = []
    while len(found) < count:
        one = sentence(rng, topic, order[len(found) % len(order)])
        found += [one] if one not in found else []
    return found
