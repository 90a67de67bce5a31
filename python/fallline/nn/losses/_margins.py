"""Losses that ask for a distance between right and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.functional._norms import norm
from fallline.nn.losses._common import check_labels, check_signs, matched, picked, reduced


def hinge(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`\max(0, 1 - t y)` of scores and targets -1 or 1. Cortes & Vapnik 1995."""
    output, target = matched("hinge", output, target)
    check_signs("hinge", target)
    return reduced(_ops.relu(1 - target * output), reduction, sample_weight)


def squared_hinge(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`\max(0, 1 - t y)^2` of scores and targets -1 or 1."""
    output, target = matched("squared_hinge", output, target)
    check_signs("squared_hinge", target)
    return reduced(_ops.square(_ops.relu(1 - target * output)), reduction, sample_weight)


def hinge_embedding(
    output: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    """Take distances where the target is 1, and what they lack to the margin where it is -1."""
    output, target = matched("hinge_embedding", output, target)
    # As in PyTorch: what is not -1 counts as a distance, what is not 1 as a lack.
    zero = 0 * output
    losses = _ops.where(_ops.not_equal(target, -1), output, zero)
    losses = losses + _ops.where(_ops.not_equal(target, 1), _ops.relu(margin - output), zero)
    return reduced(losses, reduction, sample_weight)


def soft_margin(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`\ln(1 + e^{-t y})` of scores and targets -1 or 1."""
    output, target = matched("soft_margin", output, target)
    return reduced(_ops.softplus(-target * output), reduction, sample_weight)


def multi_margin(
    output: Any,
    target: Any,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r""":math:`\frac1c \sum_{j \ne t} w_t \max(0, m - x_t + x_j)^p` of scores (n, c), labels. Crammer & Singer 2001."""
    if p not in (1, 2):
        raise ValueError(f"[multi_margin] p must be 1 or 2, got {p}")
    output, labels = asarray(output), asarray(target)
    alone = output.ndim == 1
    scores = output[None] if alone else output
    labels = _core.astype(_ops.reshape(labels, (-1,)), np.int64)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise _core.ShapeError(f"[multi_margin] expected scores (n, c) and labels (n,), got {output.shape}")
    if labels._readable:
        check_labels(labels, scores.shape[1])
    right = scores[np.arange(scores.shape[0]), labels]
    lacks = _ops.relu(margin - _ops.expand_dims(right, axis=1) + scores)
    lacks = lacks if p == 1 else _ops.square(lacks)
    if weight is not None:
        lacks = lacks * _ops.expand_dims(_ops.take(asarray(weight), labels, axis=0), axis=1)
    own = asarray(np.arange(scores.shape[1])) == _ops.expand_dims(labels, axis=1)
    losses = _ops.sum(_ops.where(own, 0 * lacks, lacks), axis=1) / scores.shape[1]
    return reduced(losses[0] if alone else losses, reduction, sample_weight)


def multilabel_margin(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`\frac1c \sum_{i, j} \max(0, 1 - x_{t_j} + x_i)` over labels t_j and classes i that are no label.

    Targets are of the output's shape, (n, c) or (c,): labels, then -1 at the first place that is none.
    """
    output, labels = asarray(output), asarray(target)
    if output.shape != labels.shape or output.ndim not in (1, 2):
        raise _core.ShapeError(f"[multilabel_margin] targets {labels.shape} do not fit outputs {output.shape}")
    scores, table = (a if output.ndim == 2 else a[None] for a in (output, labels))
    classes = np.arange(scores.shape[1])
    # Those behind the first -1 do not count: no negative number stands at or before a place that does.
    before = np.triu(np.ones((len(classes), len(classes)), scores.dtype))
    valid = _ops.equal(_core.astype(table < 0, scores.dtype) @ before, 0)
    places = _ops.where(valid, _core.astype(table, np.int64), np.int64(0))
    if places._readable:
        check_labels(np.asarray(places).ravel(), scores.shape[1])
    named = _ops.logical_and(_ops.expand_dims(valid, axis=2), _ops.equal(_ops.expand_dims(places, axis=2), classes))
    is_label = _ops.any(named, axis=1, keepdims=True)
    lacks = _ops.relu(1 - _ops.expand_dims(picked(scores, places), axis=2) + _ops.expand_dims(scores, axis=1))
    pairs = _ops.logical_and(_ops.expand_dims(valid, axis=2), _ops.logical_not(is_label))
    losses = _ops.sum(_ops.where(pairs, lacks, 0 * lacks), axis=(1, 2)) / scores.shape[1]
    return reduced(losses if output.ndim == 2 else losses[0], reduction, sample_weight)


def multilabel_soft_margin(
    output: Any, target: Any, *, weight: Any = None, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    """Take `binary_cross_entropy` of logits (n, c) and targets 0 or 1, the mean over classes."""
    output, target = matched("multilabel_soft_margin", output, target)
    losses = target * _ops.softplus(-output) + (1 - target) * _ops.softplus(output)
    losses = losses if weight is None else losses * weight
    return reduced(_ops.mean(losses, axis=-1), reduction, sample_weight)


def margin_ranking(
    input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    r""":math:`\max(0, m - t (x_1 - x_2))`: the first should be larger where the target is 1, smaller where it is -1."""
    first, second = asarray(input1), asarray(input2)
    return reduced(_ops.relu(margin - asarray(target) * (first - second)), reduction, sample_weight)


def triplet_margin(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r""":math:`\max(0, d(a, p) - d(a, n) + m)`, d the p-norm of the difference (plus `eps`) along the last axis.

    With `swap` the nearer of anchor and positive to the negative counts. Balntas et al. 2016. Errors are units in the
    last place of the distances.
    """
    a, near, far = asarray(anchor), asarray(positive), asarray(negative)
    apart = norm(a - far + eps, p, -1, False)
    if swap:
        apart = _ops.minimum(apart, norm(near - far + eps, p, -1, False))
    return reduced(_ops.relu(norm(a - near + eps, p, -1, False) - apart + margin), reduction, sample_weight)


def cosine_embedding(
    input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    r""":math:`1 - \cos(x_1, x_2)` where the target is 1, :math:`\max(0, \cos(x_1, x_2) - m)` where it is -1.

    Errors of the gradient are units in the last place of :math:`1 / |x|`, its length at a right angle.
    """
    first, second, sign = asarray(input1), asarray(input2), asarray(target)
    if first.shape != second.shape or sign.shape != first.shape[:-1]:
        raise _core.ShapeError(
            f"[cosine_embedding] expected two (n, d) and targets (n,), "
            f"got {first.shape}, {second.shape} and {sign.shape}"
        )
    # As in PyTorch: 1e-12 is added to both squared lengths.
    squares = [_ops.sum(_ops.square(x), axis=-1) + 1e-12 for x in (first, second)]
    u, v = (
        x / _ops.expand_dims(_ops.sqrt(square), axis=-1) for x, square in zip((first, second), squares, strict=True)
    )
    cosine = _ops.sum(u * v, axis=-1)
    # Half the squared distance of the directions is 1 - cos and keeps its digits where they agree; what the 1e-12 take
    # from their lengths comes on top.
    apart = 0.5 * (_ops.sum(_ops.square(u - v), axis=-1) + 1e-12 / squares[0] + 1e-12 / squares[1])
    zero = 0 * cosine
    losses = _ops.where(sign == 1, apart, zero) + _ops.where(sign == -1, _ops.relu(cosine - margin), zero)
    return reduced(losses, reduction, sample_weight)
