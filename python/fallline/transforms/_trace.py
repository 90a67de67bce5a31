"""What does one run of a function with placeholders leave?  A native program, what it returns, what its layers ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fallline import _core
from fallline._array import Array, asarray
from fallline._tree import replace
from fallline.transforms._effects import Effects, collecting, fresh_key
from fallline.transforms._key import ARRAYS, arrays_of

__all__ = ["Entry", "Traced", "builder", "fill", "first_of", "keyless", "layout", "trace"]

KEY = ((2,), np.dtype(np.uint64))  # the first input of every trace: what dropout draws from
Spec = tuple[tuple[int, ...], np.dtype[Any]]
T = TypeVar("T")
Into = Callable[[Callable[..., list[Array]], list[Spec]], Any]


class Traced(NamedTuple):
    """What one trace left."""

    native: Any  # what the core made of it: (graph, outputs), or (body, closed)
    out: Any  # what the function returned, with placeholders
    rebuild: Callable[[list[Array]], Any]  # puts results in the place of its arrays
    effects: Effects
    tracked: bool  # whether a result is recorded for derivatives

    @property
    def buffers(self) -> list[Array]:
        """The buffers that the results after those of `out` are written to."""
        return [buffer for buffer, _ in self.effects.updates]


def trace(
    f: Callable[..., Any],
    args: Any,
    kwargs: Any,
    *,
    into: Into = _core.trace,
    within: bool = False,
) -> Traced:
    """Call `f` once with placeholders for the arrays of its arguments, by way of `into`, which makes the program.

    The program's inputs are a key, then the arrays; its outputs are the arrays that `f` returned, then the new values
    of buffers. `within`: see `collecting`.
    """
    left: list[Any] = []

    def run(key: Array, *inputs: Array) -> list[Array]:
        given, named = fill((args, kwargs), iter(inputs))
        with collecting(key, within=within) as effects:
            out = f(*given, **named)
        found = [asarray(a) for a in [*arrays_of(out), *(value for _, value in effects.updates)]]
        left[:] = out, effects, any(a._tracked for a in found)
        return found

    native = into(run, [KEY, *((tuple(a.shape), np.dtype(a.dtype)) for a in arrays_of((args, kwargs)))])
    out, effects, tracked = left
    return Traced(native, out, builder(out), effects, tracked)


class Entry(NamedTuple):
    """A program that is kept for one key."""

    program: Any  # a Plan, a Body, or None where the function has to be called as it is
    rebuild: Callable[[list[Array]], Any]
    alive: tuple[Any, ...]  # objects whose identity is part of the key
    buffers: Sequence[Array] = ()
    keyed: bool = False  # whether it draws from a key, its first input
    closed: Sequence[Array] = ()  # recorded arrays that the function closes over: inputs behind all others
    given: Sequence[int] = ()  # inputs that a call uses up
    lasts: bool = True

    def inputs(self, arrays: list[Any]) -> list[Any]:
        """Return what the program is called with for these arrays of its arguments."""
        return [fresh_key(), *arrays, *self.closed] if self.keyed else [*arrays, *self.closed]


def keyless(into: Into) -> Into:
    """Return a way to make a program without the key: for functions from which nothing draws."""
    return lambda run, specs: into(lambda *inputs: run(asarray(np.zeros(2, np.uint64)), *inputs), specs[1:])


def layout(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return what stands for an array of this layout in a trace: one element, repeated."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def first_of(dtypes: Iterable[Any], attempt: Callable[[Any], T]) -> T:
    """Return ``attempt(dtype)`` of the first dtype with which it does not fail: models may need integers."""
    found: Exception | None = None
    for dtype in dtypes:
        try:
            return attempt(dtype)
        except Exception as error:
            found = found or error
    assert found is not None
    raise found


def fill(tree: Any, arrays: Iterator[Any]) -> Any:
    """Return the tree with other arrays, in `arrays_of`'s order."""
    return replace(tree, lambda leaf: next(arrays) if isinstance(leaf, ARRAYS) else leaf)


def builder(tree: Any) -> Callable[[list[Array]], Any]:
    """Return what puts a list of arrays in the place of a tree's own; of a flat tree without looking at it again."""
    kind = type(tree)
    if isinstance(tree, ARRAYS):
        return itemgetter(0)
    leaves = tuple(tree.values()) if kind is dict else tree
    if kind not in (tuple, list, dict) or not all(isinstance(leaf, ARRAYS) for leaf in leaves):
        return lambda found: fill(tree, iter(found))
    if kind is dict:
        names = tuple(tree)
        return lambda found: dict(zip(names, found, strict=False))  # new running statistics follow
    count = len(leaves)
    return lambda found: kind(found[:count])
