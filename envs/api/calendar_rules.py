"""Rules of the calendar: when people can meet, and whether what was arranged is what was asked for.

Times are minutes from the first Monday, 00:00 UTC. People, events, rooms and requests are plain JSON, as
`calendar_world` makes them. `possible_starts` works on sets of quarter hours kept as bits of one integer.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]
Person = Mapping[str, Any]

GRID = 30  # meetings start on these minutes
DAY, WEEK = 24 * 60, 7 * 24 * 60
WEEKS = 3  # the calendar reaches so far
_SLOT = 15  # all times are multiples of it
_SLOTS = WEEKS * WEEK // _SLOT


def bits(start: int, end: int) -> int:
    """The quarter hours from `start` to `end`, both in minutes."""
    first, last = max(0, start) // _SLOT, min(end, WEEKS * WEEK) // _SLOT
    return (1 << last) - (1 << first) if last > first else 0


def hours_of(person: Person, weeks: int = WEEKS) -> Iterator[tuple[int, int]]:
    """The stretches of a person's working time on working days: (start, end) in UTC."""
    opens, closes = person["opens"] - person["zone"], person["closes"] - person["zone"]
    breaks = [t - person["zone"] for t in person["lunch"]]
    edges = [(opens, breaks[0]), (breaks[1], closes)] if breaks else [(opens, closes)]
    for midnight in (week * WEEK + day * DAY for week in range(weeks) for day in range(5)):
        for start, end in edges:
            yield midnight + start, midnight + end


def _busy(events: Iterable[Event], buffer: int) -> int:
    mask = 0
    for e in events:
        mask |= bits(e["start"] - buffer, e["start"] + e["minutes"] + buffer)
    return mask


def _open(people: Sequence[Person]) -> int:
    """The working hours that all have in common, lunch left out."""
    mask = (1 << _SLOTS) - 1
    for person in people:
        day = 0
        for start, end in itertools.islice(hours_of(person), 2 if person["lunch"] else 1):
            day |= bits(start, end)
        mask &= _working_days(day)
    return mask


@functools.lru_cache(4096)
def _working_days(day: int) -> int:
    """A Monday's hours on every working day."""
    return sum(day << (week * WEEK + weekday * DAY) // _SLOT for week in range(WEEKS) for weekday in range(5))


def _window(request: Mapping[str, Any]) -> int:
    mask = 0
    for day in range(request["days"][0], request["days"][1] + 1):
        mask |= bits(day * DAY + request["between"][0], day * DAY + request["between"][1])
    return mask


def _runs(mask: int, minutes: int) -> int:
    """Where runs of `minutes` begin in `mask`."""
    for _ in range(minutes // _SLOT - 1):
        mask &= mask >> 1
    return mask


def _starts(free: int, request: Mapping[str, Any]) -> int:
    """Where the meeting can begin, given the time free in all weeks."""
    fits = _runs(free, request["minutes"])
    first = _runs(free & _window(request), request["minutes"])
    for week in range(1, request["weeks"]):
        first &= fits >> (week * WEEK // _SLOT)
    return first


def _times(starts: int) -> list[int]:
    found = []
    while starts:
        low = starts & -starts
        if (time := (low.bit_length() - 1) * _SLOT) % GRID == 0:
            found.append(time)
        starts ^= low
    return found


def of_people(events: Iterable[Event], people: Iterable[str]) -> list[Event]:
    """The events in which one of these people takes part."""
    wanted = set(people)
    return [e for e in events if wanted & set(e["people"])]


def possible_starts(world: Mapping[str, Any], request: Mapping[str, Any]) -> tuple[list[int], str]:
    """Every start that meets the request without moving anything, in order; else why there is none.

    Returns:
        The starts, and "" or the reason: "hours", "people" or "rooms".
    """
    invited = [p for p in world["people"] if p["id"] in request["people"]]
    others = [e for e in world["events"].values() if e["id"] != request["event"]]
    free = _open(invited)
    if not _times(_starts(free, request)):
        return [], "hours"
    free &= ~_busy(of_people(others, request["people"]), request["buffer"])
    starts = _starts(free, request)
    if not _times(starts):
        return [], "people"
    found = _times(starts & _room_starts(world, request))
    return found, "" if found else "rooms"


def _room_starts(world: Mapping[str, Any], request: Mapping[str, Any]) -> int:
    """When a room that is large enough is free; always, where none is needed."""
    everything = (1 << _SLOTS) - 1
    if not request["seats"]:
        return everything
    starts = 0
    for room in world["rooms"]:
        if room["seats"] >= request["seats"]:
            taken = _busy([e for e in world["events"].values() if e["room"] == room["id"]], 0)
            starts |= _starts(everything & ~taken, request)
    return starts


def starts_with_a_move(world: Mapping[str, Any], request: Mapping[str, Any]) -> list[tuple[int, str, list[int]]]:
    """Starts that are possible once one flexible event has moved: (start, that event, where it may go), in order."""
    invited = [p for p in world["people"] if p["id"] in request["people"]]
    theirs = of_people(world["events"].values(), request["people"])
    found = []
    for start in _times(_starts(_open(invited), request) & _room_starts(world, request)):
        end = start + request["minutes"] + request["buffer"]
        met = [e for e in theirs if e["start"] < end and start - request["buffer"] < e["start"] + e["minutes"]]
        if len(met) == 1 and met[0]["flexible"]:
            room = bits(start - request["buffer"], end)
            if targets := _new_places(world, request, met[0], room):
                found.append((start, met[0]["id"], targets))
    return found


def _new_places(world: Mapping[str, Any], request: Mapping[str, Any], event: Event, taken: int) -> list[int]:
    people = [p for p in world["people"] if p["id"] in event["people"]]
    others = [e for e in of_people(world["events"].values(), event["people"]) if e["id"] != event["id"]]
    days = {**request, "between": [0, DAY], "minutes": event["minutes"], "weeks": 1}
    return _times(_starts(_open(people) & ~_busy(others, 0) & ~taken, days))


def clash(world: Mapping[str, Any], events: Mapping[str, Event], event: Event, buffer: int) -> str:
    """What keeps `event` from taking place among `events`, in words; "" when nothing does."""
    start, end = event["start"], event["start"] + event["minutes"]
    if start % GRID:
        return "doesn't start on the hour or half hour"
    for person in world["people"]:
        if person["id"] in event["people"] and not any(a <= start and end <= b for a, b in hours_of(person)):
            return f"outside the hours of {person['name']}"
    for other in events.values():
        if other["id"] == event["id"]:
            continue
        near = other["start"] < end + buffer and start - buffer < other["start"] + other["minutes"]
        if near and set(other["people"]) & set(event["people"]):
            return f"{other['title']!r} is too close"
    return ""


def fault(world: Mapping[str, Any], request: Mapping[str, Any], after: Mapping[str, Event]) -> str:
    """What is wrong with the events `after`, in words; "" where they are as the request has it.

    Whether an earlier start would have been possible is not looked at here.
    """
    before = world["events"]
    new = [e for key, e in after.items() if key not in before]
    changed = [key for key in before if after.get(key) != before[key]]
    if request["event"]:
        meetings, moved = [after[request["event"]]] if request["event"] in after else [], []
        changed = [key for key in changed if key != request["event"]]
    else:
        meetings, moved = new, [after[key] for key in changed if key in after]
    starts = sorted(m["start"] for m in meetings)
    if new and request["event"]:
        return "a new event, where one was to be moved"
    if not starts or starts != [starts[0] + week * WEEK for week in range(request["weeks"])]:
        return f"{len(starts)} meetings stand in the calendar, asked for were {request['weeks']}"
    if bits(starts[0], starts[0] + request["minutes"]) & ~_window(request):
        return "outside the days or the time of day asked for"
    if len({m["room"] for m in meetings}) > 1:
        return "in different rooms"
    if len(moved) != len(changed) or len(moved) > request["may_move"]:
        return f"{changed[0]} was changed"
    for event in moved:
        if not before[event["id"]]["flexible"] or not request["days"][0] <= event["start"] // DAY <= request["days"][1]:
            return f"{event['id']} may not go there"
        if what := clash(world, after, event, 0):
            return f"the moved event: {what}"
    return next((what for m in meetings if (what := _meeting_fault(world, request, after, m))), "")


def _meeting_fault(world: Mapping[str, Any], request: Mapping[str, Any], after: Mapping[str, Event], m: Event) -> str:
    """What is wrong with one of the meetings, its day and time of day aside."""
    if sorted(m["people"]) != sorted(request["people"]):
        return "other people are invited"
    if m["minutes"] != request["minutes"]:
        return f"it takes {m['minutes']} minutes"
    if not request["event"] and m["title"].strip().casefold() != request["title"].casefold():
        return f"it is called {m['title'][:40]!r}"
    seats = {room["id"]: room["seats"] for room in world["rooms"]}
    if request["seats"] and seats.get(m["room"], 0) < request["seats"]:
        return f"the room {m['room']!r} is too small"
    if m["room"] and not request["seats"]:
        return "no room was asked for"
    if m["room"] and any(e["id"] != m["id"] and e["room"] == m["room"] and _overlap(e, m) for e in after.values()):
        return "the room is taken"
    return clash(world, after, m, request["buffer"])


def _overlap(one: Event, other: Event) -> bool:
    return one["start"] < other["start"] + other["minutes"] and other["start"] < one["start"] + one["minutes"]
