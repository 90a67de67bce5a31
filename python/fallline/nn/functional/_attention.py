"""Attention: weighted means of values, by how well queries and keys fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray


def additive(mask: Any, dtype: Any) -> Array:
    """Return a mask that is added to scores: true means no attention, numbers are added as they are."""
    mask = asarray(mask)
    if mask.dtype.kind != "b":
        return _core.astype(mask, dtype)
    return _ops.where(mask, _ops.full((), -math.inf, dtype=dtype), _ops.zeros((), dtype=dtype))


def causal_mask(rows: int, columns: int) -> np.ndarray:
    """Return what lies in the future: true above the diagonal."""
    return np.triu(np.ones((rows, columns), bool), 1)


def attention_weights(scores: Array) -> Array:
    """Return the softmax along the last axis; zeros where everything is masked."""
    nothing = _ops.equal(_ops.max(_core.detach(scores), axis=-1, keepdims=True), -math.inf)
    zero = _ops.zeros((), dtype=scores.dtype)
    return _ops.where(nothing, zero, _ops.softmax(_ops.where(nothing, zero, scores), -1))


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Array:
    r"""Return :math:`\mathrm{softmax}(Q K^T / \sqrt d + M) V`. Vaswani et al. 2017, equation 1.

    Parameters
    ----------
    query, key, value
        (..., targets, d), (..., sources, d), (..., sources, width).
    attn_mask
        Added to the scores; a boolean one is true where attention is *allowed*, as in PyTorch.
    is_causal
        Whether targets see only sources up to their own number.
    scale
        Instead of 1 / sqrt(d).

    Notes
    -----
    A target that may attend to nothing gets zeros.
    """
    query, key, value = asarray(query), asarray(key), asarray(value)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * factor) @ _core.permute(key, [*range(key.ndim - 2), key.ndim - 1, key.ndim - 2])
    if is_causal:
        scores = scores + additive(causal_mask(scores.shape[-2], scores.shape[-1]), scores.dtype)
    if attn_mask is not None:
        mask = asarray(attn_mask)
        scores = scores + additive(~mask if mask.dtype.kind == "b" else mask, scores.dtype)
    y: Array = attention_weights(scores) @ value
    return y
