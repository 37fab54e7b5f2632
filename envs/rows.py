"""Rows of a public data set as tasks: read from JSONL, JSON, CSV, Parquet or by name through `datasets`."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError

Row = Mapping[str, Any]
_MAX_LEFT_OUT = 0.5  # of the rows; more means that the file isn't what it was taken for


@dataclass(frozen=True, slots=True)
class Item:
    """A row as a task needs it: what is asked, what it is judged by, and a solution that earns everything."""

    question: str
    target: dict[str, Any]
    solution: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A published layout: the columns that tell it, and how a row of it becomes an item (a ValueError if it can't)."""

    name: str
    columns: frozenset[str]
    read: Callable[[Row], Item]


def read_items(source: str, layouts: Sequence[Layout]) -> tuple[list[Item], list[str]]:
    """The items, easiest (shortest solution) first, and why rows were left out, one line each.

    Args:
        source: a .jsonl, .json, .csv or .parquet file, or a data set's name for `datasets`, "name", "name:split" or
            "name:config:split".
        layouts: tried in order; the first whose columns all exist in a row reads it.

    Raises:
        ConfigError: the file isn't there or is broken, has none of the layouts, or more than half of its rows can't
            be judged.
    """
    items, left_out = [], []
    for place, row in _rows(source):
        layout = next((one for one in layouts if one.columns <= row.keys()), None)
        if layout is None:
            known = "; ".join(f"{one.name}: {', '.join(sorted(one.columns))}" for one in layouts)
            raise ConfigError(f"{place}: columns {sorted(row)} are none of the known layouts ({known})")
        try:
            items.append(layout.read(row))
        except (ValueError, TypeError) as error:
            left_out.append(f"{place}: {error}")
    if not items or len(left_out) > _MAX_LEFT_OUT * (len(items) + len(left_out)):
        first = f"; the first: {left_out[0]}" if left_out else ""
        raise ConfigError(f"{source}: {len(left_out)} of {len(items) + len(left_out)} rows can't be judged{first}")
    return sorted(items, key=lambda item: (len(item.solution), item.question)), left_out


def _rows(source: str) -> Iterator[tuple[str, Row]]:
    path = Path(source)
    match path.suffix:
        case ".jsonl" | ".json" | ".csv" | ".parquet" if not path.is_file():
            raise ConfigError(f"no file {source!r}; give a .jsonl, .json, .csv or .parquet file, or a data set's name")
        case ".jsonl":
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{source}, line {number}", _object(line, f"{source}, line {number}")
        case ".json":
            found = _object(path.read_text(encoding="utf-8"), source, list)
            for number, row in enumerate(found, 1):
                yield f"{source}, row {number}", _is_row(row, f"{source}, row {number}")
        case ".csv":
            yield from _separated(source)
        case ".parquet":
            import pyarrow
            import pyarrow.parquet

            try:
                table = pyarrow.parquet.read_table(path)
            except (OSError, pyarrow.ArrowException) as error:
                raise ConfigError(f"{source}: no Parquet file ({error})") from error
            for number, row in enumerate(table.to_pylist(), 1):
                yield f"{source}, row {number}", row
        case _:
            yield from _published(source)


def _separated(source: str) -> Iterator[tuple[str, Row]]:
    with Path(source).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="", restval=None, strict=True)
        try:
            for row in reader:
                place = f"{source}, line {reader.line_num}"
                if "" in row or None in row.values():
                    raise ConfigError(f"{place}: {len(row)} columns are named at the top, this row has more or fewer")
                yield place, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}, line {reader.line_num}: no CSV ({error})") from error


def _published(source: str) -> Iterator[tuple[str, Row]]:
    import datasets

    name, *rest = source.split(":")
    split = rest[-1] if rest else "train"
    try:
        found = datasets.load_dataset(name, *rest[:-1], split=split)
    except Exception as error:  # the hub's client raises what it likes
        raise ConfigError(
            f"no data set {source!r} ({type(error).__name__}: {str(error)[:200]}); give a file, or name:config:split"
        ) from error
    for number, row in enumerate(found, 1):
        yield f"{source}, row {number}", row


def _object(text: str, place: str, kind: type = dict) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: no JSON ({error})") from error
    if not isinstance(value, kind):
        raise ConfigError(
            f"{place}: a {type(value).__name__} where {'a list' if kind is list else 'an object'} belongs"
        )
    return value


def _is_row(row: Any, place: str) -> Row:
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: a {type(row).__name__} where an object belongs")
    return row
