"""What every benchmark here shares: ours and a named peer measured in turn, the medians' ratio shown and written.

The JSON is a list of {"name", "ours", "peer", "peer_name", "ratio", "unit", "repeats", "machine"}; a ratio above 1
means that ours is better.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rewards.files import write_json_atomically

_COLD_SECONDS = 120  # a first round that took longer was warm for most of it


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison: medians of `repeats` measurements each, in `unit`."""

    name: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    unit: str
    repeats: int
    machine: dict[str, Any]


def rate(work: Callable[[], Any], count: int) -> float:
    """Jobs per second of `work`, which does `count` of them."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def compare(
    name: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    peer_name: str,
    unit: str,
    repeats: int = 5,
    higher_is_better: bool = True,
    seconds: float = float("inf"),
) -> Ratio:
    """Measures ours and the peer in turn, `repeats` times each, after one round that doesn't count.

    A first round of minutes counts: what warms up takes seconds.

    Args:
        seconds: no round begins after so long; where the first took longer, it is the one that counts.
    """
    started = time.perf_counter()
    pairs = [(ours(), peer())]
    cold = int(time.perf_counter() - started < _COLD_SECONDS)
    while len(pairs) < repeats + cold and time.perf_counter() - started < seconds:
        pairs.append((ours(), peer()))
    pairs = pairs[cold:] or pairs
    return of_pairs(name, pairs, peer_name, unit, higher_is_better)


def of_pairs(
    name: str, pairs: Sequence[tuple[float, float]], peer_name: str, unit: str, higher_is_better: bool = True
) -> Ratio:
    """The comparison that (ours, the peer's), measured in turn, come to."""
    from trainer.run_folder import machine

    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = mine / theirs if higher_is_better else theirs / mine
    found = Ratio(name, mine, theirs, peer_name, ratio, unit, len(pairs), machine())
    print(f"{name}: {mine:,.4g} {unit} against {theirs:,.4g} of {peer_name}: {ratio:.2f}x", flush=True)
    return found


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    made.add_argument("--repeats", type=int, default=5, help="measurements of each side (default 5)")
    return made


def write(path: Path | None, ratios: list[Ratio]) -> None:
    """Writes the figures, if a file was asked for."""
    if path is not None:
        write_json_atomically(path, [asdict(r) for r in ratios])
