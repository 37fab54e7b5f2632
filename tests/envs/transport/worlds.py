"""Environments over HTTP: all that have tools, and a clock of our own."""

import json

import envs
from envs.base import Task, TextEnv
from envs.tools import ToolError, tool, tools_of
from envs.transport.client import Http
from envs.transport.faults import Faults
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
