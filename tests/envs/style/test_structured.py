"""Structured: what is asked for stands in the text, checked by reading the text in another way."""

import re
from datetime import date, datetime
from decimal import Decimal

import jsonschema
import pytest

import envs
from envs.style.situations import WORLDS

COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
DATE = re.compile(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4})")


@pytest.fixture(scope="module")
def tasks():
    env = envs.make("postgym/Structured-v0")
    return [env.sample_task(i, "test" if i % 2 else "train", i / 399) for i in range(400)]


def of_kind(tasks, *kinds):
    found = [t for t in tasks if t.target["kind"] in kinds]
    assert len(found) >= 15
    return found


def in_digits(text):
    """The text with its number words as digits and its dates as ISO."""
    text = re.sub(r"\b(" + "|".join(COUNTS) + r")\b", lambda m: str(COUNTS.index(m.group().lower())), text, flags=re.I)
    return DATE.sub(lambda m: datetime.strptime(m.group(), "%d %B %Y").date().isoformat(), text)


def scalars(value):
    if isinstance(value, dict):
        return [x for inner in value.values() for x in scalars(inner)]
    return [x for inner in value for x in scalars(inner)] if isinstance(value, list) else [value]


def test_every_kind_comes_and_hard_ones_only_later(tasks):
    kinds = [t.target["kind"] for t in tasks]
    assert set(kinds[:30]) <= {"json", "csv"}
    assert set(kinds) == {"json", "yaml", "ini", "csv", "markdown", "email", "commit"}


def test_records_follow_their_schemas(tasks):
    for task in of_kind(tasks, "json", "yaml"):
        jsonschema.validate(task.target["record"], task.target["schema"], format_checker=jsonschema.FormatChecker())
        assert all(
            date.fromisoformat(x) for x in scalars(task.target["record"]) if re.fullmatch(r"\d{4}-\d\d-\d\d", str(x))
        )


def test_every_number_date_and_name_of_a_record_is_told_in_the_text(tasks):
    for task in of_kind(tasks, "json", "yaml"):
        asked = in_digits(task.prompt[-1].content)
        enums = {x for p in task.target["schema"]["properties"].values() for x in p.get("enum", ())}
        for value in scalars(task.target["record"]):
            shown = f"{value:.2f}" if isinstance(value, float) else str(value)
            told = re.search(rf"(?<![\w.]){re.escape(shown)}(?!\w|\.\d)", asked)
            assert told or isinstance(value, bool) or value in enums, (value, asked)


def test_things_of_a_record_are_told_in_their_order(tasks):
    for task in of_kind(tasks, "json", "yaml"):
        for things in (v for v in task.target["record"].values() if isinstance(v, list)):
            asked = re.split("in this order: |belong to it: ", task.prompt[-1].content)[1]
            places = [re.search(rf"\b{thing['name']}\b", asked).start() for thing in things]
            assert places == sorted(places)


def test_tables_hold_what_the_text_says_and_right_sums(tasks):
    for task in of_kind(tasks, "csv", "markdown"):
        target, asked = task.target, in_digits(task.prompt[-1].content)
        world = next(w for w in WORLDS if set(w.thing) <= set(target["columns"]))
        name, count, price = world.thing
        rows = [dict(zip(target["columns"], row, strict=True)) for row in target["rows"]]
        goods = [row for row in rows if row[name] != "Total"]
        for row in goods:
            patterns = (
                f"{row[count]} [a-z ]*{row[name]} .*?{row[price]}",
                f"{row[name]}[:,] {row[count]} .*?{row[price]}",
            )
            assert any(re.search(p, asked) for p in patterns), (row, asked)
            if "amount" in row:
                assert Decimal(row["amount"]) == int(row[count]) * Decimal(row[price])
        for row in rows[len(goods) :]:
            assert row[count] == str(sum(int(r[count]) for r in goods))
            assert row[price] == ""
            if "amount" in row:
                assert Decimal(row["amount"]) == sum(Decimal(r["amount"]) for r in goods)


def test_letters_ask_for_facts_that_the_text_tells_and_for_no_decoy(tasks):
    for task in of_kind(tasks, "email", "commit"):
        story = task.prompt[-1].content.partition("\n\n")[0]
        facts = [f for group in task.target["facts"] for f in (group if isinstance(group, list) else [group])]
        assert all(fact in story for fact in facts), story
        assert all(decoy in story or task.target["kind"] == "commit" for decoy in task.target["decoys"])
        assert not any(decoy == fact for decoy in task.target["decoys"] for fact in facts)


def test_schemas_of_different_worlds_do_not_share_all_keys():
    keys = [frozenset(world.thing) for world in WORLDS]
    assert len(set(keys)) == len(keys)


def test_yaml_and_json_of_hard_tasks_are_nested(tasks):
    hard = [t for t in of_kind(tasks, "json", "yaml") if t.difficulty > 0.8]
    assert all(any(isinstance(v, list) and len(v) > 4 for v in t.target["record"].values()) for t in hard)
    assert any(isinstance(v, dict) for t in hard for v in t.target["record"].values())
