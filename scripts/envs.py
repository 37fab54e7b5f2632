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
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
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
_SHOWN = 12  # tools of an environment in the table
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


def listing() -> list[dict[str, Any]]:
    """Every environment: `id`, `turns`, `tools` (of its first task), `sandboxed` and `about`, in words."""
    rows = []
    for env_id in envs.known_ids():
        env = envs.make(env_id)
        tools = [t.name for t in env.make_tools(env.sample_task(0))]
        rows.append(_line(env_id, env.max_turns, tools, env.sandboxed, purpose(env)))
    rows += [_line(env_id, 1, [], False, "a dataset of reasoning-gym") for env_id in reasoning_gym_ids()]
    for env_id in sorted(i for i in set(all_ids()) - set(envs.known_ids()) if not i.startswith(PREFIX)):
        module, _, cls = str(gymnasium.spec(env_id).entry_point).partition(":")
        about = sys.modules.get(module) or importlib.import_module(module)
        rows.append(_line(env_id, 1, [], getattr(about, cls).sandboxed, first_sentence(about)))
    return rows


def _line(env_id: str, turns: int, tools: list[str], sandboxed: bool, about: str) -> dict[str, Any]:
    return {"id": env_id, "turns": turns, "tools": tools, "sandboxed": sandboxed, "about": about}


def show_list(console: Console) -> int:
    """A table of all environments."""
    table = Table()
    for column in ("id", "turns", "tools", "runs code", "what it is"):
        table.add_column(column, no_wrap=column == "id")
    for row in listing():
        tools = ", ".join(row["tools"][:_SHOWN]) + (", ..." if len(row["tools"]) > _SHOWN else "")
        about = Text(row["about"])
        table.add_row(row["id"], str(row["turns"]), tools, "yes" if row["sandboxed"] else "", about)
    console.print(table)
    return 0


def findings(env: TextEnv, n: int, say: Callable[[bool, str], None]) -> dict[str, Any]:
    """Holds an environment to its contract and proof, and tells each line through `say(ok, text)`.

    Returns:
        `id`, `holds`, `contract` (a list of `part` and `fault`, "" where it is kept), `proof` (the fields of
        `envs.proof.ProofRow`) and `faults`, what to mend in words.
    """
    contract = []
    for part, fault in breaches(env):
        say(not fault, part)
        contract.append({"part": part, "fault": fault})
    faults = [f"{c['part']}: {c['fault']}" for c in contract if c["fault"]]
    try:
        rows = prove(env, n=n)
    except Exception as error:  # the author's code may raise anything: that is the finding
        rows, faults = [], [*faults, f"the proof can't be played: {type(error).__name__}: {error}"]
    for row in rows:
        say(row.ok, f"{row.policy}: mean {row.mean:.3f} of {row.n}, must be {row.bound}")
        faults += [] if row.ok else [in_words(env, row)]
    proof = [asdict(row) for row in rows]
    return {"id": env.id, "holds": not faults, "contract": contract, "proof": proof, "faults": faults}


def check(env: TextEnv, n: int, console: Console) -> dict[str, Any]:
    """The contract and the proof, line by line, and the findings."""

    def say(ok: bool, text: str) -> None:
        console.print(Text("ok    " if ok else "WRONG ", "green" if ok else "red"), text, sep="", markup=False)

    found = findings(env, n, say)
    for fault in found["faults"]:
        console.print(Text(f"- {fault}", "red"))
    verdict = "all holds" if found["holds"] else f"{len(found['faults'])} to mend"
    console.print(f"{env.id}: {verdict}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="all environments")
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
    for one in (listed, checked):
        one.add_argument("--json", action="store_true", help="print JSON for scripts instead")
    commands.add_parser("docs", help="write docs/environments.md anew")
    return parser


def main() -> int:
    """Parses the command line and does what it says."""
    arguments = _parser().parse_args()
    console = Console()
    if arguments.command == "list" and arguments.json:
        print(json.dumps(listing(), indent=1))
        return 0
    if arguments.command == "list":
        return show_list(console)
    if arguments.command == "docs":
        from scripts.catalogue import write_page

        return write_page(PAGE, console)
    if arguments.command == "check":
        env = load(arguments.id, file=arguments.file)
        found = check(env, arguments.n, Console(quiet=arguments.json))
        if arguments.json:
            print(json.dumps(found, indent=1))
        return 0 if found["holds"] else FAULTY
    env = load(arguments.id, arguments.difficulty, arguments.file)
    return playing.play(env, console, input, arguments.seed, expert=arguments.command == "show")


if __name__ == "__main__":
    sys.exit(run(main))
