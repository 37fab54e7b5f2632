"""Trackers beside metrics.jsonl: TensorBoard for real, W&B offline, Trackio where it is installed."""

import re
import sys
from pathlib import Path

import pytest

from rewards.errors import ConfigError
from trainer.config import LoggingConfig
from trainer.logs import MetricsLog, read_metrics
from trainer.sinks import SINKS, Described, check_sinks, open_sinks

ROWS = [{"step": i, "reward_mean": i / 4, "reward/postgym/Weather-v0": 0.5} for i in range(4)]


@pytest.fixture
def described(tmp_path):
    return Described(tmp_path, "made", {"seed": 3})


def board(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def test_tensorboard_holds_every_round_and_forgets_what_a_kill_made_void(described, tmp_path):
    for first in (0, 2):
        sink = open_sinks(["tensorboard"], described)
        for row in ROWS[first:]:
            sink.write(row | {"reward_mean": row["reward_mean"] + first})
        sink.close()
    found = board(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("reward_mean")] == [(0, 0.0), (1, 0.25), (2, 2.5), (3, 2.75)]
    assert "step" not in found.Tags()["scalars"]


def test_wandb_writes_offline_under_one_id_over_a_resume(described, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for rows in (ROWS[:2], ROWS[2:]):
        sink = open_sinks(["wandb"], described)
        for row in rows:
            sink.write(row)
        sink.close()
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert {f.stem for f in files} == {f"run-{described.id}"}
    written = b"".join(f.read_bytes() for f in files)
    assert written.count(b"reward/postgym/Weather-v0") >= 4


def test_wandb_without_a_login_is_refused_with_the_mend(described, monkeypatch, tmp_path):
    wandb = pytest.importorskip("wandb")
    wandb.teardown()  # it remembers the settings of the first run in a process
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.netrc
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"wandb login.*or set WANDB_MODE=offline"):
        open_sinks(["wandb"], described)


def test_trackio_keeps_every_round_on_this_machine(described, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason="trackio wants an older pillow than the pinned one: not installed by default")
    sink = open_sinks(["trackio"], described)
    for row in ROWS:
        sink.write(row)
    sink.close()
    from trackio.sqlite_storage import SQLiteStorage

    logs = SQLiteStorage.get_logs("postgym", f"made-{described.id}")
    assert [(row["step"], row["reward_mean"]) for row in logs] == [(i, i / 4) for i in range(4)]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_missing_package_is_named_with_the_mend(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda asked: None)
    with pytest.raises(ConfigError, match=f"logging.sinks: {name} is not installed; `pip install {name}`"):
        check_sinks([name])


def test_a_run_s_own_folder_is_not_mistaken_for_the_package(tmp_path, monkeypatch):
    (tmp_path / "trackio").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    with pytest.raises(ConfigError, match="trackio is not installed"):
        check_sinks(["trackio"])


def test_an_unknown_sink_is_refused():
    with pytest.raises(ConfigError, match="no sink 'tensorbord'; did you mean tensorboard"):
        check_sinks(["tensorbord"])


def test_the_config_knows_every_sink_and_no_other():
    assert LoggingConfig(sinks=tuple(SINKS)).sinks == tuple(SINKS)
    assert LoggingConfig().sinks == ("tensorboard",)


def test_the_guide_names_every_sink_and_every_setting_it_names_exists():
    guide = (Path(__file__).parents[2] / "docs" / "watching.md").read_text()
    assert set(re.findall(r"^\| `(tensorboard|wandb|trackio)`", guide, re.MULTILINE)) == set(SINKS)
    assert set(re.findall(r"logging\.(\w+)", guide)) == set(LoggingConfig.model_fields)


class Unreachable:
    """A tracker whose server went away after the second round."""

    def __init__(self, run):
        self.rows = []

    def write(self, row):
        if len(self.rows) == 2:
            raise ConnectionError("gone")
        self.rows.append(row)

    def close(self):
        raise AssertionError("it was left out already")


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(described, tmp_path, monkeypatch):
    monkeypatch.setitem(SINKS, "wandb", Unreachable)
    monkeypatch.setattr("trainer.sinks.check_sinks", lambda names: None)
    said = []
    sink = open_sinks(["wandb", "tensorboard"], described, said.append)
    log = MetricsLog(tmp_path, 0, sink)
    for row in ROWS:
        log.write(row)
    sink.close()
    assert said == ["warning: Unreachable failed and is left out from here on: ConnectionError('gone')"]
    assert read_metrics(tmp_path / "metrics.jsonl") == ROWS
    assert len(board(tmp_path).Scalars("reward_mean")) == 4


def test_an_id_stays_with_its_folder(tmp_path):
    first, again = (Described(tmp_path, name, {}).id for name in ("a", "b"))
    assert first == again
    assert Described(Path(tmp_path / "other"), "a", {}).id != first
