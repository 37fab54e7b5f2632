"""The export command over a run's files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run_folder(made_run):
    return made_run.folder


def command(*arguments):
    words = [sys.executable, "scripts/export.py", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_good_episodes_of_one_environment_become_a_data_set(run_folder, tmp_path):
    out = tmp_path / "good.jsonl"
    filters = ["--env", "Weather", "--min-score", 1, "--stage", "grpo"]
    found = command(run_folder, "--layout", "sft", "--out", out, *filters)
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert f"{len(rows)} rows: {out}" in found.stdout
    assert all("geocode" in row["tools"] for row in rows)


def test_one_file_of_a_run_stands_for_itself_with_the_tools_of_its_run(run_folder, tmp_path):
    path = run_folder / "trajectories" / "step-00001.parquet"
    found = command(path, "--layout", "openai", "--out", tmp_path / "out.jsonl")
    assert "15 rows" in found.stdout
    assert "left out, 1: an error ended it" in found.stdout
    assert '"calculate"' in (tmp_path / "out.jsonl").read_text()


def test_what_was_cut_off_can_be_left_out(run_folder, tmp_path):
    counts = {}
    for finish in ("", "terminated", "truncated"):
        wanted = ["--finish", finish] if finish else []
        found = command(run_folder, "--layout", "openai", "--out", tmp_path / "out.jsonl", "--stage", "grpo", *wanted)
        counts[finish] = int(found.stdout.split()[0]) if found.returncode == 0 else 0
    assert 0 < counts["terminated"] <= counts[""]
    assert counts["terminated"] + counts["truncated"] == counts[""]


def test_a_wrong_wish_is_one_clear_line(run_folder, tmp_path):
    found = command(run_folder, "--layout", "dpo", "--margin", 2, "--out", tmp_path / "out.jsonl")
    assert found.returncode == 2
    assert found.stderr == "error: margin 2 is outside 0 (excluded) to 1, the range of scores\n"
