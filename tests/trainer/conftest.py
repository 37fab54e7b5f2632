import pytest

from tests.llamas import save_llama


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """A two-layer Llama of 1,000 tokens and 0.13 million random weights, as a model folder: it loads at once."""
    return save_llama(tmp_path_factory.mktemp("small"), 1000, max_position_embeddings=512, initializer_range=0.2)
