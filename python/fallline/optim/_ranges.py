"""Which values may a hyper-parameter take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["checked"]

_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "any": ("a finite number", lambda x: True),
    "nonnegative": ("a finite number of at least 0", lambda x: x >= 0),
    "unit": ("at least 0 and below 1", lambda x: 0 <= x < 1),
    "closed_unit": ("from 0 to 1", lambda x: 0 <= x <= 1),
    "flag": ("True or False", lambda x: x in (0, 1)),
}


def checked(rule: str, name: str, value: Any, kind: str, t: int | None = None) -> float:
    """Return the value of a hyper-parameter as a number within its range."""
    text, holds = _RANGES[kind]
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and holds(number)):
        at = "" if t is None else f" after {t} updates"
        raise ValueError(f"[{rule}] {name} must be {text}, got {value!r}{at}")
    return number
