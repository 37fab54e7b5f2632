"""Travel: an independent search over what the tools say finds the same total, and every wish costs when passed over."""

import itertools
import json
import re
from datetime import date, datetime, timedelta
from fractions import Fraction

import pytest

import envs
from envs.api.travel import _call, _closing, planned
from envs.api.travel_rules import cheapest
from envs.api.travel_world import Agency
from envs.plans import turn_by_turn
from envs.proof import play
from envs.tools import ToolError
from rewards.score import Status
from rewards.transcript import Transcript

ENV_ID = "postgym/Travel-v0"


@pytest.fixture(scope="module")
def env():
    return envs.make(ENV_ID)


def find(env, wanted, difficulty):
    for seed in range(600):
        task = env.sample_task(seed, difficulty=difficulty)
        if wanted(task):
            return task
    raise AssertionError("no such task")


def is_fine(task):
    return not task.target["lacking"]


def earned(env, task, *turns, closing=None):
    return play(env, task, turn_by_turn([*task.meta["looks"], *turns], lambda messages: closing or _closing(task)))[1]


# The independent search: all wishes read from the English text, all offers from the tools, every combination tried.


class Reader:
    """The traveller's words and the agency's answers as dates and fractions."""

    def __init__(self, task):
        self.text, self.agency = task.prompt[1].content, Agency(task.meta["world"])
        days = [date.fromisoformat(d) for d in re.findall(r"\d{4}-\d\d-\d\d", self.text)]
        self.today = days[0]
        self.budget = int(re.search(r"(\d+) [A-Z]{3}\b", self.text)[1])
        self.own = re.search(r"\d+ ([A-Z]{3})\b", self.text)[1]
        cards = self.agency.discounts() if "discount cards" in self.text else []
        self.cards = {c["with"]: c["percent"] for c in cards}

    def price(self, amount, currency, seller=""):
        rate = Fraction(1) if currency == self.own else Fraction(str(self.agency.exchange_rate(currency)["rate"]))
        return Fraction(amount) * (100 - self.cards.get(seller, 0)) / 100 * rate

    def ways(self, origin, destination, after, before):
        found, day = [], after.date()
        while day <= before.date():
            for offers in (self.agency.flights, self.agency.trains):
                for o in offers(origin, destination, day.isoformat()):
                    a, b = (datetime.fromisoformat(f"{day} {o[k]}") for k in ("departs", "arrives"))
                    if after <= a and b <= before:
                        found.append((a, b, self.price(o["price"], o["currency"], o["carrier"])))
            day += timedelta(days=1)
        return found

    def one_way(self):
        origin = re.search(r"from (\w+) to|in (\w+) that", self.text)
        town = re.search(r"to (\w+) by|be in (\w+) by", self.text)
        hour, day = re.search(r"by (\d\d:\d\d) on \w+ (\S{10})", self.text).groups()
        limits = datetime.fromisoformat(day), datetime.fromisoformat(f"{day} {hour}")
        ways = self.ways(origin[1] or origin[2], town[1] or town[2], *limits)
        return min((price for *_, price in ways), default=None)

    def read(self):
        """The meetings, the legs between them, and the stars and sights wished for."""
        form = r"On \w+ (\S{10}) I have [^.]*? in (\w+)(?: \((\w+)\))? from (\d\d:\d\d) to (\d\d:\d\d)"
        meetings = [
            (town, country, datetime.fromisoformat(f"{day} {a}"), datetime.fromisoformat(f"{day} {b}"))
            for day, town, country, a, b in re.findall(form, self.text)
        ]
        origin = re.search(r"I live in (\w+)", self.text)[1]
        leave = datetime.fromisoformat(re.search(r"I leave \w+ on \w+ (\S{10})", self.text)[1])
        back = re.search(r"be back by (\d\d:\d\d) on \w+ (\S{10})", self.text)
        legs, at = [], origin
        for town, _, begins, ends in meetings:
            legs.append((at, town, leave, begins - timedelta(minutes=60)))
            at, leave = town, ends
        if "stay one night" in self.text:
            leave = datetime.combine(leave.date() + timedelta(days=1), datetime.min.time())
        legs.append((at, origin, leave, datetime.fromisoformat(f"{back[2]} {back[1]}")))
        return meetings, legs

    def stay(self, meeting, arrive, depart):
        """The least that a stay costs, or None."""
        town, _, begins, ends = meeting
        nights, total = (depart.date() - arrive.date()).days, Fraction(0)
        if nights:
            stars = int(re.search(rf"In {town} a hotel needs at least (\d)", self.text)[1])
            rooms = self.agency.hotels(town, arrive.date().isoformat(), nights)
            prices = [self.price(h["price"] * nights, h["currency"], h["chain"]) for h in rooms if h["stars"] >= stars]
            if not prices:
                return None
            total += min(prices)
        if f"of {town} while" in self.text:
            (sight,) = self.agency.sights(town)
            prices = [
                self.price(self.ticket(sight, start), sight["currency"])
                for start in (arrive.replace(minute=0) + timedelta(hours=h) for h in range(100))
                if arrive <= start
                and start + timedelta(hours=2) <= depart
                and (start + timedelta(hours=2) <= begins or ends <= start)
                and self.opened(sight, start)
            ]
            if not prices:
                return None
            total += min(prices)
        return total

    def ticket(self, sight, start):
        return sight["reduced"]["price"] if f"{start:%A}" == sight["reduced"]["on"] else sight["price"]

    def opened(self, sight, start):
        opens, closes, closed = re.fullmatch(r"(\S{5})-(\S{5}), closed on (\w+)", sight["open"]).groups()
        end = start + timedelta(hours=2)
        inside = opens <= f"{start:%H:%M}" and f"{end:%H:%M}" <= closes and start.date() == end.date()
        return inside and f"{start:%A}" != closed

    def solve(self):
        """The least total, or what is lacking."""
        if "I live in" not in self.text:
            total = self.one_way()
            return "transport" if total is None else total
        meetings, legs = self.read()
        ways = [self.ways(*leg) for leg in legs]
        if not all(ways):
            return "transport"
        passport = re.search(r"passport of (\w+)", self.text)
        rules = [self.agency.entry_rules(c, passport[1]) for c in {m[1] for m in meetings if m[1]}]
        fees = sum(self.price(r["fee"], r["currency"]) for r in rules if r["visa"])
        wait = max((r["days"] for r in rules if r["visa"]), default=0)
        totals, in_time = [], 0
        for journey in itertools.product(*ways):
            if (journey[0][1].date() - self.today).days < wait:
                continue
            in_time += 1
            costs = [self.stay(m, journey[i][1], journey[i + 1][0]) for i, m in enumerate(meetings)]
            if None not in costs:
                totals.append(fees + sum(way[2] for way in journey) + sum(costs))
        return min(totals) if totals else "hotel" if in_time else "visa"


@pytest.mark.parametrize(("difficulty", "n"), [(0.0, 40), (0.25, 25), (0.5, 25), (0.7, 8), (1.0, 6)])
def test_trying_everything_that_the_tools_offer_finds_the_same_outcome(env, difficulty, n):
    for seed in range(n):
        task = env.sample_task(7000 + seed, difficulty=difficulty)
        reader = Reader(task)
        found, answer = reader.solve(), task.target["answer"]
        if isinstance(found, str):
            assert [f["value"] for f in answer] == ["impossible", found], task.id
        elif found > reader.budget:
            assert [answer[0]["value"], Fraction(answer[1]["value"])] == ["over budget", found], task.id
        else:
            assert [Fraction(f["value"]) for f in answer] == [found], task.id


def test_every_outcome_comes_up(env):
    found = [env.sample_task(i, difficulty=0.8).target["lacking"] for i in range(150)]
    assert set(found) == {"", "over budget", "transport", "hotel", "visa"}
    assert 90 < found.count("") < 140


def test_the_hardest_trips_take_five_services_and_more(env):
    for seed in range(20):
        task = env.sample_task(seed, difficulty=1.0)
        assert len({call["name"] for turn in task.meta["looks"] for call in turn}) >= 6
        assert all(len(turn) <= 8 for turn in [*task.meta["looks"], task.meta["books"]])


def test_another_plan_at_the_same_cost_is_as_good(env):
    task = find(env, lambda t: is_fine(t) and len(t.meta["books"]) == 1, 0.0)
    world = task.meta["world"]
    best = world["trips"][task.meta["books"][0]["arguments"]["offer"]]
    twin = {**best, "id": "t1"}
    world = {**world, "trips": {**world["trips"], "t1": twin}}
    task = task.model_copy(update={"meta": {**task.meta, "world": world}})
    assert earned(env, task, [_call("book", offer="t1")]).value == 1
    dearer = {**world, "trips": {**world["trips"], "t1": {**twin, "price": best["price"] + 20}}}
    task = task.model_copy(update={"meta": {**task.meta, "world": dearer}})
    assert earned(env, task, [_call("book", offer="t1")]).value == 0


def test_no_part_may_be_left_out_or_booked_twice(env):
    task = find(env, lambda t: is_fine(t) and len(t.meta["books"]) >= 5, 0.75)
    books = task.meta["books"]
    assert earned(env, task, books).value == 1
    assert earned(env, task, list(reversed(books))).value == 1
    for index, book in enumerate(books):
        assert earned(env, task, books[:index] + books[index + 1 :]).value == 0
        assert earned(env, task, [*books, book]).value == 0


def test_a_booking_that_was_cancelled_has_been_made(env):
    task = find(env, is_fine, 0.0)
    spare = next(key for key in task.meta["world"]["trips"] if key != task.meta["books"][0]["arguments"]["offer"])
    turns = [_call("book", offer=spare)], [_call("cancel", booking="b1")], task.meta["books"]
    score = earned(env, task, *turns)
    assert score.value == 0
    assert "forbidden: cancel" in score.reason


def test_a_plan_that_is_too_dear_is_told_and_not_booked(env):
    task = find(env, lambda t: t.target["lacking"] == "over budget", 0.3)
    _, bookings = cheapest(task.meta["world"], task.target["request"])
    assert earned(env, task).value == 1
    total = task.target["answer"][1]["value"]
    assert earned(env, task, closing=f"Even the cheapest trip is too dear.\n{_closing(task)}").value == 1
    assert earned(env, task, closing=f"I've booked it all the same.\n{_closing(task)}").value == 0
    assert earned(env, task, closing=f"Answer: {total}").value == 0
    assert earned(env, task, closing="Answer: over budget").value == 0
    assert earned(env, task, closing="Answer: over budget, 1").value == 0
    trips = [_call("book", offer=b["offer"]) for b in bookings if set(b) == {"offer"}]
    assert earned(env, task, trips).value == 0


def test_what_is_lacking_has_to_be_named_after_looking(env):
    for lacking in ("transport", "hotel", "visa"):
        task = find(env, lambda t, which=lacking: t.target["lacking"] == which, 0.7)
        for said in ("transport", "hotel", "visa", "time"):
            assert earned(env, task, closing=f"Answer: impossible, {said}").value == (said == lacking)
        unseen = play(env, task, lambda messages, t=task: _closing(t))[1]
        assert unseen.value == 0


def test_looking_up_comes_before_booking(env):
    task = find(env, is_fine, 0.5)
    looks, books = task.meta["looks"], task.meta["books"]
    assert play(env, task, turn_by_turn([books, *looks], lambda messages: _closing(task)))[1].value == 0
    failed = [_call("book", offer="t0")]
    assert play(env, task, turn_by_turn([failed, *looks, books], lambda messages: _closing(task)))[1].value == 1


WRONG_CALLS = [
    (_call("flights", origin="Nowhere", destination="Nowhere", day="2026-01-01"), "unknown_city"),
    (_call("exchange_rate", currency="XXX"), "unknown_currency"),
    (_call("entry_rules", country="Nowhere", passport="Nowhere"), "unknown_country"),
    (_call("book", offer="t0"), "unknown_offer"),
    (_call("book", offer="t0", nights="2"), "invalid_argument"),
    (_call("book", offer="t0", nights=2), "invalid_argument"),
    (_call("cancel", booking="b1"), "unknown_booking"),
    (_call("train", origin="a"), "unknown_tool"),
]


@pytest.mark.parametrize(("call", "kind"), WRONG_CALLS)
def test_a_wrong_call_gets_a_typed_error_and_can_be_made_good(env, call, kind):
    task = env.sample_task(3, difficulty=0.5)
    turns = [[call], *task.meta["looks"], task.meta["books"]]
    seen, score = play(env, task, turn_by_turn(turns, lambda messages: _closing(task)))
    assert seen.calls[0].error == kind
    assert json.loads(seen.messages[3].content)["error"] == kind
    assert score.value == 1


def test_full_hotels_closed_sights_and_days_out_of_reach_are_refused(env):
    task = find(
        env, lambda t: t.meta["world"]["sights"] and any(h["full"] for h in t.meta["world"]["hotels"].values()), 1.0
    )
    world, agency = task.meta["world"], Agency(task.meta["world"])
    today = date.fromisoformat(world["today"])
    hotel = next(h for h in world["hotels"].values() if h["full"])
    with pytest.raises(ToolError, match="no room"):
        agency.book(hotel["id"], (today + timedelta(days=hotel["full"][0])).isoformat(), 1)
    with pytest.raises(ToolError, match="can't be visited"):
        agency.book(next(iter(world["sights"])), f"{today} 23:00")
    with pytest.raises(ToolError, match="reach"):
        agency.hotels(hotel["city"], "2199-01-01", 1)
    assert agency.effects == []


def test_a_target_without_a_request_is_the_tasks_fault():
    assert planned(Transcript(()), {}).status is Status.TASK_ERROR
