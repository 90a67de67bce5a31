"""The programs that one writes first: ours run, none is longer than its original, and the originals run too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"torch": "coming-from-pytorch.md", "keras": "coming-from-keras.md"}


def sections(name: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Return what all programs begin with, and of each its title, the original and ours."""
    head, *parts = re.split(r"^## ", (DOCS / PAGES[name]).read_text(encoding="utf-8"), flags=re.MULTILINE)
    code = {kind: re.compile(rf"^```{kind}\n(.*?)^```", re.MULTILINE | re.DOTALL) for kind in ("py", "python")}
    (begin,) = code["python"].findall(head)
    found = []
    for part in parts:
        (theirs,), (ours,) = code["py"].findall(part), code["python"].findall(part)
        found.append((part.partition("\n")[0], theirs, ours))
    return begin, found


def lines(program: str) -> int:
    return sum(bool(line.strip()) for line in program.splitlines())


@pytest.mark.parametrize("name", PAGES)
def test_ten_programs_are_no_longer_than_their_originals(name: str) -> None:
    _, programs = sections(name)
    assert len(programs) == 10
    for title, theirs, ours in programs:
        assert lines(ours) <= lines(theirs), title


def run(name: str, column: int) -> dict[str, Any]:
    begin, programs = sections(name)
    scope: dict[str, Any] = {"__name__": "page"}
    exec(compile(begin, name, "exec"), scope)
    for program in programs:
        exec(compile(program[column], f"{name}: {program[0]}", "exec"), scope)
    return scope


@pytest.mark.parametrize("name", PAGES)
def test_ours_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope = run(name, 2)
    assert scope["fl"].evaluate(scope["model"], *DATA[name](scope), loss="cross_entropy")["loss"] < LOSSES[name]


DATA = {"torch": lambda s: (s["x"], s["y"]), "keras": lambda s: (s["images"], s["digits"])}
LOSSES = {"torch": 0.6, "keras": 2.5}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.filterwarnings("ignore")
def test_the_originals_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    torch = pytest.importorskip("torch")
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads wait for each other on a busy machine
    try:
        run(name, 1)
    finally:
        torch.set_num_threads(threads)
