"""Token ids as the pieces of text that they stand for, so that a page can show an episode token by token."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

_MISSING = "\ufffd"  # what a tokenizer gives for part of a character
_LONGEST = 4  # tokens that one character may need


def token_texts(ids: Sequence[int], decode: Callable[[list[int]], str]) -> list[str]:
    """One text an id; together they are the whole text.

    Where several tokens make one character, the first of them carries it and the others are empty. Each is decoded
    behind its neighbour: by itself it would lose its leading space with some tokenizers.
    """
    texts: list[str] = []
    while len(texts) < len(ids):
        at = len(texts)
        before = list(ids[max(0, at - 1) : at])
        known = decode(before) if before else ""
        for count in range(1, _LONGEST + 1):
            whole = decode([*before, *ids[at : at + count]])
            piece = whole.removeprefix(known) if whole.startswith(known) else decode(list(ids[at : at + count]))
            if _MISSING not in piece or at + count >= len(ids):
                break
        else:
            count, piece = 1, decode([ids[at]])
        texts += [piece, *[""] * (count - 1)]
    return texts[: len(ids)]


class TokenTexts:
    """Texts of ids by the tokenizer of a run: that of its trained model, or of the one that it began with.

    Args:
        folder: the run's.
        model: as its config names it.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        self._lock = threading.Lock()
        self._decode: Callable[[list[int]], str] | None = None
        self._why_not = ""

    def __call__(self, ids: Sequence[int]) -> tuple[list[str] | None, str]:
        """The texts and "", or None and why there is no tokenizer."""
        with self._lock:  # tokenizers are not thread-safe, and one load is enough
            if self._decode is None and not self._why_not:
                try:
                    self._decode = self._load()
                except Exception as error:  # tokenizers raises nothing finer; ids are shown instead
                    self._why_not = f"no tokenizer for {self._model or 'this folder'}: {error}"
            return (token_texts(ids, self._decode), "") if self._decode else (None, self._why_not)

    def _load(self) -> Callable[[list[int]], str]:
        from rollout.models import resolve_model

        own = self._folder / "model"
        model = str(own) if own.is_dir() else resolve_model(self._model)
        file = Path(model) / "tokenizer.json"
        if file.is_file():  # at once, where loading transformers would take seconds
            from tokenizers import Tokenizer

            fast = Tokenizer.from_file(str(file))
            return lambda ids: fast.decode(ids, skip_special_tokens=False)
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model)
        return lambda ids: tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
