"""Rules that decompose matrices, or make them orthogonal."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from twins.row import Path, Twin, same


def zeropower(g: Any, least: float, eps: float) -> Any:
    """zeropower_via_newtonschulz5, but in float64."""
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (max(np.linalg.norm(x), least) + eps)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def muon(
    w: Any,
    lr: float,
    beta: float = 0.95,
    nesterov: bool = True,
    decay: float = 0.0,
    eps: float = 1e-7,
    least: float = 0.0,  # as in PyTorch
    match_rms: bool = False,  # Liu et al. 2025, eq. (4)
) -> Path:
    momentum: Any = 0.0
    for _ in count():
        g = yield w
        momentum = momentum + (1 - beta) * (g - momentum)
        u = g + beta * (momentum - g) if nesterov else momentum
        u = zeropower(u.reshape(len(u), -1), least, eps)
        u = u * (0.2 * np.sqrt(max(u.shape)) if match_rms else np.sqrt(max(1, u.shape[0] / u.shape[1])))
        w = w * (1 - lr * decay) - lr * u.reshape(w.shape)


def muon_vector(
    p: Any, _: float, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, decay: float = 0.0
) -> Path:
    """adam_update of the code, for what is no hidden matrix."""
    m, v = 0.0, 0.0
    for t in count(1):
        g = yield p
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        p = p * (1 - lr * decay)
        p = p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def root(a: Any) -> Any:
    """A^(-1/4), as two square roots of the singular values."""
    u, s, _ = np.linalg.svd(a, hermitian=True)
    return u @ np.diag(1 / np.sqrt(np.sqrt(s))) @ u.T


def shampoo(w: Any, lr: float, eps: float = 1e-6, momentum: float = 0.0) -> Path:
    """The momentum is that of section 5, on the whitened gradient."""
    shape, rows = w.shape, len(w)
    left, right, u = eps * np.eye(rows), eps * np.eye(w.size // rows), 0.0
    for _ in count():
        g = (yield w).reshape(rows, -1)
        left, right = left + g @ g.T, right + g.T @ g
        u = momentum * u + root(left) @ g @ root(right)
        w = w - lr * u.reshape(shape)


def adagrad(w: Any, lr: float, eps: float = 1e-6, momentum: float = 0.0) -> Path:
    """What a vector gets: the diagonal of Algorithm 2's matrix."""
    h, u = eps, 0.0
    for _ in count():
        g = yield w
        h = h + g**2
        u = momentum * u + g / np.sqrt(h)
        w = w - lr * u


def soap(
    p: Any,
    lr: float,
    betas: tuple[float, float] = (0.95, 0.95),
    eps: float = 1e-8,
    frequency: int = 10,
    decay: float = 0.01,
    paper: bool = False,  # eps beside the corrected root
) -> Path:
    """Of a matrix, or of a vector, which has no bases. exp_avg is kept in the bases."""
    grams = [np.zeros((n, n)) for n in p.shape] if p.ndim > 1 else []
    bases: list[Any] = []
    m, v = np.zeros_like(p), np.zeros_like(p)

    def project(x: Any, back: bool = False) -> Any:
        for q in bases:
            x = np.tensordot(x, q, ((0,), (1 if back else 0,)))
        return x

    def update(g: Any) -> None:
        for i, outer in enumerate((g @ g.T, g.T @ g) if grams else ()):
            grams[i] = betas[1] * grams[i] + (1 - betas[1]) * outer

    g = yield p
    update(g)
    bases = [np.linalg.eigh(gram)[1][:, ::-1] for gram in grams]
    for t in count(1):
        g = yield p
        projected = project(g)
        m = betas[0] * m + (1 - betas[0]) * projected
        v = betas[1] * v + (1 - betas[1]) * projected**2
        c1, c2 = 1 - betas[0] ** t, 1 - betas[1] ** t
        step = m / c1 / (np.sqrt(v / c2) + (eps if paper else eps / np.sqrt(c2)))
        p = p - lr * project(step, back=True)
        p = p - lr * decay * p
        m = project(m, back=True)
        update(g)
        if t % frequency == 0:
            for i, gram in enumerate(grams):
                order = np.argsort(-np.diag(bases[i].T @ gram @ bases[i]))
                v = np.take(v, order, axis=i)
                bases[i] = np.linalg.qr(gram @ bases[i][:, order])[0]
        m = project(m)


MUON = (
    same(),
    ({"momentum": 0.5, "nesterov": False}, {"beta": 0.5, "nesterov": False}),
    ({"weight_decay": 0.1}, {"decay": 0.1}),
    same(match_rms=True),
    same(eps=0.1),
    ({"add_eps": False, "eps": 100.0}, {"least": 100.0, "eps": 0.0}),
)
SHAMPOO = (same(), same(momentum=0.9), same(eps=1e-2))
SOAP = (
    same(eps=0.1),
    same(eps=0.1, betas=(0.5, 0.9), frequency=3),
    ({"eps": 0.1, "weight_decay": 0.0}, {"eps": 0.1, "decay": 0.0}),
    ({"eps": 0.1, "eps_hat": False}, {"eps": 0.1, "paper": True}),
)
TWINS: dict[str, tuple[Twin, ...]] = {
    "Muon": tuple(
        Twin(
            "authors",
            f"KellerJordan/Muon, muon.py, shape {shape}",
            muon,
            MUON,
            {"weight_decay": 0.0, "add_eps": True},
            "PyTorch decays by 0.1, and bounds the length from below where the authors add 1e-7",
            shape=shape,
        )
        for shape in ((6, 4), (4, 6), (4, 3, 2, 2))
    )
    + (
        Twin(
            "authors",
            "KellerJordan/Muon, adam_update",
            muon_vector,
            (
                same(),
                (
                    {"vector_lr": 1e-2, "betas": (0.5, 0.9), "vector_eps": 0.1, "weight_decay": 0.1},
                    {"lr": 1e-2, "betas": (0.5, 0.9), "eps": 0.1, "decay": 0.1},
                ),
            ),
            {"weight_decay": 0.0},
            "PyTorch decays by 0.1",
            shape=(7,),
        ),
    ),
    "Shampoo": (
        Twin("paper", "Gupta et al. 2018, Algorithm 1", shampoo, SHAMPOO),
        Twin("paper", "Gupta et al. 2018, Algorithm 1, as the matrix (out, rest)", shampoo, SHAMPOO, shape=(4, 3, 2)),
        Twin("paper", "Duchi et al. 2011, for vectors", adagrad, SHAMPOO, shape=(7,)),
    ),
    "SOAP": (
        Twin("authors", "nikhilvyas/SOAP, soap.py", soap, SOAP),
        Twin("authors", "nikhilvyas/SOAP, soap.py, vectors", soap, (same(), *SOAP), shape=(7,)),
        Twin(
            "authors",
            "nikhilvyas/SOAP, soap.py, with its eps of 1e-8",
            soap,
            near=2e-8,  # in directions that no gradient has, rounding is divided by eps
        ),
    ),
}
