"""The page of all environments, generated: what each teaches, an episode, examples, and what cheats earn."""

import inspect
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

import envs
from envs.actions import render_action
from envs.base import TextEnv
from envs.proof import LEVELS, ProofRow, difficulty_curve, play, prove
from rewards.transcript import Message

_HEAD = """# Environments

Written by `python scripts/envs.py docs`: don't edit it by hand.

Every score below is measured: the expert on 200 tasks, its answers made wrong, exploits and null policies on 40,
spread over difficulty 0 to 1 and both splits. The curve is what a careless expert earns, who slips on 1% of the words
that it writes, at difficulties {levels}.
"""
_LONGEST = 1_200


def write_page(path: Path, console: Console) -> int:
    """Writes the page over all known environments; 1 when a proof fails."""
    sections, failed = [], []
    for env_id in envs.known_ids():
        console.print(env_id)
        env = envs.make(env_id)
        rows = prove(env)
        sections.append(section(env, rows))
        failed += [] if all(row.ok for row in rows) else [env_id]
    head = _HEAD.format(levels=", ".join(f"{level:g}" for level in LEVELS))
    partial = path.with_suffix(".partial")
    partial.write_text("\n".join([head, *sections]))
    partial.replace(path)
    console.print(f"{path}" + (f"; the proof fails for {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def section(env: TextEnv, rows: Sequence[ProofRow]) -> str:
    """One environment's part of the page, with its proof's `rows`."""
    about = inspect.getdoc(inspect.getmodule(type(env))) or ""
    about = about.partition(": ")[2] if about.startswith("`") else about
    curve = ", ".join(f"{v:.2f}" for v in difficulty_curve(env))
    table = [f"| {r.policy} | {r.mean:.3f} | {r.maximum:.2f} | {r.bound} |" for r in rows]
    parts = [
        f"## {env.id}",
        f"{about[:1].upper()}{about[1:]}",
        f"Turns: {env.max_turns}. Curve: {curve}.",
        "**An episode by the expert** (difficulty 0.5)",
        _block(_episode(env)),
        "**Questions by difficulty**",
        *(f"{level:g}:\n\n{_block(_question(env, level))}" for level in (0.0, 0.5, 1.0)),
        "**What policies earn**",
        "\n".join(["| policy | mean | best | bound |", "| --- | --- | --- | --- |", *table]),
    ]
    return "\n\n".join(parts) + "\n"


def _episode(env: TextEnv) -> str:
    task = env.sample_task(0, "train", 0.5)
    seen, score = play(env, task, env.expert(task))
    turns = [f"[{m.role}] {_said(m)}" for m in seen.messages]
    return "\n".join([*turns, f"score {score.value:g}: {score.reason}"])


def _said(message: Message) -> str:
    return render_action(message) if message.role == "assistant" else message.content


def _question(env: TextEnv, level: float) -> str:
    return env.sample_task(1, "train", level).prompt[-1].content


def _block(text: str) -> str:
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
    return f"~~~text\n{short}\n~~~"
