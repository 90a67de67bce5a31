"""What must every elementwise function compute?  NumPy's own, with what the shared tests must know about each.

This file imports NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]


Range = tuple[float, float]
FLOATS = ("float32", "float64")
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class OpRow(NamedTuple):
    """A function in NumPy, where it is looked at, and what the shared tests must know about it."""

    numpy: Callable[..., np.ndarray]
    floats: tuple[Range, ...] = ()  # one range per argument; empty where floats are refused
    ulp: tuple[float, float] = (0.5, 0.5)  # errors in float32 and float64; 0.5 is a correctly rounded result
    near: float = 0.0  # errors of smaller results are counted in units of this one: where terms cancel
    differentiable: bool = False  # else its derivative is zero wherever it has one, and nothing is recorded
    zero_sign: bool = True  # whether a zero has the sign of NumPy's
    whole: tuple[Range | None, ...] = ()  # the same for integers; None is the whole range of the dtype
    booleans: bool = False  # whether two bools make a bool, as in NumPy


def unary(function: Callable[..., np.ndarray], low: float, high: float, **facts: Any) -> OpRow:
    return OpRow(function, ((low, high),), differentiable=True, **facts)


def binary(function: Callable[..., np.ndarray], *ranges: Range, **facts: Any) -> OpRow:
    return OpRow(function, ranges or ((-9, 9), (-9, 9)), differentiable=True, **facts)


def shuffled(bits: np.ndarray) -> np.ndarray:
    """Return the numbers below n, exchanged from the first on: place i with i + floor(bits[i] (n - i) / 2^64)."""
    order = np.arange(len(bits))
    for i in range(len(bits)):
        j = i + (int(bits[i]) * (len(bits) - i) >> 64)
        order[[i, j]] = order[[j, i]]
    return order


def erf(x: np.ndarray) -> np.ndarray:
    return np.array([math.erf(v) for v in np.ravel(x).tolist()], np.longdouble).reshape(np.shape(x))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + erf(x / math.sqrt(2))) / 2


ANY: tuple[Range | None, ...] = (None, None)
COUNT: Range = (0, 70)  # bits to shift by, also more than there are
EXPONENT: Range = (0, 9)

REFERENCE_OPS: dict[str, OpRow] = {
    "negative": unary(np.negative, -9, 9, whole=(None,)),
    "abs": unary(np.abs, -9, 9, whole=(None,)),
    "sign": unary(np.sign, -9, 9, whole=(None,)),
    "square": unary(np.square, -9, 9, whole=(None,)),
    "reciprocal": unary(np.reciprocal, 0.1, 9),
    "sqrt": unary(np.sqrt, 0.1, 9),
    "exp": unary(np.exp, -9, 9, ulp=(1.2, 1.2)),
    "expm1": unary(np.expm1, -9, 9, ulp=(1.4, 1.4)),
    "log": unary(np.log, 0.1, 9, ulp=(1.2, 1.2)),
    "log1p": unary(np.log1p, -0.9, 9, ulp=(1.2, 1.2)),
    "sin": unary(np.sin, -9, 9, ulp=(1.4, 1.4)),
    "cos": unary(np.cos, -9, 9, ulp=(1.4, 1.4)),
    "tanh": unary(np.tanh, -9, 9, ulp=(2.5, 2.5)),
    "erf": unary(erf, -6, 6, ulp=(1.2, 2.5)),  # the C library's is itself off by one unit of double
    "sigmoid": unary(sigmoid, -9, 9, ulp=(3, 3)),
    "softplus": unary(softplus, -9, 9, ulp=(3, 3)),
    "relu": unary(lambda x: np.maximum(x, 0), -9, 9, zero_sign=False, whole=(None,)),
    "gelu": unary(gelu, -6, 6, ulp=(4, 4), near=1.0),
    "silu": unary(lambda x: x * sigmoid(x), -9, 9, ulp=(4, 4)),
    "floor": unary(np.floor, -9, 9, whole=(None,)),
    "ceil": unary(np.ceil, -9, 9, whole=(None,)),
    "trunc": unary(np.trunc, -9, 9, whole=(None,)),
    "round": unary(np.rint, -9, 9),
    "add": binary(np.add, whole=ANY, booleans=True),
    "subtract": binary(np.subtract, whole=ANY),
    "multiply": binary(np.multiply, whole=ANY, booleans=True),
    "divide": binary(np.divide, (-9, 9), (0.1, 9)),
    "power": binary(np.power, (0.1, 3), (-3, 3), ulp=(1.4, 1.8), whole=(None, EXPONENT)),
    "maximum": binary(np.maximum, zero_sign=False, whole=ANY, booleans=True),
    "minimum": binary(np.minimum, zero_sign=False, whole=ANY, booleans=True),
    "equal": OpRow(np.equal, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "not_equal": OpRow(np.not_equal, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "less": OpRow(np.less, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "less_equal": OpRow(np.less_equal, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "greater": OpRow(np.greater, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "greater_equal": OpRow(np.greater_equal, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "logical_and": OpRow(np.logical_and, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "logical_or": OpRow(np.logical_or, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "logical_xor": OpRow(np.logical_xor, ((-3, 3),) * 2, whole=ANY, booleans=True),
    "int_add": OpRow(np.add, whole=ANY, booleans=True),
    "int_subtract": OpRow(np.subtract, whole=ANY),
    "int_multiply": OpRow(np.multiply, whole=ANY, booleans=True),
    "int_maximum": OpRow(np.maximum, whole=ANY, booleans=True),
    "int_minimum": OpRow(np.minimum, whole=ANY, booleans=True),
    "int_power": OpRow(np.power, whole=(None, EXPONENT)),
    "floor_divide": OpRow(np.floor_divide, ((-9, 9),) * 2, whole=ANY),
    "remainder": binary(np.remainder, whole=ANY),
    "fmod": binary(np.fmod, whole=ANY),
    "bitwise_and": OpRow(np.bitwise_and, whole=ANY, booleans=True),
    "bitwise_or": OpRow(np.bitwise_or, whole=ANY, booleans=True),
    "bitwise_xor": OpRow(np.bitwise_xor, whole=ANY, booleans=True),
    "bitwise_left_shift": OpRow(np.left_shift, whole=(None, COUNT)),
    "bitwise_right_shift": OpRow(np.right_shift, whole=(None, COUNT)),
    "isnan": OpRow(np.isnan, ((-9, 9),), whole=(None,)),
    "isinf": OpRow(np.isinf, ((-9, 9),), whole=(None,)),
    "isfinite": OpRow(np.isfinite, ((-9, 9),), whole=(None,)),
    "logical_not": OpRow(np.logical_not, ((-9, 9),), whole=(None,)),
}


def op_arguments(name: str, dtype: str, n: int, seed: int) -> Arrays:
    """Return n values of each argument, in the row's ranges and of the dtype."""
    row, rng = REFERENCE_OPS[name], np.random.default_rng(seed)
    if dtype == "bool":
        return tuple(rng.integers(0, 2, n).astype(bool) for _ in row.whole)
    if dtype in FLOATS:
        return tuple(rng.uniform(*limits, n).astype(dtype) for limits in row.floats)
    info = np.iinfo(dtype)
    ranges = [limits or (info.min, info.max) for limits in row.whole]
    values = [rng.integers(int(low), int(high), n, dtype=dtype, endpoint=True) for low, high in ranges]
    for value, limits in zip(values, row.whole, strict=True):
        if limits is None:
            value[: n // 2] %= 5  # so that equal values meet, and zeros
    return tuple(values)
