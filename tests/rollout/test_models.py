import copy

import pytest
from transformers import GenerationConfig

from rewards.errors import ConfigError
from rollout.models import chat_template, load_renderer, resolve_model, training_template
from tests.rollout.families import FAMILIES, tokenizer_of


def test_the_default_model_is_an_ordinary_folder_with_a_template_that_knows_tools(default_model, tokenizer):
    from pathlib import Path

    names = {p.name for p in Path(default_model).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert tokenizer.chat_template == chat_template("chatml_hermes")


def test_a_template_of_an_older_version_is_replaced(tmp_path, monkeypatch, default_model):
    import shutil

    monkeypatch.setenv("POSTGYM_CACHE", str(tmp_path))
    copy = tmp_path / "smollm2-135m-instruct"
    shutil.copytree(default_model, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "chat_template.jinja").write_text("old")
    assert resolve_model("smollm2-135m-instruct") == str(copy)
    assert (copy / "chat_template.jinja").read_text() == chat_template("chatml_hermes")


def test_a_local_folder_and_a_hub_id_are_taken_as_they_are(tiny_model):
    assert resolve_model(str(tiny_model)) == str(tiny_model)
    assert resolve_model("HuggingFaceTB/SmolLM2-360M-Instruct") == "HuggingFaceTB/SmolLM2-360M-Instruct"


@pytest.mark.parametrize("name", ["/nowhere", "./nowhere", "nowhere", "a/b/c"])
def test_a_missing_folder_is_named(name):
    with pytest.raises(ConfigError, match="does not exist"):
        resolve_model(name)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no config\.json"):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_template_that_shows_tools_is_kept_and_chatml_without_them_gets_ours(name):
    tokenizer = tokenizer_of(name)
    expected = chat_template("chatml_hermes") if name == "chatml" else tokenizer.chat_template
    assert training_template(tokenizer) == expected


def test_of_several_templates_the_one_for_tools_is_taken():
    tokenizer = copy.deepcopy(tokenizer_of("qwen3"))
    tools, plain = tokenizer.chat_template, tokenizer_of("chatml").chat_template
    tokenizer.chat_template = {"default": plain, "tool_use": tools}
    assert training_template(tokenizer) == tools


def test_without_any_template_chatmls_tokens_suffice_and_nothing_else_does():
    chatml, llama = copy.deepcopy(tokenizer_of("qwen25")), copy.deepcopy(tokenizer_of("llama3"))
    chatml.chat_template = llama.chat_template = None
    assert training_template(chatml) == chat_template("chatml_hermes")
    with pytest.raises(ConfigError, match="no chat template"):
        training_template(llama)


def test_a_models_renderer_has_its_template_its_format_and_its_makers_ends(tmp_path):
    tokenizer_of("llama3").save_pretrained(tmp_path)
    other = tokenizer_of("llama3").convert_tokens_to_ids("<|end_of_text|>")
    GenerationConfig(eos_token_id=[tokenizer_of("llama3").eos_token_id, other]).save_pretrained(tmp_path)
    renderer = load_renderer(str(tmp_path))
    assert renderer.format.name == "llama"
    assert other in renderer.stop_ids
    assert load_renderer(str(tmp_path), "pythonic").format.name == "pythonic"


def test_the_default_model_keeps_its_template_format_and_end(default_model, tokenizer):
    renderer = load_renderer(default_model)
    assert renderer.tokenizer.chat_template == chat_template("chatml_hermes")
    assert renderer.format.name == "hermes"
    assert renderer.end_ids == {tokenizer.convert_tokens_to_ids("<|im_end|>")}
    assert renderer.stop_ids == ()
