"""Dense products, and dropout between them."""

from __future__ import annotations

from typing import Any

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.transforms._effects import next_draw


def linear(x: Any, weight: Any, bias: Any = None) -> Array:
    """Return :math:`x W^T + b` along the last axis; the weight is (out, in)."""
    return _core.linear(x, weight, bias)


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Array:
    """Return :math:`x_1^T A_o x_2 + b_o` along the last axes; the weight is (out, in1, in2)."""
    x1, weight = asarray(x1), asarray(weight)
    out, in1, in2 = weight.shape
    # (..., out, in2): the first input times all matrices side by side.
    flat = _ops.reshape(_ops.permute_dims(weight, (1, 0, 2)), (in1, -1))
    products = _ops.reshape(x1 @ flat, (*x1.shape[:-1], out, in2))
    y = _ops.sum(products * _ops.expand_dims(x2, axis=-2), axis=-1)
    return y if bias is None else y + bias


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Array:
    r"""Zero each element with probability p and scale the others by :math:`1 / (1 - p)`. Srivastava et al. 2014."""
    if not 0 <= p < 1:
        raise ValueError(f"[dropout] p must be in [0, 1), got {p}")
    if not training or p == 0:
        return asarray(x)
    key, stream = next_draw()
    return _core.dropout(asarray(x), key, p, stream)
