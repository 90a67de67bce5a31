"""What must every rule compute?  A few lines of NumPy each, which native kernels equal bit for bit.

This file imports NumPy alone. Constants are formed in Python's floats and rounded once, by T, to the arrays' type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]


# Update rules --------------------------------------------------------------------------------------------------------


class RuleRow(NamedTuple):
    """A rule: one step on (gradient, parameter, slots), its slots, and what the shared tests must know about it."""

    step: Callable[..., Arrays]
    slots: tuple[str, ...]
    variants: tuple[dict[str, float], ...]  # hyper-parameters away from the defaults
    lr: float  # brings the parabola and Rosenbrock's valley down


def power(b: float, t: int) -> float:
    """Return b^t by repeated squaring, in the order of the native code."""
    out = 1.0
    while t:
        if t & 1:
            out *= b
        b *= b
        t >>= 1
    return out


def sgd(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray) -> Arrays:
    return (w - T(h["lr"]) * g,)


def momentum(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    damped = h["dampening"] if t > 1 or h["dampen_first"] else 0.0
    v = T(h["momentum"]) * v + T((1 - damped) * inside) * g
    return w - T(outside) * v, v


def nesterov(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    g = T(inside) * g
    v = T(h["momentum"]) * v + g
    return w - T(outside) * (g + T(h["momentum"]) * v), v


def adagrad(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    lr = h["lr"] / (1 + (t - 1) * h["lr_decay"])
    seen = v + g * g if h["include_current"] else v
    return w - T(lr) * g / (np.sqrt(seen + T(h["eps_root"])) + T(h["eps"])), v + g * g


def rmsprop(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    return w - T(h["lr"]) * g / rmsprop_root(T, h, t, v), v


def rmsprop_momentum(
    T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, u: np.ndarray
) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    u = T(h["momentum"]) * u + T(inside) * g / rmsprop_root(T, h, t, v)
    return w - T(outside) * u, v, u


def rmsprop_centered(
    T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, m: np.ndarray
) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    m = T(h["alpha"]) * m + T(1 - h["alpha"]) * g
    return w - T(h["lr"]) * g / rmsprop_root(T, h, t, v, m), v, m


def rmsprop_centered_momentum(
    T: Any,
    h: dict[str, float],
    t: int,
    g: np.ndarray,
    w: np.ndarray,
    v: np.ndarray,
    m: np.ndarray,
    u: np.ndarray,
) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    m = T(h["alpha"]) * m + T(1 - h["alpha"]) * g
    u = T(h["momentum"]) * u + T(inside) * g / rmsprop_root(T, h, t, v, m)
    return w - T(outside) * u, v, m, u


def rmsprop_root(T: Any, h: dict[str, float], t: int, v: np.ndarray, m: np.ndarray | None = None) -> np.ndarray:
    q = T(1 / (1 - power(h["alpha"], t)) if h["bias_correction"] else 1.0)
    v = q * v
    if m is not None:
        m = q * m
        v = v - m * m
        v = np.where(v < 0, T(0), v)
    return np.sqrt(v + T(h["eps_root"])) + T(h["eps"])


def adam(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)
    return adam_step(T, h, t, w, m, v), m, v


def amsgrad(
    T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray, u: np.ndarray
) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)
    u = np.maximum(u, v)
    return adam_step(T, h, t, w, m, u), m, v, u


def adam_step(T: Any, h: dict[str, float], t: int, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
    s = h["lr"] / (1 - power(h["beta1"], t)) if h["bias_correction"] else h["lr"]
    q = 1 / (1 - power(h["beta2"], t)) if h["bias_correction"] else 1.0
    return w - T(s) * m / (np.sqrt(T(q) * v + T(h["eps_root"])) + T(h["eps"]))


VELOCITY = ({"momentum": 0.5, "lr_in_velocity": 1},)
ROOT = ({"eps": 0.0, "eps_root": 1e-3},)
CORRECTED = ({"bias_correction": 1, "alpha": 0.9},)
BETAS = ({"beta1": 0.5, "beta2": 0.75, "bias_correction": 0}, {"beta1": 0.0})

REFERENCE_RULES: dict[str, RuleRow] = {
    "sgd": RuleRow(sgd, (), (), 2e-3),
    "momentum": RuleRow(momentum, ("v",), (*VELOCITY, {"dampening": 0.9}, {"dampening": 0.9, "dampen_first": 1}), 1e-3),
    "nesterov": RuleRow(nesterov, ("v",), VELOCITY, 1e-3),
    "adagrad": RuleRow(
        adagrad,
        ("v",),
        (*ROOT, {"lr_decay": 0.1}, {"include_current": 0, "initial_accumulator": 0.1}, {"include_current": 0}),
        0.5,
    ),
    "rmsprop": RuleRow(rmsprop, ("v",), (*ROOT, *CORRECTED), 1e-3),
    "rmsprop_momentum": RuleRow(rmsprop_momentum, ("v", "u"), (*ROOT, *CORRECTED, *VELOCITY), 2e-4),
    "rmsprop_centered": RuleRow(rmsprop_centered, ("v", "m"), (*ROOT, *CORRECTED), 1e-3),
    "rmsprop_centered_momentum": RuleRow(
        rmsprop_centered_momentum, ("v", "m", "u"), (*ROOT, *CORRECTED, *VELOCITY), 2e-4
    ),
    "adam": RuleRow(adam, ("m", "v"), (*ROOT, *BETAS), 1e-2),
    "amsgrad": RuleRow(amsgrad, ("m", "v", "u"), (*ROOT, *BETAS), 1e-2),
}


def reference_step(name: str, h: dict[str, float], t: int, w: np.ndarray, g: np.ndarray, slots: Arrays = ()) -> Arrays:
    """Return the parameter and the slots after step t (1 first), with the part that all rules share."""
    T = w.dtype.type
    g = T(1 - 2 * h["maximize"]) * g + T(h["l2"]) * w
    w = T(1 - h["lr"] * h["weight_decay"]) * w
    return REFERENCE_RULES[name].step(T, h, t, g, w, *slots)
