"""Rules whose steps are as long as a layer is large."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same

norm = np.linalg.norm


def lars(w: Any, lr: float, eta: float = 0.001, m: float = 0.9, beta: float = 0.0) -> Path:
    v = 0.0
    for _ in count():
        g = yield w
        local = eta * norm(w) / (norm(g) + beta * norm(w))
        v = m * v + lr * local * (g + beta * w)
        w = w - v


def lars_optax(
    w: Any, lr: float, eta: float = 0.001, m: float = 0.9, decay: float = 0.0, eps: float = 0.0, nesterov: bool = False
) -> Path:
    v = 0.0
    for _ in count():
        g = (yield w) + decay * w
        u = lr * eta * norm(w) / (norm(g) + eps) * g
        v = m * v + u
        w = w - (m * v + u if nesterov else v)


def lamb(
    x: Any,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    decay: float = 0.0,
    inside: float = 0.0,  # eps_root, which is not the paper's
) -> Path:
    m, v = 0.0, 0.0
    for t in count(1):
        g = yield x
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        r = m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t) + inside) + eps)
        x = x - lr * norm(x) / norm(r + decay * x) * (r + decay * x)


def novograd(
    w: Any,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.25),
    eps: float = 0.0,
    decay: float = 0.0,
    first: bool = False,
) -> Path:
    """The code has eps in its `first` step too."""
    g = yield w
    v = norm(g) ** 2
    m = g / (np.sqrt(v) + first * eps) + decay * w
    w = w - lr * m
    for _ in count(2):
        g = yield w
        v = betas[1] * v + (1 - betas[1]) * norm(g) ** 2
        m = betas[0] * m + (g / (np.sqrt(v) + eps) + decay * w)
        w = w - lr * m


TWINS: dict[str, tuple[Twin, ...]] = {
    "LARS": (
        Twin(
            "paper",
            "You et al. 2017, Algorithm 1",
            lars,
            (
                same(),
                ({"momentum": 0.5, "trust_coefficient": 0.02}, {"m": 0.5, "eta": 0.02}),
                ({"l2": 0.1}, {"beta": 0.1}),
            ),
            {"separate_norms": True},
            "Optax takes the length of g with the decay in it",
            lr=1.0,
        ),
        Twin(
            "authors",
            "Optax, lars: theirs cannot be had",
            lars_optax,
            (
                same(),
                ({"l2": 0.1, "nesterov": True}, {"decay": 0.1, "nesterov": True}),
                ({"momentum": 0.5, "trust_coefficient": 0.02, "eps": 0.1}, {"m": 0.5, "eta": 0.02, "eps": 0.1}),
            ),
            lr=1.0,
        ),
    ),
    "LAMB": (
        Twin(
            "paper",
            "You et al. 2020, Algorithm 2",
            lamb,
            (
                same(),
                same(betas=(0.5, 0.9), eps=1e-3),
                ({"weight_decay": 0.1}, {"decay": 0.1}),
                ({"eps_root": 1e-3}, {"inside": 1e-3}),
            ),
        ),
    ),
    "NovoGrad": (
        Twin(
            "paper",
            "Ginsburg et al. 2019, Algorithm 1",
            novograd,
            (same(), ({"betas": (0.5, 0.75), "weight_decay": 0.1}, {"betas": (0.5, 0.75), "decay": 0.1})),
            {"eps": 0.0},
            "eps stands in every step, also in the first",
        ),
        Twin(
            "authors",
            "NVIDIA/OpenSeq2Seq, optimizers/novograd.py",
            novograd,
            (({"eps": 1e-2}, {"eps": 1e-2, "first": True}),),
        ),
    ),
}
