"""The judge's command over a run's files and a real endpoint."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from rewards.errors import ConfigError
from rewards.transcript import Message, Transcript
from rollout.store import write_groups
from rollout.trajectory import Group
from scripts import judge
from tests.rewards.endpoints import serving
from tests.trainer.groups import make_group

SAID = ("right", "4", "right!", "almost right")  # the judge of the tests passes what holds "right"


@pytest.fixture
def run_folder(tmp_path):
    """A run of two rounds with four episodes each, every other one of them right."""
    rng = np.random.default_rng(0)
    for step in range(2):
        group = make_group(rng, [1.0, 0.0, 1.0, 0.0])
        spoken = [Transcript((Message("user", "?"), Message("assistant", f"{text} {step}"))) for text in SAID]
        members = [replace(t, transcript=s) for t, s in zip(group.trajectories, spoken, strict=True)]
        path = tmp_path / "run" / "trajectories" / f"step-{step:05d}.parquet"
        write_groups(path, [Group(group.task, tuple(members))])
    return tmp_path / "run"


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["judge.py", *map(str, arguments)])
    return judge.main()


def test_it_writes_how_far_the_judge_agrees_and_asks_nothing_twice(run_folder, monkeypatch, tmp_path, capsys):
    with serving() as fake:
        asked = [run_folder, "--url", fake.url, "--model", "small", "--question", "Right?"]
        asked += ["--cache", tmp_path / "cache"]
        assert command(monkeypatch, *asked) == 0
        first = len(fake.requests)
        assert command(monkeypatch, *asked) == 0
        assert len(fake.requests) == first
    found = json.loads((run_folder / "judge" / "calibration.json").read_text())
    assert (found["n"], found["agreement"], found["false_good"]) == (8, 0.75, 0.5)
    assert "| agreement | 0.750 |" in (run_folder / "judge" / "calibration.md").read_text()
    assert "calibration.md" in capsys.readouterr().out


def test_a_share_is_spread_over_the_run(run_folder):
    assert len(judge.episodes_of(run_folder, 99)) == 8
    assert [e.name for e in judge.episodes_of(run_folder, 2)] == ["step-00000#0", "step-00001#0"]


def test_a_folder_without_episodes_is_named(tmp_path):
    with pytest.raises(ConfigError, match="0 judged episodes"):
        judge.episodes_of(tmp_path, 5)
