"""Which arrays does a model hold, and where?  In attributes, and in lists and dicts; one may have two places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from fallline import _core
from fallline._arguments import check, text
from fallline._array import Array, asarray
from fallline._hints import did_you_mean

if TYPE_CHECKING:
    from fallline.nn._module import Module

__all__ = ["LISTS", "Slot", "by_path", "chosen", "found", "load", "rebuilt"]

LISTS = (list, tuple, dict)
T = TypeVar("T")


def found(kind: type[T], name: str, value: Any) -> Iterator[tuple[str, T]]:
    """Find the things of a kind in an attribute, lists and dicts included; their paths begin with its name."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from found(kind, f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from found(kind, f"{name}.{key}", item)


def rebuilt(name: str, value: Any, leaf: Callable[[str, Any], Any]) -> Any:
    """Return an attribute with each leaf, which has a path, replaced."""
    if isinstance(value, list | tuple):
        items = [rebuilt(f"{name}.{i}", item, leaf) for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: rebuilt(f"{name}.{key}", item, leaf) for key, item in value.items()}
    return leaf(name, value)


class Slot(NamedTuple):
    """Where an array is held: its path in the model, the module that holds it, and its path there."""

    path: str
    owner: Module
    name: str
    array: Array

    @property
    def role(self) -> str:
        """What it is there for: "parameter", "frozen" (one that is not trained) or "buffer"."""
        return self.owner._role(self.name)

    @property
    def trained(self) -> bool:
        """Whether it is a parameter that is not frozen."""
        return self.name not in self.owner.buffers and self.name not in self.owner._frozen

    def tie(self, array: Array) -> None:
        """Hold another array, which has a place already."""
        held, attribute = self.owner.__dict__, self.name.partition(".")[0]
        held[attribute] = rebuilt(attribute, held[attribute], lambda name, leaf: array if name == self.name else leaf)


def by_path(slots: Sequence[Slot]) -> dict[str, Array]:
    """Return the arrays by path; ValueError where two have the same, for one of them would be lost."""
    arrays = {slot.path: slot.array for slot in slots}
    if len(arrays) < len(slots):
        paths = [slot.path for slot in slots]
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(
            f"[Module] two arrays have the path '{twice}', so one could not be saved; rename an attribute or key"
        )
    return arrays


def chosen(places: Sequence[Slot], patterns: tuple[str, ...], what: str) -> list[Slot]:
    """Return every place of the parameters of which some path fits a pattern; without patterns, of all."""
    places = [slot for slot in places if slot.role != "buffer"]
    fit: set[int] = set()
    for pattern in patterns or ("*",):
        check(what, "a pattern", text, pattern)
        fitting = {id(slot.array) for slot in places if fnmatchcase(slot.path, pattern)}
        if not fitting and patterns:
            paths = [slot.path for slot in places]
            parts = f"; did you mean '{pattern}.*'?" if any(p.startswith(f"{pattern}.") for p in paths) else ""
            hint = parts or did_you_mean(pattern, paths, otherwise=f"; there are {', '.join(paths)}")
            raise ValueError(f"[{what}] no parameter fits '{pattern}'{hint}")
        fit |= fitting
    return [slot for slot in places if id(slot.array) in fit]


def load(places: Sequence[Slot], state: Mapping[str, Any]) -> None:
    """Copy arrays by path into those of all places of a model; see `Module.load_state_dict`."""
    first: dict[int, Slot] = {}
    names = {slot.path: first.setdefault(id(slot.array), slot).path for slot in places}
    given: dict[str, list[str]] = {slot.path: [] for slot in first.values()}
    for name in state:
        given.get(names.get(name, name), []).append(name)
    missing, unknown = sorted(path for path in given if not given[path]), sorted(state.keys() - names.keys())
    if missing or unknown:
        raise ValueError(f"[load_state_dict] missing: {missing}; unknown: {unknown}")
    # Copies: they may be views of what is written.
    arrays = [(slot, [np.asarray(state[name]).copy() for name in given[slot.path]]) for slot in first.values()]
    wrong = [
        f"{s.path} is {new[0].shape}, expected {s.array.shape}" for s, new in arrays if new[0].shape != s.array.shape
    ]
    if wrong:
        raise _core.ShapeError(f"[load_state_dict] {'; '.join(wrong)}")
    for slot, (new, *others) in arrays:
        if not all(np.array_equal(new, other, equal_nan=new.dtype.kind == "f") for other in others):
            raise ValueError(f"[load_state_dict] {' and '.join(given[slot.path])} are one array here, and differ")
    for slot, (new, *_) in arrays:
        slot.array._write(asarray(new))
