"""What a run's parts are made with, and who has the GPU's memory while the trainer learns."""

import asyncio
import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from trainer.config import Config
from trainer.logs import Display, PhaseLog
from trainer.parts import Parts, make_parts
from trainer.tasks import Mixture


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


@pytest.mark.parametrize(("sent", "rank"), [("merged", None), ("adapter", 12)])
def test_the_engine_makes_room_for_an_adapter_where_it_will_be_sent_one(monkeypatch, tiny_model, tmp_path, sent, rank):
    monkeypatch.setattr("trainer.parts.VllmEngine", lambda settings: SimpleNamespace(settings=settings))
    config = Config(
        environments=[{"id": "postgym/Weather-v0"}],
        rollout={"lora": sent},
        trainer={"memory": {"lora": {"rank": 12}}},
        logging={"sinks": []},
    )
    told, log = Display(Console(file=io.StringIO())), PhaseLog(tmp_path)
    parts = make_parts(config, tmp_path, str(tiny_model), "float32", Mixture(config.environments), told, log)
    shape = parts.engine.settings.adapter
    assert (shape and shape.rank) == rank


def test_the_engine_sleeps_while_the_trainer_learns_where_it_is_told_to():
    awake, asleep, failing = Napping(), Napping(), Napping()
    asyncio.run(learn(awake, sleeps=False))
    asyncio.run(learn(asleep, sleeps=True))
    with pytest.raises(ValueError, match="no loss"):
        asyncio.run(learn(failing, sleeps=True, fails=True))
    assert awake.log == ["learns"]
    assert asleep.log == failing.log == ["sleeps", "learns", "wakes"]
