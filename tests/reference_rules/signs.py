"""Rules that step by the sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference_rules.row import Arrays, Hypers, RuleRow


def lion(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray) -> Arrays:
    w = w - T(h["lr"]) * np.sign(T(h["beta1"]) * m + T(1 - h["beta1"]) * g)
    return w, T(h["beta2"]) * m + T(1 - h["beta2"]) * g


def signum(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray) -> Arrays:
    m = T(h["momentum"]) * m + T(1 - h["momentum"]) * g
    return w - T(h["lr"]) * np.sign(m), m


def rprop(T: Any, h: Hypers, t: int, g: np.ndarray, w: np.ndarray, p: np.ndarray, d: np.ndarray) -> Arrays:
    d = d if t > 1 else np.full_like(w, h["lr"])
    turn, back = np.sign(g) * np.sign(p), w + T(h["backtrack"]) * d * np.sign(p)
    d = np.where(turn > 0, T(h["eta_plus"]) * d, np.where(turn < 0, T(h["eta_minus"]) * d, d))
    d = np.minimum(T(h["largest_step"]), np.maximum(T(h["smallest_step"]), d))
    g = np.where(turn < 0, T(0), g)
    return np.where(turn < 0, back, w - d * np.sign(g)), g, d


RULES: dict[str, RuleRow] = {
    "lion": RuleRow(lion, ("m",), ({"beta1": 0.5, "beta2": 0.75},), 1e-3, squares=False),
    "signum": RuleRow(signum, ("m",), ({"momentum": 0.0},), 1e-3, squares=False),
    "rprop": RuleRow(
        rprop,
        ("p", "d"),
        ({"eta_minus": 0.25, "eta_plus": 2.0, "largest_step": 0.03}, {"backtrack": 1}),
        1e-2,
        squares=False,
    ),
}
