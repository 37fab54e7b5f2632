"""All functions that requests can ask for, by domain, and the draw of those on offer beside the right ones."""

import random
from collections.abc import Collection, Mapping, Sequence

from envs.api.catalogue_away import AWAY
from envs.api.catalogue_daily import DAILY
from envs.api.catalogue_work import WORK
from envs.api.function import Function

DOMAINS: Mapping[str, tuple[Function, ...]] = {**DAILY, **WORK, **AWAY}
FUNCTIONS: Mapping[str, Function] = {f.name: f for functions in DOMAINS.values() for f in functions}
DOMAIN_OF: Mapping[str, str] = {f.name: domain for domain, functions in DOMAINS.items() for f in functions}
BY_SIZE: Sequence[Function] = sorted(FUNCTIONS.values(), key=lambda f: (len(f.parameters), f.name))
MOST_OFFERED = 65  # the right one and 64 beside it

# Where the first isn't on offer the others aren't either: they do something so near that a call wouldn't be wrong.
STAND_INS: Mapping[str, tuple[str, ...]] = {
    "play_song": ("queue_song",),
    "queue_song": ("play_song",),
    "get_temperature": ("get_forecast",),
    "set_lights": ("dim_lights",),
    "dim_lights": ("set_lights",),
    "set_reminder": ("add_todos",),
    "set_timer": ("set_alarm",),
    "send_text": ("send_email",),
    "move_file": ("copy_file",),
    "book_flight": ("search_flights",),
    "book_hotel": ("find_hotels",),
    "rate_restaurant": ("write_review",),
}


def on_offer(rng: random.Random, wanted: Collection[str], absent: Collection[str], count: int) -> list[str]:
    """The names of `count` functions in a random order: the wanted ones among siblings and other domains'.

    Those that are `absent`, and what could stand in for them, stay away. Each domain shown has as many functions as
    any other, as nearly as it goes: a crowd of siblings would mark the right one.
    """
    hidden = {*absent, *(name for a in absent for name in STAND_INS.get(a, ()) if name not in wanted)}
    asked = list(dict.fromkeys(DOMAIN_OF[name] for name in [*wanted, *absent]))
    per_domain = 2 if count < 6 else 3 if count < 20 else 5
    others = [d for d in DOMAINS if d not in asked]
    domains = asked + rng.sample(others, min(len(others), max(0, count // per_domain - len(asked))))
    offered = {d: [name for name in wanted if DOMAIN_OF[name] == d] for d in domains}
    left = {d: [f.name for f in DOMAINS[d] if f.name not in hidden and f.name not in wanted] for d in domains}
    for _ in range(count - len(wanted)):
        poorest = min((d for d in domains if left[d]), key=lambda d: (len(offered[d]), rng.random()), default=None)
        if poorest is None:
            break
        offered[poorest].append(left[poorest].pop(rng.randrange(len(left[poorest]))))
    names = [name for of_domain in offered.values() for name in of_domain]
    return rng.sample(names, len(names))
