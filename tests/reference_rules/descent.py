"""Gradient descent, with and without momentum, and its averages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reference_rules.row import VELOCITY, Arrays, Hypers, RuleRow, over_root, power


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
    lr, share = schedule_free_rate(h, t)
    w = w + T(share) * (z - w)
    w = w + T(lr * (h.get("momentum", h.get("beta1", 0.0)) * (1 - share) - 1)) * d
    return w, z - T(lr) * d


def schedule_free_rate(h: Hypers, t: int) -> tuple[float, float]:
    """Return the rate and its share of the average, under hyper-parameters that never change."""
    forget = h["beta2"] if h["paper"] and "beta2" in h else 0.0
    total, i, warmup = 0.0, 1, h["warmup"]
    while i < t and i < warmup:
        total += (i / warmup) * (i / warmup) * (1 - power(forget, i))
        i += 1
    total = total + (t - i) - (power(forget, i) - power(forget, t)) / (1 - forget)
    share = (t / warmup if t < warmup else 1.0) * math.sqrt(1 - power(forget, t))
    uniform = h["paper"] and "beta2" not in h
    return h["lr"] * share, 1 / (t + 1) if uniform else share * share / (total + share * share)


def schedule_free_sgd(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, z: np.ndarray) -> Arrays:
    return schedule_free_move(T, h, t, g + T(h["weight_decay"]) * w, w, z)


def schedule_free_adamw(
    T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, z: np.ndarray, v: np.ndarray
) -> Arrays:
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)
    q = 1.0 if h["paper"] else 1 / (1 - power(h["beta2"], t))
    d = over_root(g, np.sqrt(T(q) * v) + T(h["eps"])) + T(h["weight_decay"]) * w
    return (*schedule_free_move(T, h, t, d, w, z), v)


RULES: dict[str, RuleRow] = {
    "sgd": RuleRow(sgd, (), (), 2e-3, squares=False),
    "momentum": RuleRow(
        momentum, ("v",), (*VELOCITY, {"dampening": 0.9}, {"dampening": 0.9, "dampen_first": 1}), 1e-3, squares=False
    ),
    "nesterov": RuleRow(nesterov, ("v",), VELOCITY, 1e-3, squares=False),
    "qhm": RuleRow(qhm, ("m",), ({"momentum": 0.5, "nu": 1.0},), 1e-3, squares=False),
    "asgd": RuleRow(asgd, ("a",), ({"lambd": 0.1, "alpha": 0.3, "t0": 1.0}, {"alpha": 0.0}), 1e-3, squares=False),
    "aggmo": RuleRow(aggmo, ("v1", "v2", "v3"), ({"beta1": 0.5, "beta2": 0.75, "beta3": 0.25},), 3e-4, squares=False),
    "schedule_free_sgd": RuleRow(
        schedule_free_sgd,
        ("z",),
        ({"momentum": 0.5}, {"warmup": 3.5}, {"paper": 1}),
        1e-3,
        decays_itself=True,
        squares=False,
    ),
    "schedule_free_adamw": RuleRow(
        schedule_free_adamw,
        ("z", "v"),
        ({"beta1": 0.5, "beta2": 0.75}, {"warmup": 3.5}, {"paper": 1}, {"paper": 1, "warmup": 3.0}),
        1e-2,
        decays_itself=True,
    ),
}
