"""Inverses and decompositions of matrices: values by NumPy on shared memory, derivatives by the formulas below.

Formulas: Giles 2008, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation";
Murray 2016, "Differentiation of the Cholesky decomposition"; Townsend 2016, "Differentiating the singular value
decomposition"; Walter & Lehmann 2010, "Algorithmic differentiation of linear algebra functions" (QR); Golub & Pereyra
1973 (pseudo-inverse). In their letters: a bar over a letter is a ``g``. All work on stacks of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray

__all__ = [
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
]

Pull = Callable[[list[Array], list[Array], list[Array]], Sequence[Any]]


def _borrowed(name: str, forward: Callable[..., Any], pull: Pull) -> Callable[..., list[Array]]:
    """Return NumPy's function on arrays; ``pull(inputs, outputs, gradients of these)`` gives those of the inputs."""

    def call(*given: Any) -> list[Array]:
        inputs = [to_float(x) for x in given]
        for x in inputs:
            _core.check_readable(x, f"linalg.{name}")
        found = forward(*(np.asarray(_core.detach(x)) for x in inputs))
        outs = [asarray(np.asarray(y)) for y in (found if isinstance(found, tuple) else (found,))]
        if not _core.is_recording() or not any(x._tracked for x in inputs):
            return outs

        def back(inputs: list[Array], kept: list[Array], gs: list[Array | None]) -> Sequence[Any]:
            outs = call(*inputs) if any(x._tracked for x in inputs) else kept
            full = [_ops.zeros_like(y) if g is None else g for y, g in zip(outs, gs, strict=True)]
            return pull(inputs, outs, full)

        return list(_core.remember_custom(inputs, [*outs, *outs], len(outs), back))

    return call


def _t(x: Array) -> Array:
    return _ops.matrix_transpose(x)


def to_float(x: Any) -> Array:
    """Return floats as they are, and anything else in the default dtype."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else _core.astype(x, _core.default_dtype())


def _triangle(x: Array, k: int = 0) -> Array:
    """Return x below and on its k-th diagonal, zeros above."""
    return x * np.tri(x.shape[-2], x.shape[-1], k, dtype=x.dtype)


def _eye(x: Array) -> Array:
    return asarray(np.eye(x.shape[-1], dtype=x.dtype))


def _diagonal(x: Array) -> Array:
    """Return a matrix with x on its diagonal."""
    return _ops.expand_dims(x, -1) * np.eye(x.shape[-1], dtype=x.dtype)


def column(x: Array) -> Array:
    """Return x with a further axis at the end."""
    return _ops.expand_dims(x, -1)


def _row(x: Array) -> Array:
    return _ops.expand_dims(x, -2)


def _differences(x: Array) -> Array:
    """Return 1 / (x_j - x_i), and 0 where i = j."""
    d = _row(x) - column(x) + np.eye(x.shape[-1], dtype=x.dtype)
    return asarray(1 - np.eye(x.shape[-1], dtype=x.dtype)) / d


def _of_lower(s: Array) -> Array:
    """Return the derivative by a symmetric matrix as one by its lower triangle, which alone is read."""
    return _triangle(s + _t(s), -1) + s * np.eye(s.shape[-1], dtype=s.dtype)


# ----- inverses and determinants -----

# Giles 2.2.3: A^-1 = C, A_ = -C^T C_ C^T
_inv = _borrowed("inv", np.linalg.inv, lambda x, y, g: [-(_t(y[0]) @ g[0] @ _t(y[0]))])
# Giles 2.2.4: d det A = det A tr(A^-1 dA)
_det = _borrowed("det", np.linalg.det, lambda x, y, g: [column(column(g[0] * y[0])) * _t(inv(x[0]))])
_slogdet = _borrowed(
    "slogdet", lambda a: tuple(np.linalg.slogdet(a)), lambda x, y, g: [column(column(g[1])) * _t(inv(x[0]))]
)


def _pull_solve(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    """Giles 2.3.1: A X = B, B_ = A^-T X_, A_ = -B_ X^T."""
    b = solve(_t(x[0]), g[0])
    if x[1].ndim == 1:
        return [-column(b) * _row(y[0]), b]
    return [-(b @ _t(y[0])), b]


_solve = _borrowed("solve", np.linalg.solve, _pull_solve)


def inv(x: Any, /) -> Array:
    """Return the inverse of a square matrix, or of each in a stack."""
    return _inv(x)[0]


def det(x: Any, /) -> Array:
    """Return the determinant; its derivative needs an inverse."""
    return _det(x)[0]


class Slogdet(NamedTuple):
    """A determinant as its sign and the logarithm of its absolute value."""

    sign: Array
    logabsdet: Array


def slogdet(x: Any, /) -> Slogdet:
    """Return the sign of the determinant and the logarithm of its absolute value, without overflow."""
    sign, logarithm = _slogdet(x)
    return Slogdet(_ops.stop_gradient(sign), logarithm)


def solve(a: Any, b: Any, /) -> Array:
    """Return x with ``a @ x = b``, for a vector b or a matrix of columns."""
    return _solve(a, b)[0]


# Golub & Pereyra: dP = -P dA P + P P^T dA^T (1 - A P) + (1 - P A) dA^T P^T P
def _pull_pinv(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    a, p, g_t = x[0], y[0], _t(g[0])
    left, right = a @ p, p @ a
    return [-(_t(p) @ g[0] @ _t(p)) + (_eye(left) - left) @ g_t @ p @ _t(p) + _t(p) @ p @ g_t @ (_eye(right) - right)]


_pinv = _borrowed("pinv", np.linalg.pinv, _pull_pinv)


def pinv(x: Any, /) -> Array:
    """Return the pseudo-inverse of Moore and Penrose. It has a derivative where the rank does not change."""
    return _pinv(x)[0]


def lstsq(a: Any, b: Any, /) -> Array:
    """Return the x of least ``norm(a @ x - b)``, and among those the shortest."""
    return _ops.matmul(pinv(a), b)


# ----- decompositions -----


def _pull_cholesky(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    """Murray, equation 10: the lower triangle of L^T L_ with half its diagonal, between L^-T and L^-1."""
    lower = y[0]
    p = _t(lower) @ g[0]
    p = _triangle(p) - p * np.eye(p.shape[-1], dtype=p.dtype) / 2
    s = solve(_t(lower), _t(solve(_t(lower), _t(p))))
    return [_of_lower((s + _t(s)) / 2)]


_cholesky = _borrowed("cholesky", np.linalg.cholesky, _pull_cholesky)


def cholesky(x: Any, /, *, upper: bool = False) -> Array:
    """Return the lower L with ``L @ L.T = x``, of whose symmetric x the lower triangle is read; or its transpose."""
    found = _cholesky(x)[0]
    return _t(found) if upper else found


def _pull_eigh(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    """Giles 3.1: A_ = V (diag(w_) + F o (V^T V_)) V^T, F_ij = 1 / (w_j - w_i)."""
    w, v = y
    s = v @ (_diagonal(g[0]) + _differences(w) * (_t(v) @ g[1])) @ _t(v)
    return [_of_lower((s + _t(s)) / 2)]


_eigh = _borrowed("eigh", lambda a: tuple(np.linalg.eigh(a)), _pull_eigh)
_eigvalsh = _borrowed(
    "eigvalsh",
    np.linalg.eigvalsh,
    lambda x, y, g: [_of_lower(_v_diagonal_v(eigh(x[0]).eigenvectors, g[0]))],
)


def _v_diagonal_v(v: Array, w: Array) -> Array:
    return (v * _row(w)) @ _t(v)


class Eigh(NamedTuple):
    """Eigenvalues, smallest first, and the matrix whose columns are the eigenvectors."""

    eigenvalues: Array
    eigenvectors: Array


def eigh(x: Any, /) -> Eigh:
    """Return eigenvalues and eigenvectors of a symmetric matrix, whose lower triangle is read.

    Vectors have a derivative where the values differ.
    """
    return Eigh(*_eigh(x))


def eigvalsh(x: Any, /) -> Array:
    """Return the eigenvalues of a symmetric matrix, smallest first."""
    return _eigvalsh(x)[0]


def _pull_svd(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    """Townsend, equations 12 to 14 for real A = U S V^T, turned around."""
    u, s, v_t = y
    v, gv = _t(v_t), _t(g[2])
    f = _differences(s * s)
    j, k = f * (_t(u) @ g[0]), f * (_t(v) @ gv)
    middle = (j + _t(j)) * _row(s) + column(s) * (k + _t(k)) + _diagonal(g[1])
    found = u @ middle @ v_t
    if u.shape[-2] > u.shape[-1]:
        found = found + ((g[0] - u @ (_t(u) @ g[0])) / _row(s)) @ v_t
    if v.shape[-2] > v.shape[-1]:
        found = found + (u / _row(s)) @ _t(gv - v @ (_t(v) @ gv))
    return [found]


_svd = _borrowed("svd", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), _pull_svd)


def _pull_svdvals(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    u, _, v_t = svd(x[0])
    return [(u * _row(g[0])) @ v_t]


_svdvals = _borrowed("svdvals", lambda a: np.linalg.svd(a, compute_uv=False), _pull_svdvals)


class SVD(NamedTuple):
    """Left singular vectors as columns, singular values, largest first, right singular vectors as rows."""

    U: Array
    S: Array
    Vh: Array


def svd(x: Any, /, *, full_matrices: bool = False) -> SVD:
    """Return the singular value decomposition ``U @ diag(S) @ Vh``, of as many columns as there are values.

    It has a derivative where the singular values differ and are not zero. The vectors beyond, which `full_matrices`
    asks for, are not unique and have none.
    """
    if not full_matrices or asarray(x).shape[-1] == asarray(x).shape[-2]:
        return SVD(*_svd(x))
    if asarray(x)._tracked and _core.is_recording():
        raise _core.TapeError("[linalg.svd] with full_matrices=True there is no derivative: the vectors are not unique")
    return SVD(*map(asarray, np.linalg.svd(np.asarray(to_float(x)))))


def svdvals(x: Any, /) -> Array:
    """Return the singular values, largest first."""
    return _svdvals(x)[0]


def _pull_qr(x: list[Array], y: list[Array], g: list[Array]) -> list[Array]:
    """Walter & Lehmann: A_ = (Q_ + Q M') R^-T, M' the symmetric matrix with the lower triangle of R R_^T - Q_^T Q."""
    a, (q, r), (gq, gr) = x[0], y, g
    m, n = a.shape[-2:]
    if m >= n:
        return [_pull_square_r(q, r, gq, gr)]
    u, gu, gv = r[..., :m], gr[..., :m], gr[..., m:]  # A = (X, Y) = Q (U, V)
    gx = _pull_square_r(q, u, gq + a[..., m:] @ _t(gv), gu)
    return [_ops.concat([gx, q @ gv], axis=-1)]


def _pull_square_r(q: Array, r: Array, gq: Array, gr: Array) -> Array:
    m = r @ _t(gr) - _t(gq) @ q
    symmetric = _triangle(m) + _t(_triangle(m, -1))
    return _t(solve(r, _t(gq + q @ symmetric)))


_qr = _borrowed("qr", lambda a: tuple(np.linalg.qr(a)), _pull_qr)


class QR(NamedTuple):
    """A matrix with orthogonal columns, and an upper triangle."""

    Q: Array
    R: Array


def qr(x: Any, /, *, mode: str = "reduced") -> QR:
    """Return orthogonal columns Q and an upper triangle R with ``Q @ R = x``. It needs full rank for a derivative."""
    if mode != "reduced":
        raise ValueError(f"[linalg.qr] expected mode='reduced', got {mode!r}")
    return QR(*_qr(x))
