"""Does the loss take every target?  It is asked before anything is trained, with those at the ends of their range."""

from __future__ import annotations

import re

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.nn import losses
from fallline.train._steps import Task, model_dtype, output_layout

__all__ = ["check_targets"]

PLACE = re.compile(r" at (position \d+|\[[\d, ]*\])")
MOST = 64  # different targets that are tried, half of them the smallest


def check_targets(task: Task, x: Array, y: Array, name: str = "y") -> None:
    """Raise what the loss says of a target that it does not take, and where that target is.

    In a training step a loss does not see values. So it is called before, whatever it is wrapped in, with outputs of
    zeros and the rows that hold the smallest and the largest targets, which are wrong if any are.
    """
    try:
        shape, dtype = output_layout(task.model, x)
    except Exception:
        return  # of all but targets the trace of a whole step says more
    targets = np.asarray(y)
    if task.loss is losses.cross_entropy and y.ndim == 1 and y.dtype.kind in "iu" and len(shape) == 2:
        wrong = (targets < 0) | (targets >= shape[1])
        rows = [int(np.argmax(wrong))] if wrong.any() else []
    else:
        rows = _extremes(targets)
    dtype = dtype if dtype.kind == "f" else model_dtype(task.model)
    output = _core.wrap(np.zeros((2, *shape[1:]), dtype))
    for row in rows:
        target = _core.wrap(np.repeat(targets[row : row + 1], 2, axis=0))
        try:
            with _core.no_grad():
                task.loss(output, _core.astype(target, dtype) if target.dtype.kind == "f" else target)
        except Exception as error:
            if type(error) is ValueError and str(error).startswith("["):
                raise ValueError(PLACE.sub(f" in {name}[{row}]", str(error), count=1)) from None
            return


def _extremes(y: np.ndarray) -> list[int]:
    """Return the rows of the smallest and the largest numbers; of whole numbers of many at both ends."""
    flat = y.reshape(len(y), -1)
    if not flat.size or y.dtype.kind not in "iuf":
        return []
    least, most = int(flat.argmin()), int(flat.argmax())
    places = [least, most]
    low, high = flat.flat[least], flat.flat[most]
    if y.dtype.kind in "iu" and 1 < int(high) - int(low) <= 1 << 20:
        first = np.full(int(high) - int(low) + 1, -1)
        wide = flat.astype(np.int64).ravel() - int(low)
        first[wide[::-1]] = np.arange(wide.size)[::-1]
        found = first[first >= 0].tolist()
        places = found if len(found) <= MOST else found[: MOST // 2] + found[-MOST // 2 :]
    return list(dict.fromkeys(place // flat.shape[1] for place in places))
