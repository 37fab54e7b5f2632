"""Shell scripts behind the same walls: they work as scripts do, and reach nothing."""

import time

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.sandbox.run import Limits, run_shell
from rewards.errors import EnvError


def test_a_script_prints_works_on_its_files_and_says_how_it_ended():
    before = {"notes/a.txt": "one\ntwo\n", "empty/": ""}
    ran = run_shell("wc -l < notes/a.txt; sort -r notes/a.txt > b; rm notes/a.txt; echo no >&2; exit 3", before)
    assert (ran.kind, ran.status, ran.output) == ("ok", 3, "2\nno\n")
    assert ran.files == {"notes/": "", "empty/": "", "b": "two\none\n"}


def test_the_next_script_goes_on_where_the_last_ended():
    first = run_shell("mkdir -p work/deep && cd work/deep && echo hi > note")
    assert first.folder == "work/deep"
    second = run_shell("cat note; cd ../..; ls", first.files, first.folder)
    assert (second.output, second.folder) == ("hi\nwork\n", ".")


def test_pipes_programs_and_python_work():
    ran = run_shell("printf '3\\n1\\n2\\n' | sort | awk '{s += $1} END {print s}'; python3 -c 'print(6 * 7)' || true")
    assert ran.output.startswith("6\n")
    assert ran.status == 0


def test_files_are_changed_in_place_without_a_complaint():
    ran = run_shell("sed -i s/one/two/ a; cp -p a b; chmod +x b; mv b c; install -m 644 a d; ls", {"a": "one\n"})
    assert (ran.output, ran.files) == ("a\nc\nd\n", {"a": "two\n", "c": "two\n", "d": "two\n"})


def test_errors_count_lines_from_the_first():
    assert "line 1" in run_shell("nosuchprogram").output
    ran = run_shell("echo a\nif true")
    assert ran.status != 0


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", "a\0b"])
def test_files_that_lead_out_are_refused(path):
    with pytest.raises(EnvError, match="path"):
        run_shell("true", {path: "x"})


@pytest.mark.parametrize(
    "script",
    [
        "cat /etc/passwd /etc/shadow /proc/1/environ /proc/self/environ",
        "ls /home /proc /var /opt /old",
        "echo x > /tmp/postgym-escape; echo x > /usr/bin/postgym-escape; echo x > /postgym-escape",
        "exec 5<>/dev/tcp/127.0.0.1/22 && echo escaped",
        "unshare -r true && echo escaped; unshare -n true && echo escaped; chroot . && echo escaped",
        "mount -t tmpfs none . && echo escaped; su -c true && echo escaped; sudo -n true && echo escaped",
        "ln -s /etc/shadow link && cat link; ln /etc/shadow hard && echo escaped",
        "cp /bin/sh mine && chmod 4755 mine && ./mine -c 'echo escaped'",
        "env | grep -v -E '^(PATH|HOME|TMPDIR|LC_ALL|PWD|SHLVL|OLDPWD|_)='",
        'printf \'{"value": "escaped"}\\n\' >&3',
    ],
)
def test_nothing_outside_is_read_written_or_reached(script):
    ran = run_shell(script)
    assert ran.kind == "ok"
    for sign in ("escaped\n", "root:x", "root:*", "HOME=/root", "\nuid=0"):
        assert sign not in ran.output, ran.output
    assert not [line for line in ran.output.splitlines() if "=" in line and "environ" not in line and ":" not in line]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (":(){ :|:& };:", None),
        ("while true; do :; done", None),
        ("trap '' TERM INT HUP; sleep 1000", "timeout"),
        ("(setsid sleep 1000 &) ; (nohup sleep 1000 &); echo gone", "ok"),
        ("yes > big", "output"),
        ("yes", None),
        ("for i in $(seq 100000); do echo x > f$i || break; done", None),
        ("head -c 400000 /dev/urandom > much", "output"),
        ("kill -9 -1; kill -9 1", None),
        ("python3 -c 'a = bytearray(2 << 30); print(\"escaped\")'", "ok"),
    ],
)
def test_more_than_its_share_is_not_to_be_had_and_nothing_stays(script, kind):
    started = time.time() - 0.1
    wall_seconds = 8.0 if kind in ("ok", "output") else 1.5  # a busy machine isn't the script's fault
    limits = Limits(cpu_seconds=1, wall_seconds=wall_seconds, memory_bytes=256 << 20)
    ran = run_shell(script, {"kept": "x"}, limits=limits)
    assert time.time() - started < 15
    assert kind in (None, ran.kind), ran
    assert "escaped" not in ran.output
    assert len(ran.output) <= 100_000
    assert "kept" in ran.files
    time.sleep(0.1)
    assert not _left_over(started)
    assert run_shell("echo fine").output == "fine\n"


def _left_over(started):
    """Programs of the sandbox's users since then that are still there once nothing may run any more."""
    found = []
    for process in psutil.process_iter(["name", "uids", "create_time"]):
        ours = process.info["uids"] and process.info["uids"].real > 60_000 and process.info["create_time"] >= started
        if ours and process.info["name"] in ("sleep", "yes", "bash", "sh"):
            found.append(process)
    return psutil.wait_procs(found, timeout=5)[1]  # of a run beside this one, they end by themselves


NAMES = st.text("abc é", min_size=1, max_size=5).map(lambda s: s.strip() or "n")


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_files_come_back_as_they_went_in(files):
    assert run_shell("true", files).files == files


def test_bytes_that_are_no_text_survive_a_round():
    first = run_shell("printf '\\377\\000\\376' > raw")
    assert run_shell("od -An -tx1 raw", first.files).output == " ff 00 fe\n"
