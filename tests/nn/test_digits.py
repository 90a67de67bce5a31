"""Digits of losses and activations, value and gradient, beside 50 digits of mpmath: where next to nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from digits import Number, Row, against, check, column, sigmoid, softplus, units

import fallline as fl
from fallline.nn import losses


def phi(x: Number) -> Number:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def bell(x: Number) -> Number:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def of_class(label: int, others: int = 2) -> Callable[[Any], Any]:
    return lambda x: losses.cross_entropy(column(x, others), np.full(x.shape, label), reduction="none")


def of_shares(*shares: float) -> Callable[[Any], Any]:
    return lambda x: losses.cross_entropy(column(x), np.full((*x.shape, 3), shares, x.dtype), reduction="none")


def binary(t: float) -> Row:
    return Row(
        against(losses.binary_cross_entropy, t),
        lambda x: t * softplus(-x) + (1 - t) * softplus(x),
        lambda x: (1 - t) * sigmoid(x) - t * sigmoid(-x),
        slope_near=lambda x: max((1 - t) * sigmoid(x), t * sigmoid(-x)),
    )


def rest(x: Number, others: int = 2) -> Number:
    """What the others' exponentials are to the first one's."""
    return others * mp.exp(-x)


def log_cosh(x: Number) -> Number:
    return mp.log(mp.cosh(x)) if abs(x) > 1e-20 else x * x / 2


def focal(t: int) -> Row:
    """Of an exponential: its relative error grows with its exponent."""

    def right(x: Number) -> Number:
        return x if t else -x

    def value(x: Number) -> Number:
        return (mp.mpf("0.25") if t else mp.mpf("0.75")) * softplus(-right(x)) * mp.exp(-2 * softplus(right(x)))

    def slope(x: Number) -> Number:
        r = right(x)
        down = -sigmoid(-r) - 2 * sigmoid(r) * softplus(-r)
        return (1 if t else -1) * (mp.mpf("0.25") if t else mp.mpf("0.75")) * mp.exp(-2 * softplus(r)) * down

    def grown(f: Callable[[Number], Number]) -> Callable[[Number], Number]:
        return lambda x: abs(f(x)) * max(1, 2 * softplus(right(x)))

    return Row(against(losses.focal, float(t)), value, slope, near=grown(value), slope_near=grown(slope))


def half_square(x: Number, delta: float) -> Number:
    return x * x / 2 if abs(x) <= delta else delta * (abs(x) - delta / 2)


ROWS: dict[str, Row] = {
    "mse": Row(against(losses.mse, 0.75), lambda x: (x - 0.75) ** 2, lambda x: 2 * (x - 0.75)),
    "mae": Row(against(losses.mae, 0.75), lambda x: abs(x - 0.75), lambda x: mp.sign(x - 0.75)),
    "huber": Row(
        against(losses.huber, 0.0, delta=2.0), lambda x: half_square(x, 2), lambda x: max(-2, min(2, x))
    ),
    "smooth_l1": Row(
        against(losses.smooth_l1, 0.0, beta=2.0), lambda x: half_square(x, 2) / 2, lambda x: max(-1, min(1, x / 2))
    ),
    "log_cosh": Row(against(losses.log_cosh, 0.0), log_cosh, mp.tanh),
    "quantile": Row(
        against(losses.quantile, 0.75, q=0.25),
        lambda x: (0.75 - x) / 4 if x < 0.75 else (x - 0.75) * 3 / 4,
        lambda x: -mp.mpf(1) / 4 if x < 0.75 else mp.mpf(3) / 4,
    ),
    "hinge": Row(against(losses.hinge, 1.0), lambda x: max(0, 1 - x), lambda x: -1 if x < 1 else 0),
    "squared_hinge": Row(
        against(losses.squared_hinge, 1.0), lambda x: max(0, 1 - x) ** 2, lambda x: -2 * max(0, 1 - x)
    ),
    "soft_margin": Row(against(losses.soft_margin, -1.0), softplus, sigmoid),
    "multilabel_soft_margin": Row(
        lambda x: losses.multilabel_soft_margin(x[:, None], np.ones((len(x), 1), x.dtype), reduction="none"),
        lambda x: softplus(-x), lambda x: -sigmoid(-x),
    ),
    "nll": Row(
        lambda x: losses.nll(column(x), np.zeros(len(x), int), reduction="none"), lambda x: -x, lambda x: mp.mpf(-1)
    ),
    "kl_divergence": Row(
        against(losses.kl_divergence, 0.25), lambda x: (mp.log(mp.mpf("0.25")) - x) / 4, lambda x: -mp.mpf(1) / 4,
        near=lambda x: max(abs(x), mp.log(4)) / 4,
    ),
    "gaussian_nll": Row(
        lambda x: losses.gaussian_nll(x, *(v + np.zeros(x.shape, x.dtype) for v in (0.75, 2.0)), reduction="none"),
        lambda x: (mp.log(2) + (x - 0.75) ** 2 / 2) / 2, lambda x: (x - 0.75) / 2,
    ),
    "msle": Row(
        against(losses.msle, 1.0),
        lambda x: (mp.log1p(max(0, x)) - mp.log(2)) ** 2,
        lambda x: 2 * (mp.log1p(x) - mp.log(2)) / (1 + x) if x >= 0 else 0,
        near=lambda x: abs(mp.log1p(max(0, x)) - mp.log(2)) * max(mp.log1p(max(0, x)), mp.log(2)),
        slope_near=lambda x: 2 * max(mp.log1p(max(0, x)), mp.log(2)) / (1 + max(0, x)),
    ),
    **{f"focal, t = {t}": focal(t) for t in (0, 1)},
    **{f"binary cross entropy, t = {t}": binary(t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)},
    "cross entropy, the class": Row(of_class(0), lambda x: mp.log1p(rest(x)), lambda x: -rest(x) / (1 + rest(x))),
    "cross entropy, the class of 40": Row(
        of_class(0, 39), lambda x: mp.log1p(rest(x, 39)), lambda x: -rest(x, 39) / (1 + rest(x, 39))
    ),
    "log_softmax of 40": Row(
        lambda x: fl.log_softmax(column(x, 39), 1)[:, 0],
        lambda x: -mp.log1p(rest(x, 39)), lambda x: rest(x, 39) / (1 + rest(x, 39)),
    ),
    "cross entropy, another": Row(of_class(1), lambda x: x + mp.log1p(rest(x)), lambda x: 1 / (1 + rest(x))),
    "cross entropy, shares of one": Row(
        of_shares(1, 0, 0), lambda x: mp.log1p(rest(x)), lambda x: -rest(x) / (1 + rest(x))
    ),
    "cross entropy, shares": Row(
        of_shares(0.5, 0.25, 0.25), lambda x: x / 2 + mp.log1p(rest(x)), lambda x: 1 / (1 + rest(x)) - 0.5,
        near=lambda x: abs(x / 2), slope_near=lambda x: 0.5,
    ),
    "log_softmax": Row(
        lambda x: fl.log_softmax(column(x), 1)[:, 0], lambda x: -mp.log1p(rest(x)), lambda x: rest(x) / (1 + rest(x))
    ),
    "logsumexp": Row(
        lambda x: fl.logsumexp(column(x), 1), lambda x: x + mp.log1p(rest(x)), lambda x: 1 / (1 + rest(x)),
        near=lambda x: abs(x), slope_near=lambda x: max(1, abs(x)) / (1 + rest(x)),
    ),
    "logsumexp of rows beside zero": Row(
        lambda x: fl.logsumexp(np.stack([x, 0 * x], 1), 1), softplus, sigmoid,
        slope_near=lambda x: max(1, abs(x)) * sigmoid(x),
    ),
    "logsumexp of columns beside zero": Row(
        lambda x: fl.logsumexp(np.stack([0 * x, x], 0), 0), softplus, sigmoid,
        slope_near=lambda x: max(1, abs(x)) * sigmoid(x),
    ),
    "logaddexp": Row(
        lambda x: np.logaddexp(x, np.zeros_like(x)), softplus, sigmoid, slope_near=lambda x: max(1, abs(x)) * sigmoid(x)
    ),
    "softplus": Row(fl.softplus, softplus, sigmoid),
    "sigmoid": Row(fl.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x), slope_near=lambda x: 1),
    "silu": Row(fl.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
                slope_near=lambda x: max(1, abs(x)) * sigmoid(x)),
    "tanh": Row(fl.tanh, mp.tanh, lambda x: mp.sech(x) ** 2, slope_near=lambda x: 1),
    "gelu": Row(fl.gelu, lambda x: x * phi(x), lambda x: phi(x) + x * bell(x),
                near=lambda x: abs(x), slope_near=lambda x: 1),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients_keep_their_digits(name: str, dtype: str) -> None:
    check(ROWS[name], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropies_of_probabilities_keep_the_digits_of_small_ones(dtype: str) -> None:
    p = np.array([1e-30, 1e-8, 1e-7, 1e-5, 1e-3, 0.25, 0.5, 0.75, 0.999], dtype)
    for t in (0.0, 1.0):
        f = against(losses.binary_cross_entropy_of_probabilities, t)
        with mp.workdps(50):
            exact = [-mp.log(mp.mpf(float(v))) if t else -mp.log1p(-mp.mpf(float(v))) for v in p]
            slope = [-1 / mp.mpf(float(v)) if t else 1 / (1 - mp.mpf(float(v))) for v in p]
            none = [mp.mpf(0)] * len(p)
            assert units(np.asarray(f(fl.asarray(p))), exact, none).max() <= 4
            gradient = np.asarray(fl.grad(lambda v, f=f: fl.sum(f(v)))(p))
            assert units(gradient, slope, none).max() <= 4
