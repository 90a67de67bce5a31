"""Who writes running statistics?  The layer when it computes; the training loop after a step that was planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fallline import _core
from fallline._array import Array

Updates = list[tuple[Array, Array]]

_planned: ContextVar[Updates | None] = ContextVar("running_statistics", default=None)


@contextmanager
def planned_updates(*, within: bool = False) -> Iterator[Updates]:
    """Collect (buffer, new value) within the scope instead of writing; or begin with what is planned already."""
    updates: Updates = list(_planned.get() or []) if within else []
    token = _planned.set(updates)
    try:
        yield updates
    finally:
        _planned.reset(token)


def read_buffer(buffer: Array) -> Array:
    """Return the value of a buffer after the updates that are planned already: a layer may be called twice."""
    return next((value for old, value in reversed(_planned.get() or []) if old is buffer), buffer)


def update_buffer(buffer: Array, value: Array) -> None:
    """Write a buffer of a module, now or after the step that is being planned."""
    updates = _planned.get()
    if updates is not None:
        updates[:] = [(old, new) for old, new in updates if old is not buffer] + [(buffer, value)]
    elif _core.is_tracing():
        raise _core.TraceError(
            "[BatchNorm] running statistics cannot be written while a function is traced: train with fl.fit, or call "
            "model.eval() first"
        )
    else:
        buffer._write(value)
