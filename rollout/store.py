"""Trajectories on disk: one Parquet file a round, written whole or not at all, read back exactly.

The columns that one looks for (environment, split, score, status, tokens) stand beside the whole record, so that
thousands of trajectories can be listed without reading their tokens (`rollout/catalogue.py`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from envs.base import Task
from rewards.errors import CheckpointError
from rewards.files import write_atomically
from rewards.score import Score
from rewards.transcript import Transcript
from rollout.trajectory import Group, Trajectory

SCHEMA_VERSION = 3
OLDEST_READ = 1  # 1 lacks the columns that one looks for, 2 the fault: they are worked out from the record
_ROWS_TOGETHER = 64  # of a row group: one trajectory is read without decoding the whole file
_TRANSCRIPT, _SCORE = TypeAdapter(Transcript), TypeAdapter(Score)


def write_groups(path: Path, groups: Sequence[Group]) -> None:
    """Writes the groups of one round."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    rows = [_row(number, t) for number, group in enumerate(groups) for t in group.trajectories]
    table = pa.Table.from_pylist(rows, schema=schema)
    write_atomically(
        path, lambda staging: pq.write_table(table, staging, compression="zstd", row_group_size=_ROWS_TOGETHER)
    )


def read_groups(path: Path) -> list[Group]:
    """The groups that `write_groups` wrote.

    Raises:
        CheckpointError: the file is damaged or from a version that this one can't read.
    """
    members: dict[int, list[Trajectory]] = {}
    with open_store(path) as file:
        for number, row in enumerate(_table(file, path).to_pylist()):
            members.setdefault(row.get("group", -1), []).append(_trajectory(row, number, path))
    return [Group(found[0].task, tuple(found)) for _, found in sorted(members.items())]


def read_trajectory(path: Path, row: int) -> Trajectory:
    """The trajectory in one row of a file; only the rows beside it are decoded.

    Raises:
        CheckpointError: as `read_groups`, or the file has no such row.
    """
    with open_store(path) as file:
        first = 0
        for block in range(file.num_row_groups):
            count = file.metadata.row_group(block).num_rows
            if first <= row < first + count:
                return _trajectory(_table(file, path, block).slice(row - first, 1).to_pylist()[0], row, path)
            first += count
    raise CheckpointError(f"{path} has {first} trajectories, no row {row}")


def open_store(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile` whose version is known to be readable.

    Raises:
        CheckpointError: no Parquet, no trajectories, or another version; the mend is named.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise CheckpointError(f"{path} can't be read as Parquet ({error}); delete it to have it made again") from error
    try:
        stored_version(file, path)
    except CheckpointError:
        file.close()
        raise
    return file


def stored_version(file: Any, path: Path) -> int:
    """The schema version that an opened file declares; see `open_store` for what it raises."""
    text = (file.schema_arrow.metadata or {}).get(b"postgym_schema", b"none").decode()
    version = int(text) if text.isdecimal() else 0
    if version < OLDEST_READ:
        raise CheckpointError(f"{path} has trajectory schema {text}, this postgym reads {OLDEST_READ} and newer")
    if version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} has trajectory schema {text}, written by a newer postgym; this one reads up to {SCHEMA_VERSION}: "
            "update it, or delete the file to have it made again"
        )
    return version


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("group", pa.int32()),
            ("env", pa.string()),
            ("split", pa.string()),
            ("difficulty", pa.float64()),
            ("value", pa.float64()),
            ("status", pa.string()),
            ("fault", pa.string()),
            ("finish", pa.string()),
            ("sampled_tokens", pa.int32()),
            ("seconds", pa.float64()),
            ("task", pa.string()),
            ("token_ids", pa.list_(pa.int32())),
            ("loss_mask", pa.list_(pa.bool_())),
            ("logprobs", pa.list_(pa.float32())),
            ("weight_versions", pa.list_(pa.int32())),
            ("prompt_length", pa.int32()),
            ("transcript", pa.string()),
            ("score", pa.string()),
        ],
        metadata={"postgym_schema": str(SCHEMA_VERSION)},
    )


def _row(group: int, t: Trajectory) -> dict[str, Any]:
    return {
        "group": group,
        "env": t.task.env,
        "split": t.task.split,
        "difficulty": t.task.difficulty,
        "value": t.score.value,
        "status": str(t.score.status),
        "fault": str(t.score.fault or ""),
        "finish": t.finish,
        "sampled_tokens": t.sampled_tokens,
        "seconds": t.seconds,
        "task": t.task.model_dump_json(),
        "token_ids": t.token_ids,
        "loss_mask": t.loss_mask,
        "logprobs": t.logprobs,
        "weight_versions": t.weight_versions,
        "prompt_length": t.prompt_length,
        "transcript": _json(_TRANSCRIPT, t.transcript),
        "score": _json(_SCORE, t.score),
    }


def _json(adapter: TypeAdapter, value: Any) -> str:
    """JSON text; half a surrogate pair, which a model can write as an escape and no UTF-8 can hold, becomes `?`."""
    return json.dumps(adapter.dump_python(value), ensure_ascii=False).encode("utf-8", "replace").decode()


def _table(file: Any, path: Path, block: int | None = None) -> Any:
    import pyarrow as pa

    try:
        return file.read() if block is None else file.read_row_group(block)
    except (OSError, pa.ArrowException) as error:
        raise CheckpointError(f"{path} can't be read as Parquet ({error}); delete it to have it made again") from error


def _trajectory(row: dict, number: int, path: Path) -> Trajectory:
    try:
        return Trajectory(
            Task.model_validate_json(row["task"]),
            np.asarray(row["token_ids"], np.int32),
            np.asarray(row["loss_mask"], np.bool_),
            np.asarray(row["logprobs"], np.float32),
            np.asarray(row["weight_versions"], np.int32),
            row["prompt_length"],
            _TRANSCRIPT.validate_json(row["transcript"]),
            _SCORE.validate_json(row["score"]),
            row["finish"],
            row["seconds"],
        )
    except (ValueError, TypeError, KeyError) as error:  # pydantic's errors are ValueErrors
        why = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path}: row {number} is no trajectory ({why}); delete it to have it made again"
        ) from error
