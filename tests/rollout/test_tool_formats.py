"""Every form of tool calls: read back what was written, say what is wrong, and never fail on a text."""

import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.actions import parse_action, render_action
from rewards.errors import ConfigError
from rewards.transcript import Message, ToolCall
from rollout.models import chat_template
from rollout.tool_formats import FORMATS, choose_format

NAMES = sorted(FORMATS)
WORDS = """
<tool_call> </tool_call> <think> </think> <function=f> </function> <parameter=a> </parameter>
<|python_tag|> <|python_start|> <|tool_call_start|> [TOOL_CALLS] [CALL_ID] [ARGS]
f(a=1) [f( **{ ) ] lambda: true None 1e999 NaN -
<|start|>assistant <|channel|> analysis commentary final to=functions.f <|message|> <|end|> <|call|> function
<｜tool▁calls▁begin｜> <｜tool▁call▁begin｜> <｜tool▁sep｜> <｜tool▁call▁end｜> <｜tool▁calls▁end｜>
<｜DSML｜function_calls> </｜DSML｜tool_calls> <｜DSML｜invoke name="f"> </｜DSML｜invoke> </｜DSML｜parameter>
"""
JSON = [
    '<｜DSML｜parameter name="a" string="false">',
    '{"name": "f", "parameters": {',
    '{"name": "f", "arguments": {"a": ',
    '"\\ud800"',
    "\n```json\n",
    "\n```",
]
PIECES = st.sampled_from([*"[]{}();,=\"'\\\n\x00", *WORDS.split(), *JSON])
PLAIN = st.text("abcXYZ 019.,-", max_size=30).map(str.strip)
NAME = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda n: n not in ("is", "if", "in", "as", "or"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | PIECES.filter(lambda p: "\\ud" not in p)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(st.tuples(NAME, st.dictionaries(NAME, VALUES, max_size=3)), max_size=4)


def message(content, calls):
    return Message("assistant", content, tuple(ToolCall(n, a, f"call_{i}") for i, (n, a) in enumerate(calls)))


def typed(calls):
    """Schemas under which the values of `calls` have the types that they have."""
    kinds = {str: "string"}
    return [
        {"function": {"name": n, "parameters": {"properties": {k: {"type": kinds.get(type(v))} for k, v in a.items()}}}}
        for n, a in calls
    ]


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(PIECES | st.text(max_size=8), max_size=20).map("".join))
def test_any_text_becomes_a_message_whose_bad_calls_say_what_to_mend(name, text):
    form = FORMATS[name]
    read = form.parse(text, ())
    assert read.role == "assistant"
    for number, call in enumerate(read.tool_calls):
        assert call.id == f"call_{number}"
        json.dumps(dict(call.arguments), allow_nan=False).encode()
        if call.error is not None:
            assert "tool call can't be read: " in call.error
            assert "; write " in call.error


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("qwen_coder", "deepseek32", "deepseek4")])
@settings(max_examples=30)
@given(PLAIN, CALLS, st.booleans())
def test_rendered_calls_are_read_back_unchanged(name, content, calls, thinks):
    said = message("<think>Let me see.\nf(x)</think>" + content if thinks else content, calls)
    assert FORMATS[name].parse(FORMATS[name].render(said), ()) == said


# Bare text has no escapes: what looks like the end of a parameter is one.
BARE = TEXT.filter(lambda t: "<" not in t)


@given(
    PLAIN,
    st.lists(st.tuples(NAME, st.dictionaries(NAME, BARE | st.integers() | st.booleans(), max_size=3)), max_size=3),
)
def test_bare_text_is_read_back_by_the_types_of_the_schema(content, calls):
    first = {name: arguments for name, arguments in reversed(calls)}
    said = message(content, list(first.items()))
    form = FORMATS["qwen_coder"]
    assert form.parse(form.render(said), typed(first.items())) == said


@pytest.mark.parametrize("name", ["deepseek32", "deepseek4"])
@given(PLAIN, st.lists(st.tuples(NAME, st.dictionaries(NAME, VALUES, max_size=3)), max_size=3))
def test_dsml_tells_text_from_json_by_itself(name, content, calls):
    said = message(content, [(n, a) for n, a in calls if "<" not in json.dumps(a)])
    assert FORMATS[name].parse(FORMATS[name].render(said), ()) == said


@pytest.mark.parametrize(
    ("schema", "written", "read"),
    [
        ({"type": "string"}, "5", "5"),
        ({"type": "integer"}, "5", 5),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "5", "5"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "null", None),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "5", 5),
        ({"type": "array"}, '["a", 1]', ["a", 1]),
        ({"type": "integer"}, "five", "five"),
        ({}, "true", True),
    ],
)
def test_bare_text_is_of_the_type_that_the_schema_names(schema, written, read):
    text = f"<function=f><parameter=a>{written}</parameter></function>"
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": schema}}}}]
    (call,) = FORMATS["qwen_coder"].parse(text, tools).tool_calls
    assert call.arguments == {"a": read}
    assert type(call.arguments["a"]) is type(read)


@given(st.lists(PIECES | st.text(max_size=8), max_size=20).map("".join), PLAIN, CALLS)
def test_hermes_is_what_environments_read_and_write(text, content, calls):
    assert FORMATS["hermes"].parse(text, ()) == parse_action(text)
    assert FORMATS["hermes"].render(message(content, calls)) == render_action(message(content, calls))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["  Answer: 5\n", "[1, 2, 3]", '{"answer": 5}', "x = [f(y) for y in z]", "<think>f</think>5"]
)
def test_an_answer_is_kept_to_the_letter(name, text):
    assert FORMATS[name].parse(text, ()) == Message("assistant", text)


WRITTEN = {
    "hermes": '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>\n'
    '<tool_call>{"name": "g", "arguments": {}}</tool_call>',
    "qwen": '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n'
    '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>',
    "qwen_coder": "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>\n"
    "<tool_call>\n<function=g>\n</function>\n</tool_call>",
    "llama": '{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}',
    "mistral": '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]',
    "mistral_args": '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}',
    "pythonic": "[f(a=1), g()]",
    "deepseek": "<｜tool▁calls▁begin｜>"
    '<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{"a": 1}\n```<｜tool▁call▁end｜>\n'
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek31": '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": 1}<｜tool▁call▁end｜>\n'
    "<｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    **{
        name: f'\n\n<｜DSML｜{frame}>\n<｜DSML｜invoke name="f">\n'
        '<｜DSML｜parameter name="a" string="false">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
        f'<｜DSML｜invoke name="g">\n</｜DSML｜invoke>\n</｜DSML｜{frame}>'
        for name, frame in (("deepseek32", "function_calls"), ("deepseek4", "tool_calls"))
    },
    "harmony": '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|><|start|>assistant'
    "<|channel|>commentary to=functions.g <|constrain|>json<|message|>{}",
}


@pytest.mark.parametrize("name", NAMES)
def test_two_calls_are_written_as_the_models_makers_do(name):
    assert FORMATS[name].render(message("", [("f", {"a": 1}), ("g", {})])) == WRITTEN[name]


VARIANTS = [
    ("llama", '<|python_tag|>{"name": "f", "parameters": {"a": 1}}'),
    ("llama", '{"type": "function", "name": "f", "parameters": {"a": 1}}'),
    ("llama", '{"name": "f", "arguments": {"a": 1}}'),
    ("mistral", '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "no id of theirs"}]'),
    ("mistral", '[TOOL_CALLS]f[ARGS]{"a": 1}'),
    ("mistral", '[TOOL_CALLS] {"name": "f", "arguments": {"a": 1}}'),
    ("pythonic", "<|python_start|>[f(a=1)]<|python_end|>"),
    ("pythonic", "<|tool_call_start|>[f(a=1)]<|tool_call_end|>"),
    ("pythonic", "[f(**{'a': 1})]"),
    ("pythonic", "[\n  f(a=+1),\n]"),
    ("deepseek", WRITTEN["deepseek31"].partition("\n")[0]),
    ("deepseek31", WRITTEN["deepseek"].partition("</")[0].partition("<｜tool▁call▁end｜>")[0]),
    ("deepseek4", WRITTEN["deepseek32"].partition('<｜DSML｜invoke name="g"')[0]),
    ("deepseek32", WRITTEN["deepseek4"].partition("<｜DSML｜tool_calls>")[2].partition('<｜DSML｜invoke name="g"')[0]),
    ("harmony", ' to=functions.f<|channel|>commentary json<|message|>{"a": 1}<|call|>'),
    ("harmony", '<|channel|>analysis<|message|><|end|><|start|>assistant<|channel|>commentary to=f<|message|>{"a": 1}'),
    ("hermes", '<tool_call>\n{"name": "f", "arguments": {"a": 1}}'),
    ("qwen_coder", "<function=f><parameter=a>1</parameter></function>"),
    ("qwen_coder", "<tool_call>\n<function=f>\n<parameter=a>\n1\n</tool_call>"),
]


@pytest.mark.parametrize(("name", "text"), VARIANTS)
def test_what_models_write_beside_the_book_is_read(name, text):
    (call,) = FORMATS[name].parse(text, ()).tool_calls
    assert call == ToolCall("f", {"a": 1}, "call_0")


@pytest.mark.parametrize(
    "text",
    [
        '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "abcDEF123"}]',
        '[TOOL_CALLS]f[CALL_ID]abcDEF123[ARGS]{"a": 1}',
    ],
)
def test_mistrals_call_keeps_the_id_that_the_model_gave_it(text):
    (call,) = FORMATS["mistral_args"].parse(text, ()).tool_calls
    assert call == ToolCall("f", {"a": 1}, "abcDEF123"), "by it the result is named"


BROKEN = [
    ("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1}', "Expecting ',' delimiter"),
    ("hermes", '<tool_call>{"name": "f", "arguments": {"a": "\\ud83d"}}</tool_call>', "surrogate"),
    ("llama", '{"name": "f", "parameters": {"a": 1}', "Expecting ',' delimiter"),
    ("llama", '<|python_tag|>search.call(query="x")', "Expecting value"),
    ("llama", "<|python_tag|>", "nothing after"),
    ("llama", '{"name": "f", "parameters": [1]}', "parameters must be an object"),
    ("llama", '{"name": "f", "parameters": {}, "city": "Oslo"}', "'city' beside"),
    ("llama", '<|python_tag|>{"name": "f", "parameters": ' + "[" * 9000, "nested too deep"),
    ("mistral", '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}', "Expecting ',' delimiter"),
    ("mistral", "[TOOL_CALLS] f(a=1)", "Expecting value"),
    ("mistral", "[TOOL_CALLS] []", "an empty list"),
    ("mistral", '[TOOL_CALLS]f[ARGS]{"a": ', "Expecting value"),
    ("mistral", "[TOOL_CALLS]f[ARGS][1]", "arguments must be an object"),
    ("mistral", '[TOOL_CALLS] [{"arguments": {}}]', "no name"),
    ("mistral", "[TOOL_CALLS] [3]", "a call must be an object"),
    ("pythonic", "[f(a=1, g()]", "does not match"),
    ("pythonic", "[f(1)]", "arguments must be named"),
    ("pythonic", "[f(a=b)]", "Name is no plain value"),
    ("pythonic", "[f(a=1 + 1)]", "BinOp is no plain value"),
    ("pythonic", "[f(a=__import__('os').system('true'))]", "Call is no plain value"),
    ("pythonic", "[f(a=1, **{'a': 2})]", "'a' is given twice"),
    ("pythonic", "[f(a=1), 3]", "only calls"),
    ("pythonic", "[f(a={1: 2})]", "keys must be strings"),
    ("pythonic", "[f(a=1e999)]", "too large"),
    ("pythonic", "[f(a=" + "-" * 15_000 + "1)]", "nested too deep"),
    ("pythonic", "[f(a='" + "x" * 30_000 + "')]", "longer than"),
    ("pythonic", "[f(a='x\x00')]", "null"),
    ("deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function", "no <｜tool▁sep｜>"),
    ("deepseek", "<｜tool▁calls▁begin｜>f(1)", "no <｜tool▁call▁begin｜>"),
    ("deepseek", WRITTEN["deepseek"].partition("}")[0], "Expecting ',' delimiter"),
    ("deepseek31", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>[1]", "must be an object"),
    ("deepseek32", "<｜DSML｜function_calls>f(1)", "no <｜DSML｜invoke"),
    ("deepseek32", '<｜DSML｜invoke name="">\n</｜DSML｜invoke>', "no name"),
    ("deepseek32", WRITTEN["deepseek32"].partition("1<")[0], "is no parameter"),
    ("deepseek32", WRITTEN["deepseek4"].replace(">1<", ">one<").partition('<｜DSML｜invoke name="g"')[0], "is no JSON"),
    (
        "deepseek4",
        WRITTEN["deepseek4"].replace(">1<", ">1 2<").partition('<｜DSML｜invoke name="g"')[0],
        "after the val",
    ),
    ("harmony", "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{", "Expecting property name"),
    ("harmony", "<|channel|>commentary to=functions.f", "no <|message|>"),
    ("harmony", '<|channel|>commentary to=functions.f<|message|>{"a": 1} and', "after the arguments' end"),
    ("qwen_coder", "<tool_call>f</tool_call>", "no <function=NAME>"),
    ("qwen_coder", "<function=f>\n<parameter=a>1</parameter><parameter=a>2</parameter></function>", "given twice"),
    ("qwen_coder", "<function=f>\nOslo\n</function>", "outside of a parameter"),
]


@pytest.mark.parametrize(("name", "text", "said"), BROKEN)
def test_a_call_that_is_no_call_says_why_and_how_to_write_one(name, text, said):
    call = FORMATS[name].parse(text, ()).tool_calls[-1]
    assert said in (call.error or "")
    assert "; write " in call.error


def test_a_broken_call_leaves_the_whole_ones_before_it():
    calls = FORMATS["llama"].parse('{"name": "f", "parameters": {}}; {"name": "g", "parameters": {', ()).tool_calls
    assert [c.error is None for c in calls] == [True, False]


ENDLESS = ["<tool_call>", "<function=f>", "<parameter=a>", "[TOOL_CALLS]", "[f(", "{", " ", "\n", "<|start|>assistant"]
ENDLESS += [
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "\n```json",
    "<think>",
    '{"name": "f", ',
    "<｜DSML｜function_calls>",
    '<｜DSML｜invoke name="f">',
    '<｜DSML｜parameter name="a" string="true">',
]


@pytest.mark.parametrize("name", NAMES)
def test_text_without_end_is_read_in_no_time(name):
    start = FORMATS[name].render(message("", [("f", {"a": 1})])).partition("1")[0]
    began = time.process_time()
    for piece, opening in itertools.product(ENDLESS, ("", start)):
        FORMATS[name].parse(opening + piece * (30_000 // len(piece)), ())
    assert time.process_time() - began < 0.02 * 2 * len(ENDLESS)


@pytest.mark.parametrize("name", NAMES)
def test_a_call_inside_the_thinking_is_no_call(name):
    form = FORMATS[name]
    inside = form.render(message("", [("f", {"a": 1})]))
    text = (
        f"<|channel|>analysis<|message|>{inside.replace('<|message|>', ' ')}"
        if name == "harmony"
        else f"<think>{inside}</think>Done"
    )
    assert form.parse(text, ()).tool_calls == ()


def test_a_name_that_python_has_no_word_for_is_refused_by_the_pythonic_format():
    with pytest.raises(ConfigError, match="get-weather"):
        FORMATS["pythonic"].render(message("", [("get-weather", {})]))


def test_the_default_models_template_speaks_hermes_and_a_template_without_calls_too():
    assert choose_format("auto", chat_template("chatml_hermes")).name == "hermes"
    assert choose_format("auto", "{% for m in messages %}{{ m.content }}{% endfor %}").name == "hermes"


def test_a_format_can_be_named_and_a_wrong_name_is_met_with_the_nearest():
    assert choose_format("pythonic", chat_template("chatml_hermes")).name == "pythonic"
    with pytest.raises(ConfigError, match="did you mean llama"):
        choose_format("lama", "")
