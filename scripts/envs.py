"""Look at environments and hold them to their proof: postgym's own and anybody's.

    python scripts/envs.py list
    python scripts/envs.py show postgym/Weather-v0 --difficulty 0.6
    python scripts/envs.py check postgym/Weather-v0
    python scripts/envs.py check my_package.my_module:MyEnv
    python scripts/envs.py play postgym/Weather-v0
    python scripts/envs.py check postgym/MathDataset-v0 --file gsm8k_train.jsonl
    python scripts/envs.py docs                       # writes docs/environments.md anew

`check` says in words what is wrong and ends with 1 when something is. An environment is named by its id or by
module:Class.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import gymnasium
from rich.console import Console
from rich.table import Table
from rich.text import Text

import envs
from envs.base import TextEnv
from envs.contract import breaches, in_words
from envs.proof import prove
from envs.reasoning.gym_datasets import PREFIX
from envs.registry import all_ids, reasoning_gym_ids
from rewards.errors import ConfigError
from scripts import play as playing
from scripts.cli import run

FAULTY = 1
PAGE = Path(__file__).resolve().parents[1] / "docs" / "environments.md"


def load(name: str, difficulty: float | None = None, file: str | None = None) -> TextEnv:
    """The environment with that id, or the class that `module:Class` names; `file` is a data set's.

    Raises:
        ConfigError: there is none, or it is no TextEnv.
    """
    module, colon, cls = name.partition(":")
    settings: dict[str, Any] = {"difficulty": difficulty, **({"file": file} if file else {})}
    if not colon:
        return envs.make(name, **settings)
    sys.path.insert(1, "")  # a module of the folder where the command is run
    try:
        found = getattr(importlib.import_module(module), cls)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{name}: {error}; write module:Class, importable from here") from error
    if not isinstance(found, type) or not issubclass(found, TextEnv):
        raise ConfigError(f"{name} is no TextEnv; derive it from envs.base.TextEnv")
    return found(**settings)


def purpose(env: TextEnv) -> str:
    """What an environment is, in the first sentence of its module or class."""
    return first_sentence(sys.modules[type(env).__module__]) or first_sentence(type(env))


def first_sentence(documented: object) -> str:
    """The first line of a docstring, without the id that it may begin with."""
    text = ((documented.__doc__ or "").strip().splitlines() or [""])[0]
    return text.partition(": ")[2] or text


def show_list(console: Console) -> int:
    """A table of all environments."""
    table = Table()
    for column in ("id", "turns", "tools", "runs code", "what it is"):
        table.add_column(column, no_wrap=column == "id")
    for env_id in envs.known_ids():
        env = envs.make(env_id)
        tools = ", ".join(t.name for t in env.make_tools(env.sample_task(0)))
        table.add_row(env_id, str(env.max_turns), tools, "yes" if env.sandboxed else "", Text(purpose(env)))
    for env_id in reasoning_gym_ids():
        table.add_row(env_id, "1", "", "", "a dataset of reasoning-gym")
    for env_id in sorted(i for i in set(all_ids()) - set(envs.known_ids()) if not i.startswith(PREFIX)):
        module, _, cls = str(gymnasium.spec(env_id).entry_point).partition(":")
        about = sys.modules.get(module) or importlib.import_module(module)
        table.add_row(env_id, "1", "", "yes" if getattr(about, cls).sandboxed else "", Text(first_sentence(about)))
    console.print(table)
    return 0


def check(env: TextEnv, n: int, console: Console) -> int:
    """The contract and the proof, line by line; 1 when something is wrong."""
    faults = []
    for name, fault in breaches(env):
        console.print(Text("ok    " if not fault else "WRONG ", "green" if not fault else "red"), name, sep="")
        faults += [f"{name}: {fault}"] if fault else []
    try:
        rows = prove(env, n=n)
    except Exception as error:  # the author's code may raise anything: that is the finding
        rows, faults = [], [*faults, f"the proof can't be played: {type(error).__name__}: {error}"]
    for row in rows:
        style = "green" if row.ok else "red"
        words = f"{row.policy}: mean {row.mean:.3f} of {row.n}, must be {row.bound}"
        console.print(Text("ok    " if row.ok else "WRONG ", style), words, sep="", markup=False)
        faults += [] if row.ok else [in_words(env, row)]
    for fault in faults:
        console.print(Text(f"- {fault}", "red"))
    console.print(f"{env.id}: {f'{len(faults)} to mend' if faults else 'all holds'}")
    return FAULTY if faults else 0


def main() -> int:
    """Parses the command line and does what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all environments")
    for name, text in (("show", "a whole episode by the expert"), ("play", "play one yourself")):
        one = commands.add_parser(name, help=text)
        one.add_argument("id")
        one.add_argument("--seed", type=int)
        one.add_argument("--difficulty", type=float)
        one.add_argument("--file", help="the data set of an environment that takes one")
    checked = commands.add_parser("check", help="contract and proof of an environment")
    checked.add_argument("id")
    checked.add_argument("--n", type=int, default=200, help="tasks that the expert plays (default 200)")
    checked.add_argument("--file", help="the data set of an environment that takes one")
    commands.add_parser("docs", help="write docs/environments.md anew")
    arguments = parser.parse_args()
    console = Console()
    if arguments.command == "list":
        return show_list(console)
    if arguments.command == "docs":
        from scripts.catalogue import write_page

        return write_page(PAGE, console)
    if arguments.command == "check":
        return check(load(arguments.id, file=arguments.file), arguments.n, console)
    env = load(arguments.id, arguments.difficulty, arguments.file)
    return playing.play(env, console, input, arguments.seed, expert=arguments.command == "show")


if __name__ == "__main__":
    sys.exit(run(main))
