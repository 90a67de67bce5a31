"""Which dtype do two arguments meet in, and what do casts and selection give?  NumPy's answers, where not said."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fallline as fl

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
INTEGERS = DTYPES[1:9]
PAIRS = list(itertools.product(DTYPES, DTYPES))


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_arrays_meet_in_numpys_dtype(x: str, y: str) -> None:
    a, b = np.ones(3, x), np.ones(3, y)
    want = np.result_type(x, y)
    for f in (fl.add, fl.multiply, fl.maximum, fl.minimum):
        assert f(a, b).dtype == want
    assert (fl.asarray(a) + fl.asarray(b)).dtype == want
    assert (fl.asarray(a) + b).dtype == (a + fl.asarray(b)).dtype == want
    assert fl.where(np.ones(3, bool), a, b).dtype == want
    assert fl.concat([a, b]).dtype == want
    assert fl.equal(a, b).dtype == np.bool_


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_quotients_of_integers_have_the_default_dtype(x: str, y: str) -> None:
    want = np.result_type(x, y)
    a, b = np.ones(3, x), np.ones(3, y)
    assert fl.divide(a, b).dtype == (want if want.kind == "f" else np.float32)
    fl.set_default_dtype(fl.float64)
    assert fl.divide(a, b).dtype == (want if want.kind == "f" else np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_python_numbers_follow_the_array(dtype: str) -> None:
    a = fl.ones(3, dtype=dtype)
    whole = np.result_type(np.ones(3, dtype), 1)
    for out in (a + 1, 1 + a, fl.maximum(a, 1), fl.multiply(1, a), a * True if dtype != "bool" else a + 1):
        assert out.dtype == whole
    real = a.dtype if a.dtype.kind == "f" else np.dtype(np.float32)  # NumPy: float64 for integers
    for out in (a + 1.0, 1.0 + a, fl.maximum(a, 1.0), 1.0 / a, a / 1.0, fl.where(a > 0, a, 0.5)):
        assert out.dtype == real
    fl.set_default_dtype(np.float64)
    assert (a + 1.0).dtype == (a.dtype if a.dtype.kind == "f" else np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_scalars_are_arrays_with_a_dtype(dtype: str) -> None:
    a = fl.ones(3, dtype="float32")
    scalar = np.dtype(dtype).type(1)
    want = np.result_type(np.float32, dtype)
    assert (a + scalar).dtype == want
    assert (scalar + a).dtype == want
    assert (scalar * a).shape == (3,)


@pytest.mark.parametrize("name", ["exp", "sqrt", "sin", "sigmoid", "gelu", "mean", "logsumexp", "softmax", "var"])
def test_functions_of_integers_give_the_default_dtype(name: str) -> None:
    for dtype in DTYPES[:9]:
        assert getattr(fl, name)(np.ones(3, dtype)).dtype == np.float32
    fl.set_default_dtype("float64")
    assert getattr(fl, name)(np.ones(3, np.int32)).dtype == np.float64


def test_numbers_keep_all_digits_until_they_meet_an_array() -> None:
    third = 1 / 3
    assert (fl.asarray(np.float64(3.0)) * third).item() == 3.0 * third
    assert fl.add(0.1, 0.2).dtype == np.float32
    assert fl.where(True, third, fl.zeros((), dtype="float64")).item() == third
    assert (fl.zeros(1, dtype="int64") + 2**60 + 1).item() == 2**60 + 1


@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.pow]
)
def test_operators_on_both_sides_are_numpys(op: Any) -> None:
    for dtype in ("int32", "float64"):
        x = np.arange(1, 7).astype(dtype)
        for other in (3, x[::-1].copy()):
            np.testing.assert_allclose(np.asarray(op(fl.asarray(x), other)), op(x, other), rtol=1e-15)
            np.testing.assert_allclose(np.asarray(op(other, fl.asarray(x))), op(other, x), rtol=1e-15)


def test_negative_integer_powers_of_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="negative integer power"):
        fl.power(fl.arange(1, 4), -1)
    with pytest.raises(ValueError, match="negative integer power"):
        fl.arange(1, 4) ** -2
    with pytest.raises(ValueError, match="negative integer power"):
        2 ** fl.arange(-3, 40000)[::2]
    assert fl.power(fl.asarray([1.0, 2.0]), -1).tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_casts_are_numpys(x: str, y: str) -> None:
    values = np.array([0, 1, 2, 3, 100]).astype(x)
    if x.startswith("float"):
        values = np.concatenate([values, np.array([0.5, 1.5, 2.999], x)])
    if x.startswith(("int", "float")) and not y.startswith("uint"):
        values = np.concatenate([values, -values])
    got = fl.astype(values, y)
    assert got.dtype == y
    np.testing.assert_array_equal(np.asarray(got), values.astype(y))


@pytest.mark.parametrize("x", INTEGERS)
@pytest.mark.parametrize("y", INTEGERS)
def test_integers_wrap_around_when_cast(x: str, y: str) -> None:
    info = np.iinfo(x)
    values = np.array([info.min, info.max, info.max // 3], x)
    np.testing.assert_array_equal(np.asarray(fl.astype(values, y)), values.astype(y))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=4, min_side=0))
def test_where_broadcasts_as_in_numpy(data: st.DataObject, shapes: hnp.BroadcastableShapes) -> None:
    condition = data.draw(hnp.arrays(bool, shapes.input_shapes[0]))
    x, y = (
        np.arange(np.prod(s, dtype=int)).reshape(s) * k for s, k in zip(shapes.input_shapes[1:], (1.5, -1), strict=True)
    )
    got = fl.where(condition, x, y)
    assert got.shape == shapes.result_shape
    np.testing.assert_array_equal(np.asarray(got), np.where(condition, x, y))


def test_where_passes_each_side_its_share_of_the_gradient() -> None:
    condition = np.array([True, False, True])
    gx, gy = fl.grad(lambda x, y: (fl.where(condition, x, y) * np.arange(1.0, 4)).sum(), (0, 1))(np.ones(3), np.ones(1))
    assert gx.tolist() == [1, 0, 3]
    assert gy.tolist() == [2]


def test_guarded_where_has_a_finite_derivative() -> None:
    def f(x: Any) -> Any:
        return fl.where(x > 0, fl.sqrt(fl.where(x > 0, x, 1.0)), 0.0).sum()

    assert fl.grad(f)(np.array([0.0, 4.0, -1.0])).tolist() == [0, 0.25, 0]


def test_shapes_that_do_not_fit_name_the_function_and_both_shapes() -> None:
    for f in (fl.add, fl.equal, fl.floor_divide):
        with pytest.raises(fl.ShapeError, match=rf"\[{f.__name__}\].*\(2,\).*\(3,\)"):
            f(np.ones(2), np.ones(3))


def test_unsupported_dtypes_are_named() -> None:
    for bad in (np.ones(2, complex), np.ones(2, "float16"), np.array(["a"]), np.array([None])):
        with pytest.raises(fl.DTypeError, match="not supported"):
            fl.asarray(bad)
