import asyncio

import numpy as np
import pytest

from rewards.errors import CheckpointError
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.store import read_groups, write_groups
from tests.worlds import Lookup, Raises


@pytest.fixture
def groups(renderer):
    env = Lookup()
    engine = ScriptedEngine(env.expert, renderer.encode, renderer.end_of_turn)
    tasks = [env.sample_task(i) for i in range(3)]
    made = iter([Lookup(), Raises(), Lookup(), Lookup(), Lookup(), Lookup()])
    return asyncio.run(
        collect_groups(tasks, 2, lambda i: next(made), engine, renderer, Sampling(64), Limits(), concurrency=1)
    )


def test_trajectories_are_read_back_exactly(groups, tmp_path):
    path = tmp_path / "step.parquet"
    write_groups(path, groups)
    for wrote, read in zip(groups, read_groups(path), strict=True):
        assert read.task == wrote.task
        for a, b in zip(wrote.trajectories, read.trajectories, strict=True):
            for name in ("token_ids", "loss_mask", "logprobs", "weight_versions"):
                assert np.array_equal(getattr(a, name), getattr(b, name))
                assert getattr(a, name).dtype == getattr(b, name).dtype
            assert (a.transcript, a.score, a.finish, a.prompt_length) == (
                b.transcript,
                b.score,
                b.finish,
                b.prompt_length,
            )


def test_nothing_but_the_whole_file_is_left_behind(groups, tmp_path):
    write_groups(tmp_path / "step.parquet", groups)
    assert [p.name for p in tmp_path.iterdir()] == ["step.parquet"]


def test_a_truncated_file_is_named(groups, tmp_path):
    path = tmp_path / "step.parquet"
    write_groups(path, groups)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"step\.parquet"):
        read_groups(path)


def test_a_file_of_another_version_is_refused(groups, tmp_path, monkeypatch):
    monkeypatch.setattr("rollout.store.SCHEMA_VERSION", "0")
    write_groups(tmp_path / "old.parquet", groups)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="schema 0"):
        read_groups(tmp_path / "old.parquet")
