"""Rules of travel: what a plan costs, whether bookings meet a request, and the cheapest plan by trying all journeys.

Times are minutes from midnight of the day of the request, days are counted from it, costs are hundredths of the
traveller's currency. Worlds, requests and bookings are plain JSON, as `travel_world` makes them.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DAY = 24 * 60
VISIT = 120  # minutes that a visit takes
Journey = tuple[Mapping[str, Any], ...]  # a trip for each leg


def rate_of(world: Mapping[str, Any], currency: str) -> int:
    """Hundredths of the home currency that a unit of `currency` costs."""
    return 100 if currency == world["currency"] else world["rates"][currency]


def cost(world: Mapping[str, Any], price: int, currency: str, seller: str = "") -> int:
    """A price in hundredths of the home currency, the discount of the traveller's card taken off. Always exact."""
    percent = next((c["percent"] for c in world["cards"] if c["with"] == seller), 0)
    return price * (100 - percent) // 100 * rate_of(world, currency)


def trips_of(world: Mapping[str, Any], leg: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The trips that a leg allows."""
    return [
        t
        for t in world["trips"].values()
        if (t["from"], t["to"]) == (leg["from"], leg["to"])
        and leg["after"] <= t["depart"]
        and t["arrive"] <= leg["before"]
    ]


def hotels_of(world: Mapping[str, Any], stop: Mapping[str, Any], first: int, nights: int) -> list[Mapping[str, Any]]:
    """The hotels good enough for a stop that have a room from day `first` on."""
    stay = range(first, first + nights)
    found = (h for h in world["hotels"].values() if h["city"] == stop["city"] and h["stars"] >= stop["stars"])
    return [h for h in found if not set(h["full"]) & set(stay)]


def is_open(sight: Mapping[str, Any], weekday: int, start: int) -> bool:
    """Whether a visit that starts on this weekday at this minute fits into the opening hours."""
    minute = start % DAY
    return weekday != sight["closed"] and sight["opens"] <= minute and minute + VISIT <= sight["closes"]


def ticket(world: Mapping[str, Any], sight: Mapping[str, Any], day: int) -> int:
    """The price of a visit on that day, in the sight's currency."""
    return sight["reduced"] if (world["weekday"] + day) % 7 == sight["reduced_on"] else sight["price"]


def visits(world: Mapping[str, Any], stop: Mapping[str, Any], arrive: int, depart: int) -> list[int]:
    """Full hours at which the stop's sight can be visited between arriving and leaving, the meeting aside."""
    sight, (begins, ends) = world["sights"][stop["sight"]], stop["meeting"]
    hours = range(-(-arrive // 60) * 60, depart - VISIT + 1, 60)
    free = [s for s in hours if s + VISIT <= begins or ends <= s]
    return [s for s in free if is_open(sight, (world["weekday"] + s // DAY) % 7, s)]


def visas(world: Mapping[str, Any], request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The visas that the stops need, one a country."""
    countries = dict.fromkeys(world["cities"][stop["city"]]["country"] for stop in request["stops"])
    rules = (world["entry"][c] for c in countries if c in world["entry"])
    return [rule for rule in rules if rule["visa"]]


def stays(request: Mapping[str, Any], journey: Journey) -> Iterator[tuple[Mapping[str, Any], int, int]]:
    """Every stop with when one arrives and leaves; a journey that ends there leaves at once."""
    for index, stop in enumerate(request["stops"]):
        arrive = journey[index]["arrive"]
        yield stop, arrive, journey[index + 1]["depart"] if index + 1 < len(journey) else arrive


def _extras(
    world: Mapping[str, Any], stop: Mapping[str, Any], arrive: int, depart: int
) -> tuple[int, list[dict[str, Any]]] | None:
    """The cheapest hotel and visit at a stop: their cost and bookings; None where one is lacking."""
    total, bookings = 0, []
    day, nights = arrive // DAY, depart // DAY - arrive // DAY
    if nights:
        rooms = hotels_of(world, stop, day, nights)
        if not rooms:
            return None
        paid, key = min((cost(world, h["price"] * nights, h["currency"], h["chain"]), h["id"]) for h in rooms)
        total += paid
        bookings.append({"offer": key, "day": day, "nights": nights})
    if stop["sight"]:
        sight = world["sights"][stop["sight"]]
        times = visits(world, stop, arrive, depart)
        if not times:
            return None
        paid, at = min((cost(world, ticket(world, sight, t // DAY), sight["currency"]), t) for t in times)
        total += paid
        bookings.append({"offer": sight["id"], "start": at})
    return total, bookings


def cheapest(world: Mapping[str, Any], request: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]] | None:
    """The least total and the bookings that it takes; None where no plan meets the request, whatever it costs."""
    needed = visas(world, request)
    papers = sum(cost(world, v["fee"], v["currency"]) for v in needed)
    fares = {key: cost(world, t["price"], t["currency"], t["carrier"]) for key, t in world["trips"].items()}
    ways = [sorted(trips_of(world, leg), key=lambda t: fares[t["id"]]) for leg in request["legs"]]
    extras = functools.cache(lambda at, arrive, depart: _extras(world, request["stops"][at], arrive, depart))
    earliest = max((v["days"] for v in needed), default=0) * DAY
    best: tuple[int, Journey] | None = None
    for journey in itertools.product(*ways):
        total = papers + sum(fares[t["id"]] for t in journey)
        if journey[0]["arrive"] < earliest or (best and total >= best[0]):
            continue
        for at, (stop, arrive, depart) in enumerate(stays(request, journey)):
            # Without a visit only the days count: a key by days is met again more often.
            times = (arrive, depart) if stop["sight"] else (arrive // DAY * DAY, depart // DAY * DAY)
            if (found := extras(at, *times)) is None:
                break
            total += found[0]
        else:
            if best is None or total < best[0]:
                best = total, journey
    if best is None:
        return None
    bookings = [{"offer": key} for key in (*(v["id"] for v in needed), *(t["id"] for t in best[1]))]
    for at, (_, arrive, depart) in enumerate(stays(request, best[1])):
        bookings += extras(at, arrive, depart)[1]
    return best[0], bookings


def fault(world: Mapping[str, Any], request: Mapping[str, Any], booked: Sequence[Mapping[str, Any]]) -> str:
    """What keeps bookings from being a plan for the request, in words; "" where they are one, at whatever cost."""
    trips = [world["trips"][b["offer"]] for b in booked if b["offer"] in world["trips"]]
    journey = []
    for leg in request["legs"]:
        fitting = [t for t in trips if t in trips_of(world, leg)]
        if len(fitting) != 1:
            return f"{len(fitting)} trips from {leg['from']} to {leg['to']} are booked that fit"
        journey += fitting
    expected = len(journey)
    for stop, arrive, depart in stays(request, tuple(journey)):
        day, nights = arrive // DAY, depart // DAY - arrive // DAY
        rooms = {h["id"] for h in hotels_of(world, stop, day, nights)}
        fit = [b for b in booked if b["offer"] in rooms and (b["day"], b["nights"]) == (day, nights)]
        if nights and len(fit) != 1:
            return f"{len(fit)} hotels in {stop['city']} are booked that fit"
        if stop["sight"]:
            times = visits(world, stop, arrive, depart)
            seen = [b for b in booked if b["offer"] == stop["sight"] and b["start"] in times]
            if len(seen) != 1:
                return f"{len(seen)} visits in {stop['city']} are booked that fit"
        expected += bool(nights) + bool(stop["sight"])
    for visa in visas(world, request):
        if visa["days"] > journey[0]["arrive"] // DAY or all(b["offer"] != visa["id"] for b in booked):
            return "a visa is lacking"
        expected += 1
    return "" if len(booked) == expected else f"{len(booked)} bookings where {expected} are needed"


def paid(world: Mapping[str, Any], booked: Sequence[Mapping[str, Any]]) -> int:
    """What bookings cost together."""
    total = 0
    for b in booked:
        key = b["offer"]
        if trip := world["trips"].get(key):
            total += cost(world, trip["price"], trip["currency"], trip["carrier"])
        elif hotel := world["hotels"].get(key):
            total += cost(world, hotel["price"] * b["nights"], hotel["currency"], hotel["chain"])
        elif sight := world["sights"].get(key):
            total += cost(world, ticket(world, sight, b["start"] // DAY), sight["currency"])
        else:
            visa = next(v for v in world["entry"].values() if v["id"] == key)
            total += cost(world, visa["fee"], visa["currency"])
    return total
