import json
import shutil

import numpy as np
import pytest
import torch

from rewards.errors import CheckpointError
from tests.trainer.groups import make_group
from trainer.checkpoint import CheckpointStore, ranking, read_weights, write_weights
from trainer.optimizer import make_optimizer
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update

CONFIG = TrainerConfig(learning_rate=1e-3, warmup_steps=0, max_mismatch=100.0)


def trained(tiny_model, steps, policy=None, optimizer=None, first=0):
    policy = policy or Policy(str(tiny_model), precision="float32")
    optimizer = optimizer or make_optimizer(policy, CONFIG)
    for step in range(first, steps):
        update(policy, optimizer, [make_group(np.random.default_rng(step), [0.0, 1.0])], CONFIG, step)
    return policy, optimizer


def test_going_on_from_a_checkpoint_equals_never_having_stopped(tiny_model, tmp_path):
    whole, _ = trained(tiny_model, 4)
    policy, optimizer = trained(tiny_model, 2)
    store = CheckpointStore(tmp_path)
    store.save(2, policy, optimizer)
    store.wait()
    fresh = Policy(str(tiny_model), precision="float32")
    fresh_optimizer = make_optimizer(fresh, CONFIG)
    assert store.load_newest(fresh, fresh_optimizer) == 2
    resumed, _ = trained(tiny_model, 4, fresh, fresh_optimizer, first=2)
    for name, tensor in whole.state().items():
        assert torch.equal(tensor, resumed.state()[name]), name


def test_a_save_is_not_changed_by_training_that_goes_on(tiny_model, tmp_path):
    policy, optimizer = trained(tiny_model, 1)
    expected = policy.state()
    store = CheckpointStore(tmp_path)
    store.save(1, policy, optimizer)
    trained(tiny_model, 2, policy, optimizer, first=1)
    store.wait()
    fresh = Policy(str(tiny_model), precision="float32")
    store.load_newest(fresh, None)
    assert all(torch.equal(expected[k], v) for k, v in fresh.state().items())


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tiny_model, tmp_path, file):
    policy, optimizer = trained(tiny_model, 1)
    store = CheckpointStore(tmp_path)
    for step in (1, 2):
        store.save(step, policy, optimizer)
    store.wait()
    path = tmp_path / "step-00002" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    said = []
    assert store.load_newest(policy, optimizer, said.append) == 1
    assert "step-00002" in said[0]
    assert "damaged" in said[0]
    assert said[0].endswith("using the one before")
    (tmp_path / "step-00001" / file).unlink()
    assert store.load_newest(policy, optimizer, said.append) is None
    assert said[-1].endswith("none is left: beginning with the first round")


def test_after_a_hundred_thousand_steps_the_newest_is_still_the_newest(tiny_model, tmp_path):
    policy, optimizer = trained(tiny_model, 1)
    store = CheckpointStore(tmp_path, keep=1)
    for step in (99_999, 100_000):
        store.save(step, policy, optimizer)
    store.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["step-100000"]
    (tmp_path / "step-00007-mine").mkdir()  # somebody's own is left alone
    store.keep = 2
    store.save(99_999, policy, optimizer)
    store.wait()
    assert store.load_newest(policy, optimizer) == 100_000


def test_weights_by_themselves_have_a_checksum_too(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(path, {"a": torch.arange(100.0)})
    assert torch.equal(read_weights(path)["a"], torch.arange(100.0))
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is damaged"):
        read_weights(path)
    write_weights(path, {"a": torch.arange(100.0)})
    (tmp_path / "weights.json").unlink()  # killed before it was written
    assert torch.equal(read_weights(path)["a"], torch.arange(100.0))


def test_only_the_newest_are_kept_and_nothing_half_written(tiny_model, tmp_path):
    policy, optimizer = trained(tiny_model, 1)
    store = CheckpointStore(tmp_path, keep=2)
    for step in range(1, 5):
        store.save(step, policy, optimizer)
    store.wait()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00003", "step-00004"]


def test_a_disk_that_fails_is_an_error_at_the_next_wait(tiny_model, tmp_path):
    policy, optimizer = trained(tiny_model, 1)
    (tmp_path / "file").write_text("")
    store = CheckpointStore(tmp_path / "file" / "below")
    store.save(1, policy, optimizer)
    with pytest.raises(CheckpointError, match="could not be written"):
        store.wait()


def test_no_checkpoint_means_none(tiny_model, tmp_path):
    assert CheckpointStore(tmp_path).load_newest(Policy(str(tiny_model)), None) is None


def test_a_checkpoint_is_worth_what_its_episodes_and_those_just_before_earned():
    rows = [{"step": n, "reward_mean": r} for n, r in enumerate([0.0, 0.9, 0.1, 0.6, 0.6])]
    assert ranking(rows, "reward_mean", 1) == [(1, 0.9), (4, 0.6), (3, 0.6), (2, 0.1), (0, 0.0)]
    assert ranking(rows, "reward_mean", 2)[:2] == [(4, 0.6), (2, 0.5)]
    del rows[4]["reward_mean"]
    assert [step for step, _ in ranking(rows, "reward_mean", 1)] == [1, 3, 2, 0]
    assert ranking(rows, "success/none", 5) == []


def test_what_older_weights_sampled_is_their_worth():
    rows = [{"step": n, "staleness": s, "reward_mean": r} for n, s, r in [(0, 0, 0.1), (1, 1, 0.2), (2, 1.2, 0.8)]]
    assert ranking(rows, "reward_mean", 1) == [(1, 0.8), (0, 0.2)]


def test_the_best_are_kept_beside_the_newest_and_the_best_of_all_is_named(tiny_model, tmp_path):
    policy, optimizer = trained(tiny_model, 1)
    store = CheckpointStore(tmp_path / "checkpoints", keep=1, keep_best=2)
    rows = []
    for step, reward in enumerate([0.1, 0.5, 0.9, 0.3, 0.7, 0.2]):
        rows.append({"step": step, "reward_mean": reward})
        store.save(step + 1, policy, optimizer, ranked=ranking(rows, "reward_mean", 1))
        store.wait()
        if step == 3:
            assert json.loads((tmp_path / "best.json").read_text())["step"] == 2
    kept = sorted(p.name for p in store.folder.iterdir())
    assert kept == ["step-00002", "step-00004", "step-00006"], "0.9 and 0.7 were earned by the weights of 2 and 4"
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"step": 2, "folder": "checkpoints/step-00002", "value": 0.9}


def test_what_a_kill_left_half_written_or_half_removed_goes_at_the_next_start(tiny_model, tmp_path):
    policy, optimizer = trained(tiny_model, 1)
    store = CheckpointStore(tmp_path)
    store.save(1, policy, optimizer)
    store.wait()
    shutil.copytree(tmp_path / "step-00001", tmp_path / ".step-00002")
    (tmp_path / ".step-00002" / "state.json").unlink()
    assert CheckpointStore(tmp_path).load_newest(policy, optimizer) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["step-00001"]
