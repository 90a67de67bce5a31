"""fl.Array: conversions, and the protocols of Python and NumPy."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import fallline as fl

# From other things


@pytest.mark.parametrize(("given", "dtype", "shape"), [
    (1.5, "float32", ()), (3, "int64", ()), (True, "bool", ()), ([1.0, 2.0], "float32", (2,)),
    ([[1, 2], [3, 4]], "int64", (2, 2)), ((1, 2.5), "float32", (2,)), ([], "float32", (0,)),
    ([True, False], "bool", (2,)), (np.float64(2.0), "float64", ()), (np.float32(2.0), "float32", ()),
    (np.int8(2), "int8", ()), ([np.float64(1.0)], "float32", (1,)), (range(3), "int64", (3,)), (2**40, "int64", ()),
    ([2**63], "uint64", (1,)),
], ids=str)  # fmt: skip
def test_numbers_and_lists_have_the_expected_dtype(given: Any, dtype: str, shape: tuple[int, ...]) -> None:
    x = fl.asarray(given)
    assert (x.dtype, x.shape) == (dtype, shape)
    np.testing.assert_array_equal(np.asarray(x), np.asarray(given))


def test_lists_of_arrays_are_stacked_and_carry_derivatives() -> None:
    a, b = fl.ones(2), fl.zeros(2)
    assert fl.asarray([a, b]).tolist() == [[1, 1], [0, 0]]
    assert fl.grad(lambda x: (fl.asarray([x, x * x]) * np.array([1.0, 10.0])).sum())(3.0).item() == 61


@pytest.mark.parametrize(
    "bad", ["text", None, object(), {1: 2}, [1, "a"], 1j, [[1, 2], [3]], np.array([object()])], ids=str
)
def test_what_is_no_array_is_refused(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        fl.asarray(bad)


# Attributes and Python's protocols


def test_attributes_are_numpys() -> None:
    x = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    y = fl.asarray(x)
    for name in ("shape", "ndim", "size", "dtype", "itemsize", "nbytes"):
        assert getattr(y, name) == getattr(x, name)
    np.testing.assert_array_equal(np.asarray(y.T), x.T)
    np.testing.assert_array_equal(np.asarray(y.mT), np.swapaxes(x, -1, -2))
    assert y.device == "cpu"
    assert len(y) == 2
    assert [row.tolist() for row in y] == x.tolist()
    with pytest.raises(TypeError):
        len(fl.asarray(1.0))
    with pytest.raises(TypeError, match="iterated"):
        iter(fl.asarray(1.0))


def test_one_element_becomes_a_number_and_more_do_not() -> None:
    one = fl.asarray(np.array([[2.5]]))
    assert float(one) == 2.5
    assert int(one) == 2
    assert complex(one) == 2.5
    assert bool(one) is True
    assert one.item() == 2.5
    assert isinstance(fl.asarray(np.float32(1.0)).item(), float)
    assert isinstance(fl.asarray(3).item(), int)
    assert isinstance(fl.asarray(True).item(), bool)
    assert f"{float(fl.sum([1.0, 2.0])):.2f}" == "3.00"
    many = fl.ones(2)
    for f in (float, int, bool, complex, lambda v: v.item()):
        with pytest.raises(fl.ShapeError, match="one element"):
            f(many)


def test_integer_arrays_can_be_indices_and_floats_cannot() -> None:
    assert [10, 20, 30][fl.asarray(1)] == 20
    assert list(range(fl.asarray(3))) == [0, 1, 2]
    with pytest.raises(TypeError, match="integer array"):
        operator.index(fl.asarray(1.0))


def test_arrays_are_not_hashable_and_compare_elementwise() -> None:
    x = fl.asarray([1.0, 2.0])
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    assert (x == x).tolist() == [True, True]
    assert (x != np.array([1.0, 3.0])).tolist() == [False, True]
    assert (x < 2).tolist() == [True, False]
    assert (np.float64(2.0) >= x).tolist() == [True, True]


def test_printing_shows_values_dtype_and_past() -> None:
    assert repr(fl.asarray([1.0, 2.0])) == "Array([1., 2.], dtype=float32)"
    assert repr(fl.asarray([[1], [2]])) == "Array([[1],\n       [2]], dtype=int64)"
    assert repr(fl.asarray(np.ones(1), requires_grad=True)) == "Array([1.], dtype=float64, requires_grad=True)"
    assert str(fl.asarray([1, 2])) == "[1 2]"
    assert f"{fl.asarray(2.5)}" == "2.5"
    assert "..." in repr(fl.zeros(5000))


# Operators that work in place


def test_arrays_of_fallline_are_rebound_and_arrays_of_numpy_written() -> None:
    x = fl.asarray(np.ones(3))
    before = x
    x += 1
    assert before.tolist() == [1, 1, 1]
    assert x.tolist() == [2, 2, 2]
    n = np.ones(3)
    kept = n
    n += fl.asarray(np.arange(3.0))
    assert n is kept
    assert n.tolist() == [1, 2, 3]
    n *= fl.asarray(2.0)
    assert kept.tolist() == [2, 4, 6]


def test_a_numpy_array_on_the_left_gives_an_array_of_fallline() -> None:
    n, x = np.ones((2, 3)), fl.asarray(np.ones((3, 4)))
    for out in (
        n @ x,
        n + x[:3, :3][0],
        np.float32(2.0) * x,
        np.float64(2.0) - x,
        2 / x,
        n > x[:, :3][0],
        [1.0, 2.0, 3.0, 4.0] * x,
    ):
        assert isinstance(out, fl.Array)
    assert (n @ x).tolist() == (n @ np.ones((3, 4))).tolist()


def test_matmul_of_all_kinds_is_numpys() -> None:
    rng = np.random.default_rng(0)
    for a, b in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((5, 2, 3), (3, 4)), ((2, 3), (4, 1, 3, 2)),
                 ((1, 2, 3), (6, 3, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 3))):  # fmt: skip
        x, y = rng.normal(size=a), rng.normal(size=b)
        np.testing.assert_allclose(np.asarray(fl.asarray(x) @ y), x @ y, rtol=1e-12)
    whole = rng.integers(-9, 9, (3, 4)), rng.integers(-9, 9, (4, 2))
    got = fl.matmul(*whole)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(np.asarray(got), whole[0] @ whole[1])
    for wrong in (((2, 3), (2, 3)), ((), (3,)), ((3,), (2,))):
        with pytest.raises(fl.ShapeError, match="matmul"):
            fl.matmul(np.ones(wrong[0]), np.ones(wrong[1]))


def test_unknown_operands_get_their_say() -> None:
    class Other:
        def __radd__(self, x: Any) -> str:
            return "other"

    assert fl.ones(2) + Other() == "other"
    with pytest.raises(TypeError):
        fl.ones(2) + object()


# New arrays


def test_new_arrays_have_the_default_dtype_unless_said_otherwise() -> None:
    for make in (
        fl.zeros,
        fl.ones,
        lambda n, **k: fl.full(n, 2.0, **k),
        lambda n, **k: fl.linspace(0, 1, n, **k),
        fl.eye,
    ):
        assert make(3).dtype == np.float32
        assert make(3, dtype="float64").dtype == np.float64
    assert fl.full(2, 7).dtype == np.int64
    assert fl.arange(3).dtype == np.int64
    assert fl.arange(0.0, 1.0, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert fl.arange(0.0, 1.0, 0.25).dtype == np.float32
    assert fl.linspace(0, 1, 5, endpoint=False).tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert fl.eye(2, 3, k=1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert fl.zeros_like(np.ones((2, 2), np.int8)).dtype == np.int8
    assert fl.ones_like([1.0, 2.0], dtype="float64").tolist() == [1, 1]
    fl.set_default_dtype("float64")
    assert fl.zeros(2).dtype == fl.asarray(1.0).dtype == fl.asarray([1.0]).dtype == np.float64
    with pytest.raises(fl.DTypeError, match="float32 or float64"):
        fl.set_default_dtype("int32")
