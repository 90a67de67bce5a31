"""How do inputs become numbers around zero?  Fitted on training rows only, and described in JSON for the model file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline.data.described import rebuilt
from fallline.data.errors import InputError, close_to, shown
from fallline.data.source import Arrays
from fallline.data.tables import Table, as_numbers, is_missing, is_number

Floats = NDArray[np.float32]
MOST_LEVELS = 100
ABSENT = ""  # the level of a missing category


def check_deviations(*values: float) -> None:
    """Refuse what numbers cannot be divided by."""
    if not all(value > 0 for value in values):
        raise ValueError("a standard deviation must be positive")


@dataclass(frozen=True)
class Number:
    """A column of numbers: missing ones become the median, then mean 0 and standard deviation 1."""

    name: str
    fill: float
    mean: float
    std: float

    def __post_init__(self) -> None:
        check_deviations(self.std)

    @classmethod
    def fit(cls, name: str, cells: Sequence[str]) -> Number:
        """Take the statistics from training cells."""
        values = as_numbers(name, cells)
        known = values[~np.isnan(values)]
        fill = float(np.median(known)) if known.size else 0.0
        values = np.where(np.isnan(values), fill, values)
        return cls(name, fill, float(values.mean()), float(values.std()) or 1.0)

    def encode(self, cells: Sequence[str], notes: list[str]) -> NDArray[np.float64]:
        """Return one column."""
        values = as_numbers(self.name, cells)
        missing = int(np.isnan(values).sum())
        if missing:
            notes.append(f"{shown(self.name)}: {plural(missing, 'missing value')} filled with the median {self.fill:g}")
            values = np.where(np.isnan(values), self.fill, values)
        return ((values - self.mean) / self.std)[:, None]


@dataclass(frozen=True)
class Category:
    """A column of names: one input per name seen in training; an unknown name sets none of them."""

    name: str
    levels: tuple[str, ...]

    @classmethod
    def fit(cls, name: str, cells: Sequence[str]) -> Category:
        """Collect the names, at most the hundred most frequent."""
        counts = Counter(ABSENT if is_missing(cell) else cell for cell in cells)
        return cls(name, tuple(sorted(level for level, _ in counts.most_common(MOST_LEVELS))))

    def encode(self, cells: Sequence[str], notes: list[str]) -> NDArray[np.float64]:
        """Return one column per level."""
        place = {level: i for i, level in enumerate(self.levels)}
        where = np.array([place.get(ABSENT if is_missing(cell) else cell, -1) for cell in cells], dtype=np.intp)
        unknown = int((where < 0).sum())
        if unknown:
            example = shown(cells[int(np.argmin(where))]) or "missing"
            news = plural(unknown, "value")
            notes.append(f"column {shown(self.name)}: {news} not among its categories (such as {example})")
        return np.asarray(where[:, None] == np.arange(len(self.levels)), dtype=np.float64)


@dataclass(frozen=True)
class Columns:
    """The inputs of a table: its columns, each encoded in its own way, side by side."""

    columns: tuple[Number | Category, ...]

    @property
    def size(self) -> int:
        """Number of inputs."""
        return sum(len(c.levels) if isinstance(c, Category) else 1 for c in self.columns)

    def encode(self, table: Table, notes: list[str]) -> Floats:
        """Turn rows into inputs; columns that the model does not know are left aside."""
        lost = [c.name for c in self.columns if c.name not in table.columns]
        if lost:
            raise InputError(
                f"{table.name} lacks the column {shown(lost[0])!r} of the model; {close_to(lost[0], table.columns)}"
            )
        blocks = [c.encode(table.columns[c.name], notes) for c in self.columns]
        return np.hstack(blocks).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        kinds = {Number: "number", Category: "category"}
        return {"kind": "columns", "columns": [{"kind": kinds[type(c)], **asdict(c)} for c in self.columns]}


def fit_columns(table: Table, rows: NDArray[np.intp], target: str, notes: list[str]) -> Columns:
    """Decide each column's kind from the whole table and its statistics from the training rows."""
    columns: list[Number | Category] = []
    for name, cells in table.columns.items():
        if name == target:
            continue
        present = [cell for cell in cells if not is_missing(cell)]
        training = [cells[i] for i in rows]
        different = len(set(present))
        numbers = sum(map(is_number, present))
        if different < 2 and len(present) == len(cells):
            notes.append(f"column {shown(name)}: left out, it has one value only")
        elif not present:
            notes.append(f"column {shown(name)}: left out, it has no values")
        elif numbers == len(present):
            as_numbers(name, cells)  # names the row of a number that cannot be used, counted in the whole table
            columns.append(Number.fit(name, training))
        elif different > MOST_LEVELS and different > len(present) // 2:
            notes.append(f"column {shown(name)}: left out, it has {different} different texts in {len(cells)} rows")
        else:
            columns.append(Category.fit(name, training))
            some = f", although {numbers} of its values are numbers" if numbers else ""
            notes.append(f"column {shown(name)}: {plural(different, 'category', 'categories')}{some}")
    if not columns:
        raise InputError(f"{table.name} has no usable column beside the target {shown(target)!r}")
    return Columns(tuple(columns))


@dataclass(frozen=True)
class Matrix:
    """The inputs of an array: bytes divided by 255, anything else to mean 0 and standard deviation 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    features: int
    divide_by: float = 1.0

    def __post_init__(self) -> None:
        check_deviations(self.divide_by, *self.std)
        if not len(self.mean) == len(self.std) == (0 if self.divide_by != 1.0 else self.features):
            raise ValueError(
                f"{len(self.mean)} means and {len(self.std)} deviations do not fit {self.features} features"
            )

    @property
    def size(self) -> int:
        """Number of inputs."""
        return self.features

    @classmethod
    def fit(cls, x: NDArray[Any], notes: list[str]) -> Matrix:
        """Take the statistics from training rows."""
        if x.dtype == np.uint8:
            notes.append(f"x: {x.shape[1]} features of bytes, divided by 255")
            return cls((), (), x.shape[1], 255.0)
        std = x.std(axis=0, dtype=np.float64)
        std[std == 0] = 1.0
        notes.append(f"x: {x.shape[1]} features, standardised")
        return cls(tuple(x.mean(axis=0, dtype=np.float64).tolist()), tuple(std.tolist()), x.shape[1])

    def encode(self, data: Arrays, notes: list[str]) -> Floats:
        """Turn rows into inputs."""
        x = data.x
        if x.shape[1] != self.features:
            raise InputError(f"{data.name} has {x.shape[1]} features, the model takes {self.features}")
        if self.divide_by != 1.0:
            if x.dtype != np.uint8:
                raise InputError(f"{data.name} has x of dtype {x.dtype}, the model was fitted on uint8")
            return np.asarray(x / np.float32(self.divide_by), dtype=np.float32)
        return np.asarray((x - np.array(self.mean)) / np.array(self.std), dtype=np.float32)

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "matrix", **asdict(self)}


def from_description(description: dict[str, Any]) -> Columns | Matrix:
    """Rebuild the encoding that a model file describes."""
    if description["kind"] == "matrix":
        return rebuilt(Matrix, description)
    kinds: dict[str, type[Number] | type[Category]] = {"number": Number, "category": Category}
    return Columns(tuple(rebuilt(kinds[column["kind"]], column) for column in description["columns"]))


def plural(count: int, one: str, many: str = "") -> str:
    """Say how many, in words that fit.

    Examples
    --------
    >>> plural(1, "missing value"), plural(2, "category", "categories")
    ('1 missing value', '2 categories')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
