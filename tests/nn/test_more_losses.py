"""Losses that PyTorch does not have, or only elsewhere, against plain formulas; and what targets may be (R21)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.nn import losses

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(6, 3)) * 3, RNG.normal(size=(6, 3)) * 3
SIGNS, BITS = np.sign(RNG.normal(size=(6, 3))), (RNG.random((6, 3)) > 0.5).astype(float)
COUNTS = RNG.poisson(3, (6, 3)).astype(float)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def focal(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    p = np.where(t == 1, sigmoid(x), 1 - sigmoid(x))
    return -np.where(t == 1, 0.25, 0.75) * (1 - p) ** 2 * np.log(p)


ROWS: dict[str, tuple[Any, Any, np.ndarray]] = {  # options, targets, the loss of each element or sample
    "log_cosh": ({}, T, np.log(np.cosh(X - T))),
    "quantile": ({"q": 0.9}, T, np.maximum(0.9 * (T - X), -0.1 * (T - X))),
    "mape": ({}, T, 100 * np.abs((X - T) / T)),
    "msle": ({}, COUNTS, (np.log1p(np.maximum(X, 0)) - np.log1p(COUNTS)) ** 2),
    "hinge": ({}, SIGNS, np.maximum(0, 1 - SIGNS * X)),
    "squared_hinge": ({}, SIGNS, np.maximum(0, 1 - SIGNS * X) ** 2),
    "focal": ({}, BITS, focal(X, BITS)),
    "dice": ({}, BITS, 1 - (2 * (sigmoid(X) * BITS).sum(1) + 1) / (sigmoid(X).sum(1) + BITS.sum(1) + 1)),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_loss_is_its_formula(name: str) -> None:
    options, target, expected = ROWS[name]
    loss = getattr(losses, name)
    found = loss(X, target, reduction="none", **options)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12)
    np.testing.assert_allclose(float(loss(X, target, **options)), expected.mean(), rtol=1e-12)
    fl.testing.check_grads(lambda x: loss(x, target, **options), (X,), order=2)
    weight = np.arange(6.0)
    per_sample = expected.reshape(6, -1).mean(1)
    weighted = loss(X, target, sample_weight=weight, **options)
    np.testing.assert_allclose(float(weighted), (weight * per_sample).sum() / weight.sum(), rtol=1e-12)


def test_log_cosh_keeps_the_digits_of_small_and_large_distances() -> None:
    for d in (1e-12, 1e-5, 0.999999, 1.000001, 50.0, 1e5):
        expected = d - np.log(2) + np.log1p(np.exp(-2 * d)) if d > 1 else np.log1p(np.expm1(-d) ** 2 * np.exp(d) / 2)
        np.testing.assert_allclose(float(losses.log_cosh(np.array([d]), np.zeros(1))), expected, rtol=1e-14)
    assert float(losses.log_cosh(np.array([1e-12]), np.zeros(1))) == pytest.approx(5e-25, rel=1e-9)


def test_triplets() -> None:
    a, p, n = (RNG.normal(size=(5, 4)) for _ in range(3))
    near, far, other = (np.sqrt(((u - v + 1e-6) ** 2).sum(1)) for u, v in ((a, p), (a, n), (p, n)))
    np.testing.assert_allclose(float(losses.triplet_margin(a, p, n)), np.maximum(0, near - far + 1).mean(), rtol=1e-12)
    swapped = np.maximum(0, near - np.minimum(far, other) + 1).mean()
    np.testing.assert_allclose(float(losses.triplet_margin(a, p, n, swap=True)), swapped, rtol=1e-12)


def test_yolo_by_hand() -> None:
    # A grid of 2 x 2, two boxes, one class; an object in the cell of row 0 and column 1.
    target, output = np.zeros((1, 2, 2, 11)), np.zeros((1, 2, 2, 11))
    target[0, 0, 1] = [0.5, 0.5, 0.36, 0.25, 1, 0, 0, 0, 0, 0, 1]
    output[0, 0, 1] = [0.5, 0.5, 0.09, 0.25, 0.3, 0.5, 0.5, 0.36, 0.16, 0.6, 0.8]
    output[0, 1, 0, 4] = 0.5
    # Overlaps: box 0 is 0.09 / 0.36 of the truth's width and all of its height, 1/4; box 1 0.16 / 0.25 of its height.
    overlap = 0.16 / 0.25
    place = 0.0
    size = (np.sqrt(0.16) - np.sqrt(0.25)) ** 2
    sure = (0.6 - overlap) ** 2
    none = 0.3**2 + 0.5**2  # the other box of the cell, and one where there is nothing
    expected = 5 * (place + size) + sure + 0.5 * none + (0.8 - 1) ** 2
    found = losses.yolo_v1(output, target, boxes=2, classes=1)
    np.testing.assert_allclose(float(found), expected, rtol=1e-12)
    gradient = np.asarray(fl.grad(lambda y: losses.yolo_v1(y, target, 2, 1))(output))[0]
    np.testing.assert_allclose(gradient[0, 1, 9], 2 * (0.6 - overlap), rtol=1e-12)
    np.testing.assert_allclose(gradient[0, 1, 4], 0.5 * 2 * 0.3, rtol=1e-12)
    np.testing.assert_allclose(gradient[0, 1, 8], 5 * 2 * (0.4 - 0.5) / (2 * 0.4), rtol=1e-12)
    np.testing.assert_allclose(gradient[1, 0, 4], 0.5 * 2 * 0.5, rtol=1e-12)
    both = losses.yolo_v1(np.concatenate([output, target]), np.concatenate([target, target]), 2, 1, reduction="none")
    np.testing.assert_allclose(np.asarray(both), [expected, 0], rtol=1e-12, atol=1e-12)


def test_yolo_places_are_weighted_by_five() -> None:
    target, output = np.zeros((1, 1, 1, 6)), np.zeros((1, 1, 1, 6))
    target[0, 0, 0] = [0.5, 0.5, 1, 1, 1, 1]
    output[0, 0, 0] = [0.7, 0.4, 1, 1, 1, 1]
    shared = 0.8 * 0.9
    overlap = shared / (2 - shared)
    expected = 5 * (0.2**2 + 0.1**2) + (1 - overlap) ** 2
    np.testing.assert_allclose(float(losses.yolo_v1(output, target, 1, 1)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: losses.binary_cross_entropy(X, np.full((6, 3), 2.0)),
            r"targets must be in \[0, 1\], got 2.0 at \[0, 0\]",
        ),
        (lambda: losses.binary_cross_entropy_of_probabilities(X, BITS), r"outputs must be in \[0, 1\]"),
        (lambda: losses.hinge(X, BITS), "targets must be -1 or 1, got"),
        (lambda: losses.focal(X, X), "targets must be 0 or 1"),
        (lambda: losses.quantile(X, T, q=1.0), "q must be between 0 and 1"),
        (lambda: losses.cross_entropy(X, np.array([0, 1, 2, 3, 0, 1])), "label 3 at position 3 is out of range"),
        (lambda: losses.cross_entropy(X, np.zeros(6, int), label_smoothing=2.0), "label_smoothing must be in"),
        (lambda: losses.yolo_v1(np.zeros((1, 2, 2, 7)), np.zeros((1, 2, 2, 7)), 1, 1), "expected two .*6.*got"),
        (lambda: losses.ctc(np.zeros((4, 2, 3)), np.ones((2, 2), int), [4, 9], [1, 1]), "lengths must be at most 4"),
        (lambda: losses.multi_margin(X, np.zeros(6, int), p=3), "p must be 1 or 2"),
    ],
)
def test_targets_outside_of_a_losses_domain_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_fit_takes_the_new_losses_by_name() -> None:
    x = RNG.normal(size=(64, 3)).astype(np.float32)
    for name, y in (
        ("smooth_l1", x[:, :1]),
        ("log_cosh", x[:, :1]),
        ("hinge", np.sign(x[:, :1])),
        ("focal", x[:, :1] > 0),
    ):
        model = fl.nn.Linear(3, 1)
        history = fl.fit(model, x, y.astype(np.float32), loss=name, epochs=30, optimizer="adam", progress=False)
        assert history["loss"][-1] < history["loss"][0], name
