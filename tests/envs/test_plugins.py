"""A package of somebody's own brings environments through Gymnasium's entry points, this repository untouched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-an-environment.md"
README = ROOT / "README.md"


def block(page: Path, holds: str) -> str:
    """The block of a page that holds these words."""
    return next(b.partition("\n")[2] for b in page.read_text().split("```") if holds in b)


@pytest.fixture
def site(tmp_path):
    """A folder as `pip install` leaves it: the README's environment, and the how-to's registration."""
    environment = block(README, "class Backwards").partition("\n\nfor row in")[0]
    registration = block(PAGE, "def register")
    module = environment.replace("mine/Backwards-v0", "postgym/Backwards-v0") + "\n\n" + registration
    (tmp_path / "my_envs.py").write_text(module)
    listed = block(PAGE, 'name = "my-envs"')
    (entry,) = (line for line in listed.splitlines() if line.startswith("postgym ="))
    info = tmp_path / "my_envs-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-envs\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[gymnasium.envs]\n" + entry.replace('"', "") + "\n")
    return tmp_path


def called(site, *arguments):
    variables = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)


def test_an_installed_package_is_listed_and_checked_beside_ours(site):
    listed = called(site, "scripts/envs.py", "list", "--json")
    assert "postgym/Backwards-v0" in [row["id"] for row in json.loads(listed.stdout)], listed.stderr
    checked = called(site, "scripts/envs.py", "check", "postgym/Backwards-v0", "--n", "20", "--json")
    assert json.loads(checked.stdout)["faults"] == []


def test_a_run_can_be_configured_with_it(site):
    code = "from trainer.config import EnvironmentConfig; print(EnvironmentConfig(id='postgym/Backwards-v0').id)"
    assert called(site, "-c", code).stdout.strip() == "postgym/Backwards-v0"


def test_one_that_is_broken_is_named_and_the_others_go_on(site):
    (site / "my_envs.py").write_text("import nothing_of_that_name\n")
    made = called(site, "-c", "import envs; print(envs.make('postgym/Weather-v0').id)")
    assert made.stdout.strip() == "postgym/Weather-v0"
    assert "plug-in my_envs:register can't be loaded (ModuleNotFoundError" in made.stderr
    assert "mend or uninstall it" in made.stderr
