"""NumPy's own functions on fl.Array: the same values, derivatives through all, clear words about the rest."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import _numpy
from fallline.testing import check_grads

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0.2, 2.0, (3, 4)), RNG.uniform(0.2, 2.0, (3, 4))
WHOLE = RNG.integers(1, 5, (3, 4))

# How each function of the table is called; those of several arguments differentiate the first ones.
CALLS: dict[Any, Any] = {
    np.sum: lambda f, x, y: [f(x), f(x, axis=0), f(x, axis=1, keepdims=True), f(x, (0, 1))],
    np.mean: lambda f, x, y: [f(x), f(x, axis=-1), f(x, axis=0, keepdims=True)],
    np.max: lambda f, x, y: [f(x), f(x, axis=0)],
    np.min: lambda f, x, y: [f(x), f(x, axis=1, keepdims=True)],
    np.argmax: lambda f, x, y: [f(x), f(x, axis=1)],
    np.argmin: lambda f, x, y: [f(x), f(x, axis=0)],
    np.var: lambda f, x, y: [f(x), f(x, axis=0), f(x, axis=1, ddof=1), f(x, keepdims=True)],
    np.std: lambda f, x, y: [f(x), f(x, axis=0, ddof=1)],
    np.all: lambda f, x, y: [f(x > 0.5), f(x > 0.1, axis=0)],
    np.any: lambda f, x, y: [f(x > 1), f(x > 9, axis=1)],
    np.where: lambda f, x, y: [f(x > 1, x, y), f(x > 1, x, 0.0)],
    np.clip: lambda f, x, y: [f(x, 0.5, 1.5), f(x, None, 1.0), f(x, 0.5, None)],
    np.dot: lambda f, x, y: [f(x, y.T), f(x[0], y[0]), f(x, 2.0)],
    np.outer: lambda f, x, y: [f(x[0], y[:, 0])],
    np.linalg.norm: lambda f, x, y: [f(x), f(x, axis=1), f(x[0]), f(x, axis=0, keepdims=True)],
    np.round: lambda f, x, y: [f(x), f(x, 1)],
    np.reshape: lambda f, x, y: [f(x, (4, 3)), f(x, -1)],
    np.transpose: lambda f, x, y: [f(x), f(x, (1, 0))],
    np.swapaxes: lambda f, x, y: [f(x, 0, -1)],
    np.expand_dims: lambda f, x, y: [f(x, 0), f(x, -1)],
    np.squeeze: lambda f, x, y: [f(x[:, :1]), f(x[:1], 0)],
    np.ravel: lambda f, x, y: [f(x)],
    np.broadcast_to: lambda f, x, y: [f(x, (2, 3, 4))],
    np.concatenate: lambda f, x, y: [f([x, y]), f((x, y), axis=1), f([x, y], None)],
    np.stack: lambda f, x, y: [f([x, y]), f([x, y], axis=-1)],
    np.take: lambda f, x, y: [f(x, [0, 2], axis=0), f(x, [1, 5])],
    np.copy: lambda f, x, y: [f(x)],
    np.zeros_like: lambda f, x, y: [f(x), f(x, dtype="float32")],
    np.ones_like: lambda f, x, y: [f(x)],
}
PLAIN = {np.shape, np.ndim, np.size, np.allclose, np.array_equal, np.array2string, np.array_repr}  # not arrays
NAMES = {f: f"{f.__module__}.{f.__name__}".replace("numpy", "np", 1) for f in CALLS}

# Where a ufunc is differentiated: arguments inside its domain; integers where it takes those alone.
BITWISE = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift, np.invert}


def arguments(ufunc: np.ufunc) -> tuple[np.ndarray, ...]:
    if ufunc is np.matmul:
        return X, Y.T.copy()
    pair = (WHOLE, WHOLE[::-1]) if ufunc in BITWISE else (X, Y)
    return pair[: ufunc.nin]


def test_every_function_of_the_table_is_called_here() -> None:
    assert set(_numpy.FUNCTIONS) | {np.linalg.norm} == set(CALLS) | PLAIN


@pytest.mark.parametrize("function", CALLS, ids=NAMES.get)
def test_functions_have_numpys_values(function: Any) -> None:
    got = CALLS[function](function, fl.asarray(X), fl.asarray(Y))
    for mine, numpys in zip(got, CALLS[function](function, X, Y), strict=True):
        assert isinstance(mine, fl.Array)
        assert mine.shape == np.shape(numpys)
        assert mine.dtype == np.asarray(numpys).dtype
        np.testing.assert_allclose(np.asarray(mine), numpys, rtol=1e-14)


@pytest.mark.parametrize("function", CALLS, ids=NAMES.get)
def test_functions_carry_derivatives(function: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        return [out for out in CALLS[function](function, x, y) if out.dtype == np.float64]

    if f(fl.asarray(X), fl.asarray(Y)):
        check_grads(f, (X, Y), order=2)


@pytest.mark.parametrize("ufunc", _numpy.UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs_have_numpys_values(ufunc: np.ufunc) -> None:
    args = arguments(ufunc)
    want = ufunc(*args)
    for given in ([fl.asarray(a) for a in args], [fl.asarray(args[0]), *args[1:]], [*args[:-1], fl.asarray(args[-1])]):
        got = ufunc(*given)
        assert isinstance(got, fl.Array)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-14)


@pytest.mark.parametrize("ufunc", [f for f in _numpy.UFUNCS if f not in BITWISE], ids=lambda f: f.__name__)
def test_ufuncs_carry_derivatives(ufunc: np.ufunc) -> None:
    args = arguments(ufunc)
    if ufunc(*(fl.asarray(a, requires_grad=True) for a in args)).requires_grad:
        check_grads(ufunc, args, order=2)
        if len(args) == 2:
            check_grads(lambda x: ufunc(x, args[1]), args[:1], order=1)
            check_grads(lambda y: ufunc(args[0], y), args[1:], order=1)
    else:
        assert np.asarray(ufunc(*args)).dtype == bool or ufunc is np.floor_divide


@pytest.mark.parametrize("name", ["shape", "ndim", "size"])
def test_questions_about_the_shape_give_plain_numbers(name: str) -> None:
    assert getattr(np, name)(fl.asarray(X)) == getattr(np, name)(X)


def test_comparisons_of_whole_arrays_give_plain_bools() -> None:
    x = fl.asarray(X)
    assert np.allclose(x, X + 1e-12) is True or np.allclose(x, X + 1e-12)
    assert not np.allclose(x, Y)
    assert np.array_equal(x, X)
    assert not np.array_equal(x, X[:2])
    np.testing.assert_allclose(np.asarray(x), X)


def test_reductions_of_ufuncs_work() -> None:
    x = fl.asarray(X)
    for ufunc in (np.add, np.maximum, np.minimum):
        np.testing.assert_allclose(np.asarray(ufunc.reduce(x)), ufunc.reduce(X))
        np.testing.assert_allclose(
            np.asarray(ufunc.reduce(x, axis=1, keepdims=True)), ufunc.reduce(X, axis=1, keepdims=True)
        )
    check_grads(lambda v: np.add.reduce(v, axis=1), (X,), order=2)


@pytest.mark.parametrize(("name", "call"), [
    ("np.spacing", np.spacing), ("np.interp", lambda x: np.interp(x, X[0], X[0])), ("np.linalg.eig", np.linalg.eig),
    ("np.fft.fft", np.fft.fft), ("np.unique", np.unique), ("np.add.accumulate", np.add.accumulate),
    ("np.multiply.outer", lambda x: np.multiply.outer(x, x)), ("np.exp", lambda x: np.exp(x, where=x > 1)),
    ("np.einsum", lambda x: np.einsum("ij->ji", x, order="F")),
    ("np.reshape", lambda x: np.reshape(x, (4, 3), order="F")),
    ("np.sum", lambda x: np.sum(x, where=X > 1)), ("np.quantile", lambda x: np.quantile(x, 0.5, method="lower")),
], ids=lambda v: v if isinstance(v, str) else "")  # fmt: skip
def test_everything_else_raises_a_named_error(name: str, call: Any) -> None:
    with pytest.raises(
        TypeError, match=re.escape(f"[{name}]").replace("reduce", ".*") if name != "np.mean" else "out="
    ):
        call(fl.asarray(X))


def test_out_writes_into_numpys_arrays() -> None:
    x = fl.asarray(X)
    out = np.zeros((3, 4))
    assert np.add(x, 1.0, out=out) is out
    np.testing.assert_array_equal(out, X + 1)
    out32 = np.zeros((3, 4), np.float32)
    np.multiply(X, x, out=out32)
    np.testing.assert_array_equal(out32, (X * X).astype(np.float32))
    ours = fl.zeros((3, 4), dtype="float64")
    np.exp(x, out=ours)
    np.testing.assert_allclose(np.asarray(ours), np.exp(X), rtol=1e-15)
    leaf = fl.asarray(X, requires_grad=True)
    with pytest.raises(fl.TapeError, match=r"x = x \+ y"):
        out += leaf
    with pytest.raises(ValueError, match=r"broadcast|fit"):
        np.add(x, 1.0, out=np.zeros(2))


def test_dtype_converts_the_result() -> None:
    assert np.add(fl.asarray(X), 1, dtype=np.float32).dtype == np.float32
    assert np.sum(fl.asarray(WHOLE), dtype=np.float64).dtype == np.float64


def test_a_loss_in_plain_numpy_has_the_gradient_of_the_same_in_fallline() -> None:
    w = RNG.normal(size=(4, 2))

    def in_numpy(w: Any) -> Any:
        return np.mean((np.tanh(X @ w) - 0.5) ** 2) + np.sum(np.abs(w)) * 0.1 - np.log(np.max(np.exp(w)))

    def in_fallline(w: Any) -> Any:
        return ((fl.tanh(fl.asarray(X) @ w) - 0.5) ** 2).mean() + fl.abs(w).sum() * 0.1 - fl.log(fl.exp(w).max())

    a, b = fl.value_and_grad(in_numpy)(w), fl.value_and_grad(in_fallline)(w)
    assert a[0].item() == b[0].item()
    np.testing.assert_array_equal(np.asarray(a[1]), np.asarray(b[1]))
