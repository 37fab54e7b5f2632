"""Requests to the calendar: drawn so that they turn out in a certain way, and put into words."""

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from envs.api.calendar_rules import DAY, GRID, possible_starts, starts_with_a_move
from envs.api.calendar_world import Makes

_TITLES = ("Budget", "Launch", "Hiring", "Roadmap", "Contract", "Audit", "Website", "Warehouse", "Packaging", "Pricing")
_SORTS = ("review", "meeting", "kick-off", "talk", "planning", "update", "briefing", "retrospective")
_LENGTHS = {30: "half an hour", 45: "45 minutes", 60: "an hour", 90: "an hour and a half", 120: "two hours"}
_BOOK = (
    'Please set up "{title}" with {who} {when}: {long}, {how}.',
    'We need {long} for "{title}" {when}. It is for {who}; book it {how}.',
    'Could you book "{title}" for {who}? It takes {long} and should be {when}, {how}.',
    '{who} should meet for {long} {when}, {how}. Call it "{title}".',
    'Find {long} for {who} {when} and put "{title}" there, {how}.',
    '"{title}" has to get into the calendar: {long}, {who}, {when}, {how}.',
)
_ALONE = tuple(text for text in _BOOK if "should meet" not in text)
_MOVE = (
    '"{title}" of {who} on {old} can\'t take place then. Please find it another start {when}, {how}.',
    'Something came up: could "{title}", which {who} has on {old}, take place {when} instead, {how}?',
    '{who} has "{title}" on {old}. Move it so that it is {when}, {how}.',
    'Please postpone "{title}" ({who}, {old}). It should be {when}, {how}.',
)
_FREE, _GIVES_WAY = "free", "gives way"  # otherwise a request turns out as the reason why it can't be met
_FLEXIBLE_FROM = 0.3  # the difficulty from which on some events may be moved
_DRAWS = 100  # for one outcome, before another is tried
_NO_WAY = 0.15  # the share of requests that can't be met


def _draw_request(rng: random.Random, difficulty: float, outcome: str) -> tuple[dict[str, Any], bool]:
    """What is asked for, but for the people, and whether it is to move a meeting that is already there."""
    simple = outcome == _GIVES_WAY or (outcome in (_FREE, "people") and rng.random() < 0.25)  # no series and no room
    moving = simple and outcome != _GIVES_WAY
    first = rng.randint(0, 4 if not moving and difficulty < 0.3 else 2) + moving
    last = min(4, first + (0 if difficulty < 0.15 else 1 if difficulty < 0.6 else 2))
    weeks = rng.randint(2, 3) if not simple and difficulty >= 0.4 and rng.random() < 0.35 else 1
    rooms = outcome == "rooms" or (not simple and rng.random() < 1.5 * (difficulty - 0.2))
    may_move = not simple and weeks == 1 and outcome in (_FREE, "people") and rng.random() < 0.8 * difficulty - 0.1
    request = {
        "title": f"{rng.choice(_TITLES)} {rng.choice(_SORTS)}",
        "minutes": rng.choice((30, 60, 60, 90) if difficulty < 0.6 else (45, 60, 90, 120)),
        "days": [first, last],
        "between": rng.choice(([0, 720], [720, DAY])) if difficulty >= 0.3 and rng.random() < 0.2 else [0, DAY],
        "buffer": rng.choice((15, 30)) if rng.random() < difficulty - 0.3 else 0,
        "seats": rng.randint(3, 8) if rooms else 0,
        "weeks": weeks,
        "earliest": simple or rng.random() < 0.7,
        "may_move": may_move or outcome == _GIVES_WAY,
        "event": "",  # the one to be moved
    }
    return request, moving


def _draw_outcome(rng: random.Random, difficulty: float) -> str:
    """How the request will turn out: "free", "gives way", or the reason why it can't be met."""
    if rng.random() < _NO_WAY:
        reasons = ["people"] * 4 + ["rooms"] * 3 * (difficulty >= 0.25) + ["hours"] * 2 * (difficulty >= 0.4)
        return rng.choice(reasons)
    return _GIVES_WAY if rng.random() < (difficulty - _FLEXIBLE_FROM) / 2 else _FREE


def _draw(rng: random.Random, difficulty: float, outcome: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """A world and a request in it that should turn out like that; None where this draw fails."""
    request, moving = _draw_request(rng, difficulty, outcome)
    makes = Makes(rng, difficulty)
    far = rng.random() < 1.6 * (difficulty - 0.2)
    spread = "apart" if outcome == "hours" else "zones" if far else ""
    request["people"] = makes.people(1 + int(5 * difficulty + 0.5), spread, rng.random() < 2 * (difficulty - 0.1))
    if request["seats"]:
        request["seats"] = max(request["seats"], len(request["people"]))
        makes.rooms(request["seats"])
    if moving:
        at = rng.randrange(request["days"][0]) * DAY + GRID * rng.randint(22, 28)
        request["event"] = makes.add(sorted(request["people"]), at, request["minutes"], title=request["title"])
    flexible = {_FREE: 0.3, _GIVES_WAY: 0.5}.get(outcome, 0.1) if difficulty >= _FLEXIBLE_FROM else 0.0
    makes.fill(request, flexible)
    until = None
    if outcome == _FREE:
        starts = possible_starts(makes.world, request)[0]
        if len(starts) < 2:
            return None
        until = rng.choice(starts[1:])
    if outcome == "rooms":
        done = makes.block_rooms(request)
    else:
        done = outcome == "hours" or makes.block(request, until, flexible)
    return (makes.world, request) if done else None


def _settle(world: Mapping[str, Any], request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """How it turns out, and what the target says of it: `best`, `reason`, and the move that it takes."""
    starts, reason = possible_starts(world, request)
    if starts:
        return _FREE, {"best": starts[0], "reason": "", "move": None}
    moves = starts_with_a_move(world, request) if request["may_move"] else []
    if not moves:
        return reason, {"best": None, "reason": reason, "move": None}
    start, event, places = moves[0]
    return _GIVES_WAY, {"best": start, "reason": "", "move": {"event": event, "to": places[0]}}


def make(rng: random.Random, difficulty: float) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A world, a request, and what the target says of how it turns out."""
    while True:
        outcome = _draw_outcome(rng, difficulty)
        for _ in range(_DRAWS):
            if drawn := _draw(rng, difficulty, outcome):
                found, settled = _settle(*drawn)
                if found == outcome:
                    return (*drawn, settled)


def _day_words(world: Mapping[str, Any], day: int) -> str:
    moment = date.fromisoformat(world["monday"]) + timedelta(days=day)
    return f"{moment.strftime('%A')} {moment.isoformat()}"


def ask(rng: random.Random, world: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """The request in words."""
    by_id = {p["id"]: p for p in world["people"]}
    names = [by_id[key]["name"] for key in request["people"]]
    everyone = [p["name"] for p in world["people"]]
    told = [
        f"{n} ({by_id[key]['team']})" if everyone.count(n) > 1 else n
        for n, key in zip(names, request["people"], strict=True)
    ]
    first, last = request["days"]
    when = f"on {_day_words(world, first)}"
    if last > first:
        when = f"on one of the days from {_day_words(world, first)} to {_day_words(world, last)}"
    how = "as early as possible" if request["earliest"] else "at any start that suits"
    words = {"title": request["title"], "when": when, "how": how, "long": _LENGTHS[request["minutes"]]}
    if request["event"]:
        old = _day_words(world, world["events"][request["event"]]["start"] // DAY)
        text = rng.choice(_MOVE).format(who=told[0], old=old, **words)
    else:
        who = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
        text = rng.choice(_ALONE if len(told) == 1 else _BOOK).format(who=who, **words)
    return " ".join([text[0].upper() + text[1:], *_conditions(request)])


def _conditions(request: Mapping[str, Any]) -> list[str]:
    """The further wishes, a sentence each."""
    said = []
    if request["between"] != [0, DAY]:
        said.append("It has to be over by 12:00 UTC." if request["between"][0] == 0 else "Not before 12:00 UTC.")
    if request["buffer"]:
        said.append(f"All of them need {request['buffer']} minutes without another event before and after it.")
    if request["seats"]:
        said.append(f"Book a room with at least {request['seats']} seats for it.")
    if request["weeks"] > 1:
        same = "at the same time and in the same room" if request["seats"] else "at the same time"
        said.append(
            f"It takes place {('two', 'three')[request['weeks'] - 2]} weeks in a row, on the same weekday {same}."
        )
    if request["may_move"]:
        said.append(
            "If there is no such time, you may move one event that is marked flexible to another start on these days "
            "that suits everybody in it, to make room as early as possible."
        )
    return said
