"""Reward models: any sequence classifier in a folder becomes the scorer behind `rewards.model.LearnedReward`."""

import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from rewards.errors import ConfigError
from rewards.model import LearnedReward, Logistic
from rewards.recipes import factory
from rewards.score import Reward, Score
from rewards.transcript import Message, Transcript
from rollout.chat import ChatRenderer


class RewardModel:
    """A Bradley-Terry classifier: a conversation in, one unbounded number out.

    Conversations are scored one at a time: in a padded batch the last digits would depend on the neighbours, and a
    reward must not. With a chat template the conversation is rendered by it, special tokens in texts taken as
    ordinary characters; without one the model reads (what went before, the answer) as a pair.

    Args:
        folder: what `save_pretrained` wrote for an `AutoModelForSequenceClassification`, or a hub id.
        device: where it computes; None takes the GPU if there is one.

    Raises:
        ConfigError: there is no such model, or it has other than one or two outputs.
    """

    def __init__(self, folder: str | Path, device: str | None = None) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="left")
            model = AutoModelForSequenceClassification.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise ConfigError(f"reward model {folder} can't be loaded: {' '.join(str(error).split())[:300]}") from None
        if model.config.num_labels not in (1, 2):
            raise ConfigError(f"reward model {folder} has {model.config.num_labels} outputs; 1, or 2 (bad, good), work")
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval()
        self._most = int(getattr(model.config, "max_position_embeddings", 0) or self._tokenizer.model_max_length)
        self._renderer = ChatRenderer(self._tokenizer) if self._tokenizer.chat_template else None
        self._lock = threading.Lock()

    @torch.no_grad()
    def __call__(self, messages: Sequence[Message]) -> float:
        """The raw score; of a conversation that is too long the end is read."""
        inputs = {k: torch.tensor([v[-self._most :]], device=self._device) for k, v in self._encode(messages).items()}
        with self._lock:
            logits = self._model(**inputs).logits[0].double()
        return float(logits[0] if len(logits) == 1 else logits[1] - logits[0])

    def _encode(self, messages: Sequence[Message]) -> dict[str, list[int]]:
        if self._renderer is not None:
            ids = self._renderer.conversation_ids(messages)
            return {"input_ids": ids, "attention_mask": [1] * len(ids)}
        before = "\n\n".join(m.content for m in messages[:-1])
        return dict(self._tokenizer(before, messages[-1].content, split_special_tokens=True))


@functools.cache
def _load(model: str) -> RewardModel:
    return RewardModel(model)


@factory
def learned(model: str, scale: float = 1.0, shift: float = 0.0) -> Reward:
    """A reward model's opinion as a chance: its folder, and `scale` and `shift` as `fit_logistic` finds them.

    The model is loaded when the first episode is judged, once for all rubrics that name it.
    """

    def judge(transcript: Transcript, target: Mapping[str, Any]) -> Score:
        return LearnedReward(_load(model), Logistic(scale, shift))(transcript, target)

    return judge
