"""How do the columns of a table become numbers around zero?  Each in its own way, and the model file describes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fallline.data.dates import PARTS, parts_of, read_dates
from fallline.data.described import rebuilt
from fallline.data.errors import InputError, close_to, listed, plural, shown
from fallline.data.matrix import Matrix, check_deviations, deviation
from fallline.data.numbers import Read, Written, read
from fallline.data.tables import Table, check_finite, is_missing

Floats = NDArray[np.float32]
MOST_LEVELS = 100  # with an input of their own
MOST_CODES = 5000  # with a number of their own
ABSENT = ""  # the level of a missing category


class Layout(NamedTuple):
    """Which inputs are numbers, and which are whole numbers that stand for categories, of how many levels."""

    numbers: tuple[int, ...]
    codes: tuple[int, ...]
    levels: tuple[int, ...]


@dataclass(frozen=True)
class Number:
    """A column of numbers: missing ones become the median, then (x - mean) / std.

    With `clip` c > 0, x then becomes x / sqrt(1 + (x / c)^2), which no outlier takes beyond c. With `marked`, a second
    input tells which values were missing.
    """

    name: str
    fill: float
    mean: float
    std: float
    clip: float = 0.0
    marked: bool = False
    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        check_deviations(self.std)

    @classmethod
    def fit(cls, name: str, cells: Sequence[str], written: Written | None = None, *, robust: bool = False) -> Number:
        """Take the statistics from training cells: mean and deviation, or median and quartiles."""
        written = written or Written()
        values = read(cells, written).values
        check_finite(name, cells, values)
        return cls.of(name, values, written, robust=robust)

    @classmethod
    def of(cls, name: str, values: NDArray[np.float64], written: Written, *, robust: bool) -> Number:
        """Take them from training values."""
        known = values[~np.isnan(values)]
        fill = float(np.median(known)) if known.size else 0.0
        way = (written.decimal, written.thousands, written.unit)
        if robust:
            low, high = np.quantile(known, (0.25, 0.75)) if known.size else (0.0, 0.0)
            spread = float(high - low) or (float(np.ptp(known)) / 2 if known.size else 0.0)
            spread = deviation(fill, spread)
            return cls(name, fill, fill, spread, 3.0, bool(known.size < values.size), *way)
        values = np.where(np.isnan(values), fill, values)
        mean = float(values.mean())
        return cls(name, fill, mean, deviation(mean, float(values.std())), 0.0, False, *way)

    @property
    def size(self) -> int:
        """Number of inputs."""
        return 1 + self.marked

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which of them are numbers."""
        return (0,)

    @property
    def written(self) -> Written:
        """How its numbers are written."""
        return Written(self.decimal, self.thousands, self.unit)

    def encode(self, cells: Sequence[str], notes: list[str], found: Read | None = None) -> NDArray[np.float64]:
        """Return one column, or two; `found` is what was read from the cells, where that has happened."""
        found = found or read(cells, self.written)
        check_finite(self.name, cells, found.values)
        _note_words(self.name, cells, found.words, notes)
        absent = np.isnan(found.values)
        missing = int(absent.sum())
        if missing:
            notes.append(f"{shown(self.name)}: {plural(missing, 'missing value')} filled with the median {self.fill:g}")
        z = (np.where(absent, self.fill, found.values) - self.mean) / self.std
        if self.clip:
            z = z / np.sqrt(1 + (z / self.clip) ** 2)
        return np.stack([z, absent], axis=1) if self.marked else z[:, None]


def _note_words(name: str, cells: Sequence[str], words: NDArray[np.intp], notes: list[str]) -> None:
    """Name the rows whose text counts as missing; refuse a column that is no longer one of numbers."""
    if not len(words):
        return
    row = int(words[0])
    if 2 * len(words) >= sum(not is_missing(cell) for cell in cells):
        raise InputError(f"column {shown(name)} must hold numbers, row {row + 1} has {shown(cells[row])!r}")
    rows = listed(str(i + 1) for i in words[:5].tolist()) + (", ..." if len(words) > 5 else "")
    texts = listed(dict.fromkeys(repr(shown(cells[i])) for i in words[:100].tolist()))
    notes.append(
        f"column {shown(name)}: {plural(len(words), 'text')} among its numbers count{'s' * (len(words) == 1)} as "
        f"missing (row{'s' * (len(words) > 1)} {rows}: {texts})"
    )


@dataclass(frozen=True)
class Category:
    """A column of names: one input per name seen in training, none of them for an unknown one.

    A name that is `coded` is one input: its number from 1, and 0 for an unknown one.
    """

    name: str
    levels: tuple[str, ...]
    coded: bool = False

    @classmethod
    def fit(cls, name: str, cells: Sequence[str], *, most_inputs: int | None = None) -> Category:
        """Collect the names, at most the hundred most frequent, or code them where they are more than `most_inputs`."""
        counts = Counter(cells)
        coded = most_inputs is not None and len(counts) > most_inputs
        levels = [level for level, _ in counts.most_common(MOST_CODES if coded else MOST_LEVELS)]
        return cls(name, tuple(sorted(levels)), coded)

    @property
    def size(self) -> int:
        """Number of inputs."""
        return 1 if self.coded else len(self.levels)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which of them are numbers."""
        return ()

    def encode(self, cells: Sequence[str], notes: list[str]) -> NDArray[np.float64]:
        """Return one column per level, or the column of codes."""
        place = {level: i for i, level in enumerate(self.levels)}
        known = {cell: place.get(cell, place.get(ABSENT, -1) if is_missing(cell) else -1) for cell in set(cells)}
        where = np.array([known[cell] for cell in cells], dtype=np.intp)
        unknown = int((where < 0).sum())
        if unknown:
            example = shown(cells[int(np.argmin(where))]) or "missing"
            news = plural(unknown, "value")
            notes.append(f"column {shown(self.name)}: {news} not among its categories (such as {example})")
        if self.coded:
            return np.asarray(where[:, None] + 1, dtype=np.float64)
        return np.asarray(where[:, None] == np.arange(len(self.levels)), dtype=np.float64)


@dataclass(frozen=True)
class Date:
    """A column of times: the days that went by and the parts of the calendar that vary, each (x - mean) / std."""

    name: str
    order: str
    parts: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        check_deviations(*self.std)
        if not len(self.parts) == len(self.mean) == len(self.std) or not set(self.parts) <= set(PARTS):
            raise ValueError(f"a date has the parts {', '.join(PARTS)}, each with a mean and a deviation")

    @classmethod
    def fit(cls, name: str, cells: Sequence[str], order: str) -> Date:
        """Take the parts that vary, and their statistics, from training cells."""
        values = parts_of(read_dates(cells, order))
        values = values[~np.isnan(values[:, 0])]
        spread = np.ptp(values, axis=0) if len(values) else np.zeros(len(PARTS))
        kept = [i for i in range(len(PARTS)) if spread[i] > 0] or [0]
        mean = [float(values[:, i].mean()) if len(values) else 0.0 for i in kept]
        std = [deviation(m, float(values[:, i].std()) if len(values) else 0.0) for m, i in zip(mean, kept, strict=True)]
        return cls(name, order, tuple(PARTS[i] for i in kept), tuple(mean), tuple(std))

    @property
    def size(self) -> int:
        """Number of inputs."""
        return len(self.parts)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which of them are numbers."""
        return tuple(range(self.size))

    def encode(self, cells: Sequence[str], notes: list[str]) -> NDArray[np.float64]:
        """Return one column per part; a missing date is in the middle of each."""
        values = parts_of(read_dates(cells, self.order))[:, [PARTS.index(part) for part in self.parts]]
        z = (values - np.array(self.mean)) / np.array(self.std)
        absent = np.isnan(z[:, 0])
        if absent.any():
            count = plural(int(absent.sum()), "value")
            notes.append(f"column {shown(self.name)}: {count} without a date, taken for the middle of the others")
        return np.where(absent[:, None], 0.0, z / np.sqrt(1 + (z / 3) ** 2))


Column = Number | Category | Date
KINDS: dict[str, type[Number] | type[Category] | type[Date]] = {"number": Number, "category": Category, "date": Date}


@dataclass(frozen=True)
class Columns:
    """The inputs of a table: its columns, each encoded in its own way, side by side."""

    columns: tuple[Column, ...]

    @property
    def size(self) -> int:
        """Number of inputs."""
        return sum(c.size for c in self.columns)

    @property
    def layout(self) -> Layout:
        """What the inputs are."""
        numbers: list[int] = []
        coded: list[tuple[int, int]] = []
        at = 0
        for c in self.columns:
            numbers += [at + i for i in c.numbers]
            if isinstance(c, Category) and c.coded:
                coded.append((at, len(c.levels)))
            at += c.size
        return Layout(tuple(numbers), tuple(i for i, _ in coded), tuple(n for _, n in coded))

    def encode(self, table: Table, notes: list[str]) -> Floats:
        """Turn rows into inputs; columns that the model does not know are left aside."""
        lost = [c.name for c in self.columns if c.name not in table.columns]
        if lost:
            raise InputError(
                f"{table.name} lacks the column {shown(lost[0])!r} of the model; {close_to(lost[0], table.columns)}"
            )
        inputs = np.empty((table.rows, self.size), np.float32)
        at = 0
        for c in self.columns:
            cells, until = table.columns[c.name], at + c.size
            found = (table.numbers(c.name, c.written),) if isinstance(c, Number) else ()
            inputs[:, at:until] = c.encode(cells, notes, *found)
            at = until
        return inputs

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        names = {kind: name for name, kind in KINDS.items()}
        return {"kind": "columns", "columns": [{"kind": names[type(c)], **asdict(c)} for c in self.columns]}


def from_description(description: dict[str, Any]) -> Columns | Matrix:
    """Rebuild the encoding that a model file describes."""
    if description["kind"] == "matrix":
        return rebuilt(Matrix, description)
    return Columns(tuple(rebuilt(KINDS[column["kind"]], column) for column in description["columns"]))
