"""How does a file of text become a table?  Packing, encoding, comments, delimiter and header are found out and said.

Python's own csv module cuts the text into fields; every field stays text until a column's kind is known.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO

from fallline.data.errors import InputError, plural, shown
from fallline.data.tables import Table, is_number

DELIMITERS = (",", ";", "\t", "|")
SEEN = 200  # records that decide what the delimiter is
PACKED: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", "gzip", gzip.decompress),
    (b"BZh", "bzip2", bz2.decompress),
    (b"\xfd7zXZ", "xz", lzma.decompress),
    (b"PK\x03\x04", "zip", lambda content: _only_member(content)),
    (b"\x28\xb5\x2f\xfd", "zstd", lambda content: _zstd(content)),
)
DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def read_csv(path: Path, content: IO[bytes] | None = None) -> Table:
    """Read a table of text, or its content: its first line names the columns."""
    with content or path.open("rb") as file:
        data = file.read()
    notes: list[str] = []
    text = _decoded(path, _unpacked(path, data), notes)
    try:
        return _table(path, text, notes)
    except csv.Error as error:
        raise InputError(f"{path} is not a readable CSV file: {error}") from error


def _unpacked(path: Path, data: bytes) -> bytes:
    for start, name, unpack in PACKED:
        if data.startswith(start):
            try:
                return unpack(data)
            except DAMAGE as error:
                raise InputError(f"{path} is not a readable {name} file; is it complete?") from error
    return data


def _only_member(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise InputError(f"the zip file holds {len(names)} files; unpack it and name one of them")
        return archive.read(names[0])


def _zstd(content: bytes) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ModuleNotFoundError:
        try:
            import zstandard as zstd
        except ModuleNotFoundError as error:
            raise InputError("a zstd file needs zstandard: pip install zstandard") from error
        return bytes(zstd.ZstdDecompressor().decompressobj().decompress(content))
    return bytes(zstd.decompress(content))


def _decoded(path: Path, data: bytes, notes: list[str]) -> str:
    """Return the text: by its byte order mark, else UTF-8, else Windows-1252, which is said."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "")
    if not encoding and data[:400].count(0) > len(data[:400]) // 4:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        refusal = InputError(f"{path} is not a text file in UTF-8 (byte {error.start} is not)")
        if encoding or b"\xff\xfe" in data or b"\0" in data:
            raise refusal from error
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            raise refusal from error
        notes.append(f"{path.name}: read as Windows-1252 text, since byte {error.start} is not UTF-8")
    if "\0" in text:
        raise InputError(f"{path} is not a text file: it has a zero byte at character {text.index(chr(0))}")
    return text


def _table(path: Path, text: str, notes: list[str]) -> Table:
    lines, skipped = _without_comments(text, notes, path.name)
    delimiter = ""
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:  # what Excel writes
        delimiter, lines, skipped = lines[0].strip()[4], lines[1:], skipped + 1
    if not lines:
        raise InputError(f"{path} is empty or starts with an empty line; the first line must name the columns")
    delimiter = delimiter or _delimiter(lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter == " ")
    names = [" ".join(name.split()) for name in next(reader)]
    rows, count, lead = list[list[str]](), len(names), False
    for row in reader:
        if not row or (len(row) == 1 and not row[0].strip() and count > 1):
            continue
        if len(row) != count:
            if not rows and len(row) == count + 1:  # the names of rows come first, or every line ends in a delimiter
                count, lead = count + 1, True
            elif delimiter == " " and len(row) == count + 1 and not row[-1]:
                row.pop()
            else:
                raise InputError(
                    f"{path} line {skipped + reader.line_num} has {len(row)} fields, the header {len(names)}; "
                    "is the file complete?"
                )
        rows.append(row)
    _check_header(path, names)
    if not rows:
        raise InputError(f"{path} has a header and no rows")
    columns: list[list[str]] = list(map(list, zip(*rows, strict=True)))
    if re.search(r"[^\S\n\r\t]", text) or (delimiter != "\t" and "\t" in text):
        columns = [list(map(str.strip, column)) for column in columns]
    if lead:
        if not any(columns[-1]):
            columns.pop()
        else:
            columns.pop(0)
            notes.append(f"{path.name}: the first field of each row has no name, and is taken for the name of the row")
    found = dict(zip(repaired(names, notes), columns, strict=True))
    return Table(path.name, found, tuple(notes), delimiter == ";")


def _without_comments(text: str, notes: list[str], name: str) -> tuple[list[str], int]:
    """Split into lines; leave out those before the header that are empty or comments, and comments after it."""
    lines = list(io.StringIO(text, newline=""))
    start = 0
    while start < len(lines) and not lines[start].strip():
        start += 1
    first = start
    while start < len(lines) and lines[start].startswith("#"):
        start += 1
    if start > first:
        widest = max(lines[start] if start < len(lines) else "", ",", key=len)
        marks = {d: widest.count(d) for d in DELIMITERS if widest.count(d)}
        if start == len(lines) or any(lines[start - 1].count(d) == count for d, count in marks.items()):
            start -= 1  # a header that is marked as a comment
            lines[start] = lines[start].lstrip("# ")
        if start > first:
            notes.append(f"{name}: {plural(start - first, 'line')} of comment left out before the header")
        kept = [line for line in lines[start:] if not line.startswith("#")]
        if len(kept) < len(lines) - start:
            notes.append(f"{name}: {plural(len(lines) - start - len(kept), 'line')} of comment left out")
        return kept, start
    return lines[start:], start


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates the fields: what gives most records as many fields as the header, and most of them."""
    found = [(_agreement(lines, d), d) for d in DELIMITERS]
    (share, fields), best = max(found, key=lambda row: row[0])
    if fields > 1 and share:
        return best
    best = max(DELIMITERS, key=lines[0].count)
    if best in lines[0]:
        return best
    words = Counter(len(line.split()) for line in islice(lines, SEEN) if line.strip())
    return " " if len(words) == 1 and max(words) > 1 and '"' not in lines[0] else ","


def _agreement(lines: Sequence[str], delimiter: str) -> tuple[bool, int]:
    try:
        records = [row for row in islice(csv.reader(lines, delimiter=delimiter, strict=True), SEEN) if row]
    except csv.Error:
        return False, 0
    width = len(records[0]) if records else 0
    same = sum(len(row) in (width, width + 1) for row in records)
    return same >= 0.9 * len(records) and len(records) > 1, width


def _check_header(path: Path, names: Sequence[str]) -> None:
    if all(is_number(name) for name in names):
        raise InputError(f"{path} starts with numbers; its first line must name the columns")
    if not any(names):
        raise InputError(f"{path} has no name in its first line, which must name the columns")


def repaired(names: Sequence[str], notes: list[str]) -> list[str]:
    """Give each column a name of its own: empty ones their number, those that come again a number behind."""
    taken, found = set(names), list[str]()
    for place, name in enumerate(names, 1):
        own = name or _free(f"column {place}", taken, "")
        if own in found:
            own = _free(own, taken, "_2")
            notes.append(f"column {place}: called {shown(own)}, since {shown(name)} comes twice")
        elif not name:
            notes.append(f"column {place}: it has no name, and is called {shown(own)}")
        taken.add(own)
        found.append(own)
    return found


def _free(name: str, taken: set[str], ending: str) -> str:
    tries: Iterator[str] = chain([name + ending], (f"{name}_{i}" for i in range(2, 10**6)))
    return next(one for one in tries if one not in taken)
