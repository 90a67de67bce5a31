"""Which attributes of a module are not kept with it?  NumPy's constants, and arrays in objects of other kinds."""

from __future__ import annotations

import dataclasses
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fallline._arguments import warn
from fallline._array import Array
from fallline.nn._slots import LISTS

__all__ = ["say_unsaved", "unsaved"]

_PLAIN = (Array, np.ndarray, np.generic, bool, int, float, str, bytes, type(None), type)
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
_said: set[tuple[str, str]] = set()


CONSTANT = (
    "the NumPy array '{path}' is a constant, neither trained nor saved: assign fl.asarray(array) to train it, or "
    "fl.nn.Buffer(array) to keep it with the model"
)
FOREIGN = (
    "'{path}' is PyTorch's {kind}, neither trained nor saved: assign fl.asarray(tensor.numpy(force=True)), or build "
    "the same layer of fl.nn and load its state dict"
)
HIDDEN = (
    "arrays and modules in the {kind} '{path}' are neither trained nor saved: hold them in attributes, lists, tuples "
    "or dicts"
)


def say_unsaved(kind: str, name: str, value: Any, place: str = "") -> None:
    """Warn, once for each class and name, of what an attribute holds that is neither trained nor saved."""
    if isinstance(value, _PLAIN) and not isinstance(value, np.ndarray):
        return
    for path, text in unsaved(name, value):
        if (kind, path) not in _said:
            _said.add((kind, path))
            warn(f"[{kind}] {place}{text}")


def unsaved(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Go through what an attribute holds that is neither trained nor saved: paths, and what to do."""
    for path, thing in _leaves(name, value):
        words = {"path": path, "kind": type(thing).__name__}
        if isinstance(thing, np.ndarray):
            if thing.dtype.kind == "f":
                yield path, CONSTANT.format(**words)
        elif type(thing).__module__.partition(".")[0] == "torch":
            if hasattr(thing, "numpy") or hasattr(thing, "forward"):
                yield path, FOREIGN.format(**words)
        elif any(isinstance(inside, Array) or hasattr(inside, "_named_modules") for inside in _inside(thing)):
            yield path, HIDDEN.format(**words)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Go through what lists and dicts hold."""
    if not isinstance(value, LISTS):
        yield name, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(f"{name}.{key}", item)


def _inside(thing: Any) -> Iterable[Any]:
    """Return what an object holds that the search for parameters does not look into."""
    if isinstance(thing, (*_PLAIN, *_CODE)) or type(thing).__module__.startswith("fallline."):
        return ()
    if hasattr(thing, "_named_modules"):  # it looks for itself
        return ()
    if isinstance(thing, set | frozenset | deque):
        return thing
    if dataclasses.is_dataclass(thing):
        return [getattr(thing, field.name, None) for field in dataclasses.fields(thing)]
    return getattr(thing, "__dict__", {}).values()
