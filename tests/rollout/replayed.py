"""Episodes whose turns are given: a world that says what a script tells it, an engine that replays a model."""

import asyncio
from types import SimpleNamespace

from envs.base import Task, TextEnv
from envs.tools import make_tool
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message, ToolCall
from rollout.engine import Completion, Sampling
from rollout.episode import Limits, run_episode
from tests.rollout.families import renderer_of

LIMITS = Limits(max_context=50_000)
LOOK = ToolCall("look", {"box": 1}, "call_0")


class World(TextEnv):
    """Says what a script tells it to, as tool or user, for as many turns as the script has."""

    id = "test/World"
    rubric = Rubric([Criterion("any", lambda transcript, target: Score(1.0, "over"))])
    max_turns = 6

    def __init__(self, says):
        super().__init__()
        self.says = list(says)

    def make_tools(self, task):
        def look(box: int) -> str:
            """Opens a box."""
            return self.says.pop(0) if self.says else "empty"

        return (make_tool(look),)

    def reply(self, message):
        return (Message("user", self.says.pop(0)),) if self.says else ()


class Replay:
    """Plays given turns: ids as they are, or actions in the model's own format; remembers what it was asked."""

    def __init__(self, renderer, turns):
        self.renderer, self.turns, self.asked = renderer, list(turns), []

    async def generate(self, request):
        prompt = list(request.prompt_ids)
        turn = self.turns.pop(0) if self.turns else "Done."
        ids = tuple(self.renderer.turn_ids(prompt, turn) if isinstance(turn, str | Message) else turn)
        self.asked.append((prompt, ids))
        return Completion(ids, tuple(-0.5 - i for i in range(len(ids))), "stop", (len(self.asked),) * len(ids))


def play(name, sampled, says):
    renderer = renderer_of(name)
    engine = Replay(renderer, sampled)
    task = Task(prompt=(Message("system", "Be " + says[0]), Message("user", says[0])), target={})
    trajectory = asyncio.run(run_episode(World(says[1:]), task, engine, renderer, Sampling(500), LIMITS))
    return SimpleNamespace(trajectory=trajectory, asked=engine.asked, renderer=renderer)
