import io
import json
import subprocess
import sys

from rich.console import Console

from trainer.logs import Display, MetricsLog, PhaseLog, read_metrics


def test_metrics_of_steps_that_will_be_repeated_are_dropped(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in range(4):
        log.write({"step": step, "reward_mean": step / 10})
    log = MetricsLog(tmp_path, 2)
    log.write({"step": 2, "reward_mean": 0.9})
    assert [(r["step"], r["reward_mean"]) for r in read_metrics(tmp_path / "metrics.jsonl")] == [
        (0, 0.0),
        (1, 0.1),
        (2, 0.9),
    ]


def test_a_line_cut_by_a_kill_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 1, "rew')
    assert read_metrics(path) == [{"step": 0}]
    assert path.read_text().endswith('"rew'), "a reader changes nothing: the run may be writing"
    MetricsLog(tmp_path, 1)
    assert path.read_text() == '{"step": 0}\n'


def test_phase_times_add_up_over_interruptions(tmp_path):
    for _ in range(2):
        log = PhaseLog(tmp_path)
        try:
            with log.measure("grpo"):
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
    first = json.loads((tmp_path / "phases.json").read_text())["grpo"]["seconds"]
    assert PhaseLog(tmp_path).summary()[0]["seconds"] == first
    assert PhaseLog(tmp_path).summary()[0]["peak_memory_gb"] > 0


def test_memory_sees_what_this_process_holds():
    # In a process of its own: the test session's Ray workers grow and shrink meanwhile.
    code = """
import subprocess, sys, time, numpy as np
from trainer.logs import memory_gb
before = memory_gb()
held = np.ones(2**26)  # 512 MiB
own = memory_gb() - before
hold = "import sys, numpy as np; held = np.ones(2**26); print(flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
time.sleep(1.1)
print(own, memory_gb() - before - own)
child.communicate()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own, of_child = map(float, done.stdout.split())
    assert 0.49 < own < 0.6
    assert 0.49 < of_child < 0.6


def test_progress_outside_a_terminal_is_plain_lines(capsys):
    display = Display(Console(width=200, force_terminal=False))
    with display.bar("grpo", 3, done=1, lines=True) as bar:
        bar.advance("reward 0.5")
    out = capsys.readouterr().out
    assert "grpo 2/3  reward 0.5" in out
    assert "left" in out


def test_a_bar_tells_in_a_terminal_what_goes_on_and_a_log_file_is_spared_it():
    for terminal in (True, False):
        out = io.StringIO()
        with Display(Console(file=out, force_terminal=terminal, width=150)).bar("grpo", 3, lines=True) as bar:
            bar.tell("3 episodes  errors: 1 hung")
        assert ("3 episodes  errors: 1 hung" in out.getvalue()) == terminal
        assert bar.done == 0
