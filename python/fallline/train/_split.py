"""Which samples are kept aside for validation?  A share, by the seed, of labels from each class its share."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.random import default_rng

__all__ = ["divide", "split"]

ASIDE = 2  # the third thing that a seed is split into, beside the order and dropout


def divide(
    x: Array, y: Array, weight: Array | None, share: float, *, shuffle: bool, seed: int
) -> tuple[tuple[Array, Array, Array | None], tuple[Array, Array]]:
    """Return samples, targets and weights to train on, and samples and targets to keep aside."""
    trained, aside = split(y, share, shuffle=shuffle, seed=seed)

    def part(array: Array, rows: Any) -> Array:  # where they lie, or copies of those that are drawn
        return _core.wrap(np.asarray(array)[rows])

    kept = part(x, trained), part(y, trained), None if weight is None else part(weight, trained)
    return kept, (part(x, aside), part(y, aside))


def split(y: Array, share: float, *, shuffle: bool, seed: int) -> tuple[Any, Any]:
    """Return what indexes the samples to train on, and those to keep aside: a `share` of them, at least one each.

    Drawn by the seed, for labels from each class its share; without `shuffle` the last ones, in their order.
    """
    n = int(y.shape[0])
    count = min(max(round(share * n), 1), n - 1)
    if n < 2:
        raise _core.ShapeError("[fit] validation_split needs two samples at least, got one")
    if not shuffle:
        return slice(0, n - count), slice(n - count, n)
    order = np.asarray(default_rng(_core.derive_key(seed, ASIDE)).permutation(n))
    if y.ndim == 1 and y.dtype.kind in "iub":
        order = _spread(order, np.asarray(y)[order])
    return np.sort(order[count:]), np.sort(order[:count])


def _spread(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the samples in an order whose beginning, however long, has each class by its share."""
    _, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(where, kind="stable")
    rank = np.empty(len(labels))
    rank[by_class] = np.concatenate([(np.arange(c) + 0.5) / c for c in counts])
    return np.asarray(order[np.argsort(rank, kind="stable")])
