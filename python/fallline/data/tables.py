"""What is a table?  Columns of text by name: every cell stays text until a column's kind is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fallline.data.errors import InputError, close_to, shown
from fallline.data.numbers import MISSING, PLAIN, Read, Written, read

LARGEST = 1e100  # the square of what is larger is not far from infinity


@dataclass(frozen=True)
class Table:
    """Columns of text, all of the same length, by name and in the file's order; `notes` say what reading did.

    `commas` tells that the file's fields are not cut by commas, so that these may stand before fractions.
    """

    name: str
    columns: dict[str, list[str]]
    notes: tuple[str, ...] = ()
    commas: bool = False
    _read: dict[tuple[str, Written], Read] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> int:
        """Number of rows without the header."""
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[str]:
        """Return the cells of one column, or say which columns there are."""
        if name not in self.columns:
            raise InputError(f"{self.name} has no column {shown(name)!r}; {close_to(name, self.columns)}")
        return self.columns[name]

    def numbers(self, name: str, written: Written) -> Read:
        """Return what the cells of a column say as numbers; read once."""
        key = name, written
        if key not in self._read:
            self._read[key] = read(self.columns[name], written)
        return self._read[key]

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Keep the given rows, in the given order."""
        numbers = rows.tolist()
        return Table(
            self.name, {n: [cells[i] for i in numbers] for n, cells in self.columns.items()}, self.notes, self.commas
        )


def is_missing(cell: str) -> bool:
    """Tell whether a cell stands for no number."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number as programs write it; 1_000 is a name, although Python's float takes it."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def as_numbers(name: str, cells: Sequence[str]) -> NDArray[np.float64]:
    """Turn cells into numbers, NaN where a value is missing; the first that is none is named in an error."""
    found = read(cells, PLAIN)
    if len(found.words):
        row = int(found.words[0])
        raise InputError(f"column {shown(name)} must hold numbers, row {row + 1} has {shown(cells[row])!r}")
    check_finite(name, cells, found.values)
    return found.values


def check_finite(name: str, cells: Sequence[str], values: NDArray[np.float64]) -> None:
    """Refuse numbers that cannot be computed with."""
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if len(large):
        where = f"row {large[0] + 1} has {shown(cells[large[0]])!r}"
        raise InputError(f"column {shown(name)} must hold finite numbers below 1e100, {where}")
