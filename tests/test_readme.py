"""The README tells the truth: its Python runs, its commands exist, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
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


def test_every_page_and_every_example_is_linked() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", README))
    pages = [p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md") if p.name != "requirements.md"]
    examples = [p.relative_to(ROOT).as_posix() for p in (ROOT / "docs" / "examples").rglob("*.*") if p.suffix != ".txt"]
    assert examples
    assert not {p for p in (*pages, *examples) if "__pycache__" not in p} - linked


def stand_ins(folder: Path) -> None:
    """Write small data of the form of `housing.csv` and `mnist.npz`."""
    rng = np.random.default_rng(0)
    rooms, sea = rng.normal(5, 1, 120), rng.choice(["INLAND", "NEAR BAY"], 120)
    value = 50_000 * rooms + 80_000 * (sea == "NEAR BAY") + rng.normal(0, 9_000, 120)
    rows = [f"{r:.2f},{s},{v:.0f}" for r, s, v in zip(rooms, sea, value, strict=True)]
    (folder / "housing.csv").write_text("\n".join(["rooms,ocean_proximity,median_house_value", *rows]) + "\n")
    x, y = rng.integers(0, 256, (90, 8, 8), np.uint8), np.arange(90) % 10
    np.savez(folder / "mnist.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])


def test_the_commands_of_the_readme_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("typer", "safetensors", "sklearn", "matplotlib"):
        pytest.importorskip(library)
    from fallline import _bench
    from fallline.cli import main

    monkeypatch.chdir(tmp_path)
    rows = [_bench.Row("training step", "one", {"fallline": 2.0})]  # a minute's work; test_bench.py measures a case
    monkeypatch.setattr(_bench, "run_brief", lambda: iter(rows))
    stand_ins(tmp_path)
    shell = next(block for block in blocks("sh") if "fallline fit housing.csv" in block)
    lines = [line.split("#")[0].split() for line in shell.splitlines() if line.strip()]
    assert len(lines) >= 6
    for program, *words in lines:
        assert program == "fallline"
        if words == ["playground"]:  # which serves a page until somebody stops it; a file holds the same page
            words += ["--output", str(tmp_path / "outside" / "lab.html")]
            (tmp_path / "outside").mkdir()
        assert main(words) == 0, words
    written = {path.name for path in tmp_path.iterdir() if path.is_file()} - {"housing.csv", "mnist.npz"}
    models = {"model.safetensors", "housing.safetensors", "model-2.safetensors"}
    assert written == {*models, *(name.replace("safetensors", "png") for name in models), "predictions.csv"}
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 121
