"""What does a layer ask of whoever runs it?  Numbers for dropout, and new values for its running statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from fallline import _core, random
from fallline._array import Array, asarray

Update = tuple[Array, Array]  # a buffer of a module, and its new value


class Effects:
    """What the layers of one step ask for: how many draws from its key, and which buffers shall change."""

    def __init__(self, key: Array) -> None:
        self.key = key
        self.draws = 0
        self.updates: list[Update] = []


_current: ContextVar[Effects | None] = ContextVar("effects", default=None)


@contextmanager
def collecting(key: Array, *, within: bool = False) -> Iterator[Effects]:
    """Collect the effects of what is called in the scope, which draws from `key`, a uint64 array (key, counter).

    With `within`, a step that is under way goes on: its key, the number of its draws and its buffers' new values; the
    scope yields only what it adds.
    """
    outer = _current.get() if within else None
    effects = Effects(outer.key if outer else key)
    if outer:
        effects.draws, effects.updates = outer.draws, list(outer.updates)
    token = _current.set(effects)
    try:
        yield effects
    finally:
        _current.reset(token)
        if outer:
            outer.draws, effects.draws = effects.draws, effects.draws - outer.draws
            known = [value for _, value in outer.updates]
            effects.updates = [update for update in effects.updates if not any(update[1] is value for value in known)]


def in_step() -> bool:
    """Return whether a step is under way, which has a key."""
    return _current.get() is not None


def next_draw() -> tuple[Array, int]:
    """Return a key and a stream number that no other call of the step has."""
    effects = _current.get()
    if effects is None:
        return asarray(fresh_key()), 0
    effects.draws += 1
    return effects.key, effects.draws


def fresh_key() -> np.ndarray:
    """Return a key from the default generator, which moves on with each call."""
    rng = random.get_default()
    rng.counter += 1
    return np.array([rng.key, rng.counter], np.uint64)


def read_buffer(buffer: Array) -> Array:
    """Return the value of a buffer after the updates that are planned already: a layer may be called twice."""
    effects = _current.get()
    return next((value for old, value in effects.updates if old is buffer), buffer) if effects else buffer


def update_buffer(buffer: Array, value: Array) -> None:
    """Give a buffer of a module a new value, now or after the step that is under way."""
    effects = _current.get()
    if effects:
        effects.updates = [(old, new) for old, new in effects.updates if old is not buffer] + [(buffer, value)]
    elif _core.is_tracing():
        raise _core.TraceError(
            "[BatchNorm] running statistics cannot be written while a function is traced: train with fl.fit, or call "
            "model.eval() first"
        )
    else:
        buffer._write(value)


def write(buffers: Sequence[Array], outputs: Sequence[Array]) -> None:
    """Give buffers their new values, the last of a program's outputs."""
    for buffer, value in zip(buffers, outputs[len(outputs) - len(buffers) :], strict=True):
        update_buffer(buffer, _core.detach(value))
