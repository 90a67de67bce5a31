"""Parameters and gradients of one step, checked, as flat memory whose elements correspond."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, _tree
from fallline._arguments import shown
from fallline.transforms._scan import ValueNeeded

__all__ = ["Leaves", "check", "order_of", "ordered_as"]

Spans = tuple[np.ndarray, np.ndarray]  # the first address of each array, and the one behind its last


class Leaves(NamedTuple):
    """The arrays of one step, by path and side by side.

    `w` and `g` are what the kernel reads and writes: the arrays themselves where memory is flat, copies otherwise.
    """

    originals: dict[str, Any]
    params: dict[str, np.ndarray]
    w: list[np.ndarray]
    g: list[np.ndarray]
    grad_order: list[int]  # the place of each parameter's gradient in the tree of gradients
    direct: bool  # nothing had to be copied

    def store(self) -> None:
        """Copy results back where the kernel worked on a copy."""
        for array, w in zip(self.params.values(), self.w, strict=True):
            if w is not array:
                array[...] = w
        _core.written(list(self.originals.values()))

    def like_params(self, arrays: list[np.ndarray]) -> dict[str, Any]:
        """Return the arrays by path, each in the class of its parameter."""
        kinds = zip(self.originals.items(), arrays, strict=True)
        return {path: a if isinstance(o, np.ndarray) else _core.wrap(a) for (path, o), a in kinds}


NO_GRADIENTS = object()


def where(path: str) -> str:
    """Return the path of a leaf for a message; the tree itself has none."""
    return f" '{path}'" if path else ""


def check(rule: str, params: Any, grads: Any, *, writable: bool = True) -> Leaves:
    """Check everything that one step needs; `grads` may be NO_GRADIENTS where only parameters matter."""
    originals = _tree.flatten(params)
    arrays = {path: _parameter(rule, path, leaf, writable) for path, leaf in originals.items()}
    spans = _spans(arrays.values())
    if writable and _may_overlap(*spans):
        _check_overlap(rule, arrays)
    w = [ordered_as(array, array) for array in arrays.values()]
    direct = all(a is b for a, b in zip(w, arrays.values(), strict=True))
    if grads is NO_GRADIENTS:
        return Leaves(originals, arrays, w, [], [], direct)
    given = match(rule, arrays, _tree.flatten(grads))
    place = {path: i for i, path in enumerate(given)}
    gradients = [np.asarray(given[path]) for path in arrays]
    g = [ordered_as(gradient, array) for gradient, array in zip(gradients, arrays.values(), strict=True)]
    for i in _written_too_early(_spans(g), spans if direct else _spans(w)):
        g[i] = g[i].copy(order="K")
    direct = direct and all(a is b for a, b in zip(g, gradients, strict=True))
    return Leaves(originals, arrays, w, g, [place[path] for path in arrays], direct)


def ordered_as(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return the array where it is flat in the order of `like`, else a copy for which that holds.

    The order of an array that is not flat itself is row-major.
    """
    order = order_of(like)
    flags = array.flags
    if flags.aligned and (flags.c_contiguous if order == "C" else flags.f_contiguous):
        return array
    copy: np.ndarray = array.copy(order)  # type: ignore[arg-type]
    return copy


def order_of(array: np.ndarray) -> str:
    """Return in which order its elements are updated: "F" or "C"."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def match(rule: str, params: Mapping[str, Any], grads: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the gradients, after seeing that each parameter has one of its shape and dtype."""
    if grads.keys() != params.keys():
        missing, extra = sorted(params.keys() - grads.keys()), sorted(grads.keys() - params.keys())
        raise ValueError(f"[{rule}] parameters without a gradient: {missing}; gradients without a parameter: {extra}")
    for path, array in params.items():
        gradient = grads[path] if hasattr(grads[path], "dtype") else np.asarray(grads[path])
        if gradient.dtype.kind in "OSU":
            raise TypeError(f"[{rule}] the gradient of '{path}' must be an array of numbers, got {shown(grads[path])}")
        if gradient.shape != array.shape:
            raise _core.ShapeError(f"[{rule}] '{path}' has shape {array.shape}, but its gradient {gradient.shape}")
        if gradient.dtype != array.dtype:
            raise _core.DTypeError(f"[{rule}] '{path}' is {array.dtype}, but its gradient {gradient.dtype}")
    return grads


def recorded(value: Any) -> bool:
    """Whether a value remembers where it came from, or stands for one that is not known yet."""
    return isinstance(value, _core.Array) and (value._tracked or not value._readable)


def known(rule: str, t: Any) -> int:
    """Return t as a number; the constants of a step depend on it."""
    if isinstance(t, _core.Array) and not t._readable:
        raise ValueNeeded(
            f"[{rule}] an update with derivatives cannot be traced over t: take the state's 't' from outside, "
            "and write a loop inside a traced function in Python instead of fl.scan"
        )
    return int(t)


def _parameter(rule: str, path: str, leaf: Any, writable: bool) -> np.ndarray:
    if not isinstance(leaf, np.ndarray | _core.Array):
        kind = "None" if leaf is None else f"a {type(leaf).__name__}"
        raise _core.DTypeError(
            f"[{rule}] parameter{where(path)} is {kind}, expected a NumPy array or fl.Array, which can be updated in "
            "place"
        )
    array = np.asarray(leaf)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        raise _core.DTypeError(f"[{rule}] parameter '{path}' is {array.dtype}, expected float32 or float64")
    if writable and not array.flags.writeable:
        raise ValueError(f"[{rule}] parameter '{path}' is read-only")
    return array


def _may_overlap(low: np.ndarray, high: np.ndarray) -> bool:
    """Whether any two stretches of memory have something in common; all are looked at together."""
    order = np.argsort(low)
    return bool((low[order][1:] < np.maximum.accumulate(high[order])[:-1]).any())


def _check_overlap(rule: str, arrays: dict[str, np.ndarray]) -> None:
    open_spans: list[tuple[int, str]] = []  # (end, path) of the arrays that reach past the current address
    for low, high, path in sorted((*_span(a), path) for path, a in arrays.items() if a.size):
        open_spans = [(end, other) for end, other in open_spans if end > low]
        for _, other in open_spans:
            if np.shares_memory(arrays[other], arrays[path]):
                names = " and ".join(f"'{name}'" for name in sorted((other, path)))
                raise ValueError(f"[{rule}] parameters {names} overlap in memory")
        open_spans.append((high, path))


def _span(array: np.ndarray) -> tuple[int, int]:
    """Return the first address of the elements, and the one behind the last."""
    begin: int = array.__array_interface__["data"][0]  # a third of the time of `ctypes.data`
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return begin, begin + array.nbytes
    reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)] if array.size else []
    return begin + sum(r for r in reach if r < 0), begin + sum(r for r in reach if r > 0) + array.itemsize


def _spans(arrays: Collection[np.ndarray]) -> Spans:
    spans = np.array([_span(array) for array in arrays], dtype=np.int64).reshape(-1, 2)
    return spans[:, 0], spans[:, 1]


def _written_too_early(g: Spans, w: Spans) -> np.ndarray:
    """Return which gradients lie in the memory of some parameter, other than exactly on their own."""
    (low, high), (begin, end) = g, w
    order = np.argsort(begin)
    last = np.searchsorted(begin[order], high) - 1  # the last parameter that begins before the gradient ends
    touches = (last >= 0) & (end[order][last] > low)
    return np.flatnonzero(touches & (low != begin))
