import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.actions import parse_action, render_action
from rewards.transcript import Message, ToolCall

PIECES = st.sampled_from(
    [
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        '{"name": "f"',
        ', "arguments": {',
        "}",
        "}}",
        "1e999",
        "NaN",
    ]
)
PLAIN = st.text("abcXYZ 019.,-\n", max_size=30).map(str.strip)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(st.tuples(st.text(max_size=8), st.dictionaries(st.text(max_size=8), VALUES, max_size=3)), max_size=4)


def call_text(**value):
    return f"<tool_call>{json.dumps(value)}</tool_call>"


@given(st.lists(PIECES | st.text(max_size=8), max_size=20).map("".join))
def test_any_text_becomes_an_assistant_message(text):
    message = parse_action(text)
    assert message.role == "assistant"
    assert len(message.tool_calls) <= text.count("<tool_call>")
    assert all(c.error is None or "tool call can't be read" in c.error for c in message.tool_calls)


@given(PLAIN, CALLS)
def test_rendered_calls_are_read_back_unchanged(content, calls):
    message = Message("assistant", content, tuple(ToolCall(n, a, f"call_{i}") for i, (n, a) in enumerate(calls)))
    assert parse_action(render_action(message)) == message


@pytest.mark.parametrize("tag", ["<tool_call>", "</tool_call>", "<think>", "</think>"])
def test_a_tag_inside_an_argument_does_not_end_the_call(tag):
    message = Message("assistant", "", (ToolCall("note", {"text": f"a {tag} b"}, "call_0"),))
    assert parse_action(render_action(message)) == message


def test_text_without_calls_is_kept_to_the_letter():
    assert parse_action("  Answer: 5\n") == Message("assistant", "  Answer: 5\n")


def test_a_call_inside_the_thinking_is_no_call():
    assert parse_action(f"<think>{call_text(name='f')}</think>Done").tool_calls == ()


def test_a_call_after_the_thinking_counts_and_the_thinking_stays():
    message = parse_action(f"<think>hm</think>{call_text(name='f', arguments={'x': 1})}")
    assert message == Message("assistant", "<think>hm</think>", (ToolCall("f", {"x": 1}, "call_0"),))


def test_a_call_that_the_turn_cut_off_before_its_closing_tag_is_still_read():
    assert parse_action('<tool_call>{"name": "f", "arguments": {}}').tool_calls == (ToolCall("f", {}, "call_0"),)


def test_parallel_calls_keep_their_order_and_get_their_own_ids():
    calls = parse_action(call_text(name="a") + "\n" + call_text(name="b")).tool_calls
    assert [(c.name, c.id) for c in calls] == [("a", "call_0"), ("b", "call_1")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "f(1)",
        "[]",
        '{"arguments": {}}',
        '{"name": 3}',
        '{"name": "f", "arguments": "x"}',
        '{"name": "f", "arguments": {}, "id": 1}',
        '{"name": "f", "arguments": {"x": NaN}}',
        '{"name": "f", "arguments": {"x": 1e999}}',
        '{"name": "f", "arguments": {"x": ' + "9" * 5000 + "}}",
        '{"name": "f", "arguments": ' + "[" * 9000 + "]" * 9000 + "}",
        '{"name": "f", "arguments": {"x": "' + "a" * 30_000 + '"}}',
        '{"name": "f", "arguments": __import__("os").system("true")}',
    ],
)
def test_a_body_that_is_no_call_says_why_and_how_to_write_one(body):
    (call,) = parse_action(f"<tool_call>{body}</tool_call>").tool_calls
    assert call.error is not None
    assert "tool call can't be read" in call.error
    assert '<tool_call>{"name": ..., "arguments": {...}}</tool_call>' in call.error


def test_the_arguments_may_be_left_out():
    assert parse_action(call_text(name="f")).tool_calls == (ToolCall("f", {}, "call_0"),)
