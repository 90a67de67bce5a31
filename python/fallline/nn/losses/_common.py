"""What losses share: how outputs and targets go together, and how the losses of samples become one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray


def matched(loss: str, output: Any, target: Any) -> tuple[Array, Array]:
    output, target = asarray(output), asarray(target)
    if target.shape != output.shape:
        if target.size != output.size or ((*target.shape, 1) != output.shape and target.shape != (*output.shape, 1)):
            raise _core.ShapeError(
                f"[{loss}] targets {target.shape} do not fit outputs {output.shape}; "
                "only (n,) against (n, 1) is reshaped"
            )
        target = target.reshape(output.shape)
    if target.dtype.kind != "f":
        target = _core.astype(target, output.dtype)
    return output, target


def reduced(losses: Array, reduction: str, sample_weight: Any) -> Array:
    if sample_weight is not None:
        weight = asarray(sample_weight)
        if weight.shape != losses.shape[:1]:
            raise _core.ShapeError(f"[sample_weight] expected shape {losses.shape[:1]}, got {weight.shape}")
        weight = _core.astype(weight, losses.dtype)
        if losses.ndim > 1:
            losses = _ops.mean(losses, tuple(range(1, losses.ndim))) if reduction == "mean" else losses
        if reduction == "mean":
            return _ops.sum(weight * losses) / _ops.sum(weight)
        losses = weight.reshape((-1,) + (1,) * (losses.ndim - 1)) * losses
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise ValueError(f"[loss] reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    return _ops.mean(losses) if reduction == "mean" else _ops.sum(losses)


def check_labels(labels: Any, classes: int) -> None:
    """Raise ValueError unless all labels are in [0, classes)."""
    values = np.asarray(labels)
    wrong = (values < 0) | (values >= classes)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"[cross_entropy] label {values[at]} at position {at} is out of range: the outputs are for {classes} "
            f"classes, so labels are 0 to {classes - 1}"
        )


def check_probabilities(loss: str, values: Array, what: str = "targets") -> None:
    """Raise ValueError unless all numbers are in [0, 1]; what is not known yet is not looked at."""
    if not values._readable:
        return
    numbers = np.asarray(values.detach())
    wrong = (numbers < 0) | (numbers > 1)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"[{loss}] {what} must be in [0, 1], got {numbers[at]} at {list(at)}")


def check_signs(loss: str, values: Array) -> None:
    """Raise ValueError unless all targets are -1 or 1."""
    _check_among(loss, values, (-1, 1))


def check_bits(loss: str, values: Array) -> None:
    """Raise ValueError unless all targets are 0 or 1."""
    _check_among(loss, values, (0, 1))


def _check_among(loss: str, values: Array, allowed: tuple[int, int]) -> None:
    if not values._readable:
        return
    numbers = np.asarray(values.detach())
    wrong = ~np.isin(numbers, allowed)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"[{loss}] targets must be {allowed[0]} or {allowed[1]}, got {numbers[at]} at {list(at)}")


def picked(x: Array, places: Array) -> Array:
    """Return elements of the last axis: (..., n, c) and places (n, k) give (..., n, k); places may be unknown yet."""
    *more, n, c = x.shape
    flat = _ops.reshape(x, (*more, n * c))
    at = places + np.arange(n, dtype=np.int64)[:, None] * c
    return _ops.reshape(_ops.take(flat, _ops.reshape(at, (-1,)), axis=len(more)), (*more, *places.shape))
