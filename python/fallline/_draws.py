"""Which elements does dropout drop now?  A key for the step, and a number for each call in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from fallline import random
from fallline._array import Array, asarray


class _Step:
    def __init__(self, key: Array) -> None:
        self.key = key
        self.calls = 0


_current: ContextVar[_Step | None] = ContextVar("dropout_key", default=None)


@contextmanager
def dropout_key(key: Array, *, within: bool = False) -> Iterator[_Step]:
    """Draw from this key, a uint64 array (key, counter), within the scope; or go on with a step that is under way."""
    step = (_current.get() if within else None) or _Step(key)
    token = _current.set(step)
    try:
        yield step
    finally:
        _current.reset(token)


def in_step() -> bool:
    """Return whether a step is under way, which has a key."""
    return _current.get() is not None


def next_draw() -> tuple[Array, int]:
    """Return a key and a stream number that no other call of the step has."""
    step = _current.get()
    if step is None:  # outside of a training loop: the default generator moves on with each call
        rng = random.get_default()
        rng.counter += 1
        return asarray(np.array([rng.key, rng.counter], np.uint64)), 0
    step.calls += 1
    return step.key, step.calls
