"""Arrays that a training run reads: checked, never copied whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fallline import _core
from fallline._arguments import shown
from fallline._array import Array

CHUNK = 1 << 20  # elements looked at together
ORDER, DROPOUT = 0, 1  # what the seed of a training is split into
FRAMES = ("pandas", "polars", "pyarrow")


class Data(NamedTuple):
    """The arrays that batches are taken from."""

    x: Array
    y: Array
    weights: tuple[Array, ...] = ()  # what samples count in the loss, and in the metrics where that is given

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self.x.shape[0])

    @property
    def may_skip(self) -> bool:
        """Whether a batch may count nothing."""
        return any((np.asarray(weight) == 0).any() for weight in self.weights[:1])

    def order(self, seed: int, epoch: int, shuffle: bool) -> Any:
        """Return what a trainer takes the samples of an epoch by; None: as they lie."""
        return _core.RandomOrder(_core.derive_key(seed, ORDER), epoch << 32, self.samples) if shuffle else None

    def window(self, batch: int) -> Data:
        """Return the arrays that plans read."""
        return self

    def driven(self, trainer: Any, window: Data, batch: int) -> Any:
        """Return what brings the samples to the arrays that a trainer reads."""
        return trainer


def as_rows(name: str, data: Any, where: str = "fit") -> Array:
    """Return data as an array with samples along its first axis, sharing memory."""
    if isinstance(data, Array):
        array = data.detach()
    else:
        plain = _plain(name, _of_frame(name, data, where), where)
        if plain.dtype.kind in "OSUVMm":
            raise _core.DTypeError(f"[{where}] {name} has dtype {plain.dtype}, expected numbers; {_way_out(plain)}")
        if plain.dtype == np.float16:
            plain = plain.astype(np.float32)
        array = _core.wrap(plain)
    if array.ndim == 0:
        raise _core.ShapeError(f"[{where}] {name} must have samples along its first axis, got a single number")
    return array


def is_sparse(data: Any) -> bool:
    """Return whether this is a sparse matrix of SciPy."""
    return type(data).__module__.startswith("scipy.sparse")


def _of_frame(name: str, data: Any, where: str) -> Any:
    """Return the columns of a frame, or of several series, as an array; anything else as it is."""
    if type(data).__module__.partition(".")[0] not in FRAMES:
        return data
    try:
        import narwhals
    except ModuleNotFoundError:
        return data
    frame = narwhals.from_native(data, eager_only=True, allow_series=True)
    columns = [frame] if isinstance(frame, narwhals.Series) else [frame[column] for column in frame.columns]
    for column in columns:
        if not (column.dtype.is_numeric() or column.dtype == narwhals.Boolean):
            raise _core.DTypeError(
                f"[{where}] column {column.name!r} of {name} holds {column.dtype}, expected numbers; encode categories "
                "and text as numbers first, or let fl.tabular do so"
            )
        if column.null_count():
            row = int(np.argmax(column.is_null().to_numpy()))
            raise ValueError(
                f"[{where}] column {column.name!r} of {name} has no value in row {row} ({column.null_count()} such in "
                "all); fill or drop missing values first"
            )
    return np.asarray(frame.to_numpy())


def _way_out(plain: np.ndarray) -> str:
    """Return what to do about an array that holds no numbers."""
    if plain.dtype.kind in "Mm":
        return "take them apart into numbers, such as days since a date, first"
    if plain.dtype.names:
        return "it has named fields: numpy.lib.recfunctions.structured_to_unstructured makes columns of them"
    missing = plain.dtype.kind == "O" and any(value is None for value in plain.ravel()[:CHUNK])
    return "fill or drop missing values first" if missing else "encode categories and text as numbers first"


def _plain(name: str, data: Any, where: str) -> np.ndarray:
    if np.ma.is_masked(data):
        count = int(np.asarray(data.mask).sum())
        raise ValueError(f"[{where}] {name} is masked in {count} places; fill them first: {name}.filled(0)")
    try:
        plain = np.asarray(data)
    except ValueError as error:
        raise _core.ShapeError(f"[{where}] {name} is no array: its rows differ in length ({error})") from None
    if plain.ndim == 0 and plain.dtype.kind in "OSU":
        raise TypeError(f"[{where}] {name} must be an array with samples along its first axis, got {shown(data)}")
    return plain


def check_rows(named: Mapping[str, Any], where: str = "fit") -> int:
    """Return the number of samples that all arrays have."""
    counts = {name: array.shape[0] for name, array in named.items() if array is not None}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise _core.ShapeError(f"[{where}] the numbers of samples differ: {listed}")
    n = int(next(iter(counts.values())))
    if n == 0:
        raise _core.ShapeError(f"[{where}] there are no samples")
    return n


def check_finite(name: str, array: Array, dtype: Any = None, *, who: str = "fit") -> None:
    """Raise ValueError at the first NaN, infinity, or number beyond `dtype`, without a temporary of the data's size."""
    if array.dtype.kind != "f":
        return
    values = np.asarray(array)
    wanted = np.dtype(array.dtype if dtype is None else dtype)
    most = float(np.finfo(wanted).max)
    # One native pass: a sum of squares is small where all is well. Where it is not, the numbers may just be large.
    if array.dtype.itemsize >= 4 and values.flags.c_contiguous and _core.global_norm([array]) <= most < math.inf:
        return
    rows = max(1, CHUNK // max(1, values[0].size))
    parts = [(start, values[start : start + rows]) for start in range(0, len(values), rows)]
    for start, part in parts:
        bad = ~(np.abs(part) <= most)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            at = (at[0] + start, *at[1:])
            count = sum(int((~(np.abs(p) <= most)).sum()) for _, p in parts)
            way_out = (
                f"the model is {wanted}, whose largest number is {most:.2g}: scale {name}, or make the model float64"
                if np.isfinite(values[at])
                else "fill or drop missing values first"
            )
            raise ValueError(f"[{who}] {name} holds {values[at]} at {list(at)} ({count} such values in all); {way_out}")


def check_like(name: str, array: Array, other_name: str, other: Array) -> None:
    """Raise ShapeError unless the samples of two arrays have one shape."""
    if array.shape[1:] != other.shape[1:]:
        raise _core.ShapeError(
            f"[fit] a sample of {name} has shape {array.shape[1:]}, one of {other_name} {other.shape[1:]}"
        )
