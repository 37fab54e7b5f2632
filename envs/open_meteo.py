"""Real weather for the weather environment, from an endpoint that speaks as Open-Meteo does.

Routes, parameters and JSON as in https://open-meteo.com/en/docs and .../docs/geocoding-api: GET /v1/search?name= finds
places, GET /v1/forecast?latitude=&longitude= tells the temperature now and each day's highest.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from envs.tools import FaultError, ToolError, tool
from envs.weather_questions import City, Question, make_question
from envs.weather_world import LAST_DAY, UNITS, Unit, World, shown
from rewards.errors import ConfigError, EnvError, PostgymError, TaskError

_SECONDS = 10.0  # for an answer
_FRESH_SECONDS = 60.0  # tasks made within this time share readings; Open-Meteo's own change every 15 minutes
_DRAWS = 40
_COMPARING = ("warmer", "warmest")  # kinds of question that have no answer when two cities are equally warm

CITIES = (
    *("Aberdeen", "Adelaide", "Alexandria", "Amsterdam", "Athens", "Auckland", "Bangkok", "Barcelona", "Belgrade"),
    *("Bergen", "Berlin", "Birmingham", "Bogota", "Boston", "Bristol", "Brussels", "Budapest", "Cairo", "Calgary"),
    *("Cambridge", "Canberra", "Cardiff", "Chennai", "Chicago", "Colombo", "Copenhagen", "Cordoba", "Dakar", "Denver"),
    *("Dresden", "Dublin", "Durban", "Edinburgh", "Florence", "Geneva", "Glasgow", "Granada", "Halifax", "Hamburg"),
    *("Hamilton", "Hanoi", "Helsinki", "Istanbul", "Jakarta", "Kingston", "Kyoto", "Leeds", "Leon", "Lima", "Lisbon"),
    *("Liverpool", "London", "Lyon", "Madrid", "Manchester", "Manila", "Melbourne", "Merida", "Milan", "Montreal"),
    *("Moscow", "Mumbai", "Munich", "Nairobi", "Naples", "Newcastle", "Nice", "Oslo", "Oxford", "Paris", "Perth"),
    *("Plymouth", "Porto", "Prague", "Quito", "Richmond", "Riga", "Rome", "Rotterdam", "Salem", "San Jose", "Santiago"),
    *("Seattle", "Seville", "Singapore", "Sofia", "Split", "Springfield", "Stockholm", "Sydney", "Tallinn", "Tokyo"),
    *("Toledo", "Toronto", "Trieste", "Troy", "Tunis", "Turin", "Utrecht", "Valencia", "Venice", "Vienna", "Victoria"),
    *("Vilnius", "Warsaw", "Wellington", "Worcester", "York", "Zagreb", "Zurich"),
)


class OpenMeteo:
    """An endpoint, and the questions that can be asked about what it knows.

    Args:
        url: of the server with /v1/forecast, such as https://api.open-meteo.com.
        geocoding_url: of the one with /v1/search, such as https://geocoding-api.open-meteo.com; the same by default.

    Raises:
        ConfigError: it can't be reached, or answers otherwise than Open-Meteo does.
    """

    def __init__(self, url: str, geocoding_url: str = "") -> None:
        self.url = url.rstrip("/")
        self.geocoding_url = (geocoding_url or url).rstrip("/")
        self._start()
        try:
            if not self.places("London"):
                raise EnvError(f"{self.geocoding_url}/v1/search knows no London")
            place = self.places("London")[0]
            self.temperatures(place["lat"], place["lon"], UNITS[0])
        except (PostgymError, ToolError) as error:
            raise ConfigError(
                f"no Open-Meteo compatible endpoint at {self.url}: {error}; give the server's address, without /v1"
            ) from error

    def _start(self) -> None:
        self._client = httpx.Client(timeout=_SECONDS)
        self._lock = threading.Lock()
        self._places: dict[str, list[City]] = {}
        self._read: dict[tuple[float, float], tuple[float, City]] = {}

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url, "geocoding_url": self.geocoding_url}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__dict__.update(state)
        self._start()

    # What the tools ask.

    def places(self, name: str) -> list[City]:
        """The places of exactly that name, in each country the best known: name, country, lat and lon.

        Raises:
            FaultError: the endpoint is busy or fails; the same again may work.
            EnvError: it is gone, or says what can't be read.
        """
        found = self._get(f"{self.geocoding_url}/v1/search", {"name": name, "count": 20, "language": "en"})
        countries: dict[str, City] = {}
        try:
            for r in found.get("results", []):
                if r["name"].casefold() == name.strip().casefold() and r.get("country"):
                    place = {"lat": float(r["latitude"]), "lon": float(r["longitude"])}
                    countries.setdefault(r["country"], {"name": r["name"], "country": r["country"], **place})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EnvError(f"{self.geocoding_url}/v1/search: no list of places ({error!r})") from error
        return list(countries.values())

    def temperatures(self, lat: float, lon: float, unit: str) -> list[int]:
        """Now, and the highest of each of the next days, in tenths of a degree.

        Raises:
            ToolError: `no_station` for a place that the endpoint refuses.
            FaultError, EnvError: as `places`.
        """
        asked = {"latitude": lat, "longitude": lon, "current": "temperature_2m", "daily": "temperature_2m_max"}
        asked |= {"forecast_days": LAST_DAY + 1, "timezone": "auto", "temperature_unit": unit}
        found = self._get(f"{self.url}/v1/forecast", asked)
        try:
            values = [found["current"]["temperature_2m"], *found["daily"]["temperature_2m_max"][1 : LAST_DAY + 1]]
            tenths = [round(10 * float(value)) for value in values]
        except (KeyError, TypeError, ValueError) as error:
            raise EnvError(f"{self.url}/v1/forecast: no temperatures for {lat:g}, {lon:g} ({error!r})") from error
        if len(tenths) != LAST_DAY + 1:
            raise EnvError(f"{self.url}/v1/forecast: {len(tenths) - 1} days where {LAST_DAY} were asked for")
        return tenths

    def _get(self, address: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer = self._client.get(address, params=dict(asked))
        except httpx.TimeoutException:
            raise FaultError("timeout", "no answer in time; call again") from None
        except httpx.HTTPError as error:
            raise EnvError(f"{address} can't be reached: {type(error).__name__}: {error}") from error
        if answer.status_code == 429:
            wait = answer.headers.get("Retry-After", "")
            seconds = int(wait) if wait.isdecimal() else 60
            raise FaultError(
                "rate_limited", f"too many requests; call again after {seconds} s", {"retry_after": seconds}
            )
        if answer.status_code >= 500:
            raise FaultError("server_error", f"the service failed with status {answer.status_code}; call again")
        try:
            body = answer.json()
        except ValueError:
            raise EnvError(f"{address} answers {answer.status_code} without JSON") from None
        if not isinstance(body, Mapping):
            raise EnvError(f"{address} answers with {type(body).__name__}, not an object")
        if answer.status_code == 400:
            raise ToolError("no_station", str(body.get("reason", "refused"))[:200])
        if answer.is_error:
            raise EnvError(f"{address} answers with status {answer.status_code}")
        return body

    # What tasks are made of.

    def question(self, rng: random.Random, difficulty: float) -> Question:
        """A question whose answer the endpoint knows at this moment; its cities hold what was read for it.

        Raises:
            EnvError: the endpoint fails.
            TaskError: it knows too few cities.
        """
        try:
            for _ in range(_DRAWS):
                found, _ = make_question(rng, difficulty, self._draw, self._with_readings)
                values = found.temperatures()
                if found.kind not in _COMPARING or values.count(max(values)) == 1:
                    return found
        except ToolError as error:  # no model is there to try again
            raise EnvError(f"{self.url}: {error}") from error
        raise TaskError(f"{self.url}: no two cities of different warmth in {_DRAWS} draws")

    def _draw(self, rng: random.Random, count: int, shared: float, difficulty: float) -> list[list[City]]:
        """`count` names that the endpoint knows, each with its places."""
        groups: dict[str, list[City]] = {}
        for _ in range(_DRAWS):
            if len(groups) == count:
                break
            name, several = rng.choice(CITIES), rng.random() < shared
            places = self._known(name)
            if places and (len(places) > 1) == several:
                groups[name] = places
        for name in rng.sample(CITIES, len(CITIES)):  # an endpoint that knows few: any will do
            if len(groups) < count and (places := self._known(name)):
                groups[name] = places
        if len(groups) < count:
            raise TaskError(
                f"{self.geocoding_url} knows {len(groups)} of the cities of envs/open_meteo.py; {count} needed"
            )
        return list(groups.values())

    def _known(self, name: str) -> list[City]:
        """`places`, which don't change, kept."""
        if name not in self._places:
            self._places[name] = self.places(name)
        return self._places[name]

    def _with_readings(self, city: City) -> City:
        """A city with its temperatures in both units, read a minute ago at most."""
        place = city["lat"], city["lon"]
        with self._lock:
            since, found = self._read.get(place, (0.0, {}))
        if not found or time.monotonic() - since > _FRESH_SECONDS:
            found = {**city, "tenths": {unit: self.temperatures(*place, unit) for unit in UNITS}}
            with self._lock:
                self._read[place] = time.monotonic(), found
        return found


class LiveWorld(World):
    """The tools over an endpoint.

    Args:
        endpoint: what they ask.
        cities: those of the task, with what was read for it.
    """

    def __init__(self, endpoint: OpenMeteo, cities: Sequence[City]) -> None:
        super().__init__(cities)
        self._endpoint = endpoint

    @tool
    def geocode(self, city: str) -> list[dict[str, Any]]:
        """Cities of that name."""
        found = self._endpoint.places(city)
        if not found:
            raise ToolError("unknown_city", f"no city {city[:40]!r}; give the bare name as it is spelt")
        return [{"country": c["country"], "lat": c["lat"], "lon": c["lon"]} for c in found]

    @tool
    def forecast(self, lat: float, lon: float, day: int, unit: Unit = "celsius") -> dict[str, Any]:
        """Highest temperature of the day in 1 to 5 days."""
        return super().forecast(lat, lon, day, unit)

    def _read(self, lat: float, lon: float, day: int, unit: str) -> dict[str, Any]:
        self._check_unit(unit)
        found = self._endpoint.temperatures(lat, lon, unit)[day]
        kept = self._by_place.get((lat, lon))
        if kept is not None and kept["tenths"][unit][day] != found:
            # The task's answer is about weather that is no more: nobody can be judged by it.
            raise TaskError(f"the weather in {kept['name']} has changed since the task was made; sample it anew")
        return {"temp": shown(found)}
