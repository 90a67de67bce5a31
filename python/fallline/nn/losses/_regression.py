"""Losses of numbers."""

from __future__ import annotations

import math
from typing import Any

from fallline import _ops
from fallline._array import Array, asarray
from fallline.nn.losses._common import matched, reduced


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
    output, target = matched("mse", output, target)
    return reduced(_ops.square(output - target), reduction, sample_weight)


def mae(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Mean absolute error, :math:`\frac1n \sum |y - t|`; parameters as for `mse`."""
    output, target = matched("mae", output, target)
    return reduced(_ops.abs(output - target), reduction, sample_weight)


def smooth_l1(
    output: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean", sample_weight: Any = None
) -> Array:
    r""":math:`d^2 / (2 \beta)` below `beta`, :math:`|d| - \beta / 2` above: `huber` over beta. Girshick 2015."""
    if not beta >= 0:
        raise ValueError(f"[smooth_l1] beta must not be negative, got {beta}")
    output, target = matched("smooth_l1", output, target)
    d = _ops.abs(output - target)
    if beta == 0:
        return reduced(d, reduction, sample_weight)
    inside = _ops.minimum(d, beta)
    return reduced(inside * (d - 0.5 * inside) / beta, reduction, sample_weight)


def huber(output: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Half the square below `delta`, linear above: :math:`\delta(|d| - \delta/2)`. Huber 1964."""
    output, target = matched("huber", output, target)
    d = _ops.abs(output - target)
    inside = _ops.minimum(d, delta)
    return reduced(inside * (d - 0.5 * inside), reduction, sample_weight)


def log_cosh(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`\ln \cosh (y - t)`: half the square near 0, the distance minus ln 2 far away."""
    output, target = matched("log_cosh", output, target)
    d = _ops.abs(output - target)
    near = _ops.minimum(d, 1.0)
    # cosh d - 1 = e^d (1 - e^-d)^2 / 2 keeps the digits of small differences.
    small = _ops.log1p(0.5 * _ops.exp(near) * _ops.square(_ops.expm1(-near)))
    large = d + _ops.log1p(_ops.exp(-2 * d)) - math.log(2)
    return reduced(_ops.where(d < 1, small, large), reduction, sample_weight)


def quantile(output: Any, target: Any, *, q: float = 0.5, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r""":math:`\max(q (t - y), (q - 1)(t - y))`, least at the q-quantile. Koenker & Bassett 1978."""
    if not 0 < q < 1:
        raise ValueError(f"[quantile] q must be between 0 and 1, got {q}")
    output, target = matched("quantile", output, target)
    d = target - output
    return reduced(_ops.maximum(q * d, (q - 1) * d), reduction, sample_weight)


def mape(output: Any, target: Any, *, eps: float = 1e-7, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Mean absolute percentage error, :math:`100 |y - t| / \max(|t|, \epsilon)`."""
    output, target = matched("mape", output, target)
    return reduced(100 * _ops.abs(output - target) / _ops.maximum(_ops.abs(target), eps), reduction, sample_weight)


def msle(output: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None) -> Array:
    r"""Mean squared difference of :math:`\ln(1 + y)` and :math:`\ln(1 + t)`; outputs below 0 count as 0.

    At 0 the gradient is that of what is above it, so that an output which has come to 0 can leave it.
    """
    output, target = matched("msle", output, target)
    d = _ops.log1p(_ops.where(output < 0, 0.0, output)) - _ops.log1p(_ops.maximum(target, 0.0))
    return reduced(_ops.square(d), reduction, sample_weight)


def poisson_nll(
    output: Any,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r"""Negative log-likelihood of counts: :math:`e^y - t y`, or :math:`y - t \ln(y + \epsilon)` without `log_input`.

    `full` adds Stirling's :math:`t \ln t - t + \frac12 \ln 2 \pi t` where t > 1. Errors are units in the last place of
    the largest term.
    """
    output, target = matched("poisson_nll", output, target)
    loss = _ops.exp(output) - target * output if log_input else output - target * _ops.log(output + eps)
    if full:
        counts = _ops.maximum(target, 1.0)
        stirling = counts * _ops.log(counts) - counts + 0.5 * _ops.log(2 * math.pi * counts)
        loss = loss + _ops.where(target > 1, stirling, 0 * stirling)
    return reduced(loss, reduction, sample_weight)


def gaussian_nll(
    output: Any,
    target: Any,
    var: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Array:
    r"""Negative log-likelihood of normal numbers: :math:`\frac12 (\ln v + (y - t)^2 / v)`, v at least `eps`.

    `var` has the shape of the output, or one number for each last axis. As in PyTorch the floor changes the value of v
    and not its derivative.
    """
    output, target = matched("gaussian_nll", output, target)
    variance = asarray(var)
    if variance.ndim == output.ndim - 1 and variance.shape == output.shape[:-1]:
        variance = _ops.expand_dims(variance, axis=-1)
    floored = variance + _ops.stop_gradient(_ops.maximum(variance, eps) - variance)
    loss = 0.5 * (_ops.log(floored) + _ops.square(output - target) / floored)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction, sample_weight)
