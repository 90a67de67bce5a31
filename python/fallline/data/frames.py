"""How do frames, dicts of columns, and files that hold such become tables?  Frames of any library, through narwhals."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fallline.data.errors import InputError, listed
from fallline.data.tables import Table
from fallline.data.text import repaired

NAME = "the table"
ENDINGS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".xlsx": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
LIBRARIES: dict[str, tuple[tuple[str, ...], ...]] = {  # each row: what must be there together
    "parquet": (("polars",), ("pandas", "pyarrow")),
    "feather": (("polars",), ("pandas", "pyarrow")),
    "excel": (("polars", "fastexcel"), ("pandas", "openpyxl")),
}


def read_frame(path: Path) -> Table:
    """Read a Parquet, Feather or Excel file with the library that is installed."""
    kind = ENDINGS[path.suffix.lower()]
    library = next((row[0] for row in LIBRARIES[kind] if all(map(_installed, row))), None)
    if library is None:
        needs = " or ".join(" and ".join(row) for row in LIBRARIES[kind])
        raise InputError(f"{path} needs {needs}: pip install 'fallline[tables]', or save it as CSV")
    content = path.read_bytes()
    try:
        frame = _readers(library)[kind](io.BytesIO(content))
    except MemoryError:
        raise
    except Exception as error:  # of as many kinds as there are libraries
        raise InputError(f"{path} is not a readable {kind.capitalize()} file; is it complete?") from error
    return table_of(frame, path.name)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _readers(library: str) -> dict[str, Callable[[Any], Any]]:
    if library == "polars":
        import polars

        return {"parquet": polars.read_parquet, "feather": polars.read_ipc, "excel": polars.read_excel}
    import pandas

    return {
        "parquet": pandas.read_parquet,
        "feather": pandas.read_feather,
        "excel": lambda file: pandas.read_excel(file, dtype=object),
    }


def is_frame(data: Any) -> bool:
    """Tell whether something is a frame: it has columns by name."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__")


def table_of(data: Any, name: str = NAME) -> Table:
    """Return a table of a frame of any library, or of a dict of columns."""
    if isinstance(data, Mapping):
        columns = [(key, _values(column)) for key, column in data.items()]
    else:
        columns = [(key, _values(column)) for key, column in _series(data)]
    notes: list[str] = []
    names = repaired([" ".join(str(key).split()) for key, _ in columns], notes)
    cells = {own: [cell(value) for value in values] for own, (_, values) in zip(names, columns, strict=True)}
    lengths = {own: len(column) for own, column in cells.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns differ in length: {listed([f'{k} has {n}' for k, n in lengths.items()])}")
    if not any(lengths.values()):
        raise InputError(f"{name} has no rows")
    return Table(name, cells, tuple(notes))


def _series(frame: Any) -> list[tuple[Any, Any]]:
    if _installed("narwhals"):
        import narwhals

        known = narwhals.from_native(frame, eager_only=True, pass_through=True)
        if known is not frame:
            return [(series.name, series.to_list()) for series in known.iter_columns()]
    return [(key, frame[key]) for key in frame.columns]


def _values(column: Any) -> list[Any]:
    if isinstance(column, str) or not hasattr(column, "__len__"):
        return [column]
    return list(column)


def cell(value: Any) -> str:
    """Spell a value as a file would: nothing for None and NaN."""
    if value is None or value != value:
        return ""
    return str(value).strip()
