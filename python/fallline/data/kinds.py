"""Which kind of column is it?  Decided from all cells, said in one line each, and told by the user where wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fallline.data.dates import order_of
from fallline.data.encode import MOST_LEVELS, Category, Column, Columns, Date, Number
from fallline.data.errors import InputError, close_to, plural, shown
from fallline.data.matrix import ROUNDING
from fallline.data.numbers import PLAIN, Written, plain_numbers, way_of
from fallline.data.tables import Table, check_finite, is_missing, is_number

KINDS = ("number", "category", "date", "ignore")
CODES = re.compile(r"^0\d+$", re.MULTILINE)
INDEX = re.compile(r"|unnamed.*|column \d+|(row|record)?[ _]?(id|index|no|nr|number)|rownames?|#", re.IGNORECASE)
MOST_INPUTS = 9  # levels that have an input each, where the network has tables for more


@dataclass(frozen=True)
class Style:
    """How columns are encoded: for a plain network, or for one that takes codes and robust numbers."""

    robust: bool = False
    most_inputs: int | None = None


PLAIN_NETWORK = Style()
TABULAR = Style(robust=True, most_inputs=MOST_INPUTS)


def fit_columns(
    table: Table,
    rows: NDArray[np.intp],
    target: str,
    notes: list[str],
    told: Mapping[str, str] | None = None,
    style: Style = PLAIN_NETWORK,
) -> Columns:
    """Decide each column's kind from the whole table and its statistics from the training rows."""
    told = told or {}
    for name, kind in told.items():
        table.column(name)
        if kind not in KINDS:
            raise InputError(f"the kind {shown(kind)!r} of column {shown(name)} is unknown; {close_to(kind, KINDS)}")
    columns: list[Column] = []
    for name, cells in table.columns.items():
        if name != target:
            found = _column(name, cells, rows, notes, told.get(name), style, table)
            if found is not None:
                columns.append(found)
    if not columns:
        raise InputError(f"{table.name} has no usable column beside the target {shown(target)!r}")
    return Columns(tuple(columns))


def _column(
    name: str,
    cells: Sequence[str],
    rows: NDArray[np.intp],
    notes: list[str],
    told: str | None,
    style: Style,
    table: Table,
) -> Column | None:
    called = f"column {shown(name)}"
    if told == "ignore":
        notes.append(f"{called}: left out, as it was told")
        return None
    if told in (None, "number"):
        written = number_way(name, cells, commas=table.commas, forced=told == "number")
        if written is not None:
            return _number(name, table, rows, written, notes, style, told)
    different = set(cells)
    present = sorted(cell for cell in different if not is_missing(cell))
    if not told and len(different) < 2:
        notes.append(f"{called}: left out, it has {'one value only' if present else 'no values'}")
        return None
    if told in (None, "date"):
        order = order_of(present)
        if order is not None:
            notes.append(f"{called}: dates, {order}")
            return Date.fit(name, _some(cells, rows), order)
        if told == "date":
            raise InputError(f"{called} cannot be read as dates; 2024-12-31, 31.12.2024 and 12/31/2024 can be")
    if not told and len(present) > MOST_LEVELS and len(present) > len(cells) // 2:
        notes.append(f"{called}: left out, it has {len(present)} different texts in {len(cells)} rows")
        return None
    numbers = sum(map(is_number, present))
    some = f", although {numbers} of its values are numbers" if numbers else ""
    if numbers == len(present) and has_codes(present):
        some = ": codes, since some of its numbers begin with zeros"
    notes.append(f"{called}: {plural(len(different - {''}), 'category', 'categories')}{some}")
    return Category.fit(name, _some(cells, rows), most_inputs=style.most_inputs)


def _some(cells: Sequence[str], rows: NDArray[np.intp]) -> Sequence[str]:
    return cells if len(rows) == len(cells) else [cells[i] for i in rows.tolist()]


def has_codes(cells: Sequence[str]) -> bool:
    """Tell whether a cell is a whole number that begins with a zero, as codes do."""
    text = "\n".join(cells)
    return (text.startswith("0") or "\n0" in text) and CODES.search(text) is not None


def number_way(name: str, cells: Sequence[str], *, commas: bool, forced: bool = False) -> Written | None:
    """Return how the numbers of a column are written; None where it holds something else."""
    values = plain_numbers(cells)
    if values is not None:
        return None if np.isnan(values).all() or (not forced and has_codes(cells)) else PLAIN
    present = [cell for cell in set(cells) if not is_missing(cell)]
    if not present or (not forced and has_codes(present)):
        return None
    written = way_of(present, commas=commas)
    words = {cell for cell in present if written.value(cell) is None}
    if not words:
        return written
    if forced:
        if len(words) == len(present):
            raise InputError(f"column {shown(name)} must hold numbers, and none of its values is one")
        return written
    known = len(present) - len(words)
    if known < 5 or len(words) > max(3, known // 10):
        return None
    rows = sum(cell in words for cell in cells)
    return written if 4 * rows <= len(cells) else None


def _number(
    name: str,
    table: Table,
    rows: NDArray[np.intp],
    written: Written,
    notes: list[str],
    style: Style,
    told: str | None,
) -> Column | None:
    values = table.numbers(name, written).values
    check_finite(name, table.columns[name], values)  # names the row of the whole table
    known = values[~np.isnan(values)]
    called = f"column {shown(name)}"
    if not told and np.ptp(known) == 0:
        notes.append(f"{called}: left out, it has one value only")
        return None
    if not told and np.ptp(known) <= ROUNDING * np.abs(known).max():
        notes.append(f"{called}: left out, its values differ by rounding errors only")
        return None
    if not told and INDEX.fullmatch(name) and _counts_rows(values):
        notes.append(f"{called}: left out, it counts the rows")
        return None
    if written != PLAIN:
        notes.append(f"{called}: numbers with {written.said()}")
    return Number.of(name, values[rows], written, robust=style.robust)


def _counts_rows(values: NDArray[np.float64]) -> bool:
    return len(values) > 2 and bool(np.all(np.diff(values) == 1))
