import copy
import json
import shutil

import numpy as np
import pytest

from rewards.errors import ConfigError
from rollout.catalogue import Filter, scan
from rollout.store import read_groups, read_trajectory
from tests.runs import GROUP_SIZE
from trainer.advantages import group_normalised
from trainer.learned import learned_path, read_learned
from trainer.view.data import RunData
from trainer.view.sides import held_out_tasks, side_by_side


@pytest.fixture(scope="module")
def data(made_run):
    return RunData(made_run.folder)


@pytest.fixture
def copied(made_run, tmp_path):
    return RunData(made_run.copied(tmp_path).folder)


def test_the_overview_counts_what_the_folder_holds(data):
    found = data.overview()
    assert (found["name"], found["done"], found["steps"], found["finished"]) == ("made", 3, 40, False)
    assert (found["episodes"], found["errors"]) == (78, 1)
    assert found["stages"] == ["base", "sft", "grpo"]
    assert found["facets"]["env"] == ["postgym/Weather-v0", "postgym/WordProblems-v0"]


def test_the_version_changes_with_the_run_and_only_then(copied):
    before = copied.overview()["version"]
    assert copied.overview()["version"] == before
    shutil.copy(
        copied.folder / "trajectories" / "step-00002.parquet", copied.folder / "trajectories" / "step-00003.parquet"
    )
    grown = copied.overview()
    assert grown["version"] != before
    assert grown["episodes"] == 94
    (copied.folder / "trajectories" / "step-00003.parquet").unlink()
    assert copied.overview()["version"] == before, "what is gone is forgotten"
    (copied.folder / "summary.json").write_text("{}")
    assert copied.overview()["version"] not in (before, grown["version"])
    assert copied.overview()["finished"]


def test_a_round_that_is_being_played_shows_the_groups_that_have_ended(copied, made_run):
    maker = copy.copy(made_run)
    maker.folder = copied.folder
    maker.begin(3, 0.5, failing=1)
    found = copied.overview()
    assert (found["episodes"], found["playing"], found["errors"]) == (78 + GROUP_SIZE, GROUP_SIZE, 2)
    rows = copied.episodes(Filter(stage="playing"))["rows"]
    assert [(row["step"], row["group"]) for row in rows] == [(3, 2)] * GROUP_SIZE
    assert copied.episodes(Filter())["rows"][0] == rows[0], "the newest are first"
    shown = copied.episode(rows[0]["file"], rows[0]["row"])
    assert (shown["stage"], bool(shown["messages"]), shown["tokens"]["advantages"]) == ("playing", True, None)
    assert "playing" in copied.overview()["facets"]["stage"]
    maker.step(3, 0.5)
    assert copied.overview()["episodes"] == 94, "they stand in the round's file now, and count once"
    assert copied.overview()["playing"] == 0


def test_looking_changes_nothing_in_the_folder(copied):
    (copied.folder / "metrics.jsonl").open("a").write('{"step": 3, "rew')
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in copied.folder.rglob("*")}
    copied.overview()
    assert len(copied.metrics()) == 3, "a line that is just being written is not there yet"
    copied.episode("step-00000", 0)
    side_by_side(copied, held_out_tasks(copied)["rows"][0]["task"])
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in copied.folder.rglob("*")} == before


def test_a_broken_file_is_named_and_the_others_are_shown(copied):
    (copied.folder / "trajectories" / "step-00001.parquet").write_bytes(b"PAR1")
    found = copied.overview()
    assert "can't be read as Parquet" in found["broken"]["step-00001.parquet"]
    assert found["episodes"] == 62


def test_what_is_no_number_is_none_and_the_answer_is_strict_json(copied):
    (copied.folder / "metrics.jsonl").write_text('{"step": 0, "loss": NaN, "kl": Infinity}\n')
    assert copied.metrics() == [{"step": 0, "loss": None, "kl": None}]
    json.dumps(copied.episode("step-00000", 0), allow_nan=False)


@pytest.mark.parametrize("sort", ["newest", "score", "tokens", "seconds"])
def test_pages_together_are_the_whole_list_in_order(data, sort):
    whole = data.episodes(Filter(), sort, n=200)["rows"]
    parts = [row for first in range(0, 78, 20) for row in data.episodes(Filter(), sort, first=first, n=20)["rows"]]
    assert parts == whole
    keys = {"score": lambda r: -1 if r["value"] is None else r["value"], "tokens": lambda r: r["tokens_sampled"]}
    key = keys.get(sort, lambda r: r["seconds"] if sort == "seconds" else -1 if r["step"] is None else r["step"])
    assert [key(r) for r in whole] == sorted(map(key, whole), reverse=True)
    rising = data.episodes(Filter(), sort, rising=True, n=200)["rows"]
    assert [key(r) for r in rising] == sorted(map(key, whole))


def test_an_unknown_order_and_an_unknown_episode_are_refused(data):
    with pytest.raises(ConfigError, match="no order 'scor'; did you mean score"):
        data.episodes(Filter(), "scor")
    for file, row in (("step-00009", 0), ("step-00000", 99), ("../config", 0)):
        with pytest.raises(ConfigError, match="has no episode"):
            data.episode(file, row)


def test_an_episode_is_shown_with_everything_its_trajectory_holds(data, tokenizer):
    trajectory = read_trajectory(data.folder / "trajectories" / "step-00002.parquet", 5)
    shown = data.episode("step-00002", 5)
    assert "".join(shown["tokens"]["texts"]) == tokenizer.decode(trajectory.token_ids)
    assert shown["tokens"]["mask"] == trajectory.loss_mask.tolist()
    assert shown["tokens"]["versions"] == trajectory.weight_versions.tolist()
    assert [m["content"] for m in shown["messages"]] == [m.content for m in trajectory.transcript.messages]
    assert [(p["name"], p["reason"]) for p in shown["score"]["parts"]] == [
        (p.name, p.reason) for p in trajectory.score.parts
    ]
    if trajectory.score.value:
        assert sum(p["points"] for p in shown["score"]["parts"]) == pytest.approx(trajectory.score.value)


def learned_entry(data):
    path = data.folder / "trajectories" / "step-00002.parquet"
    kept = read_learned(learned_path(path))
    return next((e, kept[e.row]) for e in scan(path) if e.row in kept)


def test_ratio_and_advantage_are_the_update_s_own(data):
    entry, kept = learned_entry(data)
    trajectory = entry.read()
    tokens = data.episode(entry.path.stem, entry.row)["tokens"]
    sampled = np.flatnonzero(trajectory.loss_mask)
    assert tokens["advantages_from"] == "kept by the update"
    assert [tokens["advantages"][i] for i in sampled] == pytest.approx(kept.advantages.tolist())
    expected = np.exp(kept.trainer_logprobs - trajectory.logprobs[sampled])
    assert [tokens["ratios"][i] for i in sampled] == pytest.approx(expected.tolist(), rel=1e-5)
    assert tokens["ratios"][0] is None, "the prompt has no ratio"


def test_without_the_update_s_file_the_advantage_follows_from_the_group(copied):
    entry, kept = learned_entry(copied)
    shutil.rmtree(copied.folder / "learned")
    tokens = copied.episode(entry.path.stem, entry.row)["tokens"]
    (group,) = [g for i, g in enumerate(read_groups(entry.path)) if i == entry.group]
    values = np.array([t.score.value for t in group.judged])
    assert tokens["ratios"] is None
    assert tokens["advantages_from"] == "worked out from the group's scores"
    shown = {a for a in tokens["advantages"] if a is not None}
    assert len(shown) == 1
    assert shown.pop() == pytest.approx(float(kept.advantages[0]), rel=1e-5)
    assert float(kept.advantages[0]) == pytest.approx(
        min(group_normalised([values])[0], key=lambda a: abs(a - kept.advantages[0]))
    )


def test_an_episode_without_a_verdict_has_no_advantage(data):
    (row,) = data.episodes(Filter(status="error"))["rows"]
    assert (row["fault"], data.overview()["facets"]["fault"]) == ("raised", ["raised"])
    shown = data.episode(row["file"], row["row"])
    assert shown["tokens"]["advantages"] is None
    assert "the weather service is gone" in shown["score"]["reason"]


def test_the_same_task_stands_side_by_side_with_its_breakdowns(data):
    found = held_out_tasks(data)
    assert found["stages"] == ["base", "sft", "grpo"]
    assert len(found["rows"]) == 8
    for row in found["rows"]:
        sides = side_by_side(data, row["task"])["sides"]
        assert [s["stage"] for s in sides] == found["stages"]
        assert {s["stage"]: s["score"]["value"] for s in sides} == row["scores"]
        assert len({json.dumps(s["messages"][0]) for s in sides}) == 1, "one question"
        assert all(s["score"]["parts"] for s in sides)
        for side in sides:
            assert data.episode(side["file"], side["row"])["task"] == row["task"]


def test_runs_that_kept_no_tokens_of_evaluations_are_compared_by_what_they_kept(copied):
    for path in (copied.folder / "trajectories").glob("eval-*"):
        path.unlink()
    task = held_out_tasks(copied)["rows"][0]["task"]
    sides = side_by_side(copied, task)["sides"]
    assert all(s["file"] is None and s["score"]["reason"] and s["messages"] for s in sides)
    with pytest.raises(ConfigError, match="no held-out task 'nothing'"):
        side_by_side(copied, "nothing")


def test_a_benchmark_is_shown_with_its_models_in_their_order(copied, default_model):
    config = {"name": "benchmark", "models": {"zebra": default_model, "ant": "/nowhere/model"}}
    (copied.folder / "config.json").write_text(json.dumps(config))
    for name, stage in (("zebra", "base"), ("ant", "grpo")):
        (copied.folder / "eval" / f"{stage}.jsonl").rename(copied.folder / "eval" / f"{name}.jsonl")
        episodes = copied.folder / "trajectories"
        (episodes / f"eval-{stage}.parquet").rename(episodes / f"eval-{name}.parquet")
    (copied.folder / "eval" / "sft.jsonl").unlink()
    (copied.folder / "metrics.jsonl").unlink()
    data = RunData(copied.folder)
    assert data.overview()["stages"] == ["zebra", "ant"]
    assert data.episode("eval-zebra", 0)["tokens"]["texts"], "each model's own tokenizer"
    assert "/nowhere/model" in data.episode("eval-ant", 0)["tokens"]["why_no_texts"]


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(ConfigError, match="is no run's folder"):
        RunData(tmp_path)
