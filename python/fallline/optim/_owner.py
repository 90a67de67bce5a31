"""Whose state is it?  An optimizer notes the model or the arrays that it steps, and says when others come."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fallline._arguments import warn

__all__ = ["UNSAVED", "Owned"]

UNSAVED = ("_owner", "_places", "_stepper")  # what belongs to one process and goes through no pickle


MOST = 100  # arrays that are noted: where there are more, some stand for all


class _Place(NamedTuple):
    """Where the memory of an array lies."""

    begin: int
    holder: weakref.ref[Any]  # what keeps the memory, as far as can be seen
    lasts: bool  # whether the memory may be there without the holder, so that the address is still its own


class Owned:
    """Holds the state of one model, or of one set of arrays."""

    t: int
    _owner: weakref.ref[Any] | None = None
    _places: Mapping[str, _Place] = MappingProxyType({})  # where the arrays of the last step are

    def hold(self, model: Any) -> None:
        """Note whose state this is; ValueError where it is the state of another model."""
        owner = self._owner
        if owner is not None and self.t and owner() is not model:
            what = "a model that is gone" if owner() is None else f"another {type(owner()).__name__}"
            raise ValueError(
                f"[{type(self).__name__}] this optimizer holds the state of {what}, after {self.t} updates; make a new "
                "one for each model, or load the state that belongs to this one: fl.load(path, model, opt)"
            )
        parameters = model.parameters()
        for opt in self._everyone():
            opt._check_arrays(parameters)
        self._owner = weakref.ref(model)

    def _everyone(self) -> list[Owned]:
        """Return this optimizer and those inside."""
        return [self]

    def _let_go(self) -> None:
        """Keep no array alive."""

    def _check_arrays(self, arrays: Mapping[str, Any]) -> None:
        """Raise where all of these are other arrays than those whose state this is; warn where those are gone.

        Copies with the values of those go on where they are.
        """
        keeps = self.t and any(
            map(len, getattr(self, "_states", {}).values())
        )  # a rule without state belongs to nobody
        if not keeps or not self._places:
            return
        known, there = _known(self._places), {path: arrays[path] for path in self._places if path in arrays}
        if any(known & _known(_places(some)) for some in (there, arrays)):
            return
        if there and all(np.array_equal(np.asarray(w), np.asarray(self._held(path))) for path, w in there.items()):
            return
        self._let_go()
        what = f"[{type(self).__name__}] the state of this optimizer, after {self.t} updates, belongs to other arrays"
        way_out = "make one for each set of parameters, or write into the arrays in place: w[...] = values"
        if any(self._held(path) is not None for path in self._places):
            raise ValueError(f"{what}; {way_out}")
        warn(f"{what}, which are gone, and goes on with these; {way_out}")

    def _held(self, path: str) -> Any:
        """Return the array of the last step, as long as there is one."""
        return self._places[path].holder() if path in self._places else None

    def _note_arrays(self, arrays: Mapping[str, Any]) -> None:
        step = 1 + len(arrays) // MOST
        self._places = _places(dict(islice(arrays.items(), 0, None, step)))

    def _disown(self) -> None:
        """Forget whose state it is: another one was loaded."""
        self._owner, self._places = None, {}


def _places(arrays: Mapping[str, Any]) -> dict[str, _Place]:
    return {path: _place_of(leaf) for path, leaf in arrays.items()}


def _place_of(leaf: Any) -> _Place:
    begin = np.asarray(leaf).__array_interface__["data"][0]
    while isinstance(leaf, np.ndarray) and isinstance(leaf.base, np.ndarray):
        leaf = leaf.base
    beneath = getattr(leaf.base, "obj", None) if isinstance(leaf, np.ndarray) else None  # an fl.Array seen by NumPy
    holder = leaf if beneath is None else beneath
    return _Place(begin, weakref.ref(holder), not (isinstance(holder, np.ndarray) and holder.base is None))


def _known(places: Mapping[str, _Place]) -> set[tuple[str, int]]:
    """Return what tells that an array is one of these: none of an array whose memory was given back."""
    return {name for place in places.values() for name in _names(place)}


def _names(place: _Place) -> Iterator[tuple[str, int]]:
    holder = place.holder()
    if holder is not None:
        yield "held by", id(holder)
    if holder is not None or place.lasts:
        yield "begins at", place.begin
