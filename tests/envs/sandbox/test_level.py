"""Which walls a machine has, what stands in for them, and sandboxes on other hosts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envs.sandbox import level as levels
from envs.sandbox.containers import Bubblewrap, Gvisor
from envs.sandbox.escapes import ATTEMPTS, LIMITS, PATIENT, TESTS, escaped, passes
from envs.sandbox.job import Job, Limits, Said
from envs.sandbox.level import level, probe
from envs.sandbox.pool import Pool
from envs.sandbox.remote import Remote, make_server
from envs.sandbox.result import read_result
from envs.sandbox.run import run_function, run_shell
from rewards.errors import EnvError
from tests.serving import served

ROOT = Path(__file__).parents[3]
SQUARE = "def f(x):\n    return x * x"
SOME = ("15-frames", "16-os._exit", "19-results forged", "21-2 GB", "21-an endless loop", "22-a socket of any kind")
SOME += (
    "22-the passwords",
    "22-writing outside",
    "22-home folders and the root",
    "21-endless output",
    "22-environment",
)


def attempt(backend, code, limits=LIMITS):
    job = Job(code, "f", [arguments for arguments, _ in TESTS], limits)
    return read_result(backend.execute(job), len(TESTS))


needs_full = pytest.mark.skipif(level().name != "full", reason=str(level()))


def test_the_level_of_this_machine_is_said():
    assert level().name in ("full", "reduced", "bubblewrap", "gvisor")
    assert str(level()).startswith(f"sandbox: {level().name} ({level().backend.name}; walls: ")


@needs_full
@pytest.mark.parametrize(
    ("without", "name"),
    [((), "full"), (("landlock",), "reduced"), (("root", "network"), "reduced"), (("calls",), "reduced")],
)
def test_a_missing_wall_is_said(without, name):
    pool = Pool(1, without)
    found = probe(pool)
    assert found.name == name
    assert not set(without) & set(found.layers)
    pool.close()


@needs_full
@pytest.mark.parametrize("without", [("root", "landlock"), ("network", "calls", "landlock")])
def test_without_the_minimum_it_refuses(without):
    pool = Pool(1, without)
    with pytest.raises(EnvError, match=r"reached|only these walls"):
        probe(pool)
    pool.close()


def test_the_first_that_works_is_taken_and_nothing_runs_where_none_does(monkeypatch):
    class Broken:
        name = "native"

        def execute(self, job):
            return Said(b"", False, 1)

    monkeypatch.setattr(levels, "_chosen", {})
    monkeypatch.setattr(levels, "_BACKENDS", {"native": Broken, "bubblewrap": Broken})
    with pytest.raises(EnvError, match=r"nothing here walls untrusted code off.*native: .*bubblewrap: .*unsafe"):
        level()
    monkeypatch.setattr(levels, "_BACKENDS", {"native": Broken, "gvisor": Pool})
    assert level().backend.name == "native"
    monkeypatch.setenv("POSTGYM_SANDBOX", "unsafe")
    assert level().name == "unsafe"


@pytest.mark.parametrize(("backend", "program"), [(Bubblewrap, "bwrap"), (Gvisor, "runsc")])
def test_the_stand_ins_hold_too(backend, program):
    if shutil.which(program) is None:
        with pytest.raises(EnvError, match=f"{program} is not installed"):
            backend()
        pytest.skip(f"{program} is not installed")
    try:
        found = probe(backend())
    except EnvError as error:
        pytest.skip(f"{program} does not work here: {error}")
    assert found.name == backend.name
    for case in ATTEMPTS:
        if case.name in SOME:
            assert not escaped(attempt(found.backend, case.code)), case.name
            assert passes(attempt(found.backend, case.honest, PATIENT)), case.name
    job = Job("echo $((6 * 7)) > a; cat a b", "", [], Limits(), True, {"b": "there\n"})
    ran = read_result(found.backend.execute(job), 1).calls[0].value
    assert (ran["status"], ran["output"], ran["files"]) == (0, "42\nthere\n", {"a": "42\n", "b": "there\n"})


AS_A_USER = """
from envs.sandbox.escapes import ATTEMPTS, LIMITS, PATIENT, TESTS, escaped, passes
from envs.sandbox.level import level
from envs.sandbox.run import run_function, run_shell
print(level())
for case in ATTEMPTS[::3]:
    runs = ((case.code, LIMITS), (case.honest, PATIENT))
    hostile, honest = (run_function(code, "f", [a for a, _ in TESTS], limits) for code, limits in runs)
    assert not escaped(hostile), case.name
    assert passes(honest), (case.name, honest)
assert run_function("import numpy\\ndef f(x):\\n    return int(numpy.square(x))", "f", [[3]]).calls[0].value == 9
assert run_shell("cat a > b", {"a": "x"}).files == {"a": "x", "b": "x"}
"""


def test_an_ordinary_user_has_walls_too():
    if os.geteuid() != 0:
        pytest.skip("all of these tests run as one")
    python = f"/usr/bin/python3.{sys.version_info.minor}"
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])
    as_user = {"user": 1000, "group": 1000, "extra_groups": [], "cwd": "/", "capture_output": True, "text": True}
    as_user["env"] = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"}
    try:
        subprocess.run([python, "-c", "import envs, numpy"], check=True, **as_user)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no interpreter that another user may start: {error}")
    ended = subprocess.run([python, "-c", AS_A_USER], timeout=500, **as_user)
    if "nothing here walls untrusted code off" in ended.stderr:
        pytest.skip("another user has no namespaces here, nor bubblewrap: refused")
    assert ended.returncode == 0, ended.stderr
    assert "processes" in ended.stdout


def test_a_sandbox_on_another_host_gives_the_same(monkeypatch):
    here = level().backend
    with served(make_server(here, "secret")) as url:
        monkeypatch.setenv("POSTGYM_SANDBOX_TOKEN", "secret")
        monkeypatch.setenv("POSTGYM_SANDBOX", url)
        assert level().name == "remote"
        values = [1.5, True, None, [float("inf")], "é"]
        found = run_function("def f(x):\n    return x", "f", [[v] for v in values])
        assert [c.value for c in found.calls] == values
        assert run_shell("cat a; cd b", {"a": "x", "b/": ""}).folder == "b"
        for case in ATTEMPTS:
            if case.name in SOME:
                assert not escaped(attempt(level().backend, case.code)), case.name


def test_hosts_share_the_load_and_stand_in_for_each_other(monkeypatch):
    class Counting:
        name = "native"

        def __init__(self):
            self.jobs = 0

        def execute(self, job):
            self.jobs += 1
            return level().backend.execute(job)

    first, second = Counting(), Counting()
    monkeypatch.delenv("POSTGYM_SANDBOX_TOKEN", raising=False)
    job = Job(SQUARE, "f", [[3]], Limits())
    with served(make_server(first)) as a, served(make_server(second)) as b:
        pool = Remote([a, b])
        for _ in range(6):
            assert read_result(pool.execute(job), 1).calls[0].value == 9
        assert (first.jobs, second.jobs) == (3, 3)
        one_is_gone = Remote([a, "http://127.0.0.1:9"])
        for _ in range(4):
            assert read_result(one_is_gone.execute(job), 1).calls[0].value == 9
    with pytest.raises(EnvError, match=r"no sandbox server answers: http://127\.0\.0\.1:9: Connect"):
        Remote(["http://127.0.0.1:9"]).execute(job)


def test_a_server_turns_away_strangers_and_nonsense(monkeypatch):
    import httpx

    with served(make_server(level().backend, "secret")) as url:
        monkeypatch.setenv("POSTGYM_SANDBOX_TOKEN", "guess")
        with pytest.raises(EnvError, match="401"):
            Remote([url]).execute(Job(SQUARE, "f", [[3]], Limits()))
        ours = {"Authorization": "Bearer secret"}
        assert httpx.post(f"{url}/run", headers=ours, content=b"{").status_code == 422
        assert httpx.post(f"{url}/run", headers=ours, json={"code": 1}).status_code == 422
        assert httpx.get(f"{url}/health").json()["backend"] == "native"


def test_the_server_script_wants_a_token_where_others_can_reach_it():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTGYM")}
    command = [sys.executable, "scripts/sandbox_server.py", "--host", "0.0.0.0", "--port", "0"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "POSTGYM_SANDBOX_TOKEN" in ended.stderr
