"""Play an episode of an environment in the terminal, or watch its expert play one.

    python scripts/play.py postgym/WordProblems-v0 --difficulty 0.3
    python scripts/play.py postgym/Weather-v0 --seed 7 --expert

A turn ends with an empty line. A line such as geocode(city="Oslo") calls a tool.
"""

import argparse
import ast
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import envs
from envs.base import TextEnv
from envs.tools import Tool
from rewards.errors import ConfigError
from rewards.score import Score
from rewards.transcript import Message, ToolCall
from scripts.cli import run

MAX_CALL_CHARS = 2_000
UNFINISHED = 1
_STYLES = {"system": "dim", "user": "cyan", "assistant": "green", "tool": "yellow"}
ReadLine = Callable[[], str]


def read_call(line: str, tools: Sequence[Tool]) -> ToolCall | None:
    """The call that a line such as `geocode(city="Oslo")` or `geocode("Oslo")` is; never evaluated.

    Args:
        line: one line of what the person wrote.
        tools: those of the episode; their order of parameters names arguments given by position.

    Returns:
        The call, None when the line isn't of that form or names no tool.

    Raises:
        ConfigError: it calls a tool, but with something other than plain values.
    """
    name, bracket, _ = line.strip().partition("(")
    tool = next((t for t in tools if t.name == name.strip()), None)
    if not bracket or tool is None:
        return None
    if len(line) > MAX_CALL_CHARS:
        raise ConfigError(f"the call of {tool.name} has {len(line)} characters; write at most {MAX_CALL_CHARS}")
    try:
        call = ast.parse(line.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or any(k.arg is None for k in call.keywords):
            raise ValueError("not one plain call")
        parameters = list(_parameters(tool).get("properties", {}))
        arguments = dict(zip(parameters, map(ast.literal_eval, call.args), strict=False))
        if len(call.args) > len(parameters):
            raise ValueError(f"{len(call.args)} arguments for {len(parameters)} parameters")
        if twice := [k.arg for k in call.keywords if k.arg in arguments]:
            raise ValueError(f"{twice[0]} given twice")
        arguments |= {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{line.strip()[:80]!r} can't be read ({error}); write {signature(tool)}") from None
    return ToolCall(tool.name, arguments)


def read_turn(text: str, tools: Sequence[Tool]) -> "str | Message":
    """The action that a person's text is: short-form calls become tool calls when every line is one.

    Raises:
        ConfigError: a call can't be read, or calls stand among other lines.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    calls = [read_call(line, tools) for line in lines]
    found = [call for call in calls if call is not None]
    if not found or text.lstrip().startswith("```"):
        return text
    if len(found) < len(lines):
        raise ConfigError("calls and text in one turn; write calls alone, one on each line")
    numbered = (ToolCall(c.name, c.arguments, f"call_{i}") for i, c in enumerate(found))
    return Message("assistant", "", tuple(numbered))


def signature(tool: Tool) -> str:
    """`geocode(city: string)`: how a tool is called."""
    schema = _parameters(tool)
    required = schema.get("required", [])
    named = [
        f"{name}: {_type_name(field)}" + ("" if name in required else f" = {field.get('default')!r}")
        for name, field in schema.get("properties", {}).items()
    ]
    return f"{tool.name}({', '.join(named)})"


def _parameters(tool: Tool) -> dict[str, Any]:
    return tool.schema["function"]["parameters"]


def _type_name(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(repr, field["enum"]))
    if "anyOf" in field:
        return " | ".join(map(_type_name, field["anyOf"]))
    return str(field.get("type", "any"))


def read_text(read_line: ReadLine) -> str | None:
    """Lines up to an empty one; inside a ``` block empty lines are text. None when the input has ended."""
    lines: list[str] = []
    while True:
        try:
            line = read_line()
        except EOFError:
            return "\n".join(lines) or None
        fenced = sum(x.lstrip().startswith("```") for x in lines) % 2 == 1
        if not line.strip() and not fenced:
            return "\n".join(lines)
        lines.append(line)


def show_messages(console: Console, messages: Sequence[Message]) -> None:
    """Prints messages as panels; their text is never read as markup."""
    for message in messages:
        calls = [f"{c.name}({', '.join(f'{k}={v!r}' for k, v in c.arguments.items())})" for c in message.tool_calls]
        body = "\n".join([message.content] * bool(message.content) + calls)
        style = _STYLES[message.role]
        console.print(Panel(Text(body), title=message.role, title_align="left", border_style=style))


def show_score(console: Console, score: Score) -> None:
    """Prints the score, its parts and why."""
    value = "none" if score.value is None else f"{score.value:.3f}"
    table = Table(title=f"score {value} ({score.status})", title_justify="left")
    for column in ("part", "value", "weight", "reason"):
        table.add_column(column)
    for part in score.parts:
        table.add_row(Text(part.name), f"{part.value:.3f}", f"{part.weight:g}", Text(part.reason))
    console.print(table if score.parts else Text(f"score {value} ({score.status}): {score.reason}"))


def _show_help(console: Console, tools: Sequence[Tool]) -> None:
    console.print("An empty line ends your turn; inside a ``` block empty lines are part of it.", style="dim")
    if tools:
        console.print("To call a tool, write a line such as", Text(_example(tools[0]), "bold"), style="dim")
        for tool in tools:
            console.print(Text(f"  {signature(tool)}", "bold"), Text(tool.description, "dim"))


def _example(tool: Tool) -> str:
    samples = {"integer": "3", "number": "1.5", "boolean": "True", "array": "[]", "object": "{}"}
    fields = _parameters(tool).get("properties", {})
    named = [f"{name}={samples.get(field.get('type'), repr('...'))}" for name, field in fields.items()]
    return f"{tool.name}({', '.join(named)})"


def _persons_turn(console: Console, env: TextEnv, read_line: ReadLine) -> "str | Message | None":
    while True:
        console.print(Text("your turn:", "bold green"))
        text = read_text(read_line)
        if text is None:
            return None
        try:
            return read_turn(text, env.tools)
        except ConfigError as error:
            console.print(Text(str(error), "red"))


def play(env: TextEnv, console: Console, read_line: ReadLine, seed: int | None, expert: bool) -> int:
    """One episode; returns the exit code: 0, or 1 when the input ended before the episode did."""
    messages, info = env.reset(seed=seed)
    console.print(Text(f"task {info['task_id']}", "dim"))
    show_messages(console, messages)
    assert env.task is not None  # reset has just set it
    policy = env.expert(env.task) if expert else None
    if policy is None:
        _show_help(console, env.tools)
    while True:
        action = policy(env.transcript.messages) if policy else _persons_turn(console, env, read_line)
        if action is None:
            console.print(Text("the input ended before the episode did", "red"))
            return UNFINISHED
        before = len(env.transcript.messages)
        *_, terminated, truncated, outcome = env.step(action)
        show_messages(console, env.transcript.messages[before if policy else before + 1 :])
        if terminated or truncated:
            show_score(console, outcome["score"])
            return 0


def main() -> int:
    """Parses the command line and plays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("id", help="environment, such as postgym/WordProblems-v0")
    parser.add_argument("--seed", type=int, help="names the task (default: a new one every time)")
    parser.add_argument("--split", default="train", help="train or test (default: train)")
    parser.add_argument("--difficulty", type=float, help="0 to 1 (default: drawn)")
    parser.add_argument("--expert", action="store_true", help="watch the environment's expert")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()
    env = envs.make(arguments.id, split=arguments.split, difficulty=arguments.difficulty)
    return play(env, Console(), input, arguments.seed, arguments.expert)


if __name__ == "__main__":
    sys.exit(run(main))
