"""Code that tries to get out, to cheat or to do damage: none of it works, and its honest twin passes."""

import contextlib
import ctypes
import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from envs.base import Task
from envs.code import Code
from envs.sandbox.escapes import ATTEMPTS, LIMITS, PATIENT, TESTS, escaped, passes
from envs.sandbox.job import Job
from envs.sandbox.level import level
from envs.sandbox.pool import Pool
from envs.sandbox.result import read_result
from envs.sandbox.run import run_function
from rewards.code import passes_tests
from rewards.transcript import Message, Transcript

HOSTILE_RUNS = int(os.environ.get("POSTGYM_HOSTILE_RUNS", "100"))
OUTLIVES = 6.0  # seconds
TARGET = {"name": "f", "tests": [{"arguments": list(a), "expected": e} for a, e in TESTS]}


def attempt(code, limits=LIMITS):
    return run_function(code, "f", [arguments for arguments, _ in TESTS], limits)


def score(code):
    answer = Transcript((Message("assistant", f"```python\n{code}\n```"),))
    task = Task(prompt=(Message("user", "Square it."),), target=TARGET)
    return passes_tests(dataclasses.replace(answer, evidence=Code().evidence(task, answer)), TARGET)


@pytest.mark.parametrize("case", ATTEMPTS, ids=lambda case: case.name)
def test_nothing_gets_through_and_the_honest_twin_passes(case):
    result = attempt(case.code)
    assert not escaped(result), result
    honest = attempt(case.honest, PATIENT)
    assert passes(honest), honest


@pytest.mark.parametrize("line", ["14", "15", "16", "19", "20", "21", "22"])
def test_a_hostile_answer_scores_nothing_and_an_honest_one_everything(line):
    case = next(c for c in ATTEMPTS if c.name.startswith(line))
    assert score(case.code).value == 0
    assert score(case.honest).value == 1


def test_an_attempt_gets_through_where_there_are_no_walls():
    """The attempts are real: in an open process that holds expected values, they report what they reached."""
    harmless = (
        "15-every object",
        "15-frames",
        "21-fork bomb by clone",
        "21-memory without a name",
        "21-programs",
        "22-a socket of any kind",
        "22-environment",
        "22-home folders and the root",
        "22-the passwords",
    )
    for case in ATTEMPTS:
        if case.name in harmless:
            program = (
                f"{case.code}\ntests = [[n * n] for n in (1000003,)]\nexpected = tests[0][0]\nprint(f(5), flush=True)\n"
            )
            ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
            assert "escaped" in ended.stdout, (case.name, ended)


def test_servers_of_this_machine_hear_nothing(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "line"))
        abstract.bind("\0postgym-test")
        unix.listen()
        abstract.listen()
        addresses = [
            [2, 1, list(tcp.getsockname())],
            [2, 2, list(udp.getsockname())],
            [1, 1, unix.getsockname()],
            [1, 1, "\0postgym-test"],
        ]
        code = (
            "import socket\ndef f(family, kind, address):\n"
            "    s = socket.socket(family, kind)\n"
            "    s.connect(tuple(address) if family == 2 else address)\n    s.send(b'x')\n    return 'escaped'"
        )
        for without in ([], ["calls"], ["network", "landlock"]) if level().name == "full" else [[]]:
            pool = Pool(1, without)
            said = pool.execute(Job(code, "f", addresses, LIMITS))
            assert {c.value for c in read_result(said, len(addresses)).calls} == {None}, without
            pool.close()
        for server in (tcp, udp, unix, abstract):
            server.settimeout(0.05)
            with pytest.raises(TimeoutError):
                server.recv(1) if server is udp else server.accept()


def test_the_memory_of_this_process_is_out_of_reach_by_its_number():
    code = (
        "import ctypes, os, struct\ndef f(pid, address):\n    libc = ctypes.CDLL(None)\n"
        "    room = ctypes.create_string_buffer(8)\n"
        "    ours, theirs = struct.pack('PN', ctypes.addressof(room), 8), struct.pack('PN', address, 8)\n"
        "    if libc.process_vm_readv(pid, ours, 1, theirs, 1, 0) > 0 or libc.ptrace(16, pid, 0, 0) == 0:\n"
        "        return 'escaped'\n"
        "    try:\n        os.kill(pid, 0)\n        return 'escaped'\n    except OSError:\n        pass\n"
        "    with open(f'/proc/{pid}/mem', 'rb') as file:\n        file.seek(address)\n"
        "        return ['escaped', file.read(8)]"
    )
    secret = ctypes.create_string_buffer(b"31415926")
    fewer = [["calls"], ["processes", "calls"], ["root", "processes", "landlock", "network"]]
    for without in [[], *(fewer if level().name == "full" else [])]:
        pool = Pool(1, without)
        said = pool.execute(Job(code, "f", [[os.getpid(), ctypes.addressof(secret)]], LIMITS))
        assert read_result(said, 1).calls[0].value is None, without
        pool.close()


def test_one_run_leaves_nothing_for_the_next():
    leave = (
        "import builtins, json, os, sys\ndef f(x):\n    builtins.note = x; sys.note = x; json.note = x\n"
        "    open('note', 'w').write('x'); os.environ['note'] = 'x'\n    return 1"
    )
    find = (
        "import builtins, gc, json, os, sys\ndef f(x):\n"
        "    left = [hasattr(m, 'note') for m in (builtins, sys, json)]\n"
        "    held = [o for o in gc.get_objects() if isinstance(o, dict) and o.get('n' + 'ote')]\n"
        "    return [any(left), os.listdir('.'), 'note' in os.environ, len(held)]"
    )
    for _ in range(4):
        assert run_function(leave, "f", [[1]]).calls[0].value == 1
        assert run_function(find, "f", [[1]]).calls[0].value == [False, [], False, 0]


def test_the_host_is_unharmed_after_many_hostile_runs_in_a_row():
    before = _settled()
    through = []
    for i in range(HOSTILE_RUNS):
        case = ATTEMPTS[i * 7 % len(ATTEMPTS)]
        if escaped(attempt(case.code)):
            through.append(case.name)
    assert through == []
    assert passes(attempt(ATTEMPTS[0].honest, PATIENT))
    time.sleep(OUTLIVES)
    assert _settled(before) == before


def _settled(expected=None):
    """The host once it is as expected (or stays the same), at most 20 s on: the pool's own processes come and go."""
    attempt(ATTEMPTS[0].honest, PATIENT)
    found = None
    for _ in range(40):
        last, found = found, _host()
        if found == (expected or last):
            break
        time.sleep(0.5)
    return found


def _host():
    """What a hostile run could have changed."""
    us = psutil.Process()
    return {
        "our open files": us.num_fds(),
        "our threads": threading.active_count(),
        "our processes": len(us.children(recursive=True)),
        "left behind": [p for folder in ("/tmp", "/dev/shm", "/") for p in Path(folder).glob("postgym-[er]*")],
        "zombies": [p.pid for p in us.children(recursive=True) if p.status() == psutil.STATUS_ZOMBIE],
        "strays": _strays(),
    }


def _strays():
    """Processes of the sandbox's users that outlive a run, but for the one that a zygote keeps for the next."""
    found = []
    for process in psutil.process_iter(["uids", "pid"]):
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            old = time.time() - process.create_time() > OUTLIVES  # a younger one may be of a run beside these
            if (
                old
                and process.uids().real > 60_000
                and (parent is None or parent.uids().real > 60_000 or "zygote.py" not in " ".join(parent.cmdline()))
            ):
                found.append(process.pid)
    return found
