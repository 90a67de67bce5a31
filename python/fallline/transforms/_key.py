"""On what does a trace depend?  Layouts of arrays, values of numbers, identities of the rest, and the closure."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from functools import partial
from operator import getitem, is_
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import without_ours
from fallline._array import Array
from fallline._tree import MODULE, kind_of

__all__ = ["ARRAYS", "PLAIN", "TraceCache", "any_recorded", "arrays_of", "describe"]

# Tuples, for the time of a call goes into these checks.
ARRAYS, PLAIN = (Array, np.ndarray, np.generic), (bool, int, float)
_FIXED = (*ARRAYS, types.FunctionType)
_NUMBERS = frozenset((bool, int, float, complex, str, bytes, type(None)))
_OURS = tuple(f"fallline.{name}" for name in ("transforms", "_ops", "_creation", "_array", "_explain", "nn", "optim"))


def describe(node: Any, key: list[Any], arrays: list[Any] | None, alive: list[Any]) -> None:
    """Add to the key all that a trace depends on; collect arrays, or take them by identity where there is no list.

    `alive` collects the objects whose identity is in the key.
    """
    if arrays is not None and _core.describe(node, key, arrays):
        return
    cls = type(node)
    if isinstance(node, ARRAYS):
        key += [node.shape, node.dtype.name]
        if arrays is None:
            key.append(id(node))
            alive.append(node)
        else:
            arrays.append(node)
    elif cls in _NUMBERS:
        key += [cls, node]
    elif (kind := kind_of(cls)) is None:
        key += [cls, id(node)]
        alive.append(node)
    elif kind is MODULE:
        held = node.state_dict().values() if hasattr(node, "state_dict") else node.parameters().values()
        conditions = node._conditions() if hasattr(node, "_conditions") else []
        key += [id(node), *conditions, *map(id, held)]
        alive += [node, *held]
    else:
        key += [cls, *kind.names(node)]
        for child in kind.children(node):
            describe(child, key, arrays, alive)


def arrays_of(tree: Any) -> list[Any]:
    """Return the arrays of a tree, in order."""
    found: list[Any] = []
    describe(tree, [], found, [])
    return found


def any_recorded(arrays: Iterable[Any]) -> bool:
    """Return whether derivatives pass through one of them."""
    return any(isinstance(a, Array) and a._tracked for a in arrays)


class TraceCache:
    """What was traced of a function, by all that the trace depends on."""

    __name__: str

    def __init__(self, f: Callable[..., Any], what: str, strict: bool = False) -> None:
        if not callable(f):
            raise TypeError(f"[{what}] expected a function, got {type(f).__name__}")
        self._f, self._strict = f, strict
        self._entries: dict[Any, Any] = {}
        self.closure_readers = _closure_readers(f)
        self._seen: tuple[list[Any], list[Any]] | None = None  # the last values from outside, and their part of the key

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> Any:
        """Return an entry; its `lasts` says whether it may be used again, `alive` is what it shall hold."""
        raise NotImplementedError

    def _entry(self, args: Any, kwargs: Any, *more: Any) -> tuple[Any, list[Any]]:
        """Return what was traced for these arguments, and their arrays; `more` belongs to the key."""
        __tracebackhide__ = True
        arrays: list[Any] = []
        alive: list[Any] = []
        key = [_core.default_dtype(), _core.is_recording(), _core.is_checking(), *more, *kwargs]
        if kwargs or not _core.describe(args, key, arrays):
            key.append(len(args))
            for arg in (*args, *kwargs.values()):
                describe(arg, key, arrays, alive)
        self._describe_closure(key, alive)
        found = tuple(key)
        entry = self._entries.get(found)
        if entry is None:
            if self._strict and self._entries:
                raise _core.TraceError(
                    f"[jit] {self.__name__} would be traced again, which strict=True forbids: it was traced for "
                    f"{next(iter(self._entries))}, and is called with {found}"
                )
            try:
                entry = self._trace(args, kwargs, arrays, tuple(alive), *more)
            except Exception as error:
                raise without_ours(error)  # noqa: B904 (it is the same error)
            if entry.lasts:
                self._entries[found] = entry
        return entry, arrays

    def _describe_closure(self, key: list[Any], alive: list[Any]) -> None:
        """Add what the function takes from outside to its key; what has stayed the same is not described again."""
        values = []
        for read in self.closure_readers:
            try:
                values.append(read())
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


def _closure_readers(f: Callable[..., Any], seen: set[int] | None = None) -> list[Callable[[], Any]]:
    """Return what reads the variables that a function, and the functions among them, take from outside."""
    seen = set() if seen is None else seen
    code = getattr(f, "__code__", None)
    if isinstance(f, types.MethodType):
        return [lambda: f.__self__, *_closure_readers(f.__func__, seen)]
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
            kept += _closure_readers(value, seen)
        elif isinstance(value, TraceCache):
            kept += value.closure_readers
        elif isinstance(value, types.ModuleType | type | types.BuiltinFunctionType) or (ours and _is_constant(value)):
            continue
        else:
            kept.append(read)
    return kept


def _is_lasting(node: Any) -> bool:
    """Whether the description of a value is the same as long as it is the same object."""
    if type(node) is tuple:
        return all(map(_is_lasting, node))
    return type(node) in _NUMBERS or isinstance(node, _FIXED)


def _is_constant(node: Any) -> bool:
    return all(map(_is_constant, node)) if type(node) is tuple else type(node) in _NUMBERS
