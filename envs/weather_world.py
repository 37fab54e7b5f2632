"""The world of the weather environment: made-up cities with coordinates and temperatures, and the tools to ask it.

Temperatures are kept in half degrees celsius: both units are then exact with one decimal.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from envs.tools import ToolError, tool

UNITS = ("celsius", "fahrenheit")
LAST_DAY = 5  # forecasts reach from 1 (tomorrow) to this day
Unit = Annotated[str, Field(json_schema_extra={"enum": list(UNITS)})]  # a str, so that a wrong one is `unknown_unit`

_ONSETS = ["b", "br", "d", "dr", "f", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p", "r", "s", "t", "tr", "v"]
_MIDDLES = ["l", "m", "n", "r", "v", "d", "t", "s", "k", "z", "nd", "rt", "lm", "st", "rv", "lk"]
_VOWELS = ["a", "e", "i", "o", "u"]
_ENDS = ["n", "r", "s", "ra", "na", "la", "to", "va", "do", "mi", "len", "ber"]
_STATES = ["ia", "land", "stan"]


def make_name(rng: random.Random) -> str:
    """A pronounceable city name, one of 96,000."""
    parts = (_ONSETS, _VOWELS, _MIDDLES, _VOWELS, _ENDS)
    return "".join(rng.choice(part) for part in parts).capitalize()


def make_names(rng: random.Random, count: int) -> list[str]:
    """`count` different city names."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[make_name(rng)] = None
    return list(names)


def make_country(rng: random.Random) -> str:
    """A country's name; no city has such a one."""
    stem = rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(["l", "m", "n", "r", "v", "d", "t", "s", "k", "z"])
    return (stem + rng.choice(_STATES)).capitalize()


def make_cities(rng: random.Random, copies: Mapping[str, int], halves: bool) -> list[dict[str, Any]]:
    """The cities of a world as plain JSON, in the order in which `geocode` lists them.

    Args:
        rng: the only source of chance.
        copies: how many cities bear each name, each in a country of its own.
        halves: whether temperatures may end in .5, else they are whole degrees celsius.

    Returns:
        Objects with name, country, lat, lon and `halves`: half degrees celsius now and on each forecast
        day. At any one day no two cities are equally warm, and no city repeats a temperature.
    """
    cities: list[dict[str, Any]] = []
    places: set[tuple[float, float]] = set()
    taken: list[set[int]] = [set() for _ in range(LAST_DAY + 1)]
    for name, count in copies.items():
        countries: dict[str, None] = {}
        while len(countries) < count:
            countries[make_country(rng)] = None
        for country in countries:
            lat, lon = _make_place(rng, places)
            cities.append(
                {"name": name, "country": country, "lat": lat, "lon": lon, "halves": _make_days(rng, taken, halves)}
            )
    return cities


def _make_place(rng: random.Random, places: set[tuple[float, float]]) -> tuple[float, float]:
    """Coordinates whose latitude nobody else has: "the northernmost" must be one city."""
    while True:
        place = (rng.randint(-699, 699) / 10, rng.randint(-1799, 1799) / 10)
        if place[0] not in {lat for lat, _ in places}:
            places.add(place)
            return place


def _make_days(rng: random.Random, taken: list[set[int]], halves: bool) -> list[int]:
    days: list[int] = []
    middle = rng.randint(-15, 32)
    while len(days) <= LAST_DAY:
        half = 2 * (middle + rng.randint(-10, 10)) + (rng.randint(0, 1) if halves else 0)
        if half not in days and half not in taken[len(days)]:
            taken[len(days)].add(half)
            days.append(half)
    return days


def tenths(half_degrees: int, unit: str) -> int:
    """A temperature in tenths of a degree of `unit`, exactly."""
    return 5 * half_degrees if unit == "celsius" else 9 * half_degrees + 320


def reading(city: Mapping[str, Any], day: int, unit: str) -> int:
    """A city's temperature in tenths of a degree: of a made-up one, or as an endpoint gave it for either unit."""
    return city["tenths"][unit][day] if "tenths" in city else tenths(city["halves"][day], unit)


def shown(tenth_degrees: int) -> int | float:
    """Tenths as the number that people write: 15, not 15.0."""
    return tenth_degrees // 10 if tenth_degrees % 10 == 0 else tenth_degrees / 10


class World:
    """One episode's world: its methods are the tools.

    Args:
        cities: as `make_cities` returns them.
    """

    def __init__(self, cities: Sequence[Mapping[str, Any]]) -> None:
        self._by_name: dict[str, list[Mapping[str, Any]]] = {}
        for city in cities:
            self._by_name.setdefault(city["name"].casefold(), []).append(city)
        self._by_place = {(city["lat"], city["lon"]): city for city in cities}

    @tool
    def geocode(self, city: str) -> list[dict[str, Any]]:
        """Cities of that name."""
        found = self._by_name.get(city.strip().casefold())
        if not found:
            raise ToolError("unknown_city", f"no city {city[:40]!r}; give the bare name as it is spelt")
        return [{"country": c["country"], "lat": c["lat"], "lon": c["lon"]} for c in found]

    @tool
    def current(self, lat: float, lon: float, unit: Unit = "celsius") -> dict[str, Any]:
        """Temperature now. Celsius by default."""
        return self._read(lat, lon, 0, unit)

    @tool
    def forecast(self, lat: float, lon: float, day: int, unit: Unit = "celsius") -> dict[str, Any]:
        """Temperature in 1 to 5 days."""
        if not 1 <= day <= LAST_DAY:
            raise ToolError("day_out_of_range", f"no forecast for that day; days go from 1 (tomorrow) to {LAST_DAY}")
        return self._read(lat, lon, day, unit)

    def _check_unit(self, unit: str) -> None:
        if unit not in UNITS:
            raise ToolError("unknown_unit", f"no unit {unit[:40]!r}; use {' or '.join(UNITS)}")

    def _read(self, lat: float, lon: float, day: int, unit: str) -> dict[str, Any]:
        self._check_unit(unit)
        city = self._by_place.get((lat, lon))
        if city is None:
            raise ToolError("no_station", f"no station at {lat:g}, {lon:g}; take lat and lon from geocode")
        return {"temp": shown(tenths(city["halves"][day], unit))}
