"""Rules that average steps or points along the path."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def asgd(w: Any, lr: float, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6) -> Path:
    """gamma_t = gamma_0 (1 + lambda gamma_0 t)^-3/4, mu_t = 1 / max(1, t - t0), t counted from 0."""
    average = w
    for t in count():
        g = yield w, average
        eta = lr / (1 + lambd * lr * t) ** alpha
        w = w - eta * (g + lambd * w)
        mu = 1 / max(1.0, t - t0)
        average = average + mu * (w - average)


def schedule_free_sgd_code(y: Any, lr: float, beta: float = 0.9, decay: float = 0.0) -> Path:
    z, weights = y, 0.0
    x = y
    for _ in count():
        g = (yield y, x) + decay * y
        weights += lr**2
        c = lr**2 / weights
        x = (1 - c) * x + c * (z - lr * g)
        z = z - lr * g
        y = (1 - beta) * z + beta * x


def schedule_free_adamw_code(
    y: Any, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, decay: float = 0.0
) -> Path:
    z, v, weights = y, 0.0, 0.0
    x = y
    for t in count(1):
        g = yield y, x
        v = betas[1] * v + (1 - betas[1]) * g**2
        d = g / (np.sqrt(v / (1 - betas[1] ** t)) + eps) + decay * y
        weights += lr**2
        c = lr**2 / weights
        z = z - lr * d
        x = (1 - c) * x + c * z
        y = (1 - betas[0]) * z + betas[0] * x


def madgrad(x: Any, lr: float, momentum: float = 0.9, eps: float = 1e-6) -> Path:
    """c = 1 - momentum; lambda_k = gamma sqrt(k + 1), k counted from 0."""
    c, start, s, v = 1 - momentum, x, 0.0, 0.0
    for k in count():
        g = yield x
        weight = lr * np.sqrt(k + 1)
        s = s + weight * g
        v = v + weight * g**2
        z = start - s / (np.cbrt(v) + eps)
        x = (1 - c) * x + c * z


TWINS: dict[str, tuple[Twin, ...]] = {
    "ASGD": (
        Twin(
            "paper",
            "Bottou 2012, section 5.3, on Polyak & Juditsky 1992, eq. (2)",
            asgd,
            (same(t0=0.0), same(t0=20.0, lambd=0.1, alpha=0.3)),
            near=1e-11,  # their power is rounded as libm rounds it
        ),
    ),
    "ScheduleFreeSGD": (
        Twin(
            "authors",
            "facebookresearch/schedule_free, sgd_schedulefree.py",
            schedule_free_sgd_code,
            (same(), ({"momentum": 0.5}, {"beta": 0.5}), ({"weight_decay": 0.1}, {"decay": 0.1})),
        ),
    ),
    "ScheduleFreeAdamW": (
        Twin(
            "authors",
            "facebookresearch/schedule_free, adamw_schedulefree.py",
            schedule_free_adamw_code,
            (same(), same(betas=(0.7, 0.98), eps=1e-3), ({"weight_decay": 0.1}, {"decay": 0.1})),
        ),
    ),
    "MADGRAD": (Twin("paper", "Defazio & Jelassi 2022, Algorithm 1", madgrad, (same(), same(momentum=0.5, eps=1e-3))),),
}
