"""fl.Array: memory shared both ways, lifetimes, conversions, and the protocols of Python and NumPy."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import operator
import pickle
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import fallline as fl

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


def shares(x: Any, y: Any) -> bool:
    return bool(np.shares_memory(np.asarray(x), np.asarray(y)))


# In and out without copies


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_shared_both_ways(dtype: str) -> None:
    x = np.arange(12).astype(dtype).reshape(3, 4)
    y = fl.asarray(x)
    assert y.dtype == x.dtype
    assert y.shape == x.shape
    x[1, 2] = not x[1, 2]
    assert y[1, 2].item() == x[1, 2]
    z = np.asarray(y)
    assert z.dtype == x.dtype
    z[0, 0] = 1
    assert x[0, 0] == 1
    y[2, 3] = 0
    assert x[2, 3] == 0
    assert shares(x, y) and shares(memoryview(y), x) and shares(np.from_dlpack(y), x)


@pytest.mark.parametrize("view", [
    lambda x: x.T, lambda x: x[::-1, ::-1], lambda x: x[1:, ::2], lambda x: x[:, None, 1], lambda x: x[0, 0],
    lambda x: np.broadcast_to(x[0], (5, 4)), np.asfortranarray, lambda x: x[:0],
], ids=range(8))  # fmt: skip
def test_any_view_keeps_its_strides(view: Any) -> None:
    x = view(np.arange(12.0).reshape(3, 4))
    y = fl.asarray(x)
    np.testing.assert_array_equal(np.asarray(y), x)
    if isinstance(x, np.ndarray) and x.size:
        assert tuple(s * x.itemsize for s in y.strides) == x.strides
        assert np.asarray(y).strides == x.strides
        assert shares(x, y)


def test_a_view_outlives_the_array_that_owned_the_memory() -> None:
    for make in (lambda: fl.asarray(np.arange(1000.0)), lambda: fl.asarray(np.arange(1000)) * 1.0 + fl.zeros(1000)):
        view = np.asarray(make()[10:20])
        half = memoryview(make())
        tail = make()[-3:]
        gc.collect()
        _ = [np.full(1000, -1.0) for _ in range(20)]  # would overwrite freed memory
        assert view.tolist() == list(range(10, 20))
        assert np.asarray(half)[500] == 500
        assert tail.tolist() == [997, 998, 999]


def test_an_array_keeps_numpys_memory_alive_and_lets_it_go() -> None:
    class Tracked(np.ndarray):
        pass

    owner = np.arange(100.0).view(Tracked)
    gone = weakref.ref(owner)
    x = fl.asarray(owner)
    y = x[5:].reshape(5, 19)
    del owner, x
    gc.collect()
    assert gone() is not None
    assert y[0, 0].item() == 5
    del y
    gc.collect()
    assert gone() is None


def test_a_recorded_array_lets_its_owner_go_with_the_record() -> None:
    class Tracked(np.ndarray):
        pass

    owner = np.ones(3).view(Tracked)
    gone = weakref.ref(owner)
    w = fl.asarray(np.ones(3), requires_grad=True)
    y = (w * owner).sum()
    del owner
    gc.collect()
    assert gone() is not None  # the rule needs it
    y.backward()
    del y
    gc.collect()
    assert gone() is None


def test_references_to_python_objects_are_counted_right() -> None:
    x = np.arange(5.0)
    before = sys.getrefcount(x)
    for _ in range(100):
        y = fl.asarray(x)
        _ = y + x, np.asarray(y), y[1:], x + y
    del y, _
    gc.collect()
    assert sys.getrefcount(x) == before


def test_read_only_stays_read_only() -> None:
    x = np.arange(4.0)
    x.flags.writeable = False
    y = fl.asarray(x)
    assert shares(x, y)
    assert not np.asarray(y).flags.writeable
    assert not np.asarray(y[1:]).flags.writeable
    assert memoryview(y).readonly
    for key in (0, slice(None), [0, 1], np.array([True, False, False, True])):
        with pytest.raises(ValueError, match="read-only"):
            y[key] = 1.0
    assert x.tolist() == [0, 1, 2, 3]
    assert np.asarray(y + 1).flags.writeable
    assert np.asarray(fl.asarray(x, copy=True)).flags.writeable
    assert memoryview(fl.asarray(memoryview(b"abc"))).readonly


@pytest.mark.parametrize("make", [
    lambda x: x.astype(x.dtype.newbyteorder(">")),
    lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype),
    lambda x: np.zeros(x.size, [("pad", "u1"), ("v", x.dtype)])["v"],
], ids=["byte order", "misaligned", "strides that are no multiple of the item"])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float64", "int32", "uint16"])
def test_what_cannot_be_shared_is_copied_right(make: Any, dtype: str) -> None:
    x = make(np.arange(7).astype(dtype))
    y = fl.asarray(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(np.asarray(y), x)
    assert not shares(x, y)
    with pytest.raises(ValueError, match="copy=None"):
        fl.asarray(x, copy=False)


def test_copy_says_whether_memory_is_shared() -> None:
    x = np.arange(3.0)
    assert shares(fl.asarray(x, copy=False), x)
    assert shares(fl.asarray(x, copy=None), x)
    assert not shares(fl.asarray(x, copy=True), x)
    y = fl.asarray(x)
    assert fl.asarray(y) is y or shares(fl.asarray(y), y)
    assert not shares(fl.asarray(y, copy=True), y)
    with pytest.raises(ValueError, match="converted to float32"):
        fl.asarray(x, dtype="float32", copy=False)
    for unshared in ([1.0, 2.0], 3.0, (1, 2)):
        with pytest.raises(ValueError, match="cannot be shared"):
            fl.asarray(unshared, copy=False)


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


def test_buffers_arrays_and_dlpack_are_shared() -> None:
    numbers = array.array("d", [1.0, 2.0])
    x = fl.asarray(numbers)
    numbers[0] = 5.0
    assert x.tolist() == [5, 2]
    raw = (ctypes.c_float * 3)(1, 2, 3)
    y = fl.asarray(raw)
    raw[2] = 9
    assert y.tolist() == [1, 2, 9]
    assert y.dtype == np.float32
    assert fl.asarray(bytearray(b"ab")).tolist() == [97, 98]

    class Exporter:
        def __init__(self) -> None:
            self.inside = np.arange(3.0)

        def __dlpack__(self, **kwargs: Any) -> Any:
            return self.inside.__dlpack__(**kwargs)

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    exporter = Exporter()
    z = fl.asarray(exporter)
    exporter.inside[1] = 7
    assert z.tolist() == [0, 7, 2]

    class Convertible:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.arange(2.0)

    assert fl.asarray(Convertible()).tolist() == [0, 1]


def test_dlpack_goes_to_numpy_and_to_torch_without_a_copy() -> None:
    x = fl.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert x.__dlpack_device__() == (1, 0)
    assert shares(np.from_dlpack(x), x)
    torch = pytest.importorskip("torch")
    t = torch.from_dlpack(x)
    t[0, 0] = 42
    assert x[0, 0].item() == 42
    back = fl.asarray(t)
    assert shares(back, x)


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


@pytest.mark.parametrize("make", [
    lambda x: x, lambda x: x.T, lambda x: x[::2, ::-1], lambda x: x[0, 0], lambda x: x[:0],
], ids=range(5))  # fmt: skip
def test_pickling_and_copying_keep_values_and_share_nothing(make: Any) -> None:
    x = fl.asarray(make(np.arange(12, dtype=np.float32).reshape(4, 3)))
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x), x.copy()):
        assert isinstance(y, fl.Array)
        assert y.dtype == x.dtype
        np.testing.assert_array_equal(np.asarray(y), np.asarray(x))
        assert not shares(x, y) or not x.size
    model = fl.nn.Linear(2, 3)
    twin = copy.deepcopy(model)
    assert np.asarray(twin.weight).strides == np.asarray(model.weight).strides
    assert not shares(twin.weight, model.weight)


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


def test_requires_grad_starts_a_record_on_the_same_memory() -> None:
    x = np.ones(3)
    y = fl.asarray(x, requires_grad=True)
    assert y.requires_grad
    assert shares(x, y)
    z = fl.asarray(y * 2, requires_grad=True)  # a new leaf, without the past
    (z * z).sum().backward()
    assert z.grad.tolist() == [4, 4, 4]
    assert y.grad is None
