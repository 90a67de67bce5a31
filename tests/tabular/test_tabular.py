"""Networks for tables: the formulas of the recipe, members that do not see their judges, what predictions promise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.data import InputError, prepare
from fallline.data.frames import table_of
from fallline.data.kinds import TABULAR
from fallline.data.target import Classification, Quantiles
from fallline.tabular._fit import fit_problem
from fallline.tabular._members import shares
from fallline.tabular._recipe import EFFORTS, LEAST_UPDATES, Effort, coslog4, flat_cos, length, pieces
from fallline.tabular._train import phases
from fallline.testing import check_grads
from fallline.train import Predictor

RNG = np.random.default_rng(0)
SMALL = Effort(2, 2, 1)


def test_the_schedules_are_the_papers() -> None:
    assert [coslog4(t) for t in (0.0, 1.0)] == pytest.approx([0, 0], abs=1e-12)
    peaks = [(2 ** (i + 0.5) - 1) / 15 for i in range(4)]
    assert [coslog4(t) for t in peaks] == pytest.approx([1] * 4)
    assert [flat_cos(t) for t in (0.0, 0.49, 0.75, 1.0)] == pytest.approx([1, 1, 0.5, 0], abs=1e-12)


@pytest.mark.parametrize("rows", [10, 100, 1000, 10_000, 100_000])
@pytest.mark.parametrize("effort", EFFORTS)
def test_small_tables_get_a_thousand_updates(rows: int, effort: str) -> None:
    plan = length(rows, EFFORTS[effort].passes)
    updates = plan.epochs * -(-rows * plan.repeats // plan.batch)
    assert updates >= 0.9 * LEAST_UPDATES
    covered = [epoch for first, end in phases(plan.epochs) for epoch in range(first, end)]
    assert covered == list(range(plan.epochs))


def test_pieces_grow_with_the_rows_and_stay_affordable() -> None:
    assert [pieces(rows, 8) for rows in (400, 2000, 5000, 10**6)] == [0, 5, 12, 24]
    assert pieces(10**6, 85) == 0


def test_no_member_is_judged_by_rows_that_it_learned_from() -> None:
    classes = RNG.integers(0, 3, 100)
    share = shares(classes, 100, 4, 5, RNG)
    for m in range(4):
        assert not set(share.learned[:, m]) & set(share.judged[:, m])
        assert set(classes[share.judged[:, m]]) == {0, 1, 2}
    assert set(share.learned.ravel()) == set(range(100))


def mish(z: np.ndarray) -> np.ndarray:
    return z * np.tanh(np.log1p(np.exp(z)))


def plain(model: fl.nn.RealMLP, m: int, x: np.ndarray) -> np.ndarray:
    """Compute what one member says, in plain NumPy."""
    p: dict[str, Any] = {k: np.asarray(v, np.float64) for k, v in model.state_dict().items()}

    def rated(name: str, rate: float) -> np.ndarray:
        found: np.ndarray = (p[f"{name}.start"] + rate * p[f"{name}.step"])[m]
        return found

    numbers, code = x[:, [0, 2]], x[:, 3].astype(int)
    waves = np.cos(2 * math.pi * rated("frequency", 0.1) * numbers.T[..., None] + rated("phase", 0.1))
    mixed = waves @ rated("mixing", 0.1) + rated("shift", 0.1)
    climbed = np.clip((numbers[..., None] - p["begins"]) * p["slants"], 0, 1)
    n = len(x)
    table = p["tables.0"].reshape(model.members, 6, 8)[m]
    flat = mixed.transpose(1, 0, 2).reshape(n, -1)
    h = np.hstack([x[:, [1]], numbers, flat, climbed.reshape(n, -1), table[code]])
    h = h * rated("scale", 6)
    for i in range(2):
        z = h @ p[f"weights.{i}"][m] / np.sqrt(h.shape[1]) + rated(f"biases.{i}", 0.1)
        if i == 1:
            return z
        h = z + (mish(z) - z) * rated(f"slopes.{i}", 0.1)
    raise AssertionError


def network() -> fl.nn.RealMLP:
    model = fl.nn.RealMLP(4, 2, [0, 2], [3], [5], 3, [7], pieces=4, dtype="float64")
    x = RNG.normal(size=(50, 3, 4))
    x[:, :, 3] = RNG.integers(0, 6, (50, 3))
    model.eval().start_from(x, RNG)
    for array in model.parameters().values():
        values = np.asarray(array)
        values += 0.1 * RNG.normal(size=values.shape)
    return model


def inputs(n: int) -> np.ndarray:
    x = RNG.normal(size=(n, 4))
    x[:, 3] = RNG.integers(0, 6, n)
    return x


def test_every_member_is_the_formula_and_the_mean_is_predicted() -> None:
    model, x = network(), inputs(9)
    each = np.stack([plain(model, m, x) for m in range(3)])
    np.testing.assert_allclose(np.asarray(model(x)), each.mean(axis=0), rtol=1e-10, atol=1e-12)
    own = np.asarray(model(np.stack([x, x[::-1], x], axis=1)))
    np.testing.assert_allclose(own[:, 1], each[1][::-1], rtol=1e-10, atol=1e-12)


def test_probabilities_of_members_are_averaged() -> None:
    model, x = network(), inputs(5)
    model.combine = "probabilities"
    model.temperature._write(fl.asarray([2.0]))
    z = np.stack([plain(model, m, x) for m in range(3)]) / 2
    p = np.exp(z) / np.exp(z).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(np.exp(np.asarray(model(x))), p.mean(axis=0), rtol=1e-10)


def test_derivatives_are_right_and_members_are_strangers() -> None:
    model, x = network(), fl.asarray(np.stack([inputs(6)] * 3, axis=1))
    values = {name: np.asarray(p) for name, p in model.parameters().items()}

    def loss(w: Any, m: int) -> Any:
        with model.holding(w):
            return (model(x)[:, m] ** 2).mean()

    grads = fl.grad(loss)(values, 1)
    for name, g in grads.items():
        per = len(g) // 3
        others = np.delete(np.asarray(g), slice(per, 2 * per), axis=0)
        assert not others.any(), name
    check_grads(lambda w: loss({**values, "weights.1": w}, 1), (values["weights.1"],), order=1)
    check_grads(lambda w: loss({**values, "frequency.step": w}, 1), (values["frequency.step"],), order=1)


def test_the_beginning_has_deviation_one_before_activations() -> None:
    model = fl.nn.RealMLP(3, 1, [0, 1, 2], members=2, hidden=[20, 20], dropout=0.0)
    x = RNG.normal(5, 10, size=(400, 2, 3)).astype(np.float32)
    model.eval().start_from(x, RNG)
    h = np.asarray(model._embedded(fl.permute_dims(fl.asarray(x), (1, 0, 2))))
    z = h @ np.asarray(model.weights[0]) / np.sqrt(h.shape[2])
    np.testing.assert_allclose(z.std(axis=1), 1, rtol=1e-3)


def fitted(columns: dict[str, Any], task: str | None = None, test: float = 0.5) -> Any:
    problem = prepare(table_of(columns), "y", 0.0, test, 0, task=task, style=TABULAR)
    return problem, fit_problem(problem, SMALL, 0)


def test_labels_of_chance_are_not_foretold_for_rows_that_judge_or_test() -> None:
    """A row of test or validation that was learned from would be known by heart."""
    n = 240
    x = RNG.normal(size=(n, 6))
    problem, found = fitted({**{f"a{i}": x[:, i] for i in range(6)}, "y": RNG.choice(["no", "yes"], n)})
    model = found.model
    learned = np.mean(model.target.decode(model.logits(problem.train.x)) == model.target.values(problem.train.y))
    tested = np.mean(model.target.decode(model.logits(problem.test.x)) == model.target.values(problem.test.y))
    judged = np.mean(found.outputs.argmax(axis=1) == found.targets)
    assert learned > 0.6
    assert 0.35 < tested < 0.65
    assert 0.3 < judged < 0.7


def test_quantiles_cover_what_they_say() -> None:
    n = 600
    x = RNG.uniform(-1, 1, n)
    problem, found = fitted({"x": x, "y": 3 * x + (0.2 + (x > 0)) * RNG.normal(size=n)}, "quantile")
    target = found.model.target
    assert isinstance(target, Quantiles)
    q = target.quantiles(found.model.logits(problem.test.x))
    truth = target.values(problem.test.y)
    assert 0.8 < np.mean((q[:, 0] < truth) & (truth < q[:, -1])) < 0.98
    assert (np.diff(q, axis=1) >= 0).all()
    right = problem.test.x[:, 0] > 0.2
    assert np.mean((q[:, -1] - q[:, 0])[right]) > 2 * np.mean((q[:, -1] - q[:, 0])[problem.test.x[:, 0] < -0.2])


def test_probabilities_are_as_sure_as_they_are_right() -> None:
    n, rng = 800, np.random.default_rng(1)
    x = rng.normal(size=n)
    y = np.where(rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x)), "b", "a")
    problem, found = fitted({"x": x, "y": y})
    p = found.model.target.probabilities(found.model.logits(problem.test.x))[:, 1]
    truth = problem.test.y == 1
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        some = (p >= low) & (p < high)
        assert abs(p[some].mean() - truth[some].mean()) < 0.12


def test_predictions_stay_in_the_range_of_what_was_learned() -> None:
    x = RNG.uniform(-1, 1, 100)
    model = fl.tabular.fit({"x": x, "y": 5 * x}, "y", effort="quick")
    far = model.predict({"x": [-1e9, 0.0, 1e9]})
    assert (5 * x).min() <= far.min() and far.max() <= (5 * x).max()
    assert abs(far[1]) < 1


def test_a_fit_of_a_frame_keeps_its_word_in_a_file(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    n = 120
    a, kind = RNG.normal(size=n), RNG.choice([f"level {i}" for i in range(12)], n)
    columns = {"a": [None if i == 3 else v for i, v in enumerate(a)], "kind": kind, "y": np.round(np.exp(a / 2))}
    model = fl.tabular.fit(columns, "y", task="ordinal", effort="quick", columns={"kind": "category"}, seed=1)
    fl.save(tmp_path / "m.safetensors", model)
    again = fl.load(tmp_path / "m.safetensors")
    assert isinstance(again, Predictor)
    assert isinstance(again.target, Classification)
    new = {"kind": ["level 3", "strange", None], "a": [0.1, None, 2], "more": [1, 2, 3]}
    np.testing.assert_array_equal(again.predict(new), model.predict(new))
    np.testing.assert_array_equal(again.predict_proba(new), model.predict_proba(new))
    once_more = fl.tabular.fit(columns, "y", task="ordinal", effort="quick", columns={"kind": "category"}, seed=1)
    np.testing.assert_array_equal(once_more.predict_proba(new), model.predict_proba(new))


def test_what_cannot_be_fitted_is_said() -> None:
    for data, words in (
        ({"a": [1.0, 2.0], "y": [1.0, 2.5]}, "2 rows to learn from, fewer than 10"),
        (np.zeros((3, 2)), "for arrays there is fl.fit"),
    ):
        with pytest.raises(InputError, match=words):
            fl.tabular.fit(data)
    with pytest.raises(InputError, match="has no column 'z'"):
        fl.tabular.fit({"a": [1.0], "y": [1.0]}, "z")


@pytest.mark.parametrize(
    "wrong",
    [
        {"numbers": [5]},
        {"numbers": [0], "codes": [0], "levels": [3]},
        {"codes": [1]},
        {"members": 0},
        {"activation": "relu"},
        {"combine": "vote"},
        {"dropout": 1.0},
        {"pieces": -1},
        {"levels": [0], "codes": [1]},
    ],
)
def test_settings_that_no_network_has(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\[RealMLP\]"):
        fl.nn.RealMLP(3, 1, **wrong)


@pytest.mark.parametrize("target", [np.zeros(3), ["b"], 1])
def test_a_target_that_is_no_name_of_a_column(target: Any) -> None:
    with pytest.raises(TypeError, match=r"target must be the name of a column, or None, got .* give its name"):
        fl.tabular.fit({"a": [1, 2, 3], "b": [1, 2, 3]}, target)


def test_a_fit_leaves_the_generator_of_initialisers_as_it_was() -> None:
    data = {"a": np.arange(40.0), "y": np.arange(40.0) % 7}
    fl.random.seed(5)
    before = np.array(fl.nn.Linear(3, 2).weight)
    fl.random.seed(5)
    fl.tabular.fit(data, "y", effort="quick")
    assert np.array_equal(fl.nn.Linear(3, 2).weight, before)


@pytest.mark.parametrize("columns", [["a"], "a", 3])
def test_kinds_of_columns_are_told_by_a_dict(columns: Any) -> None:
    with pytest.raises(TypeError, match="columns must be a dict of names and kinds"):
        fl.tabular.fit({"a": np.arange(40.0), "y": np.arange(40.0) % 7}, "y", effort="quick", columns=columns)
