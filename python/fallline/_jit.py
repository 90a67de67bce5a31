"""Functions that are traced once and then run as native plans."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from functools import update_wrapper
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from fallline import _core, _ops, random
from fallline._array import Array, asarray
from fallline._draws import dropout_key
from fallline._running import planned_updates, update_buffer

__all__ = ["Plan", "jit", "scan"]

# Tuples, for the time of a call goes into these checks.
_ARRAYS, _LISTS, _PLAIN = (Array, np.ndarray, np.generic), (list, tuple), (bool, int, float)
_FIXED = (*_ARRAYS, types.FunctionType)
_NUMBERS = frozenset((bool, int, float, complex, str, bytes, type(None)))


def jit(f: Callable[..., Any], strict: bool = False) -> Jit:
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

    Returns
    -------
    Jit
        A callable with ``plan(*args)`` and the attribute ``traces``, the number of plans made.

    Notes
    -----
    While it is traced, an array has a shape and no values: ``if x > 0`` raises :class:`fallline.TraceError`, and a
    ``print`` happens once. Dropout draws anew at each call, and running statistics are written after it. Inside another
    traced function, and where derivatives are being recorded, `f` is called as it is: ``jit(grad(f))`` is a plan,
    ``grad(jit(f))`` is not.

    Examples
    --------
    >>> import fallline as fl
    >>> f = fl.jit(lambda x: fl.exp(-x * x).sum())
    >>> f(fl.asarray([0.0, 1.0])).item() == f(fl.asarray([1.0, 0.0])).item()
    True
    >>> f.traces
    1
    """
    return Jit(f, strict)


class _Entry(NamedTuple):
    """What one trace left."""

    plan: _core.Plan | None  # None where the result is recorded: f is then called as it is
    inputs: int
    rebuild: Callable[[list[Array]], Any]
    buffers: list[Array]
    keyed: bool
    alive: tuple[Any, ...]  # objects whose identity is part of the key


class Jit:
    """A traced function; see `jit`."""

    def __init__(self, f: Callable[..., Any], strict: bool = False) -> None:
        if not callable(f):
            raise TypeError(f"[jit] expected a function, got {type(f).__name__}")
        update_wrapper(self, f)
        self._f, self._strict = f, strict
        self._entries: dict[Any, _Entry] = {}
        self._around = _surroundings(f)
        self._seen: tuple[list[Any], list[Any]] | None = None  # the last values from outside, and their part of the key

    @property
    def traces(self) -> int:
        """How many plans were made."""
        return len(self._entries)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the plan of these arguments; make it where there is none."""
        if _core.is_tracing():
            return self._f(*args, **kwargs)
        entry, arrays = self._entry(args, kwargs)
        outputs = None if entry.plan is None else entry.plan.call(_with_key(entry, arrays))
        if outputs is None:
            return self._f(*args, **kwargs)
        if entry.buffers:
            for buffer, value in zip(entry.buffers, outputs[len(outputs) - len(entry.buffers) :], strict=True):
                update_buffer(buffer, value)
        return entry.rebuild(outputs)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Return the plan for these arguments, to be printed or profiled."""
        entry, arrays = self._entry(args, kwargs)
        if entry.plan is None:
            raise _core.TraceError(
                f"[jit] {self.__name__} returns values that are recorded for derivatives, so it runs without a plan; "
                "take the derivative inside: jit(grad(f))"
            )
        return Plan(entry.plan, _with_key(entry, arrays))

    def _entry(self, args: Any, kwargs: Any) -> tuple[_Entry, list[Any]]:
        arrays: list[Any] = []
        alive: list[Any] = []
        key = [_core.default_dtype(), _core.is_recording(), len(args), *kwargs]
        for arg in (*args, *kwargs.values()) if kwargs else args:
            _describe(arg, key, arrays, alive)
        self._surround(key, alive)
        found = tuple(key)
        entry = self._entries.get(found)
        if entry is None:
            if self._strict and self._entries:
                raise _core.TraceError(
                    f"[jit] {self.__name__} would be traced again, which strict=True forbids: it was traced for "
                    f"{next(iter(self._entries))}, and is called with {found}"
                )
            entry = self._entries[found] = _trace(self._f, args, kwargs, arrays, tuple(alive))
        return entry, arrays

    def _surround(self, key: list[Any], alive: list[Any]) -> None:
        """Add what the function takes from outside to its key; what has stayed the same is not described again."""
        values = []
        for look in self._around:
            try:
                values.append(look())
            except (ValueError, KeyError):  # a variable that has no value yet
                values.append(None)
        if self._seen is not None and all(map(is_, values, self._seen[0])):
            key += self._seen[1]
            return
        own: list[Any] = []
        for value in values:
            _describe(value, own, None, alive)
        if all(map(_is_lasting, values)):
            self._seen = values, own
        key += own

    __name__: str


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

    def __str__(self) -> str:
        rows = self._plan.profile(self._inputs, 5)
        total = sum(seconds for _, seconds in rows)
        head = f"Plan of {self.steps} steps, arena {self.arena_bytes} bytes, {1e6 * total:.2f} us"
        return "\n".join([head, *(f"{1e6 * seconds:10.2f} us  {text}" for text, seconds in rows)])


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
        The last carry, and the ys along a new first axis.

    Notes
    -----
    Where derivatives are recorded, and inside traced functions, the loop is written out.

    Examples
    --------
    >>> import fallline as fl
    >>> last, sums = fl.scan(lambda total, x: (total + x, total + x), 0.0, fl.asarray([1.0, 2.0, 3.0]))
    >>> last.item(), sums.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    rows: list[Any] = []
    _describe(xs, [], rows, [])
    count = _length(rows, length)
    arrays: list[Any] = []
    carry = _rebuild(carry, iter(()), numbers=True)
    _describe(carry, [], arrays, [])
    if _core.is_tracing() or count == 0 or any(isinstance(a, Array) and a._tracked for a in (*arrays, *rows)):
        return _unrolled(f, carry, xs, rows, count)
    return _scanned(f, carry, xs, rows, count)


_bodies: WeakKeyDictionary[Callable[..., Any], Jit] = WeakKeyDictionary()


def _scanned(f: Callable[..., Any], carry: Any, xs: Any, rows: list[Any], count: int) -> tuple[Any, Any]:
    body = _bodies.get(f)
    if body is None:
        body = _bodies[f] = Jit(f)
    first = _rebuild(xs, iter([asarray(row)[0] for row in rows]))
    entry, arrays = body._entry((carry, first), {})
    carries = len(arrays) - len(rows)
    if entry.plan is None:
        return _unrolled(f, carry, xs, rows, count)
    if entry.keyed or entry.buffers:
        raise _core.TraceError(
            "[scan] dropout and running statistics cannot be used in a scan; pass keys as xs instead"
        )
    before = arrays[:carries]
    shapes = _carry_of(entry.rebuild(entry.plan.call(arrays) or []), before)
    out = entry.plan.scan(before, rows, count) if shapes else []
    found: tuple[Any, Any] = entry.rebuild(out)
    return found


def _carry_of(result: Any, before: list[Any]) -> bool:
    """Raise unless a body's result is a pair whose carry looks like the one before."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"[scan] the function must return (carry, y), got {type(result).__name__}")
    after: list[Any] = []
    _describe(result[0], [], after, [])
    old, new = ([(tuple(a.shape), np.dtype(a.dtype)) for a in arrays] for arrays in (before, after))
    if old != new:
        raise _core.ShapeError(f"[scan] the carry must keep its shapes and dtypes: {old} became {new}")
    return True


def _unrolled(f: Callable[..., Any], carry: Any, xs: Any, rows: list[Any], count: int) -> tuple[Any, Any]:
    gathered: list[Any] = []
    arrays = [asarray(row) for row in rows]
    for i in range(count):
        carry, y = f(carry, _rebuild(xs, iter([row[i] for row in arrays])))
        gathered.append(y)
    if not gathered:
        return carry, None
    columns: list[list[Any]] = []
    for y in gathered:
        found: list[Any] = []
        _describe(y, [], found, [])
        columns.append([asarray(a) for a in found])
    joined = [_ops.stack(list(column)) for column in zip(*columns, strict=True)]
    return carry, _rebuild(gathered[0], iter(joined))


def _length(rows: list[Any], length: int | None) -> int:
    found = {len(row) if row.ndim else -1 for row in rows} | (set() if length is None else {length})
    if len(found) != 1 or min(found) < 0:
        raise _core.ShapeError(
            f"[scan] expected one length, from the first axes of xs or from length=, got {sorted(found) or 'none'}"
        )
    return int(found.pop())


def _with_key(entry: _Entry, arrays: list[Any]) -> list[Any]:
    if not entry.keyed:
        return arrays
    rng = random.get_default()
    rng.counter += 1
    return [np.array([rng.key, rng.counter], np.uint64), *arrays]


def _trace(f: Callable[..., Any], args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...]) -> _Entry:
    built: list[Any] = []
    buffers: list[Array] = []
    state = {"tracked": False, "keyed": False}

    def run(key: Array, *inputs: Array) -> list[Array]:
        given, named = _rebuild((args, kwargs), iter(inputs))
        with dropout_key(key) as step, planned_updates() as updates:
            out = f(*given, **named)
        outputs: list[Any] = []
        _describe(out, [], outputs, [])
        built.append(out)
        buffers[:] = [buffer for buffer, _ in updates]
        found = [asarray(a) for a in [*outputs, *(value for _, value in updates)]]
        state.update(tracked=any(a._tracked for a in found), keyed=step.calls > 0)
        return found

    specs = [((2,), np.dtype(np.uint64)), *((a.shape, a.dtype) for a in arrays)]
    graph, outputs = _core.trace(run, specs)
    out = built[0]
    if not state["keyed"]:
        graph.forget_input(0)
    plan = None if state["tracked"] else _core.Plan(graph, outputs)
    return _Entry(plan, len(arrays), lambda found: _rebuild(out, iter(found)), list(buffers), state["keyed"], alive)


def _describe(node: Any, key: list[Any], arrays: list[Any] | None, alive: list[Any]) -> None:
    """Add to the key all that a trace depends on; collect arrays, or take them by identity where there is no list."""
    kind = type(node)
    if kind is Array or isinstance(node, _ARRAYS):
        key += [node.shape, node.dtype]
        if arrays is None:
            key.append(id(node))
            alive.append(node)
        else:
            arrays.append(node)
    elif kind in _NUMBERS:
        key += [kind, node]
    elif kind is tuple or kind is list or isinstance(node, _LISTS):
        key += [kind, len(node)]
        for child in node:
            _describe(child, key, arrays, alive)
    elif kind is dict or isinstance(node, Mapping):
        key += [kind, *node]
        for child in node.values():
            _describe(child, key, arrays, alive)
    elif callable(getattr(node, "parameters", None)) and callable(getattr(node, "modules", None)):
        key += [id(node), *(module.training for module in node.modules())]
        key += [id(a) for a in node.state_dict().values()]
        alive += [node, *node.state_dict().values()]
    else:
        key += [kind, id(node)]
        alive.append(node)


def _is_lasting(node: Any) -> bool:
    """Whether the description of a value is the same as long as it is the same object."""
    if type(node) is tuple:
        return all(map(_is_lasting, node))
    return type(node) in _NUMBERS or isinstance(node, _FIXED)


def _rebuild(node: Any, arrays: Iterator[Any], *, numbers: bool = False) -> Any:
    """Return the tree with its arrays replaced, in `_describe`'s order; or with its numbers made arrays."""
    if isinstance(node, _ARRAYS):
        return node if numbers else next(arrays)
    if numbers and isinstance(node, _PLAIN):
        return asarray(node)
    if isinstance(node, Mapping):
        return {key: _rebuild(child, arrays, numbers=numbers) for key, child in node.items()}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*(_rebuild(child, arrays, numbers=numbers) for child in node))
    if isinstance(node, _LISTS):
        return type(node)(_rebuild(child, arrays, numbers=numbers) for child in node)
    return node


def _surroundings(f: Callable[..., Any], seen: set[int] | None = None) -> list[Callable[[], Any]]:
    """Return what reads the variables that a function, and the functions among them, take from outside."""
    seen = set() if seen is None else seen
    code = getattr(f, "__code__", None)
    if isinstance(f, types.MethodType):
        return [lambda: f.__self__, *_surroundings(f.__func__, seen)]
    if code is None or id(f) in seen:
        return []
    seen.add(id(f))
    readers: list[Callable[[], Any]] = [
        *(lambda cell=cell: cell.cell_contents for cell in f.__closure__ or ()),
        *(lambda name=name: f.__globals__[name] for name in code.co_names if name in f.__globals__),
        *((lambda name=name: getattr(f, name)) for name in ("__defaults__", "__kwdefaults__") if getattr(f, name)),
    ]
    kept: list[Callable[[], Any]] = []
    for read in readers:
        try:
            value = read()
        except ValueError:  # a cell that is filled later
            continue
        if isinstance(value, types.FunctionType):
            kept += _surroundings(value, seen)
        elif isinstance(value, Jit):
            kept += value._around
        elif not isinstance(value, types.ModuleType | type | types.BuiltinFunctionType):
            kept.append(read)
    return kept
