"""A run in the terminal: curves as sparklines, the newest episodes as a table; follows one that is training."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rewards.errors import PostgymError
from rollout.catalogue import Entry, short_name
from trainer.view.data import SORTS, RunData

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 40  # characters of a curve
_EPISODES = 12
_SAID = 120  # characters
_EVERY = 2.0  # seconds between looks at a live run
_CURVES = (
    ("reward_mean", "reward"),
    ("success_rate", "full scores"),
    ("entropy", "entropy"),
    ("completion_tokens", "tokens per episode"),
    ("mismatch", "engine/trainer mismatch"),
    ("grad_norm", "gradient norm"),
    ("tokens_per_second", "tokens per second"),
)


def sparkline(values: Sequence[float | None], width: int = _WIDTH) -> str:
    """Values as bars, the lowest ▁ and the highest █; more than `width` are averaged in stretches, None is a gap."""
    if len(values) > width:
        cuts = [round(i * len(values) / width) for i in range(width + 1)]
        stretches = [[v for v in values[a:b] if v is not None] for a, b in pairwise(cuts)]
        values = [sum(s) / len(s) if s else None for s in stretches]
    known = [v for v in values if v is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    bars = len(_BARS) - 1
    return "".join(" " if v is None else _BARS[round((v - low) / span * bars) if span else bars // 2] for v in values)


def watch(folder: Path, console: Console | None = None) -> None:
    """Shows the run; in a terminal it is shown again as it grows, until it is finished or Ctrl-C.

    Raises:
        ConfigError: it is no run's folder.
    """
    console = console or Console()
    data = RunData(folder)
    if data.overview()["finished"] or not console.is_terminal:
        console.print(picture(data))
        return
    with Live(picture(data), console=console, auto_refresh=False) as live:
        version = ""
        while not (overview := data.overview())["finished"]:
            if overview["version"] != version:
                version = overview["version"]
                live.update(picture(data), refresh=True)
            time.sleep(_EVERY)
        live.update(picture(data), refresh=True)


def picture(data: RunData) -> Group:
    """Everything as one thing to print; what models and environments wrote is never read as markup."""
    overview, metrics = data.overview(), data.metrics()
    state = "finished" if overview["finished"] else f"round {overview['done']} of {overview['steps']}"
    title = Text(f"{overview['name']}: {overview['model']}, {state}, ", "bold")
    title.append(f"{overview['episodes']} episodes, {overview['errors']} not judged", "bold")
    broken = [Text(f"left out: {why}", "red") for why in overview["broken"].values()]
    return Group(title, *broken, _curves(metrics), _episodes(data))


def _curves(metrics: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title="curves", title_justify="left")
    for column, justify in (("", "left"), ("first", "right"), ("", "left"), ("last", "right")):
        table.add_column(column, justify=justify)
    names = dict.fromkeys(name for row in metrics for name in row)
    extra = [(n, f"reward {short_name(n)}") for n in names if n.startswith("reward/")]
    extra += [(n, f"difficulty {short_name(n)}") for n in names if n.startswith("difficulty/")]
    extra += [(n, n.replace("/", " ")) for n in names if n.startswith("errors/")]
    for name, title in (*_CURVES, *extra):
        values = [row.get(name, 0.0 if name.startswith("errors/") else None) for row in metrics]
        known = [v for v in values if v is not None]
        if known:
            table.add_row(Text(title), f"{known[0]:.3g}", Text(sparkline(values), "cyan"), f"{known[-1]:.3g}")
    return table


def _episodes(data: RunData) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), title="newest episodes", title_justify="left", expand=True)
    for column in ("stage", "environment", "score", "tokens", "end"):
        table.add_column(column, no_wrap=True)
    table.add_column("said last", no_wrap=True, ratio=1)
    newest = sorted(data.entries(), key=SORTS["newest"], reverse=True)
    for entry in newest[:_EPISODES]:
        style = "red" if entry.value is None else "green" if entry.value == 1 else ""
        table.add_row(
            Text(entry.stage if entry.step is None else f"round {entry.step}"),
            Text(short_name(entry.env)),
            Text((entry.fault or entry.status) if entry.value is None else f"{entry.value:.2f}", style),
            str(entry.sampled_tokens),
            Text(entry.finish),
            Text(_said_last(entry), "dim"),
        )
    return table


def _said_last(entry: Entry) -> str:
    """The assistant's last words on one line, without what would steer the terminal."""
    try:
        messages = entry.read().transcript.messages
    except PostgymError:  # its round is whole now and stands in another file
        return ""
    said = next((m.content for m in reversed(messages) if m.role == "assistant" and m.content), "")
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())[:_SAID]
