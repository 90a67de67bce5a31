"""Rules that whiten a matrix from both sides: Shampoo, and Adam in Shampoo's eigenbasis (SOAP)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _tree
from fallline.optim._whole import adam, mean_square, over, squarable, sum_square
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["SOAP", "Shampoo"]

Hypers = Mapping[str, Any]


def sides(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of a tensor seen as the matrix (out, rest)."""
    rows = shape[0]
    return rows, int(np.prod(shape[1:]))


def eigen(rule: str, a: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return eigenvalues, the smallest first, and eigenvectors of a symmetric matrix.

    Of a matrix that is not finite they are NaN, which so reaches the parameter; of one where LAPACK fails, None, and a
    warning says so.
    """
    if not np.isfinite(a).all():
        return np.full(len(a), np.nan), np.full(a.shape, np.nan)
    try:
        values, vectors = np.linalg.eigh(a)
    except np.linalg.LinAlgError:
        size = " x ".join(map(str, a.shape))
        warnings.warn(
            f"[{rule}] LAPACK found no eigenvalues of a {size} matrix: the one of the step before stays, without this "
            "step's gradient",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return values, vectors


def inverse_fourth_root(rule: str, a: np.ndarray) -> np.ndarray | None:
    """Return a^(-1/4) of a positive matrix; None for failure.

    Eigenvalues below the rounding error of the largest are noise, also negative, and count as that error.
    """
    found = eigen(rule, a)
    if found is None:
        return None
    values, vectors = found
    values = np.maximum(values, values[-1] * len(a) * np.finfo(np.float64).eps)
    return np.asarray((vectors * over(1.0, values**0.25)) @ vectors.T)


class _Kronecker(TensorRule):
    """What both share: matrices are whitened, the rest takes a diagonal rule."""

    def routes(self, params: Any) -> dict[str, str]:
        """Return by path what a parameter gets: "matrix" or "diagonal"."""
        return {path: self._route(tuple(w.shape)) for path, w in _tree.flatten(params).items()}

    def _route(self, shape: tuple[int, ...]) -> str:
        largest = float(self.hyperparameters()["max_size"])
        return "matrix" if len(shape) > 1 and min(sides(shape)) > 0 and max(sides(shape)) <= largest else "diagonal"


class Shampoo(_Kronecker):
    r"""Whitened gradients: the full-matrix Adagrad of a matrix, approximated from both of its sides.

    .. math::
        L \leftarrow L + G G^T, \qquad R \leftarrow R + G^T G, \qquad W \leftarrow W - \alpha L^{-1/4} G R^{-1/4}

    with momentum on the whitened gradient. Weights of convolutions are taken as matrices (out, rest). Tensors with one
    axis, or a side above `max_size`, get Adagrad: `routes` tells.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        Of the velocity :math:`v \leftarrow \mu v + u` that w follows.
    eps
        Where both matrices start, times the identity; and inside Adagrad's root.
    max_size
        The longest side that is whitened.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    Notes
    -----
    Both matrices are float64 and so are their roots, which come from LAPACK's eigenvectors at every step: meant for
    layers of some hundred units. Where LAPACK fails, the matrix of the step before and its root stay, and a warning
    says so. They are not recorded: `update` takes plain arrays.

    References
    ----------
    Gupta, Koren & Singer 2018, "Shampoo: preconditioned stochastic tensor optimization", Algorithm 1. The paper's
    Algorithm 2 whitens every axis of a tensor, that of a vector too; the matrix (out, rest) needs two roots for any
    tensor, and Adagrad none for a vector.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros((2, 2))
    >>> Shampoo(0.1, eps=1e-12).step(w, np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> w.round(6) + 0.0
    array([[-0.1,  0. ],
           [ 0. , -0.1]])
    """

    wide = ("left", "right")
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-2, "nonnegative"),
        ("momentum", 0.0, "unit"),
        ("eps", 1e-6, "nonnegative"),
        ("max_size", 1024.0, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a velocity and both sides, or a sum of squares."""
        if self._route(shape) == "diagonal":
            return {"u": shape, "v": shape}
        rows, columns = sides(shape)
        return {"u": shape, "left": (rows, rows), "right": (columns, columns)}

    def start(self, slot: str, w: np.ndarray) -> Any:
        """Start the sides at eps times the identity."""
        eps = self.hyperparameters()["eps"]
        sizes = dict(zip(("left", "right"), sides(w.shape), strict=True)) if w.ndim > 1 else {}
        return eps * np.eye(sizes[slot]) if slot in sizes else 0.0

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Add to both sides, whiten, follow the velocity."""
        if "v" in s:
            g = squarable(g)
            kept = {"v": sum_square(s["v"], g)}
            step = over(g, np.sqrt(kept["v"] + h["eps"]))
        else:
            a = np.reshape(g, sides(w.shape)).astype(np.float64)
            left, left_root = self._grown(s["left"], a @ a.T)
            right, right_root = self._grown(s["right"], a.T @ a)
            kept = {"left": left, "right": right}
            step = np.reshape(left_root @ a @ right_root, w.shape).astype(g.dtype)
        u = h["momentum"] * s["u"] + step
        return w - h["lr"] * u, {"u": u, **kept}

    def _grown(self, old: np.ndarray, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return old + gram and its root, or the old ones where that cannot be decomposed."""
        root = inverse_fourth_root(self._name, old + gram)
        if root is not None:
            return old + gram, root
        root = inverse_fourth_root(self._name, old)
        return old, np.full(old.shape, np.nan) if root is None else root


class SOAP(_Kronecker):
    r"""Adam in the eigenbasis of Shampoo's matrices.

    .. math::
        L \leftarrow \beta_2 L + (1 - \beta_2)\, G G^T, \quad R \leftarrow \beta_2 R + (1 - \beta_2)\, G^T G, \quad
        G' = Q_L^T G Q_R \\
        V \leftarrow \beta_2 V + (1 - \beta_2)\, G'^2, \qquad
        W \leftarrow W - \alpha\, Q_L \frac{\hat M'}{\sqrt{\hat V} + \epsilon} Q_R^T, \quad M' = Q_L^T M Q_R

    where M is the mean of the gradients. The bases are eigenvectors at first; every `frequency` steps their columns
    (and V) are sorted by what they measure, and one power iteration and a QR decomposition bring them up to date. The
    first call only sets them up: no parameter moves. Tensors with one axis, or a side above `max_size`, get Adam:
    `routes` tells.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas, eps
        :math:`\beta_1, \beta_2, \epsilon`.
    eps_hat
        Correct :math:`\epsilon` as V is, as in the authors' code.
    frequency
        How many steps a basis is kept.
    max_size
        The longest side that gets a basis.
    weight_decay, l2, maximize
        As in :class:`SGD`; the decay is 0.01 and comes after the step, as in the authors' code.

    Notes
    -----
    Bases come from LAPACK, in float64, and are not recorded: `update` takes plain arrays. Where LAPACK fails at the
    first step, the basis stays the identity, and a warning says so.

    References
    ----------
    Vyas et al. 2024, "SOAP: improving and stabilizing Shampoo using Adam", Algorithm 3, and the authors' code
    (nikhilvyas/SOAP), which this equals on matrices and vectors. The code gives every axis of a tensor a basis of its
    own, and none to an axis that is too long; here weights of convolutions are matrices (out, rest), which have two.

    Examples
    --------
    >>> import numpy as np
    >>> SOAP().routes({"weight": np.zeros((3, 2)), "bias": np.zeros(3)})
    {'weight': 'matrix', 'bias': 'diagonal'}
    """

    wide = ("left", "right")
    decays_first = False
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 3e-3, "nonnegative"),
        ("beta1", 0.95, "unit"),
        ("beta2", 0.95, "unit"),
        ("eps", 1e-8, "nonnegative"),
        ("eps_hat", 1.0, "flag"),
        ("frequency", 10.0, "nonnegative"),
        ("max_size", 10000.0, "nonnegative"),
        ("weight_decay", 0.01, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep two moments; of matrices both sides and both bases too."""
        moments = {"m": shape, "v": shape}
        if self._route(shape) == "diagonal":
            return moments
        rows, columns = sides(shape)
        left, right = (rows, rows), (columns, columns)
        return {**moments, "left": left, "right": right, "left_basis": left, "right_basis": right}

    def start(self, slot: str, w: np.ndarray) -> Any:
        """Start the bases at the identity."""
        sizes = dict(zip(("left_basis", "right_basis"), sides(w.shape), strict=True)) if w.ndim > 1 else {}
        return np.eye(sizes[slot]) if slot in sizes else 0.0

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Adam, where the second moment lives in the eigenbasis."""
        g = squarable(g)
        if t == 1:  # so that no gradient is measured in a basis made of it
            return w, s if "left" not in s else {**s, **self._first_bases(self._sides(h, g, s))}
        ql, qr = (s["left_basis"], s["right_basis"]) if "left" in s else (None, None)
        m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g
        v = mean_square(h["beta2"], s["v"], rotated(g, ql, qr))
        step = adam(h, t - 1, rotated(m, ql, qr), v, h["eps"], eps_hat=h["eps_hat"])
        w = w - h["lr"] * rotated(step, *(q if q is None else q.T for q in (ql, qr)))
        w = w - h["lr"] * h["weight_decay"] * w
        kept = {**s, "m": m, "v": v}
        if ql is not None:
            kept |= self._sides(h, g, s)
            if (t - 1) % max(1, int(h["frequency"])) == 0:
                kept |= self._next_bases(kept)
        return w, kept

    def _sides(self, h: Hypers, g: Any, s: Slots) -> Slots:
        a = np.reshape(g, sides(g.shape)).astype(np.float64)
        grams = {"left": a @ a.T, "right": a.T @ a}
        return {name: h["beta2"] * s[name] + (1 - h["beta2"]) * gram for name, gram in grams.items()}

    def _first_bases(self, grams: Slots) -> Slots:
        found = {name: eigen(self._name, gram) for name, gram in grams.items()}
        return grams | {f"{name}_basis": pair[1][:, ::-1] for name, pair in found.items() if pair is not None}

    def _next_bases(self, s: Slots) -> Slots:
        """Sort by the eigenvalues that the old bases measure, then a power iteration. The authors' code."""
        new, orders = {}, []
        for name in ("left", "right"):
            q = s[f"{name}_basis"].astype(np.float64)
            orders.append(np.argsort(-np.diag(q.T @ s[name] @ q), kind="stable"))
            new[f"{name}_basis"] = np.linalg.qr(s[name] @ q[:, orders[-1]])[0]
        v = np.reshape(s["v"], [len(order) for order in orders])[np.ix_(*orders)]
        return {**new, "v": np.reshape(v, s["v"].shape)}


def rotated(m: Any, ql: Any, qr: Any) -> Any:
    """Return Q_L^T M Q_R in the shape of m; m itself where there are no bases."""
    return m if ql is None else np.reshape(ql.T @ np.reshape(m, (len(ql), len(qr))) @ qr, m.shape)
