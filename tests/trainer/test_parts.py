"""Who has the GPU's memory while the trainer learns."""

import asyncio
from types import SimpleNamespace

import pytest

from trainer.parts import Parts


class Napping:
    """Stands for an engine on a GPU: writes down what is asked of it."""

    def __init__(self):
        self.log = []

    async def sleep(self):
        self.log.append("sleeps")

    async def wake_up(self):
        self.log.append("wakes")


async def learn(engine, sleeps, fails=False):
    parts = SimpleNamespace(engine=engine, config=SimpleNamespace(rollout=SimpleNamespace(sleep_while_training=sleeps)))
    async with Parts.engine_asleep(parts):
        engine.log.append("learns")
        if fails:
            raise ValueError("no loss")


def test_the_engine_sleeps_while_the_trainer_learns_where_it_is_told_to():
    awake, asleep, failing = Napping(), Napping(), Napping()
    asyncio.run(learn(awake, sleeps=False))
    asyncio.run(learn(asleep, sleeps=True))
    with pytest.raises(ValueError, match="no loss"):
        asyncio.run(learn(failing, sleeps=True, fails=True))
    assert awake.log == ["learns"]
    assert asleep.log == failing.log == ["sleeps", "learns", "wakes"]
