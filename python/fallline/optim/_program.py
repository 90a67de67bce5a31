"""What does an optimizer do with the gradients of a batch?  Written down once, as plans that run without Python.

An optimizer adds its parts to a `Program`, each a function of the values at hand, which is traced. Parts that follow
one another become one plan. A part that not every step makes lies in a scope, and so do the clocks that count there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray

__all__ = ["Program", "Running", "Store", "Values"]

Store = dict[str, np.ndarray]  # arrays by path that stay where they are
Rows = Callable[[int], np.ndarray]  # numbers for the next n times: (n, count)
Turns = Callable[[int], np.ndarray]  # whether a scope is entered, for the next n times of the one around it


class Values:
    """What all arrays hold at one place of a trace: gradients and parameters by path, what is kept, and numbers."""

    def __init__(self, g: dict[str, Array], w: dict[str, Array], kept: dict[int, dict[str, Array]]) -> None:
        self.g, self.w, self._kept = g, w, kept
        self.row = asarray(np.zeros(0))  # of the part whose turn it is: float64

    def of(self, store: Store) -> dict[str, Array]:
        """Return the values of a store; write new ones into it."""
        return self._kept[id(store)]


class Part(NamedTuple):
    """A function that changes values, and the numbers that it reads."""

    scope: int
    change: Callable[[Values], None]
    rows: Rows
    width: int  # how many numbers


class Scope(NamedTuple):
    """A part of the program, which is entered at some of the times that the one around it is."""

    around: int
    place: int  # the number of parts before it
    turns: Turns | None
    flag: Store | None


class Program:
    """What is done with the gradients of some parameters: parts, scopes, clocks, and the arrays that are kept."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = dict(params)
        self.paths = list(params)  # those that the optimizer at hand has
        self.parts: list[Part] = []
        self.scopes = [Scope(-1, 0, None, None)]
        self.scope = 0  # the one that parts are added to
        self.stores: list[Store] = []
        self.guards = True  # whether all steps leave out gradients that are not finite
        self._guarded = False  # whether those do that are added now
        self._clocks: list[Callable[[], Callable[[Callable[[int], int]], None]]] = []
        self.norm = self.keep({"": np.zeros(())})
        self.add(self._measure)

    def _measure(self, v: Values) -> None:
        v.of(self.norm)[""] = length(v.g.values())

    def add(self, change: Callable[[Values], None], rows: Rows | None = None) -> None:
        """Let `change` be done next, with a row of numbers each time."""
        given = rows or (lambda n: np.zeros((n, 0)))
        self.parts.append(Part(self.scope, change, given, given(1).shape[1]))

    def step(self, change: Callable[[Values], None], rows: Rows | None = None) -> None:
        """Let parameters be changed next, by their gradients."""
        self.guards &= self._guarded
        self.add(change, rows)

    def keep(self, store: Store) -> Store:
        """Let the values of these arrays be known to the parts, and what they become be written there."""
        self.stores.append(store)
        return store

    def zeros(self, own: dict[str, Any], name: str) -> Store:
        """Keep one array for each parameter under this name, from zero on where there are none yet."""
        store = own.setdefault(name, {})
        for path in self.paths:
            if path not in store:
                store[path] = np.zeros_like(np.asarray(self.params[path]))
        return self.keep(store)

    @contextmanager
    def within(self, turns: Turns | None = None, flag: Store | None = None) -> Iterator[int]:
        """Add parts to a scope that is entered in these turns, or where a flag (a store of one bool) is true then."""
        before = self.scope
        self.scopes.append(Scope(before, len(self.parts), turns, flag))
        self.scope = len(self.scopes) - 1
        yield self.scope
        self.scope = before

    @contextmanager
    def when_finite(self) -> Iterator[int]:
        """Add parts to a scope that is entered where all gradients are finite; others make no step."""
        flag, paths = self.keep({"": np.zeros((), bool)}), self.paths

        def look(v: Values) -> None:
            v.of(flag)[""] = _ops.isfinite(sum((finite(v.g[path]) for path in paths), asarray(np.zeros(()))))

        self.add(look)
        before, self._guarded = self._guarded, True
        with self.within(flag=flag) as scope:
            yield scope
        self._guarded = before

    @contextmanager
    def only(self, paths: Iterable[str]) -> Iterator[None]:
        """Leave the optimizer at hand these parameters alone."""
        before, self.paths = self.paths, list(paths)
        yield
        self.paths = before

    def count(self, opt: Any) -> None:
        """Let `opt.t` count how often the scope at hand is entered."""
        scope = self.scope

        def clock() -> Callable[[Callable[[int], int]], None]:
            first = opt.t
            return lambda times: setattr(opt, "t", first + times(scope))

        self._clocks.append(clock)

    def after(self, clock: Callable[[], Callable[[Callable[[int], int]], None]]) -> None:
        """Call `clock` before an epoch, and what it returns, with a function from scopes to times, in and after it."""
        self._clocks.append(clock)

    def clocks(self) -> list[Callable[[Callable[[int], int]], None]]:
        """Begin an epoch: return what is to be called with the times that scopes were entered since."""
        return [clock() for clock in self._clocks]


class Running:
    """A program as native plans over the parameters and what is kept."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.stages: list[tuple[int, list[Part]]] = []
        places = [0]  # of scopes: the stage before which they are decided
        for place, part in enumerate(program.parts):
            opened = [scope for scope in program.scopes[1:] if scope.place == place]
            if not place or opened or part.scope != self.stages[-1][0]:
                self.stages.append((part.scope, []))
            places += [len(self.stages) - 1] * len(opened)
            self.stages[-1][1].append(part)
        places += [len(self.stages)] * (len(program.scopes) - len(places))
        self._buffers: dict[str, np.ndarray] = {}  # gradients that a stage has changed
        stages = [self._plan(i) for i in range(len(self.stages))]
        flags = [_core.wrap(s.flag[""]) if s.flag else None for s in program.scopes]
        scopes = [(s.around, place, flag) for s, place, flag in zip(program.scopes, places, flags, strict=True)]
        self.native = _core.Program(scopes, stages, _core.wrap(program.norm[""]))
        self._settle: list[Callable[[Callable[[int], int]], None]] = []

    def start(self, steps: int) -> None:
        """Begin an epoch of at most so many steps."""
        most, turns = [steps], list[Any]([None])
        for scope in self.program.scopes[1:]:
            mine = scope.turns(most[scope.around]).astype(bool) if scope.turns else None
            turns.append(None if mine is None else _core.wrap(mine))
            most.append(most[scope.around] if mine is None else int(mine.sum()))
        rows = []
        for number, parts in self.stages:
            found = np.concatenate([part.rows(most[number]) for part in parts], axis=1)
            rows.append(_core.wrap(np.ascontiguousarray(found)) if found.size else None)
        self._settle = self.program.clocks()
        self.native.start(turns, rows)

    def settle(self) -> None:
        """Set all clocks to what has been done since the start; may be called again."""
        for clock in self._settle:
            clock(self.native.times)

    def _plan(self, number: int) -> tuple[int, Any, list[Any], list[Any]]:
        """Return scope, plan, inputs and outputs of a stage; an input of None is the gradient itself."""
        program, (scope, parts) = self.program, self.stages[number]
        gradients = [self._buffers.get(path) for path in program.params]
        homes: list[Any] = [*program.params.values(), *(a for store in program.stores for a in store.values())]
        changed: list[Any] = []

        def run(row: Array, *arrays: Array) -> list[Array]:
            values, before = self._values(arrays)
            at = 0
            for part in parts:
                values.row, at = row[at : at + part.width], at + part.width
                part.change(values)
            after = self._listed(values)
            outputs = []
            for path in program.params:
                if path in values.g and values.g[path] is not before[0][path] and number + 1 < len(self.stages):
                    buffer = self._buffers.setdefault(path, np.zeros_like(np.asarray(program.params[path])))
                    changed.append(buffer)
                    outputs.append(values.g[path])
            for home, new, old in zip(homes, after, before[1], strict=True):
                if new is not old:
                    changed.append(home)
                    outputs.append(_as(new, home))
            return outputs

        width = sum(part.width for part in parts)
        shapes: list[Any] = [((width,), np.dtype(np.float64))]
        shapes += map(_spec, (*program.params.values(), *homes))
        with _core.no_grad():
            graph, outputs = _core.trace(run, shapes)
        plan = _core.Plan(graph, outputs, tight=True)
        inputs = [None if g is None else _core.wrap(g) for g in gradients] + [_memory(a) for a in homes]
        return scope, plan, inputs, [_memory(a) for a in changed]

    def _values(self, arrays: tuple[Array, ...]) -> tuple[Values, tuple[dict[str, Array], list[Array]]]:
        given = iter(arrays)
        g = {path: next(given) for path in self.program.params}
        homes = list(given)
        rest = iter(homes)
        w = {path: next(rest) for path in self.program.params}
        kept = {id(store): {path: next(rest) for path in store} for store in self.program.stores}
        return Values(dict(g), w, kept), (g, homes)

    def _listed(self, values: Values) -> list[Array]:
        kept = (a for store in self.program.stores for a in values.of(store).values())
        return [*values.w.values(), *kept]


def length(arrays: Iterable[Any]) -> Any:
    """Return the Euclidean length of all elements together, in float64."""
    return _ops.sqrt(sum((_core.inner(a, a) for a in arrays), asarray(np.zeros(()))))


def finite(a: Any) -> Any:
    """Return a float64 number that is finite where all elements are: their squares, if need be smaller."""
    a = a if a.dtype == np.float32 else a * 2.0**-520
    return _core.inner(a, a)


def _as(new: Any, home: Any) -> Any:
    return new if new.dtype == home.dtype else _core.astype(new, home.dtype)


def _spec(a: Any) -> tuple[tuple[int, ...], np.dtype[Any], tuple[int, ...]]:
    x = np.asarray(a)
    return x.shape, x.dtype, tuple(stride // x.itemsize for stride in x.strides)


def _memory(a: Any) -> Array:
    return a if isinstance(a, Array) else _core.wrap(a)
