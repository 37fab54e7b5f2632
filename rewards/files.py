"""Files that are whole or absent: written beside their place, then renamed into it."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rewards.errors import CheckpointError, ConfigError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a temporary path in the same folder, flushes it to disk and renames it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    staging = Path(name)
    try:
        write(staging)
        with staging.open("rb") as written:
            os.fsync(written.fileno())
        staging.chmod(0o644)
        os.replace(staging, path)
        flush_folder(path.parent)
    finally:
        staging.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Has the folder's names on disk: a rename is in memory until then, and a power cut would undo it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_unfinished(folder: Path) -> None:
    """Removes what `write_atomically` had begun in a folder, or below it, when its process was killed."""
    for left in folder.rglob(".*.????????"):
        if left.is_file():
            left.unlink()


def write_text_atomically(path: Path, text: str) -> None:
    """Writes UTF-8 text; lone surrogates become replacement characters instead of an error."""
    write_atomically(path, lambda p: p.write_bytes(text.encode("utf-8", "replace")) and None)


def write_json_atomically(path: Path, value: Any) -> None:
    """Writes indented JSON."""
    write_text_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object that `write_json_atomically` wrote.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}); restore it, or remove its folder to begin anew") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is damaged (no object); restore it, or remove its folder to begin anew")
    return value


def read_jsonl(path: Path, growing: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers, from 1, and objects of a JSONL file; blank lines are skipped.

    Args:
        growing: somebody appends to it: a last line without its end is not there yet.

    Raises:
        ConfigError: the file is missing, or a line holds no JSON object (file and line number are named).
    """
    if not path.is_file():
        raise ConfigError(f"file {path} does not exist")
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or (growing and not line.endswith("\n")):
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}:{number}: no JSON ({error}); mend or remove that line") from None
            if not isinstance(value, dict):
                raise ConfigError(f"{path}:{number}: a JSON object is needed, found {type(value).__name__}")
            yield number, value
