"""NumPy's functions that are compositions of ours, looked up where `_numpy` has no row: in plans, with derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import _core, _moves, _ops, linalg
from fallline._array import Array, asarray
from fallline._decompositions import to_float
from fallline._moves import along, at_least, axis_of, diagonal, flip, moveaxis, pad
from fallline._products import cross, einsum, inner, kron, tensordot

# ----- elementwise -----


def _borrowed(name: str, derivative: Callable[[Array], Array]) -> Callable[[Any], Array]:
    """Return NumPy's function of one argument: its values outside of plans, its derivative in ours."""
    theirs = getattr(np, name)

    def call(x: Any) -> Array:
        x = to_float(x)
        _core.check_readable(x, name)
        found = asarray(np.asarray(theirs(np.asarray(_core.detach(x)))))
        if not _core.is_recording() or not x._tracked:
            return found
        (out,) = _core.remember_custom([x], [found], 1, lambda x, _, g: [g[0] * derivative(x[0])])
        return out

    return call


arctan = _borrowed("arctan", lambda x: 1 / (1 + x * x))
arcsin = _borrowed("arcsin", lambda x: 1 / _ops.sqrt(1 - x * x))
arccos = _borrowed("arccos", lambda x: -1 / _ops.sqrt(1 - x * x))
cbrt = _borrowed("cbrt", lambda x: _third_of_root(x))


def _third_of_root(x: Array) -> Array:
    return cbrt(x) / (3 * x)


def tan(x: Any) -> Array:
    x = to_float(x)
    return _ops.sin(x) / _ops.cos(x)


def sinh(x: Any) -> Array:
    less = _ops.expm1(_ops.abs(to_float(x)))  # exact near 0
    half = _ops.where(_ops.isfinite(less), (less + less / (less + 1)) / 2, less)
    return _ops.where(asarray(x) < 0, -half, half)


def cosh(x: Any) -> Array:
    y = _ops.exp(to_float(x))
    return (y + _ops.exp(-to_float(x))) / 2


def arcsinh(x: Any) -> Array:
    x = to_float(x)
    return _ops.where(x < 0, -_arcsinh(-x), _arcsinh(x))


def _arcsinh(x: Array) -> Array:
    x = _ops.where(x < 0, 0, x)
    square = x * x
    return _ops.log1p(x + square / (1 + _ops.sqrt(1 + square)))


def arccosh(x: Any) -> Array:
    t = to_float(x) - 1
    return _ops.log1p(t + _ops.sqrt(2 * t + t * t))


def arctanh(x: Any) -> Array:
    x = to_float(x)
    return _ops.log1p(2 * x / (1 - x)) / 2


def arctan2(y: Any, x: Any) -> Array:
    """Return the angle; its derivative is (x dy - y dx) / (x^2 + y^2)."""
    y, x = to_float(y), to_float(x)
    _core.check_readable(y, "arctan2")
    _core.check_readable(x, "arctan2")
    found = asarray(np.asarray(np.arctan2(np.asarray(_core.detach(y)), np.asarray(_core.detach(x)))))
    if not _core.is_recording() or not (x._tracked or y._tracked):
        return found

    def pull(at: list[Array], _: Any, g: list[Any]) -> list[Array]:
        y, x = at
        square = x * x + y * y
        return [g[0] * x / square, -g[0] * y / square]

    (out,) = _core.remember_custom([y, x], [found], 1, pull)
    return out


def hypot(x: Any, y: Any) -> Array:
    """Return the length of (x, y) without overflow; the scale is a constant, so ties have derivatives of any order."""
    x, y = to_float(x), to_float(y)
    scale = _ops.stop_gradient(_ops.maximum(_ops.abs(x), _ops.abs(y)))
    scale = _ops.where((scale == 0) | _ops.isinf(scale), 1, scale)
    return scale * _ops.root_of_sum(_ops.square(x / scale) + _ops.square(y / scale))


def logaddexp(x: Any, y: Any) -> Array:
    """Return ``log(exp(x) + exp(y))``; of two equal infinities the first takes the whole derivative."""
    x, y = to_float(x), to_float(y)
    first = x >= y
    high, low = _ops.where(first, x, y), _ops.where(first, y, x)
    same = _ops.isinf(high) & (low == high)
    return high + _ops.softplus(_ops.where(same, 0, low) - _ops.where(same, 0, high))


def logaddexp2(x: Any, y: Any) -> Array:
    two = math.log(2)
    return logaddexp(to_float(x) * two, to_float(y) * two) / two


def sinc(x: Any) -> Array:
    t = to_float(x) * math.pi
    small = _ops.abs(t) < 1e-4
    series = 1 - t * t / 6 * (1 - t * t / 20)
    safe = _ops.where(small, 1, t)
    return _ops.where(small, series, _ops.sin(safe) / safe)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    x = asarray(x)
    if x.dtype.kind != "f":
        return asarray(x)
    limit = float(np.finfo(x.dtype).max)
    high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
    y = _ops.where(_ops.isnan(x), nan, x)
    return _ops.where(_ops.isinf(y), _ops.where(y > 0, _ops.full((), high, dtype=x.dtype), low), y)


def fmax(x: Any, y: Any) -> Array:
    x, y = asarray(x), asarray(y)
    return _ops.where(_ops.isnan(x), y, _ops.where(_ops.isnan(y), x, _ops.maximum(x, y)))


def fmin(x: Any, y: Any) -> Array:
    return -fmax(-asarray(x), -asarray(y))


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.arctan: arctan,
    np.arcsin: arcsin,
    np.arccos: arccos,
    np.cbrt: cbrt,
    np.tan: tan,
    np.sinh: sinh,
    np.cosh: cosh,
    np.arcsinh: arcsinh,
    np.arccosh: arccosh,
    np.arctanh: arctanh,
    np.log2: lambda x: _ops.log(to_float(x)) / math.log(2),
    np.log10: lambda x: _ops.log(to_float(x)) / math.log(10),
    np.exp2: lambda x: _ops.exp(to_float(x) * math.log(2)),
    np.degrees: lambda x: to_float(x) * (180 / math.pi),
    np.rad2deg: lambda x: to_float(x) * (180 / math.pi),
    np.radians: lambda x: to_float(x) * (math.pi / 180),
    np.deg2rad: lambda x: to_float(x) * (math.pi / 180),
    np.conjugate: asarray,
    np.signbit: lambda x: asarray(np.signbit(np.asarray(asarray(x)))),
    np.arctan2: arctan2,
    np.hypot: hypot,
    np.logaddexp: logaddexp,
    np.logaddexp2: logaddexp2,
    np.fmax: fmax,
    np.fmin: fmin,
    np.float_power: lambda x, y: _ops.power(to_float(x), y),
    np.divmod: lambda x, y: (_ops.floor_divide(x, y), _ops.remainder(x, y)),
}


# ----- sums and products -----


def _widened(x: Any) -> Array:
    """Return small integers and bool in the 64 bits in which NumPy adds and multiplies many."""
    x = asarray(x)
    dtype = np.add.reduce(np.zeros(0, x.dtype)).dtype if x.dtype.kind in "biu" else x.dtype
    return x if x.dtype == dtype else _core.astype(x, dtype)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the product, of halves of halves: right, and with derivatives of every order, at zeros too."""
    x = _widened(x)
    axes = sorted(
        range(x.ndim) if axis is None else {axis_of(x, a) for a in ([axis] if isinstance(axis, int) else axis)}
    )
    for a in axes:
        while x.shape[a] != 1:
            n = x.shape[a]
            if n == 0:
                x = _ops.ones([1 if i == a else m for i, m in enumerate(x.shape)], dtype=x.dtype)
                continue
            both = along(x, a, slice(0, n // 2)) * along(x, a, slice(n // 2, n // 2 * 2))
            x = _ops.concat([both, along(x, a, slice(n - 1, n))], axis=a) if n % 2 else both
    return x if keepdims else _ops.squeeze(x, tuple(axes))


def _running(x: Any, axis: int | None, join: Callable[[Array, Array], Array]) -> Array:
    """Return all beginnings joined, in steps of twice the distance (Hillis & Steele 1986)."""
    x = _widened(x)
    if axis is None:
        x, axis = _ops.ravel(x), 0
    axis = axis_of(x, axis)
    n, distance = x.shape[axis], 1
    while distance < n:
        joined = join(along(x, axis, slice(distance, None)), along(x, axis, slice(None, n - distance)))
        x = _ops.concat([along(x, axis, slice(None, distance)), joined], axis=axis)
        distance *= 2
    return asarray(x)


def diff(x: Any, n: int = 1, axis: int = -1) -> Array:
    x = asarray(x)
    axis = axis_of(x, axis)
    if n < 0:
        raise ValueError(f"[np.diff] n is the number of times that differences are taken, at least 0, got {n}")
    for _ in range(n):
        x = along(x, axis, slice(1, None)) - along(x, axis, slice(None, -1))
    return asarray(x)


def gradient(f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = to_float(f)
    axes = list(range(f.ndim)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    steps = list(spacing) * len(axes) if len(spacing) == 1 else list(spacing) or [1.0] * len(axes)
    if any(np.ndim(step) for step in steps) or edge_order != 1:
        raise TypeError("[np.gradient] takes one distance for each axis and edge_order=1 on fallline arrays")
    found = []
    for a, step in zip(axes, steps, strict=True):
        a = axis_of(f, a)
        if f.shape[a] < 2:
            raise _core.ShapeError(f"[np.gradient] axis {a} needs at least 2 elements: {f.shape}")
        ends = (
            along(f, a, slice(1, 2)) - along(f, a, slice(0, 1)),
            along(f, a, slice(-1, None)) - along(f, a, slice(-2, -1)),
        )
        middle = (along(f, a, slice(2, None)) - along(f, a, slice(None, -2))) / 2
        found.append(_ops.concat([ends[0], middle, ends[1]], axis=a) / step)
    return found[0] if len(found) == 1 else found


def average(x: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    if weights is None and not returned:
        return _ops.mean(x, axis, keepdims=keepdims)
    x = to_float(x)
    weights = _ops.ones(x.shape, dtype=x.dtype) if weights is None else asarray(weights)
    if weights.ndim == 1 and x.ndim > 1 and isinstance(axis, int):
        weights = _ops.reshape(weights, [-1 if i == axis_of(x, axis) else 1 for i in range(x.ndim)])
    weights = _ops.broadcast_to(weights, x.shape)
    total = _ops.sum(weights, axis, keepdims=keepdims)
    mean = _ops.sum(x * weights, axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


def cov(m: Any, rowvar: bool = True, bias: bool = False, ddof: Any = None) -> Array:
    m = at_least(2, to_float(m))
    m = m if rowvar or m.shape[0] == 1 else m.T
    d = m - _ops.mean(m, 1, keepdims=True)
    n = m.shape[1] - (ddof if ddof is not None else 0 if bias else 1)
    return _ops.squeeze(d @ d.T / n)


def convolve(x: Any, y: Any, mode: str = "full") -> Array:
    x, y = to_float(x), to_float(y)
    if x.shape[0] < y.shape[0]:
        x, y = y, x
    k = y.shape[0]
    around = {"full": k - 1, "same": 0, "valid": 0}[mode]
    left = (k - 1) // 2 if mode == "same" else around
    right = k - 1 - left if mode == "same" else around
    padded = pad(x, (left + (k % 2 == 0 and mode == "same"), right - (k % 2 == 0 and mode == "same")))
    windows = np.arange(padded.shape[0] - k + 1)[:, None] + np.arange(k)
    return _ops.take(padded, windows, axis=0) @ flip(y)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Array:
    y = to_float(y)
    axis = axis_of(y, axis)
    width = dx if x is None else diff(x, axis=axis if asarray(x).ndim == y.ndim else -1)
    if x is not None and asarray(x).ndim == 1 and y.ndim > 1:
        width = _ops.reshape(width, [-1 if i == axis else 1 for i in range(y.ndim)])
    return _ops.sum(width * (along(y, axis, slice(1, None)) + along(y, axis, slice(None, -1))) / 2, axis)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Array:
    start, stop = to_float(start), to_float(stop)
    parts = np.arange(num) / max(num - endpoint, 1)
    shape = np.broadcast_shapes(start.shape, stop.shape)
    parts = parts.reshape(-1, *(1,) * len(shape)).astype(start.dtype)
    return moveaxis(start * (1 - parts) + stop * parts, 0, axis)


def _of_finite(f: Callable[..., Array], fill: float) -> Callable[..., Array]:
    def call(x: Any, axis: Any = None, keepdims: bool = False) -> Array:
        return f(_ops.where(_ops.isnan(x), fill, x), axis, keepdims=keepdims)

    return call


def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Array:
    there = _ops.logical_not(_ops.isnan(x))
    return _ops.sum(_ops.where(there, x, 0), axis, keepdims=keepdims) / _ops.sum(there, axis, keepdims=keepdims)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **_moves.FUNCTIONS,
    np.trace: lambda x, offset=0, axis1=0, axis2=1: _ops.sum(diagonal(x, offset, axis1, axis2), -1),
    np.nan_to_num: nan_to_num,
    np.sinc: sinc,
    np.real: asarray,
    np.imag: _ops.zeros_like,
    np.real_if_close: lambda x, tol=100: asarray(x),
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True,
    np.iscomplex: lambda x: _ops.zeros_like(x, dtype=bool),
    np.isreal: lambda x: _ops.ones_like(x, dtype=bool),
    np.linspace: linspace,
    np.angle: lambda x, deg=False: _ops.astype(asarray(x) < 0, to_float(x).dtype) * (180.0 if deg else math.pi),
    np.prod: prod,
    np.cumsum: lambda x, axis=None: _running(x, axis, _ops.add),
    np.cumprod: lambda x, axis=None: _running(x, axis, _ops.multiply),
    np.diff: diff,
    np.gradient: gradient,
    np.average: average,
    np.nansum: _of_finite(_ops.sum, 0),
    np.nanmax: _of_finite(_ops.max, -math.inf),
    np.nanmin: _of_finite(_ops.min, math.inf),
    np.nanmean: nanmean,
    np.ptp: lambda x, axis=None, keepdims=False: (
        _ops.max(x, axis, keepdims=keepdims) - _ops.min(x, axis, keepdims=keepdims)
    ),
    np.einsum: einsum,
    np.tensordot: tensordot,
    np.inner: inner,
    np.vdot: lambda x, y: _ops.dot(_ops.ravel(x), _ops.ravel(y)),
    np.kron: kron,
    np.cross: cross,
    np.cov: cov,
    np.convolve: convolve,
    np.full_like: lambda x, value, dtype=None: _ops.full(asarray(x).shape, value, dtype=dtype or asarray(x).dtype),
    np.linalg.norm: linalg.norm,
    np.linalg.inv: linalg.inv,
    np.linalg.solve: linalg.solve,
    np.linalg.det: linalg.det,
    np.linalg.slogdet: linalg.slogdet,
    np.linalg.pinv: linalg.pinv,
    np.linalg.cholesky: linalg.cholesky,
    np.linalg.eigh: lambda x, UPLO="L": linalg.eigh(x if UPLO == "L" else _ops.matrix_transpose(x)),
    np.linalg.eigvalsh: lambda x, UPLO="L": linalg.eigvalsh(x if UPLO == "L" else _ops.matrix_transpose(x)),
    np.linalg.svd: lambda x, full_matrices=True, compute_uv=True: (
        linalg.svd(x, full_matrices=full_matrices) if compute_uv else linalg.svdvals(x)
    ),
    np.linalg.qr: lambda x, mode="reduced": linalg.qr(x, mode=mode),
    np.linalg.matrix_power: linalg.matrix_power,
    np.linalg.multi_dot: linalg.multi_dot,
    np.linalg.cond: linalg.cond,
    np.linalg.matrix_rank: linalg.matrix_rank,
}
_NEW: dict[str, Callable[..., Any]] = {  # not in every NumPy
    "trapezoid": trapezoid,
    "matrix_transpose": _ops.matrix_transpose,
    "cumulative_sum": lambda x, axis=None: _running(x, axis, _ops.add),
}
FUNCTIONS |= {getattr(np, name): function for name, function in _NEW.items() if hasattr(np, name)}
