"""The calendar: an independent search for the earliest start, and a price for every rule that is broken."""

import json
from datetime import datetime, timedelta

import pytest

import envs
from envs.api.calendar import _closing, arranged, looked, says_so
from envs.api.calendar_world import Office
from envs.plans import call_by_call
from envs.proof import play
from envs.tools import ToolError
from rewards.score import Status
from rewards.transcript import Transcript

ENV_ID = "postgym/Calendar-v0"


@pytest.fixture(scope="module")
def env():
    return envs.make(ENV_ID)


def find(env, wanted, difficulty=0.8):
    """A task whose target meets `wanted`."""
    for seed in range(600):
        task = env.sample_task(seed, difficulty=difficulty)
        if wanted(task.target):
            return task
    raise AssertionError("no such task")


def booked(target):
    return not target["reason"] and not target["request"]["event"]


def earned(env, task, calls, closing=None):
    return play(env, task, call_by_call(calls, lambda messages: closing or _closing(task)))[1]


# The independent search: half-hour steps and real dates over what the tools say, no bit in sight.


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M")


class Naive:
    """Reads everything through the tools and tries all starts."""

    def __init__(self, task):
        self.request, self.office = task.target["request"], Office(task.meta["world"])
        monday = datetime.fromisoformat(task.meta["world"]["monday"])
        self.days = [monday + timedelta(days=d) for d in range(self.request["days"][0], self.request["days"][1] + 1)]
        self.monday, self.length = monday, timedelta(minutes=self.request["minutes"])
        self.until = f"{monday + timedelta(days=20):%Y-%m-%d}"

    def events(self, person):
        found = self.office.list_events(person, f"{self.monday:%Y-%m-%d}", self.until)
        return [(moment(e["start"]), moment(e["end"]), e) for e in found if e["id"] != self.request["event"]]

    def in_hours(self, person, start, end):
        profile = next(p for p in self.office.find_people(person) if p["id"] == person)
        sign = -1 if profile["zone"][3:4] == "-" else 1
        hours, minutes = map(int, (profile["zone"][4:] or "0:0").split(":"))
        shift = sign * timedelta(hours=hours, minutes=minutes)
        a, b = start + shift, end + shift
        opens, closes = (t.zfill(5) for t in profile["hours"].split("-"))
        inside = a.weekday() < 5 and a.date() == b.date() and opens <= f"{a:%H:%M}" and f"{b:%H:%M}" <= closes
        rest = profile.get("lunch", "99:99-99:99").split("-")
        return inside and not (f"{a:%H:%M}" < rest[1] and rest[0] < f"{b:%H:%M}")

    def met(self, people, start, end, buffer=0, but=""):
        """The events that these people have then."""
        gap = timedelta(minutes=buffer)
        found = {e["id"]: e for p in people for a, b, e in self.events(p) if a < end + gap and start - gap < b}
        return [e for key, e in found.items() if key != but]

    def starts(self, length):
        lo, hi = self.request["between"]
        for day in self.days:
            for step in range(48):
                start = day + timedelta(minutes=30 * step)
                if 30 * step >= lo and start + length <= day + timedelta(minutes=hi):
                    yield start

    def series(self, start):
        return [start + timedelta(weeks=w) for w in range(self.request["weeks"])]

    def room(self, start):
        if not self.request["seats"]:
            return True
        rooms = self.office.find_rooms(self.request["seats"], f"{self.monday:%Y-%m-%d}", self.until)
        return any(
            all(moment(b) <= s or s + self.length <= moment(a) for s in self.series(start) for a, b in room["booked"])
            for room in rooms
        )

    def solve(self):
        """Every possible start, or the reason why there is none, or the first start that one move makes possible."""
        people, length = self.request["people"], self.length
        open_then = [
            s
            for s in self.starts(length)
            if all(self.in_hours(p, t, t + length) for p in people for t in self.series(s))
        ]
        buffer = self.request["buffer"]
        idle = [s for s in open_then if not any(self.met(people, t, t + length, buffer) for t in self.series(s))]
        found = [s for s in idle if self.room(s)]
        if found:
            return found, ""
        if self.request["may_move"]:
            for start in open_then:
                if self.room(start) and self.gives_way(start):
                    return [start], ""
        return [], "rooms" if idle else "people" if open_then else "hours"

    def gives_way(self, start):
        met = self.met(self.request["people"], start, start + self.length, self.request["buffer"])
        if len(met) != 1 or not met[0].get("flexible"):
            return False
        length = moment(met[0]["end"]) - moment(met[0]["start"])
        people = met[0].get("people") or [
            p for p in self.request["people"] if met[0] in self.met([p], start - 9 * length, start + 9 * length)
        ]
        gap = timedelta(minutes=self.request["buffer"])
        return any(
            (t + length <= start - gap or start + self.length + gap <= t)
            and all(self.in_hours(p, t, t + length) for p in people)
            and not self.met(people, t, t + length, but=met[0]["id"])
            for day in self.days
            for t in (day + timedelta(minutes=30 * step) for step in range(48))
        )


@pytest.mark.parametrize("difficulty", [0.0, 0.3, 0.6, 0.8, 1.0])
def test_a_slow_search_over_what_the_tools_say_finds_the_same_outcome(env, difficulty):
    for seed in range(24):
        task = env.sample_task(5000 + seed, difficulty=difficulty)
        found, reason = Naive(task).solve()
        assert reason == task.target["reason"], task.id
        if not reason:
            start = datetime.fromisoformat(task.meta["world"]["monday"]) + timedelta(minutes=task.target["best"])
            assert found[0] == start, task.id


def test_every_outcome_comes_up(env):
    targets = [env.sample_task(i, difficulty=0.9) for i in range(150)]
    assert {t.target["reason"] for t in targets} == {"", "people", "rooms", "hours"}
    assert any(t.meta["move"] for t in targets)
    requests = [t.target["request"] for t in targets]
    for key, count in {"weeks": 3, "buffer": 3, "earliest": 2, "may_move": 2}.items():
        assert len({r[key] for r in requests}) == count, key
    assert any(r["event"] for r in requests)


def test_the_request_says_everything_that_is_judged(env):
    for seed in range(60):
        task = env.sample_task(seed, difficulty=0.9)
        text, request, world = task.prompt[1].content, task.target["request"], task.meta["world"]
        names = [p["name"] for p in world["people"] if p["id"] in request["people"]]
        assert all(name in text for name in (names if not request["event"] else [])), text
        assert request["title"] in text
        assert ("as early as possible" in text) == (request["earliest"] or request["may_move"])
        assert ("weeks in a row" in text) == (request["weeks"] > 1)
        assert (f"{request['buffer']} minutes without" in text) == (request["buffer"] > 0)
        assert (f"at least {request['seats']} seats" in text) == (request["seats"] > 0)
        assert ("may move one event" in text) == request["may_move"]


def test_any_start_that_suits_counts_where_the_earliest_is_not_asked_for(env):
    task = find(env, lambda t: booked(t) and not t["request"]["earliest"] and not t["request"]["seats"], 0.6)
    found, _ = Naive(task).solve()
    assert len(found) > 1
    (name, arguments) = task.meta["changes"][0]
    for start in found:
        said = f"{start:%Y-%m-%d %H:%M}"
        calls = [*task.meta["looks"], (name, {**arguments, "start": said})]
        assert earned(env, task, calls, f"Answer: {said}").value == 1
    night = f"{found[0]:%Y-%m-%d} 02:00"
    assert (
        earned(env, task, [*task.meta["looks"], (name, {**arguments, "start": night})], f"Answer: {night}").value == 0
    )


def test_a_later_start_does_not_count_where_the_earliest_is_asked_for(env):
    task = find(env, lambda t: booked(t) and t["request"]["earliest"] and not t["request"]["seats"], 0.4)
    found, _ = Naive(task).solve()
    assert len(found) > 1
    name, arguments = task.meta["changes"][-1]
    later = f"{found[1]:%Y-%m-%d %H:%M}"
    score = earned(env, task, [*task.meta["looks"], (name, {**arguments, "start": later})], f"Answer: {later}")
    assert score.value == 0


SPOILED = {
    "somebody isn't invited": lambda a, world: {"people": a["people"][:-1]},
    "somebody else is invited too": lambda a, world: {
        "people": [*a["people"], next(p["id"] for p in world["people"] if p["id"] not in a["people"])]
    },
    "too short": lambda a, world: {"minutes": a["minutes"] - 15},
    "another title": lambda a, world: {"title": "Meeting"},
    "no room": lambda a, world: {"room": ""},
    "a small room": lambda a, world: {"room": min(world["rooms"], key=lambda r: r["seats"])["id"]},
    "one week fewer": lambda a, world: {"weeks": a["weeks"] - 1},
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_meeting_that_is_not_quite_the_one_asked_for_earns_nothing(env, how):
    task = find(env, lambda t: booked(t) and t["request"]["seats"] > 2 and t["request"]["weeks"] > 1)
    name, arguments = task.meta["changes"][0]
    assert earned(env, task, [*task.meta["looks"], (name, arguments)]).value == 1
    spoiled = {**arguments, **SPOILED[how](arguments, task.meta["world"])}
    assert earned(env, task, [*task.meta["looks"], (name, spoiled)]).value == 0


def test_a_series_may_be_booked_week_by_week_but_not_with_a_gap(env):
    task = find(env, lambda t: booked(t) and t["request"]["weeks"] == 2)
    name, arguments = task.meta["changes"][0]
    start = moment(arguments["start"])

    def singly(*weeks):
        return [
            (name, {**arguments, "weeks": 1, "start": f"{start + timedelta(weeks=w):%Y-%m-%d %H:%M}"}) for w in weeks
        ]

    assert earned(env, task, [*task.meta["looks"], *singly(0, 1)]).value == 1
    assert earned(env, task, [*task.meta["looks"], *singly(0, 2)]).value == 0
    assert earned(env, task, [*task.meta["looks"], *singly(0)]).value == 0


def test_what_gives_way_has_to_move_to_where_it_suits_and_only_once(env):
    task = next(t for i in range(400) if (t := env.sample_task(i, difficulty=1.0)).meta["move"])
    (move, there), create = task.meta["changes"]
    looks = task.meta["looks"]
    assert earned(env, task, [*looks, (move, there), create]).value == 1
    assert earned(env, task, [*looks, create, (move, there)]).value == 1
    assert earned(env, task, [*looks, create]).value == 0
    night = {**there, "start": f"{there['start'][:10]} 01:00"}
    assert earned(env, task, [*looks, (move, night), create]).value == 0
    assert earned(env, task, [*looks, (move, night), (move, there), create]).value == 0


def test_an_event_may_not_be_moved_where_a_start_is_free_without_it(env):
    task = find(env, lambda t: booked(t) and t["request"]["may_move"] and {"action": "move"} in t["forbidden"])
    flexible = next(e["id"] for e in task.meta["world"]["events"].values() if e["flexible"])
    move = ("move_event", {"event": flexible, "start": f"{task.meta['world']['monday']} 23:00"})
    assert "forbidden" in earned(env, task, [*task.meta["looks"], move, *task.meta["changes"]]).reason


def test_a_forbidden_change_counts_though_it_was_undone(env):
    task = find(env, booked, 0.3)
    event = next(e for e in task.meta["world"]["events"].values())
    back = datetime.fromisoformat(task.meta["world"]["monday"]) + timedelta(minutes=event["start"])
    there = ("move_event", {"event": event["id"], "start": f"{back:%Y-%m-%d} 22:00"})
    undone = ("move_event", {"event": event["id"], "start": f"{back:%Y-%m-%d %H:%M}"})
    score = earned(env, task, [*task.meta["looks"], there, undone, *task.meta["changes"]])
    assert score.value == 0
    assert "forbidden" in score.reason


def test_a_claim_beside_the_answer_has_to_be_true(env):
    task = find(env, lambda t: t["reason"] == "people", 0.5)
    closing = _closing(task)
    assert earned(env, task, task.meta["looks"], f"All of them together are never free.\n{closing}").value == 1
    assert earned(env, task, task.meta["looks"], f"I've booked it at night.\n{closing}").value == 0


def test_the_reason_has_to_be_the_right_one(env):
    for reason in ("hours", "people", "rooms"):
        task = find(env, lambda t, r=reason: t["reason"] == r)
        for said in ("hours", "people", "rooms", "time", ""):
            looks = [*task.meta["looks"], ("find_people", {"query": task.target["request"]["people"][0]})]
            assert earned(env, task, looks, f"Answer: none, {said}").value == (said == reason)


def test_no_calendar_may_be_left_unread(env):
    task = find(env, lambda t: booked(t) and not t["request"]["may_move"])
    looks = task.meta["looks"]
    read = [i for i, (name, _) in enumerate(looks) if name == "list_events"]
    for index in read:
        calls = [call for i, call in enumerate(looks) if i != index]
        assert earned(env, task, [*calls, *task.meta["changes"]]).value == 0
    one_day = [(name, {**a, "last_day": a["first_day"]} if name == "list_events" else a) for name, a in looks]
    if task.target["best"] // 1440 > task.target["request"]["days"][0]:
        assert earned(env, task, [*one_day, *task.meta["changes"]]).value == 0


WRONG_CALLS = [
    ("find_people", {"query": "Nobody"}, "unknown_person"),
    ("list_events", {"person": "p0", "first_day": "2026-01-05", "last_day": "2026-01-05"}, "unknown_person"),
    ("find_rooms", {"seats": 2, "first_day": "Monday", "last_day": "Monday"}, "bad_date"),
    ("find_rooms", {"seats": 2, "first_day": "1999-01-01", "last_day": "1999-01-01"}, "out_of_range"),
    ("move_event", {"event": "e0", "start": "2026-01-05 09:00"}, "unknown_event"),
    ("cancel_event", {"event": "e0"}, "unknown_event"),
    ("create_event", {"title": "x", "start": "noon", "minutes": 30, "people": ["p0"]}, "unknown_person"),
    ("create_event", {"title": "x", "start": "noon", "minutes": "30", "people": ["p0"]}, "invalid_argument"),
]


@pytest.mark.parametrize(("name", "arguments", "kind"), WRONG_CALLS)
def test_a_wrong_call_gets_a_typed_error_and_changes_nothing(env, name, arguments, kind):
    task = env.sample_task(3, difficulty=0.5)
    seen, score = play(
        env,
        task,
        call_by_call([(name, arguments), *task.meta["looks"], *task.meta["changes"]], lambda m: _closing(task)),
    )
    assert seen.calls[0].error == kind
    assert json.loads(seen.messages[3].content)["error"] == kind
    assert score.value == 1


def test_a_room_that_is_taken_is_refused():
    task = find(envs.make(ENV_ID), lambda t: t["reason"] == "rooms")
    office, world = Office(task.meta["world"]), task.meta["world"]
    event = next(e for e in world["events"].values() if e["room"])
    start = f"{datetime.fromisoformat(world['monday']) + timedelta(minutes=event['start']):%Y-%m-%d %H:%M}"
    with pytest.raises(ToolError, match="is booked"):
        office.create_event("x", start, 30, [world["people"][0]["id"]], event["room"])
    assert office.effects == []


def test_a_target_without_a_request_is_the_tasks_fault():
    for reward in (arranged, looked):
        assert reward(Transcript(()), {}).status is Status.TASK_ERROR
    assert says_so(Transcript(()), {}).status is Status.INVALID_OUTPUT
