"""Measuring in processes of their own, which end with the benchmark, even a killed one."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection


@contextmanager
def in_own_process(side: Callable[[], Callable[[], float]]) -> Iterator[Callable[[], float]]:
    """What `side` makes, to be called here and measured in a process that ends with this block, or with this process.

    Raises:
        RuntimeError: that process failed, and wrote why.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(side, there))
    process.start()
    there.close()  # theirs alone: if they die, reading here ends

    def measure() -> float:
        try:
            here.send(None)
            return here.recv()
        except (EOFError, OSError):
            process.join()
            raise RuntimeError(f"a side's process ended with exit code {process.exitcode}: see above") from None

    try:
        yield measure
    finally:
        here.close()
        process.join()


def in_fresh_process(measure: Callable[[], float]) -> float:
    """What `measure` gives in a process that has done nothing else."""
    with in_own_process(partial(_given, measure)) as turn:
        return turn()


def _given(measure: Callable[[], float]) -> Callable[[], float]:
    return measure


def _serve(side: Callable[[], Callable[[], float]], calls: Connection) -> None:
    measure = side()
    while True:
        try:
            calls.recv()
        except EOFError:  # nobody is there to call any more
            return
        calls.send(measure())
