"""Padding: more elements around an array, in PyTorch's order of sides (the last axis first)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray

MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """Put elements around an array, or take some away where a number is negative.

    Parameters
    ----------
    x
        Of any shape.
    pad
        (left, right) of the last axis, then of the one before it, and so on.
    mode
        "constant"; "reflect" (the inside turned round, without the edge itself), "replicate" (the edge again) or
        "circular" (from the other side).
    value
        Of "constant"; 0 by default.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.nn.functional.pad(fl.asarray([1.0, 2.0, 3.0]), (2, 1), mode="reflect").tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    x = asarray(x)
    sides = [int(n) for n in pad]
    if mode not in MODES:
        raise ValueError(f"[pad] mode must be one of {', '.join(MODES)}, got {mode!r}")
    if len(sides) % 2 or len(sides) > 2 * x.ndim:
        raise ValueError(f"[pad] expected two numbers for each of at most {x.ndim} axes, got {tuple(pad)}")
    if value is not None and mode != "constant":
        raise ValueError(f'[pad] mode "{mode}" takes no value')
    for place in range(len(sides) // 2):
        left, right = sides[2 * place : 2 * place + 2]
        axis = x.ndim - 1 - place
        if left or right:
            x = (
                _constant(x, axis, left, right, value or 0.0)
                if mode == "constant"
                else _taken(x, axis, left, right, mode)
            )
    y: Array = x
    return y


def _constant(x: Array, axis: int, left: int, right: int, value: float) -> Array:
    before = (slice(None),) * axis
    length = x.shape[axis]
    if left < 0 or right < 0:
        if length + min(left, 0) + min(right, 0) < 0:
            raise _core.ShapeError(f"[pad] ({left}, {right}) takes more than the {length} elements of axis {axis}")
        kept = (*before, slice(max(-left, 0), length - max(-right, 0)))
        x = x[kept]
    parts = [x]
    for place, count in ((0, left), (1, right)):
        if count > 0:
            shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
            parts.insert(place and len(parts), _ops.full(shape, value, dtype=x.dtype))
    return parts[0] if len(parts) == 1 else _ops.concat(parts, axis=axis)


def _taken(x: Array, axis: int, left: int, right: int, mode: str) -> Array:
    n = x.shape[axis]
    most = {"reflect": n - 1, "circular": n, "replicate": max(left, right) if n else 0}[mode]
    if max(left, right) > most:
        raise _core.ShapeError(f'[pad] mode "{mode}" can put at most {most} elements beside the {n} of axis {axis}')
    place = np.arange(-left, n + right)
    if mode == "reflect":
        place = np.abs(place)
        place = np.where(place >= n, 2 * (n - 1) - place, place)
    elif mode == "replicate":
        place = np.clip(place, 0, n - 1)
    else:
        place = place % n
    return _ops.take(x, place, axis=axis)
