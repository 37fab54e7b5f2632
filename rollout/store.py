"""Trajectories on disk: one Parquet file a round, written whole or not at all, read back exactly."""

from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from envs.base import Task
from rewards.errors import CheckpointError
from rewards.files import write_atomically
from rewards.score import Score
from rewards.transcript import Transcript
from rollout.trajectory import Group, Trajectory

SCHEMA_VERSION = "1"
_TRANSCRIPT, _SCORE = TypeAdapter(Transcript), TypeAdapter(Score)


def write_groups(path: Path, groups: list[Group]) -> None:
    """Writes the groups of one round."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "group": number,
            "task": group.task.model_dump_json(),
            "token_ids": t.token_ids,
            "loss_mask": t.loss_mask,
            "logprobs": t.logprobs,
            "weight_versions": t.weight_versions,
            "prompt_length": t.prompt_length,
            "transcript": _TRANSCRIPT.dump_json(t.transcript).decode(),
            "score": _SCORE.dump_json(t.score).decode(),
            "value": t.score.value,
            "finish": t.finish,
            "seconds": t.seconds,
        }
        for number, group in enumerate(groups)
        for t in group.trajectories
    ]
    schema = pa.schema(
        [
            ("group", pa.int32()),
            ("task", pa.string()),
            ("token_ids", pa.list_(pa.int32())),
            ("loss_mask", pa.list_(pa.bool_())),
            ("logprobs", pa.list_(pa.float32())),
            ("weight_versions", pa.list_(pa.int32())),
            ("prompt_length", pa.int32()),
            ("transcript", pa.string()),
            ("score", pa.string()),
            ("value", pa.float64()),
            ("finish", pa.string()),
            ("seconds", pa.float64()),
        ],
        metadata={"postgym_schema": SCHEMA_VERSION},
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    write_atomically(path, lambda staging: pq.write_table(table, staging, compression="zstd"))


def read_groups(path: Path) -> list[Group]:
    """The groups that `write_groups` wrote.

    Raises:
        CheckpointError: the file is damaged or from another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise CheckpointError(f"{path} can't be read as Parquet ({error}); delete it to have it made again") from error
    version = (table.schema.metadata or {}).get(b"postgym_schema", b"none").decode()
    if version != SCHEMA_VERSION:
        raise CheckpointError(f"{path} has trajectory schema {version}, this postgym reads {SCHEMA_VERSION}")
    members: dict[int, list[Trajectory]] = {}
    for number, row in enumerate(table.to_pylist()):
        try:
            members.setdefault(row["group"], []).append(_trajectory(row))
        except (ValueError, TypeError, KeyError) as error:  # pydantic's errors are ValueErrors
            why = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"{path}: row {number} is no trajectory ({why}); delete it to have it made again"
            ) from error
    return [Group(found[0].task, tuple(found)) for _, found in sorted(members.items())]


def _trajectory(row: dict) -> Trajectory:
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
