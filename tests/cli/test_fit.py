"""`fallline fit`: what it says, what it writes, how good it gets, and what it refuses in one sentence."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run, npz, results, table


def test_digits(run: Run, tmp_path: Path) -> None:
    done = run("fit", "digits")
    assert (done.returncode, done.stderr) == (0, "")
    found = results(done.stdout)
    assert list(found) == ["train", "validation", "test"]
    assert found["test"]["accuracy"] >= 0.94
    assert set(found["test"]) == {"accuracy", "loss"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.png", "model.safetensors"]
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


def test_mnist(run: Run, data_folder: Path) -> None:
    done = run("fit", data_folder / "mnist.npz", "--hidden", "128", "--optimizer", "adam", "--epochs", "5")
    assert results(done.stdout)["test"]["accuracy"] >= 0.975, done.stderr


def test_housing(run: Run, data_folder: Path) -> None:
    done = run("fit", data_folder / "housing.csv", "--target", "median_house_value", "--effort", "quick")
    found = results(done.stdout)["test"]
    assert found["r2"] >= 0.78, done.stderr
    assert list(found) == ["r2", "rmse", "loss"]
    assert "column ocean_proximity: 5 categories" in done.stdout
    assert "total_bedrooms: 207 missing values filled with the median 4" in done.stdout


def test_a_table_of_numbers_and_names(run: Run, tmp_path: Path) -> None:
    done = run("fit", table(tmp_path), "--target", "price", "--epochs", "40", "--output", "out.safetensors")
    found = results(done.stdout)["test"]
    assert found["r2"] > 0.95, done.stderr
    assert found["rmse"] < 100  # in the units of the file, where prices vary by hundreds
    assert (tmp_path / "out.png").exists()


@pytest.mark.parametrize("task", ["classification", "ordinal", "regression", "count", "quantile"])
def test_every_task_is_fitted_and_foretold(run: Run, tmp_path: Path, task: str) -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(size=60)
    rows = [f"{v:.3f},{round(3 + 2 * v)}.0" for v in a]
    (tmp_path / "s.csv").write_text("\n".join(["a,score", *rows]) + "\n")
    done = run("fit", "s.csv", "--task", task, "--effort", "quick", "--column", "a=number")
    assert done.returncode == 0, done.stderr
    assert list(results(done.stdout)) == ["train", "validation", "test"]
    (tmp_path / "new.csv").write_text("more,a,score\n1,0.01,\n2,0.99,what\n3,,9\n")
    told = run("predict", "model.safetensors", "new.csv")
    assert told.returncode == 0, told.stderr
    header, *lines = told.stdout.splitlines()
    extra = {"classification": "probability_", "ordinal": "probability_", "quantile": "quantile_"}.get(task)
    assert [name.startswith(extra or "prediction") for name in header.split(",")][1:] == [True] * header.count(",")
    assert len(lines) == 3
    low, high = (line.split(",")[0] for line in lines[:2])
    if extra == "probability_":
        assert (low, high) == ("3.0", "5.0")  # as they are spelled in the file
    else:
        assert abs(float(low) - 3) < 0.6
        assert abs(float(high) - 5) < 0.6


def test_a_linear_model_is_as_good_as_it_can_be(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x @ [30, -20, 5] + 100 + rng.normal(size=120)
    lines = [",".join(f"{v:.4f}" for v in [*row, t]) for row, t in zip(x, y, strict=True)]
    (tmp_path / "l.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    found = results(run("fit", "l.csv", "--hidden", "none").stdout)
    assert found["test"]["rmse"] < 1.4  # of noise with deviation 1
    assert found["train"]["rmse"] < 1.2


def test_the_seed_decides_everything(run: Run, tmp_path: Path) -> None:
    files = []
    for seed in (1, 1, 2):
        run("fit", "breast_cancer", "--epochs", "2", "--seed", seed, "--output", "m.safetensors", "--force")
        files.append((tmp_path / "m.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize(
    "options",
    [
        ("breast_cancer", "--loss", "binary_cross_entropy"),
        ("digits", "--hidden", "none", "--optimizer", "sgd", "--schedule", "constant"),
        ("digits", "--activation", "tanh", "--optimizer", "momentum", "--schedule", "linear", "--validation", "0"),
        ("diabetes", "--loss", "mae", "--lr", "0.001", "--schedule", "exponential", "--test", "0"),
    ],
)
def test_options(run: Run, options: tuple[str, ...]) -> None:
    done = run("fit", *options, "--epochs", "3")
    assert done.returncode == 0, done.stderr
    found = results(done.stdout)
    assert ("test" not in found) == ("--test" in options)
    assert ("validation" not in found) == ("--validation" in options)
    quality = found["train"].get("accuracy", found["train"].get("r2"))
    assert quality is not None
    assert quality > 0.2


X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["none.csv"], "there is no file none.csv"),
        (["digit"], "did you mean 'digits'?"),
        (["t.csv", "--target", "prise"], "did you mean 'price'?"),
        (["digits", "--optimizer", "adm"], "--optimizer 'adm' is unknown; did you mean 'adam"),
        (["digits", "--activation", "rellu"], "did you mean 'relu'"),
        (["digits", "--loss", "mse"], "--loss mse does not fit a target of classes; these do: cross_entropy"),
        (["digits", "--loss", "cross"], "--loss 'cross' is unknown; did you mean"),
        (["digits", "--loss", "binary_cross_entropy"], "is for two classes, the target has 10"),
        (["digits", "--schedule", "cosin"], "did you mean 'cosine'"),
        (["digits", "--hidden", "12x"], "--hidden takes layer widths such as 128 or 128,64, or none; got '12x'"),
        (["digits", "--hidden", "64,0"], "--hidden takes layer widths"),
        (["digits", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["digits", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["digits", "--epochs", "many"], "--epochs"),
        (["digits", "--seed", str(2**70)], "--seed must be below 2^63"),
        (["digits", "--lr", "-1"], "--lr must be a positive number, got -1"),
        (["digits", "--lr", "nan"], "--lr must be a positive number"),
        (["digits", "--validation", "0.6", "--test", "0.5"], "leave nothing to train on"),
        (["digits", "--output", "no/model.safetensors"], "the folder no of --output does not exist"),
        (["digits", "--output", "model.pt"], "--output must end in .safetensors"),
        (["digits", "--target", "y"], "--target names a column of a CSV file"),
        (["digits", "--optimiser", "adam"], "--optimiser"),
        (["digits", "--optimizer", "sgd", "--schedule", "constant", "--lr", "1e30"], "lower --lr (it was 1e+30)"),
        (["t.csv", "--effort", "much"], "--effort 'much' is unknown; known: best, default, quick"),
        (["t.csv", "--effort", "best", "--epochs", "3"], "--effort chooses network and training itself; leave out"),
        (["t.csv", "--task", "regress"], "--task 'regress' is unknown; did you mean 'regression'"),
        (["t.csv", "--column", "a"], "--column takes NAME=KIND, such as age=number; got 'a'"),
        (["t.csv", "--column", "a=nummer"], "--column 'nummer' is unknown; did you mean 'number'"),
        (["t.csv", "--column", "aa=number"], "has no column 'aa'"),
        (["t.csv", "--column", "kind=number"], "column kind must hold numbers, and none of its values is one"),
        (["t.csv", "--column", "kind=date"], "column kind cannot be read as dates; 2024-12-31"),
        (["t.csv", "--target", "kind", "--task", "regression"], "column kind must hold numbers, row 1 has"),
        (["t.csv", "--target", "a", "--task", "count"], "counts begin at 0"),
        (["huge.csv", "--target", "y", "--task", "regression"], "must hold finite numbers below 1e100, row 3 has"),
        ([npz, {"x": X, "y": np.zeros(60, int)}], "one class only"),
        ([npz, {"x": np.where(X > 2, np.nan, X), "y": Y}], "has x with nan in row"),
        ([npz, {"x": X.astype(str), "y": Y}], "it must hold numbers"),
        ([npz, {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}], "label '3' in row 3, out of the range"),
    ],
)
def test_bad_input_gives_one_sentence(run: Run, tmp_path: Path, options: list[Any], words: str) -> None:
    table(tmp_path)
    (tmp_path / "huge.csv").write_text("a;y\n" + "1;1,5\n2;2,5\n3;1e300\n" * 5)
    if options[0] is npz:
        options = [npz(tmp_path, **options[1])]
    before = sorted(p.name for p in tmp_path.iterdir())
    done = run("fit", *options)
    assert done.returncode == 2
    assert done.stderr.startswith("fallline: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_keeps_the_parameters_so_far(tmp_path: Path) -> None:
    # A shell lets what runs behind ignore the signal, and children inherit that.
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from fallline.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-u", "-c", program, "fit", "digits", "--epochs", "1000000"]
    command += ["--schedule", "constant", "--batch-size", "256"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("rows:"):
                break
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert re.search(r"stopped by Ctrl-C after \d+ of 1000000 epochs; the parameters so far are kept", out)
    assert results(out)["train"]["accuracy"] > 0.8
    assert (tmp_path / "model.safetensors").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_module_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "fallline"]
    done = subprocess.run([*command, "fit", "none.csv"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fallline: there is no file none.csv (data sets known by name: breast_cancer, ")


def test_the_model_file_describes_itself(run: Run, tmp_path: Path) -> None:
    from safetensors import safe_open

    run("fit", table(tmp_path), "--target", "dear", "--epochs", "2", "--hidden", "5")
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        texts = file.metadata()
        weights = {name for name in file.keys() if "/" not in name}  # noqa: SIM118 (not a dict)
    assert weights == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert [layer["type"] for layer in json.loads(texts["model"])["layers"]] == ["Linear", "ReLU", "Linear"]
    assert json.loads(texts["target"])["classes"] == ["no", "yes"]
    assert json.loads(texts["features"])["columns"][1]["levels"] == ["u", "v"]
    assert len(json.loads(texts["history"])["loss"]) == 2
