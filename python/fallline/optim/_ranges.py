"""Which values may a hyper-parameter take."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from fallline._arguments import shown

__all__ = ["PARAMETERS", "are_parameters", "checked", "schedule"]

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
        number = math.nan if isinstance(value, str) or (isinstance(value, bool) and kind != "flag") else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and holds(number)):
        at = "" if t is None else f" after {t} updates"
        raise ValueError(f"[{rule}] {name} must be {text}, got {shown(value)}{at}{_way_out(value)}")
    return number


def schedule(rule: str, name: str, value: Any) -> Any:
    """Return a schedule; TypeError where it is a class, or a function that makes one."""
    if isinstance(value, type) or (inspect.isfunction(value) and value.__module__ in _MAKERS):
        raise TypeError(
            f"[{rule}] {name} must be a number or a schedule, got {_it(value)} itself; call it: {value.__name__}(...)"
        )
    return value


_MAKERS = ("fallline.optim.schedules", "fallline.optim._cycles")


def _it(value: Any) -> str:
    return f"the {'class' if isinstance(value, type) else 'function'} {value.__name__}"


def _way_out(value: Any) -> str:
    return f"; {PARAMETERS}" if are_parameters(value) else ""


PARAMETERS = "parameters are given to each step: opt.step(params, grads)"


def are_parameters(value: Any) -> bool:
    """Whether somebody gave a model or its parameters where PyTorch takes them, and fallline does not."""
    tree = isinstance(value, Mapping | list | tuple) or hasattr(value, "__next__")
    return tree or callable(getattr(value, "parameters", None))
