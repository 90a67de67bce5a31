"""From data to a problem: the split, the notes, and nothing of the held-back rows in the statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fallline.data import Arrays, InputError, Table, load, prepare
from fallline.data.encode import Number
from fallline.data.problem import split


def test_a_split_covers_every_row_once_and_follows_the_seed() -> None:
    parts = split(100, 0.2, 0.1, seed=3)
    assert [len(part) for part in parts] == [70, 20, 10]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(100))
    for a, b in zip(parts, split(100, 0.2, 0.1, seed=3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(parts[0], split(100, 0.2, 0.1, seed=4)[0])


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.2, 1.0), (0.0, float("nan"))])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"^(validation|test) "):
        split(100, *shares, seed=0)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"too few rows \(2\)"):
        split(2, 0.2, 0.2, seed=0)


def table(rows: int = 40) -> Table:
    rng = np.random.default_rng(0)
    return Table(
        "t.csv",
        {
            "a": [f"{v:.3f}" for v in rng.normal(size=rows)],
            "kind": list(rng.choice(["u", "v"], rows)),
            "price": ["" if i == 5 else f"{v:.2f}" for i, v in enumerate(rng.normal(1e3, 50, rows))],
        },
    )


def test_a_table_becomes_a_problem() -> None:
    problem = prepare(table(), "price", 0.2, 0.2, seed=0)
    assert problem.train.x.shape == (23, 3)
    assert problem.validation is not None
    assert problem.test is not None
    assert problem.test.y.shape == (8, 1)
    assert problem.notes == [
        "target price: 1 row without a value left out",
        "target price: numbers (39 different values), so this is regression",
        "column kind: 2 categories",
        "rows: 23 for training, 8 for validation, 8 for test",
    ]


def test_held_back_rows_do_not_move_the_statistics() -> None:
    plain = table()
    rows = split(39, 0.2, 0.2, seed=0)
    changed = dict(plain.columns)
    known = [i for i in range(40) if i != 5]
    changed["a"] = [cell if known.index(i) in rows[0] else "1e6" for i, cell in enumerate(plain.columns["a"]) if i != 5]
    changed = {name: cells if len(cells) == 39 else [cells[i] for i in known] for name, cells in changed.items()}
    one, two = prepare(plain, "price", 0.2, 0.2, 0), prepare(Table("t.csv", changed), "price", 0.2, 0.2, 0)
    assert one.features == two.features
    np.testing.assert_array_equal(one.train.x, two.train.x)


def test_without_a_target_the_last_column_is_taken_and_that_is_said() -> None:
    problem = prepare(table(), None, 0.2, 0.2, 0)
    assert problem.target.name == "price"
    assert problem.notes[0] == "target price: the last column of t.csv, since none is named"


def test_a_target_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no column 'prize'; did you mean 'price'"):
        prepare(table(), "prize", 0.2, 0.2, 0)


def test_arrays_bring_their_own_target_and_test_rows() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    y = np.arange(50) % 3
    data = Arrays("d.npz", x, y, x[:7], y[:7])
    problem = prepare(data, None, 0.2, 0.2, 0)
    assert problem.test is not None
    assert (len(problem.train.x), len(problem.test.x)) == (40, 7)
    with pytest.raises(InputError, match="a target names a column"):
        prepare(data, "y", 0.2, 0.2, 0)
    with pytest.raises(InputError, match="label '9' in row 1, out of the range"):
        prepare(Arrays("d.npz", x, y, x[:1], np.array([9])), None, 0.2, 0.2, 0)


def test_the_housing_table_is_understood(data_folder: Path) -> None:
    problem = prepare(load(str(data_folder / "housing.csv")), "median_house_value", 0.2, 0.2, 0)
    assert problem.notes[0].startswith("target median_house_value: numbers (3842 different values)")
    assert "column ocean_proximity: 5 categories" in problem.notes
    assert any(note.startswith("total_bedrooms: 207 missing values filled with the median 4") for note in problem.notes)
    columns = getattr(problem.features, "columns")  # noqa: B009 (one of two kinds)
    assert sum(isinstance(c, Number) for c in columns) == 8
