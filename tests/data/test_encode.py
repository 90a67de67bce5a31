"""Encoding inputs: statistics of the training rows, categories, and the way through JSON and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fallline.data import Arrays, InputError, Table
from fallline.data.encode import Category, Columns, Matrix, Number, from_description
from fallline.data.kinds import fit_columns

TABLE = Table(
    "t.csv",
    {
        "size": ["1", "2", "", "4", "100"],
        "place": ["sea", "land", "sea", "", "moon"],
        "same": ["7"] * 5,
        "y": ["1"] * 5,
    },
)
TRAINING = np.arange(4)


def fitted() -> tuple[Columns, list[str]]:
    notes: list[str] = []
    return fit_columns(TABLE, TRAINING, "y", notes), notes


def test_columns_get_the_kind_that_their_cells_show() -> None:
    columns, notes = fitted()
    assert [type(c) for c in columns.columns] == [Number, Category]
    assert notes == ["column place: 3 categories", "column same: left out, it has one value only"]


def test_statistics_come_from_training_rows_only() -> None:
    size = fitted()[0].columns[0]
    assert isinstance(size, Number)
    filled = np.array([1, 2, 2, 4])
    assert (size.fill, size.mean) == (2.0, filled.mean())
    assert size.std == pytest.approx(filled.std())


def test_missing_numbers_take_the_median_and_are_counted() -> None:
    columns, notes = fitted()
    x = columns.encode(TABLE, notes)
    assert x.dtype == np.float32
    assert x[2, 0] == x[1, 0]
    assert "size: 1 missing value filled with the median 2" in notes


def test_a_missing_category_is_a_level_and_an_unknown_one_sets_none() -> None:
    columns, notes = fitted()
    place = columns.encode(TABLE, notes)[:, 1:]
    np.testing.assert_array_equal(place, [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]])
    assert "column place: 1 value not among its categories (such as moon)" in notes


def test_a_column_of_names_that_never_repeat_is_left_out() -> None:
    names = [f"id {i}" for i in range(300)]
    table = Table("t.csv", {"id": names, "a": [str(i) for i in range(300)], "y": names})
    notes: list[str] = []
    assert fit_columns(table, np.arange(300), "y", notes).size == 1
    assert notes == ["column id: left out, it has 300 different texts in 300 rows"]


def test_a_constant_column_does_not_divide_by_zero() -> None:
    column = Number.fit("a", ["3", "3"])
    np.testing.assert_array_equal(column.encode(["3", "4"], []), [[0], [1]])


def test_the_description_rebuilds_the_columns() -> None:
    columns, _ = fitted()
    again = from_description(json.loads(json.dumps(columns.describe())))
    assert again == columns


def test_a_column_that_the_model_needs_is_missed() -> None:
    columns, _ = fitted()
    with pytest.raises(InputError, match=r"lacks the column 'place'.*did you mean 'plaice'"):
        columns.encode(Table("u.csv", {"size": ["1"], "plaice": ["sea"]}), [])


def test_bytes_are_divided_by_255() -> None:
    x = np.array([[0, 255], [51, 102]], dtype=np.uint8)
    matrix = Matrix.fit(x, [])
    np.testing.assert_array_equal(matrix.encode(Arrays("a", x, None), []), (x / np.float32(255)).astype(np.float32))
    assert from_description(json.loads(json.dumps(matrix.describe()))) == matrix
    with pytest.raises(InputError, match="fitted on uint8"):
        matrix.encode(Arrays("a", x.astype(float), None), [])


def test_other_arrays_are_standardised() -> None:
    x = np.random.default_rng(0).normal(5, 3, (200, 3))
    x[:, 2] = 1
    matrix = Matrix.fit(x, [])
    z = matrix.encode(Arrays("a", x, None), [])
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(z.std(axis=0), [1, 1, 0], rtol=1e-6)
    assert from_description(json.loads(json.dumps(matrix.describe()))) == matrix
    with pytest.raises(InputError, match="has 2 features, the model takes 3"):
        matrix.encode(Arrays("a", x[:, :2], None), [])
