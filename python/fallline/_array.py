"""fl.Array: conversion, printing and indexing. `_ops` adds the methods that are functions, the core the operators."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import a_dtype, check, shown
from fallline._core import Array
from fallline._hints import Absent

__all__ = ["Array", "asarray"]


_places = itertools.count()
PAGE = 4096
LINE = 64  # bytes of a cache line and of the widest register


def aligned(x: np.ndarray, order: str = "K") -> np.ndarray:
    """Return `x`, dense in this order, beginning on a cache line; a copy where it is not so already.

    Two threads that share a matrix by columns then never write to one line. Small arrays are left where they are.
    """
    if order == "K" and x.nbytes < 64 * LINE and (x.flags.c_contiguous or x.flags.f_contiguous):
        return x  # without a look at the rest: there may be thousands
    dense = np.empty_like(x, order=order, subok=False)  # type: ignore[call-overload]
    if x.strides == dense.strides and (x.nbytes < 64 * LINE or x.ctypes.data % LINE == 0):
        return x
    memory = np.empty(x.nbytes + PAGE, np.uint8)
    begin = (next(_places) * 11 * LINE - memory.ctypes.data) % PAGE
    copy: np.ndarray = np.ndarray(x.shape, x.dtype, memory, begin, dense.strides)
    copy[...] = x
    return copy


def asarray(obj: Any, /, *, dtype: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Array:
    """Make an array of anything array-like.

    Memory is shared where byte order and alignment allow, and a read-only array stays read-only. Python floats, and
    lists of them, become the default dtype (float32); NumPy's float64 stays float64.

    Parameters
    ----------
    obj
        A NumPy array, a buffer, an object with ``__array__`` or ``__dlpack__``, a number, or nested lists of these.
    dtype
        The wanted dtype; None keeps it.
    copy
        True copies always; False raises ValueError where memory cannot be shared; None copies where it must.
    requires_grad
        Whether ``backward`` shall leave a gradient in ``grad``. Only for float32 and float64.

    Returns
    -------
    Array
    """
    made = _stacked(obj) if _holds_arrays(obj) else _wrapped(obj)
    source = obj if isinstance(obj, Array) else None
    if dtype is not None and check("asarray", "dtype", a_dtype, dtype) != made.dtype:
        if copy is False:
            raise ValueError(f"[asarray] copy=False, but {made.dtype} has to be converted to {np.dtype(dtype)}")
        made = _core.astype(made, dtype)
    elif copy:
        made = _core.copy(made)
    elif copy is False and source is None and not _shares(made, obj):
        raise ValueError("[asarray] copy=False, but this object's memory cannot be shared; pass copy=None")
    return _core.wrap(_core.detach(made), requires_grad=True) if requires_grad else made


def _wrapped(obj: Any) -> Array:
    try:
        return _core.wrap(obj)
    except _core.DTypeError as error:
        if isinstance(obj, np.ndarray):
            raise
        raise _core.DTypeError(f"{error}, got {shown(obj)}") from None


def _holds_arrays(obj: Any) -> bool:
    return isinstance(obj, list | tuple) and any(isinstance(item, Array) or _holds_arrays(item) for item in obj)


def _stacked(items: Any) -> Array:
    """Join a list that holds arrays, so that their derivatives pass."""
    parts = [asarray(item) for item in items]
    if len({part.shape for part in parts}) > 1:
        raise _core.ShapeError(f"[asarray] the parts differ in shape: {', '.join(str(part.shape) for part in parts)}")
    return _core.concatenate([_core.reshape(part, (1, *part.shape)) for part in parts], 0)


def _shares(made: Array, obj: Any) -> bool:
    if isinstance(obj, np.ndarray):
        return np.shares_memory(np.asarray(made), obj) or obj.size == 0
    return not isinstance(obj, list | tuple | int | float | complex)


Key = int | slice | EllipsisType | Array | np.ndarray | list[Any] | tuple[Any, ...] | None


def getitem(x: Array, key: Key) -> Array:
    """Give views for integers, slices, ``...`` and None; copies for integer and boolean arrays, as in NumPy."""
    parts = key if isinstance(key, tuple) else (key,)
    if all(_is_basic(part) for part in parts):
        return _basic(x, parts)
    if len(parts) == 1 and _is_integer_array(parts[0]):
        return _core.take(x, parts[0], 0)
    return _core.reshape(_core.take(_core.reshape(x, -1), *_flat_indices(x, parts), 0), _result_shape(x, parts))


def setitem(x: Array, key: Key, value: Any) -> None:
    """Write into the array's memory; what was recorded with the old values can then no longer be walked back."""
    if x._tracked:
        raise _core.TapeError(
            "[setitem] an array with a recorded past cannot be written; use fl.where, or detach() it first"
        )
    if isinstance(value, Array) and value._tracked:
        raise _core.TapeError(
            "[setitem] what is written would lose its recorded past, and so its gradient; use fl.where, fl.stack or "
            "fl.concat, or detach() the value first"
        )
    parts = key if isinstance(key, tuple) else (key,)
    if all(_is_basic(part) for part in parts):
        _basic(x, parts)._write(_core.wrap(value))
        return
    target = np.asarray(x)
    if not target.flags.writeable:
        raise _core.ShapeError("[setitem] the array is read-only: it shares the memory of a read-only NumPy array")
    target[_as_numpy(parts)] = np.asarray(_core.wrap(value))
    x._write(x)  # tells the record that the memory has changed


def _is_basic(part: Any) -> bool:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return True
    return (
        not isinstance(part, bool | np.bool_)
        and not isinstance(part, Array | np.ndarray | list | tuple)
        and _is_index(part)
    )


def _is_index(part: Any) -> bool:
    try:
        operator.index(part)
    except TypeError:
        return False
    return True


def _is_integer_array(part: Any) -> bool:
    if isinstance(part, Array):
        return part.ndim > 0 and bool(part.dtype.kind in "iu")
    return isinstance(part, np.ndarray | list) and np.asarray(part).dtype.kind in "iu" and np.asarray(part).ndim > 0


def _basic(x: Array, parts: tuple[Any, ...]) -> Array:
    """Apply basic indices, as one slice and one reshape."""
    key = tuple(p if p is None or p is Ellipsis or isinstance(p, slice) else operator.index(p) for p in parts)
    found = _core.plain_index(x, key)
    assert found is not None
    return found


def _as_numpy(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(np.asarray(part) if isinstance(part, Array) else part for part in parts)


def _flat_indices(x: Array, parts: tuple[Any, ...]) -> tuple[Any]:
    return (np.arange(x.size).reshape(x.shape)[_as_numpy(parts)].reshape(-1),)


def _result_shape(x: Array, parts: tuple[Any, ...]) -> tuple[int, ...]:
    shape: tuple[int, ...] = np.broadcast_to(np.int8(0), x.shape)[_as_numpy(parts)].shape
    return shape


def _iterate(x: Array) -> Iterator[Array]:
    if x.ndim == 0:
        raise TypeError("[iter] a 0-d array cannot be iterated over")
    return (x[i] for i in range(x.shape[0]))


def _scalar(x: Array, what: str) -> Any:
    if x.size != 1:
        raise _core.ShapeError(f"[{what}] only an array with one element is a number, got shape {x.shape}")
    return x.item()


def _repr(x: Array) -> str:
    past = ", requires_grad=True" if x._tracked else ""
    if not x._readable:
        why = "given away" if x._given_away else "traced"
        return f"Array(<{why}>, shape={x.shape}, dtype={x.dtype.name}{past})"
    text = np.array2string(np.asarray(x), separator=", ", prefix="Array(")
    return f"Array({text}, dtype={x.dtype.name}{past})"


def _as_ndarray(x: Array, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """NumPy asks here only where the buffer protocol has failed: while tracing there are no values."""
    _core.check_readable(x, "asarray")
    made = np.asarray(memoryview(x)).astype(x.dtype if dtype is None else dtype, copy=False)
    return made.copy() if copy else made


def _to_index(x: Array) -> int:
    if x.dtype.kind not in "iu":
        raise TypeError(f"[index] only an integer array can be an index, got {x.dtype}")
    return int(_scalar(x, "index"))


def _html(x: Array) -> str:
    from fallline._html import of_array  # only in notebooks

    return of_array(x)


def _missing(x: Array, name: str) -> Any:
    raise Absent("fl.Array", "Array", name, lambda: object.__dir__(x))


_DOC = """An array with NumPy's manners: elements of one dtype, memory that NumPy can share, a record of derivatives.

Made by :func:`fallline.asarray` and by functions; it has no constructor. Operators, indexing, NumPy's functions
(``np.mean(x)``) and those of fallline work on it and carry derivatives.

Attributes
----------
shape, ndim, size
    The lengths of the axes, how many axes there are, and how many elements.
dtype, itemsize, nbytes, strides
    The kind of the elements, the bytes of one and of all, and the bytes from one to the next along each axis.
T, mT
    With the axes in reverse order; with the last two exchanged.
requires_grad, grad
    Whether operations on it are recorded, and the gradient that ``backward`` left, or None.
device
    Where the memory is: "cpu".

Examples
--------
>>> import fallline as fl
>>> x = fl.asarray([[1.0, 2.0], [3.0, 4.0]])
>>> x.shape, x.dtype.name, (x @ x).sum().item()
((2, 2), 'float32', 54.0)
"""

METHODS: dict[str, Any] = {
    "__doc__": _DOC,
    "__getattr__": _missing,
    "_repr_html_": _html,
    "__setitem__": setitem,
    "__iter__": _iterate,
    "__repr__": _repr,
    "__str__": lambda x: str(np.asarray(x)) if x._readable else _repr(x),
    "__bool__": lambda x: bool(_scalar(x, "bool")),
    "__int__": lambda x: int(_scalar(x, "int")),
    "__float__": lambda x: float(_scalar(x, "float")),
    "__complex__": lambda x: complex(_scalar(x, "complex")),
    "__index__": _to_index,
    "__hash__": None,
    "__array__": _as_ndarray,
    "__dlpack__": lambda x, **kwargs: np.asarray(x).__dlpack__(**kwargs),
    "__dlpack_device__": lambda x: (1, 0),  # kDLCPU
    "tolist": lambda x: np.asarray(x).tolist(),
    "numpy": lambda x: np.asarray(x),
    "detach": lambda x: _core.detach(x),
    "device": property(lambda x: "cpu"),
    "__reduce__": lambda x: (asarray, (np.array(np.asarray(x)),)),
    "__deepcopy__": lambda x, memo: asarray(np.array(np.asarray(x), order="K")),
}
for _name, _method in METHODS.items():
    setattr(Array, _name, _method)
_core.set_subscript(getitem)
