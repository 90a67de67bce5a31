"""Pooling over one, two or three spatial axes, with or without a batch axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core, _ops, random
from fallline._array import Array, asarray
from fallline.nn.functional._windows import Sizes, Windows, batched, each


def max_pool(
    op: str,
    spatial: int,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Take the largest element of each window; with `return_indices` its place in the flattened channel too."""
    x, alone = batched(op, asarray(x), spatial)
    lengths = x.shape[2:]
    windows = Windows.over(op, lengths, kernel_size, stride, padding, dilation, ceil_mode)
    if any(2 * p > k for p, k in zip(windows.padding, windows.size, strict=True)):
        raise ValueError(f"[{op}] padding {windows.padding} must be at most half of the windows {windows.size}")
    if spatial == 2 and not return_indices and not ceil_mode and set(windows.dilation) == {1}:
        y = _core.max_pool2d(x, windows.size, windows.stride, windows.padding)
        return y[0] if alone else y
    padded = windows.padded(x, -math.inf)
    choices = _ops.stack([windows.at(padded, offset) for offset in windows.offsets()])
    y = _ops.max(choices, axis=0)
    if not return_indices:
        return y[0] if alone else y
    best = _ops.argmax(_core.detach(choices), axis=0)
    column = _ops.broadcast_to(asarray(np.arange(math.prod(windows.out)).reshape(windows.out)), best.shape)
    found = _ops.reshape(_pick(_flat_places(windows, lengths), best, column), best.shape)
    return (y[0], found[0]) if alone else (y, found)


def _flat_places(windows: Windows, lengths: Sequence[int]) -> np.ndarray:
    """Return where each place of each window lies in the flattened channel: (places, windows)."""
    rows = []
    for offset in windows.offsets():
        axes = [
            np.clip(np.arange(out) * s + o * d - p, 0, n - 1)
            for out, s, o, d, p, n in zip(
                windows.out, windows.stride, offset, windows.dilation, windows.padding, lengths, strict=True
            )
        ]
        rows.append(np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), tuple(lengths)).ravel())
    return np.stack(rows)


def _pick(table: np.ndarray, row: Array, column: Array) -> Array:
    return asarray(table)[_ops.ravel(row), _ops.ravel(column)]


def max_unpool(
    op: str,
    spatial: int,
    x: Any,
    indices: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put each element back where `max_pool` found it, zeros elsewhere."""
    x, alone = batched(op, asarray(x), spatial)
    places = asarray(indices)
    size = each(op, "kernel_size", kernel_size, spatial)
    strides = size if stride is None else each(op, "stride", stride, spatial)
    sides = each(op, "padding", padding, spatial)
    lengths = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(x.shape[2:], strides, sides, size, strict=True)]
    if output_size is not None:
        lengths = [int(n) for n in output_size[-spatial:]]
    n, c, room = x.shape[0], x.shape[1], math.prod(lengths)
    flat = np.asarray(places).reshape(n * c, -1)
    if flat.size and not (flat.min() >= 0 and flat.max() < room):
        raise ValueError(f"[{op}] the indices must be in [0, {room}), got {flat.min()} to {flat.max()}")
    values = _ops.reshape(x, (n * c, -1))
    # Gathered, not scattered: each element of the result has one source or none.
    source = np.full((n * c, room), -1)
    source[np.arange(n * c)[:, None], flat] = np.arange(flat.shape[1])
    empty = source < 0
    rows = np.broadcast_to(np.arange(n * c)[:, None], source.shape)
    found = values[rows, np.where(empty, 0, source)]
    y = _ops.reshape(_ops.where(asarray(empty), 0 * found, found), (n, c, *lengths))
    return y[0] if alone else y


def avg_pool(
    op: str,
    spatial: int,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Take the mean of each window, padding counted as zeros or not at all; or the sum by `divisor_override`."""
    x, alone = batched(op, asarray(x), spatial)
    windows = Windows.over(op, x.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    if any(2 * p > k for p, k in zip(windows.padding, windows.size, strict=True)):
        raise ValueError(f"[{op}] padding {windows.padding} must be at most half of the windows {windows.size}")
    if divisor_override is not None and not divisor_override:
        raise ValueError(f"[{op}] divisor_override must not be 0")
    if spatial == 2 and not ceil_mode and count_include_pad and divisor_override is None:
        y = _core.avg_pool2d(x, windows.size, windows.stride, windows.padding)
        return y[0] if alone else y
    padded = windows.padded(x, 0.0)
    parts = [windows.at(padded, offset) for offset in windows.offsets()]
    y = parts[0]
    for part in parts[1:]:
        y = y + part
    if divisor_override is None:
        y = y / asarray(_counts(windows, x.shape[2:], count_include_pad).astype(x.dtype))
    else:
        y = y / divisor_override
    return y[0] if alone else y


def _counts(windows: Windows, lengths: Sequence[int], padding_too: bool) -> np.ndarray:
    """Return how many elements each window sees."""
    total = np.ones((), np.int64)
    for out, k, s, p, n in zip(windows.out, windows.size, windows.stride, windows.padding, lengths, strict=True):
        first = np.arange(out) * s - p
        last = np.minimum(first + k, n + p)
        if not padding_too:
            first, last = np.maximum(first, 0), np.minimum(last, n)
        total = np.multiply.outer(total, last - first)
    return total


def lp_pool(
    op: str,
    spatial: int,
    x: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Take (sum of x^p)^(1/p) of each window; where the sum is negative, 0."""
    size = each(op, "kernel_size", kernel_size, spatial)
    mean = avg_pool(op, spatial, _ops.power(asarray(x), norm_type), size, stride, 0, ceil_mode)
    return _ops.power(_ops.relu(mean) * math.prod(size), 1.0 / norm_type)


def adaptive_avg_pool(op: str, spatial: int, x: Any, output_size: Any) -> Array:
    """Take means of windows that divide each axis into so many parts; None keeps an axis."""
    x, alone = batched(op, asarray(x), spatial)
    for axis, (start, end) in enumerate(_parts(op, x.shape[2:], output_size), 2):
        n = x.shape[axis]
        place = np.arange(n)
        weights = ((place >= start[:, None]) & (place < end[:, None])) / (end - start)[:, None]
        moved = _moved(x, axis, x.ndim - 1) @ asarray(weights.T.astype(x.dtype))
        x = _moved(moved, x.ndim - 1, axis)
    y: Array = x[0] if alone else x
    return y


def adaptive_max_pool(op: str, spatial: int, x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Take the largest elements of windows that divide each axis into so many parts."""
    x, alone = batched(op, asarray(x), spatial)
    tables = []
    for start, end in _parts(op, x.shape[2:], output_size):
        width = int((end - start).max(initial=1))
        tables.append(np.minimum(start[:, None] + np.arange(width), end[:, None] - 1))  # the last again fills up
    y = _gathered(x, tables, return_indices)
    if not return_indices:
        return y[0] if alone else y
    return (y[0][0], y[1][0]) if alone else y


def _gathered(x: Array, tables: Sequence[np.ndarray], return_indices: bool) -> Any:
    """Take the largest of windows that are given by tables of places, (windows, places) for each axis."""
    lengths, out = x.shape[2:], [len(table) for table in tables]
    grids = []
    for offset in itertools.product(*(range(table.shape[1]) for table in tables)):
        axes = [table[:, o] for table, o in zip(tables, offset, strict=True)]
        grids.append(np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), tuple(lengths)).ravel())
    places = np.stack(grids)  # (places, windows)
    flat = _ops.reshape(x, (*x.shape[:2], -1))
    choices = _ops.reshape(_ops.take(flat, places.ravel(), axis=2), (*x.shape[:2], *places.shape))
    y = _ops.reshape(_ops.max(choices, axis=2), (*x.shape[:2], *out))
    if not return_indices:
        return y
    best = _ops.argmax(_core.detach(choices), axis=2)
    column = _ops.broadcast_to(asarray(np.arange(places.shape[1])), best.shape)
    return y, _ops.reshape(_pick(places, best, column), (*x.shape[:2], *out))


def _parts(op: str, lengths: Sequence[int], output_size: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    wanted = output_size if isinstance(output_size, Sequence) else (output_size,) * len(lengths)
    if len(wanted) != len(lengths):
        raise ValueError(f"[{op}] output_size must be one number or {len(lengths)}, got {output_size!r}")
    found = []
    for n, out in zip(lengths, wanted, strict=True):
        count = n if out is None else int(out)
        if count < 1:
            raise ValueError(f"[{op}] output_size must be positive, got {output_size!r}")
        i = np.arange(count)
        found.append((i * n // count, -(-(i + 1) * n // count)))
    return found


def _moved(x: Array, source: int, target: int) -> Array:
    axes = [i for i in range(x.ndim) if i != source]
    axes.insert(target, source)
    return _core.permute(x, axes)


def fractional_max_pool(
    op: str,
    spatial: int,
    x: Any,
    kernel_size: Sizes,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    samples: Any = None,
) -> Any:
    """Take the largest elements of windows whose places are drawn for each channel. Graham 2014.

    `samples` (n, channels, axes) in [0, 1) decides; without it the default generator draws.
    """
    x, alone = batched(op, asarray(x), spatial)
    lengths, size = x.shape[2:], each(op, "kernel_size", kernel_size, spatial)
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"[{op}] give either output_size or output_ratio")
    if output_size is not None:
        out = each(op, "output_size", output_size, spatial)
    else:
        ratios = output_ratio if isinstance(output_ratio, Sequence) else (output_ratio,) * spatial
        out = tuple(int(n * r) for n, r in zip(lengths, ratios, strict=True))
    n, c = x.shape[:2]
    if any(o + k - 1 > length for o, k, length in zip(out, size, lengths, strict=True)):
        raise _core.ShapeError(f"[{op}] windows {size} at {out} places do not fit into {tuple(lengths)}")
    drawn = np.asarray(random.get_default().uniform(size=(n, c, spatial)) if samples is None else samples, np.float64)
    drawn = drawn[:n]
    places = _drawn_places(drawn.reshape(n * c, spatial), lengths, size, out)
    planes = np.broadcast_to(np.arange(n * c)[:, None, None], places.shape)
    choices = _ops.reshape(x, (n * c, -1))[planes, places]
    y = _ops.reshape(_ops.max(choices, axis=1), (n, c, *out))
    if not return_indices:
        return y[0] if alone else y
    best = np.asarray(_ops.argmax(_core.detach(choices), axis=1))
    found = asarray(np.take_along_axis(places, best[:, None], axis=1).reshape(n, c, *out))
    return (y[0], found[0]) if alone else (y, found)


def _drawn_places(samples: np.ndarray, lengths: Sequence[int], size: Sequence[int], out: Sequence[int]) -> np.ndarray:
    """Return where the elements of each window lie in the flattened channel: (planes, places, windows)."""
    planes, spatial = samples.shape
    # PyTorch numbers the samples of two axes from the last on, those of three from the first.
    order = range(spatial - 1, -1, -1) if spatial == 2 else range(spatial)
    starts = []
    for axis, which in enumerate(order):
        u = samples[:, which, None]
        alpha = (lengths[axis] - size[axis]) / max(out[axis] - 1, 1)
        i = np.arange(out[axis] - 1)
        first = ((i + u) * alpha).astype(np.int64) - (u * alpha).astype(np.int64)
        last = np.full((planes, 1), lengths[axis] - size[axis])
        starts.append(np.concatenate([first, last], axis=1))
    rows = []
    for offset in itertools.product(*map(range, size)):
        flat = np.zeros((planes, *([1] * spatial)), np.int64)
        for axis, (start, o) in enumerate(zip(starts, offset, strict=True)):
            shape = [planes] + [1] * spatial
            shape[1 + axis] = out[axis]
            flat = flat * lengths[axis] + (start + o).reshape(shape)
        rows.append(np.broadcast_to(flat, (planes, *out)).reshape(planes, -1))
    return np.stack(rows, axis=1)
