import json
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from envs.actions import parse_action
from envs.tools import ToolError, execute, make_tool, render_result, tool, tools_of
from rewards.transcript import CallRecord, Message, ToolCall
from tests.worlds import Lookup


class Shop:
    def __init__(self):
        self.sold = 0

    @tool
    def price(self, item: str) -> dict:
        """The price of an item."""
        if item != "tea":
            raise ToolError("unknown_item", f"no item {item!r}")
        return {"price": 3}

    @tool
    def buy(self, item: str, count: Annotated[int, Field(ge=1)] = 1) -> dict:
        """Buys an item."""
        self.sold += count
        return {"bought": count}

    def restock(self) -> None:
        """Not for the model."""
        self.sold = 0


def run(name, **arguments):
    return execute(tools_of(Shop()), ToolCall(name, arguments))


def test_only_marked_methods_are_tools_in_the_order_they_were_written():
    assert [t.name for t in tools_of(Shop())] == ["price", "buy"]


def test_the_schema_is_the_openai_function_form():
    schema = tools_of(Shop())[1].schema
    assert schema == {
        "type": "function",
        "function": {
            "name": "buy",
            "description": "Buys an item.",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "required": ["item"],
                "properties": {
                    "item": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1, "default": 1},
                },
            },
        },
    }


class Line(BaseModel):
    title: str
    count: int


def order(lines: list[Line], title: str) -> str:
    """Orders books."""
    return "ok"


def test_objects_within_stand_in_the_schema_where_they_are_used():
    parameters = make_tool(order).schema["function"]["parameters"]
    item = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["title", "count"],
    }
    assert parameters["properties"] == {"lines": {"type": "array", "items": item}, "title": {"type": "string"}}


def test_a_schema_that_somebody_changes_stays_as_it_was():
    made = make_tool(order)
    made.schema["function"]["parameters"].clear()
    assert made.schema == make_tool(order).schema


def test_a_good_call_returns_the_tools_result():
    assert run("price", item="tea") == CallRecord("price", {"item": "tea"}, {"price": 3})


def test_a_default_may_be_left_out():
    assert run("buy", item="tea").result == {"bought": 1}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "item"),
        ({"item": 3}, "item"),
        ({"item": "tea", "count": "2"}, "count"),
        ({"item": "tea", "count": 2.0}, "count"),
        ({"item": "tea", "count": True}, "count"),
        ({"item": "tea", "count": 0}, "count"),
        ({"item": "tea", "colour": "red"}, "colour"),
        ({"item": None}, "item"),
    ],
)
def test_arguments_that_break_the_schema_are_refused_by_name(arguments, named):
    shop = Shop()
    record = execute(tools_of(shop), ToolCall("buy", arguments))
    assert record.error == "invalid_argument"
    assert record.result["message"].startswith(named)
    assert shop.sold == 0


def test_a_tools_own_error_keeps_its_kind_and_message():
    record = run("price", item="salt")
    assert (record.error, record.result) == ("unknown_item", {"message": "no item 'salt'"})


def test_an_unknown_tool_is_answered_with_the_known_ones():
    record = run("steal", item="tea")
    assert record.error == "unknown_tool"
    assert "price, buy" in record.result["message"]


def test_an_unmarked_method_can_not_be_called():
    assert run("restock").error == "unknown_tool"
    assert run("__init__").error == "unknown_tool"


def test_a_call_that_could_not_be_read_is_a_malformed_call():
    (call,) = parse_action("<tool_call>price(tea)</tool_call>").tool_calls
    assert execute(tools_of(Shop()), call).error == "malformed_call"


def test_the_model_reads_results_as_json_and_errors_with_their_kind():
    assert json.loads(render_result(run("price", item="tea"))) == {"price": 3}
    assert json.loads(render_result(run("price", item="salt"))) == {
        "error": "unknown_item",
        "message": "no item 'salt'",
    }


def test_code_in_an_argument_is_a_string_like_any_other():
    record = run("price", item="__import__('os').system('touch /tmp/owned')")
    assert record.error == "unknown_item"


@given(
    st.text(max_size=10) | st.sampled_from(["price", "buy"]),
    st.dictionaries(st.sampled_from(["item", "count"]) | st.text(max_size=5), st.none() | st.integers() | st.text()),
)
def test_any_call_becomes_a_record_that_can_be_shown(name, arguments):
    record = execute(tools_of(Shop()), ToolCall(name, arguments))
    assert isinstance(json.loads(render_result(record)), dict)


def test_a_tool_without_a_docstring_or_a_type_hint_is_refused():
    def mute(x: int) -> int:
        return x

    def untyped(x):
        """Does something."""
        return x

    with pytest.raises(TypeError, match="mute needs a docstring"):
        make_tool(mute)
    with pytest.raises(TypeError, match="parameter x needs a type hint"):
        make_tool(untyped)


def test_every_call_of_an_episode_has_an_id_of_its_own_that_its_result_names():
    env = Lookup()
    env.reset(seed=0)
    look = '<tool_call>{"name": "look", "arguments": {"box": 1}}</tool_call>'
    env.step(f"{look}\n{look}")
    env.step(Message("assistant", "", (ToolCall("look", {"box": 1}), ToolCall("look", {"box": 2}, "mine"))))
    env.step(look)
    messages = env.transcript.messages
    ids = [call.id for message in messages for call in message.tool_calls]
    assert ids == ["call_0", "call_1", "call_2", "mine", "call_4"]
    assert [m.tool_call_id for m in messages if m.role == "tool"] == ids
