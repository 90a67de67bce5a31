"""What does a rule carry from step to step beside its slots?  Numbers that past hyper-parameters have made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fallline import _core

__all__ = ["Running"]

Rows = Callable[[int, int], np.ndarray]  # of hyper-parameters: so many, from the one after so many updates on


class Running:
    """The running numbers of one optimizer, such as NAdam's product of momenta, by the number of finished updates.

    Unknown ones are NaN, which to the native rule means that hyper-parameters have always been those of today.
    """

    def __init__(self, rule: str, specs: Sequence[tuple[str, float, str]]) -> None:
        self.rule = rule
        self.columns = [i for i, (_, _, kind) in enumerate(specs) if kind == "running"]
        self.names = [specs[i][0] for i in self.columns]
        self.known: dict[int, np.ndarray] = {}

    def fill(self, rows: np.ndarray, first: int, rows_of: Rows) -> None:
        """Write the numbers into the rows of the steps after `first` updates."""
        start = self.at(first, rows_of)
        rows[0, self.columns] = start
        filled, after = _core.advance_rule(self.rule, rows, first + 1)
        rows[:] = filled
        self.known = {first: start, first + len(rows): after[self.columns]}

    def at(self, t: int, rows_of: Rows, constant: bool = False) -> np.ndarray:
        """Return the numbers after t updates; `constant`: hyper-parameters were never others."""
        if not self.columns:
            return np.empty(0)
        start = max((s for s in self.known if s <= t), default=max(t - 1, 0) if constant else 0)
        value = self.known.get(start, np.full(len(self.columns), np.nan))
        if start < t:
            rows = rows_of(start, t - start)
            rows[0, self.columns] = value
            value = _core.advance_rule(self.rule, rows, start + 1)[1][self.columns]
        return value

    def load(self, t: int, state: Mapping[str, Any]) -> None:
        """Take over the numbers of a saved state; where it has none, hyper-parameters have always been the same."""
        saved = np.array([state.get(name, np.nan) for name in self.names])
        self.known = {} if np.isnan(saved).any() else {t: saved}

    def hold(self, t: int, rows_of: Rows, constant: bool) -> None:
        """Take the past for granted: hyper-parameters are about to change."""
        if self.columns and t:
            self.known = {t: self.at(t, rows_of, constant)}
