"""Adam's kin."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, at, same


def adam(
    theta: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, lambda_: float = 0.0
) -> Path:
    m = v = 0.0
    for t in count(1):
        g = yield theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps) - lr * lambda_ * theta


def adam_efficient(theta: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Path:
    """The order at the end of section 2, whose epsilon hat is not corrected."""
    m = v = 0.0
    for t in count(1):
        g = yield theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        alpha = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        theta = theta - alpha * m / (np.sqrt(v) + eps)


def amsgrad(x: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999) -> Path:
    m = v = v_hat = 0.0
    while True:
        g = yield x
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        v_hat = np.maximum(v_hat, v)
        x = x - lr * m / np.sqrt(v_hat)


def corrected_amsgrad(
    x: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, after: bool = False
) -> Path:
    """PyTorch's, where the largest moment is corrected, and Optax's (after), the largest corrected moment."""
    m = v = most = 0.0
    for t in count(1):
        g = yield x
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        most = np.maximum(most, v / (1 - beta2**t) if after else v)
        root = np.sqrt(most if after else most / (1 - beta2**t))
        x = x - lr * m / (1 - beta1**t) / (root + eps)


def adamax(theta: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 0.0) -> Path:
    m = u = 0.0
    for t in count(1):
        g = yield theta
        m = beta1 * m + (1 - beta1) * g
        u = np.maximum(beta2 * u, np.abs(g) + eps)
        theta = theta - lr / (1 - beta1**t) * m / u


def nadam(
    theta: Any,
    lr: float,
    beta: Any = 0.9,
    nu: float = 0.999,
    eps: float = 1e-8,
    psi: float = 4e-3,
    lambda_: float = 0.0,
) -> Path:
    """Algorithm 2 with the mu_t of section 3; beta may depend on t (0 first)."""
    m = n = 0.0
    product = 1.0
    for t in count(1):
        g = yield theta
        b = at(beta, t - 1)
        now, following = (b * (1 - 0.5 * 0.96 ** (i * psi)) for i in (t, t + 1))
        product = product * now
        m = b * m + (1 - b) * g
        n = nu * n + (1 - nu) * g**2
        m_bar = (1 - now) * g / (1 - product) + following * m / (1 - product * following)
        theta = theta - lr * m_bar / (np.sqrt(n / (1 - nu**t)) + eps) - lr * lambda_ * theta


def radam(theta: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, least: float = 5) -> Path:
    """`least`: the paper's 4, its code's and PyTorch's 5; epsilon is added to the root before it is corrected."""
    m = v = 0.0
    most = 2 / (1 - beta2) - 1
    for t in count(1):
        g = yield theta
        v = beta2 * v + (1 - beta2) * g**2
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - beta1**t)
        rho = most - 2 * t * beta2**t / (1 - beta2**t)
        if rho > least:
            r = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
            theta = theta - lr * r * m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
        else:
            theta = theta - lr * m_hat


def adabelief(
    theta: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, inside: float | None = None
) -> Path:
    """Algorithm 2 has one epsilon, twice; the code too."""
    m = s = 0.0
    for t in count(1):
        g = yield theta
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2 + (eps if inside is None else inside)
        m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
        theta = theta - lr * m_hat / (np.sqrt(s_hat) + eps)


def yogi(x: Any, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-3, initial: float = 0.0) -> Path:
    m = 0.0
    v = initial
    while True:
        g = yield x
        m = beta1 * m + (1 - beta1) * g
        v = v - (1 - beta2) * np.sign(v - g**2) * g**2
        x = x - lr * m / (np.sqrt(v) + eps)


def rising(t: int) -> float:
    return 0.5 + 0.45 * t / 150


BETAS = same(betas=(0.7, 0.98))[0], {"beta1": 0.7, "beta2": 0.98}
PLAIN = (same(), BETAS, same(eps=1e-3))
NADAM = (
    same(),
    ({"betas": (0.7, 0.98), "eps": 1e-3}, {"beta": 0.7, "nu": 0.98, "eps": 1e-3}),
    ({"momentum_decay": 1.0}, {"psi": 1.0}),
    ({"betas": (rising, 0.999)}, {"beta": rising}),
)
DECAY = ({"weight_decay": 0.1}, {"lambda_": 0.1})
EPSILON = "PyTorch's epsilon; the paper has none"

TWINS: dict[str, tuple[Twin, ...]] = {
    "Adam": (
        Twin("paper", "Kingma & Ba 2015, Algorithm 1", adam, PLAIN),
        Twin(
            "paper",
            "Kingma & Ba 2015, the end of section 2",
            adam_efficient,
            PLAIN,
            needs={"eps_hat": True},
            why="the order of Algorithm 1 is the default",
        ),
    ),
    "AdamW": (
        Twin(
            "paper",
            "Loshchilov & Hutter 2019, Algorithm 2",
            adam,
            (DECAY, ({"weight_decay": 0.1, "betas": (0.7, 0.98)}, {"lambda_": 0.1, "beta1": 0.7, "beta2": 0.98})),
            why="the paper's decay is its schedule's factor times lambda; here, as in PyTorch, times the rate",
        ),
    ),
    "AMSGrad": (
        Twin(
            "paper",
            "Reddi, Kale & Kumar 2018, Algorithm 2",
            amsgrad,
            (same(), BETAS),
            needs={"bias_correction": False, "eps": 0.0},
            why="PyTorch's form has both",
        ),
        Twin("authors", "torch/optim/adam.py, amsgrad=True", corrected_amsgrad, PLAIN),
    ),
    "Adamax": (
        Twin("paper", "Kingma & Ba 2015, Algorithm 2", adamax, (same(), BETAS), needs={"eps": 0.0}, why=EPSILON),
        Twin("authors", "torch/optim/adamax.py", adamax, (same(eps=1e-8), same(eps=1e-3))),
    ),
    "NAdam": (Twin("paper", "Dozat 2016, Algorithm 2 and section 3", nadam, NADAM),),
    "NAdamW": (Twin("paper", "Dozat 2016, Algorithm 2, with the decay of AdamW", nadam, (DECAY,)),),
    "RAdam": (
        Twin("authors", "torch/optim/radam.py", radam, (*PLAIN, ({"betas": (0.9, 0.9)}, {"beta2": 0.9}))),
        Twin(
            "paper",
            "Liu et al. 2020, Algorithm 2",
            radam,
            (({}, {"least": 4, "eps": 0.0}), ({"betas": (0.9, 0.9)}, {"beta2": 0.9, "least": 4, "eps": 0.0})),
            needs={"threshold": 4.0, "eps": 0.0},
            why="its authors' code, PyTorch and Optax switch at 5, and add an epsilon",
        ),
    ),
    "AdaBelief": (
        Twin(
            "paper",
            "Zhuang et al. 2020, Algorithm 2",
            adabelief,
            (same(), BETAS),
            needs={"eps": 1e-8, "eps_root": 1e-8},
            why="the authors' code has 1e-16",
        ),
        Twin(
            "authors",
            "juntang-zhuang/Adabelief-Optimizer, AdaBelief.py",
            adabelief,
            (same(eps=1e-16), ({"eps": 1e-3, "eps_root": 1e-4}, {"eps": 1e-3, "inside": 1e-4})),
        ),
    ),
    "Yogi": (
        Twin(
            "paper",
            "Zaheer et al. 2018, Algorithm 2",
            yogi,
            (same(), BETAS, same(eps=0.1)),
            needs={"bias_correction": False, "initial_accumulator": 0.0},
            why="Optax's defaults; there and here m starts at the accumulator too",
        ),
    ),
}
