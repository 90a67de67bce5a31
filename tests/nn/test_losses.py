"""Losses: their formulas, reductions and weights, PyTorch's values, and words about targets that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import _core
from fallline.nn import losses
from fallline.testing import check_grads, use_target

RNG = np.random.default_rng(0)
N, CLASSES = 7, 5
OUT, TARGET = RNG.normal(size=(N, CLASSES)) * 2, RNG.normal(size=(N, CLASSES))
LABELS = RNG.integers(0, CLASSES, N)
SHARES = RNG.dirichlet(np.ones(CLASSES), N)
BITS = RNG.integers(0, 2, (N, CLASSES))


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - x.max(1, keepdims=True) - np.log(np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True))


def huber(d: np.ndarray, delta: float = 1.0) -> np.ndarray:
    return np.where(np.abs(d) <= delta, d * d / 2, delta * (np.abs(d) - delta / 2))


# Each loss: the targets, every element's loss by formula, the function in torch.nn.functional.
ROWS: dict[str, tuple[Any, np.ndarray, np.ndarray, str]] = {
    "mse": (losses.mse, TARGET, (OUT - TARGET) ** 2, "mse_loss"),
    "mae": (losses.mae, TARGET, np.abs(OUT - TARGET), "l1_loss"),
    "huber": (losses.huber, TARGET, huber(OUT - TARGET), "huber_loss"),
    "cross entropy": (losses.cross_entropy, LABELS, -log_softmax(OUT)[np.arange(N), LABELS], "cross_entropy"),
    "cross entropy of shares": (losses.cross_entropy, SHARES, -(SHARES * log_softmax(OUT)).sum(1), "cross_entropy"),
    "binary cross entropy": (
        losses.binary_cross_entropy, BITS, np.log1p(np.exp(OUT)) - BITS * OUT, "binary_cross_entropy_with_logits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_losses_are_their_formulas_in_every_reduction(name: str) -> None:
    loss, target, each, _ = ROWS[name]
    np.testing.assert_allclose(np.asarray(loss(OUT, target, reduction="none")), each, rtol=1e-12)
    np.testing.assert_allclose(float(loss(OUT, target, reduction="sum")), each.sum(), rtol=1e-12)
    np.testing.assert_allclose(float(loss(OUT, target)), each.mean(), rtol=1e-12)
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none'"):
        loss(OUT, target, reduction="average")


@pytest.mark.parametrize("name", ROWS)
def test_weights_of_samples_make_weighted_means_and_sums(name: str) -> None:
    loss, target, each, _ = ROWS[name]
    w = RNG.uniform(0.5, 2, N)
    per_sample = each.reshape(N, -1)
    np.testing.assert_allclose(float(loss(OUT, target, sample_weight=w)), (w * per_sample.mean(1)).sum() / w.sum())
    np.testing.assert_allclose(
        float(loss(OUT, target, sample_weight=w, reduction="sum")), (w[:, None] * per_sample).sum()
    )
    none = np.asarray(loss(OUT, target, sample_weight=w, reduction="none"))
    np.testing.assert_allclose(none.reshape(N, -1), w[:, None] * per_sample)
    np.testing.assert_allclose(float(loss(OUT, target, sample_weight=np.full(N, 3))), each.mean(), rtol=1e-12)
    for wrong in (np.ones(N + 1), np.ones((N, 1))):
        with pytest.raises(fl.ShapeError, match=r"\[sample_weight\] expected shape \(7,\)"):
            loss(OUT, target, sample_weight=wrong)


@pytest.mark.parametrize("name", ROWS)
def test_losses_have_right_derivatives(name: str) -> None:
    loss, target, _, _ = ROWS[name]
    for facts in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"sample_weight": np.arange(1.0, N + 1)}):
        check_grads(lambda x, facts=facts: loss(x, target, **facts), (OUT,), order=2)
    if target.dtype.kind == "f":
        check_grads(lambda x, t: loss(x, t), (OUT, target), order=2)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_and_gradients_are_pytorchs(name: str, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    loss, target, _, theirs = ROWS[name]
    x = torch.tensor(OUT, requires_grad=True)
    t = torch.tensor(target) if theirs == "cross_entropy" else torch.tensor(target, dtype=torch.float64)
    y = getattr(torch.nn.functional, theirs)(x, t, reduction=reduction)
    y.sum().backward()
    np.testing.assert_allclose(np.asarray(loss(OUT, target, reduction=reduction)), y.detach().numpy(), rtol=1e-12)
    g = fl.grad(lambda v: loss(v, target, reduction=reduction).sum())(OUT)
    np.testing.assert_allclose(np.asarray(g), x.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 16, 33, 1000])
def test_cross_entropy_gives_the_bits_of_scalar_on_every_target(target: str, classes: int) -> None:
    for dtype in ("float32", "float64"):
        x = (RNG.normal(size=(9, classes)) * 3).astype(dtype)
        labels = RNG.integers(0, classes, 9)

        def run(x: np.ndarray = x, labels: np.ndarray = labels) -> list[np.ndarray]:
            return [np.asarray(v) for v in fl.value_and_grad(lambda v: losses.cross_entropy(v, labels))(x)]

        with use_target("scalar"):
            want = run()
        with use_target(target):
            got = run()
        each = -log_softmax(x.astype(float))[np.arange(9), labels]
        assert float(got[0]) == pytest.approx(each.mean(), rel=1e-5 if dtype == "float32" else 1e-12, abs=1e-7)
        for a, b in zip(got, want, strict=True):
            if target == "sse4":
                np.testing.assert_allclose(a, b, rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-7)
            else:
                assert a.tobytes() == b.tobytes()


def test_losses_are_stable_far_out() -> None:
    for dtype in ("float32", "float64"):
        x = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
        assert losses.cross_entropy(x, [0, 1]).item() == 0
        assert losses.cross_entropy(x, [1, 0]).item() == 2e4
        assert losses.binary_cross_entropy(x, np.array([[1, 0], [0, 1]])).item() == 0
        assert losses.binary_cross_entropy(x, np.array([[0, 1], [1, 0]])).item() == 1e4
        assert np.isfinite(np.asarray(fl.grad(lambda v: losses.cross_entropy(v, [1, 0]))(x))).all()
        assert np.isfinite(np.asarray(fl.grad(lambda v: losses.binary_cross_entropy(v, np.ones((2, 2))))(x))).all()


def test_huber_turns_linear_at_delta() -> None:
    d = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    np.testing.assert_allclose(np.asarray(losses.huber(d, d * 0, delta=2.0, reduction="none")), huber(d, 2.0))
    g = fl.grad(lambda x: losses.huber(x, d * 0, delta=2.0, reduction="sum"))(d)
    assert g.tolist() == [-2, -0.5, 0, 0.5, 2]


def test_squares_are_whole_and_half_of_them_is_huber_without_end() -> None:
    """R18: the mean, the sum, and the convention with the half, each with its gradient."""
    d = OUT - TARGET
    for loss, value, gradient in (
        (losses.mse, (d**2).sum() / d.size, 2 * d / d.size),
        (lambda x, t: losses.mse(x, t, reduction="sum"), (d**2).sum(), 2 * d),
        (lambda x, t: losses.huber(x, t, delta=float("inf")), (d**2).sum() / (2 * d.size), d / d.size),
    ):
        found, slope = fl.value_and_grad(lambda x, loss=loss: loss(x, TARGET))(OUT)
        assert float(found) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(np.asarray(slope), gradient, rtol=1e-14)


@pytest.mark.parametrize("loss", [losses.mse, losses.mae, losses.huber, losses.binary_cross_entropy])
def test_only_n_against_n_by_1_is_reshaped(loss: Any) -> None:
    x, t = RNG.normal(size=(N, 1)), RNG.integers(0, 2, N).astype(float)
    want = float(loss(x, t[:, None]))
    assert float(loss(x, t)) == float(loss(x[:, 0], t[:, None])) == want
    for a, b in (((N, 2), (N,)), ((N, 2), (N, 1)), ((N, N), (N,)), ((N,), (1,)), ((N, 1), (1, N)), ((2, 3), (3, 2))):
        with pytest.raises(fl.ShapeError, match="do not fit"):
            loss(np.zeros(a), np.zeros(b))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "bool"])
def test_labels_may_have_any_integer_dtype(dtype: str) -> None:
    labels = LABELS % 2
    want = float(losses.cross_entropy(OUT, labels))
    assert float(losses.cross_entropy(OUT, labels.astype(dtype))) == want
    assert float(losses.cross_entropy(OUT, labels.astype(dtype)[:, None])) == want


def test_labels_that_do_not_fit_are_told() -> None:
    for wrong, where in ((-1, 2), (CLASSES, 0), (100, 6)):
        labels = LABELS.copy()
        labels[where] = wrong
        with pytest.raises(ValueError, match=rf"label {wrong} at position {where} is out of range.*5 classes.*0 to 4"):
            losses.cross_entropy(OUT, labels)
    with pytest.raises(fl.DTypeError, match="integers, got float64"):
        losses.cross_entropy(OUT, LABELS.astype(float))
    with pytest.raises(fl.ShapeError, match="6 labels for 7 outputs"):
        losses.cross_entropy(OUT, LABELS[:6])
    with pytest.raises(fl.ShapeError, match=r"expected outputs \(n, classes\)"):
        losses.cross_entropy(OUT[0], LABELS[:1])
    with pytest.raises(fl.ShapeError, match="do not fit"):
        losses.cross_entropy(OUT, SHARES[:, :3])


def test_names_are_checked_and_functions_are_taken_as_they_are() -> None:
    assert losses.get("mse") is losses.mse
    assert losses.get(huber) is huber
    with pytest.raises(ValueError, match="did you mean 'cross_entropy'"):
        losses.get("crossentropy")


def test_float32_losses_stay_float32() -> None:
    for name, (loss, target, _, _) in ROWS.items():
        t = target.astype(np.float32) if target.dtype.kind == "f" else target
        assert loss(OUT.astype(np.float32), t).dtype == np.float32, name
