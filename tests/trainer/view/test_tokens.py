import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.view.tokens import TokenTexts, token_texts

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def decode(tokenizer):
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=40))
def test_the_pieces_are_one_a_token_and_together_the_text(tokenizer, decode, text):
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    pieces = token_texts(ids, decode)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == decode(ids)


@given(st.lists(st.integers(0, 49151), max_size=30))
def test_any_ids_have_as_many_pieces(decode, ids):
    assert len(token_texts(ids, decode)) == len(ids)


def test_the_first_token_of_a_character_carries_it(tokenizer, decode):
    ids = tokenizer("a🦔b", add_special_tokens=False).input_ids
    pieces = token_texts(ids, decode)
    assert len(ids) > 3, "the hedgehog takes several tokens"
    assert [p for p in pieces if p] == ["a", "🦔", "b"]


def test_leading_spaces_survive_a_tokenizer_that_drops_them():
    words = ["▁Hello", "▁big", "▁world", "!"]

    def decode(ids):
        return "".join(words[i] for i in ids).replace("▁", " ").removeprefix(" ")

    assert token_texts([0, 1, 2, 3], decode) == ["Hello", " big", " world", "!"]


def test_a_model_that_is_gone_leaves_the_ids_and_says_why(tmp_path):
    texts, why = TokenTexts(tmp_path, "/nowhere/model")(np.arange(3).tolist())
    assert texts is None
    assert "/nowhere/model does not exist" in why


def test_ids_mean_what_they_mean_to_the_model_without_loading_transformers(default_model, tokenizer, tmp_path):
    ids = list(range(200)) + tokenizer("Ünïcode 🦔 <|im_start|>user").input_ids
    code = (
        "import json, sys; from pathlib import Path; from trainer.view.tokens import TokenTexts;"
        f"texts, why = TokenTexts(Path({str(tmp_path)!r}), {default_model!r})({ids});"
        "assert 'transformers' not in sys.modules; print(json.dumps([texts, why]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    texts, why = json.loads(done.stdout)
    assert why == ""
    assert "".join(texts) == tokenizer.decode(ids)


def test_a_damaged_tokenizer_leaves_the_ids_and_says_why(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{")
    texts, why = TokenTexts(tmp_path, str(tmp_path))([1, 2])
    assert texts is None
    assert "no tokenizer for" in why
