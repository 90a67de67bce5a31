"""How is a CSV file read?  Every cell stays text until a column's kind is known."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from fallline.data.errors import InputError, close_to, shown

LARGEST = 1e100  # the square of what is larger is not far from infinity
GZIP = b"\x1f\x8b"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})


@dataclass(frozen=True)
class Table:
    """Columns of text, all of the same length, by name and in the file's order."""

    name: str
    columns: dict[str, list[str]]

    @property
    def rows(self) -> int:
        """Number of rows without the header."""
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[str]:
        """Return the cells of one column, or say which columns there are."""
        if name not in self.columns:
            raise InputError(f"{self.name} has no column {shown(name)!r}; {close_to(name, self.columns)}")
        return self.columns[name]

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Keep the given rows, in the given order."""
        return Table(self.name, {n: [cells[i] for i in rows] for n, cells in self.columns.items()})


def read_csv(path: Path, content: IO[bytes] | None = None) -> Table:
    """Read a CSV file, or its content, whose first line names the columns (comma, semicolon or tab); gzip or plain."""
    try:
        with (
            content or path.open("rb") as file,
            _unpacked(file) as plain,
            io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text,
        ):
            return _read(path, text)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8 (byte {error.start} is not)") from error
    except csv.Error as error:
        raise InputError(f"{path} is not a readable CSV file: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is not a readable gzip file; is it complete?") from error


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    start = file.read(len(GZIP))
    file.seek(0)
    return cast(IO[bytes], gzip.open(file)) if start == GZIP else file


def _read(path: Path, lines: Iterator[str]) -> Table:
    first = next(lines, "")
    if not first.strip():
        raise InputError(f"{path} is empty or starts with an empty line; the first line must name the columns")
    delimiter = max(",;\t", key=first.count)
    names = _header(path, next(csv.reader([first], delimiter=delimiter, strict=True)))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows = []
    for row in reader:
        if not row:
            continue
        if len(row) != len(names):
            raise InputError(
                f"{path} line {reader.line_num + 1} has {len(row)} fields, the header {len(names)}; "
                "is the file complete?"
            )
        rows.append([cell.strip() for cell in row])
    if not rows:
        raise InputError(f"{path} has a header and no rows")
    return Table(path.name, {name: [row[i] for row in rows] for i, name in enumerate(names)})


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if all(is_number(name) for name in names):
        raise InputError(f"{path} starts with numbers; its first line must name the columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        what = f"the column {shown(twice[0])!r} twice" if twice and twice[0] else "a column without a name"
        raise InputError(f"{path} has {what} in its first line; every column needs its own name")
    return names


def is_missing(cell: str) -> bool:
    """Tell whether a cell stands for no value."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number; 1_000 is a name, although Python's float takes it."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def as_numbers(name: str, cells: Sequence[str]) -> NDArray[np.float64]:
    """Turn cells into numbers, NaN where a value is missing."""
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        if is_missing(cell):
            values[i] = np.nan
        elif not is_number(cell):
            raise InputError(f"column {shown(name)} must hold numbers, row {i + 1} has {shown(cell)!r}")
        else:
            values[i] = float(cell)
            if abs(values[i]) > LARGEST:
                where = f"row {i + 1} has {shown(cell)!r}"
                raise InputError(f"column {shown(name)} must hold finite numbers below 1e100, {where}")
    return values
