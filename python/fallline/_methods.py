"""The methods of fl.Array that are functions of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline import _ops
from fallline._array import Array

METHODS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        _ops.sum,
        _ops.mean,
        _ops.max,
        _ops.min,
        _ops.argmax,
        _ops.argmin,
        _ops.var,
        _ops.std,
        _ops.all,
        _ops.any,
        _ops.squeeze,
        _ops.ravel,
        _ops.astype,
        _ops.copy,
        _ops.dot,
        _ops.clip,
        _ops.take,
    )
}


def _reshape_method(x: Array, *shape: Any) -> Array:
    return _ops.reshape(x, shape[0] if len(shape) == 1 else shape)


def _transpose_method(x: Array, *axes: Any) -> Array:
    return _ops.transpose(x, None if axes in ((), (None,)) else axes if isinstance(axes[0], int) else axes[0])


METHODS |= {"reshape": _reshape_method, "transpose": _transpose_method, "flatten": _ops.ravel}
for _name, _method in METHODS.items():
    setattr(Array, _name, _method)
Array.T = property(_ops.transpose)  # type: ignore[assignment]
Array.mT = property(_ops.matrix_transpose)  # type: ignore[assignment]
