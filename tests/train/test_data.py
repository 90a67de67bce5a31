"""Bad input to fit, predict and evaluate: one clear sentence, and nothing is changed."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.nn import losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 40)
Y = RNG.normal(size=(40, 2)).astype(np.float32)


def network() -> fl.nn.Sequential:
    rng = fl.random.default_rng(1)
    return fl.nn.Sequential(fl.nn.Linear(4, 5, rng=rng), fl.nn.ReLU(), fl.nn.Linear(5, 3, rng=rng))


def spoiled(value: float, at: tuple[int, int] = (7, 2)) -> np.ndarray:
    x = X.copy()
    x[at] = value
    return x


def changed(labels: np.ndarray, at: int, value: int) -> np.ndarray:
    labels = labels.copy()
    labels[at] = value
    return labels


def wide(a: np.ndarray, value: float) -> np.ndarray:
    a = a.astype(np.float64)
    a[3, 1] = value
    return a


Y3 = np.repeat(Y[:, :1], 3, axis=1)
MSE, CE = {"loss": "mse"}, {"loss": "cross_entropy"}

# x, y, what else is passed, the error, what its message says.
BAD: dict[str, tuple[Any, Any, dict[str, Any], type[Exception], str]] = {
    "nan in x": (spoiled(np.nan), LABELS, CE, ValueError, r"x holds nan at \[7, 2\] \(1 such"),
    "infinity in x": (spoiled(-np.inf), LABELS, CE, ValueError, r"x holds -inf at \[7, 2\]"),
    "nan in y": (X, np.full((40, 3), np.nan), MSE, ValueError, r"y holds nan at \[0, 0\] \(120 such"),
    "nan in validation x": (X, Y, {**MSE, "validation": (spoiled(np.nan), Y)}, ValueError, r"validation x holds nan"),
    "nan in validation y": (X, Y, {**MSE, "validation": (X, Y * np.nan)}, ValueError, r"validation y holds nan at"),
    "nan in weights": (X, LABELS, {**CE, "sample_weight": np.full(40, np.nan)}, ValueError, "sample_weight holds nan"),
    "label too large": (X, changed(LABELS, 39, 3), CE, ValueError, r"label 3 in y\[39\].*3 classes.*0 to 2"),
    "label negative": (X, changed(LABELS, 0, -1), CE, ValueError, r"label -1 in y\[0\]"),
    "labels as floats": (X, LABELS.astype(float), CE, fl.DTypeError, "labels must be integers, got float"),
    "label in validation": (X, LABELS, {**CE, "validation": (X, LABELS + 3)}, ValueError, "out of range"),
    "1e39 in wide x": (wide(X, 1e39), LABELS, CE, ValueError, r"x holds 1e\+39 at \[3, 1\].*float32, whose .*scale x"),
    "1e39 in wide y": (X, wide(Y3, -1e39), MSE, ValueError, r"y holds -1e\+39 at \[3, 1\]"),
    "1e39 in weights": (X, LABELS, {**CE, "sample_weight": np.full(40, 1e39)}, ValueError, "sample_weight holds 1e"),
    "1e39 in validation": (X, Y3, {**MSE, "validation": (wide(X, 1e39), Y3)}, ValueError, "validation x holds 1e"),
    "column of labels": (X, changed(LABELS, 39, 7)[:, None], CE, ValueError, r"label 7 in y\[39\] is out of range"),
    "label within partial": (X, changed(LABELS, 5, 3), {"loss": partial(losses.cross_entropy, label_smoothing=0.1)},
                             ValueError, r"label 3 in y\[5\] is out of range"),
    "label within a function": (X, changed(LABELS, 5, -2), {"loss": lambda o, t: 2 * losses.cross_entropy(o, t)},
                                ValueError, r"label -2 in y\[5\] is out of range"),
    "label for nll": (X, changed(LABELS, 8, 3), {"loss": "nll"}, ValueError, r"label 3 in y\[8\]"),
    "label in validation column": (X, LABELS[:, None], {**CE, "validation": (X, changed(LABELS, 9, 4)[:, None])},
                                   ValueError, r"label 4 in validation y\[9\]"),
    "labels for probabilities": (X, Y3, {"loss": "binary_cross_entropy"}, ValueError, r"must be in \[0, 1\].*in y\["),
    "bits for signs": (X, (Y3 > 0) * 1.0, {"loss": "hinge"}, ValueError, r"targets must be -1 or 1, got 0.0 in y\["),
    "dates": (np.full((40, 4), "2020-01-01", "M8[D]"), LABELS, CE, fl.DTypeError, "take them apart into numbers"),
    "fields": (np.zeros(40, "f4,f4"), LABELS, CE, fl.DTypeError, "it has named fields"),
    "masked": (np.ma.masked_less(X, 0), LABELS, CE, ValueError, r"x is masked in \d+ places.*x.filled\(0\)"),
    "ragged": ([[1.0, 2.0], [3.0]], [0, 1], CE, fl.ShapeError, "x is no array: its rows differ in length"),
    "missing objects": (np.array([[1.0, None]] * 40), LABELS, CE, fl.DTypeError, "fill or drop missing values"),
    "validation width": (X, LABELS, {**CE, "validation": (X[:, :3], LABELS)}, fl.ShapeError,
                         r"a sample of validation x has shape \(3,\), one of x \(4,\)"),
    "validation empty": (X, LABELS, {**CE, "validation": (X[:0], LABELS[:0])}, fl.ShapeError, "no samples"),
    "counts differ": (X, LABELS[:39], CE, fl.ShapeError, "x has 40, y has 39"),
    "weights differ": (X, LABELS, {**CE, "sample_weight": np.ones(39)}, fl.ShapeError, "sample_weight has 39"),
    "validation differs": (X, LABELS, {**CE, "validation": (X, LABELS[:3])}, fl.ShapeError, "validation x has 40"),
    "validation no pair": (X, LABELS, {**CE, "validation": X}, TypeError, r"pair \(x, y\)"),
    "no samples": (X[:0], LABELS[:0], CE, fl.ShapeError, "no samples"),
    "a number": (np.float32(1.0), LABELS, CE, fl.ShapeError, "samples along its first axis"),
    "text": (np.full((40, 4), "a"), LABELS, CE, fl.DTypeError, "encode categories"),
    "objects": (np.full((40, 4), None), LABELS, CE, fl.DTypeError, "x has dtype object"),
    "complex": (X.astype(complex), LABELS, CE, fl.DTypeError, "complex128 is not supported"),
    "width of x": (X[:, :3], LABELS, CE, fl.ShapeError, r"\(40, 3\)|\(32, 3\)|\(2, 3\)"),
    "shape of y": (X, Y, MSE, fl.ShapeError, r"do not fit outputs"),
    "y against 3 outputs": (X, Y[:, 0], MSE, fl.ShapeError, "do not fit outputs"),
    "unknown loss": (X, LABELS, {"loss": "crossentropy"}, ValueError, "no loss is named.*did you mean 'cross_entropy'"),
    "unknown optimizer": (X, LABELS, {**CE, "optimizer": "adm"}, ValueError, "adam"),
    "unknown metric": (X, LABELS, {**CE, "metrics": ["acc"]}, ValueError, "no metric is named 'acc'.*accuracy"),
    "batch size 0": (X, LABELS, {**CE, "batch_size": 0}, ValueError, "positive whole number or 'full', got 0"),
    "batch size 2.5": (X, LABELS, {**CE, "batch_size": 2.5}, ValueError, "got 2.5"),
    "batch size word": (X, LABELS, {**CE, "batch_size": "all"}, ValueError, "'full', got 'all'"),
    "negative epochs": (X, LABELS, {**CE, "epochs": -1}, ValueError, "epochs must be a whole .* at least 0, got -1"),
    "clip at 0": (X, LABELS, {**CE, "clip_global_norm": 0.0}, ValueError, "clip_global_norm must be positive"),
    "loss no scalar": (X, LABELS, {"loss": lambda out, y: out}, fl.ShapeError, r"loss must be a scalar.*\(\d+, 3\)"),
    "loss no array": (X, LABELS, {"loss": lambda out, y: 3.0}, fl.ShapeError, "loss must be a scalar"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_sentence_and_changes_nothing(name: str) -> None:
    x, y, facts, error, message = BAD[name]
    model, opt = network(), fl.optim.Adam()
    before = {path: np.array(a) for path, a in model.parameters().items()}
    with pytest.raises(error, match=message) as raised:
        fl.fit(model, x, y, **{"optimizer": opt, "progress": False, **facts})
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("[")
    assert opt.t == 0
    for path, array in model.parameters().items():
        np.testing.assert_array_equal(np.asarray(array), before[path])
        assert not array.requires_grad
    fl.fit(model, X, LABELS, loss="cross_entropy", optimizer=opt, progress=False)  # it still works
    assert opt.t == 2


@pytest.mark.parametrize(("spoil", "error", "message"), [
    (lambda m: setattr(m[0], "bias", np.ones(5)), fl.DTypeError, "all parameters must be float32, or all float64"),
    (lambda m: np.asarray(m[2].weight).flags, None, ""),
    (lambda m: setattr(m[0], "weight", read_only(m[0].weight)), ValueError, "parameter '0.weight' is read-only"),
    (lambda m: setattr(m[0], "weight", strided(m[0].weight)), fl.ShapeError, "parameter '0.weight' is a strided view"),
    (lambda m: m.layers.clear(), ValueError, "the model has no parameters"),
], ids=["dtypes", "sound", "read-only", "strided", "empty"])  # fmt: skip
def test_parameters_that_cannot_be_trained_are_told(spoil: Any, error: Any, message: str) -> None:
    model = network()
    spoil(model)
    before = [np.array(a) for a in model.parameters().values()]
    if error is None:
        fl.fit(model, X, LABELS, loss="cross_entropy", progress=False)
        return
    with pytest.raises(error, match=message):
        fl.fit(model, X, LABELS, loss="cross_entropy", progress=False)
    for old, new in zip(before, model.parameters().values(), strict=True):
        np.testing.assert_array_equal(np.asarray(new), old)


def read_only(x: fl.Array) -> fl.Array:
    y = np.array(x)
    y.flags.writeable = False
    return fl.asarray(y)


def strided(x: fl.Array) -> fl.Array:
    return fl.asarray(np.repeat(np.array(x), 2, 1)[:, ::2])


def test_a_model_that_looks_at_values_is_told_while_it_is_traced() -> None:
    model = network()
    branching = fl.nn.Sequential(model, lambda out: out if float(out.sum()) > 0 else -out)
    before = [np.array(a) for a in model.parameters().values()]
    with pytest.raises(fl.TraceError, match=r"fl\.where instead of if"):
        fl.fit(branching, X, LABELS, loss="cross_entropy", progress=False)
    for old, new in zip(before, model.parameters().values(), strict=True):
        np.testing.assert_array_equal(np.asarray(new), old)
    assert fl.predict(model, X).shape == (40, 3)


def test_a_model_that_loses_samples_or_returns_no_array_is_told() -> None:
    for wrong in (lambda x: x.sum(0), lambda x: x.sum()):
        with pytest.raises(fl.ShapeError, match="the model returned shape"):
            fl.fit(fl.nn.Sequential(fl.nn.Linear(4, 3), wrong), X, LABELS, loss="cross_entropy", progress=False)
    with pytest.raises(TypeError, match="must return an array, got tuple"):
        fl.fit(fl.nn.Sequential(fl.nn.Linear(4, 3), lambda x: (x, x)), X, LABELS, loss="cross_entropy", progress=False)


def test_large_data_with_a_nan_at_the_end_are_looked_through() -> None:
    x = np.zeros((300_000, 4), np.float32)
    x[-1, -1] = np.nan
    with pytest.raises(ValueError, match=r"x holds nan at \[299999, 3\]"):
        fl.fit(network(), x, np.zeros(300_000, int), loss="cross_entropy", progress=False)


def test_half_precision_data_are_taken() -> None:
    one, two = network(), network()
    half = X.astype(np.float16)
    fl.fit(one, half, LABELS, loss="cross_entropy", progress=False)
    fl.fit(two, half.astype(np.float32), LABELS, loss="cross_entropy", progress=False)
    np.testing.assert_array_equal(np.asarray(one[0].weight), np.asarray(two[0].weight))


# predict and evaluate


@pytest.mark.parametrize("batch", [1, 7, 40, 1000, "full"])
def test_predictions_do_not_depend_on_the_batch_size(batch: Any) -> None:
    model = network()
    want = np.asarray(model(X))
    for x in (X, X.astype(np.float64), np.asfortranarray(X), fl.asarray(X), X.tolist()):
        got = fl.predict(model, x, batch_size=batch)
        assert got.dtype == np.float32
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-5, atol=1e-6)
    assert fl.predict(model, X[:0]).shape == (0, 3)


def test_predict_and_evaluate_use_evaluation_mode_and_put_the_mode_back() -> None:
    model = fl.nn.Sequential(fl.nn.Dropout(0.9), fl.nn.Linear(4, 3))
    for mode in (True, False):
        model.train(mode)
        np.testing.assert_allclose(np.asarray(fl.predict(model, X)), np.asarray(model[1](X)), rtol=1e-6)
        fl.evaluate(model, X, LABELS, loss="cross_entropy")
        assert all(module.training == mode for module in model.modules())


def test_parts_that_evaluate_in_a_model_that_trains_stay_so() -> None:
    model = fl.nn.Sequential(fl.nn.BatchNorm1d(4), fl.nn.Sequential(fl.nn.Dropout(0.5), fl.nn.Linear(4, 3)))
    model.train()
    model[0].eval()
    modes = [module.training for module in model.modules()]
    assert len(set(modes)) == 2
    mean = np.array(model[0].running_mean)
    fl.predict(model, X)
    fl.evaluate(model, X, LABELS, loss="cross_entropy")
    fl.fit(model, X, LABELS, loss="cross_entropy", validation=(X, LABELS), progress=False)
    assert [module.training for module in model.modules()] == modes
    np.testing.assert_array_equal(np.asarray(model[0].running_mean), mean)


@pytest.mark.parametrize("batch", [1, 7, 40, 1024])
def test_evaluate_gives_means_over_samples(batch: int) -> None:
    model = network()
    out = np.asarray(model(X))
    found = fl.evaluate(model, X, LABELS, loss="cross_entropy", metrics=["accuracy"], batch_size=batch)
    assert set(found) == {"loss", "accuracy"}
    assert found["accuracy"] == pytest.approx((out.argmax(1) == LABELS).mean(), rel=1e-6)
    assert found["loss"] == pytest.approx(float(fl.nn.losses.cross_entropy(out, LABELS)), rel=1e-5)


def test_accuracy_reads_labels_shares_and_signs() -> None:
    from fallline.train.metrics import accuracy

    out = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 5.0]])
    assert float(accuracy(out, [0, 1, 0])) == pytest.approx(2 / 3)
    assert float(accuracy(out, [[0], [1], [0]])) == pytest.approx(2 / 3)
    assert float(accuracy(out, np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]))) == 1
    assert float(accuracy(out[:, :1] - 1, [1, 0, 0])) == pytest.approx(2 / 3)
    assert float(accuracy(out[:, 0] - 1, [True, False, True])) == 1


def test_bad_data_are_told_by_evaluate_and_predict_too() -> None:
    model = network()
    with pytest.raises(fl.ShapeError, match="x has 40, y has 3"):
        fl.evaluate(model, X, LABELS[:3], loss="cross_entropy")
    with pytest.raises(ValueError, match="out of range"):
        fl.evaluate(model, X, LABELS + 1, loss="cross_entropy")
    with pytest.raises(fl.ShapeError, match=r"\[linear\]"):
        fl.predict(model, X[:, :2])
    with pytest.raises(ValueError, match="batch_size"):
        fl.predict(model, X, batch_size=0)
