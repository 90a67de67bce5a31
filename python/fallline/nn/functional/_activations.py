"""Activations, under PyTorch's names and with its options. Nothing is changed in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.transforms._effects import next_draw

# The fixed point of Klambauer et al. 2017, equations 1 and 2: mean 0 and variance 1 stay so.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def relu6(x: Any) -> Array:
    """Return min(max(x, 0), 6)."""
    return _ops.clip(x, 0.0, 6.0)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Array:
    """Return x where it is positive, else ``negative_slope * x``. Maas et al. 2013."""
    x = asarray(x)
    return _ops.where(x > 0, x, negative_slope * x)


def prelu(x: Any, weight: Any) -> Array:
    """Return x where it is positive, else ``weight * x``; one weight, or one for each channel. He et al. 2015."""
    x, weight = asarray(x), asarray(weight)
    along = () if weight.size == 1 else (-1,) if x.ndim < 2 else (1, -1, *[1] * (x.ndim - 2))
    weight = _ops.reshape(weight, along)
    return _ops.where(x > 0, x, weight * x)


def rrelu(x: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Array:
    """Return x where it is positive, else x times a slope: drawn from [lower, upper] in training, their mean otherwise.

    Xu et al. 2015.
    """
    x = asarray(x)
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    return _ops.where(x > 0, x, (lower + (upper - lower) * uniform_like(x)) * x)


def elu(x: Any, alpha: float = 1.0) -> Array:
    r"""Return x where it is positive, else :math:`\alpha (e^x - 1)`. Clevert et al. 2016."""
    x = asarray(x)
    return _ops.where(x > 0, x, alpha * _ops.expm1(_ops.where(x > 0, 0.0, x)))


def celu(x: Any, alpha: float = 1.0) -> Array:
    r"""Return x where it is positive, else :math:`\alpha (e^{x / \alpha} - 1)`. Barron 2017."""
    x = asarray(x)
    return _ops.where(x > 0, x, alpha * _ops.expm1(_ops.where(x > 0, 0.0, x) / alpha))


def selu(x: Any) -> Array:
    """Scale `elu` so that it keeps mean 0 and variance 1. Klambauer et al. 2017."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Any, approximate: str = "none") -> Array:
    r"""Return x times the normal distribution function; "tanh" for the approximation of Hendrycks & Gimpel 2016.

    Errors of the value are units in the last place of x, those of the derivative of 1, also where next to nothing is
    left of them on the negative side.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'[gelu] approximate must be "none" or "tanh", got {approximate!r}')
    x = asarray(x)
    if approximate == "none":
        return _ops.gelu(x)
    y: Array = 0.5 * x * (1 + _ops.tanh(float(np.sqrt(2 / np.pi)) * (x + 0.044715 * x * x * x)))
    return y


def mish(x: Any) -> Array:
    """Return x tanh(softplus(x)). Misra 2019. Errors of its derivative are units in the last place of x sigmoid(x)."""
    x = asarray(x)
    y: Array = x * _ops.tanh(_ops.softplus(x))
    return y


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Array:
    r""":math:`\ln(1 + e^{\beta x}) / \beta`; x itself above the threshold of :math:`\beta x`. Dugas et al. 2001."""
    x = asarray(x)
    if (beta, threshold) == (1.0, 20.0):
        return _ops.softplus(x)  # exact beyond the threshold too
    scaled = beta * x
    return _ops.where(scaled > threshold, x, _ops.softplus(scaled) / beta)


def logsigmoid(x: Any) -> Array:
    """Return ln sigmoid(x)."""
    return -_ops.softplus(-asarray(x))


def softsign(x: Any) -> Array:
    """Return x / (1 + abs(x)); errors of its derivative are units in the last place of 1 / (1 + abs(x))."""
    x = asarray(x)
    y: Array = x / (1 + _ops.abs(x))
    return y


def softshrink(x: Any, lambd: float = 0.5) -> Array:
    """Return x moved towards 0 by `lambd`, and 0 within it."""
    if not lambd >= 0:
        raise ValueError(f"[softshrink] lambd must not be negative, got {lambd}")
    x = asarray(x)
    return _ops.where(x > lambd, x - lambd, _ops.where(x < -lambd, x + lambd, 0 * x))


def hardshrink(x: Any, lambd: float = 0.5) -> Array:
    """x, and 0 within `lambd` of 0."""
    x = asarray(x)
    return _ops.where(_ops.abs(x) > lambd, x, 0 * x)


def tanhshrink(x: Any) -> Array:
    r"""Return x - tanh(x); up to 1 by Lambert's continued fraction, whose terms are of one sign.

    :math:`\tanh x = x / (1 + c)`, where :math:`c = x^2 / (3 + x^2 / (5 + x^2 / (7 + \dots)))`. Lambert 1761.
    """
    x = asarray(x)
    near = _ops.clip(x, -1.0, 1.0)
    square = near * near
    fraction = square / 19
    for odd in (17, 15, 13, 11, 9, 7, 5, 3):
        fraction = square / (odd + fraction)
    return _ops.where(_ops.abs(x) < 1, near * (fraction / (1 + fraction)), x - _ops.tanh(x))


def threshold(x: Any, threshold: float, value: float) -> Array:
    """Return x above the threshold, else the value."""
    x = asarray(x)
    return _ops.where(x > threshold, x, 0 * x + value)


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x, held between `min_val` and `max_val`."""
    if not min_val <= max_val:
        raise ValueError(f"[hardtanh] min_val must not be above max_val, got {min_val} and {max_val}")
    return _ops.clip(x, min_val, max_val)


def hardsigmoid(x: Any) -> Array:
    """Return x / 6 + 1 / 2, held between 0 and 1."""
    return relu6(asarray(x) + 3) / 6


def hardswish(x: Any) -> Array:
    """Return x hardsigmoid(x). Howard et al. 2019."""
    x = asarray(x)
    y: Array = x * hardsigmoid(x)
    return y


def glu(x: Any, dim: int = -1) -> Array:
    """Multiply the first half along an axis with the sigmoid of the second. Dauphin et al. 2017."""
    x = asarray(x)
    size = x.shape[dim]
    if size % 2:
        raise ValueError(f"[glu] axis {dim} of {x.shape} must have an even length")
    before = (slice(None),) * (dim % x.ndim)
    first, second = (*before, slice(size // 2)), (*before, slice(size // 2, None))
    y: Array = x[first] * _ops.sigmoid(x[second])
    return y


def softmax(x: Any, dim: int = -1) -> Array:
    """Return exp(x) over its sum along an axis; losses take logits, so it does not belong before ``cross_entropy``."""
    return _along(_ops.softmax, asarray(x), dim)


def log_softmax(x: Any, dim: int = -1) -> Array:
    """Return the logarithm of the softmax along an axis."""
    return _along(_ops.log_softmax, asarray(x), dim)


def softmin(x: Any, dim: int = -1) -> Array:
    """Return softmax(-x)."""
    return softmax(-asarray(x), dim)


def _along(function: Callable[[Array, int], Array], x: Array, dim: int) -> Array:
    return function(x, dim) if x.ndim else _ops.reshape(function(_ops.reshape(x, (1,)), dim), ())


def softmax2d(x: Any) -> Array:
    """Take the softmax over the channels of images, (n, c, h, w) or (c, h, w)."""
    x = asarray(x)
    if x.ndim not in (3, 4):
        raise ValueError(f"[softmax2d] expected (n, c, h, w) or (c, h, w), got {x.shape}")
    return _ops.softmax(x, -3)


def uniform_like(x: Array) -> Array:
    """Return numbers of [0, 1) in an array's layout, of as many random bits as its dtype keeps, from the step's key."""
    ones = _ops.ones_like(x)
    key, stream = next_draw()
    total: Any = 0.0
    for place in range(1, np.finfo(x.dtype).nmant + 2):
        bit = _core.dropout(ones, key, 0.5, stream + (place << 32))  # 0 or 2
        total = total + bit * 2.0 ** -(place + 1)
    y: Array = total
    return y
