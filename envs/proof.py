"""The proof of an environment: its expert earns everything, and nobody earns points without doing the task.

`prove` plays the expert, the expert with its answers made wrong, the environment's own exploits and the null
policies over tasks of both splits.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from envs.actions import render_action
from envs.base import Policy, Task, TextEnv
from envs.transport.retrying import over_transport
from rewards.score import Score
from rewards.transcript import Message, ToolCall, Transcript

NULL_BOUND = 0.2
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SLIP = 0.01
_FLOOD = 10_000  # calls in one turn
_WORD = re.compile(r"\w+|[^\w\s]")
_MAX_STEPS = 64  # a policy that never stops is stopped here, whatever the environment's own limit


@dataclass(frozen=True, slots=True)
class ProofRow:
    """What one policy earned: mean and worst/best over `n` tasks, and whether that is as it must be."""

    policy: str
    n: int
    mean: float
    minimum: float
    maximum: float
    bound: str
    ok: bool
    reason: str = ""


def play(env: TextEnv, task: Task, policy: Policy) -> tuple[Transcript, Score]:
    """Runs one whole episode of `policy` on `task`."""
    env.reset(options={"task": task})
    for _ in range(_MAX_STEPS):
        *_, terminated, truncated, info = env.step(policy(env.transcript.messages))
        if terminated or truncated:
            return env.transcript, info["score"]
    raise RuntimeError(f"{env.id}: no end after {_MAX_STEPS} steps; lower max_turns")


def _played(env: TextEnv, task: Task, policy: Policy) -> tuple[Transcript, Score]:
    """One episode of a policy that knows nothing of faults: it meets them patiently, or cheats would fail by luck."""
    return play(env, task, over_transport(env, policy))


def commonest_answer(env: TextEnv, n: int = 60) -> str:
    """What the expert says last most often, over tasks that the proof doesn't play: the best blind guess."""
    tasks = [env.sample_task(10**6 + i) for i in range(n)]
    closings = [_played(env, t, env.expert(t))[0].answer for t in tasks]
    lines = [text.rpartition("\n")[2] if "\nAnswer:" in text else text for text in closings]
    return Counter(lines).most_common(1)[0][0]


def null_policies(env: TextEnv, task: Task, commonest: str = "Answer: 1") -> dict[str, Policy]:
    """Policies that know nothing of the task: none may earn points."""
    rng = random.Random(task.seed)
    words = ["the", "a", "of", "7", "yes", "answer:", "is", "12", "to", "Paris", "def", "return", "3.5", "and", "it"]
    refusal = "I'm sorry, but I can't help with that."

    def every_tool(messages: Sequence[Message]) -> Message:
        return Message("assistant", "", tuple(ToolCall(t.name, {}, f"call_{i}") for i, t in enumerate(env.tools)))

    def flood(messages: Sequence[Message]) -> Message:
        return _flood_of(tuple(t.name for t in env.tools) or ("search",))

    return {
        "empty": lambda messages: "",
        "random text": lambda messages: " ".join(rng.choice(words) for _ in range(20)),
        "echo the prompt": lambda messages: messages[-1].content,
        "echo the whole prompt": lambda messages: "\n".join(m.content for m in task.prompt),
        "always refuse": lambda messages: refusal,
        "always ask": lambda messages: "Could you tell me more about what you need?",
        "answer zero": lambda messages: "Answer: 0",
        "the commonest answer": lambda messages: commonest,
        "call every tool": every_tool,
        "10,000 calls": flood,
    }


@cache
def _flood_of(names: tuple[str, ...]) -> Message:
    calls = (ToolCall(names[i % len(names)], {}, f"call_{i}") for i in range(_FLOOD))
    return Message("assistant", "", tuple(calls))


def _tasks(env: TextEnv, n: int) -> list[Task]:
    """`n` tasks spread over difficulty and both splits."""
    return [env.sample_task(i, "test" if i % 2 else "train", (i // 2) / max(1, (n - 1) // 2)) for i in range(n)]


def _row(env: TextEnv, name: str, scores: list[Score], bound: float | None, reason: str) -> ProofRow:
    if unjudged := [s for s in scores if s.value is None]:
        return ProofRow(name, len(scores), 0, 0, 0, "judged", False, unjudged[0].reason)
    values = [float(s.value) for s in scores if s.value is not None]
    mean = sum(values) / len(values)
    if bound is None:
        ok, shown = min(values) == 1.0, "= 1 on every task"
        reason = "" if ok else next(s.reason for s in scores if s.value != 1.0)
    else:
        ok, shown = mean < bound, f"< {bound:g}"
    return ProofRow(name, len(values), mean, min(values), max(values), shown, ok, reason)


def _wrong_row(env: TextEnv, tasks: Sequence[Task]) -> ProofRow:
    """The expert with its answers spoiled: at most the credit that the rubric means for the way to them."""
    scores = [_played(env, t, env.wrong_policy(t, i))[1] for i, t in enumerate(tasks)]
    row = _row(env, "expert, then a wrong answer", scores, 1.0, "")
    ok = row.bound != "judged" and row.maximum <= env.process_credit + 1e-9
    reason = row.reason or ("" if ok else max(scores, key=lambda s: s.value or 0.0).reason)
    return replace(row, bound=f"<= {env.process_credit:g} on every task", ok=ok, reason=reason)


def prove(env: TextEnv, n: int = 200, n_null: int = 40) -> list[ProofRow]:
    """The expert on `n` tasks; wrong answers, every exploit and null policy on `n_null`: one row each."""
    rows = [_row(env, "expert", [_played(env, t, env.expert(t))[1] for t in _tasks(env, n)], None, "")]
    tasks = _tasks(env, n_null)
    rows.append(_wrong_row(env, tasks))
    cheats = [env.exploits(t) for t in tasks]
    for name, exploit in cheats[0].items():
        scores = [_played(env, t, own[name].policy)[1] for t, own in zip(tasks, cheats, strict=True)]
        rows.append(_row(env, f"exploit: {name}", scores, exploit.bound, exploit.reason))
    commonest = commonest_answer(env)
    nulls = [null_policies(env, t, commonest) for t in tasks]
    for name in nulls[0]:
        scores = [play(env, t, own[name])[1] for t, own in zip(tasks, nulls, strict=True)]
        bound, reason = env.null_bounds.get(name, (NULL_BOUND, ""))
        rows.append(_row(env, name, scores, bound, reason))
    return rows


def difficulty_curve(env: TextEnv, n: int = 60) -> list[float]:
    """The mean score of a careless expert at each of `LEVELS`: it falls where tasks grow harder.

    It does what the expert does, but each word or sign that it writes goes wrong with a probability of 1%, and one
    slip costs the task: 0.99 to the power of what has to be written.
    """
    return [
        sum((1 - _SLIP) ** _written(env, env.sample_task(i, "test" if i % 2 else "train", level)) for i in range(n)) / n
        for level in LEVELS
    ]


def _written(env: TextEnv, task: Task) -> int:
    """How many words and signs the expert writes in an episode."""
    seen, _ = _played(env, task, env.expert(task))
    return sum(len(_WORD.findall(render_action(m))) for m in seen.messages if m.role == "assistant")
