"""Rules that whiten a matrix from both sides: Shampoo, and Adam in Shampoo's eigenbasis (SOAP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _tree
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["SOAP", "Shampoo"]

Hypers = Mapping[str, Any]


def sides(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of a tensor seen as the matrix (out, rest)."""
    rows = shape[0]
    return rows, int(np.prod(shape[1:]))


def power(a: np.ndarray, exponent: float, least: float) -> np.ndarray:
    """Return a symmetric matrix to a power; eigenvalues count as `least` at least."""
    values, vectors = np.linalg.eigh(a)
    return np.asarray((vectors * np.maximum(values, least) ** exponent) @ vectors.T)


class _Kronecker(TensorRule):
    """What both share: matrices are whitened, the rest takes a diagonal rule."""

    def routes(self, params: Any) -> dict[str, str]:
        """Return by path what a parameter gets: "matrix" or "diagonal"."""
        return {path: self._route(tuple(w.shape)) for path, w in _tree.flatten(params).items()}

    def _route(self, shape: tuple[int, ...]) -> str:
        largest = float(self.hyperparameters()["max_size"])
        return "matrix" if len(shape) > 1 and 0 < max(sides(shape)) <= largest else "diagonal"


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
    Roots come from LAPACK's eigenvectors, in float64, at every step: meant for layers of some hundred units. They are
    not recorded: `update` takes plain arrays.

    References
    ----------
    Gupta, Koren & Singer 2018, "Shampoo: preconditioned stochastic tensor optimization", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros((2, 2))
    >>> Shampoo(0.1, eps=1e-12).step(w, np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> w.round(6) + 0.0
    array([[-0.1,  0. ],
           [ 0. , -0.1]])
    """

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
            kept = {"v": s["v"] + g * g}
            step = g / np.sqrt(kept["v"] + h["eps"])
        else:
            a = np.reshape(g, sides(w.shape)).astype(np.float64)
            kept = {"left": s["left"] + a @ a.T, "right": s["right"] + a.T @ a}
            roots = [power(kept[name].astype(np.float64), -0.25, 1e-30) for name in ("left", "right")]
            step = np.reshape(roots[0] @ a @ roots[1], w.shape).astype(g.dtype)
        u = h["momentum"] * s["u"] + step
        return w - h["lr"] * u, {"u": u, **kept}


class SOAP(_Kronecker):
    r"""Adam in the eigenbasis of Shampoo's matrices.

    .. math::
        L \leftarrow \beta_2 L + (1 - \beta_2)\, G G^T, \quad R \leftarrow \beta_2 R + (1 - \beta_2)\, G^T G, \quad
        G' = Q_L^T G Q_R \\
        V \leftarrow \beta_2 V + (1 - \beta_2)\, G'^2, \qquad
        W \leftarrow W - \alpha\, Q_L \frac{\hat M'}{\sqrt{\hat V} + \epsilon} Q_R^T, \quad M' = Q_L^T M Q_R

    where M is the mean of the gradients. The bases are eigenvectors at first; every `frequency` steps one power
    iteration and a QR decomposition bring them up to date. The first call only sets them up. Weights of convolutions
    are taken as matrices (out, rest). Tensors with one axis, or a side above `max_size`, get Adam: `routes` tells.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas, eps
        :math:`\beta_1, \beta_2, \epsilon`.
    frequency
        How many steps a basis is kept.
    max_size
        The longest side that gets a basis.
    weight_decay, l2, maximize
        As in :class:`SGD`; the decay is 0.01 as in the authors' code.

    Notes
    -----
    Bases come from LAPACK and are not recorded: `update` takes plain arrays.

    References
    ----------
    Vyas et al. 2024, "SOAP: improving and stabilizing Shampoo using Adam", Algorithm 3.

    Examples
    --------
    >>> import numpy as np
    >>> SOAP().routes({"weight": np.zeros((3, 2)), "bias": np.zeros(3)})
    {'weight': 'matrix', 'bias': 'diagonal'}
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 3e-3, "nonnegative"),
        ("beta1", 0.95, "unit"),
        ("beta2", 0.95, "unit"),
        ("eps", 1e-8, "nonnegative"),
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

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Adam, where the second moment lives in the eigenbasis."""
        if "left" not in s:
            step, kept = self._adam(h, t, g, g, s, lambda m: m)
            return w - step, kept
        a = np.reshape(g, sides(w.shape))
        left = h["beta2"] * s["left"] + (1 - h["beta2"]) * (a @ a.T)
        right = h["beta2"] * s["right"] + (1 - h["beta2"]) * (a.T @ a)
        grams = {"left": left, "right": right}
        if t == 1:
            first = {f"{n}_basis": np.linalg.eigh(x)[1][:, ::-1].astype(x.dtype) for n, x in grams.items()}
            return w, {"m": s["m"], "v": s["v"], **grams, **first}
        ql, qr = s["left_basis"], s["right_basis"]

        def rotate(m: Any) -> Any:
            return np.reshape(ql.T @ np.reshape(m, a.shape) @ qr, w.shape)

        step, kept = self._adam(h, t - 1, g, rotate(g), s, rotate)
        step = np.reshape(ql @ np.reshape(step, a.shape) @ qr.T, w.shape)
        bases = [ql, qr]
        if (t - 1) % max(1, int(h["frequency"])) == 0:
            bases = [np.linalg.qr(x @ q)[0].astype(x.dtype) for x, q in ((left, ql), (right, qr))]
        return w - step, {**kept, **grams, "left_basis": bases[0], "right_basis": bases[1]}

    def _adam(self, h: Hypers, t: int, g: Any, rotated: Any, s: Slots, rotate: Any) -> tuple[Any, Slots]:
        m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g
        v = h["beta2"] * s["v"] + (1 - h["beta2"]) * (rotated * rotated)
        root = np.sqrt(v / (1 - h["beta2"] ** t)) + h["eps"]
        return h["lr"] / (1 - h["beta1"] ** t) * rotate(m) / root, {"m": m, "v": v}
