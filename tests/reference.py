"""What must every rule compute?  A few lines of NumPy each, which native kernels equal bit for bit.

This file imports NumPy alone. Constants are formed in Python's floats and rounded once, by T, to the arrays' type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]


# Update rules --------------------------------------------------------------------------------------------------------


class RuleRow(NamedTuple):
    """A rule: one step on (gradient, parameter, slots), its slots, and what the shared tests must know about it."""

    step: Callable[..., Arrays]
    slots: tuple[str, ...]
    variants: tuple[dict[str, float], ...]  # hyper-parameters away from the defaults
    lr: float  # brings the parabola and Rosenbrock's valley down


def power(b: float, t: int) -> float:
    """Return b^t by repeated squaring, in the order of the native code."""
    out = 1.0
    while t:
        if t & 1:
            out *= b
        b *= b
        t >>= 1
    return out


def sgd(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray) -> Arrays:
    return (w - T(h["lr"]) * g,)


def momentum(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    damped = h["dampening"] if t > 1 or h["dampen_first"] else 0.0
    v = T(h["momentum"]) * v + T((1 - damped) * inside) * g
    return w - T(outside) * v, v


def nesterov(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    g = T(inside) * g
    v = T(h["momentum"]) * v + g
    return w - T(outside) * (g + T(h["momentum"]) * v), v


def adagrad(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    lr = h["lr"] / (1 + (t - 1) * h["lr_decay"])
    seen = v + g * g if h["include_current"] else v
    return w - T(lr) * g / (np.sqrt(seen + T(h["eps_root"])) + T(h["eps"])), v + g * g


def rmsprop(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    return w - T(h["lr"]) * g / rmsprop_root(T, h, t, v), v


def rmsprop_momentum(
    T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, u: np.ndarray
) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    u = T(h["momentum"]) * u + T(inside) * g / rmsprop_root(T, h, t, v)
    return w - T(outside) * u, v, u


def rmsprop_centered(
    T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, v: np.ndarray, m: np.ndarray
) -> Arrays:
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    m = T(h["alpha"]) * m + T(1 - h["alpha"]) * g
    return w - T(h["lr"]) * g / rmsprop_root(T, h, t, v, m), v, m


def rmsprop_centered_momentum(
    T: Any,
    h: dict[str, float],
    t: int,
    g: np.ndarray,
    w: np.ndarray,
    v: np.ndarray,
    m: np.ndarray,
    u: np.ndarray,
) -> Arrays:
    inside, outside = (h["lr"], 1.0) if h["lr_in_velocity"] else (1.0, h["lr"])
    v = T(h["alpha"]) * v + T(1 - h["alpha"]) * (g * g)
    m = T(h["alpha"]) * m + T(1 - h["alpha"]) * g
    u = T(h["momentum"]) * u + T(inside) * g / rmsprop_root(T, h, t, v, m)
    return w - T(outside) * u, v, m, u


def rmsprop_root(T: Any, h: dict[str, float], t: int, v: np.ndarray, m: np.ndarray | None = None) -> np.ndarray:
    q = T(1 / (1 - power(h["alpha"], t)) if h["bias_correction"] else 1.0)
    v = q * v
    if m is not None:
        m = q * m
        v = v - m * m
        v = np.where(v < 0, T(0), v)
    return np.sqrt(v + T(h["eps_root"])) + T(h["eps"])


def adam(T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)
    return adam_step(T, h, t, w, m, v), m, v


def amsgrad(
    T: Any, h: dict[str, float], t: int, g: np.ndarray, w: np.ndarray, m: np.ndarray, v: np.ndarray, u: np.ndarray
) -> Arrays:
    m = T(h["beta1"]) * m + T(1 - h["beta1"]) * g
    v = T(h["beta2"]) * v + T(1 - h["beta2"]) * (g * g)
    u = np.maximum(u, v)
    return adam_step(T, h, t, w, m, u), m, v, u


def adam_step(T: Any, h: dict[str, float], t: int, w: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
    s = h["lr"] / (1 - power(h["beta1"], t)) if h["bias_correction"] else h["lr"]
    q = 1 / (1 - power(h["beta2"], t)) if h["bias_correction"] else 1.0
    return w - T(s) * m / (np.sqrt(T(q) * v + T(h["eps_root"])) + T(h["eps"]))


VELOCITY = ({"momentum": 0.5, "lr_in_velocity": 1},)
ROOT = ({"eps": 0.0, "eps_root": 1e-3},)
CORRECTED = ({"bias_correction": 1, "alpha": 0.9},)
BETAS = ({"beta1": 0.5, "beta2": 0.75, "bias_correction": 0}, {"beta1": 0.0})

REFERENCE_RULES: dict[str, RuleRow] = {
    "sgd": RuleRow(sgd, (), (), 2e-3),
    "momentum": RuleRow(momentum, ("v",), (*VELOCITY, {"dampening": 0.9}, {"dampening": 0.9, "dampen_first": 1}), 1e-3),
    "nesterov": RuleRow(nesterov, ("v",), VELOCITY, 1e-3),
    "adagrad": RuleRow(
        adagrad,
        ("v",),
        (*ROOT, {"lr_decay": 0.1}, {"include_current": 0, "initial_accumulator": 0.1}, {"include_current": 0}),
        0.5,
    ),
    "rmsprop": RuleRow(rmsprop, ("v",), (*ROOT, *CORRECTED), 1e-3),
    "rmsprop_momentum": RuleRow(rmsprop_momentum, ("v", "u"), (*ROOT, *CORRECTED, *VELOCITY), 2e-4),
    "rmsprop_centered": RuleRow(rmsprop_centered, ("v", "m"), (*ROOT, *CORRECTED), 1e-3),
    "rmsprop_centered_momentum": RuleRow(
        rmsprop_centered_momentum, ("v", "m", "u"), (*ROOT, *CORRECTED, *VELOCITY), 2e-4
    ),
    "adam": RuleRow(adam, ("m", "v"), (*ROOT, *BETAS), 1e-2),
    "amsgrad": RuleRow(amsgrad, ("m", "v", "u"), (*ROOT, *BETAS), 1e-2),
}


def reference_step(name: str, h: dict[str, float], t: int, w: np.ndarray, g: np.ndarray, slots: Arrays = ()) -> Arrays:
    """Return the parameter and the slots after step t (1 first), with the part that all rules share."""
    T = w.dtype.type
    g = T(1 - 2 * h["maximize"]) * g + T(h["l2"]) * w
    w = T(1 - h["lr"] * h["weight_decay"]) * w
    return REFERENCE_RULES[name].step(T, h, t, g, w, *slots)


# Elementwise functions -----------------------------------------------------------------------------------------------

Range = tuple[float, float]
FLOATS = ("float32", "float64")
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class OpRow(NamedTuple):
    """A function in NumPy, where it is looked at, and what the shared tests must know about it."""

    numpy: Callable[..., np.ndarray]
    floats: tuple[Range, ...] = ()  # one range per argument; empty where floats are refused
    ulp: tuple[float, float] = (0.5, 0.5)  # errors in float32 and float64; 0.5 is a correctly rounded result
    near: float = 0.0  # errors of smaller results are counted in units of this one: where terms cancel
    differentiable: bool = False
    zero_sign: bool = True  # whether a zero has the sign of NumPy's
    whole: tuple[Range | None, ...] = ()  # the same for integers; None is the whole range of the dtype
    booleans: bool = False  # whether two bools make a bool, as in NumPy


def unary(function: Callable[..., np.ndarray], low: float, high: float, **facts: Any) -> OpRow:
    return OpRow(function, ((low, high),), differentiable=True, **facts)


def binary(function: Callable[..., np.ndarray], *ranges: Range, **facts: Any) -> OpRow:
    return OpRow(function, ranges or ((-9, 9), (-9, 9)), differentiable=True, **facts)


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
    "remainder": OpRow(np.remainder, ((-9, 9),) * 2, whole=ANY),
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
