import numpy as np
import pytest

from rewards.errors import ConfigError
from rollout.catalogue import Filter, read_all, scan, scan_all, short_name, stage_of, trajectory_files
from rollout.store import read_groups, write_groups
from tests.trainer.groups import make_group


@pytest.fixture(scope="module")
def run(made_run):
    return made_run.folder


def test_every_stored_trajectory_is_listed_once_in_the_order_of_the_run(run):
    files = [p.stem for p in trajectory_files(run)]
    assert files == ["experts", "step-00000", "step-00001", "step-00002", "eval-base", "eval-grpo", "eval-sft"]
    entries = list(scan_all(run))
    assert len(entries) == 6 + 3 * 16 + 3 * 8
    assert len({(e.path, e.row) for e in entries}) == len(entries)


def test_an_entry_says_what_its_trajectory_says(run):
    for entry, trajectory in read_all(run):
        assert (entry.env, entry.split, entry.difficulty) == (
            trajectory.task.env,
            trajectory.task.split,
            trajectory.task.difficulty,
        )
        assert (entry.value, entry.status) == (trajectory.score.value, trajectory.score.status)
        assert entry.fault == (trajectory.score.fault or "")
        assert (entry.finish, entry.sampled_tokens) == (trajectory.finish, trajectory.sampled_tokens)
        assert entry.read().task == trajectory.task


@pytest.mark.parametrize(
    ("wanted", "right"),
    [
        (Filter(env="Weather"), lambda e: e.env == "postgym/Weather-v0"),
        (Filter(env="postgym/Weather-v0"), lambda e: e.env == "postgym/Weather-v0"),
        (Filter(split="test"), lambda e: e.split == "test"),
        (Filter(stage="eval-base"), lambda e: e.path.stem == "eval-base"),
        (Filter(low=0.5), lambda e: e.value is not None and e.value >= 0.5),
        (Filter(low=0.0, high=0.0), lambda e: e.value == 0),
        (Filter(status="error"), lambda e: e.value is None),
        (Filter(status="infra_error"), lambda e: e.status == "infra_error"),
        (Filter(fault="raised"), lambda e: e.fault == "raised"),
        (Filter(finish="error"), lambda e: e.finish == "error"),
        (Filter(first_step=1, last_step=1), lambda e: e.path.stem == "step-00001"),
        (Filter(first_step=2), lambda e: e.path.stem == "step-00002"),
        (
            Filter(env="Weather", last_step=0, low=1),
            lambda e: e.env == "postgym/Weather-v0" and e.step == 0 and e.value == 1,
        ),
    ],
)
def test_a_filter_takes_all_that_it_asks_for_and_nothing_else(run, wanted, right):
    found, everything = list(scan_all(run, wanted)), list(scan_all(run))
    assert found == [e for e in everything if right(e)]
    assert 0 < len(found) < len(everything)


def test_files_of_other_rounds_are_not_opened(run, tmp_path):
    folder = tmp_path / "trajectories"
    write_groups(folder / "step-00001.parquet", [make_group(np.random.default_rng(0), [1.0, 0.0])])
    (folder / "step-00000.parquet").write_bytes(b"broken")
    assert len(list(scan_all(tmp_path, Filter(first_step=1)))) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"status": "eror"}, "no status 'eror'; known: error, ok"),
        ({"fault": "hang"}, "no fault 'hang'; known: raised, hung"),
        ({"low": 0.8, "high": 0.2}, r"no score lies from 0.8 to 0.2"),
        ({"first_step": 3, "last_step": 1}, "no step lies from 3 to 1"),
    ],
)
def test_a_filter_that_nothing_can_meet_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        Filter(**settings)


def test_a_folder_without_trajectories_is_named(tmp_path):
    with pytest.raises(ConfigError, match="holds no trajectories"):
        trajectory_files(tmp_path)


def test_names_are_read(tmp_path):
    assert stage_of(tmp_path / "step-00012.parquet") == ("grpo", 12)
    assert stage_of(tmp_path / "step-00012" / "group-00003.parquet") == ("playing", 12)
    assert stage_of(tmp_path / "eval-base.parquet") == ("eval-base", None)
    assert short_name("postgym/Weather-v0") == "Weather"


def test_rows_stand_in_the_order_of_their_groups(run):
    path = run / "trajectories" / "step-00001.parquet"
    tasks = [t.task.id for g in read_groups(path) for t in g.trajectories]
    assert [e.read().task.id for e in scan(path)] == tasks
