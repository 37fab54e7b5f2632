import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.call_values import accepts, same_text
from rewards.calls import (
    abstains,
    calls_follow_schema,
    expected_share,
    from_bfcl,
    makes_expected_calls,
    no_repeats,
    schema_fault,
)
from rewards.effects import causes_no_harm, claims_are_true, reaches_state
from rewards.json_values import canonical, same_json
from rewards.retrieval import says_unknown_only_then, supported
from rewards.transcript import CallRecord, Message, ToolCall, Transcript

SHARED = Path(os.environ.get("POSTGYM_SHARED", Path(__file__).parents[3] / "shared")) / "data"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, width=16) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(st.builds(ToolCall, st.sampled_from("fgh"), st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)))


def calling(calls, text="Done.", **evidence):
    calls = tuple(calls)
    records = tuple(CallRecord(c.name, c.arguments) for c in calls)
    return Transcript((Message("assistant", "", calls), Message("assistant", text)), records, evidence)


@given(CALLS, st.dictionaries(st.sampled_from(["expected", "tools", "state", "forbidden", "claims", "facts"]), JSON))
def test_any_calls_and_any_target_get_a_score_between_0_and_1(calls, target):
    transcript = calling(calls, state={}, effects=[{}], retrieved={})
    for reward in (
        *(makes_expected_calls, expected_share, calls_follow_schema, no_repeats, abstains, reaches_state),
        *(causes_no_harm, claims_are_true, supported, says_unknown_only_then),
    ):
        value = reward(transcript, target).value
        assert value is None or 0 <= value <= 1


@given(CALLS)
def test_the_calls_themselves_are_what_is_expected_in_any_order_when_parallel(calls):
    expected = [{"name": c.name, "arguments": {k: [v] for k, v in c.arguments.items()}} for c in calls]
    target = {"expected": expected}
    assert makes_expected_calls(calling(calls), target).value == 1
    assert makes_expected_calls(calling(calls[::-1]), target).value == 1
    assert makes_expected_calls(calling([*calls, ToolCall("extra", {})]), target).value == 0
    if calls:
        assert makes_expected_calls(calling(calls[1:]), target).value == 0
        assert expected_share(calling(calls[1:]), target).value == pytest.approx(1 - 1 / len(calls))


def test_calls_are_matched_so_that_as_many_as_possible_count():
    target = {"expected": [{"name": "f", "arguments": {"a": [1, 2]}}, {"name": "f", "arguments": {"a": [1]}}]}
    for order in itertools.permutations([ToolCall("f", {"a": 1}), ToolCall("f", {"a": 2})]):
        assert makes_expected_calls(calling(order), target).value == 1


def test_the_order_counts_where_it_matters():
    f, g, h = (ToolCall(name, {}) for name in "fgh")
    target = {"expected": [{"name": name, "arguments": {}} for name in "fgh"], "ordered": True}
    assert makes_expected_calls(calling([f, g, h]), target).value == 1
    assert expected_share(calling([g, f, h]), target).value == pytest.approx(2 / 3)
    assert expected_share(calling([h, g, f]), target).value == pytest.approx(1 / 3)


@given(JSON, JSON)
def test_equal_values_have_one_canonical_text_and_only_they(a, b):
    assert same_json(a, a)
    assert (canonical(a) == canonical(b)) == same_json(a, b)


def test_equality_is_strict_about_types_and_free_of_depth():
    assert same_json({"a": 1, "b": [1.0]}, {"b": [1], "a": 1.0})
    assert not same_json(1, True)
    assert not same_json([], {})
    deep = deeper = None
    for _ in range(50_000):
        deep, deeper = [deep], [deeper]
    assert same_json(deep, deeper)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("New York", "new york"),
        ("New York, NY", "New York NY"),
        ("points_per_game", "points per game"),
        ("2024-01-02", "2024/01/02"),
        ("$1,234.50", "$1234.50"),
        ("x^2 + 2*x", "x**2+2x"),
        ("it's", 'it"s'),
        ("−5", "-5"),
    ],
)
def test_spellings_that_are_forgiven(left, right):
    assert same_text(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1.5", "15"),
        ("-5", "5"),
        ("2024-1-12", "2024-11-2"),
        ("x^2", "x2"),
        ("a+b", "ab"),
        ("10:30", "1030"),
        ("", "a"),
    ],
)
def test_spellings_that_are_not(left, right):
    assert not same_text(left, right)


def test_types_are_strict_where_the_schema_says_so():
    assert accepts(5, 5.0, {"type": "number"})
    assert not accepts(5.0, 5, {"type": "integer"})
    assert not accepts(True, 1)
    assert accepts([1, 2], (1, 2))


SCHEMA = {
    "f": {"type": "dict", "properties": {"a": {"type": "float"}, "b": {"type": "tuple"}}, "required": ["a"]},
    "g": {},
}


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (ToolCall("f", {"a": 1.5, "b": [1]}), None),
        (ToolCall("f", {"a": "1"}), "not of type 'number'"),
        (ToolCall("f", {}), "required"),
        (ToolCall("f", {"a": 1, "c": 2}), "'c' was unexpected"),
        (ToolCall("h", {}), "no tool 'h'"),
        (ToolCall("g", {}), None),
    ],
)
def test_calls_against_their_schema(call, fault):
    found = schema_fault(call, SCHEMA)
    assert found is None if fault is None else fault in found


def leaderboard():
    found = []
    for path in sorted(SHARED.glob("bfcl_*.jsonl")):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found or pytest.skip("the leaderboard's tasks are not here")


def first_choices(row):
    """The calls that a task's ground truth accepts first, without what may be left out."""
    required = {f["name"]: f["parameters"]["required"] for f in row["function"]}
    calls = []
    for call in from_bfcl(row["ground_truth"]):
        spare = set(call["optional"]) - set(required[call["name"]])
        calls.append(ToolCall(call["name"], {k: v[0] for k, v in call["arguments"].items() if k not in spare}))
    return calls


def mutated(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [*value, "x"]
    return {**value, "x": 1}


def test_every_ground_truth_of_the_leaderboard_is_accepted_and_its_mutants_are_not():
    for row in leaderboard():
        target = {"expected": from_bfcl(row["ground_truth"]), "tools": row["function"]}
        calls = first_choices(row)
        assert makes_expected_calls(calling(calls), target).value == 1, row["id"]
        assert makes_expected_calls(calling([]), target).value == 0, row["id"]
        assert makes_expected_calls(calling([*calls, calls[0]]), target).value == 0, row["id"]
        for name, value in calls[0].arguments.items():
            others = {k: v for k, v in calls[0].arguments.items() if k != name}
            wrong = ToolCall(calls[0].name, others | {name: mutated(value)})
            assert makes_expected_calls(calling([wrong, *calls[1:]]), target).value == 0, (row["id"], name)
            missing = ToolCall(calls[0].name, others)
            assert makes_expected_calls(calling([missing, *calls[1:]]), target).value == 0, (row["id"], name)


@pytest.mark.parametrize("name", ["description", "default", "optional", "type", "properties"])
def test_an_argument_may_have_a_name_that_schemas_use_themselves(name):
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    assert schema_fault(ToolCall("note", {name: "x"}), {"note": schema}) is None
    assert schema_fault(ToolCall("note", {name: 1}), {"note": schema}) is not None


def test_what_the_schema_requires_is_not_optional():
    target = {"expected": [{"name": "f", "arguments": {"a": [1], "b": [True]}, "optional": ["a", "b"]}]}
    tools = [{"name": "f", "parameters": {"properties": {"a": {}, "b": {}}, "required": ["b"]}}]
    for arguments, with_schema in (({"b": True}, 1), ({"a": 1}, 0)):
        assert makes_expected_calls(calling([ToolCall("f", arguments)]), target).value == 1
        assert makes_expected_calls(calling([ToolCall("f", arguments)]), target | {"tools": tools}).value == with_schema


def test_every_alternative_of_the_leaderboard_is_accepted():
    for row in leaderboard():
        expected = from_bfcl(row["ground_truth"])
        target = {"expected": expected, "tools": row["function"]}
        calls = first_choices(row)
        for name, accepted in expected[0]["arguments"].items():
            for value in accepted:
                if value == "" and name in expected[0]["optional"]:
                    continue
                call = ToolCall(calls[0].name, {**calls[0].arguments, name: value})
                assert makes_expected_calls(calling([call, *calls[1:]]), target).value == 1, (row["id"], name, value)
