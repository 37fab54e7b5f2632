"""Real parts, small: the default model's tokenizer, a tiny random Llama, and vLLM in a Ray actor on it."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from hypothesis import settings

from tests.llamas import save_llama

settings.register_profile("postgym", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("postgym")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


SHARING = ("test_drivers", "test_kills", "test_replicas", "test_sharded")  # each shares what takes long to make


@pytest.hookimpl(tryfirst=True)  # xdist looks at the marks in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests share what is dear, for `pytest -n 2 --dist loadgroup`: one worker gets them all."""
    for item in items:
        if group := _shared(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _shared(item: pytest.Item) -> str | None:
    """What a test shares: the engine, the sandbox's host, a trained run or a made one, or an environment's proof."""
    if "engine" in getattr(item, "fixturenames", ()) or item.path.stem == "test_run":
        return "training"
    if "made_run" in getattr(item, "fixturenames", ()):
        return "made run"
    if item.path.parent.name == "sandbox":
        return "sandbox"
    if item.path.stem in SHARING:
        return item.path.stem
    given = getattr(item, "callspec", None)
    named = [str(v) for v in given.params.values() if str(v).startswith("postgym/")] if given else []
    return named[0] if named else None


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
    folder = save_llama(
        tmp_path_factory.mktemp("tiny"),
        len(tokenizer),
        head_dim=32,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def made_run(renderer, tmp_path_factory):
    """A run's folder of scripted episodes (see tests/runs.py): to be read; who changes it takes a copy."""
    from tests.runs import make_run

    return make_run(tmp_path_factory.mktemp("runs") / "made", renderer)


@pytest.fixture(scope="session")
def event_loop_runner():
    """One asyncio loop for the session: the engine's requests belong to it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def engine(tiny_model, event_loop_runner):
    """vLLM on the tiny model in fp32, in a Ray actor that answers Prometheus too."""
    from rollout.vllm_actor import VllmSettings
    from rollout.vllm_engine import VllmEngine

    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = f"127.0.0.1:{free.getsockname()[1]}"
    engine = VllmEngine(
        VllmSettings(str(tiny_model), max_context=512, max_concurrent=16, precision="float32", metrics=metrics)
    )
    yield engine
    engine.close()
