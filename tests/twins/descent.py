"""Gradient descent and momentum."""

from __future__ import annotations

from typing import Any

from twins.row import Path, Twin, same


def robbins_monro(w: Any, lr: float, weight_decay: float = 0.0, l2: float = 0.0) -> Path:
    while True:
        g = yield w
        w = w - lr * (g + l2 * w) - lr * weight_decay * w


def polyak(x: Any, lr: float, beta: float = 0.9) -> Path:
    """x_{n+1} = x_n - alpha grad + beta (x_n - x_{n-1})."""
    before = x
    while True:
        g = yield x
        x, before = x - lr * g + beta * (x - before), x


def sutskever_classical(theta: Any, lr: float, mu: float = 0.9) -> Path:
    """v_{t+1} = mu v_t - eps grad(theta_t), theta_{t+1} = theta_t + v_{t+1}."""
    v = 0.0
    while True:
        g = yield theta
        v = mu * v - lr * g
        theta = theta + v


def sutskever_nesterov(theta: Any, lr: float, mu: float = 0.9) -> Path:
    """v_{t+1} = mu v_t - eps grad(theta_t + mu v_t): asked at theta_t + mu v_t, where Bengio et al. stay."""
    v = 0.0
    while True:
        g = yield theta + mu * v
        v = mu * v - lr * g
        theta = theta + v


def torch_sgd(w: Any, lr: float, mu: float = 0.9, tau: float = 0.0) -> Path:
    b: Any = None
    while True:
        g = yield w
        b = g if b is None else mu * b + (1 - tau) * g
        w = w - lr * b


def qhm(theta: Any, lr: float, beta: float = 0.999, nu: float = 0.7) -> Path:
    buffer = 0.0
    while True:
        g = yield theta
        buffer = beta * buffer + (1 - beta) * g
        theta = theta - lr * ((1 - nu) * g + nu * buffer)


def aggmo(theta: Any, lr: float, betas: tuple[float, ...] = (0.0, 0.9, 0.99)) -> Path:
    v = [0.0 for _ in betas]
    while True:
        g = yield theta
        v = [b * old - g for b, old in zip(betas, v, strict=True)]
        theta = theta + lr / len(betas) * sum(v)


TWINS: dict[str, tuple[Twin, ...]] = {
    "SGD": (
        Twin("paper", "Robbins & Monro 1951, eq. (6)", robbins_monro, (same(), same(l2=0.1), same(weight_decay=0.1))),
    ),
    "Momentum": (
        Twin("paper", "Polyak 1964, eq. (9)", polyak, (same(), ({"momentum": 0.5}, {"beta": 0.5}))),
        Twin(
            "paper",
            "Sutskever et al. 2013, eq. (1), (2)",
            sutskever_classical,
            (same(), ({"momentum": 0.5}, {"mu": 0.5})),
            needs={"lr_in_velocity": True},
            why="PyTorch's place of the rate; the same while it is constant",
        ),
        Twin(
            "authors",
            "torch/optim/sgd.py",
            torch_sgd,
            (same(), ({"momentum": 0.5, "dampening": 0.3}, {"mu": 0.5, "tau": 0.3})),
        ),
    ),
    "Nesterov": (
        Twin(
            "paper",
            "Sutskever et al. 2013, eq. (3), (4), at the point of Bengio et al. 2013, eq. (7)",
            sutskever_nesterov,
            (same(), ({"momentum": 0.5}, {"mu": 0.5}), ({"lr_in_velocity": True}, {})),
        ),
    ),
    "QHM": (
        Twin(
            "paper",
            "Ma & Yarats 2019, eq. (3), (4)",
            qhm,
            (same(), ({"momentum": 0.5, "nu": 0.3}, {"beta": 0.5, "nu": 0.3})),
        ),
    ),
    "AggMo": (Twin("paper", "Lucas et al. 2019, eq. (3), (4)", aggmo, (same(), same(betas=(0.5, 0.75, 0.25)))),),
}
