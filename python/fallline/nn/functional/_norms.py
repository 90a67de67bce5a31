"""Normalisations that need no running statistics, and distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.functional._padding import pad


def normalized(x: Array, axes: Sequence[int], eps: float) -> Array:
    """Bring the elements along some axes to mean 0 and variance 1."""
    centred = x - _ops.mean(x, axis=tuple(axes), keepdims=True)
    return centred / _ops.sqrt(_ops.mean(_ops.square(centred), axis=tuple(axes), keepdims=True) + eps)


def _last(op: str, x: Array, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[x.ndim - len(shape) :] != shape:
        raise _core.ShapeError(f"[{op}] expected an input that ends in {shape}, got {x.shape}")
    return tuple(range(x.ndim - len(shape), x.ndim))


def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Array:
    r"""Return :math:`\gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta` over the last axes. Ba et al. 2016."""
    x = asarray(x)
    y = normalized(x, _last("layer_norm", x, normalized_shape), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Array:
    r"""Return :math:`\gamma x / \sqrt{\overline{x^2} + \epsilon}` over the last axes. Zhang & Sennrich 2019.

    By default :math:`\epsilon` is the dtype's precision.
    """
    x = asarray(x)
    axes = _last("rms_norm", x, normalized_shape)
    small = float(np.finfo(x.dtype).eps) if eps is None else eps
    y: Array = x / _ops.sqrt(_ops.mean(_ops.square(x), axis=axes, keepdims=True) + small)
    return y if weight is None else y * weight


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Array:
    """Normalise each group of channels of each sample, (n, c, ...). Wu & He 2018."""
    x = asarray(x)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise _core.ShapeError(f"[group_norm] expected (n, c, ...) with c a multiple of {num_groups}, got {x.shape}")
    grouped = _ops.reshape(x, (x.shape[0], num_groups, -1))
    y = _ops.reshape(normalized(grouped, (2,), eps), x.shape)
    return scaled(y, weight, bias)


def scaled(y: Array, weight: Any, bias: Any) -> Array:
    """Scale and shift each channel, axis 1."""
    along = (1, -1, *[1] * (y.ndim - 2))
    y = y if weight is None else y * _ops.reshape(asarray(weight), along)
    return y if bias is None else y + _ops.reshape(asarray(bias), along)


def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    r"""Return :math:`x / (k + \alpha \overline{x^2})^\beta`, the mean over `size` neighbouring channels.

    Krizhevsky et al. 2012. As in PyTorch the mean counts channels beyond the ends as zeros.
    """
    x = asarray(x)
    if x.ndim < 3:
        raise _core.ShapeError(f"[local_response_norm] expected (n, c, ...) with 3 axes or more, got {x.shape}")
    squares = pad(_ops.square(x), [*[0, 0] * (x.ndim - 2), size // 2, (size - 1) // 2])
    total = squares[:, : x.shape[1]]
    for place in range(1, size):
        total = total + squares[:, place : place + x.shape[1]]
    y: Array = x / _ops.power(total * (alpha / size) + k, beta)
    return y


def normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """Divide by the p-norm along an axis, or by eps where that is larger."""
    x = asarray(x)
    y: Array = x / _ops.maximum(norm(x, p, dim, True), eps)
    return y


def norm(x: Array, p: float, dim: int, keepdims: bool) -> Array:
    """Return the p-norm along an axis; its derivative at 0 is 0."""
    if p == 2.0:
        squares = _ops.sum(_ops.square(x), axis=dim, keepdims=keepdims)
        safe = _ops.where(squares > 0, squares, _ops.ones_like(squares))
        return _ops.where(squares > 0, _ops.sqrt(safe), 0 * squares)
    total = _ops.sum(_ops.power(_ops.abs(x), p), axis=dim, keepdims=keepdims)
    return _ops.power(total, 1.0 / p)


def cosine_similarity(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Array:
    r"""Return :math:`a \cdot b / (\max(|a|, \epsilon) \max(|b|, \epsilon))` along an axis."""
    a, b = asarray(a), asarray(b)
    lengths = [_ops.maximum(norm(v, 2.0, dim, False), eps) for v in (a, b)]
    return _ops.sum(a * b, axis=dim) / (lengths[0] * lengths[1])


def pairwise_distance(a: Any, b: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """Return the p-norm of a - b + eps along the last axis."""
    return norm(asarray(a) - asarray(b) + eps, p, -1, keepdim)
