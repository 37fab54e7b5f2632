"""The company behind the calendar: people, rooms and events made for a request, and the tools to read and change them.

A world is plain JSON: `people`, `rooms`, `events` by id, and the date of its first Monday. Times are minutes from then.
"""

import copy
import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from envs.api.calendar_rules import DAY, WEEK, WEEKS, Event, hours_of, of_people, possible_starts
from envs.tools import ToolError, tool

GIVEN = (
    *("Ada", "Bela", "Carl", "Dora", "Emil", "Fay", "Gita", "Hugo", "Ines", "Jan", "Kofi", "Lena", "Mona", "Nils"),
    *("Olga", "Paul", "Quinn", "Rosa", "Sami", "Tara", "Umar", "Vera", "Wim", "Xenia", "Yuri", "Zoe", "Aiko", "Bruno"),
)
FAMILY = (
    *("Abel", "Brandt", "Castro", "Dahl", "Egger", "Farkas", "Grant", "Holm", "Ivanov", "Jensen", "Kaya", "Lopez"),
    *("Moreau", "Novak", "Okoye", "Pires", "Quist", "Rossi", "Singh", "Tamm", "Ueda", "Vogel", "Weber", "Yilmaz"),
)
TEAMS = ("Design", "Sales", "Legal", "Support", "Research", "Finance", "Logistics", "Press")
_FILLERS = (
    *("Focus time", "Call with a client", "Training", "Dentist", "Interview", "Report", "One-to-one", "School run"),
    *("Code review", "Stand-up", "Supplier visit", "Reading hour", "Invoices", "Press call", "Workshop", "Site visit"),
)
_LAST = WEEKS * 7


class Makes:
    """Draws the world of a request: those invited, some colleagues, rooms, and what fills their days."""

    def __init__(self, rng: random.Random, difficulty: float) -> None:
        self.rng, self.difficulty = rng, difficulty
        monday = date(2026, 1, 5) + timedelta(weeks=rng.randrange(150))
        self.world: dict[str, Any] = {"monday": monday.isoformat(), "people": [], "rooms": [], "events": {}}
        self._free_ids = rng.sample(range(10, 1000), 400)
        self._colleagues: list[str] = []

    def people(self, invited: int, spread: str, lunch: bool) -> list[str]:
        """Adds the invited and about as many others, namesakes among them where it is hard; returns the invited.

        Their time zones are one (""), a few hours apart ("zones"), or leave no common hours ("apart").
        """
        rng = self.rng
        names = rng.sample([f"{g} {f}" for g in GIVEN for f in FAMILY], 2 * invited + 2)
        middle = rng.choice((-120, 0, 60, 120)) if spread == "zones" else 0
        teams = rng.sample(TEAMS, 3)
        for index, name in enumerate(names):
            namesake = index >= invited and self.difficulty >= 0.5 and rng.random() < 0.4
            opens = rng.choice((480, 540, 540, 600)) if self.difficulty >= 0.25 else 540
            shift = rng.choice((-120, -60, 0, 60, 120, 150 if self.difficulty >= 0.8 else 60)) if spread else 0
            if spread == "apart" and index < 2:
                shift = 270 - 540 * index
            at = opens + rng.choice((180, 210, 240)) if lunch else 0
            self.world["people"].append(
                {
                    "id": f"p{self._free_ids.pop()}",
                    "name": names[index - invited] if namesake else name,
                    "team": rng.choice(teams),
                    "zone": middle + shift,
                    "opens": opens,
                    "closes": opens + 480,
                    "lunch": [at, at + rng.choice((30, 60))] if lunch else [],
                }
            )
        chosen = self.world["people"][:invited]
        self._colleagues = [p["id"] for p in self.world["people"][invited:]]
        for other in self.world["people"][invited:]:  # a namesake is told by the team
            twin = next((p for p in chosen if p["name"] == other["name"]), None)
            if twin and twin["team"] == other["team"]:
                other["team"] = rng.choice([t for t in TEAMS if t != twin["team"]])
        rng.shuffle(self.world["people"])
        return [p["id"] for p in chosen]

    def rooms(self, seats: int) -> None:
        """Adds rooms, a few of which hold `seats`."""
        sizes = [seats + self.rng.randint(0, 6), seats + self.rng.randint(0, 3), max(1, seats - 1), max(1, seats - 2)]
        self.rng.shuffle(sizes)
        self.world["rooms"] = [{"id": f"r{self._free_ids.pop()}", "seats": size} for size in sizes]

    def add(self, people: list[str], start: int, minutes: int, **more: Any) -> str:
        """Puts an event into the calendar; returns its id."""
        key = f"e{self._free_ids.pop()}"
        event = {"id": key, "title": self.rng.choice(_FILLERS), "people": people, "start": start, "minutes": minutes}
        self.world["events"][key] = {**event, "room": "", "flexible": False, **more}
        return key

    def fill(self, request: Mapping[str, Any], flexible: float) -> None:
        """Something to do for everybody, on the days asked for, in every week that counts."""
        rng = self.rng
        chance = 0.8 / (1 + 0.25 * (len(request["people"]) * request["weeks"] - 1))  # so that some time is left
        for person in self.world["people"]:
            for start, end in hours_of(person, request["weeks"]):
                day = start % WEEK // DAY
                if request["days"][0] <= day <= request["days"][1] and rng.random() < chance:
                    minutes = min(rng.choice((30, 60, 60, 90)), end - start)
                    at = start + 30 * rng.randint(0, (end - start - minutes) // 30)
                    self._place(person["id"], at, minutes, flexible)

    def _place(self, person: str, at: int, minutes: int, flexible: float) -> None:
        taken = [e for e in self.world["events"].values() if person in e["people"]]
        if all(at + minutes <= e["start"] or e["start"] + e["minutes"] <= at for e in taken):
            self._add_for(person, at, minutes, flexible)

    def _add_for(self, person: str, at: int, minutes: int, flexible: float) -> None:
        """An event of this person, at times together with a colleague who isn't invited."""
        people = [person]
        if self._colleagues and self.rng.random() < self.difficulty / 4:
            people.append(self.rng.choice(self._colleagues))
        self.add(sorted(people), at, minutes, flexible=self.rng.random() < flexible)

    def block(self, request: Mapping[str, Any], until: int | None, flexible: float) -> bool:
        """Fills calendars until nothing before `until` is possible (nothing at all for None); False if that fails."""
        for _ in range(40):
            starts = possible_starts(self.world, request)[0]
            if not starts or starts[0] == until:
                return bool(starts) == (until is not None)
            if not self._block_one(request, starts[0], until, flexible):
                return False
        return False

    def _block_one(self, request: Mapping[str, Any], start: int, until: int | None, flexible: float) -> bool:
        rng = self.rng
        person = rng.choice(request["people"])
        last = WEEKS * WEEK if until is None else until - request["buffer"]
        others = of_people(self.world["events"].values(), [person])
        at = max([start - 30 * rng.randint(0, 1), *(e["start"] + e["minutes"] for e in others if e["start"] <= start)])
        ahead = [e["start"] for e in others if e["start"] > start]
        end = min([at + rng.choice((60, 90, 120)), last, *ahead])
        if end - at < 15:
            return False
        if self.difficulty >= 0.5 and end - at >= 60 and rng.random() < 0.3 and end != last:
            end -= 15
        self._add_for(person, at, end - at, flexible)
        return True

    def block_rooms(self, request: Mapping[str, Any]) -> bool:
        """Books all rooms that are large enough whenever the people could meet; False if that fails."""
        outsiders = [p["id"] for p in self.world["people"] if p["id"] not in request["people"]]
        for _ in range(30):
            starts = possible_starts(self.world, request)[0]
            if not starts:
                return True
            for room in self.world["rooms"]:
                taken = [e for e in self.world["events"].values() if e["room"] == room["id"]]
                at = max([starts[0], *(e["start"] + e["minutes"] for e in taken if e["start"] <= starts[0])])
                end = min([at + 120, *(e["start"] for e in taken if e["start"] > starts[0])])
                if room["seats"] >= request["seats"] and end > at:
                    self.add([self.rng.choice(outsiders)], at, end - at, room=room["id"])
        return False


def shown(world: Mapping[str, Any], minutes: int) -> str:
    """A time as the tools write it: 2026-03-02 09:30."""
    moment = datetime.fromisoformat(world["monday"]) + timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%d %H:%M")


def day_of(world: Mapping[str, Any], text: str) -> int:
    """The number of a day, 0 for the first Monday.

    Raises:
        ToolError: it is no date like 2026-03-02 within the calendar.
    """
    try:
        day = (datetime.strptime(text.strip(), "%Y-%m-%d").date() - date.fromisoformat(world["monday"])).days
    except ValueError:
        raise ToolError("bad_date", f"{text[:20]!r} is no date like {world['monday']}") from None
    if not 0 <= day < _LAST:
        raise ToolError("out_of_range", f"the calendar holds {_LAST} days from {world['monday']}")
    return day


def _time_of(world: Mapping[str, Any], text: str) -> int:
    try:
        moment = datetime.strptime(text.strip(), "%Y-%m-%d %H:%M")
    except ValueError:
        raise ToolError("bad_time", f"{text[:20]!r} is no time like {world['monday']} 09:30") from None
    return day_of(world, moment.strftime("%Y-%m-%d")) * DAY + moment.hour * 60 + moment.minute


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def zone_name(minutes: int) -> str:
    """UTC+05:30, or UTC."""
    return f"UTC{'-' if minutes < 0 else '+'}{_clock(abs(minutes))}" if minutes else "UTC"


class Office:
    """One episode's calendar: its methods are the tools, `effects` tells all that was changed, in order."""

    def __init__(self, world: Mapping[str, Any]) -> None:
        self._world = world
        self.events: dict[str, dict[str, Any]] = copy.deepcopy(dict(world["events"]))
        self.effects: list[dict[str, str]] = []
        self._made = 0

    @tool
    def find_people(
        self, query: Annotated[str, Field(description="a name, part of it, a team or an id")]
    ) -> list[dict[str, str]]:
        """People with their id, time zone, working hours and lunch (local time)."""
        wanted = query.strip().casefold()
        people = [p for p in self._world["people"] if wanted in self._names(p)]
        people = people or [p for p in self._world["people"] if wanted and wanted in p["name"].casefold()]
        if not people:
            raise ToolError("unknown_person", f"nobody and no team is called {query[:40]!r}")
        return [self._profile(p) for p in people]

    def _names(self, p: Mapping[str, Any]) -> tuple[str, ...]:
        return p["id"], p["name"].casefold(), p["team"].casefold()

    def _profile(self, p: Mapping[str, Any]) -> dict[str, str]:
        profile = {"id": p["id"], "name": p["name"], "team": p["team"], "zone": zone_name(p["zone"])}
        profile["hours"] = f"{_clock(p['opens'])}-{_clock(p['closes'])}"
        return {**profile, "lunch": "-".join(map(_clock, p["lunch"]))} if p["lunch"] else profile

    @tool
    def list_events(
        self, person: Annotated[str, Field(description="an id")], first_day: str, last_day: str
    ) -> list[dict[str, Any]]:
        """When a person is busy, from the first day to the last."""
        self._check_person(person)
        events = [e for e in self._between(first_day, last_day) if person in e["people"]]
        return [self._shown(e) for e in events]

    @tool
    def find_rooms(self, seats: int, first_day: str, last_day: str) -> list[dict[str, Any]]:
        """Rooms with at least so many seats, and when they are booked."""
        events = self._between(first_day, last_day)
        return [
            {
                **room,
                "booked": [
                    [shown(self._world, e["start"]), shown(self._world, e["start"] + e["minutes"])]
                    for e in events
                    if e["room"] == room["id"]
                ],
            }
            for room in self._world["rooms"]
            if room["seats"] >= seats
        ]

    @tool
    def create_event(
        self,
        title: str,
        start: Annotated[str, Field(description="like 2026-03-02 09:30")],
        minutes: Annotated[int, Field(ge=15, le=480)],
        people: Annotated[list[str], Field(description="ids", min_length=1, max_length=20)],
        room: str = "",
        weeks: Annotated[int, Field(ge=1, le=WEEKS, description="how many weeks in a row")] = 1,
    ) -> list[str]:
        """Creates an event and invites the people. Returns its id, one for each week."""
        for person in people:
            self._check_person(person)
        first = _time_of(self._world, start)
        if first + (weeks - 1) * WEEK + minutes > WEEKS * WEEK:
            raise ToolError("out_of_range", f"the calendar holds {_LAST} days from {self._world['monday']}")
        for week in range(weeks):
            self._check_room(room, first + week * WEEK, minutes, "")
        ids = []
        for week in range(weeks):
            self._made += 1
            event = {"id": f"n{self._made}", "title": title, "people": sorted(set(people)), "minutes": minutes}
            self.events[event["id"]] = {**event, "start": first + week * WEEK, "room": room, "flexible": False}
            self._log("create", event["id"])
            ids.append(event["id"])
        return ids

    @tool
    def move_event(self, event: Annotated[str, Field(description="its id")], start: str) -> str:
        """Moves an event, as long as it is, to another start."""
        found = self._check_event(event)
        at = _time_of(self._world, start)
        self._check_room(found["room"], at, found["minutes"], event)
        self.events[event] = {**found, "start": at}
        self._log("move", event)
        return "moved"

    @tool
    def cancel_event(self, event: Annotated[str, Field(description="its id")]) -> str:
        """Cancels an event for all who take part."""
        self._check_event(event)
        del self.events[event]
        self._log("cancel", event)
        return "cancelled"

    def _log(self, action: str, event: str) -> None:
        self.effects.append({"action": action, "on": f"events/{event}"})

    def _between(self, first_day: str, last_day: str) -> list[dict[str, Any]]:
        start, end = day_of(self._world, first_day) * DAY, (day_of(self._world, last_day) + 1) * DAY
        found = [e for e in self.events.values() if e["start"] < end and start < e["start"] + e["minutes"]]
        return sorted(found, key=lambda e: (e["start"], e["id"]))

    def _shown(self, e: Event) -> dict[str, Any]:
        end = shown(self._world, e["start"] + e["minutes"])
        seen = {"id": e["id"], "title": e["title"], "start": shown(self._world, e["start"]), "end": end}
        more = {"people": e["people"]} if len(e["people"]) > 1 else {}
        return {**seen, **more, **({"flexible": True} if e["flexible"] else {})}

    def _check_person(self, person: str) -> None:
        if all(p["id"] != person for p in self._world["people"]):
            raise ToolError("unknown_person", f"no person has the id {person[:20]!r}; find_people tells it")

    def _check_event(self, event: str) -> dict[str, Any]:
        if event not in self.events:
            raise ToolError("unknown_event", f"no event has the id {event[:20]!r}; list_events tells it")
        return self.events[event]

    def _check_room(self, room: str, start: int, minutes: int, event: str) -> None:
        if not room:
            return
        if all(r["id"] != room for r in self._world["rooms"]):
            raise ToolError("unknown_room", f"no room has the id {room[:20]!r}; find_rooms tells it")
        for e in self.events.values():
            taken = e["start"] < start + minutes and start < e["start"] + e["minutes"]
            if e["room"] == room and e["id"] != event and taken:
                raise ToolError("room_taken", f"{room} is booked at {shown(self._world, e['start'])}")
