"""Token-exact chat: the prompt is rendered once, later turns only append ids, nothing is tokenised twice."""

from collections.abc import Callable, Sequence
from typing import Any

from rewards.errors import ConfigError
from rewards.transcript import Message

_SLOT = "\ue000{}\ue001"  # private-use characters: stand in for a message's content while a template renders
_PROBE = "\ue002"


class ChatRenderer:
    """Turns messages into ids with a tokenizer's chat template.

    Special tokens come from the template alone: the same characters typed by a user, a tool or a
    document are encoded as ordinary text.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        template: a jinja template to use in place of the tokenizer's own.

    Raises:
        ConfigError: there is no template, no end-of-turn token, or the template rewrites earlier turns
            (then ids can't be append-only).
    """

    def __init__(self, tokenizer: Any, template: str | None = None) -> None:
        self.tokenizer = tokenizer
        self._template = template or tokenizer.chat_template
        if not self._template:
            raise ConfigError("the tokenizer has no chat template; give one with model.chat_template")
        if tokenizer.eos_token_id is None:
            raise ConfigError("the tokenizer has no end-of-sequence token: turns could not end")
        self.end_of_turn: int = tokenizer.eos_token_id
        self._special = tuple(tokenizer.all_special_tokens)
        self._history = (Message("user", "."), Message("assistant", _PROBE))
        self._base = self._render(self._history, (), generation_prompt=False)
        if _PROBE not in self._base:
            raise ConfigError("the chat template drops what the assistant said; a training template is needed")
        self._turn_end = self._base[self._base.rindex(_PROBE) + len(_PROBE) :]

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> list[int]:
        """Ids of the opening messages with the tools' schemas, up to where the assistant speaks."""
        return self._encode(messages, lambda m: self._render(m, tools, generation_prompt=True))

    def conversation_ids(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a whole conversation, for who reads it and doesn't speak next (a reward model)."""
        return self._encode(messages, lambda m: self._render(m, (), generation_prompt=False))

    def continuation_ids(self, messages: Sequence[Message], turn_ended: bool) -> list[int]:
        """Ids to append after a sampled turn: its end, the new messages, and the next assistant opening.

        Args:
            messages: what the environment said.
            turn_ended: whether the sampled ids hold the end-of-turn token already.
        """

        def render(new: Sequence[Message]) -> str:
            whole = self._render((*self._history, *new), (), generation_prompt=True)
            if not whole.startswith(self._base):
                raise ConfigError("the chat template rewrites earlier turns; use one that only appends")
            return self._turn_end + whole[len(self._base) :]

        ids = self._encode(messages, render)
        if turn_ended and ids and ids[0] == self.end_of_turn:
            return ids[1:]
        return ids

    def encode(self, text: str) -> list[int]:
        """Ids of plain text, special tokens in it taken as ordinary characters."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sampled turn, without the end-of-turn token."""
        ids = list(ids)
        if ids and ids[-1] == self.end_of_turn:
            ids.pop()
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _render(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], generation_prompt: bool) -> str:
        try:
            return self.tokenizer.apply_chat_template(
                [m.to_dict() for m in messages],
                tools=list(tools) or None,
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=generation_prompt,
            )
        except Exception as error:  # jinja raises its own kinds, templates raise theirs
            raise ConfigError(f"the chat template can't render this conversation: {error}") from error

    def _encode(self, messages: Sequence[Message], render: Callable[[Sequence[Message]], str]) -> list[int]:
        if not any(token in m.content for m in messages for token in self._special):
            return self.tokenizer(render(messages), add_special_tokens=False).input_ids
        slots = [Message(m.role, _SLOT.format(i), m.tool_calls, m.tool_call_id) for i, m in enumerate(messages)]
        rest, ids = render(slots), []
        for index, message in enumerate(messages):
            before, found, rest = rest.partition(_SLOT.format(index))
            ids += self.tokenizer(before, add_special_tokens=False).input_ids
            ids += self.encode(message.content) if found else []
        return ids + self.tokenizer(rest, add_special_tokens=False).input_ids
