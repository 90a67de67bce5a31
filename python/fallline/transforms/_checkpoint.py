"""Recomputation: a function of which derivatives keep the arguments alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from fallline import _core
from fallline._array import asarray
from fallline.transforms._effects import in_step, write
from fallline.transforms._key import TraceCache
from fallline.transforms._trace import Entry, trace

__all__ = ["checkpoint"]


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
        __tracebackhide__ = True
        if not _core.is_recording():
            return f(*args, **kwargs)
        entry, arrays = block._entry(args, kwargs, in_step())
        given = entry.inputs([asarray(a) for a in arrays])
        outputs = _core.call_body(entry.program, given if entry.keyed else [np.zeros(2, np.uint64), *given], 1)
        write(entry.buffers, outputs)
        return entry.rebuild(outputs)

    return wrapped


class _Block(TraceCache):
    """What a checkpoint computes at once."""

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> Entry:
        within = more[0]
        traced = trace(
            self._f, args, kwargs, into=lambda run, specs: _core.trace_body(run, specs, 0, 0, True, True), within=True
        )
        body, closed = traced.native
        draws = traced.effects.draws > 0
        return Entry(
            body,
            traced.rebuild,
            alive,
            traced.buffers,
            keyed=draws and not within,
            closed=closed,
            lasts=not closed and not (within and draws),
        )
