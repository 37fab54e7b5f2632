"""Model families in small: a chat template of our own with each family's structure, and a tiny tokenizer with its
special tokens."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rollout.chat import ChatRenderer

TOOLS = (
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Opens a box.",
            "parameters": {"type": "object", "properties": {"box": {"type": "integer"}}},
        },
    },
)

TEMPLATES = Path(__file__).parents[1] / "data" / "templates"
_TEXT = [
    "the user asks and the assistant answers, a tool says what it found",
    'name arguments parameters function look box word {"name": "look", "arguments": {"box": 1}}',
    "system user assistant model tool ipython commentary analysis final json functions",
    "0123456789 Look up box. Answer: done\n\n",
]


@dataclass(frozen=True)
class Family:
    """Tokens: `eos` and `bos` as the tokenizer names them, `special` and `plain` (added, but no special) beside them.

    `spaces`: by bytes as in GPT-2, as SentencePiece's "▁" with one in front, or "▁ between" words only.
    """

    eos: str
    special: tuple[str, ...]
    plain: tuple[str, ...] = ()
    bos: str | None = None
    spaces: str = "bytes"


_CALL_TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
_LLAMA = ("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|python_tag|>", "<|end_of_text|>")
_MISTRAL = (
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
)
_DEEPSEEK = (
    "<｜User｜>",
    "<｜Assistant｜>",
    *(f"<｜tool▁{name}▁{edge}｜>" for name in ("calls", "call", "outputs", "output") for edge in ("begin", "end")),
    "<｜tool▁sep｜>",
)
FAMILIES = {
    "chatml": Family("<|im_end|>", ("<|im_start|>", "<|endoftext|>"), bos="<|im_start|>"),
    "qwen25": Family("<|im_end|>", ("<|im_start|>", "<|endoftext|>"), _CALL_TAGS[:2]),
    "qwen3": Family("<|im_end|>", ("<|im_start|>", "<|endoftext|>"), _CALL_TAGS),
    "qwen3_coder": Family("<|im_end|>", ("<|im_start|>", "<|endoftext|>"), _CALL_TAGS),
    "hermes3": Family("<|im_end|>", ("<|im_start|>", "<|end_of_text|>"), _CALL_TAGS[:4], bos="<|begin_of_text|>"),
    "llama3": Family("<|eot_id|>", _LLAMA, bos="<|begin_of_text|>"),
    "llama3_pythonic": Family("<|eot_id|>", _LLAMA, bos="<|begin_of_text|>"),
    "mistral": Family("</s>", _MISTRAL, bos="<s>", spaces="▁"),
    "mistral_v11": Family(
        "</s>",
        (*_MISTRAL, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[ARGS]"),
        bos="<s>",
    ),
    "gemma": Family("<eos>", ("<start_of_turn>", "<end_of_turn>"), bos="<bos>", spaces="▁ between"),
    "deepseek": Family("<｜end▁of▁sentence｜>", _DEEPSEEK, _CALL_TAGS[4:], bos="<｜begin▁of▁sentence｜>"),
    "deepseek31": Family("<｜end▁of▁sentence｜>", _DEEPSEEK, _CALL_TAGS[4:], bos="<｜begin▁of▁sentence｜>"),
    "deepseek32": Family(
        "<｜end▁of▁sentence｜>", _DEEPSEEK, (*_CALL_TAGS[4:], "｜DSML｜"), bos="<｜begin▁of▁sentence｜>"
    ),
    "gpt_oss": Family(
        "<|return|>", ("<|start|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|end|>", "<|call|>")
    ),
}


@cache
def tokenizer_of(name: str):
    """A BPE of a few hundred tokens with the family's own added tokens and template."""
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    tokenizer = _byte_level() if family.spaces == "bytes" else _sentence_piece(family.spaces == "▁")
    special = dict.fromkeys((family.eos, *([family.bos] if family.bos else []), *family.special))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in family.plain])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=family.eos, bos_token=family.bos)
    fast.chat_template = (TEMPLATES / f"{name}.jinja").read_text()
    return fast


def _byte_level():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _TEXT, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def _sentence_piece(in_front):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if in_front else "never")
    tokenizer.train_from_iterator(_TEXT, trainers.BpeTrainer(vocab_size=200, show_progress=False))
    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    for byte in range(256):  # what the vocabulary lacks is spelled in bytes
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    state["model"]["byte_fallback"] = True
    tokenizer = Tokenizer.from_str(json.dumps(state))
    spaced = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*spaced, *([decoders.Strip(" ", 1, 0)] if in_front else [])])
    return tokenizer


@cache
def renderer_of(name: str) -> ChatRenderer:
    """The renderer of a family, as a run would make it."""
    return ChatRenderer(tokenizer_of(name))
