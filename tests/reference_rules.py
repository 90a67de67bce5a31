"""What must every update rule compute?  A few lines of NumPy each, which native kernels equal bit for bit.

This file imports NumPy alone. Constants are formed in Python's floats and rounded once, by T, to the arrays' type.
"""

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

    @property
    def decays_itself(self) -> bool:
        """Whether weight decay is part of the step."""
        return self.step in (schedule_free_sgd, schedule_free_adamw)


def power(b: float, t: int) -> float:
    """Return b^t by repeated squaring, in the order of the native code."""
    out = 1.0
    while t:
        if t & 1:
            out *= b
        b *= b
        t >>= 1
    return out


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


def adagrad(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    lr = h["lr"] / (1 + (t - 1) * h["lr_decay"])
    seen = v + g * g if h["include_current"] else v
    return w - T(lr) * g / (np.sqrt(seen + T(h["eps_root"])) + T(h["eps"])), v + g * g


def rmsprop(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    return w - T(h["lr"]) * g / rmsprop_root(T, h, t, v), v


def rmsprop_momentum(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, u: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    u = T(h["momentum"]) * u + T(inside) * g / rmsprop_root(T, h, t, v)
    return w - T(outside) * u, v, u


def rmsprop_centered(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, m: np.ndarray) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    m = T(h["alpha"]) * m + T(1 - h["alpha"]) * g
    return w - T(h["lr"]) * g / rmsprop_root(T, h, t, v, m), v, m


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
    u = T(h["momentum"]) * u + T(inside) * g / rmsprop_root(T, h, t, v, m)
    return w - T(outside) * u, v, m, u


def rmsprop_root(T: Any, h: Hypers, t: int, v: np.ndarray, m: np.ndarray | None = None) -> np.ndarray:
    q = T(1 / (1 - power(h["alpha"], t)) if h["bias_correction"] else 1.0)
    v = q * v
    if m is not None:
        m = q * m
        v = v - m * m
        v = np.where(v < 0, T(0), v)
    return np.sqrt(v + T(h["eps_root"])) + T(h["eps"])


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
    return w - T(first_scale(h, t)) * m / moment_root(T, h, t, v)


def adam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m, v = two_moments(T, h, g, m, v)
    return adam_step(T, h, t, w, m, v), m, v


def amsgrad(
    T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray, u: np.ndarray
) -> Arrays:
    m, v = two_moments(T, h, g, m, v)
    u = np.maximum(u, v)
    return adam_step(T, h, t, w, m, u), m, v, u


def qhm(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray) -> Arrays:
    m = T(h["momentum"]) * m + T(1 - h["momentum"]) * g
    return w - (T(h["lr"] * (1 - h["nu"])) * g + T(h["lr"] * h["nu"]) * m), m


def adadelta(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, u: np.ndarray) -> Arrays:
    v = T(h["rho"]) * v + T(1 - h["rho"]) * (g * g)
    d = np.sqrt(u + T(h["eps"])) / np.sqrt(v + T(h["eps"])) * g
    u = T(h["rho"]) * u + T(1 - h["rho"]) * (d * d)
    return w - T(h["lr"]) * d, v, u


def adamax(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, u: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    u = np.maximum(T(h["beta2"]) * u, np.abs(g) + T(h["eps"]))
    return w - T(h["lr"] / (1 - h["bias_correction"] * power(h["beta1"], t))) * m / (u + T(h["eps_outside"])), m, u


def nadam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    mu = [h["beta1"] * (1 - 0.5 * power(h["rate"], i)) for i in range(1, t + 2)]
    now, both = math.prod(mu[:-1]), math.prod(mu)
    c = h["lr"] * (1 - mu[-2]) / (1 - h["bias_correction"] * now)
    s = h["lr"] * mu[-1] / (1 - h["bias_correction"] * both)
    m, v = two_moments(T, h, g, m, v)
    return w - (T(c) * g + T(s) * m) / moment_root(T, h, t, v), m, v


def radam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    b2 = power(h["beta2"], t)
    most = 2 / (1 - h["beta2"]) - 1
    rho = most - 2.0 * t * b2 / (1 - b2)
    s, c = 0.0, first_scale(h, t)
    if rho > 5:
        s, c = c * math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)), 0.0
    m, v = two_moments(T, h, g, m, v)
    return w - m * (T(s) / moment_root(T, h, t, v) + T(c)), m, v


def adabelief(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * ((g - m) * (g - m)) + T(h["eps_root"])
    return w - T(first_scale(h, t)) * m / (np.sqrt(T(second_scale(h, t)) * v) + T(h["eps"])), m, v


def yogi(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = v - T(1 - h["beta2"]) * np.sign(v - g * g) * (g * g)
    return adam_step(T, h, t, w, m, v), m, v


def ademamix(
    T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m1: np.ndarray, m2: np.ndarray, v: np.ndarray
) -> Arrays:
    m1, v = two_moments(T, h, g, m1, v)
    m2 = T(h["beta3"]) * m2 + T(1 - h["beta3"]) * g
    both = T(first_scale(h, t)) * m1 + T(h["lr"] * h["alpha"]) * m2
    return w - both / moment_root(T, h, t, v), m1, m2, v


def adopt(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    c = T(math.sqrt(math.sqrt(t - 1)) if h["clip"] else 1e30)
    kept, new = (h["beta2"], 1 - h["beta2"]) if t > 1 else (0.0, 1.0)
    d = np.clip(g / np.sqrt(np.maximum(T(h["eps"] * h["eps"]), v)), -c, c)
    m = T(h["beta1"]) * m + T(1 - h["beta1"] if t > 1 else 0.0) * d
    return w - T(h["lr"]) * m, m, T(kept) * v + T(new) * (g * g)


def qhadam(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m, v = two_moments(T, h, g, m, v)
    square = T(1 - h["nu2"]) * (g * g) + T(h["nu2"] * second_scale(h, t)) * v
    mean = T(h["lr"] * (1 - h["nu1"])) * g + T(h["nu1"] * first_scale(h, t)) * m
    return w - mean / (np.sqrt(square + T(h["eps_root"])) + T(h["eps"])), m, v


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
    u = g + T(b2) * d
    m, v, n = T(b1) * m + T(1 - b1) * g, T(b2) * v + T(1 - b2) * d, T(b3) * n + T(1 - b3) * (u * u)
    both = T(lr / (1 - power(b1, t))) * m + T(lr * b2 / (1 - power(b2, t))) * v
    return w - both / (np.sqrt(T(1 / (1 - power(b3, t))) * n + T(h["eps_root"])) + T(h["eps"])), m, v, n, g


def lion(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray) -> Arrays:
    w = w - T(h["lr"]) * np.sign(T(h["beta1"]) * m + T(1 - h["beta1"]) * g)
    return w, T(h["beta2"]) * m + T(1 - h["beta2"]) * g


def signum(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray) -> Arrays:
    m = T(h["momentum"]) * m + T(1 - h["momentum"]) * g
    return w - T(h["lr"]) * np.sign(m), m


def rprop(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, p: np.ndarray, d: np.ndarray) -> Arrays:
    d = d if t > 1 else np.full_like(w, h["lr"])
    d = np.where(g * p > 0, T(h["eta_plus"]) * d, np.where(g * p < 0, T(h["eta_minus"]) * d, d))
    d = np.minimum(T(h["largest_step"]), np.maximum(T(h["smallest_step"]), d))
    g = np.where(g * p < 0, T(0), g)
    return w - d * np.sign(g), g, d


def asgd(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, a: np.ndarray) -> Arrays:
    y, x, decay = 1 + h["lambd"] * h["lr"] * (t - 1), h["alpha"], 1.0
    for _ in range(53):  # y^x, digit by digit
        x, y = 2 * x, math.sqrt(y)
        if x >= 1:
            x, decay = x - 1, decay * y
    eta, mu = h["lr"] / decay, 1 / max(1.0, t - 1 - h["t0"])
    w = T(1 - h["lambd"] * eta) * w - T(eta) * g
    return w, T(1 - mu) * a + T(mu) * w


def ftrl(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, n: np.ndarray, z: np.ndarray) -> Arrays:
    root, c = np.sqrt(n + g * g), T(h["lr"] * h["l1"])
    z = z + T(h["lr"]) * g - (root - np.sqrt(n)) * w
    return (np.clip(z, -c, c) - z) / (root + T(h["beta"] + h["lr"] * h["ridge"])), n + g * g, z


VELOCITY = ({"momentum": 0.5, "lr_in_velocity": 1},)
ROOT = ({"eps": 0.0, "eps_root": 1e-3},)
CORRECTED = ({"bias_correction": 1, "alpha": 0.9},)
HAT = ({"eps_hat": 1, "eps": 1e-3},)
BETAS = ({"beta1": 0.5, "beta2": 0.75, "bias_correction": 0}, {"beta1": 0.0})


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
    "adam": RuleRow(adam, ("m", "v"), (*ROOT, *BETAS, *HAT), 1e-2),
    "amsgrad": RuleRow(amsgrad, ("m", "v", "u"), (*ROOT, *BETAS, *HAT), 1e-2),
    "qhm": RuleRow(qhm, ("m",), ({"momentum": 0.5, "nu": 1.0},), 1e-3),
    "adadelta": RuleRow(adadelta, ("v", "u"), ({"rho": 0.5, "eps": 1e-3},), 3e-2),
    "adamax": RuleRow(adamax, ("m", "u"), ({"eps": 0.0, "eps_outside": 1e-3, "bias_correction": 0},), 1e-2),
    "nadam": RuleRow(nadam, ("m", "v"), (*ROOT, *BETAS, {"rate": 0.5}, {"rate": 0.0}), 1e-2),
    "radam": RuleRow(radam, ("m", "v"), (*ROOT, {"beta2": 0.5}, {"beta2": 0.9, "eps_hat": 0}), 1e-3),
    "adabelief": RuleRow(adabelief, ("m", "v"), (*ROOT, *BETAS), 1e-2),
    "yogi": RuleRow(yogi, ("m", "v"), (*ROOT, *BETAS, {"initial_accumulator": 0.1}), 1e-2),
    "ademamix": RuleRow(
        ademamix, ("m1", "m2", "v"), (*ROOT, *BETAS, {"beta3": 0.5, "alpha": 0.0}), 1e-2, {"beta3": 0.99, "alpha": 1.0}
    ),
    "adopt": RuleRow(adopt, ("m", "v"), ({"clip": 0, "eps": 0.1}, {"beta1": 0.5, "beta2": 0.5}), 3e-2),
    "qhadam": RuleRow(qhadam, ("m", "v"), (*ROOT, *BETAS, {"nu1": 1.0, "nu2": 0.5}), 1e-2),
    "adan": RuleRow(adan, ("m", "v", "n", "p"), (*ROOT, {"beta1": 0.5, "beta2": 0.25, "beta3": 0.75}), 1e-2),
    "lion": RuleRow(lion, ("m",), ({"beta1": 0.5, "beta2": 0.75},), 1e-3),
    "signum": RuleRow(signum, ("m",), ({"momentum": 0.0},), 1e-3),
    "rprop": RuleRow(rprop, ("p", "d"), ({"eta_minus": 0.25, "eta_plus": 2.0, "largest_step": 0.03},), 1e-2),
    "asgd": RuleRow(asgd, ("a",), ({"lambd": 0.1, "alpha": 0.3, "t0": 1.0}, {"alpha": 0.0}), 1e-3),
    "aggmo": RuleRow(aggmo, ("v1", "v2", "v3"), ({"beta1": 0.5, "beta2": 0.75, "beta3": 0.25},), 3e-4),
    "schedule_free_sgd": RuleRow(schedule_free_sgd, ("z",), ({"momentum": 0.5},), 1e-3),
    "schedule_free_adamw": RuleRow(schedule_free_adamw, ("z", "v"), ({"beta1": 0.5, "beta2": 0.75},), 1e-2),
    "ftrl": RuleRow(ftrl, ("n", "z"), ({"l1": 0.01, "ridge": 0.1, "beta": 1.0},), 0.1),
}


def reference_step(name: str, h: Hypers, t: int, w: np.ndarray, g: np.ndarray, slots: Arrays = ()) -> Arrays:
    """Return the parameter and the slots after step t (1 first), with the part that all rules share."""
    T = w.dtype.type
    g = T(1 - 2 * h["maximize"]) * g + T(h["l2"]) * w
    if not REFERENCE_RULES[name].decays_itself:
        w = T(1 - h["lr"] * h["weight_decay"]) * w
    return REFERENCE_RULES[name].step(T, h, t, g, w, *slots)


def reference_slots(starts: Mapping[str, str | None], h: Hypers, w: np.ndarray) -> Arrays:
    """Return the slots before the first step: zeros, a hyper-parameter, or the parameter."""
    return tuple(
        w.copy() if start == "parameter" else np.full_like(w, h[start] if start else 0.0) for start in starts.values()
    )
