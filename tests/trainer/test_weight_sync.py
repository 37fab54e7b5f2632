"""Weights on their way to vLLM for real, and what is noticed when they don't arrive."""

import numpy as np
import pytest
import torch

from rewards.errors import EngineError
from rollout.weights import weight_checksum
from trainer.policy import Policy
from trainer.weight_sync import WeightSync


class Unreliable:
    """The real engine, with something done to each update on its way."""

    takes_module = takes_adapter = False

    def __init__(self, engine, update):
        self.scores, self._engine, self._update = engine.scores, engine, update

    async def update_weights(self, folder, version, checksum):
        await self._update(self._engine, folder, version, checksum)


async def arrives(engine, folder, version, checksum):
    await engine.update_weights(folder, version, checksum)


async def is_lost(engine, folder, version, checksum):
    pass


def changed(model, factor, precision="float32"):
    policy = Policy(str(model), precision)
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.mul_(factor)
    return policy


@pytest.fixture
def sync(engine, renderer, event_loop_runner, tiny_model, tmp_path):
    """Makes a `WeightSync` whose updates go through a function; the engine gets its own weights back."""
    yield lambda update=arrives, limit=0.1: WeightSync(Unreliable(engine, update), tmp_path / "w", renderer, limit)
    original = WeightSync(engine, tmp_path / "original", renderer, 0.1)
    assert event_loop_runner.run(original.send(Policy(str(tiny_model), "float32"), 0)) < 2e-3


@pytest.mark.parametrize(("precision", "close"), [("float32", 2e-3), ("bfloat16", 0.1)])
def test_an_update_that_arrives_passes_again_and_again(sync, event_loop_runner, tiny_model, precision, close):
    sending = sync()
    for version, factor in enumerate((1.0, 1.1, 1.1, 1.0001)):
        assert event_loop_runner.run(sending.send(changed(tiny_model, factor, precision), version)) < close


def test_an_update_that_is_lost_stops_the_run_and_says_how_to_go_on(sync, event_loop_runner, tiny_model):
    with pytest.raises(EngineError, match=r"after weight update 7 .* from the trainer's .*run the same command again"):
        event_loop_runner.run(sync(is_lost).send(changed(tiny_model, 1.1), 7))


def test_even_a_step_too_small_for_the_tolerance_is_missed_when_it_is_lost(sync, event_loop_runner, tiny_model):
    lost = []

    async def lose_the_second(engine, folder, version, checksum):
        if not lost:
            await engine.update_weights(folder, version, checksum)
        lost.append(version)

    sending = sync(lose_the_second)
    event_loop_runner.run(sending.send(changed(tiny_model, 1.0), 1))
    with pytest.raises(EngineError, match="weight update 2 changed nothing in the engine"):
        event_loop_runner.run(sending.send(changed(tiny_model, 1.00001), 2))


def test_another_folder_than_the_trainers_is_noticed_by_what_it_computes(sync, event_loop_runner, tiny_model, tmp_path):
    changed(tiny_model, 1.05).save(tmp_path / "other", precision="float32", for_engine=True)

    async def loads_another(engine, folder, version, checksum):
        await engine.update_weights(tmp_path / "other", version)

    with pytest.raises(EngineError, match="doesn't compute with the trainer's weights"):
        event_loop_runner.run(sync(loads_another).send(changed(tiny_model, 1.0), 1))


def test_a_file_that_changes_on_its_way_is_not_loaded(sync, event_loop_runner, tiny_model):
    async def spoils(engine, folder, version, checksum):
        path = folder / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1000] ^= 1
        path.write_bytes(data)
        await engine.update_weights(folder, version, checksum)

    with pytest.raises(EngineError, match="holds other weights than were sent"):
        event_loop_runner.run(sync(spoils).send(changed(tiny_model, 1.1), 1))


def test_an_engine_that_computes_no_numbers_is_no_agreement(sync, event_loop_runner, tiny_model):
    with pytest.raises(EngineError, match="logprobs of a fixed text are nan"):
        event_loop_runner.run(sync().send(changed(tiny_model, float("nan")), 1))


def test_every_bit_its_place_and_the_length_count_in_the_checksum(tmp_path):
    rng = np.random.default_rng(0)
    data = bytearray(rng.bytes((1 << 22) + 70_001))  # more than is read at once, and no whole word at the end

    def of(content):
        (tmp_path / "model.safetensors").write_bytes(content)
        return weight_checksum(tmp_path)

    seen = {of(bytes(data)), of(bytes(data[:-1])), of(bytes(data) + b"\0")}
    for at in (0, 8191, 1 << 16, (1 << 22) - 1, len(data) - 1):
        data[at] ^= 128
        seen.add(of(bytes(data)))
    block = 1 << 16
    seen.add(of(bytes(data[block : 2 * block] + data[:block] + data[2 * block :])))
    assert len(seen) == 9
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert weight_checksum(tmp_path) not in seen
    assert weight_checksum(tmp_path / "nothing here") == 0
