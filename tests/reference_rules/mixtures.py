"""Adam with other mixtures of its moments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reference_rules.row import (
    BETAS,
    ROOT,
    Arrays,
    Hypers,
    RuleRow,
    first_scale,
    moment_root,
    over,
    over_root,
    power,
    second_scale,
    two_moments,
)


def ademamix(
    T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m1: np.ndarray, m2: np.ndarray, v: np.ndarray
) -> Arrays:
    m1, v = two_moments(T, h, g, m1, v)
    m2 = T(h["beta3"]) * m2 + T(1 - h["beta3"]) * g
    both = T(first_scale(h, t)) * m1 + T(h["lr"] * h["alpha"]) * m2
    return w - over_root(both, moment_root(T, h, t, v)), m1, m2, v


def adopt(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    c = T(math.sqrt(math.sqrt(t - 1)) if h["clip"] else 1e30)
    kept, new = (h["beta2"], 1 - h["beta2"]) if t > 1 else (0.0, 1.0)
    d = np.clip(over(g, np.sqrt(np.maximum(T(h["eps"] * h["eps"]), v))), -c, c)
    m = T(h["beta1"]) * m + T(1 - h["beta1"] if t > 1 else 0.0) * d
    w = T(1 - h["lr"] * h["weight_decay"] if t > 1 else 1.0) * w
    return w - T(h["lr"]) * m, m, T(kept) * v + T(new) * (g * g)


def qhadam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m, v = two_moments(T, h, g, m, v)
    square = T(1 - h["nu2"]) * (g * g) + T(h["nu2"] * second_scale(h, t)) * v
    mean = T(h["lr"] * (1 - h["nu1"])) * g + T(h["nu1"] * first_scale(h, t)) * m
    return w - over(mean, np.sqrt(square + T(h["eps_root"])) + T(h["eps"])), m, v


def adan(
    T: Any,
    h: Hypers,
    t: int,
    g: np.ndarray,
    w: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    n: np.ndarray,
    p: np.ndarray,
) -> Arrays:
    b1, b2, b3, lr = (h[name] for name in ("beta1", "beta2", "beta3", "lr"))
    d = g - p if t > 1 else T(0) * g
    weight = 1 - b2 if h["small_difference"] else b2
    u = g + T(weight) * d
    m, v, n = T(b1) * m + T(1 - b1) * g, T(b2) * v + T(1 - b2) * d, T(b3) * n + T(1 - b3) * (u * u)
    both = T(lr / (1 - power(b1, t))) * m + T(lr * weight / (1 - power(b2, t))) * v
    return w - over_root(both, np.sqrt(T(1 / (1 - power(b3, t))) * n + T(h["eps_root"])) + T(h["eps"])), m, v, n, g


RULES: dict[str, RuleRow] = {
    "ademamix": RuleRow(
        ademamix, ("m1", "m2", "v"), (*ROOT, *BETAS, {"beta3": 0.5, "alpha": 0.0}), 1e-2, {"beta3": 0.99, "alpha": 1.0}
    ),
    "adopt": RuleRow(
        adopt, ("m", "v"), ({"clip": 0, "eps": 0.1}, {"beta1": 0.5, "beta2": 0.5}), 3e-2, decays_itself=True
    ),
    "qhadam": RuleRow(qhadam, ("m", "v"), (*ROOT, *BETAS, {"nu1": 1.0, "nu2": 0.5}), 1e-2),
    "adan": RuleRow(
        adan, ("m", "v", "n", "p"), (*ROOT, {"beta1": 0.5, "beta2": 0.25, "beta3": 0.75}, {"small_difference": 1}), 1e-2
    ),
}
