"""Random episodes for tests of the rewards: shuffled pieces of what experts and cheats say, and made-up evidence.

Run as a module it scores a share of them and prints a digest of each, for comparison between processes:

    python -m tests.rewards.transcripts COUNT ORDER_SEED
"""

import hashlib
import json
import random
import sys
from functools import cache

import envs
from envs.base import Task, TextEnv
from rewards.recipes import is_factory, known_rewards, resolve
from rewards.score import Reward, Score
from rewards.transcript import CallRecord, Message, ToolCall, Transcript

_PIECES = (
    "Answer: 5",
    "Answer: -12.50",
    "Answer: Oslo, 3",
    "answer:",
    "3 * 4 = 12",
    "12 - 7 = 4",
    "\\boxed{7}",
    "<think>",
    "</think>",
    "I'm sorry, but I can't help with that.",
    "```python\ndef f(xs):\n    return sum(xs)\n```",
    "```",
    "# Title",
    "- one\n- two",
    "٣٤",
    "１２",
    "1/0",
    "9**9**9",
    "the the the the",
    "Because of the rain, [1] says so.",
    "\ud800",
    "\u200b",
    "{}",
    '{"a": NaN}',
    "?",
    "",
)
_HANDFUL = 5
_MADE = {  # factories that need no endpoint and no model
    "rewards.tools.when": {"condition": "rewards.tools.right_answer", "reward": "rewards.tools.valid_calls"},
}


def public_rewards() -> dict[str, Reward]:
    """Every public reward by name; of the factories those that arguments are known for."""
    ours = {name: reward for name, reward in known_rewards().items() if name.startswith("rewards.")}
    plain = {name: reward for name, reward in ours.items() if not is_factory(reward)}
    return plain | {name: resolve({name: arguments}) for name, arguments in _MADE.items()}


@cache
def _worlds() -> list[tuple[TextEnv, list[Task]]]:
    made = [envs.make(env_id) for env_id in envs.known_ids()]
    return [(env, [env.sample_task(i, "train", i / 19) for i in range(20)]) for env in made]


def _evidence(rng: random.Random, task: Task) -> dict:
    count = len(task.target.get("tests", ())) or 3
    passed = [rng.random() < 0.7 for _ in range(rng.choice((count, count, 1, 0)))]
    tests = {"kind": rng.choice(("ok", "ok", "no_code", "timeout")), "passed": passed, "reasons": ["why"] * len(passed)}
    return rng.choice(({"tests": tests}, {"tests": tests, "equations": ["3 * 4 = 12", "x = y", "2 + 2 = 4"]}, {}))


def _calls(rng: random.Random, task: Task) -> tuple[list[ToolCall], list[CallRecord]]:
    plan = task.meta.get("plan", []) or [{"name": "calculate", "arguments": {"expression": "1 + 1"}}]
    calls, records = [], []
    for i, wanted in enumerate(rng.sample(plan, rng.randint(0, len(plan)))):
        arguments = dict(wanted["arguments"])
        if rng.random() < 0.3:
            arguments[rng.choice([*arguments, "extra"])] = rng.choice((True, None, "15", 1.5, [], {"k": "ü"}))
        calls.append(ToolCall(wanted["name"], arguments, f"call_{i}"))
        result = rng.choice(({"temp": rng.randint(-99, 99) / 10}, [1, 2.5], "text", None, {"error": True}))
        records.append(
            CallRecord(wanted["name"], arguments, result, rng.choice((None, None, None, "invalid_argument")))
        )
    return calls, records


def episode(index: int) -> tuple[TextEnv, Task, Transcript]:
    """The episode that `index` names: the same in every process."""
    rng = random.Random(index)
    env, tasks = _worlds()[index % len(_worlds())]
    task = rng.choice(tasks)
    said = env.expert(task)(task.prompt)
    closing = said if isinstance(said, str) else said.content or task.meta.get("closing", "Done.")
    pieces = [closing] * (rng.random() < 0.6) + rng.sample(_PIECES, rng.choice((0, 0, 0, 1, 2, 5)))
    rng.shuffle(pieces)
    messages, calls = list(task.prompt), []
    if rng.random() < 0.6:
        made, calls = _calls(rng, task)
        messages.append(Message("assistant", rng.choice(_PIECES), tuple(made)))
        messages += [Message("tool", json.dumps(r.result), tool_call_id=f"call_{i}") for i, r in enumerate(calls)]
    messages.append(Message("assistant", "\n".join(pieces)))
    return env, task, Transcript(tuple(messages), tuple(calls), _evidence(rng, task))


def scores(index: int, rewards: dict[str, Reward]) -> list[tuple[str, Score]]:
    """What the environment's rubric and a handful of the rewards, another one each time, make of the episode."""
    env, task, transcript = episode(index)
    chosen = random.Random(f"rewards {index}").sample(sorted(rewards), min(_HANDFUL, len(rewards)))
    target = {"answer": str(task.target.get("value", "5")), **task.target}
    judged = [("rubric", env.rubric(transcript, task.target))]
    return judged + [(name, rewards[name](transcript, target)) for name in chosen]


def digest(index: int, rewards: dict[str, Reward]) -> str:
    """A hash of all that was said about the episode, reasons and all."""
    return hashlib.sha256(repr(scores(index, rewards)).encode("utf-8", "backslashreplace")).hexdigest()[:16]


if __name__ == "__main__":
    order = list(range(int(sys.argv[1])))
    random.Random(int(sys.argv[2])).shuffle(order)
    shipped = public_rewards()
    print(json.dumps({i: digest(i, shipped) for i in order}))
