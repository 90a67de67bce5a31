"""How many digits of a function are right?  Rows with 50 digits of mpmath, and errors in units of the last place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

import fallline as fl

SIZES = [1e-30, 1e-10, 1e-3, 0.1, 1.0, 2.0, 3.7, 5.0, 7.5, 10.0, 12.5, 15.0, 17.0, 20.0, 30.0, 40.0, 60.0, 80.0, 90.0,
         1e2, 7e2, 1e3, 1e4]  # fmt: skip
LOGITS = [sign * size for size in SIZES for sign in (1, -1)] + [0.0]
Number = Any


class Row(NamedTuple):
    """A function of x, its value and derivative to 50 digits, and how many units of the last place it may be off.

    Errors of results smaller than `near` and `slope_near`, functions of x, are counted in units of these. Arguments
    are those within `domain`, of float32 and of float64.
    """

    function: Callable[[Any], Any]
    value: Callable[[Number], Number]
    slope: Callable[[Number], Number]
    ulp: tuple[float, float] = (4, 4)
    near: Callable[[Number], Number] = lambda x: 0
    slope_near: Callable[[Number], Number] = lambda x: 0
    domain: tuple[tuple[float, float], tuple[float, float]] = ((-1e4, 1e4), (-1e4, 1e4))


def sigmoid(x: Number) -> Number:
    return 1 / (1 + mp.exp(-x))


def softplus(x: Number) -> Number:
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


def column(x: Any, others: int = 2) -> Any:
    """Return scores (n, 1 + others): x of the first class, zero of the others."""
    return np.stack([x] + [0 * x] * others, 1)


def against(loss: Callable[..., Any], t: float, **facts: Any) -> Callable[[Any], Any]:
    return lambda x: loss(x, np.full(np.shape(x), t, x.dtype), reduction="none", **facts)


def units(found: np.ndarray, exact: list[Number], floor: list[Number]) -> np.ndarray:
    """Return the errors in units of the last place; below 1e4 times the smallest normal number they are that of it."""
    tiny = 1e4 * float(np.finfo(found.dtype).tiny)
    size = np.array([max(abs(float(a)), abs(float(b)), tiny) for a, b in zip(exact, floor, strict=True)])
    wrong = [float(abs(mp.mpf(float(a)) - b)) for a, b in zip(found, exact, strict=True)]
    return np.array(wrong) / np.spacing(size.astype(found.dtype)).astype(float)


def check(row: Row, dtype: str) -> None:
    """Raise AssertionError unless value and gradient keep their digits at all logits of the row's domain."""
    double = dtype == "float64"
    least, most = row.domain[double]
    x = np.array([v for v in LOGITS if least <= v <= most], dtype)
    exact = [mp.mpf(float(v)) for v in x]
    with mp.workdps(50):
        value, slope = [row.value(v) for v in exact], [row.slope(v) for v in exact]
        near, slope_near = [row.near(v) for v in exact], [row.slope_near(v) for v in exact]
        found = np.asarray(row.function(fl.asarray(x)))
        gradient = np.asarray(fl.grad(lambda v: fl.sum(row.function(v)))(x))
        for what, errors in (
            ("value", units(found, value, near)),
            ("gradient", units(gradient, slope, slope_near)),
        ):
            worst = int(np.argmax(errors))
            assert errors[worst] <= row.ulp[double], f"{what} at {x[worst]}: {errors[worst]:.3g} units"
