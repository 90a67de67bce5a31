"""How are numbers written in a column?  1234.5 by programs; 1.234,5 or 1,234.5 or 5 % or $3 by people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
SPACES = "\u00a0\u202f\u2009 "  # between thousands, and before units
MONEY = re.compile("[A-Z]{0,3}[$€£¥₹₽]|[A-Z]{3}")
BETWEEN = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes", "’": "apostrophes"}
FIGURES = re.compile(r"[+-]?\d[\d.,'’\u00a0\u202f\u2009 ]*(?:[eE][+-]?\d+)?|[+-]?[.,]\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Written:
    """A way of writing numbers: what stands before the fraction, between thousands, and behind the number."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def value(self, cell: str) -> float | None:
        """Return the number that a cell spells, NaN for one of the words for nothing, None for any other text."""
        if cell.lower() in MISSING:
            return np.nan
        if not self.unit and not self.thousands and self.decimal == ".":
            return _plain(cell)
        text = cell
        if self.unit and text.endswith(self.unit):
            text = text[: -len(self.unit)].rstrip(SPACES)
        elif self.unit and text.lstrip("+-").startswith(self.unit):
            text = text.replace(self.unit, "", 1).lstrip(SPACES)
        elif self.unit:
            return None
        if self.thousands:
            whole = re.split(r"[eE]", text)[0].partition(self.decimal)[0].lstrip("+-")
            groups = re.split(f"[{SPACES}]", whole) if self.thousands == " " else whole.split(self.thousands)
            if len(groups) > 1 and not (1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])):
                return None
            text = re.sub(f"[{SPACES}]", "", text) if self.thousands == " " else text.replace(self.thousands, "")
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".", 1)
        return _plain(text)

    def said(self) -> str:
        """Spell it for a sentence; nothing for the plain way."""
        parts = []
        if self.decimal != ".":
            parts.append("decimal commas")
        if self.thousands:
            parts.append(f"{BETWEEN[self.thousands]} between thousands")
        if self.unit:
            parts.append(f"the unit {self.unit}")
        return " and ".join(parts)


PLAIN = Written()
NONE = np.empty(0, np.intp)


class Read(NamedTuple):
    """Numbers, NaN where there is none, and the rows whose text is no number."""

    values: NDArray[np.float64]
    words: NDArray[np.intp]


def read(cells: Sequence[str], written: Written) -> Read:
    """Turn cells into numbers."""
    if written == PLAIN and (values := plain_numbers(cells)) is not None:
        return Read(values, NONE)
    known = {cell: written.value(cell) for cell in set(cells)}
    words = {cell for cell, value in known.items() if value is None}
    values = np.array([np.nan if (value := known[cell]) is None else value for cell in cells], dtype=np.float64)
    return Read(values, np.array([i for i, cell in enumerate(cells) if cell in words], np.intp) if words else NONE)


def plain_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the numbers of a column that programs wrote, and NaN for empty cells; None where there are others."""
    try:  # most columns are such: no step of Python for each cell
        values = np.array(list(map(float, cells)), dtype=np.float64)
    except ValueError:
        try:
            values = np.array([float(cell or "nan") for cell in cells], dtype=np.float64)
        except ValueError:
            return None
    return None if "_" in "".join(cells) else values


def way_of(cells: Iterable[str], *, commas: bool = False) -> Written:
    """Return how most of these different cells are written; `commas`: where 1,234 is more likely to be 1.234.

    A comma stands before a fraction where groups of three figures do not explain it.
    """
    present = [cell for cell in cells if cell.lower() not in MISSING]
    if all(_plain(cell) is not None for cell in present):
        return PLAIN
    best, most = PLAIN, sum(_plain(cell) is not None for cell in present)
    for unit in ("", *_units(present)):
        ways = [Written(unit=unit), Written(thousands=",", unit=unit), Written(",", "", unit)]
        if commas:
            ways[1:] = ways[:0:-1]
        ways += [Written(",", ".", unit), Written(".", " ", unit), Written(",", " ", unit), Written(".", "'", unit)]
        ways += [Written(".", "’", unit)]
        for way in ways:
            count = sum(way.value(cell) is not None for cell in present)
            if count > most:
                best, most = way, count
    return best


def _units(cells: Sequence[str]) -> list[str]:
    """Return what stands behind the figures of most cells that have some, or before them where it is money."""
    counts: dict[str, int] = {}
    with_figures = 0
    for cell in cells[:2000]:
        found = FIGURES.search(cell)
        if not found:
            continue
        with_figures += 1
        before, behind = cell[: found.start()].strip(SPACES + "+-"), cell[found.end() :].strip(SPACES)
        unit = behind or before
        if before and (behind or not MONEY.fullmatch(before)):  # A 12 is a name
            continue
        if unit and len(unit) <= 12 and not any(c.isdigit() for c in unit):
            counts[unit] = counts.get(unit, 0) + 1
    return [unit for unit, count in counts.items() if 2 * count > with_figures]


def _plain(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if "_" in cell else value
