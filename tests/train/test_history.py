"""What comes of a run: the history's values, callbacks, the end by NaN, memory, and real data."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def network(seed: int = 1) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.ReLU(), fl.nn.Linear(8, 2, rng=rng))


def fit(model: fl.nn.Module, x: Any = X, y: Any = LABELS, **facts: Any) -> fl.History:
    return fl.fit(model, x, y, **{"loss": "cross_entropy", "progress": False, **facts})


def arrays(model: fl.nn.Module) -> list[np.ndarray]:
    return [np.array(a) for a in model.parameters().values()]


# Values


def test_the_history_has_one_value_per_epoch_of_everything_asked_for() -> None:
    model = network()
    history = fit(
        model, epochs=5, validation=(X[:30], LABELS[:30]), metrics=["accuracy"], optimizer=fl.optim.Adam(0.01)
    )
    assert list(history) == ["loss", "accuracy", "grad_norm", "val_loss", "val_accuracy"]
    assert all(len(values) == 5 and np.isfinite(values).all() for values in history.values())
    assert all(isinstance(value, float) for values in history.values() for value in values)
    assert history["loss"][-1] < history["loss"][0]
    assert history.epochs == 5
    assert history.steps == {}
    assert not history.interrupted
    last = fl.evaluate(model, X[:30], LABELS[:30], loss="cross_entropy", metrics=["accuracy"])
    assert history["val_loss"][-1] == last["loss"]
    assert history["val_accuracy"][-1] == last["accuracy"]
    assert "5 epochs" in repr(history)


def test_an_epochs_value_is_the_mean_of_its_steps_and_of_metrics_that_of_its_samples() -> None:
    history = fit(network(), epochs=3, metrics=["accuracy"], record_steps=True)
    for name, counts in {"loss": [1] * 4, "grad_norm": [1] * 4, "accuracy": [32, 32, 32, 4]}.items():
        assert history.steps[name].shape == (12,)
        means = np.average(history.steps[name].reshape(3, 4), axis=1, weights=counts)
        np.testing.assert_allclose(means, history[name])


def test_no_epochs_give_an_empty_history_and_change_nothing() -> None:
    model = network()
    before = arrays(model)
    assert len(fit(model, epochs=0)) == 0
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(model), strict=True))


def test_validation_uses_evaluation_mode_and_training_goes_on_in_its_own() -> None:
    model = fl.nn.Sequential(fl.nn.Dropout(0.5), *network())
    plain = fl.nn.Sequential(fl.nn.Dropout(0.5), *network())
    history = fit(model, epochs=3, validation=(X, LABELS))
    fit(plain, epochs=3)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), arrays(plain), strict=True))
    assert history["val_loss"][-1] == fl.evaluate(model, X, LABELS, loss="cross_entropy")["loss"]


# Callbacks


def test_callbacks_see_every_epoch_and_can_end_the_run() -> None:
    seen: list[Any] = []
    model, opt = network(), fl.optim.SGD(0.1)

    def watch(epoch: int, history: fl.History, m: fl.nn.Module, o: fl.optim.Optimizer) -> bool:
        seen.append((epoch, history.epochs, m is model, o is opt, o.t))
        return epoch == 2

    def other(epoch: int, *rest: Any) -> None:
        seen.append(epoch)

    history = fit(model, epochs=9, optimizer=opt, callbacks=[watch, other])
    assert seen == [(0, 1, True, True, 4), 0, (1, 2, True, True, 8), 1, (2, 3, True, True, 12), 2]
    assert history.epochs == 3


def test_an_error_in_a_callback_comes_out_and_leaves_a_whole_epoch() -> None:
    one, two = network(), network()

    def fail(epoch: int, *rest: Any) -> None:
        if epoch == 1:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(one, epochs=5, callbacks=[fail])
    fit(two, epochs=2)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(two), strict=True))


# Divergence


def test_a_diverging_run_keeps_the_last_good_epoch() -> None:
    model, good, opt = network(), network(), fl.optim.SGD(0.05)
    history = fit(good, optimizer=fl.optim.SGD(0.05), epochs=2)

    def spoil(epoch: int, *rest: Any) -> None:
        if epoch == 1:
            opt.set_hyperparameters(lr=1e30)

    with pytest.raises(fl.DivergedError, match=r"epoch 3 \(learning rate 1e\+30\).*Lower the learning rate") as raised:
        fit(model, optimizer=opt, epochs=9, callbacks=[spoil])
    assert isinstance(raised.value, ArithmeticError)
    assert raised.value.history["loss"] == history["loss"]
    assert opt.t == 8
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), arrays(good), strict=True))


@pytest.mark.parametrize(
    ("loss", "what"),
    [
        (lambda out, y: (out * 1e25).sum() ** 3, "loss became"),
        (lambda out, y: fl.sqrt(out * out - out * out).sum(), "gradient became"),  # 0, with the slope 0 / 0
    ],
)
@pytest.mark.parametrize("clip", [None, 1.0])
def test_divergence_restores_the_state_of_the_optimizer_too(loss: Any, what: str, clip: float | None) -> None:
    model, opt = network(), fl.optim.Adam(0.01)
    fit(model, optimizer=opt, epochs=2)
    before = {path: {name: np.array(s) for name, s in slots.items()} for path, slots in opt.state.items()}
    weights = [a.copy() for a in arrays(model)]
    with pytest.raises(fl.DivergedError, match=what):
        fit(model, loss=loss, optimizer=opt, epochs=1, clip_global_norm=clip)
    assert opt.t == 8
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), weights, strict=True))
    for path, slots in opt.state.items():
        for name, slot in slots.items():
            np.testing.assert_array_equal(np.asarray(slot), before[path][name])


# Memory


def test_data_of_float32_are_read_where_they_lie() -> None:
    code = """
        import resource
        import numpy as np
        import fallline as fl

        x = np.zeros((400_000, 64), np.float32)
        x[:] = np.random.default_rng(0).random(64, np.float32)
        y = np.zeros(len(x), np.int64)
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        model = fl.nn.Linear(64, 3)
        fl.fit(model, x[:100], y[:100], loss="cross_entropy", progress=False)
        before = peak()
        for shuffle in (False, True):
            fl.fit(model, x, y, loss="cross_entropy", batch_size=4000, shuffle=shuffle, progress=False)
        fl.predict(model, x)
        print(peak() - before)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 60, "MiB more than the 100 of the data"


# Real data


def accuracy_on(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, epochs: int) -> float:
    rng = fl.random.default_rng(0)
    model = fl.nn.Sequential(fl.nn.Linear(x.shape[1], 64, rng=rng), fl.nn.ReLU(), fl.nn.Linear(64, 10, rng=rng))
    fit(model, x, y, optimizer=fl.optim.Adam(2e-3), epochs=epochs)
    return fl.evaluate(model, test_x, test_y, loss="cross_entropy", metrics=["accuracy"])["accuracy"]


def test_digits_are_learnt() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    assert accuracy_on(x[:1400], y[:1400], x[1400:], y[1400:], epochs=20) > 0.9


def test_mnist_is_learnt(data_folder: Path) -> None:
    with np.load(data_folder / "mnist.npz") as data:
        x, y, test_x, test_y = (data[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    flat = [(v.reshape(len(v), -1) / np.float32(255)).astype(np.float32) for v in (x[:20000], test_x)]
    assert accuracy_on(flat[0], y[:20000], flat[1], test_y, epochs=2) > 0.93


def test_a_regression_on_diabetes_explains_variance() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_diabetes(return_X_y=True)
    assert explained(x / x.std(0), (y - y.mean()) / y.std()) > 0.4


def test_a_regression_on_housing_explains_variance(data_folder: Path) -> None:
    names = (data_folder / "housing.csv").read_text().splitlines()[0].split(",")
    columns = [i for i, name in enumerate(names) if name not in {"ocean_proximity", "total_bedrooms"}]
    table = np.loadtxt(data_folder / "housing.csv", delimiter=",", skiprows=1, usecols=columns)
    at = [names[i] for i in columns].index("median_house_value")
    table = np.random.default_rng(0).permutation(table)[:8000]
    table = (table - table.mean(0)) / table.std(0)
    assert explained(np.delete(table, at, 1), table[:, at]) > 0.55


def explained(x: np.ndarray, y: np.ndarray) -> float:
    """Return R2 on the last fifth."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    n = len(x) * 4 // 5
    rng = fl.random.default_rng(0)
    model = fl.nn.Sequential(fl.nn.Linear(x.shape[1], 16, rng=rng), fl.nn.Tanh(), fl.nn.Linear(16, 1, rng=rng))
    fit(model, x[:n], y[:n], loss="mse", optimizer=fl.optim.AdamW(3e-3, weight_decay=0.1), epochs=30)
    return 1 - fl.evaluate(model, x[n:], y[n:], loss="mse")["loss"] / float(y[n:].var())


@pytest.mark.parametrize("value", [1.5, 3, True, np.float32(2.5), np.array(0.5)])
def test_a_metric_may_return_a_plain_number(value: Any) -> None:
    x = np.ones((40, 2), np.float32)
    model = fl.nn.Linear(2, 1)
    settings = {"loss": "mse", "metrics": [lambda output, target: value]}
    history = fl.fit(model, x, x[:, :1], optimizer="sgd", epochs=2, progress=False, **settings)
    (name,) = set(history) - {"loss", "grad_norm"}
    assert history[name] == [float(value)] * 2
    assert fl.evaluate(model, x, x[:, :1], **settings)[name] == float(value)


@pytest.mark.parametrize("value", ["good", None, np.ones(2), [1.0]])
def test_a_metric_that_returns_something_else_is_named(value: Any) -> None:
    def of_mine(output: Any, target: Any) -> Any:
        return value

    x = np.ones((40, 2), np.float32)
    with pytest.raises(fl.ShapeError, match="the metric 'of_mine' must return one number for a batch, got"):
        fl.fit(fl.nn.Linear(2, 1), x, x[:, :1], loss="mse", metrics=[of_mine], progress=False)


def test_a_loss_without_parameters_is_an_error() -> None:
    x = np.ones((40, 2), np.float32)
    for loss in (lambda output, target: np.mean(target**2), lambda output, target: fl.asarray(np.float32(1))):
        with pytest.raises(ValueError, match="the loss depends on no parameter of the model"):
            fl.fit(fl.nn.Linear(2, 1), x, x[:, :1], loss=loss, progress=False)
