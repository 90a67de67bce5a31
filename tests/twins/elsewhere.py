"""Rules that ask for gradients at points of their own: each point that they ask for is yielded, in order."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same

CURVATURES = np.logspace(-2, 1, 24).reshape(6, 4)  # of the function whose gradient is sent


def nesterov(theta: Any, epsilon: float, mu: float = 0.9, whole: bool = False) -> Path:
    """v holds steps; `whole`: look ahead by mu v of the velocity without the learning rate, as some lectures do."""
    v = np.zeros_like(theta)
    for _ in count():
        g = yield theta + mu * v / (epsilon if whole else 1.0)
        v = mu * v - epsilon * g
        theta = theta + v


def sophia(
    theta: Any,
    eta: float,
    betas: tuple[float, float] = (0.96, 0.99),
    eps: float = 1e-12,
    gamma: float = 0.01,
    k: int = 10,
    decay: float = 0.0,
) -> Path:
    """t is counted from 0, and the diagonal of the Hessian is known."""
    m, h = 0.0, 0.0
    for t in count():
        g = yield theta
        m = betas[0] * m + (1 - betas[0]) * g
        if t % k == 0:
            h = betas[1] * h + (1 - betas[1]) * CURVATURES
        theta = theta - eta * decay * theta
        theta = theta - eta * np.clip(m / np.maximum(gamma * h, eps), -1, 1)


def lbfgs(x: Any, alpha: float, m: int = 100) -> Path:
    """H as a matrix: eq. (7.16) with H_0 of (7.20); steps of length alpha, the first one as PyTorch's."""
    pairs: list[tuple[Any, Any]] = []
    g = (yield x).ravel()
    alpha_1 = alpha * min(1.0, 1 / np.abs(g).sum())
    for k in count():
        h = np.eye(g.size)
        if pairs:
            s, y = pairs[-1]
            h = (s @ y) / (y @ y) * h
        for s, y in pairs:
            v = np.eye(g.size) - np.outer(y, s) / (y @ s)
            h = v.T @ h @ v + np.outer(s, s) / (y @ s)
        s = -(alpha if k else alpha_1) * h @ g
        x = x + s.reshape(x.shape)
        new = (yield x).ravel()
        pairs = [*pairs, (s, new - g)][-m:]
        g = new


TWINS: dict[str, tuple[Twin, ...]] = {
    "NesterovLookahead": (
        Twin(
            "paper",
            "Sutskever et al. 2013, eq. (3) and (4)",
            nesterov,
            (
                same(),
                ({"momentum": 0.5}, {"mu": 0.5}),
                ({"momentum": 0.5, "consistent": False}, {"mu": 0.5, "whole": True}),
            ),
            elsewhere=True,
        ),
    ),
    "Sophia": (
        Twin(
            "paper",
            "Liu et al. 2024, Algorithm 3",
            sophia,
            (
                same(),
                ({"betas": (0.5, 0.9), "gamma": 0.5, "every": 3}, {"betas": (0.5, 0.9), "gamma": 0.5, "k": 3}),
                ({"weight_decay": 0.1, "eps": 1e-3, "every": 1}, {"decay": 0.1, "eps": 1e-3, "k": 1}),
            ),
            elsewhere=True,
        ),
    ),
    "LBFGS": (
        Twin(
            "paper",
            "Nocedal & Wright 2006, Algorithm 7.5 without a search",
            lbfgs,
            (same(), ({"history_size": 5}, {"m": 5})),
            {"line_search": None, "max_iter": 40, "tolerance_grad": 0.0, "tolerance_change": 0.0},
            "steps are found by a line search",
            lr=0.5,
            near=1e-9,  # the inverse of the curvatures, from differences
            elsewhere=True,
        ),
    ),
}
