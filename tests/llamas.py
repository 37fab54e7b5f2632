"""Small Llamas with random weights, as model folders."""

from pathlib import Path
from typing import Any


def save_llama(folder: Path, vocab_size: int, **changes: Any) -> Path:
    """Two layers of 64 with four heads, the same weights every time; `changes` are of its LlamaConfig."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    }
    LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **shape | changes)).save_pretrained(folder)
    return folder
