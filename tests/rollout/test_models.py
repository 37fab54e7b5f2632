import pytest

from rewards.errors import ConfigError
from rollout.models import chat_template, resolve_model


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
