"""What must every primitive of the engine compute?  NumPy's own, with what the shared tests must know about each.

`tests/record/test_primitives.py` makes all of its tests from these rows. Elementwise rows come from `reference.py`.
This file imports NumPy and the functions under test alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from reference import REFERENCE_OPS, WHOLE

import fallline as fl
from fallline import _core
from fallline.nn import losses

Shape = tuple[int, ...]
NONE: tuple[Shape, ...] = ()


class Row(NamedTuple):
    """A function of arrays, the same in NumPy, and where it is looked at."""

    call: Callable[..., Any]
    numpy: Callable[..., Any]
    shapes: tuple[Shape, ...]
    names: tuple[str, ...]  # the rows of the engine that its plan shows
    slopes: tuple[str, ...] = ()  # and those that only the plan of its derivative shows
    indices: tuple[int, ...] = ()  # arguments that are integers below `below`
    below: int = 0
    ranges: tuple[tuple[float, float], ...] = ((-2.0, 2.0),)  # of the other arguments; the last one goes on
    integers: tuple[str, ...] = ()  # dtypes besides the floats
    floats: bool = True
    differentiable: bool = True
    error: float = 4.0  # in units of the last place of the largest result
    empty: tuple[Shape, ...] = NONE  # arguments without elements
    scalars: tuple[Shape, ...] = NONE  # arguments without axes
    nan: bool = True  # whether a NaN reaches the elements that it reaches in NumPy


def ints(*of: str) -> tuple[str, ...]:
    return of or WHOLE


def elementwise() -> dict[str, Row]:
    rows = {}
    for name, row in REFERENCE_OPS.items():
        count = len(row.floats or row.whole)
        dtypes = (*(WHOLE if row.whole else ()), *(("bool",) if row.booleans else ()))
        rows[name] = Row(
            getattr(_core, name),
            row.numpy,
            ((3, 37), (37,))[:count],
            (name,),
            ranges=row.floats or ((0.0, 1.0),),
            integers=dtypes,
            floats=bool(row.floats),
            differentiable=row.differentiable,
            error=max(1.0, *row.ulp),
            empty=((0, 3), (3,))[:count],
            scalars=((), ())[:count],
        )
    return rows


def windows(x: np.ndarray, size: int, step: int) -> Any:
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::step, ::step]


def conv2d(x: np.ndarray, w: np.ndarray, b: np.ndarray, step: int, around: int) -> Any:
    padded = np.pad(x, ((0, 0), (0, 0), (around, around), (around, around)))
    return np.einsum("ncijkl,ockl->noij", windows(padded, 3, step), w) + b[:, None, None]


def logsumexp(x: np.ndarray, axis: int) -> Any:
    most = x.max(axis=axis, keepdims=True)
    return np.squeeze(most, axis) + np.log(np.exp(x - most).sum(axis=axis))


def softmax(x: np.ndarray) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x: np.ndarray) -> Any:
    return x - logsumexp(x, -1)[..., None]


def cross_entropy(x: np.ndarray, labels: np.ndarray) -> Any:
    return -log_softmax(x)[np.arange(len(x)), labels]


def soft_cross_entropy(x: np.ndarray, t: np.ndarray) -> Any:
    return -(t * log_softmax(x)).sum(axis=1)


REDUCTIONS: dict[str, Row] = {
    "sum": Row(lambda x: fl.sum(x, axis=1), lambda x: x.sum(axis=1), ((7, 40),), ("sum",), error=20,
               empty=((3, 0),), integers=ints("int32", "int64", "uint8")),
    "sum of columns": Row(lambda x: fl.sum(x, axis=0), lambda x: x.sum(axis=0), ((40, 7),), ("sum",), error=20,
                          empty=((0, 3),)),
    "sum of all": Row(fl.sum, np.sum, ((5, 9, 3),), ("sum",), error=20, empty=((0,),), scalars=((),)),
    "mean": Row(lambda x: fl.mean(x, axis=1, keepdims=True), lambda x: x.mean(axis=1, keepdims=True), ((7, 40),),
                ("sum",), error=20),
    "inner": Row(lambda x, y: _core.inner(x, y, 1), lambda x, y: (x * y).sum(axis=(1, 2)), ((3, 4, 5), (3, 4, 5)),
                 ("inner",), error=20),
    "max": Row(lambda x: fl.max(x, axis=1), lambda x: x.max(axis=1), ((7, 40),), ("max",), ("equal",), integers=WHOLE,
               empty=((0, 3),), scalars=NONE),
    "min": Row(lambda x: fl.min(x, axis=0), lambda x: x.min(axis=0), ((40, 7),), ("min",), integers=WHOLE,
               empty=((3, 0),)),
    "argmax": Row(lambda x: fl.argmax(x, axis=1), lambda x: x.argmax(axis=1), ((7, 40),), ("argmax",),
                  differentiable=False, integers=WHOLE),
    "argmin": Row(lambda x: fl.argmin(x, axis=0), lambda x: x.argmin(axis=0), ((40, 7),), ("argmin",),
                  differentiable=False, integers=WHOLE),
    "argsort": Row(lambda x: _core.argsort(x, 1), lambda x: x.argsort(axis=1, kind="stable"), ((7, 40),), ("argsort",),
                   differentiable=False, integers=WHOLE, empty=((3, 0),)),
    "logsumexp": Row(lambda x: fl.logsumexp(x, axis=1), lambda x: logsumexp(x, 1), ((7, 40),), ("logsumexp",)),
    "logsumexp of columns": Row(lambda x: fl.logsumexp(x, axis=0), lambda x: logsumexp(x, 0), ((40, 7),),
                                ("logsumexp",)),
}  # fmt: skip
MOVES: dict[str, Row] = {
    "where": Row(lambda x, y: fl.where(x > 0.5, x, y), lambda x, y: np.where(x > 0.5, x, y), ((3, 37), (37,)),
                 ("where",), empty=((0, 3), (3,)), scalars=((), ())),
    "astype": Row(lambda x: x.astype("float64"), lambda x: x.astype(np.float64), ((3, 37),), ("astype",),
                  integers=WHOLE, empty=((0,),), scalars=((),)),
    "copy": Row(lambda x: fl.copy(x.T), lambda x: x.T.copy(), ((3, 37),), ("copy",), empty=((0, 2),), integers=WHOLE),
    "reshape": Row(lambda x: fl.reshape(x.T, -1), lambda x: x.T.reshape(-1), ((3, 37),), ("reshape",),
                   empty=((0, 2),), integers=WHOLE),
    "transpose": Row(lambda x: fl.permute_dims(x, (2, 0, 1)) + x.sum(), lambda x: x.transpose(2, 0, 1) + x.sum(),
                     ((2, 3, 5),), ("transpose",), error=20),
    "broadcast_to": Row(lambda x: fl.broadcast_to(x, (2, 3, 4)) * 2, lambda x: np.broadcast_to(x, (2, 3, 4)) * 2,
                        ((3, 1),), ("broadcast_to",)),
    "slice": Row(lambda x: x[::-1, 1:9:2] * 2, lambda x: x[::-1, 1:9:2] * 2, ((3, 12),), ("slice",), ("unslice",),
                 integers=ints("int32", "int64")),
    "concatenate": Row(lambda x, y: fl.concat([x, y], axis=1), lambda x, y: np.concatenate([x, y], 1),
                       ((3, 4), (3, 2)), ("concatenate",), empty=((0, 2), (0, 1)), integers=WHOLE),
    "take": Row(lambda x, i: fl.take(x, i, axis=1), lambda x, i: np.take(x, i, 1), ((3, 5), (7,)), ("take",),
                ("scatter_add",), indices=(1,), below=5),
}  # fmt: skip
PRODUCTS: dict[str, Row] = {
    "matmul": Row(lambda x, y: x @ y, lambda x, y: x @ y, ((5, 8), (8, 6)), ("matmul",), error=20,
                  empty=((0, 2), (2, 3))),
    "matmul of nothing": Row(lambda x, y: x @ y, lambda x, y: x @ y, ((2, 1), (1, 3)), (), empty=((2, 0), (0, 3))),
    "matmul of batches": Row(lambda x, y: x @ y, lambda x, y: x @ y, ((3, 1, 5, 4), (2, 4, 6)), ("matmul",), error=20),
    "matmul of vectors": Row(lambda x, y: x @ y, lambda x, y: x @ y, ((9,), (9,)), ("matmul",), error=20),
    "linear": Row(fl.linear, lambda x, w, b: x @ w.T + b, ((5, 8), (6, 8), (6,)), ("linear",), error=20,
                  empty=((0, 3), (2, 3), (2,))),
    "conv2d": Row(
        lambda x, w, b: fl.conv2d(x, w, b), lambda x, w, b: conv2d(x, w, b, 1, 0), ((2, 3, 7, 6), (4, 3, 3, 3), (4,)),
        ("conv2d",), ("conv2d_input", "conv2d_weight"), error=40,
    ),
    "conv2d with padding": Row(
        lambda x, w, b: fl.conv2d(x, w, b, stride=2, padding=1), lambda x, w, b: conv2d(x, w, b, 2, 1),
        ((2, 3, 7, 6), (4, 3, 3, 3), (4,)), ("conv2d",), ("conv2d_input", "conv2d_weight"), error=40,
        nan=False,  # what is around the image is left out, not multiplied
    ),
    "max_pool2d": Row(lambda x: fl.max_pool2d(x, 2), lambda x: windows(x, 2, 2).max(axis=(4, 5)), ((2, 3, 6, 4),),
                      ("max_pool2d",), ("max_pool2d_input",)),
    "avg_pool2d": Row(lambda x: fl.avg_pool2d(x, 2), lambda x: windows(x, 2, 2).mean(axis=(4, 5)), ((2, 3, 6, 4),),
                      ("avg_pool2d",), ("avg_pool2d_input",)),
    "softmax": Row(fl.softmax, softmax, ((7, 11),), ("softmax",), ("softmax_grad",)),
    "log_softmax": Row(fl.log_softmax, log_softmax, ((7, 11),), ("log_softmax",)),
    "cross_entropy": Row(lambda x, t: losses.cross_entropy(x, t, reduction="none"), cross_entropy, ((7, 11), (7,)),
                         ("cross_entropy",), ("cross_entropy_grad",), indices=(1,), below=11),
    "soft_cross_entropy": Row(lambda x, t: losses.cross_entropy(x, t, reduction="none"), soft_cross_entropy,
                              ((7, 11), (7, 11)), ("soft_cross_entropy",), ("soft_cross_entropy_grad",), error=20,
                              ranges=((-2.0, 2.0), (0.0, 1.0))),
}  # fmt: skip
PRIMITIVES: dict[str, Row] = elementwise() | REDUCTIONS | MOVES | PRODUCTS

# Rows that only change how an array is read: a plan shows them in what reads them.
VIEWS = {"transpose", "broadcast_to", "slice"}
# Rows that no function of arrays is: what plans put in, and what has functions or parameters inside, with tests of its
# own (test_peephole.py, test_scan.py, test_traced.py, test_custom.py, test_layers.py, test_vmap.py).
ELSEWHERE = {
    *("identity", "linear_relu", "matmul_relu_grad", "relu_max_pool2d", "relu_max_pool2d_input", "max_pool2d_pick"),
    *("cross_entropy_and_grad", "scan", "call", "custom", "update", "dropout", "row_indices"),
}


def arguments(name: str, dtype: str, shapes: tuple[Shape, ...] = NONE, seed: int = 0) -> list[np.ndarray]:
    """Return values for each argument of a row, in its ranges and of the dtype."""
    row, rng, out = PRIMITIVES[name], np.random.default_rng(seed), []
    for i, shape in enumerate(shapes or row.shapes):
        low, high = row.ranges[min(i, len(row.ranges) - 1)]
        if i in row.indices:
            values: Any = rng.integers(0, row.below, shape)
        elif np.dtype(dtype).kind == "f":
            values = rng.uniform(low, high, shape).astype(dtype)
        else:
            values = rng.integers(0, 2 if dtype == "bool" else 6, shape).astype(dtype)
        out.append(np.asarray(values))
    return out
