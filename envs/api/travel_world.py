"""The travel agency's world: made-up towns with trips, hotels, sights, entry rules, rates, and the tools over them."""

import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from envs.api.travel_rules import DAY, VISIT, is_open
from envs.tools import ToolError, tool
from envs.weather_world import make_country, make_names

Day = Annotated[str, Field(description="like 2026-03-02")]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_AIRLINES = ("Norda Air", "Bluewing", "Skylane", "Aerolux", "Halcyon Air")
_RAILWAYS = ("Eastrail", "Raildart", "Silverline", "Nordbahn")
_CHAINS = ("Lindner Inns", "Parkview", "Old Harbour", "Meridian", "Little Owl", "Castle Rooms")
_SIGHTS = (
    "Glass Museum",
    "Old Mint",
    "Clock Tower",
    "Botanical Garden",
    "Maritime Hall",
    "Puppet Theatre",
    "Salt Mine",
)
_REACH = 60  # days ahead that can be asked about


class Draws:
    """Draws the parts of a world; whoever draws decides which journeys it has to offer."""

    def __init__(self, rng: random.Random, abroad: int) -> None:
        self.rng = rng
        countries: dict[str, None] = {}
        while len(countries) < abroad + 1:
            countries[make_country(rng)] = None
        self.countries = list(countries)
        codes = [c[:3].upper() for c in self.countries]
        while len(set(codes)) < len(codes):
            codes = ["".join(rng.choice("BDFGKLMNPRSTVZ") for _ in range(3)) for _ in codes]
        self.currency = dict(zip(self.countries, codes, strict=True))
        today = date(2026, 1, 1) + timedelta(days=rng.randrange(900))
        self._ids = iter(rng.sample(range(100, 1000), 400))
        self.world: dict[str, Any] = {
            "today": today.isoformat(),
            "weekday": today.weekday(),
            "home": self.countries[0],
            "currency": codes[0],
            "rates": {code: rng.choice([n for n in range(35, 260) if n % 10]) for code in codes[1:]},
            "cities": {},
            "trips": {},
            "hotels": {},
            "sights": {},
            "entry": {},
            "cards": [],
        }

    def cities(self, countries: list[str]) -> list[str]:
        """Adds a city in each of these countries; returns their names."""
        names = make_names(self.rng, len(countries))
        self.world["cities"] |= {name: {"country": c} for name, c in zip(names, countries, strict=True)}
        return names

    def key(self, letter: str) -> str:
        """A new id."""
        return f"{letter}{next(self._ids)}"

    def trips(self, origin: str, destination: str, day: int, count: int) -> None:
        """Adds flights and trains for a day; some leave early, some late."""
        rng = self.rng
        currency = self.currency[self.world["cities"][origin]["country"]]
        for kind, carriers, low, high, fast in (
            ("flight", _AIRLINES, 4, 16, (50, 130)),
            ("train", _RAILWAYS, 2, 13, (120, 330)),
        ):
            for carrier in rng.sample(carriers, count):
                depart = day * DAY + 5 * rng.randint(66, 234)
                arrive = min(depart + 5 * (rng.randint(*fast) // 5), day * DAY + DAY - 5)
                trip = {"id": self.key(kind[0]), "kind": kind, "from": origin, "to": destination, "depart": depart}
                price = 20 * rng.randint(low, high)
                more = {"arrive": arrive, "price": price, "currency": currency, "carrier": carrier}
                self.world["trips"][trip["id"]] = {**trip, **more}

    def hotels(self, city: str, count: int, days: tuple[int, int]) -> None:
        """Adds hotels of 2 to 5 stars; some are full on some night."""
        rng = self.rng
        currency = self.currency[self.world["cities"][city]["country"]]
        for chain in rng.sample(_CHAINS, count):
            stars = rng.randint(2, 5)
            full = [d for d in range(days[0], days[1] + 1) if rng.random() < 0.15]
            hotel = {"id": self.key("h"), "city": city, "chain": chain, "stars": stars, "full": full}
            price = 20 * (stars + rng.randint(0, 5))
            self.world["hotels"][hotel["id"]] = {**hotel, "price": price, "currency": currency}

    def sight(self, city: str) -> str:
        """Adds a sight; returns its id."""
        rng = self.rng
        key, price = self.key("s"), rng.randint(12, 40)
        name = f"{rng.choice(_SIGHTS)} of {city}"
        hours = {"opens": 60 * rng.randint(8, 11), "closes": 60 * rng.randint(15, 19), "closed": rng.randrange(7)}
        self.world["sights"][key] = {
            **{"id": key, "city": city, "name": name, **hours, "price": price, "reduced": price // 2},
            "reduced_on": (hours["closed"] + rng.randint(1, 6)) % 7,
            "currency": self.currency[self.world["cities"][city]["country"]],
        }
        return key

    def entry(self, country: str, needed: bool, days: int) -> None:
        """Adds the entry rules of a country for travellers from home."""
        visa = {"id": self.key("v"), "visa": needed, "fee": 5 * self.rng.randint(3, 16), "days": days}
        self.world["entry"][country] = {**visa, "currency": self.currency[country]}

    def cards(self, count: int) -> None:
        """Gives the traveller discount cards of carriers or chains that are met."""
        sellers = [t["carrier"] for t in self.world["trips"].values()] + [
            h["chain"] for h in self.world["hotels"].values()
        ]
        names = self.rng.sample(sorted(set(sellers)), count)
        self.world["cards"] = [{"with": name, "percent": self.rng.choice((5, 10, 15, 20, 25))} for name in names]


def day_text(world: Mapping[str, Any], day: int) -> str:
    """A day as the tools write it."""
    return (date.fromisoformat(world["today"]) + timedelta(days=day)).isoformat()


def weekday_text(world: Mapping[str, Any], day: int) -> str:
    """A day with its weekday, for people: Monday 2026-03-02."""
    return f"{_WEEKDAYS[(world['weekday'] + day) % 7]} {day_text(world, day)}"


def clock(minutes: int) -> str:
    """The time of day: 09:30."""
    return f"{minutes % DAY // 60:02}:{minutes % 60:02}"


def time_text(world: Mapping[str, Any], minutes: int) -> str:
    """A time as the tools write it: 2026-03-02 09:30."""
    return f"{day_text(world, minutes // DAY)} {clock(minutes)}"


class Agency:
    """One episode's travel agency: its methods are the tools; `booked` and `effects` tell what was done."""

    def __init__(self, world: Mapping[str, Any]) -> None:
        self._world = world
        self.booked: dict[str, dict[str, Any]] = {}
        self.effects: list[dict[str, str]] = []

    @tool
    def flights(self, origin: str, destination: str, day: Day) -> list[dict[str, Any]]:
        """Flights from city to city on a day, local times."""
        return self._trips("flight", origin, destination, day)

    @tool
    def trains(self, origin: str, destination: str, day: Day) -> list[dict[str, Any]]:
        """Trains from city to city on a day, local times."""
        return self._trips("train", origin, destination, day)

    @tool
    def hotels(self, city: str, check_in: Day, nights: Annotated[int, Field(ge=1, le=14)]) -> list[dict[str, Any]]:
        """Hotels of a city that have a room for all these nights; the price is for one night."""
        self._check_city(city)
        stay = set(range(self._day(check_in), self._day(check_in) + nights))
        found = [h for h in self._world["hotels"].values() if h["city"] == city and not stay & set(h["full"])]
        return [{k: h[k] for k in ("id", "chain", "stars", "price", "currency")} for h in found]

    @tool
    def sights(self, city: str) -> list[dict[str, Any]]:
        """Sights of a city with opening hours and prices. A visit takes two hours and starts on the hour."""
        self._check_city(city)
        return [self._sight(s) for s in self._world["sights"].values() if s["city"] == city]

    @tool
    def entry_rules(self, country: str, passport: Annotated[str, Field(description="a country")]) -> dict[str, Any]:
        """Whether a passport needs a visa; its fee, and how many days from today it takes."""
        if passport != self._world["home"] or country not in self._world["entry"]:
            raise ToolError("unknown_country", f"no rules for {country[:30]!r} with a passport of {passport[:30]!r}")
        rule = self._world["entry"][country]
        return {k: rule[k] for k in ("visa", "id", "fee", "currency", "days")} if rule["visa"] else {"visa": False}

    @tool
    def exchange_rate(self, currency: str) -> dict[str, Any]:
        """What one unit of a foreign currency costs in the traveller's own."""
        if currency not in self._world["rates"]:
            raise ToolError("unknown_currency", f"no rate for {currency[:10]!r}")
        return {"rate": self._world["rates"][currency] / 100, "in": self._world["currency"]}

    @tool
    def discounts(self) -> list[dict[str, Any]]:
        """The traveller's discount cards, in percent off every price of that company."""
        return self._world["cards"]

    @tool
    def book(
        self,
        offer: Annotated[str, Field(description="id of a flight, train, hotel, sight or visa")],
        start: Annotated[str, Field(description="check-in day of a hotel; day and hour of a visit")] = "",
        nights: Annotated[int, Field(ge=0, le=14, description="for hotels")] = 0,
    ) -> str:
        """Books an offer for good. Returns the booking's id."""
        booking = self._booking(offer, start, nights)
        key = f"b{len(self.effects) + 1}"
        self.booked[key] = {"offer": offer, **booking}
        self.effects.append({"action": "book", "on": f"offers/{offer}"})
        return key

    @tool
    def cancel(self, booking: str) -> str:
        """Cancels a booking; nothing is paid back."""
        if booking not in self.booked:
            raise ToolError("unknown_booking", f"no booking {booking[:20]!r}")
        del self.booked[booking]
        self.effects.append({"action": "cancel", "on": f"bookings/{booking}"})
        return "cancelled"

    def _booking(self, offer: str, start: str, nights: int) -> dict[str, Any]:
        world = self._world
        if hotel := world["hotels"].get(offer):
            day = self._day(start)
            if not nights or set(range(day, day + nights)) & set(hotel["full"]):
                raise ToolError("no_room", f"{offer} has no room for {nights} nights from {start[:20]}")
            return {"day": day, "nights": nights}
        if sight := world["sights"].get(offer):
            at = self._time(start)
            if at % 60 or not is_open(sight, (world["weekday"] + at // DAY) % 7, at):
                raise ToolError("closed", f"{offer} can't be visited from {start[:20]!r} on")
            return {"start": at}
        if start or nights:
            raise ToolError("invalid_argument", "start and nights are for hotels and visits")
        if offer in world["trips"] or any(v["id"] == offer and v["visa"] for v in world["entry"].values()):
            return {}
        raise ToolError("unknown_offer", f"no offer {offer[:20]!r}; take the id from a search")

    def _trips(self, kind: str, origin: str, destination: str, day: str) -> list[dict[str, Any]]:
        self._check_city(origin)
        self._check_city(destination)
        number = self._day(day)
        found = [
            t
            for t in self._world["trips"].values()
            if (t["kind"], t["from"], t["to"], t["depart"] // DAY) == (kind, origin, destination, number)
        ]
        times = [{"departs": clock(t["depart"]), "arrives": clock(t["arrive"])} for t in found]
        kept = ("price", "currency", "carrier")
        shown = [{"id": t["id"], **when, **{k: t[k] for k in kept}} for t, when in zip(found, times, strict=True)]
        return sorted(shown, key=lambda t: t["departs"])

    def _sight(self, s: Mapping[str, Any]) -> dict[str, Any]:
        opening = f"{clock(s['opens'])}-{clock(s['closes'])}, closed on {_WEEKDAYS[s['closed']]}"
        reduced = {"on": _WEEKDAYS[s["reduced_on"]], "price": s["reduced"]}
        kept = {k: s[k] for k in ("id", "name", "price", "currency")}
        return {**kept, "open": opening, "reduced": reduced, "minutes": VISIT}

    def _check_city(self, city: str) -> None:
        if city not in self._world["cities"]:
            raise ToolError("unknown_city", f"no city {city[:30]!r}; write it as the traveller does")

    def _day(self, text: str) -> int:
        try:
            day = (datetime.strptime(text, "%Y-%m-%d").date() - date.fromisoformat(self._world["today"])).days
        except ValueError:
            raise ToolError("bad_date", f"{text[:20]!r} is no date like {self._world['today']}") from None
        if not 0 <= day <= _REACH:
            raise ToolError("out_of_range", f"offers reach from {self._world['today']} on for {_REACH} days")
        return day

    def _time(self, text: str) -> int:
        try:
            moment = datetime.strptime(text, "%Y-%m-%d %H:%M")
        except ValueError:
            raise ToolError("bad_time", f"{text[:20]!r} is no time like {self._world['today']} 14:00") from None
        return self._day(text[:10]) * DAY + moment.hour * 60 + moment.minute
