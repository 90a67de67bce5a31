"""Loops and recomputation: functions that are one native step, also of a plan, and also where derivatives pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline._draws import dropout_key, in_step
from fallline._jit import Keyed, builder, describe, rebuild, with_key
from fallline._running import planned_updates, update_buffer

__all__ = ["checkpoint", "scan"]


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
    more before it takes its derivative. With ``fl.checkpoint`` around a scan not even the carries are kept.

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
    rows: list[Any] = []
    describe(xs, [], rows, [])
    count = _length(rows, length)
    carry = rebuild(carry, iter(()), numbers=True)
    if count == 0:
        return carry, None
    given: list[Any] = []
    describe(carry, [], given, [])
    given += (rows := [asarray(row) for row in rows])
    args, body = (carry, rebuild(xs, iter([row[0] for row in rows]))), _loop_of(f)
    recorded = _core.is_recording() and _any_recorded(given)
    try:
        entry, _ = body._entry(args, {}, recorded)
        if not recorded and _core.is_recording() and _any_recorded(entry.closed):  # known only now
            entry, _ = body._entry(args, {}, True)
    except ValueNeeded:
        if _core.is_tracing():
            raise
        return _written_out(f, carry, xs, rows, count)
    found: tuple[Any, Any] = entry.rebuild(_core.call_body(entry.body, [*given, *entry.closed], count))
    return found


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes what `f` computes and, where derivatives are recorded, keeps only its arguments.

    The way back computes `f` once more: a chain of n equal blocks, each in a checkpoint, needs the memory of n
    arguments and one block, for the time of one more way forward.

    Parameters
    ----------
    f
        A function of trees of arrays, numbers and modules that returns a tree of arrays, as for :func:`fallline.jit`.

    Returns
    -------
    callable
        Has the bits of `f`, and derivatives of any order.

    Notes
    -----
    `f` is traced: its arrays have shapes and no values. Its temporaries live in memory of its own while it runs; in a
    plan, and in the body of a scan, that is a part of the arena which other steps use before and after. Arrays that
    `f` closes over are differentiated too. Dropout drops the same elements when `f` is computed again; running
    statistics are written once.

    Examples
    --------
    >>> import fallline as fl
    >>> block = fl.checkpoint(lambda x: fl.tanh(fl.sin(x) * 2.0))
    >>> loss = lambda x, f: (f(f(x)) ** 2).sum()
    >>> x = fl.asarray([0.5, 1.0])
    >>> fl.grad(loss)(x, block).tolist() == fl.grad(loss)(x, lambda x: fl.tanh(fl.sin(x) * 2.0)).tolist()
    True
    """
    if not callable(f):
        raise TypeError(f"[checkpoint] expected a function, got {type(f).__name__}")
    block = _Block(f, "checkpoint")

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not _core.is_recording():
            return f(*args, **kwargs)
        entry, arrays = block._entry(args, kwargs, in_step())
        given = with_key(entry, [asarray(a) for a in arrays])
        if not entry.keyed:
            given = [np.zeros(2, np.uint64), *given]
        outputs = _core.call_body(entry.body, [*given, *entry.closed], 1)
        values = outputs[len(outputs) - len(entry.buffers) :]
        for buffer, value in zip(entry.buffers, values, strict=True):
            update_buffer(buffer, _core.detach(value))
        return entry.rebuild(outputs)

    return wrapped


class _Traced(NamedTuple):
    """What one trace of a body left."""

    body: _core.Body
    closed: list[Array]
    rebuild: Callable[[list[Array]], Any]
    alive: tuple[Any, ...]  # objects whose identity is part of the key
    lasts: bool
    keyed: bool = False
    buffers: tuple[Array, ...] = ()


class _Loop(Keyed):
    """The body of a scan."""

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> _Traced:
        built: list[Any] = []
        carries: list[Any] = []
        describe(args[0], [], carries, [])

        def run(*inputs: Array) -> list[Array]:
            carry, x = rebuild(args, iter(inputs))
            with dropout_key(asarray(np.zeros(2, np.uint64))) as step, planned_updates() as updates:
                result = self._f(carry, x)
            if step.calls or updates:
                raise _core.TraceError(
                    "[scan] dropout and running statistics cannot be used in a scan; pass keys as xs instead"
                )
            _check_carry(result, carries)
            outputs: list[Any] = []
            describe(result, [], outputs, [])
            built.append(result)
            return [asarray(a) for a in outputs]

        specs, n = [(a.shape, a.dtype) for a in arrays], len(carries)
        body, closed = _core.trace_body(run, specs, n, len(arrays) - n, False, more[0])
        return _Traced(body, closed, builder(built[0]), alive, not closed)


class _Block(Keyed):
    """What a checkpoint computes at once."""

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> _Traced:
        built: list[Any] = []
        buffers: list[Array] = []
        draws = 0

        def run(key: Array, *inputs: Array) -> list[Array]:
            nonlocal draws
            given, named = rebuild((args, kwargs), iter(inputs))
            with dropout_key(key, within=True) as step, planned_updates(within=True) as updates:
                before, drawn = list(updates), step.calls
                out = self._f(*given, **named)
            draws = step.calls - drawn
            outputs: list[Any] = []
            describe(out, [], outputs, [])
            built.append(out)
            new = [update for update in updates if all(update[1] is not value for _, value in before)]
            buffers[:] = [buffer for buffer, _ in new]
            return [asarray(a) for a in [*outputs, *(value for _, value in new)]]

        specs = [((2,), np.dtype(np.uint64)), *((a.shape, a.dtype) for a in arrays)]
        body, closed = _core.trace_body(run, specs, 0, 0, True, True)
        within = more[0]
        return _Traced(
            body,
            closed,
            builder(built[0]),
            alive,
            lasts=not closed and not (within and draws),
            keyed=draws > 0 and not within,
            buffers=tuple(buffers),
        )


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
        carry, y = f(carry, rebuild(xs, iter([row[i] for row in rows])))
        found: list[Any] = []
        describe(y, [], found, [])
        gathered.append(y)
        columns.append([asarray(a) for a in found])
    joined = [_ops.stack(list(column)) for column in zip(*columns, strict=True)]
    return carry, rebuild(gathered[0], iter(joined))


def _any_recorded(arrays: list[Any]) -> bool:
    return any(isinstance(a, Array) and a._tracked for a in arrays)


def _check_carry(result: Any, before: list[Any]) -> None:
    """Raise unless a body's result is a pair whose carry looks like the one before."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"[scan] the function must return (carry, y), got {type(result).__name__}")
    after: list[Any] = []
    describe(result[0], [], after, [])
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
