"""Where in a sequence is an element?  Waves that are added, angles by which it is turned, and distances that count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray

__all__ = ["alibi", "alibi_slopes", "rotary", "sinusoidal"]


def sinusoidal(length: int, dims: int, base: float = 10000.0) -> np.ndarray:
    r"""Return waves of falling frequency, (length, dims): sines at even places, cosines at odd ones.

    :math:`PE(t, 2i) = \sin(t / b^{2i/d}), \; PE(t, 2i + 1) = \cos(t / b^{2i/d})`. Vaswani et al. 2017, section 3.5.

    >>> sinusoidal(2, 4).round(3)
    array([[0.   , 1.   , 0.   , 1.   ],
           [0.841, 0.54 , 0.01 , 1.   ]])
    """
    _check_even("sinusoidal", dims)
    angles = np.arange(length)[:, None] * _frequencies(dims, base)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, dims)


def rotary(x: Any, dims: int | None = None, base: float = 10000.0, interleaved: bool = False, offset: int = 0) -> Array:
    r"""Turn pairs of features of each element by angles that grow with its position: (..., length, features).

    :math:`(x_1, x_2) \to (x_1 \cos t\theta_i - x_2 \sin t\theta_i, \; x_1 \sin t\theta_i + x_2 \cos t\theta_i)` with
    :math:`\theta_i = b^{-2i/d}`, so that products of queries and keys depend on their distance alone. Su et al. 2021,
    RoFormer, equation 34.

    Parameters
    ----------
    x
        Queries or keys.
    dims
        How many features are turned, an even number; all by default.
    base
        :math:`b`.
    interleaved
        Whether pairs are neighbours, as in the paper, or lie half of `dims` apart, as in GPT-NeoX and LLaMA.
    offset
        The position of the first element.
    """
    x = asarray(x)
    if x.ndim < 2:
        raise _core.ShapeError(f"[rotary] expected (..., length, features), got {x.shape}")
    length, features = x.shape[-2:]
    dims = features if dims is None else dims
    _check_even("rotary", dims)
    if dims > features:
        raise _core.ShapeError(f"[rotary] dims={dims} features shall be turned, x has {features}: {x.shape}")
    angles = np.arange(offset, offset + length)[:, None] * _frequencies(dims, base)
    cos, sin = (asarray(np.asarray(f(angles), x.dtype)) for f in (np.cos, np.sin))
    half = dims // 2
    if interleaved:
        first, second = x[..., 0:dims:2], x[..., 1:dims:2]
    else:
        first, second = x[..., :half], x[..., half:dims]
    turned = [first * cos - second * sin, first * sin + second * cos]
    if interleaved:
        turned = [_ops.reshape(_ops.stack(turned, axis=-1), (*x.shape[:-1], dims))]
    rest = [x[..., dims:]] if dims < features else []
    return _ops.concat([*turned, *rest], axis=-1) if len(turned) + len(rest) > 1 else turned[0]


def alibi_slopes(num_heads: int) -> np.ndarray:
    """Return how much each head's scores fall per step of distance: a geometric row from 2^(-8/n) to 2^-8.

    Press et al. 2022; where n is no power of two, as in the authors' code: the row of the power below, then every
    other one of that of the power above.

    >>> alibi_slopes(4)
    array([0.25      , 0.0625    , 0.015625  , 0.00390625])
    """

    def row(n: int) -> np.ndarray:
        return np.exp2(-8 * np.arange(1, n + 1) / n)

    below = 2 ** int(math.log2(num_heads))
    return np.concatenate([row(below), row(2 * below)[::2][: num_heads - below]])


def alibi(num_heads: int, targets: int, sources: int | None = None) -> np.ndarray:
    r"""Return what is added to scores so that what is far counts less: (heads, targets, sources).

    :math:`-m_h |i - j|` with the slopes of `alibi_slopes`; targets are the last positions of the sources. Press, Smith
    & Lewis 2022, "Train short, test long: attention with linear biases enables input length extrapolation".
    """
    sources = targets if sources is None else sources
    own = np.arange(sources - targets, sources)[:, None]
    distance = np.abs(own - np.arange(sources))
    return np.asarray(-alibi_slopes(num_heads)[:, None, None] * distance)


def _frequencies(dims: int, base: float) -> np.ndarray:
    return np.asarray(base ** (-np.arange(0, dims, 2) / dims))


def _check_even(what: str, dims: int) -> None:
    if dims < 2 or dims % 2:
        raise ValueError(f"[{what}] features come in pairs: dims must be even, got {dims}")
