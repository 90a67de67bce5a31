"""`fallline predict` and `info`: the same preprocessing, the users' own names and units, one sentence for bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import Run, npz, results, table


def fitted_table(run: Run, folder: Path, target: str) -> Path:
    path = table(folder)
    done = run("fit", path, "--target", target, "--epochs", "30")
    assert done.returncode == 0, done.stderr
    return path


def test_numbers_come_back_in_their_units_with_a_score(run: Run, tmp_path: Path) -> None:
    path = fitted_table(run, tmp_path, "price")
    done = run("predict", "model.safetensors", path, "--output", "p.csv")
    assert done.returncode == 0, done.stderr
    header, *rows = (tmp_path / "p.csv").read_text().splitlines()
    truth = [float(line.split(",")[2]) for line in path.read_text().splitlines()[1:]]
    assert header == "prediction"
    assert np.corrcoef(truth, [float(row) for row in rows])[0, 1] > 0.97
    line = done.stdout.splitlines()[-1]
    words = line.split()
    assert words[0] == "data"
    assert float(words[words.index("r2") + 1]) > 0.95


def test_a_table_without_target_and_with_news_is_predicted(run: Run, tmp_path: Path) -> None:
    fitted_table(run, tmp_path, "dear")
    (tmp_path / "new.csv").write_text("price,kind,a\n1,w,0.5\n1,u,\n")
    done = run("predict", "model.safetensors", "new.csv")
    header, *rows = done.stdout.splitlines()
    assert header == "prediction,probability_no,probability_yes"
    assert [row.split(",")[0] in {"yes", "no"} for row in rows] == [True, True]
    assert "column kind: 1 value not among its categories (such as w)" in done.stderr
    assert "a: 1 missing value filled with the median" in done.stderr


def test_predictions_do_not_depend_on_the_order_of_columns(run: Run, tmp_path: Path) -> None:
    path = fitted_table(run, tmp_path, "price")
    turned = [",".join(reversed(line.split(","))) for line in path.read_text().splitlines()]
    (tmp_path / "turned.csv").write_text("\n".join(turned) + "\n")
    assert run("predict", "model.safetensors", path).stdout == run("predict", "model.safetensors", "turned.csv").stdout


def test_a_named_set_scores_as_while_fitting(run: Run) -> None:
    fit = run("fit", "digits", "--epochs", "3", "--validation", "0", "--test", "0")
    done = run("predict", "model.safetensors", "digits")
    assert done.stdout.count("\n") == 1798
    assert done.stderr.splitlines()[-1] == "data " + fit.stdout.split("train ")[-1].splitlines()[0]
    assert results(fit.stdout)["train"]["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("target", "cells", "strange"),
    [
        ("dear", ["yes", "maybe", "", "no"], "1 row with a value that the model cannot give (such as maybe)"),
        ("price", ["1000", "cheap", "", "900.5"], "1 row with a value that the model cannot give (such as cheap)"),
        ("price", ["1000", "1e200", "inf", "900.5"], "2 rows with a value that the model cannot give (such as 1e200)"),
        ("dear", ["so", "so", "la", "la"], "4 rows with a value that the model cannot give (such as so)"),
    ],
)
def test_a_strange_target_is_predicted_and_not_scored(
    run: Run, tmp_path: Path, target: str, cells: list[str], strange: str
) -> None:
    fitted_table(run, tmp_path, target)
    other = "price" if target == "dear" else "dear"
    lines = [f"{i},u,1,{cell}" for i, cell in enumerate(cells)]
    (tmp_path / "new.csv").write_text("\n".join([f"a,kind,{other},{target}", *lines]) + "\n")
    done = run("predict", "model.safetensors", "new.csv")
    assert (done.returncode, done.stdout.count("\n")) == (0, 5)
    note, *score = done.stderr.splitlines()[-2:] if "la" not in cells else done.stderr.splitlines()[-1:]
    assert note == f"target {target}: {strange}; predicted, and left out of the score"
    assert len(score) == ("la" not in cells)
    # The score is that of the two rows whose truth the model knows, worked out here.
    if score and target == "dear":
        rows = [line.split(",")[0] for line in done.stdout.splitlines()[1:]]
        right = np.mean([rows[0] == "yes", rows[3] == "no"])
        assert score[0].startswith(f"data accuracy {right:.4f} loss ")
    elif score:
        errors = [float(done.stdout.splitlines()[i + 1]) - float(cells[i]) for i in (0, 3)]
        assert float(score[0].split()[4]) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-3)


def test_labels_of_an_archive_that_the_model_does_not_know(run: Run, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    run("fit", npz(tmp_path, x=x, y=y), "--epochs", "1")
    done = run("predict", "model.safetensors", npz(tmp_path, x=x, y=y + 1))
    assert (done.returncode, done.stdout.count("\n")) == (0, 61)
    assert "target y: 20 rows with a value that the model cannot give (such as 3); predicted" in done.stderr
    assert "data accuracy" in done.stderr


def test_whole_numbers_are_classes_however_they_are_spelled(run: Run, tmp_path: Path) -> None:
    lines = [f"{i % 7},{i % 2}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *lines]) + "\n")
    assert run("fit", "t.csv", "--epochs", "1").returncode == 0
    (tmp_path / "n.csv").write_text("a,y\n1,1.0\n2,0\n")
    done = run("predict", "model.safetensors", "n.csv")
    assert "cannot give" not in done.stderr
    assert "data accuracy" in done.stderr


def test_bad_input_gives_one_sentence(run: Run, tmp_path: Path) -> None:
    fitted_table(run, tmp_path, "price")
    model = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(model[: len(model) // 2])
    (tmp_path / "text.safetensors").write_text("not a model")
    (tmp_path / "lacks.csv").write_text("a,kid,dear\n1,u,no\n")
    npz(tmp_path, x=np.zeros((3, 2)))
    for words, sentence in (
        (["none.safetensors", "t.csv"], "there is no model file none.safetensors"),
        (["half.safetensors", "t.csv"], "half.safetensors is not a readable safetensors file; is it complete?"),
        (["text.safetensors", "t.csv"], "text.safetensors is not a readable safetensors file"),
        (["model.safetensors", "none.csv"], "there is no file none.csv"),
        (["model.safetensors", "lacks.csv"], "lacks the column 'kind' of the model; did you mean 'kid'?"),
        (["model.safetensors", "d.npz"], "fitted to another kind of data than d.npz; give it a CSV file"),
        (["model.safetensors", "t.csv", "--output", "no/p.csv"], "the folder no of --output does not exist"),
    ):
        done = run("predict", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_model_of_another_hand_is_refused(run: Run, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(3)}, tmp_path / "foreign.safetensors")
    done = run("predict", "foreign.safetensors", "digits")
    assert done.returncode == 2
    assert "foreign.safetensors was not written by this fallline" in done.stderr


def test_info(run: Run) -> None:
    done = run("info")
    assert done.returncode == 0, done.stderr
    names = [line.partition(": ")[0] for line in done.stdout.splitlines()]
    assert {"version", "simd target", "simd targets", "threads", "cuda"} <= set(names)


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["predict", "--help"]])
def test_help(run: Run, words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "fallline" in done.stdout


def test_an_unknown_command_is_one_sentence(run: Run) -> None:
    done = run("fitt", "digits")
    assert done.returncode == 2
    assert done.stderr.startswith("fallline: No such command 'fitt'")
    assert done.stderr.count("\n") == 1
