"""What an update saw, token by token: the trainer's logprobs and the advantages, kept beside the round's episodes.

The update computes both anyway; two floats a token let one see later where engine and trainer disagreed (their ratio)
and what was pushed which way. Nothing is learned from these files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rewards.errors import CheckpointError
from rewards.files import write_atomically
from rollout.trajectory import Group

if TYPE_CHECKING:  # it loads torch, which nobody needs to read these files
    from trainer.lessons import Lesson

FOLDER = "learned"


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one episode: `advantages` and `trainer_logprobs`, float32 (sampled tokens,)."""

    advantages: np.ndarray
    trainer_logprobs: np.ndarray


class LearnedLog:
    """Collects what the packs of one update say about the rows of its trajectory file.

    Args:
        groups: the round, in the order of its file.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        first = 0
        self._rows: list[list[int]] = []  # of the episodes that packs count, by group
        for group in groups:
            members = enumerate(group.trajectories, first)
            self._rows.append([row for row, t in members if t.score.value is not None and t.sampled_tokens])
            first += len(group.trajectories)
        self.rows: dict[int, Learned] = {}

    def add(self, lesson: "Lesson", trainer_logprobs: np.ndarray) -> None:
        """Takes a lesson's advantages and the trainer's logprobs (N,) apart by episode."""
        for episode in np.unique(lesson.pack.episodes):
            mine = lesson.pack.episodes == episode
            self.rows[self._rows[lesson.group][episode]] = Learned(
                lesson.advantages[mine].astype(np.float32), trainer_logprobs[mine].astype(np.float32)
            )

    def write(self, path: Path) -> None:
        """One row an episode that was learned from; the whole file or nothing."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = sorted(self.rows.items())
        table = pa.table(
            {
                "row": pa.array([row for row, _ in rows], pa.int32()),
                "advantages": pa.array([found.advantages for _, found in rows], pa.list_(pa.float32())),
                "trainer_logprobs": pa.array([found.trainer_logprobs for _, found in rows], pa.list_(pa.float32())),
            }
        )
        write_atomically(path, lambda staging: pq.write_table(table, staging, compression="zstd"))


def learned_path(trajectories: Path) -> Path:
    """Where the numbers for a run's trajectory file lie: `learned/` beside `trajectories/`."""
    return trajectories.parents[1] / FOLDER / trajectories.name


def read_learned(path: Path) -> Mapping[int, Learned]:
    """What `LearnedLog` wrote, by the row of the trajectory file; nothing where there is no file.

    Raises:
        CheckpointError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return {}
    try:
        rows = pq.read_table(path).to_pylist()
        return {
            row["row"]: Learned(
                np.asarray(row["advantages"], np.float32), np.asarray(row["trainer_logprobs"], np.float32)
            )
            for row in rows
        }
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} can't be read ({error}); delete it: nothing depends on it") from error
