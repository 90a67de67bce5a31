"""Which data does a fitted model take?  Files by their names, and tables and arrays that are in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.data.encode import Columns
from fallline.data.errors import InputError, listed
from fallline.data.frames import is_frame, table_of
from fallline.data.matrix import Matrix
from fallline.data.source import Arrays, inputs, load
from fallline.data.tables import Table


def opened(data: Any) -> Table | Arrays:
    """Open a file, or take a table (dict of columns, frame) or an array of samples as it is."""
    if isinstance(data, Table | Arrays):
        return data
    if isinstance(data, str | os.PathLike):
        return load(os.fspath(data))
    if isinstance(data, Mapping) or is_frame(data):
        return table_of(data)
    x = np.asarray(data)
    return Arrays("the array", inputs("the array", x), None)


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
