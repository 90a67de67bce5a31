"""What are the hyper-parameters of an optimizer at each step?  Numbers, arrays and schedules, as rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from fallline import _core
from fallline._hints import elsewhere
from fallline.optim._attributes import Attributes, expand, groups
from fallline.optim._clock import Clock
from fallline.optim._ranges import checked, schedule
from fallline.optim._running import Running
from fallline.optim._schedule import Schedule, warn_at_end

__all__ = ["Hyper", "Hypers"]

Hyper: TypeAlias = float | _core.Array | Callable[[int], float]


class Hypers(Attributes):
    """The hyper-parameters of an optimizer: numbers, arrays and schedules, and the rows of numbers that steps take."""

    _epochs: Clock | None = None
    _total: int | None = None  # how many batches the training has

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _take(self, rule: str, specs: Sequence[tuple[str, float, str]], hypers: Mapping[str, Any]) -> None:
        """Begin with these values; specs are (name, default, range), in the order of a row."""
        self._running = Running(rule, specs)
        self._specs = [spec for spec in specs if spec[0] not in self._running.names]
        self._columns = [name for name, _, _ in specs]
        self._hypers: dict[str, Hyper] = {name: default for name, default, _ in self._specs}
        self._warned = False  # that the learning rate has come to its end
        self._fixed = True
        self.set_hyperparameters(**hypers)
        self._publish(self._hypers)

    def _names(self) -> list[str]:
        return list(getattr(self, "_hypers", ()))

    def _read(self, name: str) -> Any:
        value = self._hypers[name]
        flag = isinstance(value, float) and any(kind == "flag" for own, _, kind in self._specs if own == name)
        return bool(value) if flag else value

    def _told(self) -> list[str]:
        """Return the arguments that are told in print: the learning rate, and what is not the rule's default."""
        grouped = groups(self._hypers)
        member_of = {name: group for group, members in grouped.items() for name in members}
        told = {
            member_of.get(name, name): True
            for name, default, _ in self._specs
            if name == "lr" or (self._hypers[name] is not default and self._hypers[name] != default)
        }
        return [f"{name}={getattr(self, name)!r}" for name in told]

    def hyperparameters(self) -> dict[str, float]:
        """Return the values that the next update uses; schedules are evaluated."""
        row = dict(zip(self._columns, self.hyper_rows(self.t, 1)[0].tolist(), strict=True))
        return {name: row[name] for name in self._hypers}

    def set_hyperparameters(self, **changes: Hyper | bool) -> None:
        """Change hyper-parameters from the next update on; nothing changes when one of them is wrong."""
        ranges = {name: kind for name, _, kind in self._specs}
        new = dict(self._hypers)
        for name, value in expand(self._name, changes, ranges).items():
            if name not in ranges:
                hint = elsewhere("optimizer arguments", name) or f"; it has {', '.join(ranges)}"
                raise TypeError(f"[{self._name}] there is no hyper-parameter '{name}'{hint}")
            if callable(value) and not hasattr(value, "parameters"):
                new[name] = schedule(self._name, name, value)
            else:
                new[name] = value if _is_number(value) else checked(self._name, name, value, ranges[name])
        if changes:
            self._running.hold(self.t, self._rows, self._fixed)
        self._hypers = {name: self._on_the_clock(value) for name, value in new.items()}
        self._warned = self._warned and "lr" not in changes
        self._fix()

    def _fix(self) -> None:
        """See whether the row of hyper-parameters is the same at every step."""
        self._fixed = not self._running.known and all(isinstance(value, float) for value in self._hypers.values())
        if self._fixed:
            self._row = self._rows(0, 1)[0]

    @property
    def epochs(self) -> Clock | None:
        """When epochs begin, once that is known."""
        return self._epochs

    def set_steps_per_epoch(self, steps: int) -> None:
        """Say how many updates an epoch has from now on, for schedules that count epochs and were not told."""
        clock = self.epochs or Clock.constant(steps)
        self.set_clock(clock if clock.steps_per_epoch == steps else clock.then(self.t, [steps]), self._total)

    def set_clock(self, clock: Clock, total: int | None) -> None:
        """Tell schedules when epochs begin, and how many batches the training has; `fit` does so when it starts."""
        self._running.hold(self.t, self._rows, self._fixed)
        self._epochs, self._total = clock, total
        self._hypers = {name: self._on_the_clock(value) for name, value in self._hypers.items()}
        if total is not None:
            self._look_for_the_end(total // clock.every)

    def _saved_clock(self) -> dict[str, Any]:
        """Return what a saved state says of epochs: nothing where all have had one length."""
        rows = self._epochs.rows if self._epochs else ()
        return {"epochs": [list(row) for row in rows]} if len(rows) > 1 else {}

    def _load_clock(self, state_dict: Mapping[str, Any]) -> None:
        if "epochs" in state_dict:
            self.set_clock(Clock.of(self._name, state_dict["epochs"]), None)

    def _on_the_clock(self, value: Any) -> Any:
        return value.on(self.epochs, self._total) if isinstance(value, Schedule) else value

    def _look_for_the_end(self, updates: int) -> None:
        lr = self._hypers.get("lr")
        if isinstance(lr, Schedule) and updates > self.t and not self._warned:
            self._warned = warn_at_end(self._name, lr, updates)

    def hyper_rows(self, first_step: int, count: int) -> np.ndarray:
        """Return the hyper-parameters of `count` updates, one row each, from the one after `first_step` updates on."""
        if self._fixed:
            return np.tile(self._row, (count, 1))
        rows = self._rows(first_step, count)
        if self._running.columns and count:
            self._running.fill(rows, first_step, self._rows)
        return rows

    def _rows(self, first_step: int, count: int) -> np.ndarray:
        """Return these rows without the running numbers, which stay NaN."""
        rows = np.full((count, len(self._columns)), np.nan)
        at = range(first_step, first_step + count)
        for name, _, kind in self._specs:
            value, column = self._hypers[name], self._columns.index(name)
            if type(value) is float:  # was looked at when it was set
                rows[:, column] = value
            elif isinstance(value, Schedule):
                rows[:, column] = value.values(first_step, count)
                for t, found in zip(at, rows[:, column].tolist(), strict=True):
                    checked(self._name, name, found, kind, t)
            elif callable(value):
                rows[:, column] = [checked(self._name, name, value(t), kind, t) for t in at]
            else:
                rows[:, column] = checked(self._name, name, value, kind)
        return rows

    def _running_at(self, t: int) -> dict[str, float]:
        """Return the running numbers of the update after t others, for rows that are made of graph values."""
        if self._fixed or any(isinstance(value, _core.Array) for value in self._hypers.values()):
            return dict.fromkeys(self._running.names, float("nan"))
        return dict(zip(self._running.names, self._running.at(t, self._rows).tolist(), strict=True))

    def _next_row(self) -> np.ndarray:
        row: np.ndarray = self.hyper_rows(self.t, 1)[0]
        if row[0] == 0:
            self._look_for_the_end(self.t + 1)
        return row


def _is_number(value: Any) -> bool:
    """Whether a hyper-parameter is an array that holds one number, which `update` differentiates through."""
    return isinstance(value, _core.Array) and value.size == 1
