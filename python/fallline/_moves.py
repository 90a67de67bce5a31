"""NumPy's functions that only move elements, as views, joins and gathers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline._decompositions import to_float


def axis_of(x: Array, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim)
    return axis % x.ndim


def along(x: Array, axis: int, part: slice) -> Array:
    """Return a part along one axis."""
    return x[(slice(None),) * axis + (part,)]


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Array:
    """Return the elements at indices along an axis, each row with its own."""
    x, indices = asarray(x), asarray(indices)
    if axis is None:
        x, axis = _ops.ravel(x), 0
    axis = axis_of(x, axis)
    shape = tuple(n if i == axis else max(n, m) for i, (n, m) in enumerate(zip(indices.shape, x.shape, strict=True)))
    step, place = 1, asarray(np.zeros((1,) * x.ndim, np.int64))
    for i in reversed(range(x.ndim)):
        if i == axis:
            whole = _ops.where(indices < 0, indices + x.shape[i], indices)
            place = place + whole * step
        elif x.shape[i] > 1:
            place = place + np.arange(x.shape[i]).reshape([-1 if k == i else 1 for k in range(x.ndim)]) * step
        step *= x.shape[i]
    flat = _ops.reshape(_ops.broadcast_to(place, shape), -1)
    return _ops.reshape(_ops.take(_ops.ravel(x), flat, axis=0), shape)


def argsort(x: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Array:
    """Return the indices that sort an array along an axis; equal elements stay in their order."""
    x = asarray(x)
    return _core.argsort(_ops.ravel(x), 0) if axis is None else _core.argsort(x, axis)


def sort(x: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Array:
    """Return the elements in order along an axis."""
    x = asarray(x)
    if axis is None:
        x, axis = _ops.ravel(x), 0
    return take_along_axis(x, argsort(x, axis), axis)


def partition(x: Any, kth: Any, axis: int | None = -1) -> Array:
    x = asarray(x)
    if axis is None:
        x, axis = _ops.ravel(x), 0
    return sort(x, axis)  # in whose order every element is where a partition wants it


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Array:
    return quantile(x, 0.5, axis, keepdims=keepdims)


def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Array:
    """Return the value below which a share q lies, linear between two elements."""
    x = to_float(x)
    if method != "linear":
        raise TypeError(f"[np.quantile] method={method!r} is not supported on fallline arrays; 'linear' is")
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(axis_of(x, a) for a in axes)
    rest = [i for i in range(x.ndim) if i not in axes]
    rows = _ops.reshape(_ops.permute_dims(x, [*rest, *axes]), [*(x.shape[i] for i in rest), -1])
    ordered = sort(rows, -1)
    share = np.asarray(q, np.float64)
    if not np.all((share >= 0) & (share <= 1)):
        raise ValueError(
            f"[np.quantile] shares lie in 0 to 1 (percentiles in 0 to 100), got the share {share.tolist()}"
        )
    if not rows.shape[-1]:
        raise _core.ShapeError(f"[np.quantile] there are no elements to put in order: {x.shape}")
    at = share * (rows.shape[-1] - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, rows.shape[-1] - 1)
    weight = np.asarray(at - low, x.dtype)
    values = _ops.take(ordered, low, axis=-1) * (1 - weight) + _ops.take(ordered, high, axis=-1) * weight
    if share.ndim:
        values = moveaxis(values, range(values.ndim - share.ndim, values.ndim), range(share.ndim))
    if keepdims:
        kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
        values = _ops.reshape(values, [*share.shape, *kept])
    return values


def moveaxis(x: Any, source: Any, destination: Any) -> Array:
    x = asarray(x)
    origins = [axis_of(x, a) for a in ([source] if isinstance(source, int) else list(source))]
    goals = [axis_of(x, a) for a in ([destination] if isinstance(destination, int) else list(destination))]
    order = [i for i in range(x.ndim) if i not in origins]
    for goal, origin in sorted(zip(goals, origins, strict=True)):
        order.insert(goal, origin)
    return _ops.permute_dims(x, order)


def flip(x: Any, axis: Any = None) -> Array:
    x = asarray(x)
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    back = {axis_of(x, a) for a in axes}
    return asarray(
        x[tuple(slice(None, None, -1) if i in back else slice(None) for i in range(x.ndim))] if x.ndim else x
    )


def roll(x: Any, shift: Any, axis: Any = None) -> Array:
    x = asarray(x)
    if axis is None:
        return _ops.reshape(roll(_ops.ravel(x), shift, 0), x.shape)
    pairs = np.broadcast_arrays(shift, axis)
    for by, a in zip(*(np.ravel(p).tolist() for p in pairs), strict=True):
        at = axis_of(x, a)
        n = x.shape[at]
        if n and by % n:
            cut = n - by % n
            x = _ops.concat([along(x, at, slice(cut, None)), along(x, at, slice(None, cut))], axis=at)
    return asarray(x)


def _swapped(x: Array, a: int, b: int) -> Array:
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return _ops.permute_dims(x, order)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    m = asarray(m)
    a, b = axes
    k %= 4
    if k == 0:
        return asarray(m)
    if k == 2:
        return flip(flip(m, a), b)
    return _swapped(flip(m, b), a, b) if k == 1 else flip(_swapped(m, a, b), b)


def tile(x: Any, reps: Any) -> Array:
    x = asarray(x)
    times = [reps] if isinstance(reps, int) else list(reps)
    n = max(len(times), x.ndim)
    shape, times = [1] * (n - x.ndim) + list(x.shape), [1] * (n - len(times)) + times
    spread = [m for t, s in zip(times, shape, strict=True) for m in (t, s)]
    x = _ops.reshape(x, [m for s in shape for m in (1, s)])
    if len(spread) <= 8:
        out = _ops.broadcast_to(x, spread)
    else:
        raise _core.ShapeError(f"[np.tile] takes arrays of at most four axes, got {n}")
    return _ops.reshape(out, [t * s for t, s in zip(times, shape, strict=True)])


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Array:
    x = asarray(x)
    if axis is None:
        x, axis = _ops.ravel(x), 0
    axis = axis_of(x, axis)
    return _ops.take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis=axis)


PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")  # all but the first only repeat elements


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    """Return the array between constants, or its own elements as NumPy's modes say."""
    x = asarray(x)
    if mode not in PAD_MODES:
        raise TypeError(f"[np.pad] mode={mode!r} is not supported on fallline arrays; {', '.join(PAD_MODES)} are")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if mode == "constant":
        given = constant_values if isinstance(constant_values, Array) else np.asarray(constant_values, x.dtype)
        values = _ops.broadcast_to(_core.astype(asarray(given), x.dtype), (x.ndim, 2))
        for axis, sizes in enumerate(widths):
            parts = [
                _ops.broadcast_to(values[axis, side], [size if i == axis else n for i, n in enumerate(x.shape)])
                for side, size in enumerate(sizes)
            ]
            x = _ops.concat([parts[0], x, parts[1]], axis=axis)
        return asarray(x)
    for axis, sizes in enumerate(widths):
        x = _ops.take(x, np.pad(np.arange(x.shape[axis]), sizes, mode=mode), axis=axis)  # type: ignore[call-overload]
    return asarray(x)


def split(x: Any, sections: Any, axis: int = 0, *, even: bool = True) -> list[Array]:
    x = asarray(x)
    axis = axis_of(x, axis)
    n = x.shape[axis]
    if isinstance(sections, int | np.integer):
        if even and n % sections:
            raise ValueError(f"[np.split] an axis of length {n} has no {sections} equal parts; np.array_split has")
        sizes = [n // sections + (i < n % sections) for i in range(sections)]
        cuts = np.cumsum(sizes)[:-1].tolist()
    else:
        cuts = list(sections)
    return [along(x, axis, slice(a, b)) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


def _stacked(arrays: Any, least: int, axis: int) -> Array:
    return _ops.concat([at_least(least, a) for a in arrays], axis=axis)


def at_least(n: int, x: Any) -> Array:
    x = asarray(x)
    if n == 3:
        shape = {0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}.get(x.ndim, x.shape)
    else:
        shape = (1,) * (n - x.ndim) + x.shape
    return _ops.reshape(x, shape)


def _each(n: int) -> Callable[..., Any]:
    def to_at_least(*arrays: Any) -> Any:
        found = tuple(at_least(n, a) for a in arrays)
        return found[0] if len(found) == 1 else found

    return to_at_least


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    n, m = x.shape[-2:]
    places = np.arange(n)[max(0, -offset) : min(n, m - offset)]
    flat = _ops.reshape(x, [*x.shape[:-2], n * m])
    return _ops.take(flat, places * m + places + offset, axis=-1)


def diag(x: Any, k: int = 0) -> Array:
    x = asarray(x)
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.shape[0] + abs(k)
    at = np.arange(x.shape[0])
    flat = (at + max(0, -k)) * n + at + max(0, k)
    places = np.full(n * n, x.shape[0])
    places[flat] = at
    return _ops.reshape(_ops.take(_ops.concat([x, _ops.zeros(1, dtype=x.dtype)]), places, axis=0), (n, n))


def _triangle(x: Any, k: int, lower: bool) -> Array:
    x = asarray(x)
    kept = np.tri(x.shape[-2], x.shape[-1], k if lower else k - 1, dtype=bool)
    return _ops.where(kept if lower else ~kept, x, _ops.zeros((), dtype=x.dtype))


def select(conditions: Any, choices: Any, default: Any = 0) -> Array:
    out = default
    for condition, choice in list(zip(conditions, choices, strict=True))[::-1]:
        out = _ops.where(condition, choice, out)
    return asarray(out)


def meshgrid(*xs: Any, indexing: str = "xy", copy: bool = True, sparse: bool = False) -> tuple[Array, ...]:
    n = len(xs)
    found = [_ops.reshape(asarray(x), [-1 if i == place else 1 for i in range(n)]) for place, x in enumerate(xs)]
    if not sparse:
        shape = np.broadcast_shapes(*(x.shape for x in found))
        found = [_ops.broadcast_to(x, shape) for x in found]
    return tuple(_swapped(x, 0, 1) if indexing == "xy" and n > 1 else x for x in found)


def _shifted(x: Any, axes: Any, sign: int) -> Array:
    x = asarray(x)
    axes = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else list(axes)
    for a in axes:
        x = roll(x, sign * (x.shape[a] // 2) if sign > 0 else -(x.shape[a] // 2), a)
    return asarray(x)


def _joined(*arrays: Any) -> list[Array]:
    return [asarray(a) for a in arrays]


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sort: sort,
    np.argsort: argsort,
    np.partition: partition,
    np.median: median,
    np.quantile: quantile,
    np.percentile: lambda x, q, axis=None, keepdims=False: quantile(x, np.asarray(q) / 100, axis, keepdims=keepdims),
    np.take_along_axis: take_along_axis,
    np.moveaxis: moveaxis,
    np.rollaxis: lambda x, axis, start=0: moveaxis(
        x, axis, (start + asarray(x).ndim if start < 0 else start) - (start > axis % asarray(x).ndim)
    ),
    np.flip: flip,
    np.fliplr: lambda x: flip(x, 1),
    np.flipud: lambda x: flip(x, 0),
    np.roll: roll,
    np.rot90: rot90,
    np.tile: tile,
    np.repeat: repeat,
    np.pad: pad,
    np.split: split,
    np.array_split: lambda x, sections, axis=0: split(x, sections, axis, even=False),
    np.hsplit: lambda x, sections: split(x, sections, 1 if asarray(x).ndim > 1 else 0),
    np.vsplit: lambda x, sections: split(x, sections, 0),
    np.dsplit: lambda x, sections: split(x, sections, 2),
    np.vstack: lambda tup, dtype=None, casting="same_kind": _stacked(tup, 2, 0),
    np.hstack: lambda tup: _stacked(tup, 1, 0 if at_least(1, tup[0]).ndim == 1 else 1),
    np.dstack: lambda tup: _stacked(tup, 3, 2),
    np.column_stack: lambda arrays: _ops.concat(
        [a.reshape(-1, 1) if a.ndim < 2 else a for a in _joined(*arrays)], axis=1
    ),
    np.append: lambda x, values, axis=None: _ops.concat(_joined(x, values), axis=axis),
    np.atleast_1d: _each(1),
    np.atleast_2d: _each(2),
    np.atleast_3d: _each(3),
    np.diagonal: diagonal,
    np.diag: diag,
    np.tril: lambda x, k=0: _triangle(x, k, True),
    np.triu: lambda x, k=0: _triangle(x, k, False),
    np.select: select,
    np.meshgrid: meshgrid,
    np.fft.fftshift: lambda x, axes=None: _shifted(x, axes, 1),
    np.fft.ifftshift: lambda x, axes=None: _shifted(x, axes, -1),
}
