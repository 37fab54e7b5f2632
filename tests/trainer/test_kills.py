"""A run that was killed at twenty moments of chance is the run that nobody disturbed, number for number."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rollout.store import read_groups

ROOT = Path(__file__).parents[2]
CLOCK = ("seconds_", "queued_", "running_", "tokens_per_second", "trainer_t", "engine_t")  # what time alone decides


@pytest.fixture(scope="module")
def runs(tiny_model, tmp_path_factory):
    """The two runs' folders, and what hit the second."""
    top = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.trainer.killed", str(tiny_model), str(top)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-3000:]
    return top / "whole" / "run", top / "killed" / "run", json.loads((top / "moments.json").read_text())


def rows(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(CLOCK)} for row in lines]


def test_it_was_killed_twenty_times_in_every_phase(runs):
    *_, moments = runs
    assert len(moments) == 20
    assert all(m["killed"] for m in moments), moments
    assert Counter(m["phase"] for m in moments) == dict.fromkeys(
        ("evaluation", "rollout", "update", "checkpoint", "sync"), 4
    )


def test_parameters_and_optimiser_are_the_same_to_the_bit(runs):
    whole, killed, _ = runs
    states = [
        [json.loads((path / "state.json").read_text()) for path in sorted(folder.glob("checkpoints/step-*"))]
        for folder in (whole, killed)
    ]
    assert [state["step"] for state in states[0]][-2:] == [4, 5]
    assert states[0] == states[1], "checksums of weights and optimiser of every checkpoint that is kept"
    assert (whole / "best.json").read_text() == (killed / "best.json").read_text()
    assert (whole / "model" / "model.safetensors").read_bytes() == (killed / "model" / "model.safetensors").read_bytes()


def test_the_same_tasks_were_met_in_the_same_order_with_the_same_answers(runs):
    whole, killed, _ = runs
    files = sorted(path.name for path in whole.glob("trajectories/*.parquet"))
    assert files == sorted(path.name for path in killed.glob("trajectories/*.parquet"))
    assert len(files) == 5 + 3
    for name in files:
        for one, other in zip(*(read_groups(f / "trajectories" / name) for f in (whole, killed)), strict=True):
            assert one.task == other.task
            for a, b in zip(one.trajectories, other.trajectories, strict=True):
                assert np.array_equal(a.token_ids, b.token_ids)
                assert np.array_equal(a.logprobs, b.logprobs)
                assert np.array_equal(a.weight_versions, b.weight_versions)


def test_every_number_that_time_does_not_decide_is_the_same(runs):
    whole, killed, _ = runs
    assert rows(whole) == rows(killed)
    assert [row["step"] for row in rows(killed)] == list(range(5))
    assert len({row["difficulty/postgym/Arithmetic-v0"] for row in rows(whole)}) > 2, "the curriculum moved"
    for stage in ("base", "sft", "grpo"):
        assert (whole / "eval" / f"{stage}.jsonl").read_text() == (killed / "eval" / f"{stage}.jsonl").read_text()


def test_damaged_weights_of_the_cold_start_were_made_again(runs):
    weights = [(folder / "sft" / "weights.safetensors").read_bytes() for folder in runs[:2]]
    assert weights[0] == weights[1]


def test_nothing_half_written_is_left(runs):
    _, killed, _ = runs
    assert not [path for path in killed.rglob(".*") if path.is_file()]
    assert not list(killed.glob("playing/*"))
    assert json.loads((killed / "summary.json").read_text())["stages"]
