"""The replay command over a run's files."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rewards.score import Score
from rollout.store import read_groups, write_groups
from rollout.trajectory import Group

ROOT = Path(__file__).parents[2]


def command(*arguments):
    words = [sys.executable, "scripts/replay.py", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(made_run, tmp_path):
    """A run whose limits are those that its episodes were played with."""
    folder = made_run.copied(tmp_path).folder
    config = json.loads((folder / "config.json").read_text())
    config["rollout"]["max_context"] = 2048
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_every_episode_of_a_run_earns_the_same_again(folder):
    found = command(folder)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout == "77 episodes played again, 0 otherwise than then\n"


def test_a_score_that_does_not_follow_from_the_actions_is_listed(folder):
    path = folder / "trajectories" / "step-00002.parquet"
    first, *others = read_groups(path)
    one, *rest = first.trajectories
    forged = replace(one, score=Score(0.123, "forged"))
    write_groups(path, [Group(first.task, (forged, *rest)), *others])
    found = command(folder, "--stage", "grpo", "--first-step", 2)
    assert found.returncode == 1
    assert f"{one.task.id} earned 0.123, earns {one.score.value}: {one.score.reason}" in found.stdout
    assert "16 episodes played again, 1 otherwise than then" in found.stdout


def test_a_folder_that_is_no_run_is_named(tmp_path):
    found = command(tmp_path)
    assert found.returncode == 2
    assert "is no run's folder" in found.stderr
