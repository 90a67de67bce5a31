"""Loops: a function that is run along an axis, as one native step, also of a plan, and also where derivatives pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fallline import _core, _ops
from fallline._array import asarray
from fallline._explain import explained
from fallline._tree import replace
from fallline.transforms._checkpoint import checkpoint
from fallline.transforms._key import PLAIN, TraceCache, any_recorded, arrays_of
from fallline.transforms._trace import Entry, fill, keyless, trace

__all__ = ["ValueNeeded", "scan"]


@explained
def scan(f: Callable[..., Any], carry: Any, xs: Any = None, length: int | None = None) -> tuple[Any, Any]:
    r"""Run ``carry, y = f(carry, x)`` along the rows of `xs`, in native code, and gather the ys.

    Parameters
    ----------
    f
        Takes a carry and one row of `xs` (None without them); returns the next carry, built as the first, of the same
        shapes and dtypes, and a tree of arrays or None.
    carry
        A tree of arrays or numbers.
    xs
        A tree of arrays with a common first axis, or None.
    length
        The number of runs; needed without `xs`.

    Returns
    -------
    carry, ys
        The last carry, and the ys along a new first axis; None where there was no run.

    Notes
    -----
    `f` is traced, as by :func:`fallline.jit`: its arrays have shapes and no values. In a traced function, and in the
    body of another scan, the loop is one step of the plan.

    Derivatives of any order pass through the carry, `xs` and the arrays that `f` closes over. Where they are recorded,
    the carries of all runs are kept and nothing else: the way back is a loop too, which computes each run of `f` once
    more before it takes its derivative. Where the carries would take more than 64 MB, only every k-th of n is kept, k
    the root of n, and a further run of `f` finds the others again: memory grows with the root of the length (Chen et
    al. 2016, "Training deep nets with sublinear memory cost").

    Dropout and running statistics cannot be used in `f`. An optimizer's ``update`` through which derivatives pass needs
    its time as a number: such a loop is run step by step, each recorded.

    Examples
    --------
    >>> import fallline as fl
    >>> last, sums = fl.scan(lambda total, x: (total + x, total + x), 0.0, fl.asarray([1.0, 2.0, 3.0]))
    >>> last.item(), sums.tolist()
    (6.0, [1.0, 3.0, 6.0])
    >>> decay = lambda r: fl.scan(lambda y, _: (r * y, None), 1.0, length=3)[0]  # r**3
    >>> fl.grad(decay)(2.0).item(), fl.grad(fl.grad(decay))(2.0).item()
    (12.0, 12.0)
    """
    __tracebackhide__ = True
    rows = [asarray(row) for row in arrays_of(xs)]
    count = _length(rows, length)
    carry = replace(carry, lambda leaf: asarray(leaf) if isinstance(leaf, PLAIN) else leaf)
    if count == 0:
        return carry, None
    given = [*arrays_of(carry), *rows]
    args, body = (carry, fill(xs, iter([row[0] for row in rows]))), _loop_of(f)
    recorded = _core.is_recording() and any_recorded(given)
    try:
        entry, _ = body._entry(args, {}, recorded)
        if not recorded and _core.is_recording() and any_recorded(entry.closed):  # known only now
            recorded = True
            entry, _ = body._entry(args, {}, True)
    except ValueNeeded:
        if _core.is_tracing():
            raise
        return _written_out(f, carry, xs, rows, count)
    if recorded and count >= _LEAST and count * sum(a.nbytes for a in arrays_of(carry)) > _KEPT:
        return _in_pieces(f, carry, xs, rows, count)
    found: tuple[Any, Any] = entry.rebuild(_core.call_body(entry.program, entry.inputs(given), count))
    return found


_KEPT = 2**26  # bytes of carries that a record may keep
_LEAST = 16  # runs, of which fewer are no pieces worth the name


def _in_pieces(f: Callable[..., Any], carry: Any, xs: Any, rows: list[Any], count: int) -> tuple[Any, Any]:
    """Run the loop as a loop over pieces, each a loop of which only the first carry is kept; then what is left over."""
    size = math.isqrt(count)
    whole = count // size * size
    shaped = [_ops.reshape(row[:whole], (-1, size, *row.shape[1:])) for row in rows]

    def piece(carry: Any, part: Any) -> tuple[Any, Any]:
        return scan(f, carry, part, size)

    carry, found = scan(checkpoint(piece), carry, fill(xs, iter(shaped)), whole // size)
    gathered = [_ops.reshape(y, (whole, *y.shape[2:])) for y in arrays_of(found)]
    if whole < count:
        carry, rest = scan(f, carry, fill(xs, iter([row[whole:] for row in rows])), count - whole)
        gathered = [_ops.concat([y, more]) for y, more in zip(gathered, arrays_of(rest), strict=True)]
    return carry, fill(found, iter(gathered))


class _Loop(TraceCache):
    """The body of a scan."""

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> Entry:
        carries = arrays_of(args[0])
        count = len(carries), len(arrays) - len(carries)

        def checked(carry: Any, x: Any) -> Any:
            result = self._f(carry, x)
            _check_carry(result, carries)
            return result

        traced = trace(
            checked, args, kwargs, into=keyless(lambda run, specs: _core.trace_body(run, specs, *count, False, more[0]))
        )
        if traced.effects.draws or traced.effects.updates:
            raise _core.TraceError(
                "[scan] dropout and running statistics cannot be used in a scan; pass keys as xs instead"
            )
        body, closed = traced.native
        return Entry(body, traced.rebuild, alive, closed=closed, lasts=not closed)


_loops: WeakKeyDictionary[Callable[..., Any], _Loop] = WeakKeyDictionary()


def _loop_of(f: Callable[..., Any]) -> _Loop:
    body = _loops.get(f)
    if body is None:
        body = _loops[f] = _Loop(f, "scan")
    return body


class ValueNeeded(_core.TraceError):
    """Raised by what can be computed for the values of one step, and not for all steps of a loop at once."""


def _written_out(f: Callable[..., Any], carry: Any, xs: Any, rows: list[Any], count: int) -> tuple[Any, Any]:
    """Run the loop in Python."""
    gathered: list[Any] = []
    columns: list[list[Any]] = []
    for i in range(count):
        carry, y = f(carry, fill(xs, iter([row[i] for row in rows])))
        gathered.append(y)
        columns.append([asarray(a) for a in arrays_of(y)])
    joined = [_ops.stack(list(column)) for column in zip(*columns, strict=True)]
    return carry, fill(gathered[0], iter(joined))


def _check_carry(result: Any, before: list[Any]) -> None:
    """Raise unless a body's result is a pair whose carry looks like the one before."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"[scan] the function must return (carry, y), got {type(result).__name__}")
    after = arrays_of(result[0])
    old, new = ([(tuple(a.shape), np.dtype(a.dtype)) for a in arrays] for arrays in (before, after))
    if old != new:
        raise _core.ShapeError(f"[scan] the carry must keep its shapes and dtypes: {old} became {new}")


def _length(rows: list[Any], length: int | None) -> int:
    found = {len(row) if row.ndim else -1 for row in rows} | (set() if length is None else {length})
    if len(found) != 1 or min(found) < 0:
        raise _core.ShapeError(
            f"[scan] expected one length, from the first axes of xs or from length=, got {sorted(found) or 'none'}"
        )
    return int(found.pop())
