"""Connectionist temporal classification: labels without their places. Graves et al. 2006."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.losses._common import reduced
from fallline.transforms import scan

NOTHING = -1e30  # the logarithm of no probability: finite, so that no derivative is NaN


def ctc(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
    reduction: str = "mean",
) -> Array:
    """Return minus the log-probability of all ways to spell the targets, with repeats and blanks between labels.

    Parameters
    ----------
    log_probs
        (length, n, classes) or (length, classes): log-probabilities.
    targets
        (n, longest) labels, or all one after the other; (longest,) for one sequence.
    input_lengths, target_lengths
        (n,), or a number for one sequence.
    blank
        The class that spells nothing.
    zero_infinity
        Whether targets that do not fit into the input give 0 instead of infinity, with gradient 0.
    reduction
        "mean" divides each loss by its target's length, then takes the mean; "sum" or "none".

    Notes
    -----
    The forward recursion runs over all labels at once, as one native loop along the time. Its derivative is that of
    the formula. Sums of exponentials have relative errors that grow with the exponents: :math:`1 + |x|` units in the
    last place for log-probabilities x, and as much of 1 for the derivative.
    """
    logs = asarray(log_probs)
    alone = logs.ndim == 2
    logs = _ops.expand_dims(logs, axis=1) if alone else logs
    steps, n, classes = logs.shape
    spoken = np.atleast_1d(np.asarray(input_lengths)).astype(np.int64)
    lengths = np.atleast_1d(np.asarray(target_lengths)).astype(np.int64)
    labels = _table(np.asarray(targets), lengths, n)
    if len(spoken) != n or len(lengths) != n:
        raise _core.ShapeError(f"[ctc] expected {n} lengths, got {len(spoken)} and {len(lengths)}")
    if spoken.max(initial=0) > steps or labels.max(initial=0) >= classes or labels.min(initial=0) < 0:
        raise ValueError(f"[ctc] lengths must be at most {steps} and labels in [0, {classes})")
    alpha = _spelled(logs, labels, lengths, spoken, blank)
    ends = np.zeros((n, 2), np.int64)
    ends[:, 0], ends[:, 1] = 2 * lengths, np.maximum(2 * lengths - 1, 0)
    last = alpha[np.arange(n)[:, None], ends]
    last = _ops.where(asarray(np.stack([np.ones(n, bool), lengths > 0], 1)), last, NOTHING + 0 * last)
    losses = -_ops.logsumexp(last, axis=1)
    impossible = losses > -NOTHING / 2
    losses = _ops.where(impossible, 0 * losses + (0.0 if zero_infinity else math.inf), losses)
    if reduction == "mean":
        losses = losses / asarray(np.maximum(lengths, 1).astype(logs.dtype))
    return reduced(losses[0] if alone else losses, reduction, None)


def _spelled(logs: Array, labels: np.ndarray, lengths: np.ndarray, spoken: np.ndarray, blank: int) -> Array:
    """Return the log-probability of having spelled each label and each blank between them by the end."""
    steps, n, _ = logs.shape
    # Blanks between all labels and at both ends; two steps at once are allowed between different labels.
    places = np.full((n, 2 * labels.shape[1] + 1), blank)
    places[:, 1::2] = labels
    jumps = np.zeros(places.shape, bool)
    jumps[:, 2:] = (places[:, 2:] != blank) & (places[:, 2:] != places[:, :-2])
    spelled = logs[:, np.broadcast_to(np.arange(n)[:, None], places.shape), places]  # (length, n, places)
    place = np.arange(places.shape[1])
    begins = (place < 2) & (place <= 2 * lengths[:, None])
    alpha = asarray(np.where(begins, 0.0, NOTHING).astype(logs.dtype)) + spelled[0]
    if steps == 1:
        return alpha
    column, jump = _ops.full((n, 2), NOTHING, dtype=logs.dtype), asarray(jumps)
    nothing = _ops.full((), NOTHING, dtype=logs.dtype)
    running = asarray(np.arange(1, steps)[:, None, None] < spoken[:, None])

    def step(alpha: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
        one = _ops.concat([column[:, :1], alpha[:, :-1]], axis=1)
        two = _ops.concat([column, alpha[:, :-2]], axis=1)[:, : alpha.shape[1]]
        new = _ops.logsumexp(_ops.stack([alpha, one, _ops.where(jump, two, nothing)]), axis=0) + row[0]
        return _ops.where(row[1], new, alpha), None

    last: Array = scan(step, alpha, (spelled[1:], running))[0]
    return last


def _table(targets: np.ndarray, lengths: np.ndarray, n: int) -> np.ndarray:
    """Return labels as (n, longest)."""
    longest = int(lengths.max(initial=0))
    if targets.ndim == 2:
        return targets[:, :longest].astype(np.int64)
    if n == 1 and len(targets) >= longest:
        return targets[None, :longest].astype(np.int64)
    if len(targets) != lengths.sum():
        raise ValueError(f"[ctc] the targets have {len(targets)} labels, their lengths {lengths.sum()}")
    table = np.zeros((n, longest), np.int64)
    ends = np.cumsum(lengths)
    for row, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        table[row, :length] = targets[end - length : end]
    return table
