"""Whatever is typed, and whatever the files hold: sentences, exit codes 0, 1, 2 or 130, and inputs as they were.

A few seconds of examples that are always the same run with the suite. `FALLLINE_FUZZ=n pytest tests/cli/test_fuzz.py
--hypothesis-seed=s` runs n others of each kind; `.ci/nightly` does so for ten minutes.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from commands import table
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fallline._cli import fit as fitting
from fallline.cli import main

EXAMPLES = int(os.environ.get("FALLLINE_FUZZ", "0"))
fuzz = settings(
    max_examples=EXAMPLES or 25,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TRACEBACK = re.compile(r"Traceback|Error:|Warning|File \"")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder with data of every kind and a model of two of them."""
    with tempfile.TemporaryDirectory() as name, _chdir(name):
        folder = Path(name)
        table(folder, 60)
        rng = np.random.default_rng(0)
        np.savez(folder / "d.npz", x=rng.normal(size=(40, 3)), y=np.arange(40) % 3)
        (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes()))
        (folder / "other.txt").write_text("mine\n")
        (folder / "link.csv").symlink_to("t.csv")
        for data, model in (("t.csv", "t.safetensors"), ("d.npz", "d.safetensors")):
            code, _, errors = run("fit", data, "--epochs", "1", "--hidden", "3", "--output", model)
            assert code == 0, errors
        yield folder


@contextlib.contextmanager
def _chdir(name: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(name)
    try:
        yield
    finally:
        os.chdir(before)


def run(*words: object, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command with these words, without the half second that a picture takes."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch.object(fitting, "draw_history", lambda history: b"picture"),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
    ):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # of --help, which typer prints
            code = int(stop.code or 0)
    return code, out.getvalue(), errors.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def check(folder: Path, *words: object, may_change: str = "", stdin: bytes = b"") -> tuple[int, str, str]:
    """Run, hold what happened against the promises, and remove what was written."""
    before = contents(folder)
    code, out, errors = run(*words, stdin=stdin)
    after = contents(folder)
    told = (words, code, out[-2000:], errors[-2000:])
    assert code in (0, 1, 2, 130), told
    assert not TRACEBACK.search(out + errors), told
    if code == 2 and errors:
        assert errors.startswith("fallline: ") and errors.count("\n") == 1, told
        assert len(errors) < 2000, told
    for name, content in before.items():
        assert after.get(name) == content or name == may_change, (name, told)
        if after.get(name) != content:
            (folder / name).write_bytes(content)
    for name in after.keys() - before.keys():
        assert not name.endswith(".part"), told
        (folder / name).unlink()
    return code, out, errors


# Words: every option with values good and bad.

JUNK = st.text(max_size=12).filter(lambda text: "\0" not in text)
NUMBERS = st.sampled_from(["0", "1", "2", "-1", "1.5", "0.2", "nan", "inf", "-inf", "1e400", "9" * 30, "", "x", "٣"])
NAMES = st.sampled_from(
    ["t.csv", "t.csv.gz", "link.csv", "d.npz", "other.txt", "-", ".", "none.csv", "digits", "t.safetensors"]
)
OUTPUTS = st.sampled_from(
    ["t.csv", "link.csv", "t.safetensors", "t.png", "d.npz", "other.txt", "new.csv", "new", "new.safetensors", ".", "-"]
    + ["no/where.csv", "/dev/null", "/proc/x.safetensors", "n" * 300, "ü.safetensors"]
)
OPTIONS: dict[str, st.SearchStrategy[str]] = {
    "--target": st.sampled_from(["a", "kind", "price", "dear", "prise", ""]) | JUNK,
    "--hidden": st.sampled_from(["none", "4", "4,3", "0", "1000000000", "9" * 25, "4,,3", ",", " 5 "]) | JUNK,
    "--activation": st.sampled_from(["relu", "TANH", "gelu", "rellu"]) | JUNK,
    "--loss": st.sampled_from(["mse", "mae", "huber", "cross_entropy", "binary_cross_entropy"]) | JUNK,
    "--optimizer": st.sampled_from(["adam", "sgd", "Lion", "muon", "sam", "tensorrule", "rprop", "prodigy"]) | JUNK,
    "--lr": NUMBERS,
    "--schedule": st.sampled_from(["cosine", "step", "inverse_time", "constant", "cos"]) | JUNK,
    "--batch-size": NUMBERS,
    "--epochs": st.sampled_from(["1", "2", "0", "-3", "x", "1.5", ""]),
    "--seed": NUMBERS,
    "--validation": NUMBERS,
    "--test": NUMBERS,
    "--output": OUTPUTS,
}
FLAGS = st.sampled_from(
    [["--force"], ["--help"], ["-h"], ["--version"], ["--no"], ["--"], ["-"], ["t.csv"], ["--output"]]
)
QUICK = {"--epochs": "1", "--hidden": "3", "--batch-size": "16"}


@fuzz
@given(
    st.sampled_from(["fit", "predict", "info", "fitt", ""]),
    st.lists(NAMES | JUNK, max_size=3),
    st.lists(
        st.sampled_from(sorted(OPTIONS)).flatmap(lambda name: st.tuples(st.just(name), OPTIONS[name])), max_size=4
    ),
    st.lists(FLAGS, max_size=1),
)
@example("fit", ["t.csv"], [("--output", "link.csv")], [["--force"]])
@example("fit", ["t.csv"], [("--output", "other.txt")], [["--force"]])
@example("predict", ["t.safetensors", "t.csv"], [("--output", "link.csv")], [["--force"]])
@example("predict", ["t.safetensors", "t.csv"], [("--output", "/dev/null")], [["--force"]])
@example("fit", ["t.csv"], [("--hidden", "1000000000")], [])
@example("fit", ["-"], [], [])
def test_words(
    home: Path, command: str, names: list[str], options: list[tuple[str, str]], flags: list[list[str]]
) -> None:
    chosen = dict(options)
    words = [command, *names, *(word for flag in flags for word in flag)]
    words += [word for option in options for word in option]
    if command == "fit":
        words += [word for name, value in QUICK.items() if name not in chosen for word in (name, value)]
    forced = chosen.get("--output", "") if ["--force"] in flags else ""
    check(home, *words, may_change=forced if forced in ("other.txt", "t.png", "t.safetensors") else "", stdin=CSV)


# CSV files: anything between bytes and good tables.

CSV = b"a,b\n" + b"".join(b"%d,%s\n" % (i, b"xy"[i % 2 : i % 2 + 1]) for i in range(30))
CELLS = st.sampled_from(
    ["1", "2.5", "-3e5", "", "NA", "nan", "inf", "1e300", "x", "y", "ü", '"q"', "a b", "0x1", "1_0", "\0"]
)
ODD = st.sampled_from(["\n", "\r", '"', ",", ";", "\t", "\ufeff", "\u2028"])


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(0, 25))
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "", "1", "ü"]), min_size=columns, max_size=columns))
    cells = st.lists(
        CELLS if draw(st.booleans()) else st.sampled_from(["1", "2", "x"]), min_size=columns, max_size=columns
    )
    lines = [delimiter.join(row) for row in [names, *(draw(cells) for _ in range(rows))]]
    text = "\n".join(lines) + "\n"
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(ODD) + text[at:]
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))


@fuzz
@given(tables() | st.binary(max_size=60), st.booleans(), st.integers(0, 40))
@example(CSV, False, 0)
def test_tables(home: Path, content: bytes, packed: bool, cut: int) -> None:
    (home / "new.csv").write_bytes(gzip.compress(content)[: -cut or None] if packed else content)
    words = ["--epochs", "1", "--hidden", "2"]
    check(home, "fit", "new.csv", *words)
    check(home, "fit", "-", *words, stdin=content)
    check(home, "predict", "t.safetensors", "new.csv", "--output", "p.csv")
    (home / "new.csv").unlink()


@fuzz
@given(st.data())
def test_archives(home: Path, data: st.DataObject) -> None:
    (home / "new.npz").write_bytes(mutated(data.draw, (home / "d.npz").read_bytes()))
    check(home, "fit", "new.npz", "--epochs", "1", "--hidden", "2")
    check(home, "predict", "d.safetensors", "new.npz")
    (home / "new.npz").unlink()


# Model files: bytes that were changed, and texts that were edited.

NAMES_OF_KEYS = ["format", "class", "model", "features", "target", "loss", "optimizer", "history"]
LEAVES = (
    st.none() | st.booleans() | st.integers(-2, 10**12) | st.floats() | st.sampled_from(["", "Linear", "number", "x"])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def mutated(draw: Any, content: bytes) -> bytes:
    """Change, cut or repeat a few bytes."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "remove", "repeat"]))
        if kind == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=6))
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 9))]
        elif kind == "repeat":
            data[at:at] = data[at : at + 30]
    return bytes(data)


def edited(draw: Any, tree: Any) -> Any:
    """Replace one part of a JSON tree by another tree, or drop it."""
    if not isinstance(tree, (Mapping, list)) or not tree or draw(st.integers(0, 4)) == 0:
        return draw(JSON)
    place = draw(st.sampled_from(sorted(tree))) if isinstance(tree, Mapping) else draw(st.integers(0, len(tree) - 1))
    copy: Any = dict(tree) if isinstance(tree, Mapping) else list(tree)
    if draw(st.integers(0, 6)) == 0:
        del copy[place]
    else:
        copy[place] = edited(draw, copy[place])
    return copy


@fuzz
@given(st.data(), st.sampled_from(["t", "d"]))
def test_bytes_of_models(home: Path, data: st.DataObject, which: str) -> None:
    (home / "new.safetensors").write_bytes(mutated(data.draw, (home / f"{which}.safetensors").read_bytes()))
    check(home, "predict", "new.safetensors", {"t": "t.csv", "d": "d.npz"}[which], "--output", "p.csv")
    (home / "new.safetensors").unlink()


@fuzz
@given(st.data(), st.sampled_from(["t", "d"]))
def test_texts_of_models(home: Path, data: st.DataObject, which: str) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = home / f"{which}.safetensors"
    with safe_open(path, framework="numpy") as file:
        texts = dict(file.metadata())
    key = data.draw(st.sampled_from(NAMES_OF_KEYS))
    if key in ("format", "class"):
        texts[key] = data.draw(st.text(max_size=5))
    else:
        texts[key] = json.dumps(edited(data.draw, json.loads(texts[key])))
    save_file(load_file(path), home / "new.safetensors", texts)
    check(home, "predict", "new.safetensors", {"t": "t.csv", "d": "d.npz"}[which], "--output", "p.csv")
    (home / "new.safetensors").unlink()


def test_a_traceback_would_be_seen(home: Path) -> None:
    with mock.patch.object(fitting, "run", side_effect=RuntimeError("broken")), pytest.raises(RuntimeError):
        check(home, "fit", "t.csv")
    broken = shutil.copy(home / "t.csv", home / "copy.csv")
    with (
        mock.patch.object(fitting, "run", lambda _: Path(broken).write_text("gone") and 0),
        pytest.raises(AssertionError, match=r"copy\.csv"),
    ):
        check(home, "fit", "copy.csv")
