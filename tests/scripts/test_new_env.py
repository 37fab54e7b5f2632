"""A new environment is green at once: written into a copy of the project, tested and checked there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rewards.errors import ConfigError
from scripts.new_env import KINDS, write_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path):
    skipped = shutil.ignore_patterns("__pycache__", "tests", ".*")
    for folder in ("rewards", "envs", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "tests" / "envs", tmp_path / "tests" / "envs", ignore=shutil.ignore_patterns("test_*"))
    (tmp_path / "tests" / "__init__.py").touch()  # else tests/ stands on the path, and its envs before envs/
    return tmp_path


def called(folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_environment_is_green_at_once(copy, kind):
    written = called(copy, "scripts/new_env.py", "ShopFloor", "--kind", kind)
    assert written.returncode == 0, written.stderr
    assert "envs/shop_floor.py" in written.stdout
    tested = called(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/envs/test_shop_floor.py")
    assert tested.returncode == 0, tested.stdout
    assert "2 passed" in tested.stdout
    checked = called(copy, "scripts/envs.py", "check", "postgym/ShopFloor-v0", "--n", "40")
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.rstrip().endswith("postgym/ShopFloor-v0: all holds")
    tidy = called(copy, "-m", "ruff", "check", "envs/shop_floor.py", "tests/envs/test_shop_floor.py")
    assert tidy.returncode == 0, tidy.stdout
    assert called(copy, "-m", "ruff", "format", "--check", "envs/shop_floor.py").returncode == 0


@pytest.mark.parametrize("name", ["inventory", "My-Env", "", "../Evil", "Weather"])
def test_a_bad_or_taken_name_writes_nothing(copy, name):
    before = sorted(p.name for p in copy.rglob("*"))
    registry = (copy / "envs" / "registry.py").read_text()
    with pytest.raises(ConfigError, match=r"take another name|CamelCase"):
        write_environment(name, "single", copy)
    assert sorted(p.name for p in copy.rglob("*")) == before
    assert (copy / "envs" / "registry.py").read_text() == registry
