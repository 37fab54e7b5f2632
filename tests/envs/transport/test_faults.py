"""Faults: what the model reads of them, which calls they strike, and settings that make no sense."""

import os
import subprocess
import sys

import pytest

import envs
from envs.tools import FAULT_KINDS
from envs.transport.faults import KINDS, Faults
from rewards.errors import ConfigError
from tests.envs.transport.worlds import ask, clocks


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("rate_limit", {"error": "rate_limited", "retry_after": 3}),
        ("server_error", {"error": "server_error"}),
        ("timeout", {"error": "timeout"}),
        ("malformed", {"error": "bad_response"}),
        ("changed_field", {"error": "bad_response"}),
    ],
)
def test_each_fault_is_an_error_with_a_type_and_at_most_two_come_in_a_row(kind, shown):
    env = clocks(rate=1, kinds=(kind,), retry_after=3, stall_seconds=0.01)
    env.reset(seed=0)
    first, second, third = ask(env, "a", "b", "c")
    assert shown.items() <= first.items()
    assert "again" in first["message"]
    assert first["error"] in FAULT_KINDS
    assert second == first
    assert third == {"hour": 7, "zone": "c"}


STRIKES = """
from envs.transport.faults import Faults
print([Faults(rate=0.3).strikes("task|train|7", i) for i in range(200)])
"""


def test_what_strikes_follows_from_the_task_and_the_number_of_the_call_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", STRIKES],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "77")
    }
    assert len(said) == 1
    struck = [Faults(rate=0.3).strikes("task|train|7", i) for i in range(200)]
    assert str(struck) == said.pop().strip()
    assert struck != [Faults(rate=0.3).strikes("task|train|8", i) for i in range(200)]


def test_calls_are_struck_at_the_rate_that_was_asked_for_and_in_every_way():
    faults = Faults(rate=0.2)
    struck = [faults.strikes(f"task {t}", i) for t in range(400) for i in range(20)]
    assert sum(kind is not None for kind in struck) / len(struck) == pytest.approx(0.2, abs=0.015)
    assert set(struck) == {None, *KINDS}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"transport": "pigeon"}, "'process' or 'http'"),
        ({"transport": "http", "faults": 1.5}, "faults.rate"),
        ({"transport": "http", "faults": {"rate": 0.1, "kinds": ["flood"]}}, "faults.kinds"),
        ({"faults": 0.2}, "needs transport='http'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        envs.make("postgym/Weather-v0", **settings)
