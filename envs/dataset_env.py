"""Environments over the rows of a public data set: split by question, difficulty by the length of the solution."""

import random
import warnings
from collections.abc import Sequence
from typing import ClassVar

from envs.base import Policy, Split, Task, TextEnv
from envs.rows import Item, Layout, read_items
from rewards.errors import ConfigError
from rewards.transcript import Message

_NEIGHBOURS = 0.1  # of all items, at least 20: what one difficulty draws from


class DatasetEnv(TextEnv):
    """Draws rows; a subclass says which layouts it reads and how they are judged.

    Args:
        file: a .jsonl, .json, .csv or .parquet file, or the name of a data set (see `envs.rows.read_items`).
        split: which part of the rows `reset` draws from; a fifth, by question, is test.
        difficulty: 0 (the shortest solutions) to 1, or None for any.

    Raises:
        ConfigError: no file was given, or it can't be read.
    """

    endless = False
    layouts: ClassVar[Sequence[Layout]]
    system: ClassVar[Message]

    def __init__(self, file: str | None = None, split: Split = "train", difficulty: float | None = None) -> None:
        super().__init__(split, difficulty)
        if not file:
            known = ", ".join(layout.name for layout in self.layouts)
            raise ConfigError(f"{self.id} needs the setting file: a data set in one of the layouts {known}")
        self.items, self.left_out = read_items(file, self.layouts)
        if self.left_out:
            warnings.warn(
                f"{self.id}: {len(self.left_out)} of {len(self.items) + len(self.left_out)} rows are left out, since "
                f"they can't be judged; the first: {self.left_out[0]}",
                stacklevel=2,
            )

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A row near that difficulty."""
        return self.task_of(self.draw(rng, difficulty))

    def draw(self, rng: random.Random, difficulty: float) -> Item:
        """One of the rows near that difficulty."""
        count = len(self.items)
        reach = max(20, round(_NEIGHBOURS * count))
        low = round(difficulty * max(0, count - reach))
        return self.items[rng.randrange(low, min(count, low + reach))]

    def task_of(self, item: Item) -> Task:
        """The task of one row."""
        return Task(
            prompt=(self.system, Message("user", item.question)), target=item.target, meta={"solution": item.solution}
        )

    def expert(self, task: Task) -> Policy:
        """The data set's own solution."""
        return lambda messages: self.closing(task)

    def closing(self, task: Task) -> str:
        """The solution in the form that is asked for."""
        return str(task.meta["solution"])
