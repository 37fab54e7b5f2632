"""What a run tells: metrics.jsonl and its sinks, seconds and peak memory per phase, and the live progress."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rewards.files import read_json, read_jsonl, write_json_atomically, write_text_atomically
from trainer.sinks import Sink

_YOUNG = 1.0  # seconds
_LOG_WIDTH = 120  # of a file or pipe: rich would take 80 and break lines


class MetricsLog:
    """Appends one line of numbers a step; lines of steps that will be repeated are dropped on start.

    Args:
        folder: the run's folder.
        next_step: steps from here on are about to run.
        sink: who is told besides.
    """

    def __init__(self, folder: Path, next_step: int, sink: Sink | None = None) -> None:
        self.path = folder / "metrics.jsonl"
        self.rows = [row for row in read_metrics(self.path) if row["step"] < next_step]
        self._sink = sink
        write_text_atomically(self.path, "".join(json.dumps(row) + "\n" for row in self.rows))

    def write(self, row: dict[str, float]) -> None:
        """Adds a step's numbers; they are on disk when this returns."""
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self._sink is not None:
            self._sink.write(row)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a last line that is cut, or just being written, is left out."""
    return [row for _, row in read_jsonl(path, growing=True)] if path.is_file() else []


def memory_gb() -> float:
    """GiB that this process and all below it hold, shared pages counted once.

    A process just started by vfork is its parent until it becomes its own programme: counting it would count the
    parent twice, so children younger than a second are left out.
    """
    me = psutil.Process()
    total = me.memory_full_info().pss
    for process in me.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if time.time() - process.create_time() > _YOUNG:
                total += process.memory_full_info().pss
    return total / 2**30


class Stopwatch:
    """Seconds since it was made, or since the lap before."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def lap(self) -> float:
        """The seconds; the next lap begins."""
        before, self._at = self._at, time.monotonic()
        return self._at - before


class PhaseLog:
    """Seconds and peak memory of each phase, kept in `phases.json` over kills and resumes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "phases.json"
        self.phases: dict[str, dict[str, float]] = {}
        if self._path.is_file():
            self.phases = read_json(self._path)

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the block's time to the phase, also when it is interrupted, and raises its peak."""
        stop = threading.Event()
        entry = self.phases.setdefault(name, {"seconds": 0.0, "peak_memory_gb": 0.0})
        before, started = entry["seconds"], time.monotonic()

        def watch() -> None:
            while True:
                entry["peak_memory_gb"] = max(entry["peak_memory_gb"], round(memory_gb(), 3))
                entry["seconds"] = round(before + time.monotonic() - started, 2)
                write_json_atomically(self._path, self.phases)
                if stop.wait(2.0):
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            entry["seconds"] = round(before + time.monotonic() - started, 2)
            write_json_atomically(self._path, self.phases)

    def summary(self) -> list[dict[str, Any]]:
        """Rows for summary.json, in the order the phases began."""
        return [{"name": name, **values} for name, values in self.phases.items()]


def quiet_libraries() -> None:
    """Silences the libraries' own progress bars and notices: ours say what is going on."""
    import datasets
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()


class Display:
    """Live bars in a terminal, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text)

    @contextlib.contextmanager
    def bar(self, name: str, total: int, done: int = 0, lines: bool = False) -> Iterator["Bar"]:
        """A progress bar; `lines` prints every update's text too, so that a log file holds it."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        live = self.console.is_terminal
        with Progress(*columns, console=self.console, disable=not live, transient=True) as progress:
            task = progress.add_task(name, total=total, completed=done, text="")
            bar = Bar(self, progress, task, name, total, done, lines)
            yield bar
        if not lines:
            self.say(f"  {name}: {bar.done}/{total} {bar.text}")


class Bar:
    """One bar of a `Display`."""

    def __init__(
        self, display: Display, progress: Progress, task: Any, name: str, total: int, done: int, lines: bool
    ) -> None:
        self._display, self._progress, self._task = display, progress, task
        self._name, self._lines = name, lines
        self.total, self.done, self.text = total, done, ""
        self._started = time.monotonic()
        self._first = done

    def advance(self, text: str = "", amount: int = 1) -> None:
        """Moves on and shows `text`."""
        self.done += amount
        self.text = text
        self._progress.update(self._task, advance=amount, text=text)
        if self._lines:
            each = (time.monotonic() - self._started) / max(1, self.done - self._first)
            left = each * (self.total - self.done)
            minutes = f"{int(left // 60)}:{int(left % 60):02d} left"
            self._display.say(f"  {self._name} {self.done}/{self.total}  {text}  {minutes}")

    def tell(self, text: str) -> None:
        """Shows `text` in a terminal until the next step or text."""
        self._progress.update(self._task, text=text)
