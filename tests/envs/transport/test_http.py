"""Tools over HTTP: the same episodes as in process, faults that strike on the way, and agents that meet them."""

import json
import os
import pickle
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pydantic import BaseModel

import envs
from envs.base import Task, TextEnv
from envs.proof import play, prove
from envs.tools import FAULT_KINDS, ToolError, make_tool, tool, tools_of
from envs.transport import server as serving
from envs.transport.client import Http
from envs.transport.faults import KINDS, Faults
from envs.transport.retrying import retrying
from rewards.errors import ConfigError, EnvError
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message, ToolCall

OPTIONS = {"postgym/WordProblems-v0": {"calculator": True}}


def tool_environments() -> list[str]:
    """All environments that have tools, those found by their first task."""
    found = [i for i in envs.known_ids() if envs.make(i).make_tools(envs.make(i).sample_task(0))]
    return sorted({*found, *OPTIONS})


IDS = tool_environments()


def over_http(env_id: str, **settings) -> TextEnv:
    return envs.make(env_id, transport="http", **OPTIONS.get(env_id, {}), **settings)


def tasks_of(env: TextEnv, n: int) -> list[Task]:
    return [env.sample_task(i, "test" if i % 2 else "train", i / (n - 1)) for i in range(n)]


def test_the_environments_with_tools_are_found():
    assert {"postgym/Weather-v0", "postgym/Search-v0", "postgym/CodeDebug-v0", "postgym/Terminal-v0"} <= set(IDS)


@pytest.mark.parametrize("env_id", IDS)
def test_without_faults_an_episode_is_the_same_as_in_process(env_id):
    here, there = envs.make(env_id, **OPTIONS.get(env_id, {})), over_http(env_id)
    for task in tasks_of(here, 4):
        assert play(there, task, here.expert(task)) == play(here, task, here.expert(task))


@pytest.mark.parametrize("env_id", IDS)
def test_an_expert_that_retries_earns_everything_whatever_strikes(env_id):
    env = over_http(env_id, faults=Faults(rate=0.6, stall_seconds=0.01))
    struck = 0
    for task in tasks_of(env, 10):
        seen, score = play(env, task, retrying(env.expert(task)))
        assert score.value == 1, score.reason
        struck += sum(record.fault for record in seen.calls)
    assert struck


def test_a_retrying_expert_lasts_through_the_worst_that_can_strike():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=1, kinds=("server_error",)), difficulty=1)
    task = env.sample_task(3)
    seen, score = play(env, task, retrying(env.expert(task)))
    assert sum(record.fault for record in seen.calls) == 2 * task.target["calls"]
    assert score.value == 1


def test_the_proof_holds_over_http_with_faults_and_no_cheat_profits_from_them():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=0.3, stall_seconds=0.01), difficulty=0.1)
    rows = prove(env, n=6, n_null=2)
    assert [row for row in rows if not row.ok] == []


# What the model sees.


class Clock:
    @tool
    def time(self, zone: str) -> dict:
        """The time somewhere."""
        if zone == "crash":
            raise RuntimeError("the spring is broken")
        if zone == "nowhere":
            raise ToolError("unknown_zone", "no zone 'nowhere'", {"zones": ["here"]})
        return {"hour": 7, "zone": zone}


class Clocks(TextEnv):
    """Says what time it is."""

    id = "test/Clocks-v0"
    max_turns = 2
    rubric = Rubric([Criterion("seven", lambda t, g: Score(float(final_answer(t.answer) == "7"), "seven or not"))])

    def generate(self, rng, difficulty):
        return Task(prompt=(Message("user", f"What time is it in {rng.randrange(10**9)}?"),), target={"hour": 7})

    def make_tools(self, task):
        return tools_of(Clock())


def clocks(**faults) -> TextEnv:
    env = Clocks()
    env.transport = Http(Faults(**faults))
    return env


def ask(env: TextEnv, *zones: str) -> list[dict]:
    """The answers to one turn that asks for these zones, as the model reads them."""
    calls = tuple(ToolCall("time", {"zone": zone}, f"call_{i}") for i, zone in enumerate(zones))
    return [json.loads(m.content) for m in env.step(Message("assistant", "", calls))[0]]


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


def test_a_tools_own_errors_and_wrong_arguments_come_through_as_they_are():
    here, there = Clocks(), clocks()
    for env in (here, there):
        env.reset(seed=0)
    calls = (ToolCall("time", {"zone": "nowhere"}), ToolCall("time", {"zone": 3}), ToolCall("tick", {}))
    answers = [env.step(Message("assistant", "", calls))[0] for env in (here, there)]
    assert answers[0] == answers[1]
    assert json.loads(answers[1][0].content) == {
        "error": "unknown_zone",
        "message": "no zone 'nowhere'",
        "zones": ["here"],
    }


def test_a_tool_that_crashes_is_the_environments_failure_and_no_answer():
    env = clocks()
    env.reset(seed=0)
    with pytest.raises(EnvError, match="the spring is broken"):
        ask(env, "crash")


def test_faults_that_nobody_planned_are_the_environments_failure():
    env = clocks(stall_seconds=0.01)
    env.reset(seed=0)
    env.tools[0].call.episode.tools.clear()  # the route is gone
    with pytest.raises(EnvError, match="status 404"):
        ask(env, "here")


@pytest.mark.parametrize("text", ["\ud800", "é" * 300, "a/b?c#d", ""])
def test_any_text_travels_as_it_is(text):
    env = clocks()
    env.reset(seed=0)
    assert ask(env, text) == [{"hour": 7, "zone": text}]


# What agents make of it.


def give_up_policy(closing: str):
    call = Message("assistant", "", (ToolCall("time", {"zone": "here"}),))
    return lambda messages: closing if messages[-1].role == "tool" else call


def test_an_agent_that_gives_up_after_a_fault_or_invents_the_answer_earns_nothing():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=1, kinds=("server_error",)), difficulty=0.2)
    for task in tasks_of(env, 4):
        plan, closing = task.meta["plan"], task.meta["closing"]
        for words in ("I'm sorry, the service doesn't answer.", "Answer: 12", closing):
            call = Message("assistant", "", (ToolCall(**plan[0], id="call_0"),))
            seen, score = play(env, task, lambda m, w=words, c=call: w if m[-1].role == "tool" else c)
            assert score.value == 0, words
            assert seen.calls[0].fault


def test_repeats_after_a_fault_are_neither_needless_nor_invalid_calls():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=0.5, kinds=("server_error",)))
    task = next(t for t in tasks_of(env, 20) if t.target["calls"] > 6)
    seen, score = play(env, task, retrying(env.expert(task)))
    parts = {part.name: part.value for part in score.parts}
    assert len(seen.calls) > task.target["calls"]
    assert parts["economy"] == parts["valid calls"] == 1


def test_repeats_without_a_fault_are_needless_calls_still():
    env = over_http("postgym/Weather-v0", difficulty=0)
    task = env.sample_task(0)
    twice = [call for call in task.meta["plan"] for _ in range(2)]

    def act(messages):
        turn = sum(m.role == "assistant" for m in messages)
        return Message("assistant", "", (ToolCall(**twice[turn]),)) if turn < len(twice) else task.meta["closing"]

    assert play(env, task, act)[1].value < 1


def test_faults_give_room_for_retries_but_not_for_ever():
    policy = lambda messages: Message("assistant", "", (ToolCall("time", {"zone": "here"}),))  # noqa: E731
    turns = []
    for rate in (0, 1):
        env = clocks(rate=rate, kinds=("server_error",))
        seen, _ = play(env, env.sample_task(0), policy)
        turns.append(sum(m.role == "assistant" for m in seen.messages))
    assert turns == [Clocks.max_turns, 3 * Clocks.max_turns]


# Determinism.


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


def test_the_same_actions_meet_the_same_faults():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=0.5, stall_seconds=0.01))
    task = env.sample_task(4, difficulty=1.0)
    again = over_http("postgym/Weather-v0", faults=Faults(rate=0.5, stall_seconds=0.01))
    assert play(env, task, retrying(env.expert(task))) == play(again, task, retrying(env.expert(task)))


def test_an_episode_can_be_pickled_and_both_copies_go_on_by_themselves():
    env = over_http("postgym/CodeDebug-v0", faults=Faults(rate=0.5, kinds=("server_error",)))
    task = env.sample_task(1)
    act = retrying(env.expert(task))
    env.reset(options={"task": task})
    env.step(act(env.transcript.messages))
    copy = pickle.loads(pickle.dumps(env))
    outcomes = []
    for one in (env, copy):
        ended = False
        while not ended:
            *_, terminated, truncated, info = one.step(act(one.transcript.messages))
            ended = terminated or truncated
        outcomes.append((one.transcript, info["score"]))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1].value == 1


# The server.


def test_the_openapi_page_describes_the_tools_of_the_open_episodes_and_they_can_be_called_by_it():
    env = over_http("postgym/Weather-v0")
    task = env.sample_task(0)
    env.reset(options={"task": task})
    url = serving.server().url
    assert "swagger" in httpx.get(f"{url}/docs").text
    spec = httpx.get(f"{url}/openapi.json").json()
    operation = spec["paths"]["/postgym/Weather-v0/forecast"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == next(t.schema for t in env.tools if t.name == "forecast")["function"]["parameters"]
    (header,) = operation["parameters"]
    city = task.meta["cities"][0]
    headers = {header["name"]: header["schema"]["default"]}
    answer = httpx.post(f"{url}/postgym/Weather-v0/geocode", json={"city": city["name"]}, headers=headers)
    assert answer.json()["result"][0]["country"] in {c["country"] for c in task.meta["cities"]}


def test_definitions_within_a_schema_are_found_from_the_openapi_page():
    class Point(BaseModel):
        x: int

    def go(to: list[Point]) -> int:
        """Goes there."""
        return len(to)

    episode = serving.Episode("test/Map-v0", (make_tool(go),), Faults(), "seed")
    spec = serving.describe(serving.make_app({episode.key: episode}), [episode])
    operation = spec["paths"]["/test/Map-v0/go"]["post"]
    items = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["to"]["items"]
    found = spec
    for part in items["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    assert found["properties"]["x"]["type"] == "integer"


def test_an_episode_that_is_over_leaves_no_route_and_nobody_without_its_name_gets_in():
    env = clocks()
    env.reset(seed=0)
    ask(env, "here")
    host = serving.server()
    key = env.tools[0].call.episode.key
    url = f"{host.url}/{Clocks.id}/time"
    assert httpx.post(url, json={"zone": "x"}, headers={"X-Episode": key}).status_code == 200
    assert httpx.post(url, json={"zone": "x"}).status_code == 404
    env.close()
    assert httpx.post(url, json={"zone": "x"}, headers={"X-Episode": key}).status_code == 404


def test_one_server_on_the_loopback_serves_all_episodes_of_the_process():
    env_ids = [i for i in IDS if "Code" not in i and "Terminal" not in i]

    def run(number: int) -> float | None:
        env = over_http(env_ids[number % len(env_ids)], faults=0.2, difficulty=0.3)
        task = env.sample_task(number)
        return play(env, task, retrying(env.expert(task)))[1].value

    before = {t for t in threading.enumerate() if "run" in t.name}
    with ThreadPoolExecutor(32) as pool:
        assert [*pool.map(run, range(64))] == [1] * 64
    assert serving.server().url.startswith("http://127.0.0.1:")
    assert len([t for t in threading.enumerate() if "(run)" in t.name]) <= max(1, len(before))


def test_a_server_that_was_stopped_gives_its_port_back_and_the_next_call_starts_another():
    env = clocks()
    env.reset(seed=0)
    ask(env, "here")
    port = int(serving.server().url.rpartition(":")[2])
    serving.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    env.reset(seed=0)
    assert ask(env, "there") == [{"hour": 7, "zone": "there"}]


def test_a_process_that_played_over_http_ends_by_itself():
    code = "import envs; e = envs.make('postgym/Weather-v0', transport='http'); e.reset(seed=0); e.step(sys.argv[1])"
    call = '<tool_call>{"name": "geocode", "arguments": {"city": "x"}}</tool_call>'
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}", call], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_making_an_environment_loads_neither_server_nor_client():
    heavy = "{'fastapi', 'uvicorn', 'httpx', 'mcp'}"
    code = f"import envs, sys; envs.make('postgym/Weather-v0'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


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
