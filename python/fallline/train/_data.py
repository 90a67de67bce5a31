"""Arrays that a training run reads: checked, never copied whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import shown
from fallline._array import Array

CHUNK = 1 << 20  # elements looked at together


def as_rows(name: str, data: Any, where: str = "fit") -> Array:
    """Return data as an array with samples along its first axis, sharing memory."""
    if isinstance(data, Array):
        array = data.detach()
    else:
        plain = _plain(name, data, where)
        if plain.dtype.kind in "OSUV":
            raise _core.DTypeError(
                f"[{where}] {name} has dtype {plain.dtype}, expected numbers; encode categories and text as numbers "
                "first"
            )
        if plain.dtype == np.float16:
            plain = plain.astype(np.float32)
        array = _core.wrap(plain)
    if array.ndim == 0:
        raise _core.ShapeError(f"[{where}] {name} must have samples along its first axis, got a single number")
    return array


def _plain(name: str, data: Any, where: str) -> np.ndarray:
    try:
        plain = np.asarray(data)
    except ValueError as error:
        raise _core.ShapeError(f"[{where}] {name} is no array: its rows differ in length ({error})") from None
    if plain.ndim == 0 and plain.dtype.kind in "OSU":
        raise TypeError(f"[{where}] {name} must be an array with samples along its first axis, got {shown(data)}")
    return plain


def check_rows(named: dict[str, Array | None], where: str = "fit") -> int:
    """Return the number of samples that all arrays have."""
    counts = {name: array.shape[0] for name, array in named.items() if array is not None}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise _core.ShapeError(f"[{where}] the numbers of samples differ: {listed}")
    n = next(iter(counts.values()))
    if n == 0:
        raise _core.ShapeError(f"[{where}] there are no samples")
    return n


def check_finite(name: str, array: Array) -> None:
    """Raise ValueError at the first NaN or infinity, without a temporary of the data's size."""
    if array.dtype.kind != "f":
        return
    values = np.asarray(array)
    # One native pass: a sum of squares is finite where all is well. Where it is not, the numbers may just be large.
    if array.dtype.itemsize >= 4 and values.flags.c_contiguous and math.isfinite(_core.global_norm([array])):
        return
    rows = max(1, CHUNK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        bad = ~np.isfinite(values[start : start + rows])
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            at = (at[0] + start, *at[1:])
            count = sum(int((~np.isfinite(values[s : s + rows])).sum()) for s in range(0, len(values), rows))
            raise ValueError(
                f"[fit] {name} holds {values[at]} at {list(at)} ({count} such values in all); "
                "fill or drop missing values first"
            )
