"""Are the options usable?  Everything is checked before any work begins."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterable
from typing import Any

from fallline import nn, optim
from fallline._cli.rates import RATES as RATES
from fallline.data import InputError, close_to, shown
from fallline.data.kinds import KINDS
from fallline.data.target import Classification, Regression

ACTIVATIONS = {
    name.lower(): name
    for name in ("ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "LeakyReLU", "Softplus", "Mish", "SELU")
    if hasattr(nn, name)
}
LOSSES = (*Classification.LOSSES, *Regression.LOSSES)

# From the starting rate and the number of updates: down to nothing, to a hundredth, to a tenth, or halved five times.
SCHEDULES: dict[str, Callable[[float, int], Any]] = {
    "constant": lambda lr, steps: lr,
    "cosine": lambda lr, steps: optim.schedules.cosine(lr, steps),
    "linear": lambda lr, steps: optim.schedules.linear(lr, 0.0, steps),
    "exponential": lambda lr, steps: optim.schedules.exponential(lr, math.log(100) / steps),
    "inverse_time": lambda lr, steps: optim.schedules.inverse_time(lr, 9 / steps),
    "step": lambda lr, steps: optim.schedules.step(lr, max(1, steps // 6)),
}


def widths(text: str) -> tuple[int, ...]:
    """Read `128,64`; `none` means no hidden layer.

    Examples
    --------
    >>> widths("128,64"), widths("none")
    ((128, 64), ())
    """
    if text.strip().lower() in {"none", "0"}:
        return ()
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (0,)
    if min(found) < 1:
        raise InputError(f"--hidden takes layer widths such as 128 or 128,64, or none; got {shown(text)!r}")
    return found


def kinds(columns: Iterable[str]) -> dict[str, str]:
    """Read `--column age=number`.

    Examples
    --------
    >>> kinds(["age=number", "zip=category"])
    {'age': 'number', 'zip': 'category'}
    """
    found = {}
    for text in columns:
        name, mark, kind = text.rpartition("=")
        if not mark or not name:
            raise InputError(f"--column takes NAME=KIND, such as age=number; got {shown(text)!r}")
        found[name] = one_of("column", kind, KINDS)
    return found


def one_of(option: str, value: str, known: Iterable[str]) -> str:
    """Return `value` if it is known, else say what is."""
    names = list(known)
    if value.lower() not in names:
        raise InputError(f"--{option} {shown(value)!r} is unknown; {close_to(value, names)}")
    return value.lower()


def at_least(option: str, value: float, least: float) -> None:
    """Refuse counts and rates that make no sense."""
    if not value >= least:
        raise InputError(f"--{option} must be at least {least:g}, got {value:g}")


def at_most(option: str, value: float, most: float) -> None:
    """Refuse counts that no machine comes to the end of."""
    if not value <= most:
        raise InputError(f"--{option} must be at most {most:,}, got {value}")


def need(*modules: str) -> None:
    """Say at once which optional libraries are absent."""
    absent = [name for name in modules if not _installed(name)]
    if absent:
        raise InputError(f"this command needs {' and '.join(absent)}: pip install 'fallline[cli]'")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
