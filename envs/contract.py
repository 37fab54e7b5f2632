"""What every environment must hold beside its proof, each fault said in words that tell the author what to mend."""

import json
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from envs.actions import render_action
from envs.base import Policy, Task, TextEnv
from envs.proof import LEVELS, ProofRow, difficulty_curve, play
from envs.transport.retrying import over_transport
from rewards.score import Status

MIN_DISTINCT = 0.9  # share of 300 questions at one difficulty
MIN_ACTIONS = 3  # exploits of an environment's own kind
_DRAWN = 300
_TEXTS = (
    *("", " ", "\x00", "no", "Answer:", "Answer: 1", "<think>", "</think>", "<tool_call>", "<tool_call></tool_call>"),
    *('<tool_call>{"name": "x"', '<tool_call>{"name": "x", "arguments": {"a": NaN}}</tool_call>', "\ud800", "9" * 5000),
    *("```python\n", "```python\nwhile True", "\\boxed{", "{" * 3000, "(" * 3000, "💥" * 300),
)


def breaches(env: TextEnv) -> Iterator[tuple[str, str]]:
    """Each part of the contract with what breaks it: (its name, the fault in words or "")."""
    for name, find in _PARTS.items():
        try:
            yield name, find(env)
        except Exception as error:  # the author's code may raise anything: that is the finding
            yield name, f"{type(error).__name__}: {error}"


def in_words(env: TextEnv, row: ProofRow) -> str:
    """A row of the proof that isn't as it must be, as advice."""
    if row.bound == "judged":
        return f"{row.policy}: a task can't be judged ({row.reason}); fill its target"
    if row.policy == "expert":
        return f"the expert earned {row.minimum:.3g}, not 1, on some task: {row.reason or 'mend expert or the rubric'}"
    paid = f"{row.policy} earned {row.mean:.3g} on average; it must stay {row.bound}"
    return f"{paid}. Close the hole in the rubric or, if that is as it should be, say why in the exploit's reason"


def _gymnasium(env: TextEnv) -> str:
    from gymnasium.utils.env_checker import check_env

    check_env(env, skip_render_check=True)
    return ""


def _deterministic(env: TextEnv) -> str:
    for seed in range(10):
        first = env.sample_task(seed, "train", seed / 9)
        env.sample_task(seed + 100)
        random.random()
        if env.sample_task(seed, "train", seed / 9) != first:
            return f"seed {seed} gave two different tasks: generate may draw from its rng alone, and keep nothing"
    return ""


def _distinct(env: TextEnv) -> str:
    if not env.endless:
        return ""
    for level in (0.0, 0.5, 1.0):
        found = len({env.sample_task(i, "train", level).fingerprint for i in range(_DRAWN)})
        if found < MIN_DISTINCT * _DRAWN:
            return f"at difficulty {level} only {found} of {_DRAWN} questions differ: give generate more to vary"
    return ""


def _plain(env: TextEnv) -> str:
    task = env.sample_task(1)
    same = Task.model_validate_json(task.model_dump_json()) == task
    return (
        ""
        if same
        else "a task changes when it is written as JSON: keep target and meta to plain JSON (lists, no tuples)"
    )


def _pickles(env: TextEnv) -> str:
    same = pickle.loads(pickle.dumps(env)).sample_task(5) == env.sample_task(5)
    return "" if same else "a pickled copy samples other tasks"


def _hidden(env: TextEnv) -> str:
    for seed in range(5):
        task = env.sample_task(seed)
        _, info = env.reset(options={"task": task})
        if extra := set(info) - {"tools", "task_id"}:
            return f"reset's info shows the policy {sorted(extra)}: keep it to tools and task_id"
        seen, _ = play(env, task, over_transport(env, env.expert(task)))
        shown = "\n".join(m.content for m in seen.messages if m.role != "assistant") + json.dumps(info["tools"])
        if json.dumps(task.target) in shown or (seen.answer and seen.answer in shown):
            return f"what the policy is shown in {task.id} holds the target, or the expert's answer word for word"
    return ""


def _any_text(env: TextEnv) -> str:
    for seed, text in enumerate(_TEXTS):
        env.reset(seed=seed)
        *_, terminated, truncated, info = env.step(text)
        if not (terminated or truncated):
            continue
        score = info["score"]
        if score.value is None or score.status not in (Status.OK, Status.INVALID_OUTPUT):
            return f"the text {text[:30]!r} can't be judged ({score.reason}): score it 0 as INVALID_OUTPUT"
    return ""


def _replays(env: TextEnv) -> str:
    for seed in range(5):
        task = env.sample_task(seed)
        seen, _ = play(env, task, over_transport(env, env.expert(task)))
        said = [render_action(m) for m in seen.messages if m.role == "assistant"]
        first, again = (play(env, task, _script(said)) for _ in range(2))
        if first != again:
            return f"task {task.id} went another way when its actions were replayed: keep state in the episode only"
    return ""


def _script(turns: Sequence[str]) -> Policy:
    rest = iter(turns)
    return lambda messages: next(rest)


def _curve(env: TextEnv) -> str:
    if not env.endless:
        return ""
    curve = difficulty_curve(env)
    shown = ", ".join(f"{v:.2f}" for v in curve)
    falls = all(a > b for a, b in pairwise(curve))
    return (
        ""
        if falls
        else f"a careless expert earns {shown} at difficulties {LEVELS}: let it fall, harder tasks ask for more"
    )


def _cheats(env: TextEnv) -> str:
    found = env.exploits(env.sample_task(0))
    if len(found) < MIN_ACTIONS:
        return f"{len(found)} exploits; write at least {MIN_ACTIONS} that this environment invites"
    unexplained = [name for name, e in found.items() if e.bound > 0.2 and not e.reason]
    return f"exploit {unexplained[0]!r} may pay over 0.2: give its reason" if unexplained else ""


_PARTS: dict[str, Callable[[TextEnv], str]] = {
    "Gymnasium's checker": _gymnasium,
    "same seed, same task": _deterministic,
    "questions differ": _distinct,
    "tasks are plain JSON": _plain,
    "pickles": _pickles,
    "hides its targets": _hidden,
    "takes any text": _any_text,
    "replays": _replays,
    "grows harder": _curve,
    "exploits": _cheats,
}
