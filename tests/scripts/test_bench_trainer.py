"""What both sides of the trainer's benchmark are given, and how what they did is compared."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from rollout.models import load_renderer
from scripts.bench.curves import holm, paired
from scripts.bench.processes import in_fresh_process, in_own_process
from scripts.bench.ratios import compare
from scripts.bench.steps import SmallLetters, StepSize, _same_ids, make_small_model, small_letters, tasks_of
from scripts.bench.updates import Size, _given_completions, make_groups, rows_at_once

OPTIONS = Size(2, 3, 7, 4, 9)


def test_both_sides_learn_from_the_same_ids_and_rewards_in_whatever_order_prompts_come():
    groups = make_groups(OPTIONS)
    assert [t.sampled_tokens for t in groups[0].trajectories] == [4, 6, 9]
    given = _given_completions(groups, ["1", "0", "1", "0", "0", "1"], None)
    theirs = sorted(zip(*given.values(), strict=True), key=str)
    ours = [
        (t.token_ids[:7].tolist(), t.token_ids[7:].tolist(), t.logprobs[7:].tolist(), t.score.value)
        for group in groups
        for t in group.trajectories
    ]
    assert theirs == sorted(ours, key=str)


def test_the_same_options_make_the_same_round():
    first, second = (make_groups(OPTIONS)[1].trajectories[2] for _ in range(2))
    assert first.token_ids.tolist() == second.token_ids.tolist()
    assert first.score == second.score


@pytest.mark.parametrize(
    ("group", "row", "at_once", "expected"),
    [
        (8, 476, 16_384, 8),
        (8, 476, 3000, 4),
        (4, 100, 16_384, 4),
        (6, 100, 16_384, 2),
        (16, 4064, 16_384, 4),
        (3, 9, 9, 1),
    ],
)
def test_a_micro_batch_of_trl_is_its_default_where_that_fits(group, row, at_once, expected):
    assert rows_at_once(group, row, at_once) == expected


def test_both_sides_play_the_same_prompts_token_for_token(tmp_path, default_model):
    size = StepSize(prompts=2, group_size=2, words=9, new_tokens=8, learning_rate=1e-3)
    first, again = (tasks_of(size, 3, seed=1) for _ in range(2))
    assert first == again
    assert len({t.prompt for step in first for t in step}) == 6
    assert len({t.id for step in first for t in step}) == 6, "episodes are seeded by it"
    for model in (default_model, make_small_model(tmp_path, default_model)):
        renderer = load_renderer(model)
        ids = renderer.prompt_ids(first[0][0].prompt, ())
        assert renderer.tokenizer(_same_ids(renderer, first[0][0]))["input_ids"] == ids
        assert "Go on: " in renderer.tokenizer.decode(ids)
    (((asked, _),),) = (tasks_of(replace(size, ask="{} Which is a metal?"), 1, seed=1),)
    assert asked.prompt[0].content == first[0][0].prompt[0].content.removeprefix("Go on: ") + " Which is a metal?"


def test_the_world_asks_as_a_step_does_unless_it_is_told_otherwise():
    assert SmallLetters().sample_task(0).prompt[0].content.startswith("Go on: ")


def test_small_letters_pay_by_their_share():
    assert small_letters("") == 0
    assert small_letters("Aeb1") == 0.5
    assert small_letters("Aeb1<|im_start|>") == 0.5


@pytest.mark.parametrize(("seeds", "quantile"), [(3, 4.30265), (5, 2.77645), (11, 2.22814)])
def test_the_interval_is_student_s_and_touches_zero_where_p_is_5_percent(seeds, quantile):
    """Two-sided 5% points of the t distribution, from its printed tables."""
    noise = np.random.default_rng(0).normal(size=seeds)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * np.sqrt(seeds)  # its mean has a standard error of 1
    found = paired((noise + quantile)[:, None], np.zeros((seeds, 1)))
    assert found.p == pytest.approx(0.05, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0, 2 * quantile), abs=1e-3)


def test_curves_that_differ_are_told_apart_and_equal_ones_are_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (2, 5, 20))
    alike = paired(0.5 + noise[0], 0.5 + noise[1])
    apart = paired(0.6 + noise[0], 0.5 + noise[1])
    assert (alike.p > 0.05, alike.steps_apart) == (True, 0)
    assert (apart.p < 0.001, apart.steps_apart > 10) == (True, True)
    same = paired(noise[0], noise[0])
    assert (same.p, same.difference) == (1, 0)


def test_holm_corrects_as_in_a_worked_example():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(("seconds", "counted"), [(1e9, 3), (0.0, 1)])
def test_a_dear_comparison_is_repeated_less_often_and_says_so(seconds, counted):
    found = compare("x", lambda: 1.0, lambda: 2.0, "y", "s", 3, higher_is_better=False, seconds=seconds)
    assert (found.repeats, found.ratio) == (counted, 2)


@pytest.mark.parametrize(("cold_seconds", "measured"), [(120, 4), (-1, 3)])
def test_a_first_round_counts_where_it_was_so_long_that_most_of_it_was_warm(monkeypatch, cold_seconds, measured):
    monkeypatch.setattr("scripts.bench.ratios._COLD_SECONDS", cold_seconds)
    taken = []
    assert compare("x", lambda: taken.append(0) or 1.0, lambda: 2.0, "y", "s", 3).repeats == 3
    assert len(taken) == measured


def counted_turns():
    """A side that tells its process and how often it had its turn."""
    turns = itertools.count(1)
    return lambda: os.getpid() + next(turns) / 10


def test_each_side_lives_in_a_process_of_its_own_from_its_first_turn_to_its_last():
    with in_own_process(counted_turns) as ours, in_own_process(counted_turns) as theirs:
        found = [(ours(), theirs()) for _ in range(3)]
    (mine,), (other,) = ({int(turn) for turn in side} for side in zip(*found, strict=True))
    assert len({mine, other, os.getpid()}) == 3
    assert [round(turn % 1, 1) for turn, _ in found] == [0.1, 0.2, 0.3]


def failing():
    raise OSError("no room")


def test_a_side_that_fails_is_told(capfd):
    with in_own_process(failing) as ours, pytest.raises(RuntimeError, match="exit code 1: see above"):
        ours()
    assert "no room" in capfd.readouterr().err


def cut_off():
    raise EOFError("cut off")


def test_a_measurement_that_fails_is_told_even_if_by_what_ends_the_calls(capfd):
    with pytest.raises(RuntimeError, match="exit code 1: see above"):
        in_fresh_process(cut_off)
    assert "cut off" in capfd.readouterr().err


KILLED = """
import os, signal
from scripts.bench.processes import in_own_process
from tests.scripts.test_bench_trainer import counted_turns

if __name__ == "__main__":
    with in_own_process(counted_turns) as side:
        print(int(side()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_side_outlives_a_benchmark_that_is_killed(tmp_path):
    """They hold gigabytes."""
    (tmp_path / "killed.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, tmp_path / "killed.py"], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    ends = time.monotonic() + 30
    while lives(int(done.stdout)):
        assert time.monotonic() < ends
        time.sleep(0.1)


def lives(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
