"""Functions that are traced once and then run as native plans."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, update_wrapper
from operator import getitem, index, is_, itemgetter
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, random
from fallline._array import Array, asarray
from fallline._draws import dropout_key
from fallline._running import planned_updates, update_buffer

__all__ = ["Plan", "jit"]

# Tuples, for the time of a call goes into these checks.
_ARRAYS, _LISTS, _PLAIN = (Array, np.ndarray, np.generic), (list, tuple), (bool, int, float)
_FIXED = (*_ARRAYS, types.FunctionType)
_OURS = tuple(f"fallline.{name}" for name in ("_transforms", "_ops", "_array", "_scan", "_jit", "nn", "optim"))
_NUMBERS = frozenset((bool, int, float, complex, str, bytes, type(None)))


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
    return Jit(f, strict, donate)


class _Entry(NamedTuple):
    """What one trace left."""

    plan: _core.Plan | None  # None where the result is recorded: f is then called as it is
    inputs: int
    rebuild: Callable[[list[Array]], Any]
    buffers: list[Array]
    keyed: bool
    alive: tuple[Any, ...]  # objects whose identity is part of the key
    lasts: bool = True
    given: Sequence[int] = ()  # inputs of the plan that a call uses up


class Keyed:
    """What was traced of a function, by all that the trace depends on."""

    def __init__(self, f: Callable[..., Any], what: str, strict: bool = False) -> None:
        if not callable(f):
            raise TypeError(f"[{what}] expected a function, got {type(f).__name__}")
        self._f, self._strict = f, strict
        self._entries: dict[Any, Any] = {}
        self._around = _surroundings(f)
        self._seen: tuple[list[Any], list[Any]] | None = None  # the last values from outside, and their part of the key

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> Any:
        raise NotImplementedError

    def _entry(self, args: Any, kwargs: Any, *more: Any) -> tuple[Any, list[Any]]:
        """Return what was traced for these arguments, and their arrays; `more` belongs to the key."""
        arrays: list[Any] = []
        alive: list[Any] = []
        key = [_core.default_dtype(), _core.is_recording(), *more, *kwargs]
        if kwargs or not _core.describe(args, key, arrays):
            key.append(len(args))
            for arg in (*args, *kwargs.values()):
                describe(arg, key, arrays, alive)
        self._surround(key, alive)
        found = tuple(key)
        entry = self._entries.get(found)
        if entry is None:
            if self._strict and self._entries:
                raise _core.TraceError(
                    f"[jit] {self.__name__} would be traced again, which strict=True forbids: it was traced for "
                    f"{next(iter(self._entries))}, and is called with {found}"
                )
            entry = self._trace(args, kwargs, arrays, tuple(alive), *more)
            if entry.lasts:
                self._entries[found] = entry
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
            describe(value, own, None, alive)
        if all(map(_is_lasting, values)):
            self._seen = values, own
        key += own

    __name__: str


class Jit(Keyed):
    """A traced function; see `jit`."""

    def __init__(self, f: Callable[..., Any], strict: bool = False, donate: int | Sequence[int] = ()) -> None:
        super().__init__(f, "jit", strict)
        update_wrapper(self, f)
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
        if _core.is_tracing():
            return self._f(*args, **kwargs)
        entry, arrays = self._entry(args, kwargs)
        outputs = None if entry.plan is None else entry.plan.call(with_key(entry, arrays), entry.given)
        if outputs is None:
            return self._f(*args, **kwargs)
        if entry.buffers:
            for buffer, value in zip(entry.buffers, outputs[len(outputs) - len(entry.buffers) :], strict=True):
                update_buffer(buffer, value)
        return entry.rebuild(outputs)

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> _Entry:
        given = _places(args, self._donated) if self._donated else []
        return _trace(self._f, args, kwargs, arrays, alive, given)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Return the plan for these arguments, to be printed or profiled."""
        entry, arrays = self._entry(args, kwargs)
        if entry.plan is None:
            raise _core.TraceError(
                f"[jit] {self.__name__} returns values that are recorded for derivatives, so it runs without a plan; "
                "take the derivative inside: jit(grad(f))"
            )
        return Plan(entry.plan, with_key(entry, arrays))


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


def with_key(entry: _Entry, arrays: list[Any]) -> list[Any]:
    if not entry.keyed:
        return arrays
    rng = random.get_default()
    rng.counter += 1
    return [np.array([rng.key, rng.counter], np.uint64), *arrays]


def _places(args: Sequence[Any], donated: Sequence[int]) -> list[int]:
    """Return where the arrays of some arguments stand among the arrays of all."""
    if max(donated) >= len(args):
        raise ValueError(f"[jit] donate names argument {max(donated)}, the call has {len(args)} by position")
    ends: list[int] = []
    arrays: list[Any] = []
    for arg in args:
        describe(arg, [], arrays, [])
        ends.append(len(arrays))
    return [at for place in donated for at in range(ends[place - 1] if place else 0, ends[place])]


def _trace(
    f: Callable[..., Any], args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], given: list[int]
) -> _Entry:
    built: list[Any] = []
    buffers: list[Array] = []
    state = {"tracked": False, "keyed": False}

    def run(key: Array, *inputs: Array) -> list[Array]:
        given, named = rebuild((args, kwargs), iter(inputs))
        with dropout_key(key) as step, planned_updates() as updates:
            out = f(*given, **named)
        outputs: list[Any] = []
        describe(out, [], outputs, [])
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
    if state["keyed"]:  # the key comes first
        given = [at + 1 for at in given]
    return _Entry(plan, len(arrays), builder(out), list(buffers), state["keyed"], alive, given=given)


def describe(node: Any, key: list[Any], arrays: list[Any] | None, alive: list[Any]) -> None:
    """Add to the key all that a trace depends on; collect arrays, or take them by identity where there is no list."""
    if arrays is not None and _core.describe(node, key, arrays):
        return
    kind = type(node)
    if kind is Array or isinstance(node, _ARRAYS):
        key += [node.shape, node.dtype.name]
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
            describe(child, key, arrays, alive)
    elif kind is dict or isinstance(node, Mapping):
        key += [kind, *node]
        for child in node.values():
            describe(child, key, arrays, alive)
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


def _is_constant(node: Any) -> bool:
    return all(map(_is_constant, node)) if type(node) is tuple else type(node) in _NUMBERS


def rebuild(node: Any, arrays: Iterator[Any], *, numbers: bool = False) -> Any:
    """Return the tree with its arrays replaced, in `_describe`'s order; or with its numbers made arrays."""
    if isinstance(node, _ARRAYS):
        return node if numbers else next(arrays)
    if numbers and isinstance(node, _PLAIN):
        return asarray(node)
    if isinstance(node, Mapping):
        return {key: rebuild(child, arrays, numbers=numbers) for key, child in node.items()}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*(rebuild(child, arrays, numbers=numbers) for child in node))
    if isinstance(node, _LISTS):
        return type(node)(rebuild(child, arrays, numbers=numbers) for child in node)
    return node


def builder(tree: Any) -> Callable[[list[Array]], Any]:
    """Return what puts a list of arrays in the place of a tree's own; of a flat tree without looking at it again."""
    kind = type(tree)
    if isinstance(tree, _ARRAYS):
        return itemgetter(0)
    leaves = tuple(tree.values()) if kind is dict else tree
    if kind not in (tuple, list, dict) or not all(isinstance(leaf, _ARRAYS) for leaf in leaves):
        return lambda found: rebuild(tree, iter(found))
    if kind is dict:
        names = tuple(tree)
        return lambda found: dict(zip(names, found, strict=False))  # new running statistics follow
    count = len(leaves)
    return lambda found: kind(found[:count])


def _surroundings(f: Callable[..., Any], seen: set[int] | None = None) -> list[Callable[[], Any]]:
    """Return what reads the variables that a function, and the functions among them, take from outside."""
    seen = set() if seen is None else seen
    code = getattr(f, "__code__", None)
    if isinstance(f, types.MethodType):
        return [lambda: f.__self__, *_surroundings(f.__func__, seen)]
    if code is None or id(f) in seen:
        return []
    seen.add(id(f))
    readers: list[Callable[[], Any]] = [partial(getattr, cell, "cell_contents") for cell in f.__closure__ or ()]
    # Our own functions hold those of the user, whose names they may bear, and numbers that stay.
    ours = f.__globals__.get("__name__", "").startswith(_OURS)
    if not ours:
        named = [name for name in code.co_names if name in f.__globals__]
        readers += [partial(getitem, f.__globals__, name) for name in named]
        readers += [partial(getattr, f, "__defaults__")] if f.__defaults__ else []
        readers += [partial(getitem, f.__kwdefaults__, name) for name in f.__kwdefaults__ or ()]
    kept: list[Callable[[], Any]] = []
    for read in readers:
        try:
            value = read()
        except ValueError:  # a cell that is filled later
            continue
        if isinstance(value, types.FunctionType):
            kept += _surroundings(value, seen)
        elif isinstance(value, Keyed):
            kept += value._around
        elif isinstance(value, types.ModuleType | type | types.BuiltinFunctionType) or (ours and _is_constant(value)):
            continue
        else:
            kept.append(read)
    return kept
