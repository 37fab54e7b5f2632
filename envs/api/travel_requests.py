"""Requests to the travel agency: drawn with the world that they are about, and put into words."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envs.api.travel_rules import DAY, cheapest, trips_of
from envs.api.travel_world import Draws, clock, weekday_text

FINE, OVER = "fine", "over budget"  # otherwise a request turns out as what makes it impossible
_EVENTS = (
    *("a meeting", "an interview", "a hearing", "a lecture to give", "a site visit", "a workshop", "a rehearsal"),
    *("a handover", "a trade fair", "an audition", "an auction", "a christening", "a reunion", "an inspection"),
)
_BOOK = (
    "Please book the cheapest trip.",
    "Book whatever is cheapest in all.",
    "Find the cheapest plan and book it.",
    "I'd like the cheapest way to do it, booked.",
)
_SPEND = (
    "I can spend {budget} {currency} in all.",
    "All of it may cost {budget} {currency} at most.",
    "My budget is {budget} {currency}.",
    "It mustn't cost more than {budget} {currency} together.",
)
_DRAWS = 100  # for one outcome, before another is tried
_MARGIN = 60  # minutes between arriving and the meeting


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request of some difficulty asks for."""

    stops: int
    abroad: bool
    back: bool
    loose: bool  # the days of travel may be chosen
    sight: bool
    cards: int

    @classmethod
    def draw(cls, rng: random.Random, difficulty: float) -> "Wishes":
        """A single ticket at difficulty 0, two towns abroad with everything at 1."""
        level = difficulty + rng.uniform(-0.1, 0.1)
        return cls(
            stops=1 + (level >= 0.85),
            abroad=level >= 0.4,
            back=level >= 0.12,
            loose=level >= 0.6,
            sight=level >= 0.65,
            cards=0 if level < 0.2 else rng.randint(1, 2),
        )


def _draw_outcome(rng: random.Random, difficulty: float) -> str:
    """How the request will turn out: "fine", "over budget", or what is lacking."""
    if rng.random() < 0.78:
        return FINE
    lacking = ["transport", *["hotel"] * (difficulty >= 0.25), *["visa"] * (difficulty >= 0.5)]
    return rng.choice([OVER, OVER, *lacking])


def _draw(rng: random.Random, difficulty: float, outcome: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """A world and a request, without its budget, that some plan meets unless the outcome forbids it; else None."""
    wishes = Wishes.draw(rng, difficulty)
    draws = Draws(rng, wishes.stops if wishes.abroad else 0)
    world, first = draws.world, rng.randint(4, 25)
    home, foreign = draws.countries[0], draws.countries[1:]
    origin, *towns = draws.cities([home, *(foreign if wishes.abroad else [home] * wishes.stops)])
    stops = [_stop(rng, town, first + index) for index, town in enumerate(towns)]
    legs = _legs(rng, wishes, origin, stops)
    for leg in legs:
        for day in range(leg["after"] // DAY, leg["before"] // DAY + 1):
            draws.trips(leg["from"], leg["to"], day, rng.randint(2, 3) if difficulty >= 0.2 else 2)
    if wishes.back:
        for town in towns:
            draws.hotels(town, rng.randint(3, 5), (first - 1, first + wishes.stops + 1))
    if wishes.sight:
        place = rng.choice(stops)
        place["sight"] = draws.sight(place["city"])
    for country in foreign:
        draws.entry(country, outcome == "visa" or rng.random() < 0.6, rng.randint(1, first - 2))
    draws.cards(wishes.cards)
    request = {"origin": origin, "stops": stops, "legs": legs, "loose": wishes.loose}
    if cheapest(world, request) is None:
        return None
    if outcome in (FINE, OVER):
        return world, request
    _break(rng, world, request, outcome)
    return (world, request) if cheapest(world, request) is None else None


def make(rng: random.Random, difficulty: float) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """How a request turns out, its world, and the request without its budget."""
    while True:
        outcome = _draw_outcome(rng, difficulty)
        for _ in range(_DRAWS):
            if drawn := _draw(rng, difficulty, outcome):
                return outcome, *drawn


def _stop(rng: random.Random, town: str, day: int) -> dict[str, Any]:
    begins = day * DAY + 30 * rng.randint(22, 29)
    meeting = [begins, begins + 30 * rng.randint(2, 5)]
    return {
        "city": town,
        "meeting": meeting,
        "stars": rng.choice((2, 3, 3, 4)),
        "sight": "",
        "event": rng.choice(_EVENTS),
    }


def _legs(rng: random.Random, wishes: Wishes, origin: str, stops: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each way with the earliest time to leave and the latest to arrive."""
    at, legs = origin, []
    after = (stops[0]["meeting"][0] // DAY - wishes.loose) * DAY
    for stop in stops:
        legs.append({"from": at, "to": stop["city"], "after": after, "before": stop["meeting"][0] - _MARGIN})
        at, after = stop["city"], stop["meeting"][1]
    if wishes.back:
        last = after // DAY + 1
        legs.append({"from": at, "to": origin, "after": after if wishes.loose else last * DAY, "before": last * DAY})
        legs[-1]["before"] += 60 * rng.randint(18, 23)
    return legs


def _break(rng: random.Random, world: dict[str, Any], request: Mapping[str, Any], outcome: str) -> None:
    """Takes away what the outcome says is lacking."""
    if outcome == "transport":
        for trip in trips_of(world, rng.choice(request["legs"])):
            del world["trips"][trip["id"]]
    if outcome == "hotel":
        stop = rng.choice(request["stops"])
        day = stop["meeting"][0] // DAY
        for hotel in world["hotels"].values():
            if hotel["city"] == stop["city"] and hotel["stars"] >= stop["stars"]:
                hotel["full"] = [day - 1, day, day + 1]
    if outcome == "visa":
        rng.choice([v for v in world["entry"].values() if v["visa"]])["days"] = request["legs"][0]["before"] // DAY + 3


def budget_for(rng: random.Random, total: int, outcome: str) -> int:
    """What the traveller can spend, in whole units, when the cheapest plan costs `total` hundredths."""
    if outcome == OVER:
        return max(10, int(total * rng.uniform(0.007, 0.0098)) // 10 * 10)
    return -(-int(total * rng.uniform(1.0, 1.3)) // 1000) * 10


def ask(rng: random.Random, world: Mapping[str, Any], request: Mapping[str, Any], budget: int) -> str:
    """The request in words."""
    stops, legs, origin = request["stops"], request["legs"], request["origin"]
    today = f"Today is {weekday_text(world, 0)}."
    spend = rng.choice(_SPEND).format(budget=budget, currency=world["currency"])
    cards = ["My discount cards are on file."] if world["cards"] else []
    if len(legs) == 1:
        by = f"by {clock(legs[0]['before'])} on {weekday_text(world, legs[0]['before'] // DAY)}"
        way = rng.choice(
            (
                f"I have to get from {origin} to {{to}} {by}, all on that day.",
                f"I'll be in {origin} that morning and need to be in {{to}} {by}.",
            )
        )
        return " ".join([today, way.format(to=stops[0]["city"]), *cards, spend, rng.choice(_BOOK)])
    lives = f"I live in {origin}"
    lives += f" and have a passport of {world['home']}." if world["entry"] else "."
    said = [
        today,
        lives,
        *(_stop_words(world, stop) for stop in stops),
        f"I have to arrive {_MARGIN} minutes before it begins.",
    ]
    said[-1] = said[-1].replace("it begins", "each of them begins") if len(stops) > 1 else said[-1]
    return " ".join([*said, *_way_words(world, request), *_stay_words(world, stops), *cards, spend, rng.choice(_BOOK)])


def _stop_words(world: Mapping[str, Any], stop: Mapping[str, Any]) -> str:
    begins, ends = stop["meeting"]
    country = world["cities"][stop["city"]]["country"]
    town = stop["city"] if country == world["home"] else f"{stop['city']} ({country})"
    when = weekday_text(world, begins // DAY)
    return f"On {when} I have {stop['event']} in {town} from {clock(begins)} to {clock(ends)}."


def _way_words(world: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    first, last, origin = request["legs"][0], request["legs"][-1], request["origin"]
    until = f"{clock(last['before'])} on {weekday_text(world, last['before'] // DAY)}"
    leave = f"I leave {origin} on {weekday_text(world, first['after'] // DAY)}"
    if request["loose"]:
        direct = (
            " Between the towns I travel directly, once the first appointment is over."
            if len(request["legs"]) > 2
            else ""
        )
        home = f"I travel home when it is over, that day or the next, and have to be back by {until}."
        return [f"{leave} at the earliest.{direct}", home]
    return [f"{leave}, stay one night and travel home the next day; I have to be back by {until}."]


def _stay_words(world: Mapping[str, Any], stops: list[dict[str, Any]]) -> list[str]:
    said = [f"In {s['city']} a hotel needs at least {s['stars']} stars." for s in stops]
    said += [
        f"I also want to visit the {world['sights'][s['sight']]['name']} while I'm there." for s in stops if s["sight"]
    ]
    return said
