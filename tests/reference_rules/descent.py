"""Gradient descent, with and without momentum, and its averages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reference_rules.row import VELOCITY, Arrays, Hypers, RuleRow, power


def sgd(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray) -> Arrays:
    return (w - T(h["lr"]) * g,)


def momentum(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    damped = h["dampening"] if t > 1 or h["dampen_first"] else 0.0
    v = T(h["momentum"]) * v + T((1 - damped) * inside) * g
    return w - T(outside) * v, v


def nesterov(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    g = T(inside) * g
    v = T(h["momentum"]) * v + g
    return w - T(outside) * (g + T(h["momentum"]) * v), v


def qhm(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray) -> Arrays:
    m = T(h["momentum"]) * m + T(1 - h["momentum"]) * g
    return w - (T(h["lr"] * (1 - h["nu"])) * g + T(h["lr"] * h["nu"]) * m), m


def asgd(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, a: np.ndarray) -> Arrays:
    y, x, decay = 1 + h["lambd"] * h["lr"] * (t - 1), h["alpha"], 1.0
    for _ in range(53):  # y^x, digit by digit
        x, y = 2 * x, math.sqrt(y)
        if x >= 1:
            x, decay = x - 1, decay * y
    eta, mu = h["lr"] / decay, 1 / max(1.0, t - 1 - h["t0"])
    w = T(1 - h["lambd"] * eta) * w - T(eta) * g
    return w, T(1 - mu) * a + T(mu) * w


def aggmo(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, *v: np.ndarray) -> Arrays:
    v = tuple(T(h[f"beta{i}"]) * old + g for i, old in enumerate(v, start=1))
    return w - T(h["lr"] / 3) * (v[0] + v[1] + v[2]), *v


def schedule_free_move(T: Any, h: Hypers, t: int, d: np.ndarray, w: np.ndarray, z: np.ndarray) -> Arrays:
    share = 1.0 / t
    w = w + T(share) * (z - w)
    w = w + T(h["lr"] * (h.get("momentum", h.get("beta1")) * (1 - share) - 1)) * d
    return w, z - T(h["lr"]) * d


def schedule_free_sgd(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, z: np.ndarray) -> Arrays:
    return schedule_free_move(T, h, t, g + T(h["weight_decay"]) * w, w, z)


def schedule_free_adamw(
    T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, z: np.ndarray, v: np.ndarray
) -> Arrays:
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)
    d = g / (np.sqrt(T(1 / (1 - power(h["beta2"], t))) * v) + T(h["eps"])) + T(h["weight_decay"]) * w
    return (*schedule_free_move(T, h, t, d, w, z), v)


RULES: dict[str, RuleRow] = {
    "sgd": RuleRow(sgd, (), (), 2e-3),
    "momentum": RuleRow(momentum, ("v",), (*VELOCITY, {"dampening": 0.9}, {"dampening": 0.9, "dampen_first": 1}), 1e-3),
    "nesterov": RuleRow(nesterov, ("v",), VELOCITY, 1e-3),
    "qhm": RuleRow(qhm, ("m",), ({"momentum": 0.5, "nu": 1.0},), 1e-3),
    "asgd": RuleRow(asgd, ("a",), ({"lambd": 0.1, "alpha": 0.3, "t0": 1.0}, {"alpha": 0.0}), 1e-3),
    "aggmo": RuleRow(aggmo, ("v1", "v2", "v3"), ({"beta1": 0.5, "beta2": 0.75, "beta3": 0.25},), 3e-4),
    "schedule_free_sgd": RuleRow(schedule_free_sgd, ("z",), ({"momentum": 0.5},), 1e-3, decays_itself=True),
    "schedule_free_adamw": RuleRow(
        schedule_free_adamw, ("z", "v"), ({"beta1": 0.5, "beta2": 0.75},), 1e-2, decays_itself=True
    ),
}
