"""What does each sample count in the loss?  Its own weight, and that of its class."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.train._data import as_rows, check_finite

__all__ = ["loss_weights", "sample_weights"]


def sample_weights(given: Any, who: str = "fit") -> Array | None:
    """Return the weights of samples as an array (n,): finite, none below 0, not all 0."""
    if given is None:
        return None
    weight = as_rows("sample_weight", given, who)
    if weight.ndim != 1:
        raise _core.ShapeError(
            f"[{who}] sample_weight must have one number for each sample, shape (n,), got {weight.shape}"
        )
    check_finite("sample_weight", weight, who=who)
    _check("sample_weight", np.asarray(weight), who)
    return weight


def loss_weights(y: Array, sample: Array | None, given: Any) -> tuple[Array, ...]:
    """Return what samples count in the loss, and after it, where they have weights of their own, in the metrics."""
    if given is None:
        return () if sample is None else (sample, sample)
    labels = _labels(np.asarray(y))
    table = _table(given, labels)
    weight = table[labels]
    if sample is not None:
        weight = weight * np.asarray(sample).astype(weight.dtype)
    _check("class_weight", weight)
    return (_core.wrap(weight),) if sample is None else (_core.wrap(weight), sample)


def _check(name: str, weight: np.ndarray, who: str = "fit") -> None:
    if (weight < 0).any():
        at = int(np.argmax(weight < 0))
        raise ValueError(
            f"[{who}] {name} must not be negative, got {weight[at]} at {at}; give 0 to what shall not count"
        )
    if not weight.any():
        raise ValueError(f"[{who}] {name} is 0 for all samples: nothing would count")


def _labels(y: np.ndarray) -> np.ndarray:
    """Return the class of every sample: labels, shares of classes of which the largest counts, or 0 and 1."""
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(axis=1))
    labels = y.reshape(len(y), -1)[:, 0].astype(np.int64)
    if y.size != len(y) or (labels != y.reshape(-1)).any() or labels.min() < 0:
        raise ValueError(
            f"[fit] class_weight needs targets that are labels, (n,) whole numbers of at least 0, or (n, classes); got "
            f"shape {y.shape} and dtype {y.dtype}; weigh samples with sample_weight="
        )
    return labels


def _table(given: Any, labels: np.ndarray) -> np.ndarray:
    counts = np.bincount(labels)
    if isinstance(given, str):  # "balanced": every class counts alike, and samples count 1 on the average
        return np.asarray(len(labels) / np.maximum(1, counts * np.count_nonzero(counts)))
    table = np.full(len(counts), np.nan)
    for label, weight in given.items():
        if label < len(table):
            table[label] = weight
    missing = np.flatnonzero(np.isnan(table) & (counts > 0))
    if missing.size:
        raise ValueError(f"[fit] class_weight has no weight for the class {missing[0]}, which y holds")
    return np.where(np.isnan(table), 0.0, table)
