"""Detection: places, sizes, confidences and classes of boxes on a grid. Redmon et al. 2016."""

from __future__ import annotations

from typing import Any

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.losses._common import reduced


def yolo_v1(
    output: Any,
    target: Any,
    boxes: int = 2,
    classes: int = 20,
    *,
    coord: float = 5.0,
    noobj: float = 0.5,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r"""Return the loss of YOLO, equation 3 of the paper, and its mean over images.

    .. math::
        \lambda_{coord} \sum 1^{obj}_{ij} [(x - \hat x)^2 + (y - \hat y)^2
        + (\sqrt w - \sqrt{\hat w})^2 + (\sqrt h - \sqrt{\hat h})^2]
        + \sum 1^{obj}_{ij} (C - \hat C)^2 + \lambda_{noobj} \sum 1^{noobj}_{ij} (C - \hat C)^2
        + \sum 1^{obj}_i \sum_c (p(c) - \hat p(c))^2

    Parameters
    ----------
    output, target
        (n, S, S, 5 boxes + classes), rows of the grid before columns: for each box x and y within its cell, width and
        height within the image, and confidence; then a number for each class. A target has an object where the
        confidence of its first box is 1, which is then the truth; its other boxes are not read.
    boxes, classes
        B and C of the paper.
    coord, noobj
        The weights of places and sizes, and of confidences where there is no object.
    reduction
        "mean" or "sum" over images, or "none".
    sample_weight
        (n,): weights of the images.

    Notes
    -----
    The box that overlaps the truth most is responsible for an object, and its confidence shall be that overlap
    (intersection over union), as the paper's section 2 says; all other boxes shall have none. Overlaps are constants of
    the derivative. Widths and heights below 1e-6 count as 1e-6 under the root.

    References
    ----------
    Redmon et al. 2016, "You only look once: unified, real-time object detection".
    """
    y, t = asarray(output), asarray(target)
    wide = 5 * boxes + classes
    if y.ndim != 4 or y.shape[3] != wide or y.shape[1] != y.shape[2] or t.shape != y.shape:
        raise _core.ShapeError(
            f"[yolo_v1] expected two (n, S, S, {wide}) for {boxes} boxes and {classes} classes, "
            f"got {y.shape} and {t.shape}"
        )
    t = _core.astype(t, y.dtype)
    grid = y.shape[1]
    found = _ops.reshape(y[..., : 5 * boxes], (*y.shape[:3], boxes, 5))
    truth = _ops.expand_dims(t[..., :5], axis=3)
    there = truth[..., 4] == 1  # (n, S, S, 1)
    overlap = _ops.stop_gradient(_overlap(found, truth, grid))
    best = _ops.expand_dims(_ops.argmax(overlap, axis=3), axis=3)
    responsible = _ops.logical_and(there, asarray(_numbers(boxes)) == best)  # (n, S, S, boxes)
    one = _core.astype(responsible, y.dtype)
    places = _ops.sum(_ops.square(found[..., :2] - truth[..., :2]), axis=4)
    sizes = _ops.sum(_ops.square(_root(found[..., 2:4]) - _root(truth[..., 2:4])), axis=4)
    confidence = found[..., 4]
    sure = _ops.square(confidence - overlap)
    per_box = coord * one * (places + sizes) + one * sure + noobj * (1 - one) * _ops.square(confidence)
    kinds = _ops.sum(_ops.square(y[..., 5 * boxes :] - t[..., 5 * boxes :]), axis=3)
    losses = _ops.sum(per_box, axis=(1, 2, 3)) + _ops.sum(_core.astype(there[..., 0], y.dtype) * kinds, axis=(1, 2))
    return reduced(losses, reduction, sample_weight)


def _numbers(count: int) -> list[int]:
    return list(range(count))


def _root(x: Array) -> Array:
    return _ops.sqrt(_ops.maximum(x, 1e-6))


def _overlap(a: Array, b: Array, grid: int) -> Array:
    """Return intersection over union of boxes in the same cells."""
    shared = None
    for axis in (0, 1):
        # Places are counted in cells, sizes in images.
        starts = [box[..., axis] / grid - box[..., 2 + axis] / 2 for box in (a, b)]
        ends = [box[..., axis] / grid + box[..., 2 + axis] / 2 for box in (a, b)]
        side = _ops.relu(_ops.minimum(*ends) - _ops.maximum(*starts))
        shared = side if shared is None else shared * side
    areas = [_ops.relu(box[..., 2]) * _ops.relu(box[..., 3]) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    safe = _ops.where(union > 0, union, _ops.ones_like(union))
    return _ops.where(union > 0, shared / safe, 0 * union)
