"""NumPy's own functions on fl.Array: two tables, looked up by `__array_ufunc__` and `__array_function__`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray

UFUNCS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): getattr(_ops, name)
    for name in (
        *("negative", "sign", "square", "reciprocal", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh"),
        *("floor", "ceil", "trunc", "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "matmul"),
        *("floor_divide", "remainder", "fmod", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor"),
        *("isnan", "isinf", "isfinite"),
    )
} | {
    np.absolute: _ops.abs,
    np.fabs: _ops.abs,
    np.rint: _ops.round,
    np.positive: asarray,
    np.left_shift: _ops.bitwise_left_shift,
    np.right_shift: _ops.bitwise_right_shift,
    np.invert: lambda x: ~asarray(x),
}

REDUCTIONS: dict[Any, Callable[..., Any]] = {np.add: _ops.sum, np.maximum: _ops.max, np.minimum: _ops.min}


def _variance(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Array:
    return _ops.var(x, axis, correction=ddof, keepdims=keepdims)


def _same(x: Any, y: Any, **kwargs: Any) -> bool:
    return np.allclose(np.asarray(x), np.asarray(y), **kwargs)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _ops.sum,
    np.mean: _ops.mean,
    np.max: _ops.max,
    np.min: _ops.min,
    np.argmax: _ops.argmax,
    np.argmin: _ops.argmin,
    np.var: _variance,
    np.std: lambda x, axis=None, ddof=0, keepdims=False: _ops.root_of_sum(_variance(x, axis, ddof, keepdims)),
    np.all: _ops.all,
    np.any: _ops.any,
    np.where: _ops.where,
    np.clip: lambda x, a_min=None, a_max=None: _ops.clip(x, a_min, a_max),
    np.dot: _ops.dot,
    np.outer: lambda x, y: _ops.expand_dims(_ops.ravel(x), 1) * _ops.ravel(y),
    np.round: lambda x, decimals=0: _ops.round(x) if decimals == 0 else _ops.round(x * 10.0**decimals) / 10.0**decimals,
    np.reshape: lambda x, shape: _ops.reshape(x, shape),
    np.transpose: _ops.transpose,
    np.swapaxes: lambda x, axis1, axis2: _ops.permute_dims(x, _swapped(asarray(x).ndim, axis1, axis2)),
    np.expand_dims: _ops.expand_dims,
    np.squeeze: _ops.squeeze,
    np.ravel: _ops.ravel,
    np.broadcast_to: _ops.broadcast_to,
    np.concatenate: lambda arrays, axis=0: _ops.concat(arrays, axis=axis),
    np.stack: lambda arrays, axis=0: _ops.stack(arrays, axis=axis),
    np.take: lambda x, indices, axis=None: _ops.take(x, indices, axis=axis),
    np.copy: _ops.copy,
    np.zeros_like: lambda x, dtype=None: _ops.zeros_like(x, dtype=dtype),
    np.ones_like: lambda x, dtype=None: _ops.ones_like(x, dtype=dtype),
    np.shape: lambda x: asarray(x).shape,
    np.ndim: lambda x: asarray(x).ndim,
    np.size: lambda x: asarray(x).size,
    np.allclose: _same,
    np.array_equal: lambda x, y: bool(np.array_equal(np.asarray(x), np.asarray(y))),
    np.array2string: lambda x, *args, **kwargs: np.array2string(np.asarray(x), *args, **kwargs),
    np.array_repr: lambda x, *args, **kwargs: repr(x),
}


def _swapped(n: int, a: int, b: int) -> list[int]:
    order = list(range(n))
    order[a], order[b] = order[b], order[a]
    return order


def _composed(theirs: Any, table: str = "FUNCTIONS") -> Any:
    """Return what a function of NumPy is as a composition of ours, or None; loaded when it is first asked for."""
    from fallline import _composed

    return getattr(_composed, table).get(theirs)


def _array_ufunc(self: Array, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    table = {"__call__": UFUNCS, "reduce": REDUCTIONS}.get(method, {})
    function = table.get(ufunc) or (_composed(ufunc, "UFUNCS") if method == "__call__" else None)
    dtype, out = kwargs.pop("dtype", None), kwargs.pop("out", None)
    if method == "reduce":
        kwargs.setdefault("axis", 0)
    elif kwargs:
        function = None
    if function is None:
        call = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        raise TypeError(
            f"[{call}] is not supported on fallline arrays with {list(kwargs) or 'these arguments'}; "
            "use a function of fallline, or np.asarray(x) for the values alone"
        )
    result = function(*inputs, **kwargs)
    if dtype is not None:
        result = _ops.astype(result, dtype, copy=False)
    return result if out is None else _into(out[0], result)


def _into(out: Any, result: Array) -> Any:
    """Write a result into the array that NumPy was told to write into."""
    if result._tracked:
        raise _core.TapeError("[out] a NumPy array cannot remember derivatives: write x = x + y instead of x += y")
    if isinstance(out, Array):
        out[...] = result
    else:
        out[...] = np.asarray(result)
    return out


def _array_function(self: Array, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    ours = FUNCTIONS.get(function) or _composed(function)
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    if ours is None:
        raise TypeError(
            f"[{name}] is not supported on fallline arrays; "
            "use a function of fallline, or np.asarray(x) for the values alone"
        )
    kwargs = {key: value for key, value in kwargs.items() if value is not np._NoValue}
    try:
        return ours(*args, **kwargs)
    except TypeError as error:
        if "argument" in str(error):
            raise TypeError(f"[{name}] these arguments are not supported on fallline arrays: {error}") from error
        raise


Array.__array_ufunc__ = _array_ufunc  # type: ignore[method-assign]
Array.__array_function__ = _array_function  # type: ignore[method-assign]


def named(name: str) -> Any:
    """Return what a function of NumPy of this name is here, such as ``concatenate``; None where it is not known."""
    theirs = getattr(np, name, None) if not name.startswith("_") else None
    try:
        return UFUNCS.get(theirs) or FUNCTIONS.get(theirs)
    except TypeError:  # what cannot be looked up
        return None
