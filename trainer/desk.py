"""The desk between the driver and its trainer processes: a Ray actor that loads nothing heavy."""

import asyncio
from typing import Any


class Desk:
    """Orders for each of the processes, answers of the first; what they hold is never read here."""

    def __init__(self, size: int) -> None:
        self._orders = [asyncio.Queue() for _ in range(size)]
        self._answers = asyncio.Queue()

    async def give(self, order: Any) -> None:
        """Leaves an order for every process."""
        for orders in self._orders:
            await orders.put(order)

    async def take(self, rank: int) -> Any:
        """The next order of a process; waits for it."""
        return await self._orders[rank].get()

    async def answer(self, found: Any) -> None:
        """Leaves what an order found."""
        await self._answers.put(found)

    async def found(self) -> Any:
        """The next answer; waits for it."""
        return await self._answers.get()
