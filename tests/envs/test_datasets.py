"""Data sets: every published layout is read, broken files are named to the line, and the rows hold the proof."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import envs
from envs.proof import play, prove
from rewards.errors import ConfigError

SHARED = Path(os.environ.get("POSTGYM_SHARED", Path(__file__).parents[3] / "shared")) / "data"
GSM8K = {
    "question": "Ada has 3 boxes of 400 pens. How many pens?",
    "answer": "Ada has 3*400 = <<3*400=1200>>1200 pens.\n#### 1,200",
}
SVAMP = {
    "Body": "A book costs 76 dollars",
    "Question": "What do 2 cost?",
    "Equation": "( 76.0 * 2.0 )",
    "Answer": 152.0,
}
MATH = {"problem": "What is half of $\\frac{1}{3}$?", "solution": "It is \\boxed{\\frac{1}{6}}.", "level": "Level 1"}
AIME = {"Problem": "How many primes lie below 100?", "Answer": "25"}
MBPP = {
    "text": "Write a function to add two numbers.",
    "code": "def plus(a, b):\r\n\treturn a + b",
    "task_id": 1,
    "test_setup_code": "",
    "test_list": ["assert plus(1, 2) == 3", "assert plus(-1, 1) == 0", "assert plus(2, 2) == 4"],
}
HUMAN_EVAL = {
    "task_id": "x/0",
    "prompt": 'def double(x: int) -> int:\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n",
    "entry_point": "double",
}


def varied(row, n=12):
    """Rows that differ in their question."""
    key = next(k for k in ("question", "Body", "problem", "Problem", "text", "prompt") if k in row)
    added = [f" (number {i})" if key != "prompt" else f"# number {i}\n" for i in range(n)]
    return [{**row, key: (text + row[key]) if key == "prompt" else row[key] + text} for text in added]


def written(folder, rows, suffix=".jsonl"):
    path = folder / f"rows{suffix}"
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("name", "row", "answers", "wrong"),
    [
        ("Math", GSM8K, ["1200", "1,200", "$1200"], ["1201", "12", "3 * 400"]),
        ("Math", SVAMP, ["152", "152.0", "$152"], ["76", "-152"]),
        ("Math", MATH, ["1/6", "\\frac{1}{6}", "\\boxed{\\frac16}"], ["1/3", "6"]),
        ("Math", AIME, ["25", "\\boxed{25}"], ["24", "25 or 26"]),
        (
            "Code",
            MBPP,
            ["```python\ndef plus(x, y):\n    return y + x\n```"],
            ["```python\ndef plus(a, b):\n    return 3\n```"],
        ),
        ("Code", HUMAN_EVAL, ["```python\ndef double(n):\n    return n + n\n```"], ["```python\ndouble = abs\n```"]),
    ],
    ids=lambda value: ",".join(value)[:30] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_every_layout_is_read_and_judged(tmp_path, name, row, answers, wrong, suffix):
    env = envs.make(f"postgym/{name}Dataset-v0", file=written(tmp_path, varied(row), suffix))
    task = env.sample_task(0)
    assert play(env, task, env.expert(task))[1].value == 1
    said = [text if name == "Code" else f"Answer: {text}" for text in (*answers, *wrong)]
    values = [play(env, task, lambda messages, t=text: t)[1].value for text in said]
    assert values == [1] * len(answers) + [0] * len(wrong)


def test_a_solution_is_cleared_of_what_only_its_data_set_means(tmp_path):
    env = envs.make("postgym/MathDataset-v0", file=written(tmp_path, varied(GSM8K)))
    assert env.expert(env.sample_task(0))(()) == "Ada has 3*400 = 1200 pens.\nAnswer: 1,200"


def test_train_and_test_are_parted_by_question_and_difficulty_by_length(tmp_path):
    rows = [{**GSM8K, "question": f"{i}?", "answer": "so " * i + "\n#### 7"} for i in range(400)]
    env = envs.make("postgym/MathDataset-v0", file=written(tmp_path, rows))
    asked = {split: {env.sample_task(i, split).prompt[-1].content for i in range(300)} for split in ("train", "test")}
    assert not asked["train"] & asked["test"]
    easy, hard = ([len(env.sample_task(i, "train", level).meta["solution"]) for i in range(50)] for level in (0.0, 1.0))
    assert max(easy) < min(hard)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"question": 1}\n', r"rows.jsonl, line 1: columns \['question'\] are none of the known layouts"),
        (json.dumps(GSM8K) + "\n{oops\n", r"rows.jsonl, line 2: no JSON"),
        ("[1]\n", "line 1: a list where an object belongs"),
        (json.dumps({"question": "?", "answer": "#### "}) + "\n", "1 of 1 rows can't be judged; the first: .*line 1"),
        ("", "0 of 0 rows"),
    ],
)
def test_a_broken_file_is_named_to_the_line(tmp_path, text, match):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=match):
        envs.make("postgym/MathDataset-v0", file=str(path))


def test_a_missing_file_and_no_file_at_all_say_what_to_give():
    with pytest.raises(ConfigError, match=r"no file 'nowhere.jsonl'"):
        envs.make("postgym/MathDataset-v0", file="nowhere.jsonl")
    with pytest.raises(ConfigError, match="needs the setting file"):
        envs.make("postgym/CodeDataset-v0")


def test_rows_that_cannot_be_judged_are_left_out_aloud(tmp_path):
    rows = [*varied(MBPP), {**MBPP, "test_setup_code": "x = 1"}, {**MBPP, "test_list": ["assert plus(1, 2) == g(3)"]}]
    with pytest.warns(UserWarning, match="2 of 14 rows are left out"):
        env = envs.make("postgym/CodeDataset-v0", file=written(tmp_path, rows))
    assert [reason.partition(": ")[0][-7:] for reason in env.left_out] == ["line 13", "line 14"]


def test_a_parquet_file_that_is_none_is_said(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_text("no")
    with pytest.raises(ConfigError, match="no Parquet file"):
        envs.make("postgym/MathDataset-v0", file=str(path))


def test_the_command_checks_an_environment_on_a_file(tmp_path):
    file = written(tmp_path, [{**row, "Answer": str(7 * i)} for i, row in enumerate(varied(AIME, 60))])
    command = [sys.executable, "scripts/envs.py", "check", "postgym/MathDataset-v0", "--file", file, "--n", "20"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all holds" in done.stdout


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the public data sets")
@pytest.mark.parametrize(
    ("name", "file", "least"),
    [("Math", "gsm8k_train.jsonl", 7_473), ("Math", "svamp.json", 1_000), ("Code", "mbpp_train.jsonl", 372)],
)
def test_published_files_hold_the_proof(name, file, least):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = envs.make(f"postgym/{name}Dataset-v0", file=str(SHARED / file))
    assert len(env.items) >= least
    for row in prove(env, n=60, n_null=20):
        assert row.ok, row
