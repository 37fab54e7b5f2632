"""Files that are broken, truncated or from another version: each is refused by name, its honest twin is read."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rewards.errors import ConfigError, PostgymError
from rewards.files import read_json
from rewards.rubric_yaml import read_rubric
from rollout.chats import read_chats
from rollout.models import resolve_model
from rollout.store import read_groups, write_groups
from tests.trainer.groups import make_group
from trainer.checkpoint import CheckpointStore
from trainer.config import load_config
from trainer.policy import Policy
from trainer.run_folder import claim_folder

CONFIG = "name: a\nenvironments:\n  - id: postgym/Weather-v0\n"
CHAT = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'
RUBRIC = "criteria:\n- name: answer\n  reward: rewards.tools.right_answer\n"

TEXTS = {
    "42-config cut in a quotation": (load_config, CONFIG, CONFIG + 'model: "smol'),
    "42-config that is a list": (load_config, CONFIG, "- 1\n- 2\n"),
    "42-config with a field of another version": (load_config, CONFIG, CONFIG + "trainer: {beta: 0.1}\n"),
    "42-run folder's file cut": (read_json, '{"a": 1}', '{"a": '),
    "42-run folder's file that is a list": (read_json, '{"a": 1}', "[]"),
    "42-config that is binary": (load_config, CONFIG, b"\x00\xff\xfe" * 40),
    "42-data set line cut in the middle": (read_chats, CHAT, CHAT + CHAT[:40]),
    "42-data set line that is a number": (read_chats, CHAT, CHAT + "7\n"),
    "42-data set that is binary": (read_chats, CHAT, b"\x80\x81\x82\n"),
    "42-rubric cut in a list": (read_rubric, RUBRIC, RUBRIC + "- name: [a"),
    "42-rubric that names code": (read_rubric, RUBRIC, RUBRIC.replace("rewards.tools.right_answer", "os.system")),
    "42-rubric that is binary": (read_rubric, RUBRIC, b"\x80\x81\x82\n"),
}


@pytest.mark.parametrize(("read", "good", "bad"), TEXTS.values(), ids=TEXTS.keys())
def test_a_broken_text_is_refused_by_name_and_its_twin_is_read(tmp_path, read, good, bad):
    path = tmp_path / "the-file"
    path.write_text(good)
    assert read(path)
    path.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    with pytest.raises(PostgymError) as raised:
        read(path)
    assert "the-file" in str(raised.value) or "beta" in str(raised.value) or "os.system" in str(raised.value)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[8:24] = bytes(16)
    path.write_bytes(content)


def _other_columns(path):
    table = pq.read_table(path)
    pq.write_table(table.select(["group", "task"]).replace_schema_metadata(table.schema.metadata), path)


def _other_version(path):
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"postgym_schema": "99"}), path)


def _foreign_rows(path):
    table = pq.read_table(path)
    score = pa.array(['{"value": 2}'] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index("score"), "score", score), path)


@pytest.mark.parametrize(
    "damage",
    [_cut, _flip, _other_columns, _other_version, _foreign_rows],
    ids=["42-cut", "42-flipped bytes", "42-columns missing", "42-another version", "42-a score out of range"],
)
def test_a_broken_trajectory_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "step-00001.parquet"
    write_groups(path, [make_group(np.random.default_rng(0), [0.0, 1.0])])
    assert len(read_groups(path)) == 1
    damage(path)
    with pytest.raises(PostgymError, match="step-00001"):
        read_groups(path)


def test_a_checkpoint_of_another_version_is_passed_over_by_name(tiny_model, tmp_path):
    policy = Policy(str(tiny_model), precision="float32")
    from trainer.optimizer import make_optimizer
    from trainer.trainer_config import TrainerConfig

    store = CheckpointStore(tmp_path)
    for step in (1, 2):
        store.save(step, policy, make_optimizer(policy, TrainerConfig()))
    store.wait()
    state = tmp_path / "step-00002" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"format": 99}))
    said = []
    assert store.load_newest(policy, None, said.append) == 1
    assert "step-00002" in said[0]


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": "no-such-thing"}'], ids=lambda c: f"42-{c}")
def test_a_broken_model_folder_is_refused_by_name(tmp_path, content):
    folder = tmp_path / "the-model"
    folder.mkdir()
    (folder / "config.json").write_text(content)
    with pytest.raises(PostgymError, match="the-model"):
        Policy(resolve_model(str(folder)), precision="float32")


def test_what_a_kill_left_half_written_is_gone_when_the_run_goes_on(tmp_path):
    claim_folder(tmp_path, {"seed": 0})
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "base.jsonl").write_text("whole")
    killed = (
        "import os, pathlib, rewards.files as f; f.write_atomically(pathlib.Path('{}'), lambda staging: os._exit(9))"
    )
    for name in ("best.json", "eval/sft.jsonl"):
        subprocess.run([sys.executable, "-c", killed.format(tmp_path / name)], check=False)
    assert sum(path.name.startswith(".") for path in tmp_path.rglob("*")) == 2
    claim_folder(tmp_path, {"seed": 0})
    assert {path.name for path in tmp_path.rglob("*")} == {"config.json", "lock", "eval", "base.jsonl"}


def test_a_folder_in_which_a_run_is_going_on_is_refused_until_it_ends(tmp_path):
    claims = (
        "import sys, pathlib; from trainer.run_folder import claim_folder; claim_folder(pathlib.Path(sys.argv[1]), {})"
    )
    command = [sys.executable, "-c", f"{claims}; print('mine', flush=True); sys.stdin.read()", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(ConfigError, match=rf"still going \(process {other.pid} on .*--name"):
            claim_folder(tmp_path, {})
        other.kill()
        other.wait()
        claim_folder(tmp_path, {})
    claim_folder(tmp_path, {})  # the process that has it may have it again
