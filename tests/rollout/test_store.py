import asyncio
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.base import Task
from rewards.errors import CheckpointError, Fault
from rewards.score import Part, Score, Status
from rewards.transcript import CallRecord, Message, ToolCall, Transcript
from rollout.catalogue import scan
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.store import read_groups, read_trajectory, write_groups
from rollout.trajectory import Group, Trajectory
from tests.trainer.groups import make_group
from tests.worlds import Lookup, Raises

ARRAYS = ("token_ids", "loss_mask", "logprobs", "weight_versions")


@pytest.fixture
def groups(renderer):
    env = Lookup()
    engine = ScriptedEngine(env.expert, renderer.turn_ids)
    tasks = [env.sample_task(i) for i in range(3)]
    made = iter([Lookup(), Raises(), Lookup(), Lookup(), Lookup(), Lookup()])
    return asyncio.run(
        collect_groups(tasks, 2, lambda i: next(made), engine, renderer, Sampling(64), Limits(), concurrency=1)
    )


def assert_same(wrote, read):
    for name in ARRAYS:
        assert getattr(wrote, name).tobytes() == getattr(read, name).tobytes()
        assert getattr(wrote, name).dtype == getattr(read, name).dtype
    for name in ("task", "prompt_length", "transcript", "score", "finish", "seconds"):
        assert getattr(wrote, name) == getattr(read, name)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(texts, plain, max_size=3)
calls = st.builds(ToolCall, texts, fields, texts, st.none() | texts)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
    st.lists(calls, max_size=2).map(tuple),
    st.none() | texts,
)
records = st.builds(CallRecord, texts, fields, plain, st.none() | texts)
transcripts = st.builds(
    Transcript, st.lists(messages, max_size=3).map(tuple), st.lists(records, max_size=2).map(tuple), fields
)
parts = st.builds(
    Part, texts, st.floats(0, 1), st.floats(0, 9), texts, st.lists(st.floats(0, 1), max_size=2).map(tuple)
)
judged = st.builds(
    Score,
    st.floats(0, 1),
    texts,
    st.lists(parts, max_size=2).map(tuple),
    st.sampled_from([Status.OK, Status.INVALID_OUTPUT]),
)
failed = st.builds(
    lambda reason, status, fault: Score(None, reason, status=status, fault=fault),
    texts,
    st.sampled_from([Status.TASK_ERROR, Status.INFRA_ERROR]),
    st.none() | st.sampled_from(Fault),
)
tasks = st.builds(
    Task,
    prompt=st.lists(messages, max_size=2).map(tuple),
    target=fields,
    meta=fields,
    env=texts,
    split=st.sampled_from(["train", "test"]),
    seed=st.integers(0, 2**31),
    difficulty=st.floats(0, 1),
)


@st.composite
def trajectories(draw, task):
    prompt, length = draw(st.integers(0, 4)), draw(st.integers(0, 8))
    mask = np.array([False] * prompt + draw(st.lists(st.booleans(), min_size=length, max_size=length)), np.bool_)
    ids = draw(st.lists(st.integers(0, 2**31 - 1), min_size=len(mask), max_size=len(mask)))
    logprobs = draw(st.lists(st.floats(-1e4, 0, width=32), min_size=len(mask), max_size=len(mask)))
    versions = np.where(mask, draw(st.integers(0, 9)), -1).astype(np.int32)
    finish = draw(st.sampled_from(["terminated", "truncated", "context", "error"]))
    return Trajectory(
        task,
        np.array(ids, np.int32),
        mask,
        np.array(logprobs, np.float32),
        versions,
        prompt,
        draw(transcripts),
        draw(judged | failed),
        finish,
        draw(st.floats(0, 1e4)),
    )


@st.composite
def rounds(draw):
    found = draw(st.lists(tasks, min_size=1, max_size=2))
    return [Group(t, tuple(draw(st.lists(trajectories(t), min_size=1, max_size=2)))) for t in found]


@settings(max_examples=40)
@given(rounds())
def test_whatever_is_written_is_read_back_exactly(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("store") / "step-00000.parquet"
    write_groups(path, found)
    read = read_groups(path)
    assert [len(g.trajectories) for g in read] == [len(g.trajectories) for g in found]
    wrote = [t for g in found for t in g.trajectories]
    for row, (a, b) in enumerate(zip(wrote, [t for g in read for t in g.trajectories], strict=True)):
        assert_same(a, b)
        assert_same(a, read_trajectory(path, row))


def test_played_episodes_are_read_back_exactly(groups, tmp_path):
    write_groups(tmp_path / "step.parquet", groups)
    for wrote, read in zip(groups, read_groups(tmp_path / "step.parquet"), strict=True):
        assert read.task == wrote.task
        for a, b in zip(wrote.trajectories, read.trajectories, strict=True):
            assert_same(a, b)


def test_half_a_surrogate_pair_in_a_call_stops_nothing(groups, tmp_path):
    broken = Message("assistant", "", (ToolCall("look", {"box": "\ud800"}),))
    first = groups[0].trajectories[0]
    transcript = replace(first.transcript, messages=(*first.transcript.messages, broken))
    score = Score(0.0, "called with '\ud800'")
    write_groups(tmp_path / "step.parquet", [Group(first.task, (replace(first, transcript=transcript, score=score),))])
    read = read_trajectory(tmp_path / "step.parquet", 0)
    assert read.transcript.messages[-1].tool_calls[0].arguments == {"box": "?"}
    assert read.score.reason == "called with '?'"


def test_one_row_of_many_is_read_without_the_others(tmp_path):
    rng = np.random.default_rng(0)
    found = [make_group(rng, [i / 200, 0.5]) for i in range(100)]
    path = tmp_path / "step-00007.parquet"
    write_groups(path, found)
    assert pq.ParquetFile(path).num_row_groups == 4
    assert_same(found[90].trajectories[1], read_trajectory(path, 181))
    with pytest.raises(CheckpointError, match="200 trajectories, no row 200"):
        read_trajectory(path, 200)


def test_nothing_but_the_whole_file_is_left_behind(groups, tmp_path):
    write_groups(tmp_path / "step.parquet", groups)
    assert [p.name for p in tmp_path.iterdir()] == ["step.parquet"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(groups, tmp_path, monkeypatch):
    path = tmp_path / "step.parquet"
    write_groups(path, groups)
    before = path.read_bytes()

    def breaks(table, staging, **settings):
        staging.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", breaks)
    with pytest.raises(OSError, match="disk full"):
        write_groups(path, groups[:1])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["step.parquet"]


def test_a_truncated_file_is_named(groups, tmp_path):
    path = tmp_path / "step.parquet"
    write_groups(path, groups)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"step\.parquet"):
        read_groups(path)


def written_as(path, version, groups, columns=None):
    """The file as another postgym would have written it."""
    write_groups(path, groups)
    table = pq.read_table(path)
    table = table.select(columns) if columns else table
    pq.write_table(table.replace_schema_metadata({"postgym_schema": version} if version else None), path)


@pytest.mark.parametrize(
    ("version", "said"),
    [("0", "schema 0"), ("", "schema none"), ("4", "written by a newer postgym"), ("99", "reads up to 3: update it")],
)
def test_a_file_of_another_version_is_refused_with_the_mend(groups, tmp_path, version, said):
    written_as(tmp_path / "other.parquet", version, groups)
    for read in (read_groups, scan, lambda path: read_trajectory(path, 0)):
        with pytest.raises(CheckpointError, match=said) as caught:
            read(tmp_path / "other.parquet")
        assert "other.parquet" in str(caught.value)


_OF_1 = ["group", "task", *ARRAYS, "prompt_length", "transcript", "score", "value", "finish", "seconds"]
_OF_2 = [*_OF_1, "env", "split", "difficulty", "status", "sampled_tokens"]


@pytest.mark.parametrize(("version", "columns"), [("1", _OF_1), ("2", _OF_2)])
def test_a_file_of_an_older_version_is_read_and_listed_as_one_of_today(groups, tmp_path, version, columns):
    faultless = [
        Group(g.task, tuple(replace(t, score=replace(t.score, fault=None)) for t in g.trajectories)) for g in groups
    ]
    old, new = tmp_path / "step-00001.parquet", tmp_path / "new" / "step-00001.parquet"
    written_as(old, version, faultless, columns)
    write_groups(new, faultless)
    for wrote, read in zip(faultless, read_groups(old), strict=True):
        for a, b in zip(wrote.trajectories, read.trajectories, strict=True):
            assert_same(a, b)
    assert scan(old) == [replace(e, path=old) for e in scan(new)]
