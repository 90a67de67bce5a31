"""Rules that average steps or points along the path."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, at, same


def up_and_down(t: int) -> float:
    return 1e-2 * (1 + t / 50 if t < 50 else 2 - t / 100)


def asgd(w: Any, lr: float, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6) -> Path:
    """gamma_t = gamma_0 (1 + lambda gamma_0 t)^-3/4, mu_t = 1 / max(1, t - t0), t counted from 0."""
    average = w
    for t in count():
        g = yield w, average
        eta = lr / (1 + lambd * lr * t) ** alpha
        w = w - eta * (g + lambd * w)
        mu = 1 / max(1.0, t - t0)
        average = average + mu * (w - average)


def schedule_free_sgd(
    y: Any, lr: Any, beta: float = 0.9, warmup: float = 0.0, decay: float = 0.0, paper: bool = False
) -> Path:
    """The code weighs z by the square of the largest rate so far; eq. (3) of the paper has c_{t+1} = 1 / (t + 1)."""
    z = x = y
    largest = weights = 0.0
    for t in count(1):
        g = yield y, x
        rate = at(lr, t - 1) * min(1.0, t / warmup if warmup else 1.0)
        largest = max(largest, rate)
        weights += largest**2
        c = 1 / (t + 1) if paper else largest**2 / weights
        z = z - rate * (g + decay * y)
        x = (1 - c) * x + c * z
        y = (1 - beta) * z + beta * x


def schedule_free_adamw(
    y: Any,
    lr: Any,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    warmup: float = 0.0,
    decay: float = 0.0,
    paper: bool = False,
) -> Path:
    """In the paper the correction of v is part of the rate, and of its weight."""
    z = x = y
    v = largest = weights = 0.0
    for t in count(1):
        g = yield y, x
        corrected = 1 - betas[1] ** t
        rate = at(lr, t - 1) * min(1.0, t / warmup if warmup else 1.0) * (np.sqrt(corrected) if paper else 1.0)
        v = betas[1] * v + (1 - betas[1]) * g**2
        d = g / (np.sqrt(v if paper else v / corrected) + eps) + decay * y
        largest = max(largest, rate)
        weights += largest**2
        c = largest**2 / weights
        z = z - rate * d
        x = (1 - c) * x + c * z
        y = (1 - betas[0]) * z + betas[0] * x


def madgrad(
    x: Any, lr: float, momentum: float = 0.9, eps: float = 1e-6, code: bool = False, decay: float = 0.0
) -> Path:
    """c = 1 - momentum; lambda_k = gamma sqrt(k + 1), k counted from 0. The code has the decay (decouple_decay)."""
    lr = lr + eps if code else lr
    c, start, s, v = 1 - momentum, x, 0.0, 0.0
    for k in count():
        g = yield x
        weight = lr * np.sqrt(k + 1)
        s = s + weight * g
        v = v + weight * g**2
        z = start - s / (np.cbrt(v) + eps)
        x = (1 - c) * x + c * z - lr * decay * x


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
            schedule_free_sgd,
            (same(), ({"momentum": 0.5}, {"beta": 0.5}), ({"weight_decay": 0.1}, {"decay": 0.1}), same(warmup=20)),
        ),
        Twin("authors", "the same, with a schedule", schedule_free_sgd, (same(), same(warmup=20)), lr=up_and_down),
        Twin(
            "paper",
            "Defazio et al. 2024, eq. (1) to (3)",
            schedule_free_sgd,
            (same(paper=True),),
            needs={"paper": True},
            why="the authors' code does not count the starting point",
        ),
    ),
    "ScheduleFreeAdamW": (
        Twin(
            "authors",
            "facebookresearch/schedule_free, adamw_schedulefree.py",
            schedule_free_adamw,
            (
                same(),
                same(betas=(0.7, 0.98), eps=1e-3),
                ({"weight_decay": 0.1}, {"decay": 0.1}),
                same(warmup=20),
            ),
        ),
        Twin("authors", "the same, with a schedule", schedule_free_adamw, (same(), same(warmup=20)), lr=up_and_down),
        Twin(
            "paper",
            "Defazio et al. 2024, Algorithm 1; adamw_schedulefree_paper.py",
            schedule_free_adamw,
            (same(paper=True), same(paper=True, warmup=20), same(paper=True, betas=(0.7, 0.98))),
            needs={"paper": True},
            why="the authors' later code corrects v instead of the rate",
        ),
        Twin(
            "paper",
            "the same, with a schedule",
            schedule_free_adamw,
            (same(paper=True), same(paper=True, warmup=20)),
            needs={"paper": True},
            lr=up_and_down,
        ),
    ),
    "MADGRAD": (
        Twin("paper", "Defazio & Jelassi 2022, Algorithm 1", madgrad, (same(), same(momentum=0.5, eps=1e-3))),
        Twin(
            "authors",
            "facebookresearch/madgrad, madgrad.py",
            madgrad,
            (
                ({"eps": 1e-3}, {"eps": 1e-3, "code": True}),
                ({"eps": 1e-3, "weight_decay": 0.1}, {"eps": 1e-3, "code": True, "decay": 0.1}),
            ),
            {"eps_in_lr": True},
            "the paper does not add eps to the learning rate",
        ),
    ),
}
