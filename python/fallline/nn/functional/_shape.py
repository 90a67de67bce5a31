"""Rearrangements of channels and pixels, and interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray


def pixel_shuffle(x: Any, upscale_factor: int) -> Array:
    """(..., c r^2, h, w) to (..., c, h r, w r). Shi et al. 2016."""
    x, r = asarray(x), upscale_factor
    *before, channels, h, w = x.shape
    if channels % (r * r):
        raise _core.ShapeError(f"[pixel_shuffle] the channels must be a multiple of {r * r}, got {x.shape}")
    n = len(before)
    split = _ops.reshape(x, (*before, channels // (r * r), r, r, h, w))
    turned = _core.permute(split, [*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return _ops.reshape(turned, (*before, channels // (r * r), h * r, w * r))


def pixel_unshuffle(x: Any, downscale_factor: int) -> Array:
    """(..., c, h r, w r) to (..., c r^2, h, w), the inverse of `pixel_shuffle`."""
    x, r = asarray(x), downscale_factor
    *before, channels, h, w = x.shape
    if h % r or w % r:
        raise _core.ShapeError(f"[pixel_unshuffle] height and width must be multiples of {r}, got {x.shape}")
    n = len(before)
    split = _ops.reshape(x, (*before, channels, h // r, r, w // r, r))
    turned = _core.permute(split, [*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return _ops.reshape(turned, (*before, channels * r * r, h // r, w // r))


def channel_shuffle(x: Any, groups: int) -> Array:
    """Mix the channels of (n, c, ...) so that each group sees all others. Zhang et al. 2018."""
    x = asarray(x)
    if x.shape[1] % groups:
        raise _core.ShapeError(f"[channel_shuffle] the channels must be a multiple of {groups}, got {x.shape}")
    split = _ops.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return _ops.reshape(_core.permute(split, [0, 2, 1, *range(3, x.ndim + 1)]), x.shape)


def interpolate(
    x: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """Resize the spatial axes of (n, c, ...).

    Parameters
    ----------
    x
        (n, c, length), (n, c, h, w) or (n, c, d, h, w).
    size, scale_factor
        The new lengths, or how many times the old ones: for all axes or one for each.
    mode
        "nearest", "linear" ("bilinear", "trilinear": the same for more axes) or "bicubic" (a = -0.75).
    align_corners
        Whether the centres of the first and last elements stay where they are, instead of the outer edges.
    """
    x = asarray(x)
    spatial = x.ndim - 2
    kinds = {"nearest": None, "linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
    if mode not in kinds or (kinds[mode] or spatial) != spatial:
        raise ValueError(f"[interpolate] mode {mode!r} does not fit {spatial} axes; there are {', '.join(kinds)}")
    if (size is None) == (scale_factor is None):
        raise ValueError("[interpolate] give either size or scale_factor")
    given: Any = scale_factor if size is None else size
    wanted = list(given) if isinstance(given, Sequence) else [given] * spatial
    for axis, number in enumerate(wanted, 2):
        n = x.shape[axis]
        out = int(n * number) if size is None else int(number)
        scale = 1.0 / number if size is None else n / out
        if mode == "nearest":
            place = np.minimum((np.arange(out) * scale).astype(np.int64), n - 1)
            x = _ops.take(x, place, axis=axis)
        else:
            matrix = _weights(n, out, scale, mode == "bicubic", bool(align_corners)).astype(x.dtype)
            axes = [i for i in range(x.ndim) if i != axis] + [axis]
            back = [axes.index(i) for i in range(x.ndim)]
            x = _core.permute(_core.permute(x, axes) @ asarray(matrix.T), back)
    y: Array = x
    return y


def _weights(n: int, out: int, scale: float, cubic: bool, align_corners: bool) -> np.ndarray:
    """Return the matrix that interpolates n elements at `out` places."""
    i = np.arange(out)
    if align_corners:
        at = i * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        at = (i + 0.5) * scale - 0.5
        at = at if cubic else np.maximum(at, 0.0)
    first = np.floor(at).astype(np.int64)
    t = at - first
    matrix = np.zeros((out, n))
    if not cubic:
        np.add.at(matrix, (i, np.minimum(first, n - 1)), 1 - t)
        np.add.at(matrix, (i, np.minimum(first + 1, n - 1)), t)
        return matrix
    a = -0.75
    for offset in range(-1, 3):
        d = np.abs(t - offset)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        np.add.at(matrix, (i, np.clip(first + offset, 0, n - 1)), np.where(d <= 1, near, far))
    return matrix
