"""MCP servers as an environment's tools: a real one over stdio in a process of its own, and one over HTTP."""

import json
import os
import pickle
import sys
import time
from pathlib import Path

import pytest

from envs.base import Exploit, Task, TextEnv
from envs.mcp_tools import McpTools, _validator, closed
from envs.proof import play
from envs.tools import ToolError, execute
from envs.transport.client import Http
from envs.transport.faults import Faults
from envs.transport.retrying import retrying
from rewards.errors import ConfigError, EnvError
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message, ToolCall
from tests.envs.mcp_pantry import server as pantry
from tests.serving import served

PANTRY = Path(__file__).with_name("mcp_pantry.py")


def command(**stock: int) -> list[str]:
    return [sys.executable, str(PANTRY), json.dumps(stock)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def server():
    found = McpTools(command(tea=3, rice=7))
    yield found
    found.close()


def call(server: McpTools, name: str, **arguments):
    return next(t for t in server.tools if t.name == name).call(arguments)


def test_tools_have_the_servers_names_descriptions_and_schemas(server):
    tools = {t.name: t for t in server.tools}
    assert {"count", "items", "take"} <= set(tools)
    function = tools["count"].schema["function"]
    assert function["description"] == "How many of an item there are."
    assert function["parameters"]["required"] == ["item"]
    assert function["parameters"]["properties"]["shelf"]["minimum"] == 1
    assert function["parameters"]["additionalProperties"] is False


def test_calls_return_plain_json(server):
    assert call(server, "count", item="tea") == {"item": "tea", "count": 3}
    assert call(server, "items") == {"result": ["rice", "tea"]}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"item": 3}, "item"),
        ({"item": "tea", "shelf": "1"}, "shelf"),
        ({"item": "tea", "shelf": True}, "shelf"),
        ({"item": "tea", "shelf": 0}, "shelf"),
        ({"item": "tea", "shelve": 1}, "shelve"),
        ({}, "item"),
    ],
)
def test_arguments_that_break_the_schema_never_reach_the_server(server, arguments, named):
    with pytest.raises(ToolError, match=named) as raised:
        call(server, "count", **arguments)
    assert raised.value.kind == "invalid_argument"


def test_an_error_of_the_tool_is_one_that_the_model_sees(server):
    record = execute(server.tools, ToolCall("count", {"item": "gold"}))
    assert record.error == "tool_error"
    assert "no gold here" in record.result["message"]


def test_a_tool_without_an_answer_in_time_is_too_slow_and_the_server_lives():
    slow = McpTools(command(tea=1), timeout=2.5)
    with pytest.raises(ToolError, match=r"2\.5 s") as raised:
        call(slow, "wait", seconds=5)
    assert raised.value.kind == "too_slow"
    time.sleep(3)
    assert call(slow, "count", item="tea")["count"] == 1
    slow.close()


def test_a_server_that_dies_is_the_environments_failure_with_its_last_words():
    dying = McpTools(command())
    with pytest.raises(EnvError, match="the shelf broke"):
        call(dying, "die")
    with pytest.raises(EnvError, match="is gone"):
        dying.call("items", {})
    assert call(dying, "items") == {"result": []}  # the next episode, which asks for the tools, has a new one
    dying.close()


def test_a_server_that_says_something_else_or_ends_at_once_is_the_environments_failure():
    with pytest.raises(EnvError, match="doesn't start"):
        McpTools([sys.executable, "-c", "raise SystemExit('no pantry')"]).tools  # noqa: B018


def test_a_server_that_never_speaks_is_given_up():
    with pytest.raises(EnvError, match="doesn't start"):
        McpTools([sys.executable, "-c", "import sys; sys.stdin.read()"], start_timeout=0.3).tools  # noqa: B018


@pytest.mark.parametrize("settings", [{}, {"command": ["x"], "url": "http://localhost:1"}])
def test_a_server_needs_a_command_or_an_url(settings):
    with pytest.raises(ConfigError, match="one of them"):
        McpTools(**settings)


def test_a_command_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no-such-server"):
        McpTools(["no-such-server"]).tools  # noqa: B018


def test_a_schema_that_is_none_is_named():
    with pytest.raises(ConfigError, match="no valid input schema"):
        _validator(json.dumps({"type": "quantity"}))


def test_a_schema_that_allows_more_is_left_alone():
    assert closed({"type": "object"}) == {"type": "object", "additionalProperties": False}
    for kept in ({"additionalProperties": True}, {"additionalProperties": {"type": "string"}}, {"anyOf": [{}]}):
        assert closed(kept) == kept


# An environment that plays through a server.


class Pantry(TextEnv):
    """Counts what is in a pantry that only its server knows."""

    id = "test/Pantry-v0"
    max_turns = 4
    rubric = Rubric(
        [
            Criterion(
                "count",
                lambda t, g: Score(
                    float(
                        final_answer(t.answer) == str(g["count"])
                        and any(c.error is None and c.name == "count" for c in t.calls)
                    ),
                    "counted or not",
                ),
            )
        ]
    )

    def generate(self, rng, difficulty):
        item, count = rng.choice(["tea", "rice", "salt"]), rng.randint(10, 10**6)
        prompt = (Message("user", f"Pantry {rng.randrange(10**9)}: how many of {item}? End with Answer: <number>"),)
        return Task(prompt=prompt, target={"count": count}, meta={"item": item, "stock": {item: count}})

    def make_tools(self, task):
        return McpTools(command(**task.meta["stock"])).tools

    def expert(self, task):
        look = Message("assistant", "", (ToolCall("count", {"item": task.meta["item"]}, "call_0"),))
        return lambda messages: f"Answer: {task.target['count']}" if messages[-1].role == "tool" else look

    def exploits(self, task):
        return {"guesses right": Exploit(lambda messages: f"Answer: {task.target['count']}")}


def test_an_environment_plays_through_a_server_and_only_who_asks_it_is_paid():
    env = Pantry()
    task = env.sample_task(0)
    assert play(env, task, env.expert(task))[1].value == 1
    assert play(env, task, env.wrong_policy(task, 0))[1].value == 0
    assert play(env, task, env.exploits(task)["guesses right"].policy)[1].value == 0
    env.close()


def test_a_server_that_remembers_nothing_may_be_kept_over_episodes():
    class Kept(Pantry):
        def __init__(self):
            super().__init__()
            self.server = McpTools(command(tea=1), keep=True)

        def make_tools(self, task):
            return self.server.tools

    env = Kept()
    pids = []
    for seed in (0, 1):
        env.reset(seed=seed)
        pids.append(call(env.server, "pid")["result"])
    assert pids[0] == pids[1]
    with pytest.raises(EnvError, match="is gone"):
        call(env.server, "die")
    env.reset(seed=2)
    assert alive(call(env.server, "pid")["result"])
    assert not alive(pids[0])
    env.server.close()


def test_the_servers_process_ends_with_the_environment_and_with_each_episode():
    env = Pantry()
    pids = []
    for seed in (0, 1):
        env.reset(seed=seed)
        (answer,) = env.step(Message("assistant", "", (ToolCall("pid", {}),)))[0]
        pids.append(json.loads(answer.content)["result"])
    assert [alive(pid) for pid in pids] == [False, True]
    env.close()
    assert not alive(pids[1])
    env.reset(seed=2)
    (answer,) = env.step(Message("assistant", "", (ToolCall("pid", {}),)))[0]
    del env  # nobody closed this one
    assert not alive(json.loads(answer.content)["result"])


def test_a_copy_of_an_episode_has_a_server_of_its_own():
    env = Pantry()
    env.reset(seed=0)
    copy = pickle.loads(pickle.dumps(env))
    pids = {env.step(Message("assistant", "", (ToolCall("pid", {}),)))[0][0].content for env in (env, copy)}
    assert len(pids) == 2
    env.close()
    copy.close()


def test_a_servers_tools_can_have_faults_in_front_of_them():
    env = Pantry()
    env.transport = Http(Faults(rate=1, kinds=("server_error", "rate_limit")))
    task = env.sample_task(0)
    seen, score = play(env, task, retrying(env.expert(task)))
    assert score.value == 1
    assert [record.fault for record in seen.calls] == [True, True, False]
    env.close()


def test_a_server_at_an_url_serves_the_same_tools():
    with served(pantry.streamable_http_app()) as url:
        far = McpTools(url=f"{url}/mcp")
        assert call(far, "items") == {"result": []}
        with pytest.raises(ToolError, match="no tea here"):
            call(far, "count", item="tea")
        count = next(t for t in far.tools if t.name == "count")
    with pytest.raises(EnvError):
        count.call({"item": "tea"})
    far.close()
