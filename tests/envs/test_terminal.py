"""Terminal: for every job the shell and Python come to the same files, and only the files count."""

import random

import pytest

import envs
from envs.proof import play
from envs.sandbox.run import run_shell
from envs.terminal_jobs import JOBS, make_files, quoted
from rewards.transcript import Message, ToolCall


def plain(files):
    return {path: text for path, text in files.items() if not path.endswith("/")}


@pytest.mark.parametrize(("start", "make"), JOBS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_shell_and_python_come_to_the_same_files(start, make):
    rng, changed = random.Random(make.__name__), 0
    for i in range(12):
        files = make_files(rng, start + (1 - start) * i / 11)
        job = make(rng, files)
        ran = run_shell(job.command, files)
        assert ran.kind == "ok", ran
        if job.after:
            assert plain(ran.files) == job.after, (job, ran.output)
        changed += job.after != files
    assert changed > 3


def test_names_with_blanks_come_with_difficulty():
    assert not any(" " in path for i in range(50) for path in make_files(random.Random(i), 0.4))
    assert any(" " in path for i in range(10) for path in make_files(random.Random(i), 1.0))
    assert quoted("a/my list.txt") == "'a/my list.txt'"
    assert quoted("a/b-c.txt") == "a/b-c.txt"


def test_jobs_come_one_after_another_and_each_changes_something():
    env = envs.make("postgym/Terminal-v0")
    for level, least, most in ((0.0, 1, 1), (0.5, 2, 2), (1.0, 3, 4)):
        counts = {len(env.sample_task(i, difficulty=level).meta["commands"]) for i in range(60)}
        assert min(counts) >= least
        assert max(counts) <= most
    for seed in range(30):
        task = env.sample_task(seed)
        assert task.target["state"] != task.meta["files"]


def test_the_shell_keeps_files_and_folder_and_tells_what_failed():
    env = envs.make("postgym/Terminal-v0")
    env.reset(seed=1)

    def run(command):
        (message,), *_ = env.step(Message("assistant", "", (ToolCall("shell", {"command": command}, "c"),)))
        return message.content

    assert '"status": 0' in run("mkdir -p deep && cd deep && echo hi > note")
    assert "hi" in run("cat note; pwd")
    assert '"status": 1' in run("false")
    assert "timeout" in run("sleep 60")
    assert "hi" in run("cat note")
    assert "(5000 characters)" in run("printf '%05000d' 7")
    assert "null character" in run("echo \x00")


def test_another_way_to_the_same_files_counts_and_a_file_too_many_does_not():
    env = envs.make("postgym/Terminal-v0")
    task = env.sample_task(4)
    made = [f"mkdir -p {quoted(p.rpartition('/')[0] or '.')}; printf '%s' {text!r} > {quoted(p)}"
            for p, text in task.target["state"].items()]  # fmt: skip
    gone = [f"rm -f {quoted(p)}" for p in task.meta["files"]]
    script = "\n".join(gone + [line.replace("\\n", "\n") for line in made])

    def act(messages):
        first = messages[-1].role == "user"
        return Message("assistant", "", (ToolCall("shell", {"command": script}, "c"),)) if first else "Done."

    score = play(env, task, act)[1]
    assert score.value == 1, score.reason
    script += "\ntouch more"
    assert play(env, task, act)[1].value == 0
