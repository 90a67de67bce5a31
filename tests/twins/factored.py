"""Rules whose second moments take less memory than the parameters."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def rms(x: Any) -> float:
    return float(np.sqrt(np.mean(x**2)))


def adafactor(
    x: Any, lr: float, decay: float = 0.8, eps: tuple[float, float] = (1e-30, 1e-3), d: float = 1.0, **options: Any
) -> Path:
    """Algorithm 4 for matrices, 5 for vectors, with the hyper-parameters of Algorithm 6."""
    r: Any = 0.0
    c: Any = 0.0
    v: Any = 0.0
    for t in count(1):
        g = yield x
        beta = 1 - t**-decay
        if x.ndim > 1 and options.get("factored", True):
            n, m = x.shape[-2:]
            r = beta * r + (1 - beta) * (g**2 + eps[0]) @ np.ones(m)
            c = beta * c + (1 - beta) * np.ones(n) @ (g**2 + eps[0])
            v = r[..., :, None] * c[..., None, :] / r.sum(-1)[..., None, None]
        else:
            v = beta * v + (1 - beta) * (g**2 + eps[0])
        u = g / np.sqrt(v)
        u = u / max(1.0, rms(u) / d)
        rho = min(lr, 1 / np.sqrt(t)) if options.get("relative", True) else lr
        alpha = max(eps[1], rms(x)) * rho if options.get("scaled", True) else rho
        x = x * (1 - lr * options.get("weight_decay", 0.0)) - alpha * u


def adafactor_torch(
    x: Any, lr: float, decay: float = 0.8, eps: tuple[float, float] = (1.1920928955078125e-07, 1e-3), d: float = 1.0
) -> Path:
    """eps bounds the mean of the rows, and its square the second moment."""
    r: Any = 0.0
    c: Any = 0.0
    for t in count(1):
        g = yield x
        beta = 1 - t**-decay
        r = beta * r + (1 - beta) * np.mean(g**2, 1)
        c = beta * c + (1 - beta) * np.mean(g**2, 0)
        v = np.maximum(np.outer(r, c) / max(r.mean(), eps[0]), eps[0] ** 2)
        u = g / np.sqrt(v)
        x = x - max(eps[1], rms(x)) * min(lr, 1 / np.sqrt(t)) * u / max(1.0, rms(u) / d)


def sm3(w: Any, lr: float, beta: float = 0.9, eps: float = 0.0) -> Path:
    """The sets S_r are the slices along each axis. The momentum is that of section 4, eps is not theirs."""
    sets = [(slice(None),) * axis + (i,) for axis in range(w.ndim) for i in range(w.shape[axis])]
    mu, m = [0.0] * len(sets), 0.0
    for _ in count():
        g = yield w
        least = np.full(w.shape, np.inf)
        for r, cover in zip(sets, mu, strict=True):
            least[r] = np.minimum(least[r], cover)
        nu = least + g**2
        m = beta * m + (1 - beta) * g / np.sqrt(nu + eps)
        w = w - lr * m
        mu = [nu[r].max() for r in sets]


FACTORED = (
    same(),
    ({"decay": 0.5, "eps2": 0.1, "clip": 0.5}, {"decay": 0.5, "eps": (1e-30, 0.1), "d": 0.5}),
    same(weight_decay=0.1),
    ({"relative_step": False}, {"relative": False}),
    ({"scale_parameter": False}, {"scaled": False}),
    ({"eps1": 1e-3}, {"eps": (1e-3, 1e-3)}),
)
PAPER = {"add_eps": True, "eps1": 1e-30}
WHY = "PyTorch bounds the root by eps instead of adding it to the squares"
TWINS: dict[str, tuple[Twin, ...]] = {
    "Adafactor": (
        Twin("paper", "Shazeer & Stern 2018, Algorithms 4 and 6", adafactor, FACTORED, PAPER, WHY, lr=0.2),
        Twin("paper", "Shazeer & Stern 2018, Algorithm 5", adafactor, FACTORED, PAPER, WHY, lr=0.2, shape=(7,)),
        Twin(
            "paper",
            "Shazeer & Stern 2018, section 3: tensors of more axes",
            adafactor,
            (same(), ({"min_factored": 5}, {"factored": False})),
            PAPER,
            WHY,
            lr=0.2,
            shape=(3, 5, 4),
        ),
        Twin(
            "authors",
            "PyTorch, torch/optim/_adafactor.py: theirs is part of Tensor2Tensor",
            adafactor_torch,
            (same(), ({"eps1": 0.1, "eps2": 0.1, "clip": 0.5}, {"eps": (0.1, 0.1), "d": 0.5})),
            lr=0.2,
        ),
    ),
    "SM3": tuple(
        Twin(
            "paper",
            f"Anil et al. 2019, Algorithm SM3-II, {len(shape)} axes",
            sm3,
            (same(), ({"momentum": 0.0}, {"beta": 0.0}), ({"momentum": 0.5, "eps": 0.1}, {"beta": 0.5, "eps": 0.1})),
            {"eps": 0.0},
            "Optax has an eps",
            shape=shape,
        )
        for shape in ((7,), (6, 4), (4, 3, 5))
    ),
}
