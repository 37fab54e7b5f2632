"""Text that spells a tokenizer's added tokens: where others wrote it, it is shielded and stays text.

A shielded text has stand-ins for the spelled tokens. It passes through a chat template, which writes the real ones;
then `ids` takes those as tokens and turns every stand-in back into plain characters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from rewards.transcript import Message

_OPEN, _CLOSE = "\ue000", "\ue001"  # private-use characters: a stand-in is a number between them
_STAND_IN = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


class AddedTokens:
    """The added tokens of a tokenizer (`<|im_end|>`, `<think>`), special or not.

    What the assistant itself said may spell those that aren't special: a model samples `<think>` or `<tool_call>`
    as one token, and templates look for them in earlier turns.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self.ids: dict[str, int] = {token.content: number for number, token in added.items()}
        self._spelled = [_OPEN, *self.ids]
        self._numbers = {text: number for number, text in enumerate(self._spelled)}
        self._any = _one_of(self._spelled)
        self._special = _one_of([_OPEN, *(token.content for token in added.values() if token.special)])
        self._frame = _one_of(list(self.ids)) if self.ids else None

    def shield(self, message: Message, escaped: re.Pattern[str] | None = None) -> Message:
        """The message with stand-ins in its content and calls.

        Args:
            escaped: begins what whoever renders the calls' arguments escapes: no stand-in is needed there.
        """
        spelled = self._special if message.role == "assistant" else self._any
        calls = tuple(
            replace(c, name=self._text(c.name, spelled), arguments=self._value(c.arguments, spelled, escaped))
            for c in message.tool_calls
        )
        return replace(message, content=self._text(message.content, spelled), tool_calls=calls)

    def shield_tools(self, tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Schemas with stand-ins in their texts."""
        return [self._value(tool, self._any) for tool in tools]

    def encode(self, text: str) -> list[int]:
        """Ids of a text with frame and stand-ins, as a template or a tool format rendered it."""
        if _OPEN not in text:
            return self._tokenizer(text, add_special_tokens=False).input_ids
        ids: list[int] = []
        for piece in self._frame.split(text) if self._frame else [text]:
            if piece in self.ids:
                ids.append(self.ids[piece])
            elif piece:
                ids += self._plain(_STAND_IN.sub(lambda m: self._spelled[int(m.group(1))], piece))
        return ids

    def first(self, text: str) -> int | None:
        """The first added token that a rendered text holds."""
        found = self._frame.search(text) if self._frame else None
        return self.ids[found.group()] if found else None

    def _text(self, text: str, spelled: re.Pattern[str], escaped: re.Pattern[str] | None = None) -> str:
        def stand_in(found: re.Match[str]) -> str:
            token = found.group()
            return token if escaped and escaped.match(token) else f"{_OPEN}{self._numbers[token]}{_CLOSE}"

        return spelled.sub(stand_in, text)

    def _value(self, value: Any, spelled: re.Pattern[str], escaped: re.Pattern[str] | None = None) -> Any:
        if isinstance(value, str):
            return self._text(value, spelled, escaped)
        if isinstance(value, Mapping):
            return {self._text(k, spelled, escaped): self._value(v, spelled, escaped) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(v, spelled, escaped) for v in value]
        return value

    def _plain(self, text: str) -> list[int]:
        """Ids by the tokenizer's own steps without the first, which makes tokens of what looks like added ones."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            return self._tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        if backend.normalizer is not None:
            text = backend.normalizer.normalize_str(text)
        words = [text] if self._split is None else [word for word, _ in self._split.pre_tokenize_str(text)]
        return [token.id for word in words for token in backend.model.tokenize(word)]

    @cached_property
    def _split(self) -> Any:
        from tokenizers import pre_tokenizers

        split = self._tokenizer.backend_tokenizer.pre_tokenizer
        if getattr(split, "prepend_scheme", None) == "first":  # a frame token always stands before what is split here
            return pre_tokenizers.Metaspace(split.replacement, "never", split.split)
        return split


def _one_of(texts: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")
