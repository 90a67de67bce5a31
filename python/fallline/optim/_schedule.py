"""What is a schedule?  A name from the native table and its arguments, on a clock: a pure function of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from fallline import _core
from fallline._arguments import warn
from fallline.optim._clock import Clock

__all__ = ["Schedule", "Value", "warn_at_end"]

Value: TypeAlias = "float | Callable[[int], float]"

TABLE = {name: (place, *row) for place, (name, *row) in enumerate(_core.schedule_table())}
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "number": ("be a finite number", lambda x: True),
    "share": ("be between 0 and 1", lambda x: 0 < x < 1),
    "growth": ("be at least 1", lambda x: x >= 1),
    "length": ("be at least 1", lambda x: x >= 1),
    "duration": ("not be negative", lambda x: x >= 0),
}


@dataclass(frozen=True, repr=False)
class Schedule:
    """A pure callable of the number of finished updates, 0 first.

    Made by the functions of :mod:`fallline.optim.schedules`. With ``per="epoch"`` lengths are epochs, and the value
    stays the same within one; what has no `per` of its own counts as what it is a part of, and updates when it stands
    alone. The whole has one clock: ``steps_per_epoch``, or what ``fl.fit`` and `set_steps_per_epoch` fill in. Two
    schedules are equal when they are of the same kind, with the same arguments and clock.
    """

    name: str
    arguments: tuple[tuple[str, Any], ...]
    per: str | None = None
    steps_per_epoch: int | None = None
    clock: Clock | None = None  # of the training, as the number of its batches
    total: int | None = None

    def __post_init__(self) -> None:
        if self.per not in (None, "step", "epoch"):
            raise ValueError(f"[{self.name}] per is 'step' or 'epoch', got {self.per!r}")
        if self.steps_per_epoch is not None and self.steps_per_epoch < 1:
            raise ValueError(f"[{self.name}] steps_per_epoch must be at least 1, got {self.steps_per_epoch}")
        object.__setattr__(self, "arguments", tuple(_checked(self.name, dict(self.arguments)).items()))
        lengths = {s.steps_per_epoch for s in self._all() if s.steps_per_epoch is not None}
        if len(lengths) > 1:
            raise ValueError(
                f"[{self.name}] a schedule and its parts have one clock, got steps_per_epoch of "
                f"{' and '.join(map(str, sorted(lengths)))}; give it once"
            )

        given = dict(self.arguments)
        if self.name == "warmup" and given["shape"] == "exponential" and not given["initial"] > 0:
            raise ValueError("[warmup] an exponential rise needs an initial above 0: it multiplies by the same factor")

    def __call__(self, finished: int) -> float:
        """Return the value after `finished` updates."""
        return float(self.values(finished, 1)[0])

    def values(self, first: int, count: int) -> np.ndarray:
        """Return the values of `count` updates in a row, the first of them after `first` finished ones."""
        if not (first >= 0 and first == int(first)):
            raise ValueError(f"[{self.name}] finished updates are counted from 0, got {first!r}")
        out: np.ndarray = _core.schedule_values(*self._setting, int(first), count)
        if self.is_open and np.isnan(out).any():
            raise ValueError(
                f"[{self.name}] {self._open} was left out, so the schedule does not know where it ends: give "
                f"{self._open}=, or train with fl.fit, which then takes the number of its own steps"
            )
        return out

    def end(self) -> int | None:
        """Return the number of updates after which it stays as it is; None if it does not, or where that is open."""
        found = _core.schedule_end(*self._setting)
        return int(found) if math.isfinite(found) else None

    def with_steps_per_epoch(self, steps: int) -> Schedule:
        """Return this schedule with the length of an epoch filled in wherever it was left open."""
        parts = {key: _map(value, lambda s: s.with_steps_per_epoch(steps)) for key, value in self.arguments}
        length = steps if self.per == "epoch" and self.steps_per_epoch is None else self.steps_per_epoch
        return replace(self, arguments=tuple(parts.items()), steps_per_epoch=length)

    def on(self, clock: Clock | None, total: int | None) -> Schedule:
        """Return this schedule on the clock of a training of `total` batches; a clock that was given stays."""
        return replace(self, clock=clock, total=total)

    @property
    def is_open(self) -> bool:
        """Whether a length was left out, in this schedule or in a part."""
        return self._open is not None

    @cached_property
    def _open(self) -> str | None:
        return next((key for s in self._all() for key, value in s.arguments if value is None), None)

    def _all(self) -> Iterator[Schedule]:
        """Yield this schedule and all its parts."""
        yield self
        for _, value in self.arguments:
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Schedule):
                    yield from part._all()

    @cached_property
    def _setting(self) -> tuple[np.ndarray, np.ndarray, int, float, list[Any]]:
        """The tree as numbers, the clock, and the functions of the caller's: what the native part takes."""
        functions: list[Callable[[int], float]] = []
        tree, counts_epochs = _written(self, False, functions)
        given = next((s.steps_per_epoch for s in self._all() if s.steps_per_epoch is not None), None)
        clock = Clock.constant(given) if given is not None else self.clock
        if counts_epochs and clock is None:
            raise ValueError(f"[{self.name}] per='epoch' needs steps_per_epoch=, the number of updates in an epoch")
        rows = np.array(clock.rows if clock else (), np.float64)
        total = math.nan if self.total is None else self.total
        return np.array(tree), rows, clock.every if clock else 1, total, functions

    def __repr__(self) -> str:
        arguments = [f"{key}={_shown(value)}" for key, value in self.arguments]
        if self.per is not None:
            arguments.append(f"per={self.per!r}")
        if self.steps_per_epoch is not None:
            arguments.append(f"steps_per_epoch={self.steps_per_epoch}")
        return f"{self.name}({', '.join(arguments)})"

    def plot(self, steps: int = 1000, ax: Any = None) -> Any:
        """Draw the first `steps` values with Matplotlib and return the axes."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("[schedules] plot() needs Matplotlib: pip install 'fallline[plot]'") from error
        ax = plt.gca() if ax is None else ax
        ax.plot(range(steps), self.values(0, steps), label=repr(self))
        ax.set_xlabel("finished updates")
        return ax


def warn_at_end(rule: str, schedule: Schedule, updates: int) -> bool:
    """Warn when a learning rate has come to its end at 0 and training goes on; return whether it was said."""
    end = schedule.end()
    if not end or end >= updates or schedule(updates - 1) != 0:
        return False
    warn(
        f"[{rule}] the learning rate has come to its end after {end} updates and stays 0, but training goes on to "
        f"update {updates}, which changes nothing: make {schedule!r} longer, leave its length to fl.fit, or begin "
        "with a new optimizer",
    )
    return True


def _shown(value: Any) -> str:
    return f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple) else repr(value)


def _map(value: Any, f: Callable[[Schedule], Schedule]) -> Any:
    if isinstance(value, tuple):
        return tuple(_map(part, f) for part in value)
    return f(value) if isinstance(value, Schedule) else value


def _checked(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as the table wants them: numbers in their ranges, words that exist, marks that increase."""
    _, numbers, marks, parts = TABLE[name]
    out = dict(given)
    for key, _, kind, may_be_open, words in numbers:
        value = given[key]
        if kind == "choice":
            if value not in words.split():
                known = ", ".join(map(repr, words.split()))
                raise ValueError(f"[{name}] {key} must be one of {known}, got {value!r}")
        elif not (value is None and may_be_open):
            out[key] = _number(name, key, value)
            must, holds = RANGES[kind]
            if not holds(out[key]):
                raise ValueError(f"[{name}] {key} must {must}, got {value}")
    if marks:
        out[marks] = tuple(_number(name, marks, mark) for mark in given[marks])
        if any(b <= a for a, b in pairwise(out[marks])):
            raise ValueError(f"[{name}] the {marks} must increase, got {list(given[marks])}")
    if parts and not marks:
        out[parts] = _part(name, parts, given[parts])
    elif parts:
        out[parts] = tuple(_part(name, parts, part) for part in given[parts])
        if len(out[parts]) != len(out[marks]) + 1:
            raise ValueError(
                f"[{name}] {len(out[marks])} {marks} need {len(out[marks]) + 1} {parts}, got {len(out[parts])}"
            )
    return out


def _part(name: str, key: str, value: Any) -> Any:
    return value if callable(value) else _number(name, key, value)


def _number(name: str, key: str, value: Any) -> float:
    try:
        number = int(value) if isinstance(value, int | np.integer) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"[{name}] {key} must be a finite number, got {value!r}")
    return number


def _written(value: Any, in_epochs: bool, functions: list[Callable[[int], float]]) -> tuple[list[float], bool]:
    """Return a schedule, function or number as schedule.h writes trees, and whether anything in it counts epochs."""
    name, given = "constant", {"value": value}
    if isinstance(value, Schedule):
        name, given = value.name, dict(value.arguments)
        in_epochs = in_epochs if value.per is None else value.per == "epoch"
    elif callable(value):
        name, given = "function", {"function": len(functions)}
        functions.append(value)
    place, numbers, marks, parts = TABLE[name]
    own = [_as_float(given[key], words) for key, _, _, _, words in numbers]
    own_marks: list[float] = list(given[marks]) if marks else []
    inner = given[parts] if parts else ()
    written = [_written(part, in_epochs, functions) for part in (inner if isinstance(inner, tuple) else (inner,))]
    body = [place, in_epochs, len(own_marks), len(written), *own, *own_marks]
    for tree, _ in written:
        body += tree
    return [len(body) + 1, *body], in_epochs or any(epochs for _, epochs in written)


def _as_float(value: Any, words: str | None) -> float:
    if words:
        return words.split().index(value)
    return math.nan if value is None else float(value)
