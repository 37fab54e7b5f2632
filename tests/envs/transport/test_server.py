"""The server of the tools: its page, what passes through it unchanged, failures of its own, its beginning and end."""

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from envs.proof import play
from envs.tools import Tool
from envs.transport import server as serving
from envs.transport.faults import Faults
from envs.transport.retrying import retrying
from rewards.errors import EnvError
from rewards.transcript import Message, ToolCall
from tests.envs.transport.worlds import IDS, Clocks, ask, clocks, over_http


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
    parameters = {  # as an MCP server may give it
        "type": "object",
        "properties": {"to": {"type": "array", "items": {"$ref": "#/$defs/Point"}}},
        "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    }
    tool = Tool("go", "Goes there.", parameters, len)
    episode = serving.Episode("test/Map-v0", (tool,), Faults(), "seed")
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
