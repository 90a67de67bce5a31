"""Linear algebra with derivatives: norms, powers and products, and the decompositions of `_decompositions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline._decompositions import (
    cholesky,
    column,
    det,
    eigh,
    eigvalsh,
    inv,
    lstsq,
    pinv,
    qr,
    slogdet,
    solve,
    svd,
    svdvals,
    to_float,
)
from fallline._hints import module_names

__all__ = [
    "cholesky",
    "cond",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "trace",
    "vector_norm",
]


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Array:
    r"""Return :math:`(\sum |x|^p)^{1/p}` over axes, for p = `ord`; inf and -inf give the largest and smallest.

    An `ord` of 0 counts what is not zero. At zero the derivative is 0.
    """
    x = to_float(x)
    size = _ops.abs(x)
    if ord == np.inf:
        return _ops.max(size, axis, keepdims=keepdims)
    if ord == -np.inf:
        return _ops.min(size, axis, keepdims=keepdims)
    if ord == 0:
        return _ops.sum(_ops.astype(x != 0, x.dtype), axis, keepdims=keepdims)
    if ord == 1:
        return _ops.sum(size, axis, keepdims=keepdims)
    if ord == 2:
        return _ops.root_of_sum(_ops.sum(_ops.square(x), axis, keepdims=keepdims))
    nonzero = size != 0
    powers = _ops.where(nonzero, _ops.power(_ops.where(nonzero, size, 1), ord), 0.0 if ord > 0 else np.inf)
    total = _ops.sum(powers, axis, keepdims=keepdims)
    inside = _ops.isfinite(total) & (total != 0)
    return _ops.where(inside, _ops.power(_ops.where(inside, total, 1), 1 / ord), 0.0)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Return a norm of matrices: 'fro', 'nuc', 1, 2, inf, or one of -1, -2, -inf."""
    x = to_float(x)
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        found = _ops.sum(values, -1) if ord == "nuc" else _ops.max(values, -1) if ord == 2 else _ops.min(values, -1)
    elif ord in (1, -1, np.inf, -np.inf):
        sums = _ops.sum(_ops.abs(x), -2 if abs(ord) == 1 else -1)
        found = _ops.max(sums, -1) if ord > 0 else _ops.min(sums, -1)
    else:
        raise ValueError(f"[linalg.matrix_norm] expected 'fro', 'nuc', 1, 2, inf, -1, -2 or -inf, got {ord!r}")
    return column(column(found)) if keepdims else found


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Return NumPy's norm: of all elements, of vectors along an axis, or of matrices along two."""
    x = to_float(x)
    if axis is None and ord is None:
        found = vector_norm(x)
        return _ops.reshape(found, (1,) * x.ndim) if keepdims else found
    if axis is None:
        axis = tuple(range(x.ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1 or (ord is None and len(axes) == 2):
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"[linalg.norm] a norm of order {ord!r} is one of vectors or matrices, got {len(axes)} axes")
    places = [a % x.ndim for a in axes]
    rest = [i for i in range(x.ndim) if i not in places]
    found = matrix_norm(_ops.permute_dims(x, [*rest, *places]), ord=ord)
    if not keepdims:
        return found
    return _ops.reshape(found, [1 if i in places else n for i, n in enumerate(x.shape)])


def trace(x: Any, /, *, offset: int = 0) -> Array:
    """Return the sum along a diagonal of the last two axes."""
    x = asarray(x)
    return _ops.sum(x * np.eye(x.shape[-2], x.shape[-1], offset, dtype=x.dtype), (-2, -1))


def matrix_power(x: Any, n: int, /) -> Array:
    """Return a square matrix multiplied n times with itself; its inverse where n is negative."""
    x = asarray(x)
    if n < 0:
        x, n = inv(x), -n
    found: Array | None = None
    while n:
        if n & 1:
            found = x if found is None else found @ x
        n >>= 1
        x = x @ x if n else x
    return found if found is not None else x * 0 + np.eye(x.shape[-1], dtype=x.dtype)


def multi_dot(arrays: Sequence[Any], /) -> Array:
    """Return the product of several matrices, in the order that takes the fewest operations for three."""
    first, *rest = (asarray(a) for a in arrays)
    if len(rest) == 2 and all(a.ndim == 2 for a in (first, *rest)):
        (a, b), (c, d) = first.shape, rest[1].shape
        if a * b * c + a * c * d > b * c * d + a * b * d:
            return first @ (rest[0] @ rest[1])
    for other in rest:
        first = first @ other
    return first


def cond(x: Any, p: Any = None, /) -> Array:
    """Return the condition number: the largest singular value by the smallest, or a norm times that of the inverse."""
    if p in (None, 2, -2):
        values = svdvals(x)
        return values[..., 0] / values[..., -1] if p != -2 else values[..., -1] / values[..., 0]
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


def matrix_rank(x: Any, /) -> Array:
    """Return how many singular values are not zero but for rounding."""
    return asarray(np.linalg.matrix_rank(np.asarray(_core.detach(asarray(x)))))


__getattr__, __dir__ = module_names(__name__)
