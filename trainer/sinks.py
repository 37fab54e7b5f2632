"""Where a run's numbers go besides metrics.jsonl: TensorBoard, Weights & Biases, Trackio, by `logging.sinks`.

Each is a `Sink`: a class and a line in `SINKS`. Their packages load when a run asks for them.
"""

import contextlib
import importlib.util
import io
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rewards.errors import ConfigError, nearest
from rewards.files import read_json, write_json_atomically


class Sink(Protocol):
    """Takes the numbers of one round after another."""

    def write(self, row: Mapping[str, float]) -> None:
        """Adds a round; `row["step"]` counts from 0."""
        ...

    def close(self) -> None:
        """Sends what is left."""
        ...


@dataclass(frozen=True, slots=True)
class Described:
    """The run as trackers list it.

    Args:
        folder: the run's folder.
        name: its name for people.
        config: plain JSON.
        project: what runs are listed under.
    """

    folder: Path
    name: str
    config: Mapping[str, Any]
    project: str = "postgym"

    @property
    def id(self) -> str:
        """Names this run and no other; kept in `tracking.json`, so that a resumed run goes on under it."""
        path = self.folder / "tracking.json"
        if not path.is_file():
            write_json_atomically(path, {"id": uuid.uuid4().hex[:12]})
        return str(read_json(path)["id"])


class TensorBoardSink:
    """Event files in `tensorboard/` of the run's folder."""

    def __init__(self, run: Described) -> None:
        self._folder = run.folder / "tensorboard"
        self._board: Any = None

    def write(self, row: Mapping[str, float]) -> None:
        """Adds a round, on disk when this returns; what a killed run wrote of later rounds is void."""
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._folder), purge_step=int(row["step"]))
        for name, value in _numbers(row).items():
            self._board.add_scalar(name, value, int(row["step"]))
        self._board.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._board is not None:
            self._board.close()


class WandbSink:
    """A run at Weights & Biases; with `WANDB_MODE=offline` in `wandb/` of the run's folder, for `wandb sync`.

    Raises:
        ConfigError: W&B refuses the run: nobody is logged in, or it can't be reached.
    """

    def __init__(self, run: Described) -> None:
        import wandb

        try:
            self._run = wandb.init(
                project=run.project,
                name=run.name,
                id=run.id,
                resume="allow",
                dir=str(run.folder),
                config=dict(run.config),
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.errors.Error as error:
            raise ConfigError(
                f"logging.sinks: wandb can't start ({' '.join(str(error).split())}); run `wandb login`, "
                "or set WANDB_MODE=offline"
            ) from error

    def write(self, row: Mapping[str, float]) -> None:
        """Adds a round; W&B drops one that it has already, which a resumed run repeats."""
        self._run.log(_numbers(row), step=int(row["step"]))

    def close(self) -> None:
        """Waits until everything is sent, or on disk when offline."""
        self._run.finish()


class TrackioSink:
    """A run of Trackio, kept on this machine (`TRACKIO_DIR`); `trackio show` opens its dashboard."""

    def __init__(self, run: Described) -> None:
        import trackio

        self._trackio = trackio
        with contextlib.redirect_stdout(io.StringIO()):  # it greets at length
            trackio.init(
                project=run.project,
                name=f"{run.name}-{run.id}",
                config=dict(run.config),
                resume="allow",
                embed=False,
            )

    def write(self, row: Mapping[str, float]) -> None:
        """Adds a round."""
        self._trackio.log(_numbers(row), step=int(row["step"]))

    def close(self) -> None:
        """Waits until everything is on disk."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._trackio.finish()


SINKS: Mapping[str, Callable[[Described], Sink]] = {
    "tensorboard": TensorBoardSink,
    "wandb": WandbSink,
    "trackio": TrackioSink,
}


def check_sinks(names: Sequence[str]) -> None:
    """Refuses what could not be opened later, before anything heavy loads.

    Raises:
        ConfigError: an unknown name, or one whose package is not installed.
    """
    for name in names:
        if name not in SINKS:
            raise ConfigError(f"logging.sinks: no sink {name!r}; {nearest(name, SINKS)}")
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:  # a folder that only bears the name, such as a run's own
            raise ConfigError(f"logging.sinks: {name} is not installed; `pip install {name}`, or take it out")


def open_sinks(names: Sequence[str], run: Described, say: Callable[[str], None] = print) -> Sink:
    """The sinks of those names as one; see `check_sinks` for what it raises.

    Args:
        say: is told when one fails later on.
    """
    check_sinks(names)
    return _All([SINKS[name](run) for name in dict.fromkeys(names)], say)


class _All:
    """Several sinks; one that fails is left out from there on, and the run goes on."""

    def __init__(self, sinks: Sequence[Sink], say: Callable[[str], None]) -> None:
        self._sinks, self._say = list(sinks), say

    def write(self, row: Mapping[str, float]) -> None:
        self._tell(lambda sink: sink.write(row))

    def close(self) -> None:
        self._tell(lambda sink: sink.close())

    def _tell(self, act: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                act(sink)
            except Exception as error:  # somebody else's service: the run's own record is metrics.jsonl
                self._sinks.remove(sink)
                self._say(f"warning: {type(sink).__name__} failed and is left out from here on: {error!r}")


def _numbers(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "step"}
