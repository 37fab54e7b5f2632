"""The whole run through the command line on a tiny model: bad input, kill and resume, and what is left behind."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rewards.files import read_jsonl
from rollout.catalogue import trajectory_files
from trainer.run_folder import weight_folder
from trainer.view.data import RunData

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("POSTGYM_KILLED_RUNS", "0"))
CONFIG = """
name: tiny
precision: float32
environments:
  - id: postgym/Weather-v0
    difficulty: [0.0, 0.2]
    rubric: &graded  # what a random model says earns something too, or there would be nothing to learn from
      criteria:
        - {name: moves_on, reward: rewards.reasoning.not_repetitive, weight: 0.1}
        - {name: brevity, group: {rewards.group.brevity: {right: moves_on}}, weight: 0.9}
  - id: postgym/WordProblems-v0
    difficulty: [0.0, 0.2]
    rubric: *graded
sft: {traces: 32, epochs: 1, batch_size: 4, learning_rate: 3.0e-3}
rollout: {groups: 2, group_size: 4, max_new_tokens: 24, max_context: 480, concurrency: 1, step_seconds: 120}
trainer: {steps: 4, learning_rate: 1.0e-3}
evaluation: {tasks: 4}
"""


def command(folder, model, *extra):
    (folder / "config.yaml").write_text(CONFIG)
    return [
        *(sys.executable, "scripts/train.py", str(folder / "config.yaml"), "--runs", str(folder / "runs")),
        *("--model", str(model), *extra),
    ]


def run(folder, model, *extra):
    return subprocess.run(command(folder, model, *extra), cwd=ROOT, capture_output=True, text=True, timeout=540)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(folder, tiny_model)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "runs" / "tiny", done.stdout


def weights(folder):
    (newest,) = sorted(folder.glob("checkpoints/step-*"))[-1:]
    return load_file(newest / "weights.safetensors")


def test_a_run_leaves_everything_it_promises(finished):
    folder, output = finished
    summary = json.loads((folder / "summary.json").read_text())
    assert list(summary["stages"]) == ["base", "sft", "grpo"]
    assert summary["stages"]["grpo"]["overall"]["n"] == 4
    assert {p["name"] for p in summary["phases"]} >= {"evaluate base", "sft", "grpo", "evaluate grpo"}
    assert all(p["seconds"] > 0 and p["peak_memory_gb"] > 0 for p in summary["phases"])
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert all(row["grad_norm"] > 0 and row["zero_variance_share"] == 0 for row in rows), "every round teaches"
    assert max(row["mismatch"] for row in rows) < 2e-3, "the engine held the trainer's weights at every step"
    assert max(row["probe"] for row in rows) < 2e-3
    assert len(list((folder / "trajectories").glob("step-*.parquet"))) == 4
    assert len(list((folder / "learned").glob("step-*.parquet"))) == 4
    assert [p.stem for p in trajectory_files(folder)][-3:] == ["eval-base", "eval-grpo", "eval-sft"]
    assert list((folder / "tensorboard").iterdir())
    assert "report.html" in output
    assert "grpo 4/4" in output


def test_the_final_model_is_the_last_checkpoint_and_loads_in_transformers(finished):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, _ = finished
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    assert AutoTokenizer.from_pretrained(folder / "model").chat_template
    for name, expected in weights(folder).items():
        rounded = torch.from_numpy(expected).bfloat16().float()
        assert torch.equal(model.state_dict()[name], rounded), name


def test_the_viewer_shows_a_real_run_whole(finished):
    folder, _ = finished
    data = RunData(folder)
    found = data.overview()
    assert (found["done"], found["finished"], found["broken"]) == (4, True, {})
    assert found["episodes"] == 32 + 4 * 8 + 3 * 4
    assert all(data.episode(e.path.stem, e.row)["tokens"]["texts"] for e in data.entries())


def test_a_finished_run_is_not_trained_again(finished, tiny_model):
    folder, _ = finished
    before = (folder / "summary.json").stat().st_mtime_ns
    again = run(folder.parents[1], tiny_model)
    assert again.returncode == 0
    assert "finished already" in again.stdout
    assert (folder / "summary.json").stat().st_mtime_ns == before


def test_another_config_does_not_go_on_in_the_same_folder(finished, tiny_model):
    folder, _ = finished
    other = run(folder.parents[1], tiny_model, "--seed", "5")
    assert other.returncode == 2
    assert "other settings (seed)" in other.stderr


def test_a_killed_run_goes_on_to_the_same_parameters_as_an_undisturbed_one(finished, tiny_model, tmp_path):
    whole, _ = finished
    folder = tmp_path / "runs" / "tiny"
    for moment in ("eval/sft.jsonl", "checkpoints/step-00002/state.json"):
        process = subprocess.Popen(
            command(tmp_path, tiny_model), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for(folder / moment, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    resumed = run(tmp_path, tiny_model)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert "going on after step" in resumed.stdout
    assert "evaluate base" not in resumed.stdout
    expected, found = weights(whole), weights(folder)
    assert expected.keys() == found.keys()
    for name in expected:
        assert np.allclose(expected[name], found[name], atol=1e-5, rtol=0), name
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 3], "nothing is trained twice, nothing is left out"
    assert not [p for p in folder.rglob(".*") if p.is_file()], "no half-written files"
    assert _gone(tmp_path), "the engine of a killed run ends with it"
    assert not weight_folder(folder).exists(), "no weights are left in memory"


@pytest.mark.skipif(not KILLS, reason="POSTGYM_KILLED_RUNS says how many times a run on vLLM is killed")
def test_a_run_killed_at_moments_of_chance_goes_on_to_the_same_parameters(finished, tiny_model, tmp_path):
    whole, chance = finished[0], random.Random(0)
    for _ in range(KILLS):
        process = subprocess.Popen(
            command(tmp_path, tiny_model), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(chance.uniform(1, 60))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert run(tmp_path, tiny_model).returncode == 0
    expected, found = weights(whole), weights(tmp_path / "runs" / "tiny")
    for name in expected:
        assert np.allclose(expected[name], found[name], atol=1e-5, rtol=0), name


def test_the_last_round_in_two_trainer_processes_equals_that_in_one(finished, tiny_model, tmp_path):
    whole, _ = finished
    folder = tmp_path / "runs" / "tiny"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "checkpoints" / "step-00004")
    for made in ("summary.json", "eval/grpo.jsonl"):
        (folder / made).unlink()
    resumed = run(tmp_path, tiny_model, "--trainer.processes", "2")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert "going on after step 3" in resumed.stdout
    expected, found = weights(whole), weights(folder)
    assert expected.keys() == found.keys()
    for name in expected:
        assert np.linalg.norm(expected[name] - found[name]) <= 1e-6 * np.linalg.norm(expected[name]), name
    one, two = (list(read_jsonl(path / "metrics.jsonl"))[-1][1] for path in (whole, folder))
    measured = ("second", "tflops", "probe", "restarts")
    compared = {name for name in one if not any(word in name for word in measured)}
    assert compared >= {"step", "loss", "grad_norm", "mismatch", "learning_rate"}
    assert {n: two[n] for n in compared} == pytest.approx({n: one[n] for n in compared}, rel=1e-5, abs=1e-8)
    assert two["probe"] < 2e-3, "the engine got the weights that two processes made"
    assert _gone(tmp_path), "the processes end with the run"
    assert not (folder / ".ray-train").exists()


def _wait_for(path, process, seconds=240):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"the run ended before {path.name} appeared"
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def _gone(folder):
    import psutil

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        left = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or ())]
        if not left:
            return True
        time.sleep(0.5)
    return False


def test_ctrl_c_says_how_to_go_on_and_a_left_over_ray_session_is_no_matter(tiny_model, tmp_path):
    process = subprocess.Popen(
        command(tmp_path, tiny_model),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"RAY_ADDRESS": "127.0.0.1:1"},  # of a cluster that is gone
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores Ctrl-C
    )
    _wait_for(tmp_path / "runs" / "tiny" / "eval" / "base.jsonl", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command goes on" in out
    assert "Traceback" not in err
    assert _gone(tmp_path)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--model", "/nowhere/model"], "model folder /nowhere/model does not exist"),
        (["--environments.0.id", "postgym/Wether-v0"], "did you mean postgym/Weather-v0"),
        (["--trainer.learning_rat", "1"], "did you mean learning_rate"),
        (["--rollout.kv_cache_gb", "100000"], "rollout.kv_cache_gb"),
        (["--rollout.ray_address", "127.0.0.1:1"], "rollout.ray_address"),
        (["--sft.file", str(Path(__file__))], "test_run.py:1: no JSON"),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_code_2(tmp_path, tiny_model, extra, said):
    found = run(tmp_path, tiny_model, *extra)
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr + found.stdout
    assert len([line for line in found.stderr.splitlines() if line.startswith("error:")]) == 1
    assert not list(tmp_path.rglob("*.jsonl")), "nothing half-written"


def test_a_benchmark_compares_any_two_models_on_the_same_tasks(finished, tiny_model, tmp_path):
    folder, _ = finished
    arguments = [
        *(sys.executable, "scripts/benchmark.py", "--models", f"base={tiny_model}", f"trained={folder / 'model'}"),
        *("--envs", "postgym/Weather-v0,postgym/WordProblems-v0", "--n", "6", "--difficulty", "0,0.2"),
        *("--max-new-tokens", "16", "--max-context", "480", "--precision", "float32", "--out", str(tmp_path / "out")),
    ]
    found = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=540)
    assert found.returncode == 0, found.stderr[-3000:]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary["stages"]) == ["base", "trained"]
    assert summary["stages"]["trained"]["overall"]["n"] == 6
    assert summary["comparisons"][0]["n"] == 6
    assert "trained - base" in found.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    again = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0
    assert "evaluate" not in again.stdout, "what is evaluated is not evaluated again"


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--models", "base"], "name=path"),
        (["--models", "a=/nowhere"], "/nowhere does not exist"),
        (["--envs", "postgym/Wether-v0"], "did you mean postgym/Weather-v0"),
        (["--difficulty", "high"], "--difficulty"),
        (["--n", "0"], "evaluation.tasks"),
    ],
)
def test_a_benchmark_of_nonsense_is_refused(tmp_path, extra, said):
    base = {"--models": "a=smollm2-135m-instruct", "--envs": "postgym/Weather-v0", "--out": str(tmp_path / "out")}
    words = [w for pair in (base | dict([extra])).items() for w in pair]
    found = subprocess.run(
        [sys.executable, "scripts/benchmark.py", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr
