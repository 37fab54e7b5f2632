"""Real parts, small: the default model's tokenizer, a tiny random Llama, and vLLM in a Ray actor on it."""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("postgym", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("postgym")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def default_model() -> str:
    from rollout.models import DEFAULT_MODEL, resolve_model

    return resolve_model(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def tokenizer(default_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(default_model)


@pytest.fixture(scope="session")
def renderer(tokenizer):
    from rollout.chat import ChatRenderer

    return ChatRenderer(tokenizer)


@pytest.fixture(scope="session")
def tiny_model(tokenizer, tmp_path_factory) -> Path:
    """A two-layer Llama with random weights and the default model's tokenizer, as a model folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def event_loop_runner():
    """One asyncio loop for the session: the engine's requests belong to it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def engine(tiny_model, event_loop_runner):
    """vLLM on the tiny model in fp32, in a Ray actor."""
    from rollout.vllm_engine import VllmEngine, VllmSettings

    engine = VllmEngine(VllmSettings(str(tiny_model), max_context=512, max_concurrent=16, precision="float32"))
    yield engine
    engine.close()
