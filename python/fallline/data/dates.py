"""How are dates written, and which of their parts are told to a network?  Both are found in the cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

ORDERS = ("year first", "day first", "month first")
CLOCK = r"(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp][Mm])?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?"
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + CLOCK)
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})" + CLOCK)
NOWHEN = np.datetime64("NaT", "s")
PARTS = ("elapsed", "month", "day", "weekday", "hour")
DAY = 86_400


def order_of(cells: Iterable[str]) -> str | None:
    """Return in which order the dates of these different cells are written; None where fewer than nine in ten are."""
    present = [cell for cell in cells if cell][:1000]
    if not present or not any(map(str.isdigit, present[0][:1])):
        return None
    points = all("." in cell for cell in present)
    for order in ("year first", *(ORDERS[1:] if points else ORDERS[:0:-1])):
        if sum(not np.isnat(one_date(cell, order)) for cell in present) >= 0.9 * len(present):
            return order
    return None


def one_date(cell: str, order: str) -> np.datetime64:
    """Return the time that a cell spells; NaT for anything else."""
    if order == "year first":
        found = YEAR_FIRST.fullmatch(cell)
        if not found:
            return NOWHEN
        year, month, day, hour, minute, second, half = found.groups()
    else:
        found = YEAR_LAST.fullmatch(cell)
        if not found:
            return NOWHEN
        first, _, other, year, hour, minute, second, half = found.groups()
        day, month = (first, other) if order == "day first" else (other, first)
    hours = int(hour or 0)
    if half:
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    try:
        text = f"{year}-{int(month):02d}-{int(day):02d}T{hours:02d}:{minute or '00'}:{second or '00'}"
        return np.datetime64(text, "s")
    except ValueError:
        return NOWHEN


def read_dates(cells: Sequence[str], order: str) -> NDArray[np.datetime64]:
    """Turn cells into times, NaT where there is none."""
    known = {cell: one_date(cell, order) for cell in set(cells)}
    return np.array([known[cell] for cell in cells], dtype="datetime64[s]")


def parts_of(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return one column for each of `PARTS`: days since 1970, and the rest counted from 0; NaN for NaT."""
    known = np.where(np.isnat(times), np.datetime64(0, "s"), times)
    days = known.astype("datetime64[D]")
    months = known.astype("datetime64[M]")
    seconds = known.astype(np.int64)
    parts = np.stack(
        [
            seconds / DAY,
            months.astype(np.int64) % 12,
            (days - months.astype("datetime64[D]")).astype(np.int64),
            (days.astype(np.int64) + 3) % 7,
            seconds % DAY / 3600,
        ],
        axis=1,
    ).astype(np.float64)
    parts[np.isnat(times)] = np.nan
    return parts
