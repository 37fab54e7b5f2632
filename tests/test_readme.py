"""The README's blocks run, and what it names is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_environment_of_the_readme_proves_itself():
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    rows = found.stdout.splitlines()
    assert len(rows) > 5
    assert all(row.startswith("ok ") for row in rows), found.stdout


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/\w+\.py", README))))
def test_every_script_of_the_readme_explains_itself(script):
    found = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0
    assert "usage:" in found.stdout


@pytest.mark.parametrize(
    "text", [README, *((ROOT / "docs").glob("*.md"))], ids=lambda text: getattr(text, "name", "README.md")
)
def test_links_lead_somewhere(text):
    folder = ROOT if isinstance(text, str) else text.parent
    for target in re.findall(r"\]\(([^)#]+)", text if isinstance(text, str) else text.read_text()):
        assert (folder / target).exists(), target


def test_make_knows_every_target_of_the_readme():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)`", README)) | set(re.findall(r"^make (\w+)", README, re.MULTILINE)):
        assert f"\n{target}:" in makefile


def test_the_configs_are_valid():
    from trainer.config import load_config

    for path in (ROOT / "scripts" / "configs").glob("*.yaml"):
        assert load_config(path).environments
