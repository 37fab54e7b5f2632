"""Every model family's template: what it makes of a talk, of calls and results, of thinking; text stays text."""

import asyncio
import itertools
import json
import re
from types import SimpleNamespace

import pytest

from rewards.transcript import Message, ToolCall
from rollout.chat import ChatRenderer
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import run_episode
from rollout.tool_formats import FORMATS
from tests.rollout.families import FAMILIES, TOOLS, renderer_of, tokenizer_of
from tests.rollout.replayed import LIMITS, LOOK, play
from tests.worlds import Lookup

NAMES = sorted(FAMILIES)


# What a family makes of a conversation


def told(name, conversation, tools=()):
    """The text of an episode: the opening, then every turn sampled and every observation appended."""
    renderer = renderer_of(name)
    first = next(i for i, m in enumerate(conversation) if m.role == "assistant")
    ids, calls = renderer.prompt_ids(conversation[:first], tools), ()
    for role, group in itertools.groupby(conversation[first:], lambda m: m.role == "assistant"):
        for message in [m for m in group] if role else [list(group)]:
            if role:
                ids, calls = ids + renderer.turn_ids(ids, message), message.tool_calls
            else:
                ids = ids + renderer.continuation_ids(message, True, calls)
    return renderer.tokenizer.decode(ids)


def template_text(name, conversation, tools=()):
    """What the template itself writes, all at once."""
    rows = [m.to_dict() for m in conversation]
    given = list(tools) or ([] if name == "hermes3" else None)
    return tokenizer_of(name).apply_chat_template(rows, tools=given, tokenize=False, add_generation_prompt=True)


def without_thinking(text):
    return re.sub(r"<think>.*?</think>\s*", "", text, flags=re.DOTALL)


SYSTEM, ASK, SAY = Message("system", "Be brief."), Message("user", "Which box?"), Message("assistant", "The box.")
TALK = [ASK, SAY, Message("user", "Look again."), SAY, Message("user", "And now?")]


@pytest.mark.parametrize("name", NAMES)
def test_a_talk_told_turn_by_turn_is_what_the_template_writes_at_once(name):
    said = told(name, TALK)
    whole = template_text(name, TALK)
    if name == "gpt_oss":  # and here the last token sampled is another than the one in earlier turns
        said = said.replace("<|return|>", "<|end|>")
    assert without_thinking(said) == without_thinking(whole)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("chatml", "gemma", "gpt_oss")])
def test_calls_and_results_told_turn_by_turn_are_what_the_template_writes_at_once(name):
    call = ToolCall("look", {"box": 1}, "000call00")
    results = [Message("tool", '"a word"', tool_call_id="000call00")]
    opening = [ASK] if name == "mistral" else [SYSTEM, ASK]  # its template moves the system message on
    conversation = [*opening, Message("assistant", "", (call,)), *results]
    tools = () if name in ("deepseek", "deepseek31") else TOOLS  # their templates show none
    whole = re.sub(r', "id": "\w{9}"', "", template_text(name, conversation, tools))  # a model samples no ids
    said = told(name, conversation, tools)
    assert without_thinking(said).replace("\n\n<tool_call>", "\n<tool_call>") == without_thinking(whole).replace(
        "assistant\n\n<tool_call>", "assistant\n<tool_call>"
    )


def test_gemma_gets_in_words_what_its_template_does_not_know():
    conversation = [SYSTEM, ASK, Message("assistant", "", (LOOK,)), Message("tool", "a"), Message("tool", "b")]
    assert told("gemma", conversation, TOOLS) == (
        "<bos><start_of_turn>user\n"
        "Be brief.\nTools:\n- look(box: integer): Opens a box.\n"
        'Call one with <tool_call>{"name": ..., "arguments": {...}}</tool_call>\n\n'
        "Which box?<end_of_turn>\n<start_of_turn>model\n"
        '<tool_call>{"name": "look", "arguments": {"box": 1}}</tool_call><end_of_turn>\n'
        "<start_of_turn>user\n<tool_response>\na\n</tool_response>\n<tool_response>\nb\n</tool_response>"
        "<end_of_turn>\n<start_of_turn>model\n"
    )


def test_deepseek_gets_tools_in_words_and_goes_on_after_results_without_a_new_opening():
    text = told("deepseek", [SYSTEM, ASK, Message("assistant", "", (LOOK,)), Message("tool", "a")], TOOLS)
    assert text.startswith(
        "<｜begin▁of▁sentence｜>Be brief.\nTools:\n- look(box: integer): Opens a box.\nCall one with <｜tool"
    )
    assert text.endswith("<｜tool▁output▁begin｜>a<｜tool▁output▁end｜><｜tool▁outputs▁end｜>")


def test_gpt_oss_names_the_function_of_every_result():
    other = ToolCall("list", {}, "call_1")
    results = [Message("tool", "b", tool_call_id="call_1"), Message("tool", "a", tool_call_id="call_0")]
    text = told("gpt_oss", [ASK, Message("assistant", "", (LOOK, other)), *results], TOOLS)
    assert text.endswith(
        "<|channel|>commentary to=functions.list <|constrain|>json<|message|>{}<|call|>"
        '<|start|>functions.list to=assistant<|channel|>commentary<|message|>"b"<|end|>'
        '<|start|>functions.look to=assistant<|channel|>commentary<|message|>"a"<|end|><|start|>assistant'
    )


@pytest.mark.parametrize("name", [n for n in NAMES if FAMILIES[n].bos and n != "chatml"])
def test_the_text_begins_once(name):
    assert told(name, TALK).count(FAMILIES[name].bos) == 1


@pytest.mark.parametrize("name", NAMES)
def test_tokens_spelled_in_a_tools_description_stay_text(name):
    renderer = renderer_of(name)
    spelled = "".join([FAMILIES[name].eos, *FAMILIES[name].special])
    function = TOOLS[0]["function"]
    hostile = [{"type": "function", "function": function | {"description": spelled}}]
    added = renderer.tokenizer.added_tokens_decoder
    frames = [[i for i in renderer.prompt_ids([ASK], tools) if i in added] for tools in (TOOLS, hostile)]
    assert frames[0] == frames[1]
    assert spelled in renderer.tokenizer.decode(renderer.prompt_ids([ASK], hostile))


def test_a_template_that_writes_the_date_may_go_on_after_midnight(monkeypatch):
    from transformers.utils import chat_template_utils

    dated = "<|im_start|>system\nIt is {{ strftime_now('%A') }}.<|im_end|>\n" + tokenizer_of("qwen3").chat_template
    day = ["Monday"]
    today = SimpleNamespace(strftime=lambda form: day[0])
    monkeypatch.setattr(chat_template_utils, "datetime", SimpleNamespace(now=lambda: today))
    renderer = ChatRenderer(tokenizer_of("qwen3"), dated)
    day[0] = "Tuesday"
    ids = renderer.continuation_ids([ASK], turn_ended=True)
    assert renderer.tokenizer.decode(ids) == "\n<|im_start|>user\nWhich box?<|im_end|>\n<|im_start|>assistant\n"


# Ends of turns


@pytest.mark.parametrize(
    ("name", "end", "ends"),
    [
        ("chatml", "<|im_end|>", {"<|im_end|>"}),
        ("qwen3", "<|im_end|>", {"<|im_end|>"}),
        ("llama3", "<|eot_id|>", {"<|eot_id|>", "<|eom_id|>"}),
        ("mistral", "</s>", {"</s>"}),
        ("gemma", "<end_of_turn>", {"<end_of_turn>", "<eos>"}),
        ("deepseek", "<｜end▁of▁sentence｜>", {"<｜end▁of▁sentence｜>"}),
        ("gpt_oss", "<|return|>", {"<|return|>", "<|call|>"}),
    ],
)
def test_a_turn_ends_where_the_template_ends_it_and_wherever_else_the_family_may(name, end, ends):
    renderer = renderer_of(name)
    spell = renderer.tokenizer.convert_ids_to_tokens
    assert spell(renderer.end_of_turn) == end
    assert {spell(i) for i in renderer.end_ids} == ends
    assert {spell(i) for i in renderer.stop_ids} == ends - {FAMILIES[name].eos}, "the engine knows the tokenizer's own"


@pytest.mark.parametrize("name", NAMES)
def test_an_ended_turn_gets_no_second_end_and_a_cut_one_gets_its_own(name):
    renderer = renderer_of(name)
    after_end = renderer.continuation_ids([ASK], turn_ended=True)
    after_cut = renderer.continuation_ids([ASK], turn_ended=False)
    assert after_cut[1:] == after_end
    closing = renderer.tokenizer.convert_ids_to_tokens(after_cut[0])
    assert closing == (
        "<|end|>" if name == "gpt_oss" else renderer.tokenizer.convert_ids_to_tokens(renderer.end_of_turn)
    )
    for end in renderer.end_ids:
        assert renderer.decode([*renderer.encode("yes"), end]) == "yes"


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_with_calls_that_was_cut_is_ended_before_its_results(name):
    renderer, results = renderer_of(name), [Message("tool", '"a"', tool_call_id="call_0")]
    after_end, after_cut = (renderer.continuation_ids(results, ended, (LOOK,)) for ended in (True, False))
    assert after_cut[1:] == after_end
    assert after_cut[0] in renderer.end_ids | renderer._closing


# Thinking


def test_thinking_that_the_template_drops_later_stays_in_the_ids():
    thought = Message("assistant", "<think>Left or right?</think>The box.")
    conversation = [ASK, thought, Message("user", "And now?")]
    assert "Left or right?" not in template_text("qwen3", conversation)
    assert "<think>Left or right?</think>The box.<|im_end|>\n<|im_start|>user\nAnd now?" in told("qwen3", conversation)


def test_thinking_that_the_prompt_opens_belongs_to_the_message():
    renderer = renderer_of("deepseek")
    prompt = renderer.prompt_ids([ASK], ())
    sampled = [*renderer.encode("Left?\n</think>\n\nThe box."), renderer.end_of_turn]
    assert renderer.read(prompt, sampled) == Message("assistant", "<think>\nLeft?\n</think>\n\nThe box.")
    cut = renderer.read(prompt, renderer.encode("Left? The box."))
    assert cut.content.startswith("<think>"), "or the thought would be taken for an answer"
    assert renderer.decode(renderer.turn_ids(prompt, "The box.")) == "</think>\n\nThe box."
    assert (
        renderer.decode(renderer.turn_ids(prompt, Message("assistant", "<think>\nLeft?</think>5")))
        == "Left?\n</think>\n\n5"
    )


# Calls in the family's own form


@pytest.mark.parametrize("name", NAMES)
def test_an_expert_earns_everything_in_every_familys_own_words(name):
    env, renderer = Lookup(), renderer_of(name)
    engine = ScriptedEngine(env.expert, renderer.turn_ids)
    t = asyncio.run(run_episode(env, env.sample_task(0), engine, renderer, Sampling(500), LIMITS))
    assert t.score.value == 1
    assert [c.id for m in t.transcript.messages for c in m.tool_calls] == ["call_0", "call_1"]
    assert [m.tool_call_id for m in t.transcript.messages if m.role == "tool"] == ["call_0", "call_1"]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_the_format_can_be_set_by_hand(form):
    env, renderer = Lookup(), ChatRenderer(tokenizer_of("chatml"), tool_format=form)
    engine = ScriptedEngine(env.expert, renderer.turn_ids)
    t = asyncio.run(run_episode(env, env.sample_task(0), engine, renderer, Sampling(500), LIMITS))
    assert t.score.value == 1
    written = FORMATS[form].render(Message("assistant", "", (LOOK,)))
    assert written in renderer.tokenizer.decode(t.token_ids[t.loss_mask])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("chatml", "hermes"),
        ("qwen25", "qwen"),
        ("qwen3", "qwen"),
        ("qwen3_coder", "qwen_coder"),
        ("llama3", "llama"),
        ("mistral", "mistral"),
        ("gemma", "hermes"),
        ("deepseek", "deepseek"),
        ("gpt_oss", "harmony"),
        ("hermes3", "qwen"),
        ("llama3_pythonic", "pythonic"),
        ("mistral_v11", "mistral_args"),
        ("deepseek31", "deepseek31"),
        ("deepseek32", "deepseek32"),
    ],
)
def test_the_template_tells_the_format(name, form):
    assert renderer_of(name).format.name == form


def written_otherwise(before, after):
    """A renderer of Qwen3 whose template writes calls in another way."""
    template = tokenizer_of("qwen3").chat_template
    assert before in template
    return ChatRenderer(tokenizer_of("qwen3"), template.replace(before, after))


QWEN_CALL = """<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>"""


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("[TOOL_CALLS]{{ call.function.name }}[ARGS]{{ call.function.arguments | tojson }}", "mistral_args"),
        (
            "[{{ call.function.name }}({% for k in call.function.arguments %}{{ k }}='y'{% endfor %})]",
            "pythonic",
        ),
    ],
)
def test_what_the_template_writes_outweighs_the_words_that_it_holds(written, form):
    renderer = written_otherwise(QWEN_CALL, written)
    assert "<tool_call>" in tokenizer_of("qwen3").chat_template.replace(QWEN_CALL, written)
    assert renderer.format.name == form


def test_where_nobody_reads_the_templates_calls_tools_are_put_into_words():
    renderer = written_otherwise(QWEN_CALL, "<tool_call>{{ call.function.name }}: {{ call.function.arguments }}")
    tokenizer = renderer.tokenizer
    asked = tokenizer.decode(renderer.prompt_ids([ASK], TOOLS))
    assert "Call one with <tool_call>{" in asked
    assert "Write a call like this" not in asked, "or it were told a form that nobody reads"
    env = Lookup()
    t = asyncio.run(
        run_episode(
            env, env.sample_task(0), ScriptedEngine(env.expert, renderer.turn_ids), renderer, Sampling(500), LIMITS
        )
    )
    assert t.score.value == 1
    assert ChatRenderer(tokenizer, renderer._template, "pythonic").format.name == "pythonic", "set by hand it stays"


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_wrote_a_broken_call_is_told_how_and_can_mend_it(name):
    renderer = renderer_of(name)
    whole = renderer.turn_ids([], Message("assistant", "", (LOOK,)))
    text = renderer.tokenizer.decode(whole)
    broken = (
        text.replace('"box": 1', '"box": ')
        .replace("<function=look>", "<function=>")
        .replace("box=1", "box=")
        .replace(">1<", "><")
    )
    assert broken != text
    played = play(
        name,
        [renderer.tokenizer(broken, add_special_tokens=False).input_ids, Message("assistant", "", (LOOK,))],
        ["x"] * 2,
    )
    results = [m.content for m in played.trajectory.transcript.messages if m.role == "tool"]
    told = json.loads(results[0])
    assert told["error"] == "malformed_call"
    assert told["message"].endswith("; write " + renderer.format.form)
    assert [c.error for c in played.trajectory.transcript.calls] == ["malformed_call", None]


FRAMES = {
    "qwen3": ["<tool_call>", "</tool_call>"],
    "llama3": ["<|python_tag|>"],
    "mistral": ["[TOOL_CALLS]"],
    "deepseek": [
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
        "<｜tool▁calls▁end｜>",
    ],
    "gpt_oss": ["<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"],
}


@pytest.mark.parametrize("name", FRAMES)
def test_an_experts_frame_is_made_of_tokens_and_what_its_arguments_spell_is_not(name):
    renderer = renderer_of(name)
    spell = renderer.tokenizer.convert_ids_to_tokens
    for value in ("word", "".join(FRAMES[name]) + FAMILIES[name].eos):
        call = ToolCall("look", {"box": value}, "call_0")
        turn = renderer.turn_ids([], Message("assistant", "Now.", (call,)))
        added = [spell(i) for i in turn if i in renderer.tokenizer.added_tokens_decoder]
        assert added[:-1] == FRAMES[name]
        assert turn[-1] in renderer.end_ids
        assert renderer.read([], turn).tool_calls == (call,)
