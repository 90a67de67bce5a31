"""New arrays: of one value, of ranges, of diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core
from fallline._array import Array, asarray
from fallline._explain import explained

__all__ = ["arange", "eye", "full", "linspace", "ones", "ones_like", "zeros", "zeros_like"]


def _dtype(dtype: Any) -> Any:
    return _core.default_dtype() if dtype is None else dtype


@explained
def zeros(shape: int | Sequence[int], *, dtype: Any = None) -> Array:
    """Return an array of zeros, in the default dtype unless said otherwise."""
    return asarray(np.zeros(shape, _dtype(dtype)))


@explained
def ones(shape: int | Sequence[int], *, dtype: Any = None) -> Array:
    """Return an array of ones, in the default dtype unless said otherwise."""
    return asarray(np.ones(shape, _dtype(dtype)))


@explained
def full(shape: int | Sequence[int], value: Any, *, dtype: Any = None) -> Array:
    """Return an array filled with one value, which gradients reach if it is an array."""
    if isinstance(value, Array):
        return _core.copy(_core.broadcast_to(value if dtype is None else _core.astype(value, dtype), shape))
    dtype = _core.default_dtype() if dtype is None and isinstance(value, float) else dtype
    return asarray(np.full(shape, value, dtype))


@explained
def zeros_like(x: Any, /, *, dtype: Any = None) -> Array:
    """Return zeros of x's shape and dtype."""
    x = asarray(x)
    return zeros(x.shape, dtype=dtype or x.dtype)


@explained
def ones_like(x: Any, /, *, dtype: Any = None) -> Array:
    """Return ones of x's shape and dtype."""
    x = asarray(x)
    return ones(x.shape, dtype=dtype or x.dtype)


@explained
def arange(start: float, /, stop: float | None = None, step: float = 1, *, dtype: Any = None) -> Array:
    """Return the numbers from start to stop, stop excluded; with one argument from 0 to it."""
    made = np.arange(start, stop, step) if stop is not None else np.arange(0, start, step)
    return asarray(
        made.astype(_core.default_dtype()) if dtype is None and made.dtype.kind == "f" else made, dtype=dtype
    )


@explained
def linspace(start: float, stop: float, /, num: int, *, dtype: Any = None, endpoint: bool = True) -> Array:
    """Return `num` evenly spaced numbers from start to stop."""
    return asarray(np.linspace(start, stop, num, endpoint=endpoint), dtype=_dtype(dtype))


@explained
def eye(n: int, m: int | None = None, /, *, k: int = 0, dtype: Any = None) -> Array:
    """Return ones on a diagonal, zeros elsewhere."""
    return asarray(np.eye(n, m, k, dtype=_dtype(dtype)))
