"""Adam's kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reference_rules.row import (
    BETAS,
    HAT,
    ROOT,
    Arrays,
    Hypers,
    RuleRow,
    adam_step,
    first_scale,
    moment_root,
    over,
    over_root,
    power,
    second_scale,
    two_moments,
)


def adam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m, v = two_moments(T, h, g, m, v)
    return adam_step(T, h, t, w, m, v), m, v


def amsgrad(
    T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray, u: np.ndarray
) -> Arrays:
    m, v = two_moments(T, h, g, m, v)
    if h["max_of_corrected"]:
        u = np.maximum(u, T(second_scale(h, t)) * v)
        eps = h["eps"] * math.sqrt(second_scale(h, t)) if h["eps_hat"] else h["eps"]
        return w - over_root(T(first_scale(h, t)) * m, np.sqrt(u + T(h["eps_root"])) + T(eps)), m, v, u
    u = np.maximum(u, v)
    return adam_step(T, h, t, w, m, u), m, v, u


def adamax(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, u: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    u = np.maximum(T(h["beta2"]) * u, np.abs(g) + T(h["eps"]))
    return w - over(T(h["lr"] / (1 - h["bias_correction"] * power(h["beta1"], t))) * m, u + T(h["eps_outside"])), m, u


def nadam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    mu = [h["beta1"] * (1 - 0.5 * power(h["rate"], i)) for i in range(1, t + 2)]
    now, both = math.prod(mu[:-1]), math.prod(mu)
    c = h["lr"] * (1 - mu[-2]) / (1 - h["bias_correction"] * now)
    s = h["lr"] * mu[-1] / (1 - h["bias_correction"] * both)
    m, v = two_moments(T, h, g, m, v)
    return w - over_root(T(c) * g + T(s) * m, moment_root(T, h, t, v)), m, v


def radam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    b2 = power(h["beta2"], t)
    most = 2 / (1 - h["beta2"]) - 1
    rho = most - 2.0 * t * b2 / (1 - b2)
    s, c = 0.0, first_scale(h, t)
    if rho > max(4.0, h["threshold"]):
        s, c = c * math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)), 0.0
    m, v = two_moments(T, h, g, m, v)
    return w - m * (over_root(np.full_like(m, s), moment_root(T, h, t, v)) + T(c)), m, v


def adabelief(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * ((g - m) * (g - m)) + T(h["eps_root"])
    return w - over(T(first_scale(h, t)) * m, np.sqrt(T(second_scale(h, t)) * v) + T(h["eps"])), m, v


def yogi(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = v - T(1 - h["beta2"]) * np.sign(v - g * g) * (g * g)
    return adam_step(T, h, t, w, m, v), m, v


RULES: dict[str, RuleRow] = {
    "adam": RuleRow(adam, ("m", "v"), (*ROOT, *BETAS, *HAT), 1e-2),
    "amsgrad": RuleRow(amsgrad, ("m", "v", "u"), (*ROOT, *BETAS, *HAT, {"max_of_corrected": 1}), 1e-2),
    "adamax": RuleRow(
        adamax, ("m", "u"), ({"eps": 0.0, "eps_outside": 1e-3, "bias_correction": 0},), 1e-2, squares=False
    ),
    "nadam": RuleRow(nadam, ("m", "v"), (*ROOT, *BETAS, {"rate": 0.5}, {"rate": 0.0}), 1e-2),
    "radam": RuleRow(
        radam, ("m", "v"), (*ROOT, {"beta2": 0.5}, {"beta2": 0.9, "eps_hat": 0}, {"beta2": 0.9, "threshold": 4.0}), 1e-3
    ),
    "adabelief": RuleRow(adabelief, ("m", "v"), (*ROOT, *BETAS), 1e-2),
    "yogi": RuleRow(yogi, ("m", "v"), (*ROOT, *BETAS, {"initial_accumulator": 0.1}), 1e-2),
}
