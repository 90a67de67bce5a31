"""What is a twin?  A rule as its paper or its authors' code states it, and the arguments that make ours do so."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

# Yields the parameter, or (parameter, average), and is sent the gradient there.
Path = Generator[Any, np.ndarray, None]
Arguments = Mapping[str, Any]
NONE: Arguments = MappingProxyType({})


class Twin(NamedTuple):
    """One source of a rule."""

    kind: str  # "paper" or "authors": their code
    where: str  # the source, to the number of the algorithm or the equation, or to the file
    path: Callable[..., Path] | None  # None: what cannot be had; `why` says so
    cases: tuple[tuple[Arguments, Arguments], ...] = ((NONE, NONE),)  # our arguments and the source's, for every option
    needs: Arguments = NONE  # the arguments that make ours the source's
    why: str = ""  # and the reason why they are not the defaults
    lr: Any = 1e-2  # given to both: a number or a schedule
    near: float = 1e-12
    shape: tuple[int, ...] = (6, 4)
    elsewhere: bool = False  # asks for gradients at points of its own: tests/optim/test_elsewhere.py


def at(value: Any, t: int) -> float:
    """Return a hyper-parameter after t updates: a number or a schedule."""
    return float(value(t) if callable(value) else value)


def same(**arguments: Any) -> tuple[Arguments, Arguments]:
    """Return a case whose arguments have the same names on both sides."""
    return arguments, arguments
