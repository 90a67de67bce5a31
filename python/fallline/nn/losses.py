"""Losses: functions of outputs (logits) and targets. The mean over everything by default.

Each element and its gradient are right to four units in the last place, for logits from 1e-30 to 1e4 in both dtypes.
Below the smallest normal number units are those of that one; where a gradient changes its sign, those of its terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline._hints import module_names

__all__ = ["binary_cross_entropy", "cross_entropy", "get", "huber", "mae", "mse"]

Loss = Callable[..., Array]


def mse(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Mean squared error, :math:`\frac1n \sum (y - t)^2`, also called L2 loss.

    Its gradient is :math:`2 (y - t) / n`. Many texts take half of it, :math:`\frac{1}{2n} \sum (y - t)^2`, whose
    gradient has no 2 and whose learning rates are therefore twice as large: ``huber`` with ``delta=float("inf")``.

    Parameters
    ----------
    output, target
        Of one shape; a target (n,) fits an output (n, 1). Any other broadcast is a ShapeError.
    reduction
        "mean" or "sum" over all elements, or "none".
    sample_weight
        (n,): weights of the samples; the mean is then the weighted one.

    Examples
    --------
    >>> import numpy as np
    >>> y, t = np.array([1.0, 3.0]), np.zeros(2)
    >>> mse(y, t).item(), mse(y, t, reduction="sum").item(), huber(y, t, delta=float("inf")).item()
    (5.0, 10.0, 2.5)
    """
    output, target = _matched("mse", output, target)
    return _reduce(_ops.square(output - target), reduction, sample_weight)


def mae(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Mean absolute error, :math:`\frac1n \sum |y - t|`; parameters as for `mse`."""
    output, target = _matched("mae", output, target)
    return _reduce(_ops.abs(output - target), reduction, sample_weight)


def huber(output: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Half the square below `delta`, linear above: :math:`\delta(|d| - \delta/2)`. Huber 1964."""
    output, target = _matched("huber", output, target)
    d = _ops.abs(output - target)
    inside = _ops.minimum(d, delta)
    return _reduce(inside * (d - 0.5 * inside), reduction, sample_weight)


def cross_entropy(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Cross entropy of a softmax, :math:`\frac1n \sum_i (\ln \sum_j e^{x_{ij}} - x_{i t_i})`.

    Parameters
    ----------
    output
        (n, classes): logits, not probabilities.
    target
        (n,) integer labels in [0, classes), or (n, classes) probabilities.
    reduction, sample_weight
        As for `mse`; the mean is over samples.
    """
    output, target = asarray(output), asarray(target)
    if output.ndim != 2:
        raise _core.ShapeError(f"[cross_entropy] expected outputs (n, classes), got {output.shape}")
    if target.ndim == 2 and target.shape[1] == 1 and output.shape[1] != 1 and target.dtype.kind in "iub":
        target = target.reshape(-1)
    if target.ndim == 1:
        if target.dtype.kind not in "iub":
            raise _core.DTypeError(f"[cross_entropy] labels must be integers, got {target.dtype}; convert with astype")
        if target.shape[0] != output.shape[0]:
            raise _core.ShapeError(f"[cross_entropy] {target.shape[0]} labels for {output.shape[0]} outputs")
        if target._readable:
            check_labels(target, output.shape[1])
        losses = _core.cross_entropy(output, _core.astype(target, np.int64))
    elif target.shape == output.shape:
        losses = _core.soft_cross_entropy(output, target)
    else:
        raise _core.ShapeError(f"[cross_entropy] targets {target.shape} do not fit outputs {output.shape}")
    return _reduce(losses, reduction, sample_weight)


def binary_cross_entropy(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Cross entropy of a sigmoid, :math:`\frac1n \sum (t \ln(1 + e^{-x}) + (1 - t) \ln(1 + e^{x}))`.

    Both terms are of one sign, so that nothing cancels where a sample is nearly certain. PyTorch calls it with_logits.
    `target` holds probabilities, mostly 0 and 1; the other parameters as for `mse`.
    """
    output, target = _matched("binary_cross_entropy", output, target)
    target = _core.astype(target, output.dtype)
    return _reduce(target * _ops.softplus(-output) + (1 - target) * _ops.softplus(output), reduction, sample_weight)


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


def _matched(loss: str, output: Any, target: Any) -> tuple[Array, Array]:
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


def _reduce(losses: Array, reduction: str, sample_weight: Any) -> Array:
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


_BY_NAME: dict[str, Loss] = {f.__name__: f for f in (mse, mae, huber, cross_entropy, binary_cross_entropy)}


def get(name: str | Loss) -> Loss:
    """Return the loss of that name; a callable is returned as it is."""
    if callable(name):
        return name
    if name not in _BY_NAME:
        import difflib  # only here: it takes a while to import

        close = difflib.get_close_matches(str(name), _BY_NAME, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"[loss] no loss is named {name!r}; there are {', '.join(_BY_NAME)}{hint}")
    return _BY_NAME[name]


__getattr__, __dir__ = module_names(__name__)
