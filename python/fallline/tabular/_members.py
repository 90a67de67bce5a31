"""Which rows does each member learn from, and which judge it?  Folds: no member sees the rows that judge it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


class Shares(NamedTuple):
    """Row numbers, one column per member; both have as many rows for every member."""

    learned: Rows
    judged: Rows


def shares(classes: NDArray[np.int64] | None, rows: int, members: int, folds: int, rng: np.random.Generator) -> Shares:
    """Cut the rows into folds and let member m learn from all but fold m.

    Each fold has its part of every class. A few rows drop out of a member's share, never out of all, so that the
    shares are of one length.
    """
    order = rng.permutation(rows)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    fold = np.empty(rows, dtype=np.intp)
    fold[order] = np.arange(rows) % folds
    learned = [rng.permutation(np.flatnonzero(fold != m)) for m in range(members)]
    judged = [rng.permutation(np.flatnonzero(fold == m)) for m in range(members)]
    least, held = (min(map(len, part)) for part in (learned, judged))
    return Shares(
        np.stack([part[:least] for part in learned], axis=1), np.stack([part[:held] for part in judged], axis=1)
    )
