"""How models write tool calls: a parser and a renderer each, chosen by the model's chat template.

Adding a format is a parser, a renderer and one entry in `FORMATS` (docs/models.md).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from envs.actions import HERMES_FORM
from rewards.errors import ConfigError, nearest
from rewards.transcript import Message, ToolCall
from rollout.dsml_format import DSML4_FORM, DSML32_FORM, parse_dsml, parse_dsml4, render_dsml, render_dsml4
from rollout.harmony_format import HARMONY_FORM, parse_harmony, render_harmony
from rollout.json_formats import (
    DEEPSEEK31_FORM,
    DEEPSEEK_FORM,
    FRAME,
    LLAMA_FORM,
    MISTRAL_ARGS_FORM,
    MISTRAL_FORM,
    Tools,
    mistral_id,
    parse_deepseek,
    parse_hermes,
    parse_llama,
    parse_mistral,
    render_deepseek,
    render_deepseek31,
    render_hermes,
    render_llama,
    render_mistral,
    render_mistral_args,
    render_qwen,
)
from rollout.python_format import PYTHONIC_FORM, parse_pythonic, render_pythonic
from rollout.xml_format import QWEN_CODER_FORM, parse_qwen_coder, render_qwen_coder

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """One way to write calls.

    Args:
        parse: (text of a turn, tools' schemas) -> message; takes any text, and what it can't read becomes a call
            whose `error` says what to mend.
        render: message -> text of the turn; the inverse of `parse` for well-formed calls.
        form: how a call is written, for the model to read.
        marks: a chat template that holds all of these speaks this format.
        ends: tokens that may end a turn, beside the one that the template writes.
        call_end: the token that ends a turn with calls, where that is another one.
        call_id: a call's id as the template wants it.
        escapes: begins what `render` escapes inside of arguments.
    """

    name: str
    parse: Callable[[str, Tools], Message]
    render: Callable[[Message], str]
    form: str
    marks: tuple[str, ...]
    ends: tuple[str, ...] = ()
    call_end: str | None = None
    call_id: Callable[[str], str] = str
    escapes: re.Pattern[str] | None = None


HERMES = ToolFormat("hermes", parse_hermes, render_hermes, HERMES_FORM, ("<tool_call>",))
_KNOWN = (  # the first whose marks a template holds is its format
    ToolFormat(
        "harmony",
        parse_harmony,
        render_harmony,
        HARMONY_FORM,
        ("<|channel|>",),
        ends=("<|return|>", "<|call|>"),
        call_end="<|call|>",
        escapes=FRAME,
    ),
    ToolFormat(
        "deepseek", parse_deepseek, render_deepseek, DEEPSEEK_FORM, ("<｜tool▁sep｜>", "```json"), escapes=FRAME
    ),
    ToolFormat("deepseek31", parse_deepseek, render_deepseek31, DEEPSEEK31_FORM, ("<｜tool▁sep｜>",), escapes=FRAME),
    ToolFormat("deepseek32", parse_dsml, render_dsml, DSML32_FORM, ("｜DSML｜", "function_calls>")),
    ToolFormat("deepseek4", parse_dsml4, render_dsml4, DSML4_FORM, ("｜DSML｜", "tool_calls>")),
    ToolFormat(
        "mistral_args",
        parse_mistral,
        render_mistral_args,
        MISTRAL_ARGS_FORM,
        ("[TOOL_CALLS]", "[ARGS]"),
        call_id=mistral_id,
        escapes=FRAME,
    ),
    ToolFormat(
        "mistral", parse_mistral, render_mistral, MISTRAL_FORM, ("[TOOL_CALLS]",), call_id=mistral_id, escapes=FRAME
    ),
    ToolFormat("qwen_coder", parse_qwen_coder, render_qwen_coder, QWEN_CODER_FORM, ("<function=",)),
    ToolFormat("qwen", parse_hermes, render_qwen, HERMES_FORM, ("<tool_call>\n",)),
    HERMES,
    ToolFormat("pythonic", parse_pythonic, render_pythonic, PYTHONIC_FORM, ("[func_name1(",), escapes=FRAME),
    ToolFormat(
        "llama",
        parse_llama,
        render_llama,
        LLAMA_FORM,
        ("<|start_header_id|>",),
        ends=("<|eot_id|>", "<|eom_id|>"),
        escapes=FRAME,
    ),
)
FORMATS = {f.name: f for f in _KNOWN}


def choose_format(name: str, template: str) -> ToolFormat:
    """The format called `name`; for `auto` the one whose marks the chat template holds, else Hermes.

    Raises:
        ConfigError: there is no format of that name.
    """
    if name == AUTO:
        text = template.replace("\\n", "\n")
        return next((f for f in _KNOWN if all(mark in text for mark in f.marks)), HERMES)
    if name not in FORMATS:
        raise ConfigError(f"no tool format {name!r}; {nearest(name, [AUTO, *FORMATS])}")
    return FORMATS[name]


def format_that_reads(written: str, call: ToolCall, first: ToolFormat) -> ToolFormat | None:
    """The format that reads `written` as `call`: `first` if it does, else any that does."""
    for candidate in (first, *_KNOWN):
        read = candidate.parse(written, ()).tool_calls
        if [(c.name, c.arguments) for c in read] == [(call.name, call.arguments)]:
            return candidate
    return None
