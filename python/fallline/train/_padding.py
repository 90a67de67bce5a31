"""How do sequences of several lengths become one array?  Padded to the longest, with a mask of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import optional, takes, whole

__all__ = ["pad"]


@takes(length=optional(whole(1)))
def pad(sequences: Sequence[Any], *, value: float = 0, length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences as one array (n, length, ...), and a mask (n, length) that is true where they are.

    Parameters
    ----------
    sequences
        Arrays (time, ...) that differ in their first axis alone.
    value
        What stands behind their ends. As a label, give it to losses and metrics as `ignore_index`.
    length
        Of all: longer ones lose their ends. The longest's without it.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x, mask = fl.train.pad([[1, 2, 3], [4]])
    >>> x
    array([[1, 2, 3],
           [4, 0, 0]])
    >>> mask.sum(1)
    array([3, 1])
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays:
        raise _core.ShapeError("[pad] there are no sequences")
    wrong = next((i for i, a in enumerate(arrays) if a.ndim == 0 or a.shape[1:] != arrays[0].shape[1:]), None)
    if wrong is not None:
        raise _core.ShapeError(f"[pad] sequence {wrong} has shape {arrays[wrong].shape}, the first {arrays[0].shape}")
    most = max(len(a) for a in arrays) if length is None else length
    found = np.full((len(arrays), most, *arrays[0].shape[1:]), value, np.result_type(*arrays))
    for row, a in zip(found, arrays, strict=True):
        row[: len(a)] = a[:most]
    return found, np.arange(most) < np.array([[len(a)] for a in arrays])
