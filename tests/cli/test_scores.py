"""The numbers that a user sees are those of the rows that they name (R11), worked out here a second time."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from commands import Run, npz, results

import fallline as fl
from fallline.data.problem import split

RNG = np.random.default_rng(3)
X = RNG.normal(2.0, 3.0, size=(200, 6))
LABELS = RNG.integers(0, 2, 200)  # of chance: what is learned by heart shows in training rows alone
WORDS = ("--epochs", "60", "--optimizer", "adam", "--lr", "0.01", "--schedule", "constant", "--seed", "5")
ROWS = dict(zip(("train", "validation", "test"), split(200, 0.2, 0.3, 5), strict=True))
SHARES = ("--validation", "0.2", "--test", "0.3")


def logits(x: np.ndarray) -> np.ndarray:
    """Run the network of the model file by hand."""
    model = fl.load("model.safetensors")
    z = (x - np.array(model.features.mean)) / np.array(model.features.std)
    weights = {name: np.asarray(value, dtype=np.float64) for name, value in model.network.state_dict().items()}
    for layer in (0, 2, 4):
        z = (np.maximum(z, 0) if layer else z) @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
    return z


def test_each_line_is_measured_on_its_own_rows(run: Run, tmp_path: Path) -> None:
    done = run("fit", npz(tmp_path, x=X, y=LABELS), *WORDS, *SHARES)
    found = results(done.stdout)
    assert found["train"]["accuracy"] > 0.9
    assert found["test"]["accuracy"] < 0.7
    for name, rows in ROWS.items():
        z, y = logits(X[rows]), LABELS[rows]
        loss = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])
        assert found[name]["accuracy"] == pytest.approx(np.mean(z.argmax(axis=1) == y), abs=6e-5), name
        assert found[name]["loss"] == pytest.approx(loss, abs=2e-4, rel=1e-4), name


def test_numbers_are_scored_in_their_units_on_their_own_rows(run: Run, tmp_path: Path) -> None:
    y = 1000 + 300 * RNG.normal(size=200)
    done = run("fit", npz(tmp_path, x=X, y=y), *WORDS, *SHARES)
    found = results(done.stdout)
    assert found["train"]["r2"] > 0.5
    assert found["test"]["r2"] < 0.2
    model = fl.load("model.safetensors")
    assert (model.target.mean, model.target.std) == pytest.approx((y[ROWS["train"]].mean(), y[ROWS["train"]].std()))
    for name, rows in ROWS.items():
        p = logits(X[rows])[:, 0] * model.target.std + model.target.mean
        error = np.sum((y[rows] - p) ** 2)
        assert found[name]["rmse"] == pytest.approx(np.sqrt(error / len(rows)), rel=1e-3), name
        assert found[name]["r2"] == pytest.approx(1 - error / np.sum((y[rows] - y[rows].mean()) ** 2), abs=1e-3), name


def test_held_back_rows_do_not_enter_the_statistics_of_arrays(run: Run, tmp_path: Path) -> None:
    run("fit", npz(tmp_path, x=X, y=LABELS), "--epochs", "1", "--seed", "5", *SHARES)
    features = fl.load("model.safetensors").features
    np.testing.assert_allclose(features.mean, X[ROWS["train"]].mean(axis=0))
    np.testing.assert_allclose(features.std, X[ROWS["train"]].std(axis=0))


def test_test_rows_of_the_data_s_own_are_scored_and_predicted(run: Run, tmp_path: Path) -> None:
    held = dict(x_test=X[150:], y_test=1 - LABELS[150:])
    fit = run("fit", npz(tmp_path, x_train=X[:150], y_train=LABELS[:150], **held), *WORDS, "--validation", "0")
    z = logits(X[150:])
    accuracy = np.mean(z.argmax(axis=1) == 1 - LABELS[150:])
    assert results(fit.stdout)["test"]["accuracy"] == pytest.approx(accuracy, abs=6e-5)
    done = run("predict", "model.safetensors", "d.npz")
    assert done.stderr.splitlines()[-1].startswith(f"data accuracy {accuracy:.4f} loss ")
    header, *rows = csv.reader(io.StringIO(done.stdout))
    assert header == ["prediction", "probability_0", "probability_1"]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert [row[0] for row in rows] == z.argmax(axis=1).astype(str).tolist()
    np.testing.assert_allclose([[float(share) for share in row[1:]] for row in rows], p, atol=1e-4)


def test_the_probability_of_one_logit(run: Run, tmp_path: Path) -> None:
    run("fit", npz(tmp_path, x=X, y=LABELS), *WORDS, "--loss", "binary_cross_entropy")
    z = logits(X)[:, 0]
    rows = list(csv.reader(io.StringIO(run("predict", "model.safetensors", "d.npz").stdout)))[1:]
    assert [row[0] for row in rows] == (z > 0).astype(int).astype(str).tolist()
    p = 1 / (1 + np.exp(-z))
    shares = [[float(share) for share in row[1:]] for row in rows]
    np.testing.assert_allclose(shares, np.stack([1 - p, p], axis=1), atol=1e-4)
