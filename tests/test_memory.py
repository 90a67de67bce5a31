"""fl.Array and memory: shared both ways with NumPy, kept alive, let go."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import io
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


def test_requires_grad_starts_a_record_on_the_same_memory() -> None:
    x = np.ones(3)
    y = fl.asarray(x, requires_grad=True)
    assert y.requires_grad
    assert shares(x, y)
    z = fl.asarray(y * 2, requires_grad=True)  # a new leaf, without the past
    (z * z).sum().backward()
    assert z.grad.tolist() == [4, 4, 4]
    assert y.grad is None


class Named(fl.Array):
    pass


class Started(fl.Array):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("make", [
    fl.Array, Named, Started, lambda: fl.Array.__new__(fl.Array), lambda: Named.__new__(Named),
    lambda: object.__new__(Named),
], ids=range(6))  # fmt: skip
def test_an_array_without_memory_cannot_be_made(make: Any) -> None:
    with pytest.raises(TypeError, match=r"fl\.asarray|not safe"):
        make()


def test_a_weak_reference_ends_with_the_array() -> None:
    x = fl.zeros(3)
    gone = weakref.ref(x)
    assert gone() is x
    del x
    assert gone() is None


def test_arrays_let_go_of_their_class() -> None:
    before = sys.getrefcount(fl.Array)
    held = [fl.zeros(3) + i for i in range(1000)]
    del held
    assert sys.getrefcount(fl.Array) < before + 100


def test_buffers_are_given_in_the_form_asked_for_or_not_at_all() -> None:
    x = fl.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert bytes(x) == np.asarray(x).tobytes() and bytes(x.T) == np.asarray(x.T).tobytes()
    assert np.frombuffer(x, np.float32).tolist() == x.reshape(-1).tolist()
    with pytest.raises(BufferError, match="C-contiguous"):
        np.frombuffer(x.T, np.float32)
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    assert memoryview(fl.asarray(fixed)).readonly
    with pytest.raises((BufferError, TypeError), match=r"Writable|read-write"):
        io.BytesIO(bytes(24)).readinto(fl.asarray(fixed))


def test_the_memory_of_a_traced_array_cannot_be_had() -> None:
    with pytest.raises(BufferError) as error:
        fl.jit(lambda x: memoryview(x))(fl.zeros(3))
    assert isinstance(error.value.__cause__, fl.TraceError)
