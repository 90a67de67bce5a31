"""Rows of a table by number, alone or in bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Array:
    """Return the rows of `weight` of these numbers, (*indices.shape, width); no gradient for the row `padding_idx`."""
    places, weight = asarray(indices), asarray(weight)
    if places.dtype.kind not in "iu":
        raise _core.DTypeError(f"[embedding] the numbers of rows must be integers, got {places.dtype}")
    if padding_idx is not None:
        kept = np.ones((weight.shape[0], 1), bool)
        kept[padding_idx] = False
        weight = _ops.where(asarray(kept), weight, _ops.stop_gradient(weight))
    rows = _ops.take(weight, _ops.reshape(places, (-1,)), axis=0)
    return _ops.reshape(rows, (*places.shape, weight.shape[1]))


def embedding_bag(
    indices: Any,
    weight: Any,
    offsets: Any = None,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """Return sums, means or maxima of the rows of bags.

    Bags are the rows of (bags, members), or begin at `offsets` in a flat list; members that are `padding_idx` do not
    count. An empty bag gives zeros.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f'[embedding_bag] mode must be "sum", "mean" or "max", got {mode!r}')
    if per_sample_weights is not None and mode != "sum":
        raise ValueError('[embedding_bag] per_sample_weights needs mode="sum"')
    weight = asarray(weight)
    if asarray(indices).ndim == 2 and offsets is not None:
        raise ValueError("[embedding_bag] bags as rows take no offsets")
    if asarray(indices).ndim == 2 and padding_idx is None:  # also where the numbers are not known yet
        rows = embedding(indices, weight)
        rows = rows if per_sample_weights is None else rows * _ops.expand_dims(asarray(per_sample_weights), axis=2)
        if mode == "max":
            return _ops.max(rows, axis=1)
        return _ops.sum(rows, axis=1) if mode == "sum" else _ops.mean(rows, axis=1)
    flat, bags, count = _bags(np.asarray(indices), offsets, include_last_offset)
    keep = np.ones(len(flat), bool) if padding_idx is None else flat != padding_idx % weight.shape[0]
    rows, bags = embedding(flat[keep], weight), bags[keep]
    if per_sample_weights is not None:
        rows = rows * _ops.reshape(asarray(per_sample_weights), (-1, 1))[np.flatnonzero(keep)]
    sizes = np.bincount(bags, minlength=count)
    if mode == "max":
        return _largest(rows, sizes)
    members = np.zeros((count, len(bags)), weight.dtype)
    members[bags, np.arange(len(bags))] = 1.0
    if mode == "mean":
        members /= np.maximum(sizes, 1)[:, None]
    y: Array = asarray(members) @ rows
    return y


def _bags(places: np.ndarray, offsets: Any, include_last_offset: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Return all members, the bag of each, and how many bags there are."""
    if places.ndim == 2:
        return places.ravel(), np.repeat(np.arange(len(places)), places.shape[1]), len(places)
    starts = np.asarray(offsets)
    ends = starts[1:] if include_last_offset else np.append(starts[1:], len(places))
    count = len(ends)
    return places, np.repeat(np.arange(count), ends - starts[:count]), count


def _largest(rows: Array, sizes: np.ndarray) -> Array:
    """Take the largest elements of bags whose members stand one after the other; zeros of empty ones."""
    if not rows.shape[0]:
        return _ops.zeros((len(sizes), rows.shape[1]), dtype=rows.dtype)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # The last member again fills rows up.
    table = first[:, None] + np.minimum(np.arange(sizes.max()), np.maximum(sizes - 1, 0)[:, None])
    y = _ops.max(rows[np.minimum(table, rows.shape[0] - 1)], axis=1)
    return _ops.where(asarray((sizes > 0)[:, None]), y, 0 * y)
