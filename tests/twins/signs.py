"""Rules that step by the sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def lion(theta: Any, lr: float, betas: tuple[float, float] = (0.9, 0.99), lambda_: float = 0.0) -> Path:
    m = 0.0
    while True:
        g = yield theta
        c = betas[0] * m + (1 - betas[0]) * g
        theta = theta - lr * (np.sign(c) + lambda_ * theta)
        m = betas[1] * m + (1 - betas[1]) * g


def signum(x: Any, lr: float, beta: float = 0.9) -> Path:
    m = 0.0
    while True:
        g = yield x
        m = beta * m + (1 - beta) * g
        x = x - lr * np.sign(m)


def rprop(
    w: Any, lr: float, etas: tuple[float, float] = (0.5, 1.2), step_sizes: tuple[float, float] = (1e-6, 50.0)
) -> Path:
    """Without the step back after a turn: iRprop-, as PyTorch has it."""
    delta, before = np.full_like(w, lr), np.zeros_like(w)
    while True:
        g = yield w
        turn = np.sign(g) * np.sign(before)
        delta = delta * np.where(turn > 0, etas[1], np.where(turn < 0, etas[0], 1.0))
        delta = np.clip(delta, *step_sizes)
        g = np.where(turn < 0, 0.0, g)
        w = w - delta * np.sign(g)
        before = g


def rprop_of_the_paper(
    w: Any, lr: float, etas: tuple[float, float] = (0.5, 1.2), step_sizes: tuple[float, float] = (1e-6, 50.0)
) -> Path:
    """After a turn the step before it is taken back, and counts as without a gradient."""
    delta, before, step = np.full_like(w, lr), np.zeros_like(w), np.zeros_like(w)
    while True:
        g = yield w
        same_sign, turn = before * g > 0, before * g < 0
        delta = np.where(same_sign, np.minimum(delta * etas[1], step_sizes[1]), delta)
        delta = np.where(turn, np.maximum(delta * etas[0], step_sizes[0]), delta)
        step = np.where(turn, -step, -np.sign(g) * delta)
        w = w + step
        before = np.where(turn, 0.0, g)


TWINS: dict[str, tuple[Twin, ...]] = {
    "Lion": (
        Twin(
            "paper",
            "Chen et al. 2023, Algorithm 2",
            lion,
            (same(), same(betas=(0.5, 0.75)), ({"weight_decay": 0.1}, {"lambda_": 0.1})),
        ),
    ),
    "Signum": (
        Twin(
            "paper",
            "Bernstein et al. 2018, Algorithm 2",
            signum,
            (same(), ({"momentum": 0.5}, {"beta": 0.5}), ({"momentum": 0.0}, {"beta": 0.0})),
        ),
    ),
    "Rprop": (
        Twin("authors", "torch/optim/rprop.py", rprop, (same(), same(etas=(0.25, 2.0), step_sizes=(1e-3, 0.03)))),
        Twin(
            "paper",
            "Riedmiller & Braun 1993, eq. (4) to (6)",
            rprop_of_the_paper,
            (same(), same(etas=(0.25, 2.0), step_sizes=(1e-3, 0.03))),
            needs={"backtrack": True},
            why="PyTorch rests after a turn (iRprop-)",
        ),
    ),
}
