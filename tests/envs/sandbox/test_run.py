"""Untrusted code for real: what it tries, and that the host is as before."""

import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.base import Task
from envs.sandbox import pool
from envs.sandbox.job import Job
from envs.sandbox.level import level
from envs.sandbox.pool import Pool
from envs.sandbox.result import read_result
from envs.sandbox.run import CallResult, Limits, Other, run_function, strictly_equal
from rewards.errors import EnvError
from rewards.transcript import Message, Transcript

SECRET = Path(__file__)


def one(code, argument=1, **limits):
    return run_function(code, "f", [[argument]], Limits(**limits))


def test_a_slow_start_costs_the_code_none_of_its_time(monkeypatch, tmp_path):
    shutil.copytree(Path(pool.__file__).parent, tmp_path, dirs_exist_ok=True)
    walls = tmp_path / "walls.py"
    walls.write_text(
        walls.read_text() + "\n_fast = raise_walls\nimport time\n"
        "def raise_walls(*a):\n    time.sleep(2.5)\n    return _fast(*a)\n"
    )
    monkeypatch.setattr(pool, "_ZYGOTE", tmp_path / "zygote.py")
    slow = Pool(1)
    for body, kind in (("return x", "ok"), ("while True: pass", "timeout")):
        job = Job(f"def f(x):\n    {body}", "f", [[1]], Limits(wall_seconds=2.0))
        assert read_result(slow.execute(job), 1).kind == kind
    slow.close()


def test_a_sandbox_that_does_not_start_is_no_verdict_on_the_code(monkeypatch, tmp_path):
    (tmp_path / "zygote.py").write_text("raise SystemExit(7)")
    monkeypatch.setattr(pool, "_ZYGOTE", tmp_path / "zygote.py")
    with pytest.raises(EnvError, match="died twice"):
        Pool(1).execute(Job("def f(x):\n    return x", "f", [[1]], Limits()))


def test_values_come_back_with_their_types():
    values = [1, 1.5, True, None, "é", [1, [2.0]], {"a": {"b": []}}, -0.0, 2**100]
    values += [(1, (2,)), set(), {1, "a"}, {1: {(1, 2): 3}}]
    code = "import ast\ndef f(x):\n    return ast.literal_eval(x)"
    result = run_function(code, "f", [["set()" if v == set() else repr(v)] for v in values])
    assert result.kind == "ok"
    assert all(strictly_equal(c.value, v) for c, v in zip(result.calls, values, strict=True))


@pytest.mark.parametrize("made", ["Counter('aab')", "defaultdict(int, a=2, b=1)", "OrderedDict(a=2, b=1)"])
def test_dicts_of_the_library_are_dicts(made):
    assert one(f"from collections import *\ndef f(x):\n    return {made}").calls[0].value == {"a": 2, "b": 1}


@pytest.mark.skipif(level().name != "full", reason=str(level()))
def test_all_walls_stand():
    walls = {"processes", "root", "network", "user", "landlock", "limits", "calls"}
    assert set(one("def f(x):\n    return x").layers) == walls


@pytest.mark.parametrize(
    "value",
    ["object()", "{(1, object())}", "type('E', (int,), {'__eq__': lambda s, o: True})(1)", "b'x'", "frozenset([1])"],
)
def test_what_is_no_plain_value_equals_nothing(value):
    found = one(f"def f(x):\n    return {value}").calls[0].value
    assert isinstance(found, Other) or any(isinstance(part, Other) for whole in found for part in whole)
    assert not strictly_equal(found, 1)
    assert not strictly_equal(found, {(1, 2)})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("def f(x:\n", "syntax"),
        ("x = 1", "runtime"),
        ("raise SystemExit(0)\ndef f(x):\n    return x", "runtime"),
        ("import os\nos._exit(0)", "killed"),
        ("import os\ndef f(x):\n    os._exit(0)", "killed"),
        ("def f(x):\n    while True: pass", "timeout"),
        ("while True: pass", "timeout"),
        ("import signal", "runtime"),
    ],
)
def test_how_a_program_ends_is_told_apart(code, kind):
    assert one(code, cpu_seconds=1).kind == kind


@pytest.mark.parametrize(
    "body",
    [
        f"return open({str(SECRET)!r}).read()",
        "return open('/etc/shadow').read()",
        "return open('/etc/passwd').read()",
        "return open('/proc/1/environ').read()",
        "return os.listdir('/etc')",
        "return os.listdir('/proc')",
        "return open('/tmp/postgym-escape', 'w').write('x')",
        "return os.fork()",
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['true'])",
        "assert ctypes.CDLL(None).system(b'true') == 0",
        "return os.kill(2, 0)",
        "os.setuid(0)",
        "return 'a' * (3 << 30)",
        "sys.exit(0)",
        "raise SystemExit",
        "return f(x)",
        "return os.environ['HOME']",
    ],
)
def test_an_attempt_to_leave_is_an_error_of_its_own_call(body):
    result = run_function(f"import ctypes, os, sys\ndef f(x):\n    {body}", "f", [[1]])
    assert result.kind == "ok"
    assert result.calls[0].error is not None, result.calls[0].value
    assert not Path("/tmp/postgym-escape").exists()


def test_raw_sockets_reach_nothing():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            "import ctypes\ndef f(port):\n"
            "    libc = ctypes.CDLL(None)\n"
            "    handle = libc.socket(2, 1, 0)\n"
            "    address = (2).to_bytes(2, 'little') + port.to_bytes(2, 'big') + bytes([127, 0, 0, 1]) + bytes(8)\n"
            "    return libc.connect(handle, address, 16)"
        )
        result = run_function(code, "f", [[port]])
        assert result.calls[0].value != 0
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


def test_expected_values_and_the_host_process_are_not_there_to_find():
    search = (
        "import gc, os, sys\ndef f(x):\n"
        "    frame, seen = sys._getframe(), []\n"
        "    while frame:\n        seen.append(repr(frame.f_locals)); frame = frame.f_back\n"
        "    seen += [repr(o) for o in gc.get_objects() if isinstance(o, (dict, list)) and len(o) < 100]\n"
        "    return [str(x // 3) in s for s in seen].count(True)"
    )
    secret = 31_415_926
    env = envs.make("postgym/Code-v0")
    target = {"name": "f", "tests": [{"arguments": [secret * 3], "expected": secret}]}
    task = Task(prompt=(Message("user", "q"),), target=target)
    # The argument is ten times the expected value: the search finds it as a digit string only if it is looser.
    answer = Transcript((Message("assistant", f"```python\n{search}\n```"),))
    evidence = env.evidence(task, answer)["tests"]
    assert evidence["kind"] == "ok"
    assert evidence["reasons"] == ["a test gave 0"]
    found = run_function(search.replace("str(x // 3)", "str(x)"), "f", [[secret]])
    assert found.calls[0].value > 0, "the search does find what was sent"


def test_endless_output_and_forged_results_count_for_nothing():
    flood = "import os\ndef f(x):\n    while True: os.write(x, b'x' * 65536)"
    forged = (
        "import os\ndef f(x):\n    for i in range(3, 32):\n"
        "        try: os.write(i, b'{\"passed\": true}\\n')\n        except OSError: pass\n    return 5"
    )
    for handle in range(3, 12):
        result = one(flood, handle, cpu_seconds=1)
        assert result.kind in ("output", "killed", "timeout", "ok")
        assert all(c.error is not None for c in result.calls)
    assert one(forged).kind == "output"


def test_a_full_disk_and_a_hundred_files_stay_inside_their_limits():
    code = "def f(x):\n    open('big', 'w').write('a' * (50 << 20))"
    assert "File too large" in one(code).calls[0].error
    code = "def f(x):\n    for i in range(100): open(str(i), 'w').write('a' * 1000000)"
    assert "No space left" in one(code).calls[0].error
    code = "def f(x):\n    return len([open(str(i), 'w') for i in range(100)])"
    assert "Too many open files" in one(code).calls[0].error


def test_a_program_that_ignores_signals_and_sleeps_is_gone_in_time():
    started = time.monotonic()
    code = "import ctypes, time\ndef f(x):\n    ctypes.CDLL(None).signal(15, 1)\n    time.sleep(60)"
    assert one(code, wall_seconds=0.5).kind == "timeout"
    assert time.monotonic() - started < 3


def test_nothing_is_left_behind():
    import psutil

    walls = [[], ["root"]] if level().name == "full" else [[]]  # scratch in memory, and on disk
    for without in walls:
        here = Pool(1, without)
        for body in ("open('a', 'w').write('x'); return 1", "return os.listdir('.')", "while True: pass"):
            job = Job(f"import os\ndef f(x):\n    {body}", "f", [[1]], Limits(wall_seconds=0.3))
            result = read_result(here.execute(job), 1)
            assert result.calls in ((), (CallResult(1),), (CallResult([]),))
        here.close()
        assert not list(Path("/tmp").glob("postgym-run-*"))
    assert not [p for p in psutil.Process().children(recursive=True) if p.status() == psutil.STATUS_ZOMBIE]


def test_it_works_from_many_threads_at_once():
    results = [None] * 8

    def work(i):
        results[i] = run_function("def f(x):\n    return x * x", "f", [[i]]).calls[0].value

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [i * i for i in range(8)]


def test_the_environment_of_the_host_is_not_passed_on(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    assert "SECRET_TOKEN" in os.environ
    assert one("import os\ndef f(x):\n    return len([k for k in os.environ if 'SECRET' in k])").calls[0].value == 0


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(PLAIN, PLAIN)
def test_strict_equality_is_equality_of_value_and_type(a, b):
    assert strictly_equal(a, a)
    if strictly_equal(a, b):
        assert repr(a) == repr(b) or a == b


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, True), (1, 1.0), ("True", True), (float("nan"), float("nan")), ([1], (1,)), ({1}, {True}), ({1: 2}, {1.0: 2})],
)
def test_near_misses_are_misses(a, b):
    assert not strictly_equal(a, b)
