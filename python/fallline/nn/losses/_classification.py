"""Losses of classes and probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.losses._common import check_bits, check_labels, check_probabilities, matched, reduced


def cross_entropy(
    output: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r"""Cross entropy of a softmax, :math:`\frac1n \sum_i (\ln \sum_j e^{x_{ij}} - x_{i t_i})`.

    Parameters
    ----------
    output
        (n, classes) or (n, classes, ...) or (classes,): logits, not probabilities.
    target
        Integer labels in [0, classes), without the axis of classes; or probabilities of the output's shape.
    weight
        (classes,): what each class counts; the mean over labels is then the weighted one.
    ignore_index
        A label that does not count.
    label_smoothing
        The share of every target that is spread evenly over all classes. Szegedy et al. 2016.
    reduction, sample_weight
        As for `mse`; the mean is over samples.
    """
    output, target = asarray(output), asarray(target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"[cross_entropy] label_smoothing must be in [0, 1], got {label_smoothing}")
    if output.ndim == 2 and target.ndim == 2 and target.shape[1] == 1 != output.shape[1] and target.dtype.kind in "iub":
        target = target.reshape(-1)
    soft = output.ndim > 0 and target.shape == output.shape
    scores, labels = _rows("cross_entropy", output, target, soft)
    if not soft and labels.dtype.kind not in "iub":
        raise _core.DTypeError(f"[cross_entropy] labels must be integers, got {target.dtype}; convert with astype")
    counted = None if soft else _counted(labels, ignore_index)
    if weight is not None or label_smoothing or counted is not None:
        each = None if weight is None else _core.astype(asarray(weight), scores.dtype)
        losses, shares = _weighted(scores, labels, soft, counted, each, label_smoothing)
        return _averaged(losses, shares, output, reduction, sample_weight)
    if soft:
        losses = _core.soft_cross_entropy(scores, labels)
    else:
        if labels._readable:
            check_labels(labels, scores.shape[1])
        losses = _core.cross_entropy(scores, _core.astype(labels, np.int64))
    return _averaged(losses, None, output, reduction, sample_weight)


def nll(
    output: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r"""Negative log-likelihood of labels, :math:`-w_{t} x_{t}`, where x are log-probabilities.

    Parameters are as for `cross_entropy`, of which this is the last part.
    """
    output, target = asarray(output), asarray(target)
    scores, labels = _rows("nll", output, target, False)
    each = None if weight is None else _core.astype(asarray(weight), scores.dtype)
    losses, shares = _of_labels(scores, labels, _counted(labels, ignore_index), each)
    return _averaged(losses, shares, output, reduction, sample_weight)


def binary_cross_entropy(
    output: Any,
    target: Any,
    *,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r"""Cross entropy of a sigmoid, :math:`\frac1n \sum (t \ln(1 + e^{-x}) + (1 - t) \ln(1 + e^{x}))`.

    Both terms are of one sign, so that nothing cancels where a sample is nearly certain. PyTorch calls it with_logits.

    Parameters
    ----------
    output, target
        Logits, and probabilities between 0 and 1, mostly 0 and 1.
    weight
        What each element counts; broadcast against the output.
    pos_weight
        How many times a target of 1 counts more than one of 0; broadcast against the output.
    reduction, sample_weight
        As for `mse`.
    """
    output, target = matched("binary_cross_entropy", output, target)
    target = _core.astype(target, output.dtype)
    check_probabilities("binary_cross_entropy", target)
    positive = target if pos_weight is None else target * pos_weight
    losses = positive * _ops.softplus(-output) + (1 - target) * _ops.softplus(output)
    return reduced(losses if weight is None else losses * weight, reduction, sample_weight)


def binary_cross_entropy_of_probabilities(
    output: Any, target: Any, *, weight: Any = None, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    r""":math:`-t \ln p - (1 - t) \ln(1 - p)`, logarithms held above -100 as in PyTorch, whose BCELoss it is.

    Where there are logits, `binary_cross_entropy` keeps more digits.
    """
    name = "binary_cross_entropy_of_probabilities"
    output, target = matched(name, output, target)
    target = _core.astype(target, output.dtype)
    check_probabilities(name, output, "outputs")
    check_probabilities(name, target)
    logs = [_ops.maximum(log, -100.0) for log in (_ops.log(output), _ops.log1p(-output))]
    losses = -target * logs[0] - (1 - target) * logs[1]
    return reduced(losses if weight is None else losses * weight, reduction, sample_weight)


def focal(
    output: Any,
    target: Any,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r""":math:`-\alpha_t (1 - p_t)^\gamma \ln p_t` of logits and targets 0 or 1. Lin et al. 2017.

    A negative `alpha` leaves :math:`\alpha_t` out. The relative error grows with the exponent, as
    :math:`1 + \gamma |x|` units in the last place.
    """
    output, target = matched("focal", output, target)
    check_bits("focal", target)
    # Both logarithms of probabilities are softplus, which keeps the digits of what is nearly certain.
    right = (2 * target - 1) * output
    losses = _ops.softplus(-right) * _ops.exp(-gamma * _ops.softplus(right))
    if alpha >= 0:
        losses = losses * (alpha * target + (1 - alpha) * (1 - target))
    return reduced(losses, reduction, sample_weight)


def kl_divergence(
    output: Any, target: Any, *, log_target: bool = False, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    r""":math:`\sum t (\ln t - x)`, where x are log-probabilities and t probabilities, or their logarithms.

    "mean" is over all elements, as in PyTorch; "batchmean" divides the sum by the samples, which is the divergence.
    """
    output, target = matched("kl_divergence", output, target)
    if log_target:
        losses = _ops.exp(target) * (target - output)
    else:
        none = target == 0
        entropy = target * _ops.log(_ops.where(none, _ops.ones_like(target), target))
        losses = entropy - target * output
    if reduction == "batchmean":
        return reduced(losses, "sum", sample_weight) / (losses.shape[0] if losses.ndim else 1)
    return reduced(losses, reduction, sample_weight)


def dice(output: Any, target: Any, *, smooth: float = 1.0, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`1 - (2 \sum p t + s) / (\sum p + \sum t + s)` over all but the first axis, p the sigmoid of logits.

    Milletari et al. 2016, with plain sums as in Dice's coefficient. Errors of its gradient are units in the last place
    of 1, as those of the sigmoid's.
    """
    output, target = matched("dice", output, target)
    p, axes = _ops.sigmoid(output), tuple(range(1, output.ndim))
    # The difference of both sides of the quotient, each of whose terms keeps its digits: 1 - p is the sigmoid of -x.
    apart = _ops.sum(p * (1 - target) + _ops.sigmoid(-output) * target, axis=axes)
    total = _ops.sum(p, axis=axes) + _ops.sum(target, axis=axes)
    return reduced(apart / (total + smooth), reduction, sample_weight)


def _rows(loss: str, output: Array, target: Array, soft: bool) -> tuple[Array, Array]:
    """Return scores as (samples, classes) and targets beside them."""
    if output.ndim == 2 and target.ndim == 1 and target.shape != output.shape[:1]:
        raise _core.ShapeError(f"[{loss}] {target.shape[0]} labels for {output.shape[0]} outputs")
    if output.ndim == 0 or (not soft and target.shape != _label_shape(output)):
        raise _core.ShapeError(
            f"[{loss}] targets {target.shape} do not fit outputs {output.shape}: expected outputs (n, classes) or "
            "(n, classes, ...), and labels without the axis of classes or probabilities of the outputs' shape"
        )
    if output.ndim == 2:
        return output, target
    if output.ndim == 1:
        return output[None], target[None]
    axes = [0, *range(2, output.ndim), 1]
    scores = _ops.reshape(_ops.permute_dims(output, axes), (-1, output.shape[1]))
    turned = _ops.permute_dims(target, axes) if soft else target
    return scores, _ops.reshape(turned, (-1, output.shape[1]) if soft else (-1,))


def _label_shape(output: Array) -> tuple[int, ...]:
    return (*output.shape[:1], *output.shape[2:]) if output.ndim > 1 else ()


def _counted(labels: Array, ignore_index: int) -> Array | None:
    """Return which labels count, or None where all do; in a trace the default is not looked for."""
    if labels.dtype.kind == "b":
        return None
    if not labels._readable:
        return None if ignore_index == -100 else _ops.not_equal(labels, ignore_index)
    ignored = np.asarray(labels) == ignore_index
    return asarray(~ignored) if ignored.any() else None


def _of_labels(logs: Array, labels: Array, counted: Array | None, each: Array | None) -> tuple[Array, Array | None]:
    """Return minus the log-probabilities of labels times what they count, and what they count (None: 1 each)."""
    places = _core.astype(labels if counted is None else _ops.where(counted, labels, 0 * labels), np.int64)
    if places._readable:
        check_labels(places, logs.shape[1])
    losses = -logs[np.arange(logs.shape[0]), places]
    if each is None and counted is None:
        return losses, None
    shares = _ops.ones_like(losses.detach()) if each is None else _ops.take(each, places, axis=0)
    shares = shares if counted is None else _ops.where(counted, shares, 0 * shares)
    return shares * losses, shares


def _weighted(
    scores: Array, labels: Array, soft: bool, counted: Array | None, each: Array | None, smoothing: float
) -> tuple[Array, Array | None]:
    """Return the losses of rows with class weights, smoothing or labels that do not count, and what they count."""
    classes, logs = scores.shape[1], _ops.log_softmax(scores, 1)
    scaled = logs if each is None else logs * each
    if soft:
        goals = _core.astype(labels, scores.dtype) * (1 - smoothing) + smoothing / classes
        return -_ops.sum(goals * scaled, axis=1), None
    losses, shares = _of_labels(logs, labels, counted, each)
    if smoothing:
        spread = -_ops.sum(scaled, axis=1)
        spread = spread if counted is None else _ops.where(counted, spread, 0 * spread)
        losses = (1 - smoothing) * losses + (smoothing / classes) * spread
    return losses, shares


def _averaged(losses: Array, shares: Array | None, output: Array, reduction: str, sample_weight: Any) -> Array:
    """Reduce the losses of rows, by what they count."""
    if shares is not None and reduction == "mean" and sample_weight is None:
        total = _ops.sum(shares)  # of no label: NaN, whose gradient is 0
        return _ops.where(total == 0, math.nan, _ops.sum(losses) / _ops.where(total == 0, 1.0, total))
    if output.ndim != 2:
        losses = _ops.reshape(losses, _label_shape(output))
    return reduced(losses, reduction, sample_weight)
