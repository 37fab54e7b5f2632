"""Token-exact chat: the prompt is rendered once, later turns only append ids, nothing is tokenised twice.

Templates that drop the thinking of earlier turns (Qwen3, DeepSeek) would give other ids later. Ours never change:
what was sampled stays, thinking too, so that what is trained is what was sampled. A template that rewrites more
than that is refused.
"""

import contextlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from envs.actions import parse_action
from rewards.errors import ConfigError
from rewards.transcript import Message, ToolCall
from rollout.roles import WRITTEN, put_for, try_template, written_call
from rollout.shield import AddedTokens
from rollout.tool_formats import AUTO, HERMES, Tools, choose_format, format_that_reads

_SAID = "\ue002"  # a private-use character: what the assistant said, where a template's own text is looked for
_HISTORY = (Message("user", "."), Message("assistant", _SAID))
_THINKING = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
_OPENED = re.compile(r"<think>\s*\Z")
_THOUGHT = re.compile(r"<think>\s*(.*?)\s*</think>\s*(.*)\Z", re.DOTALL)
_TAIL = 8  # ids at a prompt's end that can hold an opened <think> with its line breaks


class ChatRenderer:
    """Turns messages into ids with a tokenizer's chat template, and sampled ids into messages.

    Special tokens come from the template alone: the same characters typed by a user, a tool or a
    document are encoded as ordinary text.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        template: a jinja template to use in place of the tokenizer's own.
        tool_format: how the model writes calls: a name of `rollout.tool_formats`, or `auto` to tell by the template.
        end_ids: ids that end a turn, beside the template's and the tokenizer's own.

    Raises:
        ConfigError: there is no template, no end-of-turn token, no such tool format, or the template rewrites
            earlier turns (then ids can't be append-only).
    """

    def __init__(
        self, tokenizer: Any, template: str | None = None, tool_format: str = AUTO, end_ids: Collection[int] = ()
    ) -> None:
        self.tokenizer = tokenizer
        self._template = template or tokenizer.chat_template
        if not self._template:
            raise ConfigError("the tokenizer has no chat template; take a model that has one (see docs/models.md)")
        self.format = choose_format(tool_format, self._template)
        self._added = AddedTokens(tokenizer)
        self._no_tools: Tools | None = None
        try:
            self._base = self._render(_HISTORY, (), generation_prompt=False)
        except ConfigError:  # Hermes' own template goes through the tools without asking whether there are any
            self._no_tools = ()
            self._base = self._render(_HISTORY, (), generation_prompt=False)
        if _SAID not in self._base:
            raise ConfigError("the chat template drops what the assistant said; a training template is needed")
        self._abilities = try_template(self._shown)
        if tool_format == AUTO and self._abilities.tools:
            self._see_calls()
        self._set_ends(end_ids)

    def prompt_ids(self, messages: Sequence[Message], tools: Tools) -> list[int]:
        """Ids of the opening messages with the tools' schemas, up to where the assistant speaks."""
        said, shown = self._put(messages, tools)
        return self._added.encode(self._render(said, shown, generation_prompt=True))

    def conversation_ids(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a whole conversation, for who reads it and doesn't speak next (a reward model)."""
        said, _ = self._put(messages, ())
        return self._added.encode(self._render(said, (), generation_prompt=False))

    def continuation_ids(
        self, messages: Sequence[Message], turn_ended: bool, calls: Sequence[ToolCall] = ()
    ) -> list[int]:
        """Ids to append after a sampled turn: its end, the new messages, and the next assistant opening.

        Args:
            messages: what the environment said.
            turn_ended: whether the sampled ids hold an end-of-turn token already.
            calls: those of the sampled turn; some templates write results only after their calls.

        Raises:
            ConfigError: the template rewrites earlier turns.
        """
        said, _ = self._put(messages, ())
        if self._abilities.results_need_calls and said and said[0].role == "tool":
            text = (self.format.call_end or self._closing_text) + self._after_calls(said, calls)
        else:
            text = self._after_text(said)
        ids = self._added.encode(text)
        return ids[1:] if turn_ended and ids and ids[0] in self._closing else ids

    def turn_ids(self, prompt_ids: Sequence[int], action: "str | Message") -> list[int]:
        """Ids as if the model had sampled `action` after `prompt_ids`: in its own tool format, with the turn's end.

        Args:
            action: a message, or text as environments read it (calls in the Hermes form).
        """
        end = self.end_of_turn
        if isinstance(action, str) and self.format is not HERMES:
            read = parse_action(action)
            action = action if any(c.error for c in read.tool_calls) else read
        opened = _OPENED.search(self._tail(prompt_ids))
        if isinstance(action, str):
            return [*self.encode(_continued(action) if opened else action), end]
        message = self._added.shield(action, self.format.escapes)
        text = self.format.render(message)
        if message.tool_calls and self.format.call_end in self._added.ids:
            end = self._added.ids[self.format.call_end]
        return [*self._added.encode(_continued(text) if opened else text), end]

    def read(self, prompt_ids: Sequence[int], sampled_ids: Sequence[int], tools: Tools = ()) -> Message:
        """The assistant's message that was sampled after `prompt_ids`, its calls read in the model's tool format.

        Where the template itself opened the thinking, the message opens with it too.
        """
        opened = _OPENED.search(self._tail(prompt_ids))
        return self.format.parse((opened.group() if opened else "") + self.decode(sampled_ids), tools)

    def encode(self, text: str) -> list[int]:
        """Ids of plain text that the assistant says, special tokens in it taken as ordinary characters."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sampled turn, without the end-of-turn token."""
        said = np.asarray(ids[:-1] if self.ended(ids) else ids, np.int64)  # of a list every id's type is looked at
        return self.tokenizer.decode(said, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def ended(self, sampled_ids: Sequence[int]) -> bool:
        """Whether a sampled turn holds its end."""
        return len(sampled_ids) > 0 and sampled_ids[-1] in self.end_ids

    def _shown(self, messages: Sequence[Message], tools: Sequence[Any]) -> str:
        return self._render(messages, tools, generation_prompt=False)

    def _see_calls(self) -> None:
        """Takes the format that reads what the template writes.

        Where none does, the template would tell the model a form that nobody reads: then tools and results are put
        into words, as for a template that knows none.
        """
        written = written_call(self._shown)
        if written is None:
            return
        if found := format_that_reads(written.removesuffix(self._closing_text), WRITTEN, self.format):
            self.format = found
        else:
            self.format, self._abilities = HERMES, replace(self._abilities, tools=False, results=False)

    @property
    def _closing_text(self) -> str:
        """What the template writes after an assistant's words."""
        return self._base.partition(_SAID)[2]

    def _set_ends(self, end_ids: Collection[int]) -> None:
        written = self._added.first(self._closing_text)
        eos = self.tokenizer.eos_token_id
        known = [written, eos, *(self._added.ids.get(token) for token in self.format.ends), *end_ids]
        self.end_ids = frozenset(i for i in known if i is not None)
        if not self.end_ids:
            raise ConfigError("the tokenizer has no end-of-sequence token: turns could not end")
        self.end_of_turn: int = eos if written is None else written
        # An engine stops at the tokenizer's own end by itself.
        self.stop_ids = tuple(sorted(self.end_ids - {eos}))
        self._closing = set(self.end_ids)
        if written is not None:  # harmony closes the last turn with another token than earlier ones
            with contextlib.suppress(ConfigError):  # raised again when a turn is to be appended
                self._closing.add(self._added.first(self._after_text(_HISTORY[:1])))

    def _put(self, messages: Sequence[Message], tools: Tools) -> tuple[list[Message], Sequence[Any]]:
        shielded = [self._added.shield(m) for m in messages]
        return put_for(self._abilities, shielded, self._added.shield_tools(tools), self.format.form)

    def _after_text(self, new: Sequence[Message]) -> str:
        """What the template writes after an assistant's text when `new` follows."""
        before, said, after = self._render((*_HISTORY, *new), (), generation_prompt=True).partition(_SAID)
        if not said or not self._same_history(before):
            raise ConfigError("the chat template rewrites earlier turns; use one that only appends")
        return after

    def _same_history(self, before: str) -> bool:
        """Whether a template's text up to the assistant's words is what it was, thinking apart."""

        def kept(text: str) -> str:
            return _THINKING.sub("", text.partition(_SAID)[0])

        if kept(before) == kept(self._base):
            return True
        self._base = self._render(_HISTORY, (), generation_prompt=False)  # a template may write the date
        return kept(before) == kept(self._base)

    def _after_calls(self, new: Sequence[Message], calls: Sequence[ToolCall]) -> str:
        """The same after calls: every result behind its own call."""
        named = {c.id: c for c in calls if c.name}
        text = ""
        for number, message in enumerate(new):
            call = named.get(message.tool_call_id or "", ToolCall("none", {}))
            history = (_HISTORY[0], self._added.shield(Message("assistant", "", (call,))))
            base = self._render(history, (), generation_prompt=False)
            whole = self._render((*history, message), (), generation_prompt=number == len(new) - 1)
            if not whole.startswith(base):
                raise ConfigError("the chat template rewrites earlier turns; use one that only appends")
            text += whole[len(base) :]
        return text

    def _tail(self, prompt_ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(prompt_ids[-_TAIL:]), skip_special_tokens=False)

    def _render(self, messages: Sequence[Message], tools: Sequence[Any], generation_prompt: bool) -> str:
        rows = [self._row(m) for m in messages]
        return render_template(self.tokenizer, self._template, rows, tools or self._no_tools, generation_prompt)

    def _row(self, message: Message) -> dict[str, Any]:
        calls = tuple(replace(c, id=self.format.call_id(c.id)) for c in message.tool_calls)
        call_id = None if message.tool_call_id is None else self.format.call_id(message.tool_call_id)
        return replace(message, tool_calls=calls, tool_call_id=call_id).to_dict()


def render_template(
    tokenizer: Any,
    template: str,
    rows: Sequence[Mapping[str, Any]],
    tools: Tools | None,
    generation_prompt: bool = False,
) -> str:
    """The text that a chat template makes of messages in the OpenAI layout.

    Args:
        tools: None is what templates expect where there are none; few take an empty list as that.

    Raises:
        ConfigError: the template fails.
    """
    try:
        return tokenizer.apply_chat_template(
            list(rows),
            tools=None if tools is None else list(tools),
            chat_template=template,
            tokenize=False,
            add_generation_prompt=generation_prompt,
        )
    except Exception as error:  # jinja raises its own kinds, templates raise theirs
        raise ConfigError(f"the chat template can't render this conversation: {error}") from error


def _continued(text: str) -> str:
    """A turn after a prompt that has opened the thinking: its thoughts, if any, their end, and what is said."""
    found = _THOUGHT.match(text)
    thought, said = found.groups() if found else ("", text)
    return f"{thought}\n</think>\n\n{said}".lstrip("\n")
