"""Rules that find their learning rate out on the way."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def prodigy(
    x: Any, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, d: float = 1e-6, decay: float = 0.0
) -> Path:
    start, m, v, r, s = x, 0.0, 0.0, 0.0, 0.0
    half = np.sqrt(betas[1])
    for _ in count():
        g = yield x
        m = betas[0] * m + (1 - betas[0]) * d * g
        v = betas[1] * v + (1 - betas[1]) * d**2 * g**2
        r = half * r + (1 - half) * lr * d**2 * np.sum(g * (start - x))
        s = half * s + (1 - half) * lr * d**2 * g
        new = max(d, r / np.abs(s).sum())
        x = x - lr * d * decay * x - lr * d * m / (np.sqrt(v) + d * eps)
        d = new


def prodigy_code(
    p: Any,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    d0: float = 1e-6,
    d_coef: float = 1.0,
    correct: bool = False,
) -> Path:
    start, m, v, numerator, s, d = p, 0.0, 0.0, 0.0, 0.0, d0
    beta3 = betas[1] ** 0.5
    for k in count():
        g = yield p
        dlr = d * lr * ((1 - betas[1] ** (k + 1)) ** 0.5 / (1 - betas[0] ** (k + 1)) if correct else 1)
        numerator = beta3 * numerator + d / d0 * dlr * np.vdot(g, start - p)
        m = betas[0] * m + d * (1 - betas[0]) * g
        v = betas[1] * v + d * d * (1 - betas[1]) * g * g
        s = beta3 * s + d / d0 * dlr * g
        d = max(d, d_coef * numerator / np.abs(s).sum())
        p = p - dlr * m / (np.sqrt(v) + d * eps)


def swats(
    w: Any,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-9,
    threshold: float = 1e-9,
    decay: float = 0.0,
) -> Path:
    """The paper's threshold is eps. It has no decay."""
    m, a, mean, v, rate = 0.0, 0.0, 0.0, 0.0, None
    for k in count(1):
        g = yield w
        if rate is not None:
            v = betas[0] * v + g
            w = w - rate * decay * w - (1 - betas[0]) * rate * v
            continue
        m = betas[0] * m + (1 - betas[0]) * g
        a = betas[1] * a + (1 - betas[1]) * g**2
        p = -lr * np.sqrt(1 - betas[1] ** k) / (1 - betas[0] ** k) * m / (np.sqrt(a) + eps)
        w = w - lr * decay * w + p
        if np.sum(p * g) != 0:
            gamma = np.sum(p * p) / -np.sum(p * g)
            mean = betas[1] * mean + (1 - betas[1]) * gamma
            if k > 1 and abs(mean / (1 - betas[1] ** k) - gamma) < threshold:
                rate = mean / (1 - betas[1] ** k)


TWINS: dict[str, tuple[Twin, ...]] = {
    "Prodigy": (
        Twin(
            "paper",
            "Mishchenko & Defazio 2024, Algorithm 4",
            prodigy,
            (
                same(),
                ({"betas": (0.5, 0.9), "eps": 0.1, "d0": 1e-2}, {"betas": (0.5, 0.9), "eps": 0.1, "d": 1e-2}),
                ({"weight_decay": 0.1, "d0": 1e-2}, {"decay": 0.1, "d": 1e-2}),
            ),
            {"eps_with_new_d": False},
            "the authors' code multiplies eps by the new d",
            lr=1.0,
        ),
        Twin(
            "authors",
            "konstmish/prodigy, prodigyopt/prodigy.py",
            prodigy_code,
            (
                same(),
                same(betas=(0.5, 0.9), eps=0.1, d0=1e-2, d_coef=0.5),
                ({"bias_correction": True, "d0": 1e-3}, {"correct": True, "d0": 1e-3}),
            ),
            lr=1.0,
        ),
    ),
    "SWATS": (
        Twin(
            "paper",
            "Keskar & Socher 2017, Algorithm 1",
            swats,
            (
                same(),
                same(betas=(0.5, 0.9), eps=1e-3, threshold=1e-2),
                same(threshold=1.0),
                ({"threshold": 1.0, "weight_decay": 0.1}, {"threshold": 1.0, "decay": 0.1}),
            ),
        ),
    ),
}
