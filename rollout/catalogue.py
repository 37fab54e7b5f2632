"""Finding trajectories: light entries of everything a run stored, and the filter that chooses among them.

Beside `rollout/store.py` on the data path: entries are read from a few columns, whole trajectories one by one.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.errors import CheckpointError, ConfigError, Fault
from rewards.score import Status
from rollout.store import open_store, read_groups, read_trajectory, stored_version
from rollout.trajectory import Trajectory

_COLUMNS = ("group", "env", "split", "difficulty", "value", "status", "fault", "finish", "sampled_tokens", "seconds")
_COLUMNS_OF_1 = ("group", "task", "value", "score", "finish", "loss_mask", "seconds")
_STEP = re.compile(r"(step|unused)-(\d+)")
_KEPT = re.compile(r"group-(\d+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a trajectory stands (`path`, `row`) and what one looks for in it.

    `stage` is the kind of its file: `grpo` for rounds, `unused` for what was played and not learned from, `playing` for
    the groups of a round that is still being played, `experts`, or `eval-NAME`; `step` is the round, else None.
    `value` is the score, None where nobody could judge; `status` says whose fault it was and `fault` its kind, which is
    empty where there was none.
    """

    path: Path
    row: int
    stage: str
    step: int | None
    group: int
    env: str
    split: str
    difficulty: float
    value: float | None
    status: str
    fault: str
    finish: str
    sampled_tokens: int
    seconds: float

    @property
    def file(self) -> str:
        """Names its file among those of the run."""
        return f"{self.path.parent.name}-{self.path.stem}" if self.stage == "playing" else self.path.stem

    def read(self) -> Trajectory:
        """The whole trajectory."""
        return read_trajectory(self.path, self.row)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to take; empty or None asks for nothing.

    Args:
        env: id, with or without `postgym/` and the version.
        low, high: bounds of the score, both included; either leaves out what nobody could judge.
        status: a status such as `infra_error`, or `error` for all that carry no value.
        fault: a kind of error, such as `hung`.
        finish: how it ended, such as `context`.
        first_step, last_step: rounds, both included; either leaves out what belongs to none.

    Raises:
        ConfigError: an unknown status or fault, or bounds that nothing can meet.
    """

    env: str = ""
    split: str = ""
    stage: str = ""
    status: str = ""
    fault: str = ""
    finish: str = ""
    low: float | None = None
    high: float | None = None
    first_step: int | None = None
    last_step: int | None = None

    def __post_init__(self) -> None:
        known = ["error", *map(str, Status)]
        if self.status and self.status not in known:
            raise ConfigError(f"no status {self.status!r}; known: {', '.join(known)}")
        if self.fault and self.fault not in list(Fault):
            raise ConfigError(f"no fault {self.fault!r}; known: {', '.join(Fault)}")
        for name, low, high in (("score", self.low, self.high), ("step", self.first_step, self.last_step)):
            if low is not None and high is not None and low > high:
                raise ConfigError(f"no {name} lies from {low} to {high}; the first must not exceed the second")

    def takes(self, entry: Entry) -> bool:
        """Whether it asks for `entry`."""
        return (
            self.env in ("", entry.env, short_name(entry.env))
            and self.split in ("", entry.split)
            and self.stage in ("", entry.stage)
            and self.finish in ("", entry.finish)
            and self.fault in ("", entry.fault)
            and (self.status in ("", entry.status) or (self.status == "error" and entry.value is None))
            and _between(entry.value, self.low, self.high)
            and _between(entry.step, self.first_step, self.last_step)
        )


def short_name(env: str) -> str:
    """`Weather` for `postgym/Weather-v0`."""
    return re.sub(r"-v\d+$", "", env.rpartition("/")[2])


def trajectory_files(folder: Path) -> list[Path]:
    """A run's trajectory files in the order they came to be: experts, rounds, evaluations.

    Args:
        folder: a run's folder, or the folder or file of trajectories itself.

    Raises:
        ConfigError: there is none.
    """
    if folder.is_file():
        return [folder]
    inside = folder / "trajectories" if (folder / "trajectories").is_dir() else folder
    found = sorted((p for p in inside.glob("*.parquet") if not p.name.startswith(".")), key=_order)
    if not found:
        raise ConfigError(f"{folder} holds no trajectories; give a run's folder, such as runs/quickstart")
    return found


def kept_files(folder: Path) -> list[Path]:
    """The groups that have ended of the rounds that a run is still playing, a file each."""
    rounds = {path.stem for path in (folder / "trajectories").glob("step-*.parquet")}
    return sorted(p for p in (folder / "playing").glob("step-*/group-*.parquet") if p.parent.name not in rounds)


def scan(path: Path) -> list[Entry]:
    """The entries of one file, in its order; tokens and texts are not read.

    Raises:
        CheckpointError: the file is damaged or from a version that this one can't read.
    """
    import pyarrow as pa

    stage, step = stage_of(path)
    with open_store(path) as file:
        columns, complete = _READING[stored_version(file, path)]
        try:
            rows = [complete(row) for row in file.read(columns=list(columns)).to_pylist()]
            if stage == "playing":
                rows = [row | {"group": int(_KEPT.fullmatch(path.stem)[1])} for row in rows]
            return [Entry(path, i, stage, step, **{name: row[name] for name in _COLUMNS}) for i, row in enumerate(rows)]
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise CheckpointError(f"{path}: no trajectories ({error}); delete it to have it made again") from error


def scan_all(folder: Path, wanted: Filter | None = None) -> Iterator[Entry]:
    """The entries of a whole run that `wanted` takes; files of other rounds are not opened."""
    wanted = wanted or Filter()
    for path in trajectory_files(folder):
        stage, step = stage_of(path)
        if wanted.stage in ("", stage) and _between(step, wanted.first_step, wanted.last_step):
            yield from (entry for entry in scan(path) if wanted.takes(entry))


def stage_of(path: Path) -> tuple[str, int | None]:
    """Stage and round that a file's name says: `step-00003.parquet` is round 3 of `grpo`.

    `unused-00003.parquet` holds what was played for round 3 and not learned from, `step-00003/group-00001.parquet` a
    group of round 3 while others are still played.
    """
    if _KEPT.fullmatch(path.stem) and (match := _STEP.fullmatch(path.parent.name)):
        return "playing", int(match[2])
    match = _STEP.fullmatch(path.stem)
    return ("grpo" if match[1] == "step" else "unused", int(match[2])) if match else (path.stem, None)


def read_all(folder: Path, wanted: Filter | None = None) -> Iterator[tuple[Entry, Trajectory]]:
    """The entries that `wanted` takes with their trajectories; a file's tokens are decoded once."""
    for path, entries in itertools.groupby(scan_all(folder, wanted), key=lambda entry: entry.path):
        rows = [t for group in read_groups(path) for t in group.trajectories]
        yield from ((entry, rows[entry.row]) for entry in entries)


def _order(path: Path) -> tuple[int, str]:
    stage, _ = stage_of(path)
    return (1 if stage in ("grpo", "unused") else 2 if stage.startswith("eval") else 0, path.name)


def _between(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _from_1(row: dict[str, Any]) -> dict[str, Any]:
    """A row of schema 1 with the columns that were added since."""
    task, score = json.loads(row["task"]), json.loads(row["score"])
    named = {name: task[name] for name in ("env", "split", "difficulty")}
    return _from_2(row | named | {"status": score["status"], "sampled_tokens": sum(row["loss_mask"])})


def _from_2(row: dict[str, Any]) -> dict[str, Any]:
    """A row of schema 2, which knows no kinds of errors."""
    return row | {"fault": ""}


_READING: Mapping[int, tuple[Sequence[str], Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: (_COLUMNS_OF_1, _from_1),
    2: (tuple(name for name in _COLUMNS if name != "fault"), _from_2),
    3: (_COLUMNS, lambda row: row),
}
