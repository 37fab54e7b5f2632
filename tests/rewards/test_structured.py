"""Strict readers of JSON, YAML, INI, CSV and Markdown tables, and the reward that compares what they read."""

import csv
import io
import json
from itertools import permutations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.score import Status
from rewards.structured import (
    first_difference,
    holds_the_facts,
    read_csv,
    read_ini,
    read_markdown_table,
    read_yaml,
    unfenced,
)
from rewards.transcript import Message, Transcript

RECORD = {"customer": "Ana Holm", "paid": False, "items": [{"name": "lamp", "quantity": 3, "price": 12.5}]}
YAML = "customer: Ana Holm\npaid: false\nitems:\n  - {name: lamp, quantity: 3, price: 12.50}"
INI = "[order]\ncustomer = Ana Holm\npaid = false\n\n[items]\nlamp = 3"
TABLE = {"columns": ["name", "price"], "rows": [["lamp", "12.50"], ["Total", ""]]}
TARGETS = {
    "json": ({"format": "json", "record": RECORD}, json.dumps(RECORD)),
    "yaml": ({"format": "yaml", "record": RECORD}, YAML),
    "ini": (
        {"format": "ini", "record": {"order": {"customer": "Ana Holm", "paid": "false"}, "items": {"lamp": "3"}}},
        INI,
    ),
    "csv": ({"format": "csv", **TABLE}, "name,price\nlamp,12.50\nTotal,"),
    "markdown": ({"format": "markdown", **TABLE}, "| name | price |\n| --- | ---: |\n| lamp | 12.50 |\n| Total | |"),
}
SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abc xyz:-#'\"é,|=[]{}\n0123", max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=3),
)
CELLS = st.text("abc ,\"'é;|7", max_size=8).map(str.strip)


def value(text, target):
    score = holds_the_facts(Transcript((Message("assistant", text),)), target)
    assert score.status in (Status.OK, Status.INVALID_OUTPUT)
    return score.value


@pytest.mark.parametrize(("target", "text"), TARGETS.values(), ids=TARGETS)
def test_the_right_document_earns_1_bare_and_in_one_fence(target, text):
    assert value(text, target) == 1
    assert value(f"  \n{text}\n", target) == 1
    assert value(f"```\n{text}\n```", target) == 1
    assert value(f"<think>hm</think>{text}", target) == 1


@pytest.mark.parametrize(("target", "text"), TARGETS.values(), ids=TARGETS)
def test_whatever_stands_beside_it_spoils_it(target, text):
    for spoiled in (
        f"Here it is:\n{text}",
        f"{text}\n\nDone.",
        f"{text}\n{text}",
        text[:-1],
        text.replace("lamp", "lamb"),
    ):
        assert value(spoiled, target) == 0, spoiled


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORD, indent=4),
        json.dumps(dict(reversed(RECORD.items())), separators=(",", ":")),
        json.dumps(RECORD).replace("12.5", "1.250e1"),
        json.dumps(RECORD).replace("lamp", "\\u006camp"),
    ],
)
def test_spacing_the_order_of_keys_and_the_spelling_of_a_number_are_free_in_json(text):
    assert value(text, TARGETS["json"][0]) == 1
    assert value(text, {"format": "yaml", "record": RECORD}) == float("e1" not in text)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_ini_keys_is_free_and_that_of_rows_is_not(order):
    lines = ["x = 1", "y = 2", "z = 3"]
    target = {"format": "ini", "record": {"a": {"x": "1", "y": "2", "z": "3"}}}
    assert value("\n".join(["[a]", *(lines[i] for i in order)]), target) == 1
    rows = [["x", "1"], ["y", "2"], ["z", "3"]]
    table = {"format": "csv", "columns": ["k", "v"], "rows": rows}
    assert value("\n".join(["k,v", *(",".join(rows[i]) for i in order)]), table) == float(order == (0, 1, 2))


@settings(max_examples=60)
@given(VALUES)
def test_yaml_reads_what_pyyaml_writes_for_json_values(written):
    assert read_yaml(yaml.safe_dump({"a": written}, allow_unicode=True)) == {"a": written}


@settings(max_examples=60)
@given(VALUES)
def test_yaml_reads_json(written):
    assert read_yaml(json.dumps({"a": written})) == {"a": written}


@settings(max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_reads_what_the_standard_writer_writes(rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    assert read_csv(out.getvalue()) == [list(row) for row in rows]


@pytest.mark.parametrize("read", [read_yaml, read_ini, read_csv, read_markdown_table])
@settings(max_examples=80)
@given(st.text("ab:-[]{}&*!#|=,\"' \n\t0%<>\x00\ud800", max_size=60))
def test_readers_raise_nothing_but_value_errors(read, text):
    try:
        read(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a: 2031-03-04", {"a": "2031-03-04"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: no", {"a": "no"}),
        ("a: true", {"a": True}),
        ("a: 1.50", {"a": 1.5}),
        ("a: ~", {"a": None}),
        ("a: '#1'", {"a": "#1"}),
    ],
)
def test_yaml_has_the_types_of_its_version_1_2(text, read):
    assert read_yaml(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a: &x 1\nb: *x",
        "a: !!python/object/apply:os.system [ls]",
        "a: !!str 1",
        "a: 1 # sure",
        "# sure\na: 1",
        "a: 1\n---\nb: 2",
        "1: 2",
        "[" * 3_000,
        "a: [1",
    ],
    ids=lambda t: t[:20],
)
def test_yaml_beyond_plain_data_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_yaml(text)


@pytest.mark.parametrize(
    "text", ["[a]\nx = 1\nx = 2", "[a]\n[a]", "x = 1", "[a]\nx = 1\n# sure", "[a]\n; sure", "[a]\nx"]
)
def test_ini_with_repetitions_comments_or_loose_lines_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_ini(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "| a |",
        "| a |\n| b |",
        "| a | b |\n| --- |\n| 1 | 2 |",
        "| a |\n| --- |\nb",
        "a\n---\n1",
        "| a |\n|--|\n| 1 |",
    ],
)
def test_what_is_no_markdown_table_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_markdown_table(text)


def test_unfenced_takes_one_fence_and_nothing_beside_it():
    assert unfenced("```yaml\na: 1\n```") == "a: 1"
    assert unfenced("x\n```yaml\na: 1\n```").startswith("x")


@pytest.mark.parametrize(
    ("found", "path"),
    [
        (RECORD, ""),
        ({**RECORD, "paid": 0}, "$.paid"),
        ({**RECORD, "extra": 1}, "$"),
        ({**RECORD, "items": []}, "$.items"),
        ({**RECORD, "items": [{"name": "lamp", "quantity": "3", "price": 12.5}]}, "$.items[0].quantity"),
    ],
)
def test_the_first_difference_is_named(found, path):
    assert first_difference(found, RECORD) == path


def test_a_document_that_breaks_the_schema_is_told_where():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    target = {"format": "json", "record": {"n": 3}, "schema": schema}
    score = holds_the_facts(Transcript((Message("assistant", '{"n": "3"}'),)), target)
    assert "schema at $.n" in score.reason


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"format": "xml", "record": {}},
        {"format": "json"},
        {"format": "csv", "columns": ["a"], "rows": []},
        {"format": "csv", "columns": ["a"], "rows": [["1", "2"]]},
        {"format": "csv", "columns": "a", "rows": ["1"]},
        {"format": "markdown", "columns": ["a"], "rows": [[1]]},
    ],
    ids=str,
)
def test_a_broken_target_is_the_tasks_fault(target):
    score = holds_the_facts(Transcript((Message("assistant", "{}"),)), target)
    assert score.status is Status.TASK_ERROR
