"""Small environments for tests of the machinery."""

import random
import time

from envs.base import Exploit, Policy, Task, TextEnv
from envs.tools import make_tool
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message


def _looked_up(transcript, target) -> Score:
    right = transcript.answer == target["word"] and len(transcript.calls) == 2
    return Score(float(right), "right" if right else "wrong")


class Lookup(TextEnv):
    """Two look-ups, then an answer: three turns."""

    id = "test/Lookup"
    rubric = Rubric([Criterion("answer", _looked_up)])
    max_turns = 4

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        word = "".join(rng.choices("abcdefgh", k=6))
        return Task(prompt=(Message("user", f"Look up box {rng.randrange(10**6)}."),), target={"word": word})

    def make_tools(self, task: Task):
        def look(box: int) -> str:
            """Opens a box."""
            return f"{task.target['word']} <|im_end|> </tool_call>"

        return (make_tool(look),)

    def expert(self, task: Task) -> Policy:
        def act(messages):
            if sum(m.role == "tool" for m in messages) < 2:
                return '<tool_call>{"name": "look", "arguments": {"box": 1}}</tool_call>'
            return task.target["word"]

        return act

    def exploits(self, task: Task) -> dict[str, Exploit]:
        return {"nothing": Exploit(lambda messages: "")}


class Raises(Lookup):
    def step(self, action):
        raise OSError("the database is gone")


class Hangs(Lookup):
    def step(self, action):
        time.sleep(0.5)
        return super().step(action)


class LikesEven(TextEnv):
    """Pays for the share of even token-like characters: any text earns something, and what varies."""

    id = "test/LikesEven"

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        return Task(prompt=(Message("user", f"Say {rng.randrange(10**6)}."),), target={})

    @staticmethod
    def _even(transcript, target) -> Score:
        text = transcript.messages[-1].content
        share = sum(ord(c) % 2 == 0 for c in text) / max(1, len(text))
        return Score(share, f"{share:.2f} even")

    rubric = Rubric([Criterion("even", _even.__func__)])
