"""Write a new environment with its proof and its test, green at once; then make it yours.

    python scripts/new_env.py Inventory --kind tools

--kind single: one question, one answer; tools: several turns with tools; dialogue: a simulated user who is asked.
Writes envs/inventory.py and tests/envs/test_inventory.py, and adds postgym/Inventory-v0 to envs/registry.py.
"""

import argparse
import re
import sys
from pathlib import Path
from string import Template

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rewards.errors import ConfigError
from scripts.cli import run

KINDS = ("single", "tools", "dialogue")
_TEMPLATES = Path(__file__).with_name("templates")
_TABLE, _END = "_ENVIRONMENTS = {\n", "\n}\n"  # in the registry


def write_environment(name: str, kind: str, root: Path) -> list[Path]:
    """Writes the environment, its test and its line in the registry; returns the files.

    Raises:
        ConfigError: the name is no CamelCase word, or a file of that name is there; nothing is written then.
    """
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]{1,40}", name):
        raise ConfigError(f"name {name!r} is no CamelCase word; write one such as Inventory")
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    module, test, registry = root / f"envs/{snake}.py", root / f"tests/envs/test_{snake}.py", root / "envs/registry.py"
    listed = registry.read_text()
    for path in (module, test):
        if path.exists():
            raise ConfigError(f"{path} is there already; take another name, or delete it")
    before, found, table = listed.partition(_TABLE)
    lines, ended, after = table.partition(_END)
    if f'"{name}-v0"' in listed or not found or not ended:
        raise ConfigError(f"{registry} lists {name}-v0 already, or isn't as it was; add the line by hand")
    words = {"name": name, "id": f"postgym/{name}-v0"}
    for path, template in ((module, kind), (test, "test")):
        path.write_text(Template((_TEMPLATES / f"{template}.py.txt").read_text()).substitute(words))
    line = f'\n    "{name}-v0": "envs.{snake}:{name}",'
    registry.write_text("".join((before, found, lines, line, ended, after)))
    return [module, test, registry]


def main() -> int:
    """Parses the command line, writes, and says what to do next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="CamelCase, such as Inventory")
    parser.add_argument("--kind", choices=KINDS, default="single")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    module, test, registry = write_environment(arguments.name, arguments.kind, root)
    print(f"wrote  {module.relative_to(root)}\nwrote  {test.relative_to(root)}\nlisted in {registry.relative_to(root)}")
    print(f"check: python scripts/envs.py check postgym/{arguments.name}-v0")
    print(f"test:  python -m pytest {test.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
