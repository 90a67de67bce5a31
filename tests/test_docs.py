"""The pages tell the truth: examples are code of the repository, tables are current, and Python runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fallline as fl
from fallline.optim import Optimizer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_the_new_rule_of_contributing_is_one_of_ours() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split("## A new update rule\n")[1].split("\n## ")[0]
    (formula,), (shell, reference) = blocks(section, "cpp"), blocks(section, "python")
    assert formula in (ROOT / "cpp" / "optim" / "signs.inc.h").read_text()
    assert reference in (ROOT / "tests" / "reference_rules" / "signs.py").read_text()
    signs = (ROOT / "python" / "fallline" / "optim" / "signs.py").read_text()
    assert all(line in signs for line in shell.splitlines())


PAGES = (
    "architecture.md",
    "derivatives.md",
    "file-format.md",
    "landscapes.md",
    "layers.md",
    "optimizers.md",
    "plans.md",
    "recipes.md",
    "training-data.md",
    "tutorial.md",
)


@pytest.mark.parametrize("name", PAGES)
def test_the_python_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    exec(compile("\n".join(blocks(page, "python")), name, "exec"), {"__name__": "page"})


@pytest.mark.parametrize("script", ["optimizers.py", "layers.py"])
def test_the_tables_are_current(script: str) -> None:
    command = [sys.executable, str(ROOT / "docs" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("table", "absent"), [("cost", {"LBFGS", "Sophia", "NesterovLookahead"}), ("sources", set[str]())]
)
def test_every_optimizer_stands_in_the_table(table: str, absent: set[str]) -> None:
    ours = {cls.__name__ for cls in Optimizer._classes.values() if getattr(fl.optim, cls.__name__, None) is cls}
    rows = PAGE.split(f"<!-- {table} begins -->")[1].split(f"<!-- {table} ends -->")[0]
    assert ours - set(re.findall(r"^\| `(\w+)` ", rows, re.MULTILINE)) == absent


def test_what_closes_a_requirement_exists() -> None:
    page = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
    files = re.findall(r"`([\w./]+\.(?:py|md)|\.ci/run)`", page)
    assert len(files) > 50
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md")])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_every_landscape_is_on_its_page() -> None:
    page = (ROOT / "docs" / "landscapes.md").read_text(encoding="utf-8")
    table = "".join(line for line in page.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(\w+)`", table)) == set(fl.landscapes.ALL)
