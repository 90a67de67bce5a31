"""What is a reference rule?  One step in NumPy, what it keeps, and what the shared tests must know about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]
Hypers = dict[str, float]


class RuleRow(NamedTuple):
    """A rule: one step on (gradient, parameter, slots), its slots, and what the shared tests must know about it."""

    step: Callable[..., Arrays]
    slots: tuple[str, ...]
    variants: tuple[Hypers, ...]  # hyper-parameters away from the defaults
    lr: float  # brings the parabola and Rosenbrock's valley down
    tuned: Mapping[str, float] = MappingProxyType({})  # and so do these
    decays_itself: bool = False  # weight decay is part of the step
    squares: bool = True  # it keeps squares of gradients


def power(b: float, t: int) -> float:
    """Return b^t by repeated squaring, in the order of the native code."""
    out = 1.0
    while t:
        if t & 1:
            out *= b
        b *= b
        t >>= 1
    return out


def over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, and 0 where b is 0."""
    return np.where(b == 0, a.dtype.type(0), a / np.where(b == 0, a.dtype.type(1), b))


def over_root(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b for a root of squares b, at least that of the smallest normal one."""
    return a / np.maximum(b, b.dtype.type(2.0**-63 if b.dtype == np.float32 else 2.0**-511))


def square_bound(T: Any) -> Any:
    """Return the size that gradients of rules with squares have at most."""
    return T(2.0**62 if T is np.float32 else 2.0**510)


def sum_squares(T: Any, v: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Return v + g^2, at most eight times the square of the bound."""
    return np.minimum(T(8) * (square_bound(T) * square_bound(T)), v + g * g)


def two_moments(T: Any, h: Hypers, g: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    return T(h["beta1"]) * m + T(1 - h["beta1"]) * g, T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)


def first_scale(h: Hypers, t: int) -> float:
    return h["lr"] / (1 - power(h["beta1"], t)) if h["bias_correction"] else h["lr"]


def second_scale(h: Hypers, t: int) -> float:
    return 1 / (1 - power(h["beta2"], t)) if h["bias_correction"] else 1.0


def moment_root(T: Any, h: Hypers, t: int, v: np.ndarray) -> np.ndarray:
    q = second_scale(h, t)
    eps = h["eps"] * math.sqrt(q) if h.get("eps_hat") else h["eps"]
    return np.sqrt(T(q) * v + T(h["eps_root"])) + T(eps)


def adam_step(T: Any, h: Hypers, t: int, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
    return w - over_root(T(first_scale(h, t)) * m, moment_root(T, h, t, v))


VELOCITY = ({"momentum": 0.5, "lr_in_velocity": 1},)
ROOT = ({"eps": 0.0, "eps_root": 1e-3},)
CORRECTED = ({"bias_correction": 1, "alpha": 0.9},)
HAT = ({"eps_hat": 1, "eps": 1e-3},)
BETAS = ({"beta1": 0.5, "beta2": 0.75, "bias_correction": 0}, {"beta1": 0.0})
