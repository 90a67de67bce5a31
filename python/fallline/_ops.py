"""The functions on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fallline import _core, _tree
from fallline._array import Array, asarray
from fallline._creation import (
    arange as arange,
)
from fallline._creation import (
    eye as eye,
)
from fallline._creation import (
    full as full,
)
from fallline._creation import (
    linspace as linspace,
)
from fallline._creation import (
    ones as ones,
)
from fallline._creation import (
    ones_like as ones_like,
)
from fallline._creation import (
    zeros as zeros,
)
from fallline._creation import (
    zeros_like as zeros_like,
)
from fallline._doc import binary, unary
from fallline._explain import FOREIGN, explained, told_of

Axis = int | tuple[int, ...] | None

# ----- elementwise: name, formula, what it is -----

negative = unary("negative", "-x", "The negative.")
abs = unary("abs", r"|x|", "The absolute value; its derivative at 0 is 0.")
sign = unary("sign", r"\operatorname{sign}(x)", "-1, 0 or 1; NaN stays NaN.")
square = unary("square", "x^2", "The square.")
reciprocal = unary("reciprocal", "1/x", "The reciprocal.")
sqrt = unary("sqrt", r"\sqrt{x}", "The square root, correctly rounded; NaN below 0.")
exp = unary("exp", "e^x", "The exponential.")
expm1 = unary("expm1", "e^x - 1", "The exponential minus one, exact near 0.")
log = unary("log", r"\ln x", "The natural logarithm; -inf at 0, NaN below.")
log1p = unary("log1p", r"\ln(1 + x)", "The logarithm of one plus x, exact near 0.")
sin = unary("sin", r"\sin x", "The sine of x in radians.")
cos = unary("cos", r"\cos x", "The cosine of x in radians.")
tanh = unary(
    "tanh", r"\tanh x", "The hyperbolic tangent; its derivative 1 - y^2 is right to a digit of 1, not of itself."
)
erf = unary("erf", r"\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt", "The error function.")
sigmoid = unary(
    "sigmoid", r"\frac{1}{1 + e^{-x}}", "The logistic function; its derivative y (1 - y) is right to a digit of 1."
)
softplus = unary("softplus", r"\ln(1 + e^x)", "A smooth relu, stable for large x.")
relu = unary("relu", r"\max(x, 0)", "The rectifier; its derivative at 0 is 0.")
gelu = unary(
    "gelu", r"x \Phi(x)", "Gaussian error linear unit (Hendrycks & Gimpel 2016), by erf: right to digits of x."
)
silu = unary("silu", r"x \sigma(x)", "Sigmoid linear unit, or swish (Elfwing et al. 2018).")
floor = unary("floor", r"\lfloor x \rfloor", "The largest whole number not above x.")
ceil = unary("ceil", r"\lceil x \rceil", "The smallest whole number not below x.")
trunc = unary("trunc", r"\operatorname{trunc}(x)", "The whole part, towards zero.")
round = unary("round", r"\operatorname{round}(x)", "The nearest whole number, halves to even.")

add = binary("add", "x + y", "The sum.")
subtract = binary("subtract", "x - y", "The difference.")
multiply = binary("multiply", "x y", "The product.")
divide = binary("divide", "x / y", "The quotient; integers are divided in the default dtype.")
maximum = binary("maximum", r"\max(x, y)", "The larger one; NaN if either is. At a tie each takes half the gradient.")
minimum = binary("minimum", r"\min(x, y)", "The smaller one; NaN if either is. At a tie each takes half the gradient.")
floor_divide = binary("floor_divide", r"\lfloor x / y \rfloor", "Division rounded down; constant between its steps.")
remainder = binary("remainder", r"x - y \lfloor x / y \rfloor", "The remainder with y's sign, as Python's ``%``.")
fmod = binary("fmod", r"x - y \operatorname{trunc}(x / y)", "The remainder with x's sign, as in C.")

equal = binary("equal", "x = y", "Whether they are equal.")
not_equal = binary("not_equal", r"x \ne y", "Whether they differ.")
less = binary("less", "x < y", "Whether x is less.")
less_equal = binary("less_equal", r"x \le y", "Whether x is less or equal.")
greater = binary("greater", "x > y", "Whether x is greater.")
greater_equal = binary("greater_equal", r"x \ge y", "Whether x is greater or equal.")
logical_and = binary("logical_and", r"x \wedge y", "Whether both are true.")
logical_or = binary("logical_or", r"x \vee y", "Whether one is true.")
logical_xor = binary("logical_xor", r"x \oplus y", "Whether exactly one is true.")
logical_not = unary("logical_not", r"\neg x", "Whether it is false.")
bitwise_and = binary("bitwise_and", r"x \mathbin{\&} y", "Bit by bit and, for integers and bool.")
bitwise_or = binary("bitwise_or", r"x \mid y", "Bit by bit or, for integers and bool.")
bitwise_xor = binary("bitwise_xor", r"x \oplus y", "Bit by bit exclusive or, for integers and bool.")
bitwise_left_shift = binary("bitwise_left_shift", r"x 2^y", "The bits moved up, for integers.")
bitwise_right_shift = binary("bitwise_right_shift", r"\lfloor x 2^{-y} \rfloor", "The bits moved down, for integers.")
isnan = unary("isnan", r"x \ne x", "Whether it is NaN.")
isinf = unary("isinf", r"|x| = \infty", "Whether it is infinite.")
isfinite = unary("isfinite", r"|x| < \infty", "Whether it is a finite number.")


@explained
def power(x: Any, y: Any, /) -> Array:
    r"""Return :math:`x^y` elementwise, with broadcasting.

    Integers stay integers; a negative integer exponent of integers raises ValueError.
    """
    out: Array = asarray(x) ** y
    return out


def where(condition: Any, x: Any, y: Any, /) -> Array:
    """Return x where the condition holds, else y; both sides are computed before.

    Guard the argument of a function whose derivative is infinite on the other side:
    ``where(x > 0, sqrt(where(x > 0, x, 1)), 0)``.
    """
    return _core.where(condition, x, y)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Array:
    """Limit the values to [min, max]; None leaves a side open."""
    out = asarray(x)
    if min is not None:
        out = maximum(out, min)
    return out if max is None else minimum(out, max)


# ----- reductions -----
# What is called most has a try block of its own: it costs nothing while all goes well.


def _reduction(x: Any, out: Any, dtype: Any) -> Any:
    if out is not None:
        raise TypeError("[reduce] out= is not supported on fallline arrays; assign the result instead")
    return x if dtype is None else astype(x, dtype)


def sum(x: Any, /, axis: Axis = None, dtype: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Sum over axes, or over all; small integers and bool are summed in 64 bits.

    The order of the additions is fixed by the shape: the same bits for every thread count and on every CPU with FMA.
    """
    try:
        return _core.sum(_reduction(x, out, dtype), axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, sum, x, axis=axis, dtype=dtype, keepdims=keepdims) from None


def mean(x: Any, /, axis: Axis = None, dtype: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Arithmetic mean over axes, or over all; NaN over nothing."""
    try:
        return _core.mean(_reduction(x, out, dtype), axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, mean, x, axis=axis, dtype=dtype, keepdims=keepdims) from None


def max(x: Any, /, axis: Axis = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Largest value over axes, or over all; NaN if there is one. Equal maxima share the gradient."""
    try:
        return _core.max(_reduction(x, out, None), axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, max, x, axis=axis, keepdims=keepdims) from None


def min(x: Any, /, axis: Axis = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Smallest value over axes, or over all; NaN if there is one. Equal minima share the gradient."""
    try:
        return _core.min(_reduction(x, out, None), axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, min, x, axis=axis, keepdims=keepdims) from None


def logsumexp(x: Any, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    r"""Return :math:`\ln \sum e^x` over axes, or over all, without overflow.

    Right to a few units of the last place, also where next to nothing is added to a 0; of its derivative, the softmax,
    an element that is x below the sum is right to x of them.
    """
    try:
        return _core.logsumexp(x, axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, logsumexp, x, axis=axis, keepdims=keepdims) from None


def argmax(x: Any, /, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first largest value along an axis (int64); of the first NaN if there is one."""
    try:
        return _core.argmax(_reduction(x, out, None), axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, argmax, x, axis=axis, keepdims=keepdims) from None


def argmin(x: Any, /, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first smallest value along an axis (int64); of the first NaN if there is one."""
    try:
        return _core.argmin(_reduction(x, out, None), axis, keepdims)
    except FOREIGN as error:
        raise told_of(error, argmin, x, axis=axis, keepdims=keepdims) from None


@explained
def var(x: Any, /, axis: Axis = None, *, correction: float = 0, keepdims: bool = False) -> Array:
    """Variance over axes: the mean square distance from the mean, divided by n - correction."""
    x = asarray(x)
    if x.dtype.kind != "f":
        x = astype(x, _core.default_dtype())
    d = square(x - mean(x, axis, keepdims=True))
    total = sum(d, axis, keepdims=keepdims)
    n = x.size / math.prod(total.shape) if total.size else 0
    return total / (n - correction)


@explained
def std(x: Any, /, axis: Axis = None, *, correction: float = 0, keepdims: bool = False) -> Array:
    """Square root of `var`; where all elements are equal its derivative is 0."""
    return root_of_sum(var(x, axis, correction=correction, keepdims=keepdims))


def root_of_sum(total: Array) -> Array:
    """Return the square root of a sum of squares, whose derivative is 0 where all of them are."""
    none = total == 0
    return where(none, total, sqrt(where(none, 1, total)))


@explained
def all(x: Any, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Whether all are true."""
    return _core.sum(logical_not(x), axis, keepdims) == 0


@explained
def any(x: Any, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Whether one is true."""
    return _core.sum(logical_not(logical_not(x)), axis, keepdims) > 0


# ----- products -----


def matmul(x: Any, y: Any, /) -> Array:
    """Matrix product over the last two axes; the others broadcast. A vector is a row at the left, else a column."""
    return _core.matmul(x, y)


def dot(x: Any, y: Any, /) -> Array:
    """Return NumPy's dot of arrays of up to two axes: `matmul`, or the product with a number."""
    x, y = asarray(x), asarray(y)
    return x * y if x.ndim == 0 or y.ndim == 0 else matmul(x, y)


def linear(x: Any, weight: Any, bias: Any = None, /) -> Array:
    """Return ``x @ weight.T + bias``: the dense layer, with a weight of shape (out, in)."""
    return _core.linear(x, weight, bias)


def softmax(x: Any, /, axis: int = -1) -> Array:
    r"""Return :math:`e^{x_i} / \sum_j e^{x_j}` along an axis."""
    try:
        return _core.softmax(x, axis)
    except FOREIGN as error:
        raise told_of(error, softmax, x, axis=axis) from None


def log_softmax(x: Any, /, axis: int = -1) -> Array:
    r"""Return :math:`x_i - \ln \sum_j e^{x_j}` along an axis."""
    try:
        return _core.log_softmax(x, axis)
    except FOREIGN as error:
        raise told_of(error, log_softmax, x, axis=axis) from None


# ----- shape -----


def reshape(x: Any, /, shape: int | Sequence[int], *, copy: bool | None = None) -> Array:
    """Show the elements, in row-major order, in another shape; one length may be -1. A view where memory allows."""
    try:
        out = _core.reshape(x, shape)
        return _core.copy(out) if copy else out
    except FOREIGN as error:
        raise told_of(error, reshape, x, shape=shape, copy=copy) from None


def permute_dims(x: Any, /, axes: Sequence[int]) -> Array:
    """Reorder the axes: axis i of the result is axis ``axes[i]``. A view."""
    try:
        n = asarray(x).ndim
        order = [axis + n if axis < 0 else axis for axis in axes]
        if sorted(order) != list(range(n)):
            raise _core.ShapeError(f"[permute_dims] axes {tuple(axes)} are not an order of the {n} axes")
        return _core.permute(x, order)
    except FOREIGN as error:
        raise told_of(error, permute_dims, x, axes=axes) from None


def transpose(x: Any, /, axes: Sequence[int] | None = None) -> Array:
    """Reverse the axes, or reorder them as `axes` say. A view."""
    try:
        return permute_dims(x, range(asarray(x).ndim)[::-1] if axes is None else axes)
    except FOREIGN as error:
        raise told_of(error, transpose, x, axes=axes) from None


def matrix_transpose(x: Any, /) -> Array:
    """Swap the last two axes. A view."""
    n = asarray(x).ndim
    if n < 2:
        raise _core.ShapeError(f"[matrix_transpose] needs at least two axes, got shape {asarray(x).shape}")
    return _core.permute(x, [*range(n - 2), n - 1, n - 2])


def expand_dims(x: Any, /, axis: int = 0) -> Array:
    """Put in an axis of length 1."""
    try:
        shape = list(asarray(x).shape)
        if not -len(shape) - 1 <= axis <= len(shape):
            raise IndexError(f"[expand_dims] axis {axis} is out of range for the shape {tuple(shape)}")
        shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
        return _core.reshape(x, shape)
    except FOREIGN as error:
        raise told_of(error, expand_dims, x, axis=axis) from None


def squeeze(x: Any, /, axis: int | tuple[int, ...] | None = None) -> Array:
    """Take out axes of length 1; all of them when `axis` is None."""
    try:
        shape = asarray(x).shape
        axes = (
            [i for i, n in enumerate(shape) if n == 1]
            if axis is None
            else [axis]
            if isinstance(axis, int)
            else list(axis)
        )
        if wrong := [a for a in axes if not -len(shape) <= a < len(shape)]:
            raise _core.ShapeError(f"[squeeze] axis {wrong[0]} is out of range for the shape {tuple(shape)}")
        chosen = {a % len(shape) for a in axes}
        if wrong := [a for a in chosen if shape[a] != 1]:
            raise _core.ShapeError(f"[squeeze] axis {wrong[0]} has length {shape[wrong[0]]}, expected 1")
        return _core.reshape(x, [n for i, n in enumerate(shape) if i not in chosen])
    except FOREIGN as error:
        raise told_of(error, squeeze, x, axis=axis) from None


def ravel(x: Any, /) -> Array:
    """Show the elements in one axis, in row-major order."""
    return _core.reshape(x, -1)


def broadcast_to(x: Any, /, shape: Sequence[int]) -> Array:
    """Repeat along axes of length 1 and new leading axes, without copying."""
    try:
        return _core.broadcast_to(x, shape)
    except FOREIGN as error:
        raise told_of(error, broadcast_to, x, shape=shape) from None


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Array:
    """Join arrays along an axis that they have; None joins them flattened."""
    try:
        parts = [asarray(a) for a in arrays]
        return _core.concatenate([ravel(p) for p in parts] if axis is None else parts, axis or 0)
    except FOREIGN as error:
        raise told_of(error, concat, arrays, axis=axis) from None


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Array:
    """Join arrays of one shape along a new axis."""
    try:
        return concat([expand_dims(a, axis) for a in arrays], axis=axis)
    except FOREIGN as error:
        raise told_of(error, stack, arrays, axis=axis) from None


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Array:
    """Return the elements at integer indices along an axis; negative ones count from the end."""
    try:
        return _core.take(ravel(x) if axis is None else x, indices, axis or 0)
    except FOREIGN as error:
        raise told_of(error, take, x, indices, axis=axis) from None


@explained
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Array:
    """Convert to another dtype. Between float dtypes it is differentiable."""
    x = asarray(x)
    return _core.copy(x) if copy and x.dtype == np.dtype(dtype) else _core.astype(x, dtype)


def copy(x: Any, /) -> Array:
    """Return a row-major copy."""
    return _core.copy(x)


def stop_gradient(x: Any, /) -> Any:
    """Return the same values as constants: no derivative passes. Of an array, or of each in a tree."""
    return _core.detach(x) if isinstance(x, Array) else _tree.map(_core.detach, x)
