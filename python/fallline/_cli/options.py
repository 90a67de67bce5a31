"""Are the options usable?  Everything is checked before any work begins."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fallline import nn, optim
from fallline._data import InputError, close_to

ACTIVATIONS = {
    name.lower(): name
    for name in ("ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "LeakyReLU", "Softplus", "Mish", "SELU")
    if hasattr(nn, name)
}
REGRESSION_LOSSES = tuple(name for name in ("mse", "mae", "huber") if hasattr(nn.losses, name))
CLASS_LOSSES = ("cross_entropy", "binary_cross_entropy")

# From the starting rate and the number of updates: down to nothing, to a hundredth, to a tenth, or halved five times.
SCHEDULES: dict[str, Callable[[float, int], Any]] = {
    "constant": lambda lr, steps: lr,
    "cosine": lambda lr, steps: optim.schedules.cosine(lr, steps),
    "linear": lambda lr, steps: optim.schedules.linear(lr, 0.0, steps),
    "exponential": lambda lr, steps: optim.schedules.exponential(lr, math.log(100) / steps),
    "inverse_time": lambda lr, steps: optim.schedules.inverse_time(lr, 9 / steps),
    "step": lambda lr, steps: optim.schedules.step(lr, max(1, steps // 6)),
}

# With the cosine schedule and batches of 32; the other rules keep the default of their class.
LEARNING_RATES = {"adam": 2e-3, "adamw": 2e-3, "sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.02}


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
        raise InputError(f"--hidden takes layer widths such as 128 or 128,64, or none; got {text!r}")
    return found


def one_of(option: str, value: str, known: Iterable[str]) -> str:
    """Return `value` if it is known, else say what is."""
    names = list(known)
    if value.lower() not in names:
        raise InputError(f"--{option} {value!r} is unknown; {close_to(value, names)}")
    return value.lower()


def at_least(option: str, value: float, least: float) -> None:
    """Refuse counts and rates that make no sense."""
    if not value >= least:
        raise InputError(f"--{option} must be at least {least:g}, got {value:g}")


def model_path(text: str) -> Path:
    """Where the model goes; the folder must exist and take files, which is found out before training."""
    path = Path(text)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.suffix:
        path = path.with_suffix(".safetensors")
    if path.suffix != ".safetensors":
        raise InputError(f"--output must end in .safetensors, got {text}")
    return writable(path)


def writable(path: Path) -> Path:
    """Return `path` if a file can be put there."""
    if path.is_dir():
        raise InputError(f"--output {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of --output does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} of --output cannot be written to")
    return path


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


def optimizer_names() -> dict[str, type[Any]]:
    """Return every update rule that works from gradients alone, by lower-case name."""
    return {
        name.lower(): rule
        for name, rule in vars(optim).items()
        if isinstance(rule, type) and issubclass(rule, optim.Optimizer) and rule is not optim.Optimizer
    }
