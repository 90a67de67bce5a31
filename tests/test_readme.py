"""The README tells the truth: its Python runs, its commands exist, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python"))
    assert "fl.fit(" in code
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_every_command_of_the_readme_is_understood() -> None:
    pytest.importorskip("typer")
    import typer.main

    from fallline._cli.app import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    found = re.findall(r"^.*?\bfallline (fit|predict|info)\b([^\n]*)", "\n".join(blocks("sh")), re.MULTILINE)
    assert {name for name, _ in found} == {"fit", "predict", "info"}
    for name, words in found:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", words)) <= options


def test_the_two_commands_install_the_extras_that_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.findall(r"pip install '\.\[(\w+)\]'", README):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE)


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
