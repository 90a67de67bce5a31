"""Adam with other mixtures of its moments."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def ademamix(
    theta: Any,
    lr: float,
    betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
    alpha: float = 5.0,
    eps: float = 1e-8,
    lambda_: float = 0.0,
) -> Path:
    b1, b2, b3 = betas
    m1 = m2 = nu = 0.0
    for t in count(1):
        g = yield theta
        m1 = b1 * m1 + (1 - b1) * g
        m2 = b3 * m2 + (1 - b3) * g
        nu = b2 * nu + (1 - b2) * g**2
        m1_hat, nu_hat = m1 / (1 - b1**t), nu / (1 - b2**t)
        theta = theta - lr * ((m1_hat + alpha * m2) / (np.sqrt(nu_hat) + eps) + lambda_ * theta)


def adopt(
    theta: Any,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.9999),
    eps: float = 1e-6,
    clip: bool = True,
    weight_decay: float = 0.0,
) -> Path:
    """The first gradient only sets v: nothing else happens, no decay either."""
    m = 0.0
    v = (yield theta) ** 2
    for step in count(1):
        g = yield theta
        theta = theta - lr * weight_decay * theta
        d = g / np.maximum(np.sqrt(v), eps)
        c = step**0.25
        m = betas[0] * m + (1 - betas[0]) * (np.clip(d, -c, c) if clip else d)
        theta = theta - lr * m
        v = betas[1] * v + (1 - betas[1]) * g**2


def qhadam(
    theta: Any,
    lr: float,
    betas: tuple[float, float] = (0.995, 0.999),
    nus: tuple[float, float] = (0.7, 1.0),
    eps: float = 1e-8,
) -> Path:
    g1 = s1 = 0.0
    for t in count(1):
        g = yield theta
        g1 = betas[0] * g1 + (1 - betas[0]) * g
        s1 = betas[1] * s1 + (1 - betas[1]) * g**2
        g_hat, s_hat = g1 / (1 - betas[0] ** t), s1 / (1 - betas[1] ** t)
        up = (1 - nus[0]) * g + nus[0] * g_hat
        theta = theta - lr * up / (np.sqrt((1 - nus[1]) * g**2 + nus[1] * s_hat) + eps)


def adan(
    theta: Any,
    lr: float,
    betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
    eps: float = 1e-8,
    corrected: bool = True,
) -> Path:
    """The code corrects all three means for their start; Algorithm 1 does not. betas are one minus the paper's."""
    b1, b2, b3 = betas
    m = v = n = 0.0
    before = None
    for t in count(1):
        g = yield theta
        d = 0.0 if before is None else g - before
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * d
        n = b3 * n + (1 - b3) * (g + b2 * d) ** 2
        c1, c2, c3 = (1 - b1**t, 1 - b2**t, 1 - b3**t) if corrected else (1.0, 1.0, 1.0)
        theta = theta - lr / (np.sqrt(n / c3) + eps) * (m / c1 + b2 * v / c2)
        before = g


TWINS: dict[str, tuple[Twin, ...]] = {
    "AdEMAMix": (
        Twin(
            "paper",
            "Pagliardini et al. 2024, Algorithm 1",
            ademamix,
            (
                same(),
                same(betas=(0.5, 0.75, 0.99), alpha=2.0, eps=1e-3),
                ({"weight_decay": 0.1}, {"lambda_": 0.1}),
            ),
            why="alpha is 5 as in the paper's experiments; the authors' code has 2. Their warm-ups are schedules",
        ),
    ),
    "ADOPT": (
        Twin(
            "authors",
            "iShohei220/adopt, adopt.py",
            adopt,
            (same(), same(clip=False, eps=0.1), same(betas=(0.5, 0.5)), same(weight_decay=0.1)),
        ),
        Twin(
            "paper",
            "Taniguchi et al. 2024, Algorithm 2",
            adopt,
            (same(), same(clip=False)),
        ),
    ),
    "QHAdam": (
        Twin(
            "paper",
            "Ma & Yarats 2019, eq. (10)",
            qhadam,
            (same(), same(betas=(0.5, 0.75), nus=(0.3, 0.6), eps=1e-3)),
        ),
    ),
    "Adan": (Twin("authors", "sail-sg/Adan, adan.py", adan, (same(), same(betas=(0.5, 0.25, 0.75), eps=1e-3))),),
}
