"""Names and options of metrics, functions as metrics, metrics of one's own, and what is wrong with some."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from metric_cases import BATCH, N, Scale, cases, rest

import fallline as fl

M = fl.train.metrics


def test_names_are_those_given_and_say_what_was_chosen() -> None:
    assert [m.name for m in (M.top_k, M.top_k(k=3), M.f1(average="micro"), M.accuracy(exact=True))] == [
        "top_k", "top_k_3", "f1_micro", "accuracy_exact",
    ]  # fmt: skip
    assert M.top_k(k=3, name="near").name == "near"
    assert set(M.__all__) <= {*fl.train.metrics._meter.REGISTRY}
    assert all(fl.train.metrics._meter.REGISTRY[name].name == name for name in M.__all__)
    assert all(type(getattr(M, name)).__doc__ for name in M.__all__)


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "twice": (["accuracy", "accuracy"], ValueError, "two metrics are named 'accuracy'.*accuracy\\(name='...'\\)"),
    "two functions": ([lambda o, t: 0.0, lambda o, t: 1.0], ValueError, "two metrics are named '<lambda>'"),
    "loss": ([M.mse(name="loss")], ValueError, "'loss' is the name of something else"),
    "unknown": (["accurasy"], ValueError, "did you mean 'accuracy'"),
    "all at once": (["auc"], ValueError, r"auc needs all outputs.*validation=\(x, y\)"),
    "shape": ([M.top_k], fl.ShapeError, r"\[top_k\] needs outputs of several classes"),
    "state": ([], fl.ShapeError, r"\[Grows\] a metric's add returns a state like start's"),
}


class Grows(fl.train.Metric):
    def start(self, output: Any, target: Any) -> Any:
        return np.zeros(2)

    def add(self, state: Any, output: Any, target: Any, weight: Any) -> Any:
        return state.sum()


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_metrics_is_told_before_the_first_step(name: str) -> None:
    metrics, error, message = BAD[name]
    z, y, loss = cases("binary", 0)
    opt = fl.optim.SGD(0.1)
    with pytest.raises(error, match=message):
        fl.fit(Scale(), z, y, loss=loss, optimizer=opt, metrics=metrics or [Grows()], progress=False)
    assert opt.t == 0


def test_options_that_are_not_there_are_told() -> None:
    with pytest.raises(TypeError, match=r"\[top_k\] there is no option 'n'"):
        M.top_k(n=3)
    with pytest.raises(TypeError, match=r"\[top_k\] takes \(outputs, targets\), got 1 argument; options have names"):
        M.top_k(3)
    with pytest.raises(ValueError, match="average must be"):
        M.f1(average="mean")
    with pytest.raises(fl.ShapeError, match=r"\[accuracy\] targets \(3,\) do not fit outputs \(4, 2\)"):
        M.accuracy(np.zeros((4, 2)), [0, 1, 0])


class Largest(fl.train.Metric):
    """The largest error, and how many samples were seen: a state of two."""

    name = "largest"

    def start(self, output: Any, target: Any) -> Any:
        return {"most": np.zeros(output.shape[1:]), "seen": np.zeros((), np.int64)}

    def add(self, state: Any, output: Any, target: Any, weight: Any) -> Any:
        return {
            "most": np.maximum(state["most"], np.abs(output - target).max(0)),
            "seen": state["seen"] + output.shape[0],
        }

    def finish(self, state: Any) -> Any:
        assert int(state["seen"]) == N
        return state["most"]


def test_a_metric_of_ones_own_is_measured_in_native_steps() -> None:
    z, y, loss = cases("outputs", 0)
    history = fl.fit(Scale(), z, y, metrics=[Largest()], validation=(z, y), **rest(loss))
    want = abs(z - y).max(0)
    np.testing.assert_allclose(history["largest"], [want, want], rtol=1e-6)
    np.testing.assert_allclose(history["val_largest"][1], want, rtol=1e-6)


def test_a_function_is_averaged_by_samples_or_by_their_weights() -> None:
    z, y, loss = cases("number", 2)
    w = np.random.default_rng(0).uniform(0.1, 2, N).astype(np.float32)

    def plain(output: Any, target: Any) -> Any:
        return np.abs(output[:, 0] - target).mean()

    def weighed(output: Any, target: Any, sample_weight: Any = None) -> Any:
        return (sample_weight * np.abs(output[:, 0] - target)).sum() / sample_weight.sum()

    history = fl.fit(Scale(), z, y, metrics=[plain, weighed], sample_weight=w, **rest(loss))
    errors = abs(z[:, 0] - y)
    assert history["plain"][0] == pytest.approx(errors.mean(), rel=1e-6)
    assert history["weighed"][0] == pytest.approx(np.average(errors, weights=w), rel=1e-6)


def test_metrics_are_copied_and_pickled() -> None:
    for name in M.__all__:
        metric = getattr(M, name)
        assert pickle.loads(pickle.dumps(metric)) == metric


def test_epochs_that_are_measured_train_with_the_same_bits() -> None:
    x = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    models = [fl.nn.Linear(4, 2, rng=fl.random.default_rng(0)) for _ in range(2)]
    for model, metrics in zip(models, ([], ["accuracy", "f1", "confusion_matrix"]), strict=True):
        fl.fit(model, x, y, loss="cross_entropy", epochs=3, batch_size=BATCH, metrics=metrics, progress=False)
    np.testing.assert_array_equal(np.asarray(models[0].weight), np.asarray(models[1].weight))
