"""Connectionist temporal classification: labels without their places. Graves et al. 2006."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.losses._common import picked, reduced
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

    Examples
    --------
    In `fl.fit` one array of targets holds labels (n, longest) and, behind them, their number:

    >>> import numpy as np, fallline as fl
    >>> def loss(output, y):  # of outputs (n, length, classes)
    ...     logs = fl.permute_dims(fl.log_softmax(output, -1), (1, 0, 2))
    ...     return fl.nn.losses.ctc(logs, y[:, :-1], np.full(len(y), 6), y[:, -1])
    >>> x, y = np.ones((2, 6, 4), np.float32), np.array([[1, 2, 2], [3, 0, 1]])
    >>> history = fl.fit(fl.nn.Linear(4, 5), x, y, loss=loss, progress=False)
    """
    logs = asarray(log_probs)
    alone = logs.ndim == 2
    logs = _ops.expand_dims(logs, axis=1) if alone else logs
    steps, n, classes = logs.shape
    spoken, lengths = (_lengths(given, n) for given in (input_lengths, target_lengths))
    labels = _table(asarray(targets), lengths, n)
    if not (_within(spoken, 0, steps) and _within(labels, 0, classes - 1)):
        raise ValueError(f"[ctc] lengths must be at most {steps} and labels in [0, {classes})")
    alpha = _spelled(logs, labels, lengths, spoken, blank)
    ends = _ops.stack([2 * lengths, _ops.maximum(2 * lengths - 1, 0)], axis=1)
    last = picked(alpha, ends)
    some = _ops.stack([_ops.ones_like(lengths), lengths], axis=1) > 0
    last = _ops.where(some, last, NOTHING + 0 * last)
    losses = -_ops.logsumexp(last, axis=1)
    impossible = losses > -NOTHING / 2
    losses = _ops.where(impossible, 0 * losses + (0.0 if zero_infinity else math.inf), losses)
    if reduction == "mean":
        losses = losses / _core.astype(_ops.maximum(lengths, 1), logs.dtype)
    return reduced(losses[0] if alone else losses, reduction, None)


def _spelled(logs: Array, labels: Array, lengths: Array, spoken: Array, blank: int) -> Array:
    """Return the log-probability of having spelled each label and each blank between them by the end."""
    steps, n, _ = logs.shape
    # Blanks between all labels and at both ends; two steps at once are allowed between different labels.
    blanks = _ops.full((n, labels.shape[1] + 1), blank, dtype=np.int64)
    pairs = _ops.stack([blanks[:, :-1], labels], axis=2)
    places = _ops.concat([_ops.reshape(pairs, (n, 2 * labels.shape[1])), blanks[:, -1:]], axis=1)
    never = _ops.zeros((n, min(2, places.shape[1])), dtype=bool)
    far = _ops.logical_and(_ops.not_equal(places[:, 2:], blank), _ops.not_equal(places[:, 2:], places[:, :-2]))
    jump = _ops.concat([never, far], axis=1)
    spelled = picked(logs, places)  # (length, n, places)
    place = np.arange(places.shape[1])
    begins = _ops.logical_and(asarray(place < 2), asarray(place) <= 2 * _ops.expand_dims(lengths, axis=1))
    nothing = _ops.full((), NOTHING, dtype=logs.dtype)
    alpha = _ops.where(begins, 0 * nothing, nothing) + spelled[0]
    if steps == 1:
        return alpha
    column = _ops.full((n, 2), NOTHING, dtype=logs.dtype)
    running = asarray(np.arange(1, steps)[:, None, None]) < _ops.expand_dims(spoken, axis=1)

    def step(alpha: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
        one = _ops.concat([column[:, :1], alpha[:, :-1]], axis=1)
        two = _ops.concat([column, alpha[:, :-2]], axis=1)[:, : alpha.shape[1]]
        new = _ops.logsumexp(_ops.stack([alpha, one, _ops.where(jump, two, nothing)]), axis=0) + row[0]
        return _ops.where(row[1], new, alpha), None

    last: Array = scan(step, alpha, (spelled[1:], running))[0]
    return last


def _lengths(given: Any, n: int) -> Array:
    """Return lengths as (n,) integers."""
    lengths = _core.astype(_ops.reshape(asarray(given), (-1,)), np.int64)
    if lengths.shape != (n,):
        raise _core.ShapeError(f"[ctc] expected {n} lengths, got {lengths.size}")
    return lengths


def _within(values: Array, least: int, most: int) -> bool:
    """Whether all numbers are in a range; of what is not known yet they are."""
    if not values._readable:
        return True
    found = np.asarray(values)
    return bool((found >= least).all() and (found <= most).all())


def _table(targets: Array, lengths: Array, n: int) -> Array:
    """Return labels as (n, longest)."""
    if not (targets._readable and lengths._readable):
        if targets.ndim != 2:
            raise _core.ShapeError(
                f"[ctc] where labels are not known yet, they must be (n, longest), got {targets.shape}"
            )
        return _core.astype(targets, np.int64)
    labels, counts = np.asarray(targets), np.asarray(lengths)
    longest = int(counts.max(initial=0))
    if labels.ndim == 2:
        return asarray(np.ascontiguousarray(labels[:, :longest], np.int64))
    if n == 1 and len(labels) >= longest:
        return asarray(np.ascontiguousarray(labels[None, :longest], np.int64))
    if len(labels) != counts.sum():
        raise ValueError(f"[ctc] the targets have {len(labels)} labels, their lengths {counts.sum()}")
    table = np.zeros((n, longest), np.int64)
    ends = np.cumsum(counts)
    for row, (end, length) in enumerate(zip(ends, counts, strict=True)):
        table[row, :length] = labels[end - length : end]
    return asarray(table)
