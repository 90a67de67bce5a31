"""Metrics are sums over an epoch: scikit-learn's values on all samples at once, however they come in batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from metric_cases import BATCH, N, Scale, cases, one_hot, rest, sigmoid, softmax

import fallline as fl

sk = pytest.importorskip("sklearn.metrics")
pytestmark = pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
M = fl.train.metrics
Row = Callable[[np.ndarray, np.ndarray, Any], float]  # (truth, outputs, weights) -> scikit-learn's number


def decided(f: Any, **facts: Any) -> dict[str, Row]:
    """Return a row for each kind of classification, of a function of labels."""
    macro = {"average": "macro", "zero_division": 0, **facts}
    return {
        "binary": lambda y, z, w: f(y, z[:, 0] > 0, sample_weight=w, zero_division=0, **facts),
        "two classes": lambda y, z, w: f(y, z.argmax(1), sample_weight=w, zero_division=0, **facts),
        "classes": lambda y, z, w: f(y, z.argmax(1), sample_weight=w, **macro),
        "labels": lambda y, z, w: f(y, z > 0, sample_weight=w, **macro),
    }


def averaged(f: Any, average: str) -> dict[str, Row]:
    facts = {"average": average, "zero_division": 0}
    return {
        "two classes": lambda y, z, w: f(y, z.argmax(1), sample_weight=w, **facts),
        "classes": lambda y, z, w: f(y, z.argmax(1), sample_weight=w, **facts),
        "labels": lambda y, z, w: f(y, z > 0, sample_weight=w, **facts),
    }


def simple(f: Any, **facts: Any) -> dict[str, Row]:
    return {
        "binary": lambda y, z, w: f(y, z[:, 0] > 0, sample_weight=w, **facts),
        "classes": lambda y, z, w: f(y, z.argmax(1), sample_weight=w, **facts),
        "two classes": lambda y, z, w: f(y, z.argmax(1), sample_weight=w, **facts),
    }


def numbers(f: Any, **facts: Any) -> dict[str, Row]:
    def of(y: np.ndarray, z: np.ndarray, w: Any) -> float:
        return float(f(y.astype(float), z.reshape(y.shape).astype(float), sample_weight=w, **facts))

    return dict.fromkeys(("number", "outputs"), of)


def ranks(f: Any, **facts: Any) -> dict[str, Row]:
    return {
        "binary": lambda y, z, w: f(y, z[:, 0], sample_weight=w),
        "two classes": lambda y, z, w: f(y, softmax(z)[:, 1], sample_weight=w),
        "labels": lambda y, z, w: f(y, z, sample_weight=w),
        "classes": lambda y, z, w: np.mean(
            [f(y == c, softmax(z)[:, c], sample_weight=w) for c in range(z.shape[1]) if (y == c).any()]
        ),
    }


def share_right(y: np.ndarray, z: np.ndarray, w: Any) -> float:
    return float(np.average((y == (z > 0)).mean(1), weights=w))


def pearson(y: np.ndarray, z: np.ndarray, w: Any) -> float:
    y, z = y.reshape(len(y), -1).astype(float), z.reshape(len(z), -1).astype(float)
    w = np.ones(len(y)) if w is None else w
    found = []
    for i in range(y.shape[1]):
        c = np.cov(y[:, i], z[:, i], aweights=w)
        found.append(c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]))
    return float(np.mean(found))


def calibration(y: np.ndarray, p: np.ndarray, right: np.ndarray, w: Any, bins: int = 15) -> float:
    w = np.ones(len(y)) if w is None else w
    place = np.clip(np.ceil(p * bins) - 1, 0, bins - 1)
    gaps = (abs((w * (right - p))[place == b].sum()) for b in range(bins))
    return float(sum(gaps) / w.sum())


LOG_LOSS: dict[str, Row] = {
    "binary": lambda y, z, w: sk.log_loss(y, sigmoid(z[:, 0]), sample_weight=w),
    "classes": lambda y, z, w: sk.log_loss(y, softmax(z), sample_weight=w, labels=range(z.shape[1])),
    "labels": lambda y, z, w: np.average((np.logaddexp(0, -z) * y + np.logaddexp(0, z) * (1 - y)).mean(1), weights=w),
}
# A metric: what scikit-learn, or else NumPy, says for each kind of outputs.
ROWS: dict[Any, dict[str, Row]] = {
    "accuracy": {**simple(sk.accuracy_score), "labels": share_right},
    M.accuracy(exact=True): {"labels": lambda y, z, w: sk.accuracy_score(y, z > 0, sample_weight=w)},
    M.top_k(k=2): {
        "classes": lambda y, z, w: sk.top_k_accuracy_score(y, z, k=2, sample_weight=w, labels=range(z.shape[1]))
    },
    "balanced_accuracy": simple(sk.balanced_accuracy_score),
    "precision": decided(sk.precision_score),
    "recall": decided(sk.recall_score),
    "f1": decided(sk.f1_score),
    "fbeta": decided(sk.fbeta_score, beta=2.0),
    M.fbeta(beta=0.5): decided(sk.fbeta_score, beta=0.5),
    M.f1(average="micro"): averaged(sk.f1_score, "micro"),
    M.precision(average="weighted"): averaged(sk.precision_score, "weighted"),
    "iou": decided(sk.jaccard_score),
    "dice": decided(sk.f1_score),
    "confusion_matrix": {
        "binary": lambda y, z, w: sk.confusion_matrix(y, z[:, 0] > 0, sample_weight=w, labels=[0, 1]),
        "classes": lambda y, z, w: sk.confusion_matrix(y, z.argmax(1), sample_weight=w, labels=range(z.shape[1])),
    },
    "log_loss": LOG_LOSS,
    "perplexity": {kind: lambda y, z, w, f=f: np.exp(f(y, z, w)) for kind, f in LOG_LOSS.items()},
    "brier": {
        "binary": lambda y, z, w: sk.brier_score_loss(y, sigmoid(z[:, 0]), sample_weight=w),
        "two classes": lambda y, z, w: sk.brier_score_loss(y, softmax(z)[:, 1], sample_weight=w),
        "classes": lambda y, z, w: np.average(((softmax(z) - one_hot(y, z.shape[1])) ** 2).sum(1), weights=w),
    },
    "calibration_error": {
        "classes": lambda y, z, w: calibration(y, softmax(z).max(1), z.argmax(1) == y, w),
        "binary": lambda y, z, w: calibration(
            y, np.maximum(sigmoid(z), sigmoid(-z))[:, 0], (z[:, 0] > 0) == y, w
        ),
    },
    "auc": ranks(sk.roc_auc_score),
    "average_precision": ranks(sk.average_precision_score),
    "mae": numbers(sk.mean_absolute_error),
    "mse": numbers(sk.mean_squared_error),
    "rmse": numbers(sk.root_mean_squared_error),
    "mape": numbers(sk.mean_absolute_percentage_error),
    "quantile": numbers(sk.mean_pinball_loss),
    M.quantile(q=0.9): numbers(sk.mean_pinball_loss, alpha=0.9),
    "r2": numbers(sk.r2_score),
    "explained_variance": numbers(sk.explained_variance_score),
    "pearson": dict.fromkeys(("number", "outputs"), pearson),
}  # fmt: skip
WEIGHTS: dict[str, Callable[[np.random.Generator], Any]] = {
    "none": lambda rng: None,
    "some": lambda rng: rng.uniform(0.1, 2, N).astype(np.float32),
    "a batch of zeros": lambda rng: np.where(np.arange(N) // BATCH == 1, 0, rng.integers(1, 4, N)).astype(np.float32),
}


def key(metric: Any) -> str:
    return metric if isinstance(metric, str) else metric.name


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("metric", "kind"), [(m, kind) for m in ROWS for kind in ROWS[m]], ids=lambda v: key(v))
def test_a_metric_is_that_of_all_samples_at_once(metric: Any, kind: str, weights: str) -> None:
    for seed in range(4):
        z, y, loss = cases(kind, seed)
        w = WEIGHTS[weights](np.random.default_rng(seed))
        want = np.asarray(ROWS[metric][kind](y, z, w))
        facts = {"loss": loss, "metrics": [metric], "sample_weight": w}
        for batch in (BATCH, 1024):
            found = fl.evaluate(fl.nn.Identity(), z, y, batch_size=batch, **facts)
            np.testing.assert_allclose(found[key(metric)], want, rtol=2e-6, atol=1e-7, err_msg=f"seed {seed}")
        alone = (M_of(metric)).suited(fl.nn.losses.get(loss))
        np.testing.assert_allclose(alone(z, y, sample_weight=w), want, rtol=2e-6, atol=1e-7)


def M_of(metric: Any) -> Any:
    return getattr(M, metric) if isinstance(metric, str) else metric


@pytest.mark.parametrize("kind", ["binary", "classes", "labels", "number", "outputs"])
@pytest.mark.parametrize("weights", ["none", "some"])
@pytest.mark.parametrize("native", [True, False], ids=["native", "in Python"])
def test_fit_measures_the_epoch_as_evaluate_does(kind: str, weights: str, native: bool) -> None:
    z, y, loss = cases(kind, 1)
    w = WEIGHTS[weights](np.random.default_rng(1))
    metrics = [m for m in ROWS if kind in ROWS[m]]
    facts = rest(loss)
    if not native:
        facts["optimizer"] = fl.optim.SAM(fl.optim.SGD(0.0), rho=1e-9)
    validation = (z[:20], y[:20])
    history = fl.fit(Scale(), z, y, metrics=metrics, sample_weight=w, validation=validation, **facts)
    for metric in metrics:
        name, want = key(metric), ROWS[metric][kind](y, z, w)
        if name in ("auc", "average_precision"):
            assert name not in history
        else:
            assert len(history[name]) == 2
            for value in history[name]:
                np.testing.assert_allclose(value, want, rtol=2e-6, atol=1e-7, err_msg=name)
        judged = ROWS[metric][kind](y[:20], z[:20], None)
        np.testing.assert_allclose(history[f"val_{name}"][-1], judged, rtol=2e-6, atol=1e-7, err_msg=name)


# Edges, each beside scikit-learn or from its definition


def test_targets_that_do_not_vary_are_explained_as_in_scikit_learn() -> None:
    y = np.full(8, 3.0)
    for p in (y, y + 1, np.arange(8.0)):
        for name, f in {"r2": sk.r2_score, "explained_variance": sk.explained_variance_score}.items():
            assert getattr(M, name)(p, y) == pytest.approx(f(y, p)), name
    assert np.isnan(M.pearson(np.arange(8.0), y))


def test_r2_keeps_its_digits_where_the_mean_is_large() -> None:
    rng = np.random.default_rng(0)
    y = 1e8 + rng.normal(size=400)
    p = y + 0.3 * rng.normal(size=400)
    metric = M.r2
    state = metric.start(p[:40], y[:40])
    for at in range(0, 400, 70):
        state = metric.add(state, fl.asarray(p[at : at + 70]), fl.asarray(y[at : at + 70]), None)
    assert float(metric.finish(state)) == pytest.approx(sk.r2_score(y, p), rel=1e-7)


def test_classes_that_never_occur_are_left_out_or_count_0_as_in_scikit_learn() -> None:
    z = np.eye(4)[[0, 1, 1, 2]] * 5
    y = np.array([0, 1, 2, 2])  # class 3 neither true nor predicted
    for name, f in {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}.items():
        assert getattr(M, name)(z, y) == pytest.approx(f(y, z.argmax(1), average="macro"))
    assert M.precision(z[:, :1] - 9, [0, 1, 0, 0]) == 0.0
    np.testing.assert_allclose(
        M.recall(z, y, average="none"), sk.recall_score(y, z.argmax(1), average=None, labels=range(4), zero_division=0)
    )


def test_of_one_class_there_is_no_curve() -> None:
    assert np.isnan(M.auc(np.arange(4.0), np.ones(4)))
    assert np.isnan(M.average_precision(np.arange(4.0), np.zeros(4)))


def test_ties_are_one_threshold_and_of_equal_outputs_the_last_is_first() -> None:
    z, y = np.array([1.0, 1, 1, 0, 0, 2]), np.array([1, 0, 1, 0, 1, 1])
    assert M.auc(z, y) == pytest.approx(sk.roc_auc_score(y, z))
    assert M.average_precision(z, y) == pytest.approx(sk.average_precision_score(y, z))
    scores, labels = np.zeros((3, 4)), np.array([0, 2, 3])
    for k in (1, 2, 3):
        assert M.top_k(scores, labels, k=k) == pytest.approx(
            sk.top_k_accuracy_score(labels, scores, k=k, labels=range(4))
        )


def test_pixels_and_words_have_their_classes_on_axis_1_or_the_last() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(6, 3, 4, 5)), rng.integers(0, 3, (6, 4, 5))
    want = sk.jaccard_score(y.ravel(), z.argmax(1).ravel(), average="macro")
    assert M.iou(z, y) == pytest.approx(want)
    assert M.iou(np.moveaxis(z, 1, -1), y) == pytest.approx(want)
    mask, w = rng.integers(0, 2, (6, 4, 5)), rng.uniform(size=6)
    flat = sk.f1_score(mask.ravel(), z[:, 0].ravel() > 0, sample_weight=np.repeat(w, 20))
    assert M.dice(z[:, :1], mask, sample_weight=w) == pytest.approx(flat)
    words = y.copy()
    words[:, :, 3:] = -1
    kept = words.ravel() != -1
    rows = np.moveaxis(z, 1, -1).reshape(-1, 3)[kept]
    assert M.perplexity(z, words, ignore_index=-1) == pytest.approx(
        np.exp(sk.log_loss(words.ravel()[kept], softmax(rows))), rel=1e-6
    )
    assert M.accuracy(z, words, ignore_index=-1) == pytest.approx((rows.argmax(1) == words.ravel()[kept]).mean())


def test_outputs_that_are_probabilities_are_seen_from_the_loss() -> None:
    z, y, _ = cases("binary", 3)
    p = sigmoid(z)
    found = fl.evaluate(
        fl.nn.Identity(), p, y, loss="binary_cross_entropy_of_probabilities", metrics=["accuracy", "log_loss", "brier"]
    )
    assert found["accuracy"] == pytest.approx(((p[:, 0] > 0.5) == y).mean())
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p[:, 0]), rel=1e-5)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(y, p[:, 0]), rel=1e-5)
    wrapped = partial(fl.nn.losses.binary_cross_entropy, pos_weight=2.0)
    z, y, _ = cases("labels", 3)
    assert fl.evaluate(fl.nn.Identity(), z, y, loss=wrapped, metrics=["accuracy"])["accuracy"] == pytest.approx(
        share_right(y, z, None)
    )
