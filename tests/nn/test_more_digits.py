"""Digits of losses of vectors, sequences and counts, and of further activations, beside 50 digits of mpmath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from digits import Number, Row, against, check, column, sigmoid, softplus
from nn.test_digits import ROWS

import fallline as fl
from fallline.nn import functional as F
from fallline.nn import losses


def fixed(x: Any, *numbers: float) -> Any:
    """Return the same numbers beside every x: (n, len(numbers))."""
    return np.full((len(x), len(numbers)), numbers, x.dtype)


def hinge(x: Number) -> Number:
    return max(mp.mpf(0), x)


def step(x: Number) -> Number:
    return mp.mpf(1) if x > 0 else mp.mpf(0)


# ---- dice


def dice(x: Any) -> Any:
    """Of x and 0 against 1 and 0."""
    return losses.dice(column(x, 1), fixed(x, 1, 0), reduction="none")


def sure_dice(x: Any) -> Any:
    return losses.dice(column(x, 0), fixed(x, 1), reduction="none")


# ---- cosine and distances


def cosine(sign: float, margin: float = 0.0) -> Callable[[Any], Any]:
    """Of (x, 1) and (2, 0)."""

    def loss(x: Any) -> Any:
        target = np.full(len(x), sign, x.dtype)
        return losses.cosine_embedding(
            np.stack([x, 0 * x + 1], 1), fixed(x, 2, 0), target, margin=margin, reduction="none"
        )

    return loss


EPS = mp.mpf("1e-12")


def cos(x: Number) -> Number:
    return 2 * x / mp.sqrt((x * x + 1 + EPS) * (4 + EPS))


def cos_slope(x: Number) -> Number:
    return 2 * (1 + EPS) / (mp.sqrt(4 + EPS) * mp.power(x * x + 1 + EPS, mp.mpf(3) / 2))


def apart(x: Number) -> Number:
    """Return one over the length of (x, 1): errors of the cosine's gradient are in units of it."""
    return 1 / mp.sqrt(x * x + 1)


def triplet(x: Any) -> Any:
    """Of the anchor (x, 0), with (0.5, 0.25) as its kind and (-1, 2) as the other."""
    anchor = np.stack([x, 0 * x], 1)
    return losses.triplet_margin(anchor, fixed(x, 0.5, 0.25), fixed(x, -1, 2), margin=2.0, reduction="none")


def far(x: Number, a: str, b: str) -> Number:
    eps = mp.mpf("1e-6")
    return mp.sqrt((x - mp.mpf(a) + eps) ** 2 + (-mp.mpf(b) + eps) ** 2)


def triplet_value(x: Number) -> Number:
    return hinge(far(x, "0.5", "0.25") - far(x, "-1", "2") + 2)


def triplet_slope(x: Number) -> Number:
    eps = mp.mpf("1e-6")
    own, other = far(x, "0.5", "0.25"), far(x, "-1", "2")
    return step(triplet_value(x)) * ((x - mp.mpf("0.5") + eps) / own - (x + 1 + eps) / other)


# ---- sequences


def ctc(labels: Sequence[int], times: int, normal: bool = False) -> Callable[[Any], Any]:
    """Of class 1 at x and two other classes at 0, as log-probabilities or through log_softmax."""

    def loss(x: Any) -> Any:
        scores = np.stack([0 * x, x, 0 * x], 1)
        logs = fl.log_softmax(scores, 1) if normal else scores
        targets = np.broadcast_to(np.array(labels), (len(x), len(labels)))
        sizes = [np.full(len(x), n) for n in (times, len(labels))]
        return losses.ctc(np.stack([logs] * times), targets, *sizes, reduction="none")

    return loss


# ---- boxes


def yolo(there: float) -> Callable[[Any], Any]:
    """One box: the number of a class that is there, or the confidence where there is nothing."""

    def loss(x: Any) -> Any:
        rows: Any = fixed(x, 0.5, 0.5, 0.25, 0.25, 1.0)
        truth = np.concatenate([0 * rows[:, :4] + rows[:, :4], fixed(x, there, 1.0)], 1)
        found = np.concatenate([rows, x[:, None]] if there else [rows[:, :4], np.stack([x, 0 * x], 1)], 1)
        return losses.yolo_v1(found[:, None, None], truth[:, None, None], 1, 1, reduction="none")

    return loss


def tanhshrink(x: Number) -> Number:
    return x - mp.tanh(x) if abs(x) > 1e-9 else x**3 / 3


def mish_slope(x: Number) -> Number:
    return mp.tanh(softplus(x)) + x * mp.sech(softplus(x)) ** 2 * sigmoid(x)


def inner(x: Number) -> Number:
    return mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)


def tanh_gelu(x: Number) -> Number:
    return x * (1 + mp.tanh(inner(x))) / 2


def tanh_gelu_slope(x: Number) -> Number:
    outer = mp.sqrt(2 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * x * x)
    return (1 + mp.tanh(inner(x))) / 2 + x * mp.sech(inner(x)) ** 2 * outer / 2


LARGE = ((-1e4, 80.0), (-1e4, 700.0))  # what has an exponential
POSITIVE = ((0.0, 1e4), (0.0, 1e4))
ALPHA, SCALE = mp.mpf(1.6732632423543772), mp.mpf(1.0507009873554805)

LOSSES: dict[str, Row] = {
    "dice": Row(
        dice, lambda x: (mp.mpf("1.5") - sigmoid(x)) / (sigmoid(x) + mp.mpf("2.5")),
        lambda x: -4 * sigmoid(x) * sigmoid(-x) / (sigmoid(x) + mp.mpf("2.5")) ** 2, slope_near=lambda x: 1,
    ),
    "dice of what is certain": Row(
        sure_dice, lambda x: sigmoid(-x) / (sigmoid(x) + 2),
        lambda x: -3 * sigmoid(x) * sigmoid(-x) / (sigmoid(x) + 2) ** 2, slope_near=lambda x: 1,
    ),
    "poisson_nll": Row(
        against(losses.poisson_nll, 3.0), lambda x: mp.exp(x) - 3 * x, lambda x: mp.exp(x) - 3,
        near=lambda x: mp.exp(x) + abs(3 * x), slope_near=lambda x: mp.exp(x) + 3, domain=LARGE,
    ),
    "poisson_nll, full": Row(
        against(losses.poisson_nll, 3.0, full=True),
        lambda x: mp.exp(x) - 3 * x + 3 * mp.log(3) - 3 + mp.log(6 * mp.pi) / 2, lambda x: mp.exp(x) - 3,
        near=lambda x: mp.exp(x) + abs(3 * x) + 8, slope_near=lambda x: mp.exp(x) + 3, domain=LARGE,
    ),
    "poisson_nll of rates": Row(
        against(losses.poisson_nll, 3.0, log_input=False),
        lambda x: x - 3 * mp.log(x + mp.mpf("1e-8")), lambda x: 1 - 3 / (x + mp.mpf("1e-8")),
        near=lambda x: x + abs(3 * mp.log(x + mp.mpf("1e-8"))) + 3, slope_near=lambda x: 1 + 3 / (x + mp.mpf("1e-8")),
        domain=POSITIVE,
    ),
    "cosine_embedding, alike": Row(
        cosine(1), lambda x: 1 - cos(x), lambda x: -cos_slope(x), ulp=(8, 8), slope_near=apart
    ),
    "cosine_embedding, unlike": Row(
        cosine(-1, 0.25), lambda x: hinge(cos(x) - 0.25), lambda x: step(cos(x) - 0.25) * cos_slope(x),
        near=lambda x: 1, slope_near=apart,
    ),
    "triplet_margin": Row(
        triplet, triplet_value, triplet_slope,
        near=lambda x: far(x, "0.5", "0.25") + far(x, "-1", "2"), slope_near=lambda x: 1,
    ),
    "hinge_embedding, near": Row(against(losses.hinge_embedding, 1.0), lambda x: x, lambda x: mp.mpf(1)),
    "hinge_embedding, far": Row(
        against(losses.hinge_embedding, -1.0, margin=1.5), lambda x: hinge(1.5 - x), lambda x: -step(1.5 - x)
    ),
    "mape": Row(
        against(losses.mape, 0.75), lambda x: 100 * abs(x - 0.75) / mp.mpf(0.75),
        lambda x: mp.sign(x - 0.75) * 100 / mp.mpf(0.75),
    ),
    "margin_ranking": Row(
        lambda x: losses.margin_ranking(x, 0 * x + 0.5, 0 * x + 1, margin=0.25, reduction="none"),
        lambda x: hinge(0.75 - x), lambda x: -step(0.75 - x),
    ),
    "multi_margin": Row(
        lambda x: losses.multi_margin(column(x), np.zeros(len(x), int), margin=1.5, reduction="none"),
        lambda x: 2 * hinge(1.5 - x) / 3, lambda x: -2 * step(1.5 - x) / 3,
    ),
    "multi_margin of squares": Row(
        lambda x: losses.multi_margin(column(x), np.zeros(len(x), int), margin=1.5, p=2, reduction="none"),
        lambda x: 2 * hinge(1.5 - x) ** 2 / 3, lambda x: -4 * hinge(1.5 - x) / 3,
    ),
    "multilabel_margin": Row(
        lambda x: losses.multilabel_margin(
            column(x + 0.5), np.broadcast_to(np.array([0, -1, -1]), (len(x), 3)), reduction="none"
        ),
        lambda x: 2 * hinge(0.5 - x) / 3, lambda x: -2 * step(0.5 - x) / 3,
    ),
    "ctc": Row(  # four of five ways have the class once, one has it twice
        ctc([1, 2], 3), lambda x: -(x + mp.log(4 + mp.exp(x))), lambda x: -(1 + mp.exp(x) / (4 + mp.exp(x))),
        near=lambda x: abs(x) + softplus(x), slope_near=lambda x: max(1, abs(x)),
    ),
    "ctc of what is certain": Row(
        ctc([1], 2, normal=True), lambda x: mp.log1p(2 * mp.exp(-x)), lambda x: -2 / (mp.exp(x) + 2),
        near=lambda x: max(1, abs(x)) * mp.log1p(2 * mp.exp(-x)), slope_near=lambda x: max(1, abs(x)),
        domain=((-1e4, 80.0), (-1e4, 700.0)),
    ),
    "yolo_v1, a class": Row(yolo(1.0), lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1)),
    "yolo_v1, nothing": Row(yolo(0.0), lambda x: x * x / 2, lambda x: x),
}  # fmt: skip

ACTIVATIONS: dict[str, Row] = {
    "elu": Row(F.elu, lambda x: x if x > 0 else mp.expm1(x), lambda x: 1 if x > 0 else mp.exp(x)),
    "celu": Row(
        lambda x: F.celu(x, 2.0), lambda x: x if x > 0 else 2 * mp.expm1(x / 2),
        lambda x: 1 if x > 0 else mp.exp(x / 2),
    ),
    "selu": Row(
        F.selu, lambda x: SCALE * (x if x > 0 else ALPHA * mp.expm1(x)),
        lambda x: SCALE * (1 if x > 0 else ALPHA * mp.exp(x)),
    ),
    "logsigmoid": Row(F.logsigmoid, lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "softsign": Row(F.softsign, lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2,
                    slope_near=lambda x: 1 / (1 + abs(x))),
    "tanhshrink": Row(F.tanhshrink, tanhshrink, lambda x: mp.tanh(x) ** 2),
    "gelu, tanh": Row(
        lambda x: F.gelu(x, "tanh"), tanh_gelu, tanh_gelu_slope, ulp=(8, 8),
        near=lambda x: abs(x), slope_near=lambda x: 1,
    ),
    "mish": Row(
        F.mish, lambda x: x * mp.tanh(softplus(x)), mish_slope,
        slope_near=lambda x: max(1, abs(x)) * sigmoid(x),
    ),
    "softplus of a steeper line": Row(
        lambda x: F.softplus(x, beta=2.0, threshold=1e9), lambda x: softplus(2 * x) / 2, lambda x: sigmoid(2 * x)
    ),
}  # fmt: skip
# Losses whose rows stand elsewhere: in test_digits.py, under words for the names.
ELSEWHERE = {"binary_cross_entropy", "binary_cross_entropy_of_probabilities", "cross_entropy"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*LOSSES, *ACTIVATIONS])
def test_values_and_gradients_keep_their_digits(name: str, dtype: str) -> None:
    check((LOSSES | ACTIVATIONS)[name], dtype)


def test_every_loss_has_a_row() -> None:
    named = {name.replace(",", " ").split()[0] for name in [*LOSSES, *ROWS]}
    assert set(losses.__all__) - {"get"} - named == ELSEWHERE
