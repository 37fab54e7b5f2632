import json
import pickle
import random
import re
import time
from collections import Counter
from datetime import date, datetime, timedelta

import pytest

import envs
from envs.api.catalogue import DOMAIN_OF, DOMAINS, FUNCTIONS, MOST_OFFERED, STAND_INS, on_offer
from envs.api.function import function
from envs.api.functions import says_where_no_tool_fits, wish
from envs.api.parameters import Chance, text
from envs.proof import play
from rewards.calls import calls_follow_schema, fits
from rewards.score import Status
from rewards.transcript import Message, ToolCall, Transcript

TODAY = date(2026, 3, 12)


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Functions-v0")


@pytest.fixture(scope="module")
def tasks(env):
    return [env.sample_task(i, "train", i / 399) for i in range(400)]


def of_kind(tasks, kind):
    return [task for task in tasks if task.meta["kind"] == kind]


def calling(*turns):
    """A policy that plays `turns` in order: a text, or a list of calls as a task's meta has them."""

    def act(messages):
        turn = turns[min(sum(m.role == "assistant" for m in messages), len(turns) - 1)]
        if isinstance(turn, str):
            return turn
        return Message("assistant", "", tuple(ToolCall(**c, id=f"call_{i}") for i, c in enumerate(turn)))

    return act


def earned(env, task, *turns):
    return play(env, task, calling(*turns))[1].value


# The catalogue.


def test_the_catalogue_is_wide():
    assert len(DOMAINS) >= 12
    assert len(FUNCTIONS) >= 60
    assert len(FUNCTIONS) == sum(len(functions) for functions in DOMAINS.values())
    assert len({json.dumps(f.tool.schema["function"]["description"]) for f in FUNCTIONS.values()}) == len(FUNCTIONS)


def test_every_kind_of_parameter_is_there():
    schemas = [f.tool.schema["function"]["parameters"] for f in FUNCTIONS.values()]
    properties = [p for s in schemas for p in s["properties"].values()]
    assert {"string", "integer", "number", "boolean", "array", "object"} <= {p.get("type") for p in properties}
    assert any("enum" in p for p in properties)
    assert any("default" in p for p in properties)
    assert any(p.get("type") == "array" and p["items"]["type"] == "object" for p in properties)
    assert "$ref" not in json.dumps(schemas)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_asked_follows_the_functions_own_schema(name):
    of = FUNCTIONS[name]
    for seed in range(20):
        asked, _ = wish(of, Chance(random.Random(seed), seed / 19, TODAY), "", 1 + seed % 3)
        calls = tuple(ToolCall(name, a) for a in asked.arguments)
        assert len({json.dumps(c.arguments) for c in calls}) == len(calls)
        said = Transcript((Message("assistant", "", calls),))
        assert calls_follow_schema(said, {"tools": [of.tool.schema]}).value == 1
        for call in calls:
            assert of.tool.call(call.arguments) == "ok"
        assert not re.search(r"[\[\]{}|]", asked.words)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_word_of_a_question_names_two_parameters(name):
    words = [w for names in FUNCTIONS[name].asked.values() for w in names]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_left_out_is_not_said(name):
    of = FUNCTIONS[name]
    for lacking in of.droppable:
        chance = Chance(random.Random(1), 0.0, TODAY)
        asked, answer = wish(of, chance, lacking)
        assert answer
        assert f" {answer}" not in asked.words


def texts_in(value, schema):
    """The free texts in an argument: those that are said as they are written."""
    if isinstance(value, list):
        return [t for v in value for t in texts_in(v, schema["items"])]
    if isinstance(value, dict):
        return [t for k, v in value.items() for t in texts_in(v, schema["properties"][k])]
    free = isinstance(value, str) and "enum" not in schema and "pattern" not in schema
    return [value] if free else [str(value)] if schema["type"] == "integer" else []


def test_every_text_and_count_of_a_call_is_said(tasks):
    for task in tasks:
        said = " ".join([task.prompt[1].content, task.meta["answer"]]).casefold()
        for call in task.meta["calls"]:
            fields = FUNCTIONS[call["name"]].tool.schema["function"]["parameters"]["properties"]
            for name, value in call["arguments"].items():
                for told in texts_in(value, fields[name]):
                    assert told.casefold() in said, (told, said)


def test_a_template_must_name_its_parameters():
    with pytest.raises(ValueError, match="differ"):
        function("do_it", "Does it.", "do {this}", that=text(["a"]))


def test_a_tool_can_be_pickled():
    for f in FUNCTIONS.values():
        assert pickle.loads(pickle.dumps(f.tool)).schema == f.tool.schema


# What is said and what is meant, read by other means.


def read_day(words):
    words = words.removeprefix("on ")
    if words in ("today", "tomorrow"):
        return TODAY + timedelta(words == "tomorrow")
    if found := re.fullmatch(r"in (\d+) days", words):
        return TODAY + timedelta(int(found.group(1)))
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(words, form).date()
        except ValueError:
            continue
    return datetime.strptime(f"{words} {TODAY.year}", "%B %d %Y").date()


def test_a_date_is_the_day_that_is_said():
    kind = FUNCTIONS["get_forecast"].parameters["date"]
    seen = set()
    for seed in range(300):
        value, words = kind.draw(Chance(random.Random(seed), seed / 299, TODAY))
        assert read_day(words).isoformat() == value, words
        seen.add(re.sub(r"\d+|[A-Z][a-z]+", "#", words))
    assert len(seen) >= 5


def test_a_time_is_the_hour_that_is_said():
    kind = FUNCTIONS["set_alarm"].parameters["time"]
    for seed in range(200):
        value, words = kind.draw(Chance(random.Random(seed), seed / 199, TODAY))
        form = "%H:%M" if words == value else "%I:%M %p" if ":" in words else "%I %p"
        assert datetime.strptime(words, form).strftime("%H:%M") == value


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("log_workout", "duration"), ("log_water", "volume"), ("log_weight", "weight"), ("watch_storm", "radius")],
)
def test_an_amount_is_what_is_said_in_the_tools_unit(name, parameter):
    import pint

    units = pint.UnitRegistry()
    kind = FUNCTIONS[name].parameters[parameter]
    own = FUNCTIONS[name].tool.schema["function"]["parameters"]["properties"][parameter]["description"]
    said = set()
    for seed in range(100):
        value, words = kind.draw(Chance(random.Random(seed), 1.0, TODAY))
        assert units(words).to(own.removeprefix("in ")).magnitude == pytest.approx(value, rel=1e-12)
        said.add(words.split()[1])
    assert len(said) == 2


# What is on offer.


def test_up_to_sixty_four_others_stand_beside_the_right_one(tasks):
    assert {len(t.meta["offered"]) for t in tasks if t.difficulty == 0} == {2}
    assert max(len(t.meta["offered"]) for t in tasks) == MOST_OFFERED
    for task in tasks:
        wanted = {c["name"] for c in task.meta["calls"]}
        assert wanted <= set(task.meta["offered"])
        assert len(set(task.meta["offered"])) == len(task.meta["offered"])
        assert (
            any(DOMAIN_OF[n] == DOMAIN_OF[w] for w in wanted for n in set(task.meta["offered"]) - wanted) or not wanted
        )


def test_where_no_tool_fits_neither_it_nor_its_stand_ins_are_on_offer(tasks):
    found = [t for t in tasks if t.meta["absent"]]
    assert len(found) > 40
    for task in found:
        name = task.meta["absent"][0].replace(" ", "_")
        called = {c["name"] for c in task.meta["calls"]}
        assert not {name, *STAND_INS.get(name, ())} & (set(task.meta["offered"]) - called)


def test_the_number_of_tools_does_not_tell_whether_one_fits(env):
    for level in (0.0, 0.3, 1.0):
        counts = {"none": set(), "calls": set()}
        for task in (env.sample_task(i, "train", level) for i in range(200)):
            if len(task.meta["calls"]) <= 1 and task.meta["kind"] in counts:
                counts[task.meta["kind"]].add(len(task.meta["offered"]))
        assert counts["none"] == counts["calls"], level


def test_the_list_of_tools_does_not_tell_the_right_one():
    """Guesses by place, by the number of siblings and by name hit no more often than chance."""
    rng, hits, n = random.Random(0), Counter(), 2000
    for _ in range(n):
        right = rng.choice(list(FUNCTIONS))
        offered = on_offer(rng, [right], [], 20)
        crowd = Counter(DOMAIN_OF[name] for name in offered)
        hits["first"] += offered[0] == right
        hits["last"] += offered[-1] == right
        hits["first by name"] += min(offered) == right
        hits["in the largest crowd"] += right == max(offered, key=lambda name: crowd[DOMAIN_OF[name]])
        hits["in the smallest crowd"] += right == min(offered, key=lambda name: crowd[DOMAIN_OF[name]])
    assert max(hits.values()) < 0.09 * n, hits


def made_up(schema):
    """A value of that schema, from nothing else."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: made_up(field) for name, field in schema["properties"].items()}
    if schema["type"] == "array":
        return [made_up(schema["items"])]
    return {"string": "2026-03-12", "integer": 5, "number": 10.0, "boolean": True}[schema["type"]]


def test_a_policy_that_reads_the_tools_alone_earns_nothing(env, tasks):
    for task in tasks[::8]:
        env.reset(options={"task": task})
        function = max(env.tools, key=lambda tool: len(tool.parameters["properties"])).schema["function"]
        required = function["parameters"]["required"]
        arguments = {name: made_up(function["parameters"]["properties"][name]) for name in required}
        assert earned(env, task, [{"name": function["name"], "arguments": arguments}], "Done.") == 0


# Habits.


def test_always_calling_loses_where_nothing_fits_or_something_is_missing(env, tasks):
    for task in of_kind(tasks, "none"):
        assert earned(env, task, [{"name": task.meta["offered"][0], "arguments": {}}], "Done.") == 0
    for task in of_kind(tasks, "missing"):  # even for those who guess right
        assert earned(env, task, task.meta["calls"], "Done.") == 0


def test_never_calling_loses_where_a_tool_fits(env, tasks):
    for task in [t for t in tasks if t.meta["calls"]][:60]:
        assert earned(env, task, f"There is no tool for this: {task.prompt[1].content}") == 0


def test_always_asking_loses_where_nothing_is_missing(env, tasks):
    for task in of_kind(tasks, "calls")[:40]:
        first = next(iter(task.meta["calls"][0]["arguments"]))
        assert earned(env, task, f"What {first} should it be?", task.meta["calls"], "Done.") == 0


def test_the_missing_piece_comes_from_the_user_once_it_is_asked_for(env, tasks):
    for task in of_kind(tasks, "missing"):
        env.reset(options={"task": task})
        slot = task.target["missing_slots"][0]
        new, *_ = env.step(f"Sure. What {task.target['slots'][slot][0]} should it be?")
        assert new[0].role == "user"
        assert task.meta["answer"].casefold() in new[0].content.casefold()
        _, _, _, truncated, _ = env.step(calling([*task.meta["calls"]])([]))
        assert not truncated
        assert env.step("Done.")[1] == 1


def test_asking_for_something_else_ends_it(env, tasks):
    for task in of_kind(tasks, "missing")[:10]:
        assert earned(env, task, "Could you tell me more?", task.meta["calls"], "Done.") == 0


def test_calls_one_after_the_other_cost_a_little(env, tasks):
    task = next(t for t in of_kind(tasks, "calls") if len(t.meta["calls"]) == 2)
    first, second = task.meta["calls"]
    assert earned(env, task, [first], [second], "Done.") == pytest.approx(0.95)
    assert earned(env, task, [second, first], "Done.") == 1


def test_a_default_may_be_given_or_left_out(env, tasks):
    for task in of_kind(tasks, "calls")[:80]:
        full = [
            {**c, "arguments": {k: v[0] for k, v in e["arguments"].items()}}
            for c, e in zip(task.meta["calls"], task.target["expected"], strict=True)
        ]
        assert earned(env, task, full, "Done.") == 1
        assert earned(env, task, task.meta["calls"], "Done.") == 1


def test_an_article_may_be_left_out():
    expected = FUNCTIONS["order_taxi"].expected({"destination": "the airport", "time": "09:00"})
    for said, reason in (("the airport", True), ("airport", True), ("the port", False)):
        call = ToolCall("order_taxi", {"destination": said, "time": "09:00"})
        assert (fits(call, expected) is None) == reason


def test_an_unasked_option_is_wrong(env):
    task = next(
        t
        for t in (env.sample_task(i, "train", 0.0) for i in range(900))
        if t.meta["kind"] == "calls" and t.meta["calls"][0]["name"] == "get_pollen"
    )
    (call,) = task.meta["calls"]
    assert earned(env, task, [{**call, "arguments": {**call["arguments"], "plant": "birch"}}], "Done.") == 0


# What counts as saying that no tool fits.


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("There is no tool to book a table.", 1),
        ("I'm sorry, I don't have a tool for reserving tables.", 1),
        ("I can't book that table. None of the functions does it.", 1),
        ("None of my tools can book tables, I'm afraid.", 1),
        ("I do not have access to any function for tables.", 1),
        ("We lack a suitable tool for the table.", 1),
        ("There isn't a tool for table bookings here.", 1),
        ("There is no tool for that.", 0),
        ("I won't call a tool to book this table.", 0),
        ("The table is booked, no other tool was needed.", 0),
        ("I'm sorry, but I can't help with that table.", 0),
        ("If no tool fits, I'll book the table by phone.", 0),
        ("Is there no tool to book a table?", 0),
        ("I booked the table.", 0),
        ("<think>There is no tool to book a table.</think>Done.", 0),
        ("", 0),
    ],
)
def test_a_denial_names_what_it_denies(reply, value):
    seen = Transcript((Message("user", "Book a table."), Message("assistant", reply)))
    assert says_where_no_tool_fits(seen, {"no_tool": [["table"]]}).value == value


def test_denying_what_can_be_done_is_wrong():
    for reply, value in (("There is no tool to book a table.", 0), ("Done, and no other tool was needed.", 1)):
        seen = Transcript((Message("assistant", reply),))
        assert says_where_no_tool_fits(seen, {"no_tool": []}).value == value


def test_a_target_without_topics_is_the_tasks_fault():
    seen = Transcript((Message("assistant", "Done."),))
    assert says_where_no_tool_fits(seen, {"no_tool": [[]]}).status is Status.TASK_ERROR


def test_tasks_come_fast(env):
    start = time.process_time()
    for i in range(100):
        env.sample_task(i, "train", 1.0)
    assert time.process_time() - start < 0.5
