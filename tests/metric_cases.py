"""Outputs and targets of every kind that metrics are measured on, and a model that gives them."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

import fallline as fl

N, BATCH = 53, 12  # the last batch has 5


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def one_hot(y: np.ndarray, k: int) -> np.ndarray:
    return (y[:, None] == np.arange(k)).astype(float)


class Cases(NamedTuple):
    """Outputs and targets of one kind."""

    outputs: np.ndarray
    targets: np.ndarray
    loss: str


def cases(kind: str, seed: int) -> Cases:
    rng = np.random.default_rng(seed)
    normal = partial(rng.normal, size=(N, 4))
    if kind == "binary":
        return Cases(normal()[:, :1].round(1).astype(np.float32), rng.integers(0, 2, N), "binary_cross_entropy")
    if kind == "two classes":
        return Cases(normal()[:, :2].astype(np.float32), rng.integers(0, 2, N), "cross_entropy")
    if kind == "classes":
        return Cases(normal().astype(np.float32), rng.integers(0, 3 + seed % 2, N), "cross_entropy")
    if kind == "labels":
        return Cases(normal().astype(np.float32), (normal() > 0.4).astype(np.float32), "binary_cross_entropy")
    p, y = normal().astype(np.float32), (1000 * (seed % 2) + normal()).astype(np.float32)
    return Cases(p + y / 2, y, "mse") if kind == "outputs" else Cases((p + y / 2)[:, :1], y[:, 0], "mse")


class Scale(fl.nn.Module):
    """Outputs that are the inputs, with a parameter that is not moved."""

    def __init__(self) -> None:
        self.one = fl.asarray(np.ones((), np.float32))

    def forward(self, x: Any) -> Any:
        return x * self.one


def rest(loss: str) -> dict[str, Any]:
    return {"loss": loss, "optimizer": fl.optim.SGD(0.0), "batch_size": BATCH, "progress": False, "epochs": 2}
