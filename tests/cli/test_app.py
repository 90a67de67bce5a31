"""What the command line offers around its commands: help, version, completion, and room for mistakes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run, npz, results, table

import fallline as fl
from fallline._cli import fit as fitting
from fallline.data import memory

QUICK = ("--epochs", "1", "--hidden", "4")


@pytest.mark.parametrize("words", [[], ["fit"], ["predict"], ["bench"], ["info"]])
def test_the_short_form_of_help(run: Run, words: list[str]) -> None:
    short, long = run(*words, "-h"), run(*words, "--help")
    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert "Usage" in short.stdout


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version(run: Run, word: str) -> None:
    done = run(word)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"fallline {fl.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fallline ", {"fit", "predict", "bench", "info"}),
        ("fallline fit --sch", {"--schedule"}),
        ("fallline fit digits --optimizer ada", {"adabelief", "adadelta", "adafactor", "adagrad", "adam"}),
        ("fallline fit digits --schedule co", {"constant", "cosine"}),
        ("fallline fit digits --loss m", {"mse", "mae"}),
        ("fallline fit d", {"digits", "diabetes"}),
    ],
)
def test_the_shell_completes(words: str, expected: set[str]) -> None:
    pytest.importorskip("typer")
    count = len(words.split(" ")) - 1
    environment = {"_FALLLINE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    done = subprocess.run(
        [sys.executable, "-m", "fallline"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert expected <= set(done.stdout.split()), (done.stdout, done.stderr)
    start = words.rsplit(" ", 1)[1]
    assert all(word.startswith(start) for word in done.stdout.split())


# Where data come from.


def from_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("kind", ["csv", "gz", "npz", "stdin csv", "stdin gz", "stdin npz"])
def test_every_way_in_gives_the_same_model(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = table(tmp_path, 80)
    if kind.endswith("npz"):
        path = tmp_path / npz(tmp_path, x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 3)
    expected = results(run("fit", path, *QUICK).stdout)
    content = path.read_bytes()
    if kind.endswith("gz"):
        content = gzip.compress(content)
        path = path.with_suffix(".csv.gz")
        path.write_bytes(content)
    word: Any = path
    if kind.startswith("stdin"):
        from_standard_input(monkeypatch, content)
        word = "-"
    done = run("fit", word, *QUICK)
    assert done.returncode == 0, done.stderr
    assert results(done.stdout) == expected
    if kind.startswith("stdin"):
        from_standard_input(monkeypatch, content)
    assert run("predict", "model.safetensors", word).stdout == run("predict", "model-2.safetensors", path).stdout


def test_nothing_on_standard_input_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from_standard_input(monkeypatch, b"")
    done = run("fit", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "fallline: standard input is empty or starts with an empty line; the first line must name the columns\n"
    )


@pytest.mark.parametrize("cut", [3, 10, -4])
def test_a_damaged_gzip_file_is_one_sentence(run: Run, tmp_path: Path, cut: int) -> None:
    content = gzip.compress(table(tmp_path).read_bytes())
    (tmp_path / "t.csv.gz").write_bytes(content[:cut])
    done = run("fit", "t.csv.gz")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fallline: t.csv.gz is not a readable gzip file; is it complete?\n"


# The target: named, guessed, or asked for.


def test_without_a_target_the_last_column_is_taken(run: Run, tmp_path: Path) -> None:
    done = run("fit", table(tmp_path), *QUICK)
    assert done.stdout.startswith("target dear: the last column of t.csv, since --target names none\n")
    assert fl.load("model.safetensors").target.name == "dear"


def test_a_person_at_a_terminal_is_asked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    asked = []

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def answer(text: str, default: str) -> str:
        asked.append((text, default))
        return "price"

    monkeypatch.setattr(typer, "prompt", answer)
    monkeypatch.setattr(sys, "stdin", Terminal())
    options = fitting.Options(
        data="t.csv", target=None, hidden="4", activation="relu", loss=None, optimizer="adam", lr=None,
        schedule="constant", batch_size=32, epochs=1, seed=0, validation=0.2, test=0.2, output=None, force=False,
    )  # fmt: skip
    table(tmp_path)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert fitting.run(options) == 0
    assert asked == [("which one shall be predicted", "dear")]
    assert "columns of t.csv: a, kind, price, dear\n" in sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert fl.load("model.safetensors").target.name == "price"


# Sentences stay short, and what cannot work is said before it is tried.


@pytest.mark.parametrize(
    "words", [["--target", "none"], ["--target", "x" * 10_000], ["--target", "c4"], ["--target", "line\nbreak"]]
)
def test_long_lists_and_long_names_are_cut(run: Run, tmp_path: Path, words: list[str]) -> None:
    names = [f"c{i}" for i in range(500)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join(names)] + [",".join(["x" * 3000] * 500)] * 3) + "\n")
    done = run("fit", "wide.csv", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 700
    if "c4" not in words:
        assert done.stderr.endswith(", ... (500 in all)\n")


@pytest.mark.parametrize(
    ("hidden", "words"),
    [
        ("1000000000", "--hidden 1000000000 would take "),
        ("100000,100000", "--hidden 100000,100000 would take "),
        ("9" * 25, "--hidden asks for a layer of "),
        (",".join(["50000"] * 500), "--hidden 50000,50000,"),
    ],
)
def test_a_network_that_memory_does_not_hold_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, hidden: str, words: str
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 16 * 10**9)
    done = run("fit", "breast_cancer", "--hidden", hidden)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fallline: {words}")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 300


def test_memory_counts_the_state_of_the_rule(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, int] = {}

    def note(size: int, *_: str) -> None:
        sizes[rule] = size

    monkeypatch.setattr(memory, "need", note)
    for rule in ("sgd", "momentum", "adam"):
        run("fit", "breast_cancer", "--epochs", "1", "--hidden", "1000", "--optimizer", rule, "--batch-size", "1")
    slot = 4 * (30 * 1000 + 1000 + 1000 * 2 + 2)
    assert sizes["adam"] - sizes["momentum"] == sizes["momentum"] - sizes["sgd"] == 3 * slot
    assert 5 * slot < sizes["sgd"] < 6 * slot


def test_free_memory_is_found_here() -> None:
    found = memory.available()
    assert found is None or 10**7 < found < 10**14
