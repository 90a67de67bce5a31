"""Functions that are traced once and then run as native plans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from itertools import accumulate
from operator import index
from typing import Any

from fallline import _core
from fallline.transforms._checkpoint import checkpoint
from fallline.transforms._effects import write
from fallline.transforms._key import TraceCache, arrays_of
from fallline.transforms._trace import Entry, trace

__all__ = ["Plan", "jit"]


def jit(f: Callable[..., Any], strict: bool = False, donate: int | Sequence[int] = ()) -> Jit:
    """Return a function that computes what `f` computes, as a plan without Python.

    The first call traces `f` with placeholders for its arrays: operations are recorded, repeated and dead ones dropped,
    and every temporary gets its place in one arena. Later calls with the same shapes, dtypes and Python values run that
    plan, with the same bits as `f` itself.

    Parameters
    ----------
    f
        A function of trees of arrays (dicts, lists, tuples; modules; numbers) that returns a tree of arrays. Python
        numbers, strings and modules belong to the key: another value is traced anew. Arrays that `f` closes over are
        read by reference at each run.
    strict
        Whether a second trace is an error that shows both keys.
    donate
        Positions of arguments that a call uses up: results are written over the memory of their arrays where no step
        reads it any longer, so that parameters and state exist once. Their arrays are empty afterwards, also where the
        call failed on the way, and using one raises :class:`fallline.TraceError`. Memory that somebody else holds, such
        as a view, a record or NumPy, stays as it is, and NumPy arrays themselves are never given away. Only for calls
        that run the plan: inside another traced function, and where derivatives are recorded, nothing is used up. No
        other thread may be using the arrays.

    Returns
    -------
    Jit
        A callable with ``plan(*args)`` and the attribute ``traces``, the number of plans made.

    Notes
    -----
    While it is traced, an array has a shape and no values: ``if x > 0`` raises :class:`fallline.TraceError`, and a
    ``print`` happens once. Dropout draws anew at each call, and running statistics are written after it. Inside another
    traced function `f` is called as it is. Where derivatives are being recorded it runs as by
    :func:`fallline.checkpoint`: ``grad(jit(f))`` is a plan for the way forward and one for the way back, which computes
    `f` once more; ``jit(grad(f))`` is a single plan that keeps what it needs.

    Examples
    --------
    >>> import fallline as fl
    >>> f = fl.jit(lambda x: fl.exp(-x * x).sum())
    >>> f(fl.asarray([0.0, 1.0])).item() == f(fl.asarray([1.0, 0.0])).item()
    True
    >>> f.traces
    1
    """
    return Jit(f, strict, donate)


class Jit(TraceCache):
    """A traced function; see `jit`."""

    def __init__(self, f: Callable[..., Any], strict: bool = False, donate: int | Sequence[int] = ()) -> None:
        if callable(f):
            update_wrapper(self, f)  # before ours are set: f may bear the attributes of another Jit that it wraps
        super().__init__(f, "jit", strict)
        self._recorded = checkpoint(f)
        try:
            self._donated = tuple(map(index, donate if isinstance(donate, Iterable) else (donate,)))
        except TypeError:
            self._donated = (-1,)
        if isinstance(donate, bool) or any(place < 0 for place in self._donated):
            raise ValueError(f"[jit] donate names positions of arguments, 0 or more, got {donate!r}")

    @property
    def traces(self) -> int:
        """How many plans were made."""
        return len(self._entries)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the plan of these arguments; make it where there is none."""
        __tracebackhide__ = True
        if _core.is_tracing():
            return self._f(*args, **kwargs)
        entry, arrays = self._entry(args, kwargs)
        outputs = (
            None
            if entry.program is None
            else entry.program.call(entry.inputs(arrays) if entry.keyed else arrays, entry.given)
        )
        if outputs is None:  # derivatives pass: as one native call that has a derivative
            return self._recorded(*args, **kwargs)
        if entry.buffers:
            write(entry.buffers, outputs)
        return entry.rebuild(outputs)

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> Entry:
        given = _places(args, self._donated) if self._donated else []
        traced = trace(self._f, args, kwargs)
        graph, outputs = traced.native
        keyed = traced.effects.draws > 0
        if keyed:  # the key comes first
            given = [at + 1 for at in given]
        else:
            graph.forget_input(0)
        plan = None if traced.tracked else _core.Plan(graph, outputs)
        return Entry(plan, traced.rebuild, alive, traced.buffers, keyed, given=given)

    def __repr__(self) -> str:
        return f"jit({getattr(self, '__name__', self._f)}, traces={self.traces})"

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Return the plan for these arguments, to be printed or profiled."""
        entry, arrays = self._entry(args, kwargs)
        if entry.program is None:
            raise _core.TraceError(
                f"[jit] {self.__name__} returns values that are recorded for derivatives, so it runs without a plan; "
                "take the derivative inside: jit(grad(f))"
            )
        return Plan(entry.program, entry.inputs(arrays))


class Plan:
    """The steps of a traced function for certain arguments. ``print(plan)`` runs it and shows them with their times."""

    def __init__(self, plan: _core.Plan, inputs: list[Any]) -> None:
        self._plan, self._inputs = plan, inputs

    @property
    def steps(self) -> int:
        """The number of native calls of a run."""
        return self._plan.steps

    @property
    def arena_bytes(self) -> int:
        """The memory in which all temporaries lie."""
        return self._plan.arena_bytes

    def profile(self, runs: int = 20) -> list[tuple[str, float]]:
        """Return each step and the seconds that it took, the least of several runs; the dearest first."""
        found: list[tuple[str, float]] = self._plan.profile(self._inputs, runs)
        return sorted(found, key=lambda row: -row[1])

    def __repr__(self) -> str:
        return f"Plan({self.steps} steps, arena {self.arena_bytes} bytes; print(plan) runs it and shows them)"

    def __str__(self) -> str:
        rows = self._plan.profile(self._inputs, 5)
        total = sum(seconds for _, seconds in rows)
        head = f"Plan of {self.steps} steps, arena {self.arena_bytes} bytes, {1e6 * total:.2f} us"
        if self._plan.taken_away:
            head += f"; taken away: {self._plan.taken_away}"
        return "\n".join([head, *(f"{1e6 * seconds:10.2f} us  {text}" for text, seconds in rows)])


def _places(args: Sequence[Any], donated: Sequence[int]) -> list[int]:
    """Return where the arrays of some arguments stand among the arrays of all."""
    if max(donated) >= len(args):
        raise ValueError(f"[jit] donate names argument {max(donated)}, the call has {len(args)} by position")
    ends = list(accumulate(len(arrays_of(arg)) for arg in args))
    return [at for place in donated for at in range(ends[place - 1] if place else 0, ends[place])]
