"""Rules that divide by the size of past gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference_rules.row import CORRECTED, ROOT, VELOCITY, Arrays, Hypers, RuleRow, over, over_root, power, sum_squares


def adagrad(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    lr = h["lr"] / (1 + (t - 1) * h["lr_decay"])
    seen = v + g * g if h["include_current"] else v
    w = w - over(T(lr) * g, np.sqrt(seen + T(h["eps_root"])) + T(h["eps"]))
    return w, sum_squares(T, v, g)


def rmsprop(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    return w - over_root(T(h["lr"]) * g, rmsprop_root(T, h, t, v)), v


def rmsprop_momentum(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, u: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    u = T(h["momentum"]) * u + over_root(T(inside) * g, rmsprop_root(T, h, t, v))
    return w - T(outside) * u, v, u


def rmsprop_centered(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, m: np.ndarray) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    m = T(h["alpha"]) * m + T(1 - h["alpha"]) * g
    return w - over(T(h["lr"]) * g, rmsprop_root(T, h, t, v, m)), v, m


def rmsprop_centered_momentum(
    T: Any,
    h: Hypers,
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
    u = T(h["momentum"]) * u + over(T(inside) * g, rmsprop_root(T, h, t, v, m))
    return w - T(outside) * u, v, m, u


def rmsprop_root(T: Any, h: Hypers, t: int, v: np.ndarray, m: np.ndarray | None = None) -> np.ndarray:
    q = T(1 / (1 - power(h["alpha"], t)) if h["bias_correction"] else 1.0)
    v = q * v
    if m is not None:
        m = q * m
        v = v - m * m
        v = np.where(v < 0, T(0), v)
    return np.sqrt(v + T(h["eps_root"])) + T(h["eps"])


def adadelta(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, u: np.ndarray) -> Arrays:
    v = T(h["rho"]) * v + T(1 - h["rho"]) * (g * g)
    d = over(np.sqrt(u + T(h["eps"])), np.sqrt(v + T(h["eps"]))) * g
    u = T(h["rho"]) * u + T(1 - h["rho"]) * (d * d)
    return w - T(h["lr"]) * d, v, u


def ftrl(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, n: np.ndarray, z: np.ndarray) -> Arrays:
    root, c = np.sqrt(n + g * g), T(h["lr"] * h["l1"])
    z = z + T(h["lr"]) * g - (root - np.sqrt(n)) * w
    divisor = root + T(h["beta"] + h["lr"] * h["ridge"])
    return np.where(divisor == 0, w, over(np.clip(z, -c, c) - z, divisor)), sum_squares(T, n, g), z


RULES: dict[str, RuleRow] = {
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
    "adadelta": RuleRow(adadelta, ("v", "u"), ({"rho": 0.5, "eps": 1e-3},), 3e-2),
    "ftrl": RuleRow(ftrl, ("n", "z"), ({"l1": 0.01, "ridge": 0.1, "beta": 1.0},), 0.1),
}
