"""Ordinary files as people have them: each is read right, or refused with one sentence that says what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fallline.data import InputError, Table, load, prepare
from fallline.data.encode import Category, Columns, Date, Number

N = 40
RNG = np.random.default_rng(0)
A = [f"{v:.2f}" for v in RNG.normal(50, 20, N)]
KIND = list(RNG.choice(["u", "v", "w"], N))
Y = [f"{v:.1f}" for v in RNG.normal(10, 3, N)]


def lines(*columns: list[str], names: str = "a,kind,y", by: str = ",", end: str = "\n") -> str:
    """Write columns below a line of names."""
    rows = [by.join(row) for row in zip(*columns, strict=True)]
    return end.join([names.replace(",", by), *rows]) + end


def one(cells: list[str], by: str = ",") -> str:
    """Write a column `a` beside a target."""
    return lines([cells[i % len(cells)] for i in range(N)], Y, names="a,y", by=by)


def packed(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("t.csv", text)
    return content.getvalue()


PLAIN = lines(A, KIND, Y)
QUOTED = [f'"{c}, or so"' for c in KIND]
NUMBERS = [str(i * 37 % 101) for i in range(N)]


@dataclass(frozen=True)
class File:
    """What is in it, what its columns are then (o: left out), what is said of them, or why it is refused."""

    content: str | bytes
    kinds: dict[str, str] | None = None
    said: str = ""
    refused: str = ""
    name: str = "t.csv"
    values: dict[str, list[float]] | None = None


AK = {"a": "number", "kind": "category"}
FILES: dict[str, File] = {
    "comma": File(PLAIN, AK),
    "semicolon": File(PLAIN.replace(",", ";"), AK),
    "tab": File(PLAIN.replace(",", "\t"), AK, name="t.tsv"),
    "bar": File(PLAIN.replace(",", "|"), AK, name="t.txt"),
    "spaces": File(PLAIN.replace(",", "   "), AK, name="t.dat"),
    "what Excel says first": File("sep=;\n" + PLAIN.replace(",", ";"), AK),
    "Windows lines": File(PLAIN.replace("\n", "\r\n"), AK),
    "old Mac lines": File(PLAIN.replace("\n", "\r"), AK),
    "no last line end": File(PLAIN.rstrip("\n"), AK),
    "empty lines between": File(PLAIN.replace("\n", "\n\n", 5), AK),
    "empty lines before": File("\n\n" + PLAIN, AK),
    "a byte order mark": File(b"\xef\xbb\xbf" + PLAIN.encode(), AK),
    "UTF-16": File(PLAIN.encode("utf-16"), AK),
    "UTF-16 without a mark": File(PLAIN.encode("utf-16-le"), AK),
    "Windows-1252": File(PLAIN.replace("u", "Zürich").encode("cp1252"), AK, "read as Windows-1252"),
    "gzip": File(gzip.compress(PLAIN.encode()), AK, name="t.csv.gz"),
    "bzip2": File(bz2.compress(PLAIN.encode()), AK, name="t.csv.bz2"),
    "xz": File(lzma.compress(PLAIN.encode()), AK, name="t.csv.xz"),
    "zip": File(packed(PLAIN), AK, name="t.csv.zip"),
    "half a gzip file": File(gzip.compress(PLAIN.encode())[:90], refused="not a readable gzip file"),
    "commas in quotes": File(lines(A, QUOTED, Y), AK),
    "quotes in quotes": File(lines(A, [f'"say ""{c}"""' for c in KIND], Y), AK),
    "a line break in a cell": File(lines(A, [f'"{c}\nand on"' for c in KIND], Y), AK),
    "a line break in a name": File(PLAIN.replace("kind", '"the\nkind"', 1), {"a": "number", "the kind": "category"}),
    "an open quote": File(PLAIN + '1,"u,2\n', refused="is not a readable CSV file"),
    "comments before": File("# made by hand\n# in May\n" + PLAIN, AK, "2 lines of comment left out before the header"),
    "a header that is a comment": File("# " + PLAIN, AK),
    "row names as R writes them": File(
        "a,kind,y\n" + "".join(f'"{i}",{row}\n' for i, row in enumerate(PLAIN.splitlines()[1:])), AK, "name of the row"
    ),
    "a delimiter at every end": File(PLAIN.replace("\n", ",\n").replace(",\n", "\n", 1), AK),
    "an index without a name": File(
        lines([str(i) for i in range(N)], A, Y, names=",a,y"), {"a": "number", "column 1": "o"}, "counts the rows"
    ),
    "an id that counts": File(lines([str(i + 1) for i in range(N)], A, Y, names="Id,a,y"), {"a": "number", "Id": "o"}),
    "a name twice": File(
        lines(A, A, Y, names="a,a,y"), {"a": "number", "a_2": "number"}, "called a_2, since a comes twice"
    ),
    "a name that is empty": File(lines(KIND, A, Y, names=",a,y"), {"a": "number", "column 1": "category"}, "no name"),
    "no names": File("\n".join(PLAIN.replace("u", "1").replace("v", "2").replace("w", "3").splitlines()[1:]) + "\n",
                     refused="its first line must name the columns"),
    "empty": File("", refused="is empty"),
    "only names": File("a,b,y\n", refused="has a header and no rows"),
    "a row that is cut off": File(PLAIN + "1.5\n", refused="has 1 fields, the header 3; is the file complete?"),
    "a row that is too long": File(PLAIN + "1.5,u,2,3\n", refused="has 4 fields, the header 3"),
    "decimal commas": File(lines([c.replace(".", ",") for c in A], KIND, Y, by=";"), AK, "decimal commas",
                           values={"a": [float(c) for c in A]}),
    "decimal commas of three figures": File(one(["1,234", "0,500", "12,125", "3,375", "7,001"], ";"), {"a": "number"},
                                            values={"a": [1.234, 0.5, 12.125, 3.375, 7.001]}),
    "thousands with commas": File(one(['"1,234"', '"12,345,678"', "99", '"5,000"', "7"]), {"a": "number"},
                                  "commas between thousands", values={"a": [1234, 12345678, 99, 5000, 7]}),
    "thousands with points": File(one(["1.234,5", "12.345,25", "99,0", "5.000,0", "7,5"], ";"), {"a": "number"},
                                  values={"a": [1234.5, 12345.25, 99, 5000, 7.5]}),
    "thousands with spaces": File(one(["1 234", "12 345", "99", "5\u00a0000", "7"]), {"a": "number"},
                                  values={"a": [1234, 12345, 99, 5000, 7]}),
    "per cent": File(one(["5%", "7.5 %", "100%", "12%", "3%"]), {"a": "number"}, "the unit %",
                     values={"a": [5, 7.5, 100, 12, 3]}),
    "dollars": File(one(["$5", '"$1,200"', "$3.50", "-$7", "$9"]), {"a": "number"},
                    values={"a": [5, 1200, 3.5, -7, 9]}),
    "kilograms": File(one(["5 kg", "7.5kg", "12 kg", "3 kg", "4kg"]), {"a": "number"},
                      values={"a": [5, 7.5, 12, 3, 4]}),
    "words among numbers": File(lines([*NUMBERS[:38], "unknown", "5%"], Y, names="a,y"), {"a": "number"},
                                "2 texts among its numbers count as missing (rows 39, 40: 'unknown', '5%')"),
    "numbers among words": File(one(["x", "y", "3", "4", "z"]), {"a": "category"}, "although 2 of its values are"),
    "missing numbers": File(lines(["NA", "", "NaN", "?", *NUMBERS[4:]], Y, names="a,y"), {"a": "number"},
                            "a: 4 missing values filled with the median"),
    "None and NA as levels": File(one(["None", "NA", "brick", "stone"]), {"a": "category"}, "4 categories"),
    "codes with zeros": File(one(["02134", "10001", "94105", "00501"]), {"a": "category"}, "begin with zeros"),
    "dates": File(one(["2024-01-31", "2024-02-15", "2023-12-01"]), {"a": "date"}, "column a: dates, year first"),
    "times": File(one(["2024-01-31T10:20:00Z", "2024-02-15 11:00", "2023-12-01 01:30:59"]), {"a": "date"}),
    "dates as Germans write": File(one(["31.01.2024", "15.02.2024", "1.12.2023"]), {"a": "date"}, "day first"),
    "dates as Americans write": File(
        one(["01/31/2024", "2/15/2024", "12/1/2023 3:05 PM"]), {"a": "date"}, "month first"),
    "dates as the British write": File(one(["31/01/2024", "15/02/2024", "1/12/2023"]), {"a": "date"}, "day first"),
    "the same everywhere": File(lines(["7"] * N, A, Y, names="c,a,y"), {"a": "number", "c": "o"}, "one value only"),
    "the same but for rounding": File(lines(["0.3", "0.30000000000000004"] * (N // 2), A, Y, names="c,a,y"),
                                      {"a": "number", "c": "o"}, "by rounding errors only"),
    "nothing everywhere": File(lines([""] * N, A, Y, names="c,a,y"), {"a": "number", "c": "o"}, "no values"),
    "true and false": File(one(["True", "False"]), {"a": "category"}, "2 categories"),
    "infinity": File(
        lines(["inf", *NUMBERS[1:]], Y, names="a,y"), refused="finite numbers below 1e100, row 1 has 'inf'"),
    "a picture": File(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", refused="not a text file"),
}  # fmt: skip


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_an_ordinary_file(file: File, tmp_path: Path) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    if file.refused:
        with pytest.raises(InputError) as refusal:
            prepare(load(str(path)), "y", 0.2, 0.2, 0)
        assert file.refused in str(refusal.value)
        assert "\n" not in str(refusal.value)
        return
    table = load(str(path))
    assert isinstance(table, Table)
    assert file.kinds is not None
    assert set(table.columns) == {*file.kinds, "y"}
    problem = prepare(table, "y", 0.2, 0.2, 0)
    assert isinstance(problem.features, Columns)
    found = {c.name: {Number: "number", Category: "category", Date: "date"}[type(c)] for c in problem.features.columns}
    assert {name: found.get(name, "o") for name in file.kinds} == file.kinds
    assert file.said in "\n".join(problem.notes)
    assert np.isfinite(problem.train.x).all()
    for name, values in (file.values or {}).items():
        number = next(c for c in problem.features.columns if c.name == name)
        assert isinstance(number, Number)
        z = number.encode(table.columns[name][: len(values)], [])[:, 0]
        np.testing.assert_allclose(z * number.std + number.mean, values)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_are_tables(library: str) -> None:
    module: Any = pytest.importorskip(library)
    pytest.importorskip("narwhals")
    from fallline.data.frames import table_of

    columns = {"a": [1.5, None, 3.0], "kind": ["u", "v", None]}
    frame = module.table(columns) if library == "pyarrow" else module.DataFrame(columns)
    assert table_of(frame).columns == {"a": ["1.5", "", "3.0"], "kind": ["u", "v", ""]}


@pytest.mark.parametrize("ending", ["parquet", "feather", "xlsx"])
def test_files_of_frames(tmp_path: Path, ending: str) -> None:
    polars: Any = pytest.importorskip("polars")
    if ending == "xlsx":
        pytest.importorskip("fastexcel")
        pytest.importorskip("xlsxwriter")
    frame = polars.DataFrame({"a": [float(c) for c in A], "kind": KIND, "y": [float(c) for c in Y]})
    path = tmp_path / f"t.{ending}"
    {"parquet": frame.write_parquet, "feather": frame.write_ipc, "xlsx": frame.write_excel}[ending](path)
    table = load(str(path))
    assert isinstance(table, Table)
    assert table.columns["kind"] == KIND
    assert [float(c) for c in table.columns["a"]] == [float(c) for c in A]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="is not a readable"):
        load(str(path))


def test_a_hundred_thousand_rows_take_no_loop_over_cells_in_python() -> None:
    """Reading is counted in calls, which a busy machine does not change: none for each cell."""
    import cProfile
    import pstats

    from fallline.data.text import read_csv

    def calls(rows: int) -> int:
        text = "\n".join(["a,b,y", *(f"{i * 0.5},{i % 7},{i}" for i in range(rows))]) + "\n"
        profile = cProfile.Profile(builtins=False)
        profile.enable()
        read_csv(Path("t.csv"), io.BytesIO(text.encode()))
        profile.disable()
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    assert calls(4000) - calls(2000) < 1000
