"""What do formulas on whole tensors share?  Lengths and second moments that stay finite, and Adam's direction.

Lengths are summed in float64. A sum or mean of squares that overflows is kept at the largest finite number, so that
the parameter moves again when it decays; NaN stays NaN, and an infinite gradient shows in the first moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["adam", "inner", "mean_square", "norm", "over", "squarable", "squares", "sum_square", "wide"]

Hypers = Mapping[str, Any]


def wide(x: Any) -> Any:
    """Return x in float64."""
    return x if x.dtype == np.float64 else x.astype(np.float64)


def squares(x: Any) -> Any:
    """Return the squares in float64."""
    return np.square(x, dtype=np.float64) if isinstance(x, np.ndarray) else np.square(wide(x))


def inner(x: Any, y: Any) -> Any:
    """Return the sum of all products, in float64."""
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.sum(np.multiply(x, y, dtype=np.float64))  # the conversion goes block by block
    return np.sum(wide(x) * wide(y))


def norm(x: Any) -> Any:
    """Return the Euclidean length of all elements."""
    return np.sqrt(inner(x, x)).astype(x.dtype)


def mean_square(beta: Any, v: Any, g: Any) -> Any:
    """Return the running mean of squares after one more of them."""
    return _kept_finite(beta * v + (1 - beta) * (g * g))


def sum_square(v: Any, g: Any, weight: Any = 1.0) -> Any:
    """Return the sum of squares after one more of them."""
    return _kept_finite(v + weight * (g * g))


def squarable(g: Any) -> Any:
    """Return g with what is too large to be squared at the bound of the elementwise rules (rules.inc.h)."""
    bound = 2.0**62 if g.dtype == np.float32 else 2.0**510
    if isinstance(g, np.ndarray) and g.max(initial=0) <= bound and g.min(initial=0) >= -bound:
        return g
    return np.where(g - g == 0, np.minimum(np.maximum(g, -bound), bound), g)


def _kept_finite(v: Any) -> Any:
    return np.minimum(v, float(np.finfo(v.dtype).max))


def over(x: Any, root: Any) -> Any:
    """Return x / root, and x where the root is zero: without a gradient so far there is no step, not 0 / 0."""
    return x / np.where(root == 0, 1, root)


def adam(h: Hypers, t: Any, m: Any, v: Any, eps: Any, eps_root: Any = 0.0, eps_hat: bool = False) -> Any:
    r"""Return :math:`\hat m / (\sqrt{\hat v + \epsilon_r} + \epsilon)`; with `eps_hat` eps is corrected as v is.

    The root is corrected instead of v: the quotient v / (1 - beta2^t) would overflow earlier.
    """
    c1, c2 = 1 - h["beta1"] ** t, (1 - h["beta2"] ** t) ** 0.5
    inside = v + eps_root * (c2 * c2) if _given(eps_root) else v
    return over(m / c1, (np.sqrt(inside) + eps) / c2 if eps_hat else np.sqrt(inside) / c2 + eps)


def _given(value: Any) -> bool:
    return not isinstance(value, float) or value != 0
