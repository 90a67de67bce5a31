"""Rules that divide by the size of past gradients."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def adagrad(x: Any, lr: float, delta: float = 1e-10) -> Path:
    """H = delta I + diag(s), s_i = |g_{1:t,i}|_2: the norm of all gradients so far."""
    past = []
    while True:
        g = yield x
        past.append(g)
        s = np.sqrt(np.sum(np.square(past), axis=0))
        x = x - lr * g / (delta + s)


def torch_adagrad(w: Any, lr: float, lr_decay: float = 0.0, initial: float = 0.0, eps: float = 1e-10) -> Path:
    v = initial
    for t in count(1):
        g = yield w
        v = v + g**2
        w = w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(v) + eps)


def rmsprop(w: Any, lr: float, eps: float = 0.0, initial: float = 0.0) -> Path:
    """MeanSquare(w, t) = 0.9 MeanSquare(w, t-1) + 0.1 (dE/dw)^2; divide the gradient by its root."""
    mean_square = initial
    while True:
        g = yield w
        mean_square = 0.9 * mean_square + 0.1 * g**2
        w = w - lr * g / (np.sqrt(mean_square) + eps)


def graves(w: Any, lr: float) -> Path:
    """Eq. (38) to (41), with 0.95, 0.95, 0.9 and 0.0001 as printed."""
    n = g_ = delta = 0.0
    while True:
        e = yield w
        n = 0.95 * n + 0.05 * e**2
        g_ = 0.95 * g_ + 0.05 * e
        delta = 0.9 * delta - lr * e / np.sqrt(n - g_**2 + 0.0001)
        w = w + delta


def corrected_rmsprop(w: Any, lr: float, decay: float = 0.9, eps: float = 1e-8, initial: float = 0.0) -> Path:
    """scale_by_rms(decay, eps, initial_scale, eps_in_sqrt=True, bias_correction=True)."""
    nu = initial
    for t in count(1):
        g = yield w
        nu = decay * nu + (1 - decay) * g**2
        w = w - lr * g / np.sqrt(nu / (1 - decay**t) + eps)


def adadelta(x: Any, lr: float, rho: float = 0.95, eps: float = 1e-6) -> Path:
    """The paper has no rate, that is, 1."""
    g2 = dx2 = 0.0
    while True:
        g = yield x
        g2 = rho * g2 + (1 - rho) * g**2
        dx = -np.sqrt(dx2 + eps) / np.sqrt(g2 + eps) * g
        dx2 = rho * dx2 + (1 - rho) * dx**2
        x = x + lr * dx


def ftrl(
    w: Any, lr: float, lambda1: float = 0.0, lambda2: float = 0.0, beta: float = 1.0, initial: float = 0.0
) -> Path:
    """Per-coordinate FTRL-proximal: w is made from z and n, so the first w of the paper is 0."""
    z, n = np.zeros_like(w), np.full_like(w, initial)
    while True:
        g = yield w
        sigma = (np.sqrt(n + g**2) - np.sqrt(n)) / lr
        z = z + g - sigma * w
        n = n + g**2
        w = np.where(np.abs(z) <= lambda1, 0.0, -(z - np.sign(z) * lambda1) / ((beta + np.sqrt(n)) / lr + lambda2))


TWINS: dict[str, tuple[Twin, ...]] = {
    "Adagrad": (
        Twin("paper", "Duchi et al. 2011, Figure 1, diagonal", adagrad, (same(), ({"eps": 0.1}, {"delta": 0.1}))),
        Twin(
            "authors",
            "torch/optim/adagrad.py",
            torch_adagrad,
            (same(), same(lr_decay=0.1, eps=1e-3), ({"initial_accumulator": 0.1}, {"initial": 0.1})),
        ),
    ),
    "RMSprop": (
        Twin(
            "paper",
            "Tieleman & Hinton 2012, lecture 6e",
            rmsprop,
            (same(), same(eps=1e-3)),
            needs={"alpha": 0.9, "eps": 0.0},
            why="PyTorch's defaults; the lecture has no epsilon",
        ),
        Twin(
            "paper",
            "Graves 2013, eq. (38) to (41)",
            graves,
            needs={
                **{"alpha": 0.95, "eps": 0.0, "eps_root": 1e-4},
                **{"centered": True, "momentum": 0.9, "lr_in_velocity": True},
            },
            why="PyTorch's defaults",
        ),
    ),
    "Adadelta": (
        Twin(
            "paper",
            "Zeiler 2012, Algorithm 1",
            adadelta,
            (same(rho=0.95), same(rho=0.5, eps=1e-3)),
            why="the share that is kept has PyTorch's default, 0.9; the paper tries 0.95",
        ),
    ),
    "FTRL": (
        Twin(
            "paper",
            "McMahan et al. 2013, Algorithm 1",
            ftrl,
            (
                same(),
                ({"l1": 0.01, "ridge": 0.1}, {"lambda1": 0.01, "lambda2": 0.1}),
                ({"beta": 0.0, "initial_accumulator": 0.1}, {"beta": 0.0, "initial": 0.1}),
            ),
            needs={"beta": 1.0, "initial_accumulator": 0.0},
            why="Keras's defaults; the sum z is the paper's times the rate, which is the same while it is constant",
            lr=0.1,
        ),
    ),
}
