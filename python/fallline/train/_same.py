"""Is this the training that was begun?  Its options and data as texts, which are compared when it goes on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline._array import Array
from fallline.optim import Optimizer

__all__ = ["differences", "told"]

CHUNK = 1 << 24  # bytes looked at together


def told(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return options and data as texts: two that differ train otherwise."""
    return {name: _text(value) for name, value in settings.items()}


def _text(value: Any) -> str:
    if isinstance(value, Array):
        return f"{tuple(value.shape)} {value.dtype} with the checksum {_checksum(np.asarray(value)):08x}"
    if isinstance(value, Optimizer):
        return repr(value) if value.t == 0 else ""  # one that has trained shows what the training made of it
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if repr(value) == object.__repr__(value) or hasattr(value, "__qualname__"):  # these show where they lie
        return str(getattr(value, "__qualname__", type(value).__name__))
    return repr(value)


def _checksum(array: np.ndarray) -> int:
    rows = max(1, CHUNK // max(1, array[:1].nbytes))
    found = 0
    for start in range(0, len(array), rows):
        found = zlib.crc32(np.ascontiguousarray(array[start : start + rows]).tobytes(), found)
    return found


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say what is not as it was."""
    return [
        f"{name} was {before.get(name, 'absent')} and is {now.get(name, 'absent')}"
        for name in dict.fromkeys((*now, *before))
        if before.get(name) != now.get(name) and before.get(name) != "" != now.get(name)
    ]
