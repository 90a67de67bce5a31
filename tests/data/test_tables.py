"""Reading CSV files: what is taken, and what is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fallline.data import InputError
from fallline.data.tables import as_numbers, is_number
from fallline.data.text import read_csv


def write(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_has_the_columns_of_its_first_line(tmp_path: Path, delimiter: str) -> None:
    text = 'a,b,c\n1,"x, y",\n\n 2 ,z,NA\n' if delimiter == "," else "a,b,c\n1,x,\n\n2,z,NA\n".replace(",", delimiter)
    table = read_csv(write(tmp_path, text))
    assert table.rows == 2
    assert table.columns["a"] == ["1", "2"]
    assert table.columns["b"] == (["x, y", "z"] if delimiter == "," else ["x", "z"])


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert list(read_csv(path).columns) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("1,2\n3,4\n", "must name the columns"),
        ("a,b\n1,2\n3\n", "line 3 has 1 fields, the header 2"),
        ('a,b\n1,"2\n', "not a readable CSV"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_csv(write(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_csv(path)


def test_an_unknown_column_is_answered_with_the_near_ones(tmp_path: Path) -> None:
    table = read_csv(write(tmp_path, "house_price,rooms\n1,2\n"))
    with pytest.raises(InputError, match=r"did you mean 'house_price'\? Known: house_price, rooms"):
        table.column("house_prize")


def test_numbers_and_missing_values() -> None:
    assert not is_number("1_000")
    np.testing.assert_array_equal(as_numbers("a", ["1", "-2.5e3", "NA", ""]), [1, -2500, np.nan, np.nan])
    with pytest.raises(InputError, match="row 2 has 'two'"):
        as_numbers("a", ["1", "two"])
    for large in ("inf", "-inf", "1e200"):
        with pytest.raises(InputError, match=f"finite numbers below 1e100, row 2 has '{large}'"):
            as_numbers("a", ["1", large])
