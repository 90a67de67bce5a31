"""A model of the command line in Python: one object loads and predicts it from raw tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.data import Table, prepare
from fallline.data.matrix import Matrix
from fallline.data.target import Classification
from fallline.train import Predictor

pytest.importorskip("safetensors")

RNG = np.random.default_rng(0)
N = 120
A, KIND = RNG.normal(size=N), RNG.choice(["u", "v"], N)
PRICE = 100_000 + 30_000 * A + 50_000 * (KIND == "u")
COLUMNS = {"a": [f"{v:.4f}" for v in A], "kind": KIND.tolist(), "price": [f"{v:.1f}" for v in PRICE]}
COLUMNS["dear"] = ["yes" if v > 120_000 else "no" for v in PRICE]


def fitted(target: str, loss: str = "") -> Predictor:
    table = Table("t.csv", {name: cells for name, cells in COLUMNS.items() if name in ("a", "kind", target)})
    problem = prepare(table, target, 0.2, 0.2, 0)
    fl.random.seed(0)
    layers = [fl.nn.Linear(problem.features.size, 16), fl.nn.Tanh(), fl.nn.Linear(16, problem.target.outputs)]
    network = fl.nn.Sequential(*layers)
    loss = loss or ("mse" if target == "price" else "cross_entropy")
    fl.fit(network, problem.train.x, problem.train.y, loss=loss, optimizer=fl.optim.Adam(0.02), epochs=40)
    return Predictor(network, problem.features, problem.target, loss)


@pytest.fixture(scope="module")
def numbers() -> Predictor:
    return fitted("price")


@pytest.fixture(scope="module")
def classes() -> Predictor:
    return fitted("dear")


def loaded(predictor: Predictor, folder: Path) -> Predictor:
    fl.save(folder / "m.safetensors", predictor)
    found = fl.load(folder / "m.safetensors")
    assert isinstance(found, Predictor)
    return found


class Frame:
    """What pandas and Polars have in common."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns, self.held = list(columns), columns

    def __getitem__(self, name: str) -> Any:
        return self.held[name]


def test_predictions_come_in_the_units_of_the_target(numbers: Predictor, tmp_path: Path) -> None:
    predictions = loaded(numbers, tmp_path).predict(COLUMNS)
    assert predictions.shape == (N,)
    assert np.corrcoef(predictions, PRICE)[0, 1] > 0.98
    assert abs(np.mean(predictions - PRICE)) < 3_000
    np.testing.assert_allclose(np.asarray(fl.predict(loaded(numbers, tmp_path), COLUMNS)), predictions[:, None])


def test_every_form_of_a_table_gives_the_same(numbers: Predictor, tmp_path: Path) -> None:
    expected = numbers.predict(COLUMNS)
    (tmp_path / "t.csv").write_text(
        "\n".join([",".join(COLUMNS), *(",".join(row) for row in zip(*COLUMNS.values(), strict=True))]) + "\n"
    )
    typed = {"a": [float(v) for v in COLUMNS["a"]], "kind": np.array(COLUMNS["kind"]), "extra": [None] * N}
    for data in (
        tmp_path / "t.csv",
        str(tmp_path / "t.csv"),
        typed,
        Frame(typed),
        {k: typed[k] for k in ("kind", "a")},
    ):
        np.testing.assert_array_equal(numbers.predict(data), expected)
    for library in ("pandas", "polars"):
        try:
            module = __import__(library)
        except ModuleNotFoundError:
            continue
        np.testing.assert_array_equal(numbers.predict(module.DataFrame(typed)), expected)


def test_one_row_and_missing_values(numbers: Predictor) -> None:
    notes: list[str] = []
    x = numbers.encode({"a": None, "kind": "w"}, notes)
    np.testing.assert_array_equal(x[0, 1:], [0, 0])
    assert x.shape == (1, 3)
    assert [note.partition(":")[0] for note in notes] == ["a", "column kind"]
    for missing in (float("nan"), np.float32("nan"), None, ""):
        np.testing.assert_array_equal(numbers.encode({"a": [missing], "kind": ["w"]}), x)


def test_classes_come_as_labels_with_probabilities(classes: Predictor, tmp_path: Path) -> None:
    model = loaded(classes, tmp_path)
    labels, p = model.predict(COLUMNS), model.predict_proba(COLUMNS)
    assert np.mean(labels == np.array(COLUMNS["dear"])) > 0.95
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert isinstance(model.target, Classification)
    np.testing.assert_array_equal(np.array(model.target.classes)[p.argmax(axis=1)], labels)
    logits = np.asarray(fl.predict(model, COLUMNS), dtype=np.float64)
    np.testing.assert_allclose(p, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-6)


def test_one_logit_is_two_probabilities() -> None:
    target = Classification("y", ("no", "yes"))
    np.testing.assert_allclose(target.probabilities(np.array([[0.0], [np.log(3.0)]])), [[0.5, 0.5], [0.25, 0.75]])


def test_a_number_has_no_probabilities(numbers: Predictor) -> None:
    with pytest.raises(TypeError, match="probabilities of classes only, and price is a number"):
        numbers.predict_proba(COLUMNS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": [1.0]}, "the table lacks the column 'kind' of the model"),
        ({"a": [1.0, 2.0], "kind": ["u"]}, "the columns differ in length: a has 2, kind has 1"),
        ({"a": [], "kind": []}, "has no rows"),
        ({"a": ["x"], "kind": ["u"]}, "column a must hold numbers, row 1 has 'x'"),
        (np.zeros((3, 3)), "give it a CSV file or a table with the columns a, kind"),
        ("none.csv", "there is no file none.csv"),
    ],
)
def test_what_does_not_fit_is_said(numbers: Predictor, data: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        numbers.predict(data)


def test_a_model_of_arrays_takes_arrays(tmp_path: Path) -> None:
    x = RNG.normal(3.0, 2.0, size=(50, 4))
    features = Matrix.fit(x, [])
    network = fl.nn.Linear(4, 2)
    model = loaded(Predictor(network, features, Classification("y", ("a", "b")), "cross_entropy"), tmp_path)
    inside = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = inside @ np.asarray(network.weight).T + np.asarray(network.bias)
    np.testing.assert_allclose(np.asarray(fl.predict(model, x)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x.tolist()), np.array(["a", "b"])[expected.argmax(axis=1)])
    for wrong, words in ((x[:, :3], "has 3 features, the model takes 4"), (COLUMNS, "give it an array of 4 features")):
        with pytest.raises(ValueError, match=words):
            model.predict(wrong)


def test_weights_that_are_no_numbers_never_predict(numbers: Predictor, tmp_path: Path) -> None:
    fl.save(tmp_path / "m.safetensors", numbers)
    again = fl.load(tmp_path / "m.safetensors")
    weight = np.array(again.network.state_dict()["2.weight"])
    for value, words in ((np.nan, "'2.weight' are not all finite"), (np.inf, "not all finite")):
        state = {**again.network.state_dict(), "2.weight": np.where(weight == weight[0, 0], value, weight)}
        again.network.load_state_dict(state)
        fl.save(tmp_path / "n.safetensors", again)
        with pytest.raises(ValueError, match=words):
            fl.load(tmp_path / "n.safetensors")
    again.network.load_state_dict({**again.network.state_dict(), "2.weight": np.full_like(weight, 3e38)})
    with pytest.raises(ValueError, match=r"output for row [0-9]+ is not a finite number"):
        again.predict(COLUMNS)
