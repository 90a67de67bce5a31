"""Where do data come from?  A table in a file, an npz archive, or a set that scikit-learn carries by name."""

from __future__ import annotations

import difflib
import io
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fallline.data.errors import InputError, listed, shown
from fallline.data.frames import ENDINGS, read_frame
from fallline.data.tables import LARGEST, Table
from fallline.data.text import read_csv

Data = TypeVar("Data")
NAMED = ("breast_cancer", "diabetes", "digits")
TEXT = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data")
PACKED = ("", ".gz", ".bz2", ".xz", ".zst", ".zip")
TABLES = tuple(ending + packed for ending in TEXT for packed in PACKED)
STANDARD_INPUT = "-"
ZIP = b"PK"
# What reading a damaged archive raises.
DAMAGE = (ValueError, KeyError, EOFError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Arrays:
    """Inputs (n, features) and targets (n,), with a test split where the data bring their own."""

    name: str
    x: NDArray[Any]
    y: NDArray[Any] | None
    x_test: NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None


def load(data: str) -> Table | Arrays:
    """Open a file by its ending, a named data set, or standard input by what its first bytes say."""
    if data == STANDARD_INPUT:
        return _standard_input()
    path = Path(data)
    if path.is_dir():
        raise InputError(f"{data} is a folder; name a .csv or .npz file in it")
    if path.exists():
        if path.suffix.lower() == ".npz":
            return _readable(path, read_npz)
        if path.name.lower().endswith(TABLES):
            return _readable(path, read_csv)
        if path.suffix.lower() in ENDINGS:
            return _readable(path, read_frame)
        raise InputError(f"{data} is neither a .csv nor a .npz file, nor Parquet, Feather or Excel")
    if data in NAMED:
        return read_named(data)
    near = difflib.get_close_matches(data, NAMED, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f" (data sets known by name: {', '.join(NAMED)})"
    raise InputError(f"there is no file {shown(data, 200)}{hint}")


def path_of(data: str) -> Path | None:
    """Return the file that `load` would read, None where it would read none."""
    return None if data == STANDARD_INPUT or not Path(data).is_file() else Path(data)


def _standard_input() -> Table | Arrays:
    content = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    name = Path("standard input")
    archive = content.startswith(ZIP) and b".npy" in content[:200]
    return read_npz(name, io.BytesIO(content)) if archive else read_csv(name, io.BytesIO(content))


def _readable(path: Path, read: Callable[[Path], Data]) -> Data:
    try:
        return read(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def read_npz(path: Path, content: IO[bytes] | None = None) -> Arrays:
    """Read `x, y` or `x_train, y_train, x_test, y_test` from an npz archive, or from its content."""
    try:
        with content or path.open("rb") as file:  # NumPy would leave a damaged file open
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise InputError(f"{path} is one array, not an npz archive with x and y")
            found = {key: _member(path, archive, key) for key in archive.files}
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path} is not a readable npz archive; is the file complete?") from error
    for names in (("x_train", "y_train", "x_test", "y_test"), ("x_train", "y_train"), ("x", "y"), ("x",)):
        if set(names) <= set(found):
            return _arrays(path, *(found[name] for name in names))
    held = listed(found) or "nothing"
    raise InputError(f"{path} must hold x and y, or x_train, y_train, x_test and y_test; it holds {held}")


def _member(path: Path, archive: Any, key: str) -> NDArray[Any]:
    try:
        return np.asarray(archive[key])
    except DAMAGE as error:
        if "pickle" in str(error):
            raise InputError(f"{path}: {shown(key)} holds Python objects; save it as numbers") from error
        raise InputError(f"{path} is damaged in {shown(key)}; is the file complete?") from error


def _arrays(path: Path, *parts: NDArray[Any]) -> Arrays:
    flat = []
    for i, part in enumerate(parts):
        flat.append(inputs(path, part) if i % 2 == 0 else _targets(path, part))
        if i % 2 and len(flat[i]) != len(flat[i - 1]):
            raise InputError(f"{path} has {len(flat[i - 1])} rows of x and {len(flat[i])} of y; they must be equal")
    if len(flat) == 4 and flat[0].shape[1] != flat[2].shape[1]:
        raise InputError(
            f"{path} has {flat[0].shape[1]} features for training and {flat[2].shape[1]} for testing; "
            "they must be equal"
        )
    return Arrays(path.name, *flat) if len(flat) > 1 else Arrays(path.name, flat[0], None)


def inputs(path: Path | str, x: NDArray[Any]) -> NDArray[Any]:
    """Return samples as rows of finite numbers."""
    if x.dtype.kind not in "biuf":
        raise InputError(f"{path} has x of dtype {x.dtype}; it must hold numbers")
    if x.ndim == 0 or x.size == 0:
        raise InputError(f"{path} has x of shape {x.shape}; it must hold rows of features")
    x = x.reshape(len(x), -1)
    check_finite(f"{path} has x", x)
    return x


def check_finite(what: str, x: NDArray[Any]) -> None:
    """Refuse NaN, infinities and what is near them, and say where the first one is."""
    if x.dtype.kind != "f":
        return
    limit = min(LARGEST, float(np.finfo(x.dtype).max))
    usable = np.abs(x) <= limit
    if not usable.all():
        place = tuple(np.argwhere(~usable)[0])
        where = f"row {place[0]}, feature {place[1]}" if len(place) > 1 else f"row {place[0]}"
        raise InputError(f"{what} with {x[place]} in {where}; every value must be finite and below 1e100")


def _targets(path: Path, y: NDArray[Any]) -> NDArray[Any]:
    if y.dtype.kind not in "biufU":
        raise InputError(f"{path} has y of dtype {y.dtype}; it must hold numbers or class names")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"{path} has y of shape {y.shape}; it must hold one target per row")
    check_finite(f"{path} has y", y)
    return y


def read_named(name: str) -> Arrays:
    """Load one of scikit-learn's small data sets; they are part of its package, nothing is downloaded."""
    try:
        import sklearn.datasets as sets
    except ModuleNotFoundError as error:
        raise InputError(f"the data set {name} needs scikit-learn: pip install 'fallline[cli]'") from error
    bunch = getattr(sets, f"load_{name}")()
    x, y = np.asarray(bunch.data), np.asarray(bunch.target)
    if name != "diabetes":
        y = np.asarray(bunch.target_names).astype(str)[y]
    return Arrays(name, x, y)
