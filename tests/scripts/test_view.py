"""The view command: its address, its errors, and its end."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run_folder(made_run):
    return made_run.folder


def command(*arguments):
    return [sys.executable, "scripts/view.py", *map(str, arguments)]


def refused(*arguments):
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_it_says_its_address_serves_this_machine_alone_and_ends_with_ctrl_c(run_folder):
    asked = command(run_folder, "--port", 0, "--no-browser")
    process = subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().split(" at ")[1].split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}api/run") as answer:
            assert json.load(answer)["name"] == "made"
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err
    assert process.returncode in (0, 130)


def test_a_taken_port_is_one_clear_line(run_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = refused(run_folder, "--no-browser", "--port", port)
    assert found.returncode == 2
    assert found.stderr.startswith(f"error: can't listen on 127.0.0.1:{port}")
    assert "choose another with --port" in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("extra", [[], ["--terminal"]])
def test_a_folder_that_is_no_run_is_named(tmp_path, extra):
    found = refused(tmp_path / "nothing", "--no-browser", *extra)
    assert found.returncode == 2
    assert "nothing is no run's folder" in found.stderr


def test_the_terminal_view_prints_once_into_a_pipe(run_folder):
    found = refused(run_folder, "--terminal")
    assert found.returncode == 0, found.stderr
    assert "round 3 of 40" in found.stdout
    assert "newest episodes" in found.stdout
