"""Which data does a fitted model take?  Files by their names, and tables and arrays that are in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.data.encode import Columns, Matrix
from fallline.data.errors import InputError, listed
from fallline.data.source import Arrays, inputs, load
from fallline.data.tables import Table

NAME = "the table"


def opened(data: Any) -> Table | Arrays:
    """Open a file, or take a table (dict of columns, frame) or an array of samples as it is."""
    if isinstance(data, Table | Arrays):
        return data
    if isinstance(data, str | os.PathLike):
        return load(os.fspath(data))
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # a frame of pandas, Polars or another library
        return _table({name: data[name] for name in data.columns})
    if isinstance(data, Mapping):
        return _table(data)
    x = np.asarray(data)
    return Arrays("the array", inputs("the array", x), None)


def _table(columns: Mapping[Any, Any]) -> Table:
    cells = {str(name): [_cell(value) for value in np.atleast_1d(_values(column))] for name, column in columns.items()}
    lengths = {name: len(column) for name, column in cells.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns differ in length: {listed([f'{k} has {n}' for k, n in lengths.items()])}")
    if not any(lengths.values()):
        raise InputError(f"{NAME} has no rows")
    return Table(NAME, cells)


def _values(column: Any) -> Any:
    if isinstance(column, str) or not hasattr(column, "__len__"):
        return np.array([column], dtype=object)
    values = np.empty(len(column), dtype=object)
    values[:] = list(column)
    return values


def _cell(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()


def fitting(data: Table | Arrays, features: Columns | Matrix) -> Table | Arrays:
    """Refuse a table for a model of arrays and the reverse; take the test part where data are split."""
    if isinstance(data, Table) and isinstance(features, Matrix):
        raise InputError(
            f"the model was fitted to another kind of data than {data.name}; give it an array of "
            f"{features.size} features, an .npz file or a named data set"
        )
    if isinstance(data, Arrays) and isinstance(features, Columns):
        names = listed([column.name for column in features.columns])
        raise InputError(
            f"the model was fitted to another kind of data than {data.name}; give it a CSV file or a table "
            f"with the columns {names}"
        )
    if isinstance(data, Arrays) and data.x_test is not None:
        return Arrays(data.name, data.x_test, data.y_test)
    return data
