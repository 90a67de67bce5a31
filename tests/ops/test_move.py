"""Functions that move elements: the elements, shapes and views that NumPy gives, and derivatives that go back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fallline as fl
from fallline.testing import check_grads

few = settings(deadline=None, max_examples=80)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def counted(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """Return an array whose elements all differ."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


def test_the_gradient_of_a_gather_adds_up_where_elements_are_taken_twice() -> None:
    g = fl.grad(lambda x: (x[[0, 0, 2]] * np.array([1.0, 10, 100])).sum())(np.zeros(4))
    assert g.tolist() == [11, 0, 100, 0]


def assert_moves(f: Any, g: Any, x: np.ndarray) -> None:
    """Check values and shape against NumPy's, and the gradient of a weighted sum: weights go to their elements."""
    got, want = f(fl.asarray(x)), np.asarray(g(x))
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(np.asarray(got), want)
    weights = np.random.default_rng(0).integers(1, 9, want.shape).astype(np.float64)
    expected = np.zeros(x.size)
    np.add.at(expected, np.asarray(g(np.arange(x.size).reshape(x.shape))).ravel(), weights.ravel())
    found = fl.grad(lambda v: (f(v) * weights).sum())(x)
    np.testing.assert_array_equal(np.asarray(found), expected.reshape(x.shape))


@few
@given(data=st.data(), shape=shapes)
def test_basic_indexing_is_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """Integers, slices with steps of either sign, ``...`` and None, all mixed."""
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))
    x = counted(shape)
    assert_moves(lambda v: v[key], lambda v: v[key], x)
    view, mine = x[key], fl.asarray(x)[key]
    if view.size:
        assert np.shares_memory(np.asarray(mine), x) == np.shares_memory(np.asarray(view), x) or view.ndim == 0


@few
@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
def test_integer_arrays_as_indices_are_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, min_side=0, max_side=4)))
    assert_moves(lambda v: v[key], lambda v: v[key], counted(shape))


@few
@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
def test_masks_as_indices_are_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    dims = data.draw(st.integers(1, len(shape)))
    mask = data.draw(hnp.arrays(bool, shape[:dims]))
    assert_moves(lambda v: v[mask], lambda v: v[mask], counted(shape))
    assert_moves(lambda v: v[fl.asarray(mask)], lambda v: v[mask], counted(shape))


@pytest.mark.parametrize("key", [
    ([0, 2], slice(None)), (slice(None), [1, 0, 1]), (slice(None, None, -1), [[0], [3]]), (1, [0, 1]), (..., [0, -1]),
    (None, [1, 2]), ([0, 1], [2, 3]), (slice(1, 3), None, [0]), True, False, (True, [0]), [], ([True, False, True],),
    (np.array(1), slice(None)), np.int64(2), -1,
], ids=str)  # fmt: skip
def test_mixed_indices_are_numpys(key: Any) -> None:
    if isinstance(key, list) and not key:
        key = np.array(key, int)
    assert_moves(lambda v: v[key], lambda v: v[key], counted((3, 4)))


def test_arrays_of_fallline_index_too() -> None:
    x = fl.asarray(counted((4, 3)))
    for index in (fl.asarray([2, -1, 0]), fl.asarray(np.array([[1, 1]], np.uint8)), fl.asarray(2)):
        np.testing.assert_array_equal(np.asarray(x[index]), counted((4, 3))[np.asarray(index)])
    np.testing.assert_array_equal(np.asarray(x[fl.asarray([0, 1]), 1:]), counted((4, 3))[[0, 1], 1:])


@pytest.mark.parametrize("key", [
    5, -5, (0, 3), (0, 0, 0), [4], [-5], ([0, 4], 0), slice(None, None, 0), 1.5, "a", (..., ...),
], ids=str)  # fmt: skip
def test_wrong_indices_raise_as_in_numpy(key: Any) -> None:
    x = counted((4, 3))
    with pytest.raises((IndexError, ValueError, TypeError)) as numpys:
        x[key]
    with pytest.raises(IndexError if numpys.type is IndexError else numpys.type) as ours:
        fl.asarray(x)[key]
    assert str(ours.value)


@few
@given(data=st.data(), shape=shapes)
def test_writing_through_an_index_is_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    x, y = counted(shape), counted(shape)
    value = -1 - counted(np.shape(x[key]))
    x[key] = value
    wrapped = fl.asarray(y)
    wrapped[key] = value
    np.testing.assert_array_equal(y, x)  # the memory is shared


@pytest.mark.parametrize("key", [
    [0, 2], np.array([True, False, True]), ([0, 1], [1, 1]), (slice(None), [0, -1]), 1, ...,
], ids=str)  # fmt: skip
def test_writing_at_arrays_of_indices_is_numpys(key: Any) -> None:
    for value in (7, np.arange(2.0)[:1]):
        x = counted((3, 4))
        y = fl.asarray(counted((3, 4)))
        x[key] = value
        y[key] = value
        np.testing.assert_array_equal(np.asarray(y), x)


def test_writing_an_array_onto_a_shifted_view_of_itself_reads_first() -> None:
    x = fl.asarray(np.arange(6.0))
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    y = fl.asarray(np.arange(6.0))
    y[...] = y[::-1]
    assert y.tolist() == [5, 4, 3, 2, 1, 0]


@few
@given(data=st.data(), shape=shapes)
def test_reshape_transpose_and_ravel_are_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = counted(shape)
    axes = data.draw(st.permutations(range(len(shape))))
    assert_moves(lambda v: fl.permute_dims(v, axes), lambda v: v.transpose(axes), x)
    assert_moves(lambda v: v.transpose(*axes).T, lambda v: v.transpose(axes).T, x)
    assert_moves(lambda v: fl.ravel(v.T), lambda v: v.T.ravel(), x)
    parts = data.draw(st.permutations([*shape, 1]))
    assert_moves(lambda v: fl.reshape(fl.permute_dims(v, axes), parts), lambda v: v.transpose(axes).reshape(parts), x)
    if x.size:
        assert_moves(lambda v: v.reshape(-1, parts[0]), lambda v: v.reshape(-1, parts[0]), x)


@few
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 4), max_dims=4, max_side=3))
def test_broadcasting_is_numpys(shapes: hnp.BroadcastableShapes) -> None:
    x = counted(shapes.input_shapes[0])
    assert_moves(
        lambda v: fl.broadcast_to(v, shapes.result_shape), lambda v: np.broadcast_to(v, shapes.result_shape), x
    )


@few
@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
def test_concat_and_stack_are_numpys(data: st.DataObject, shape: tuple[int, ...]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
    parts = []
    for i, n in enumerate(lengths):
        part = list(shape)
        part[axis] = n
        parts.append(counted(tuple(part)) + 100 * i)
    np.testing.assert_array_equal(np.asarray(fl.concat(parts, axis=axis)), np.concatenate(parts, axis=axis))
    np.testing.assert_array_equal(np.asarray(fl.concat(parts, axis=None)), np.concatenate(parts, axis=None))
    weights = np.random.default_rng(0).normal(size=np.concatenate(parts, axis=axis).shape)
    found = fl.grad(lambda xs: (fl.concat(xs, axis=axis) * weights).sum())(parts)
    for got, want in zip(found, np.split(weights, np.cumsum(lengths)[:-1], axis=axis), strict=True):
        np.testing.assert_array_equal(np.asarray(got), want)
    equal = [counted(shape) + i for i in range(3)]
    for at in range(-len(shape) - 1, len(shape) + 1):
        np.testing.assert_array_equal(np.asarray(fl.stack(equal, axis=at)), np.stack(equal, axis=at))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("indices", [[0], [2, 0, 2, -1], [[0, 1], [-3, 2]], [], 1, np.array([1, 2], np.uint8)], ids=str)
def test_take_is_numpys(axis: int | None, indices: Any) -> None:
    indices = np.asarray(indices, int) if isinstance(indices, list) else indices
    assert_moves(lambda v: fl.take(v, indices, axis=axis), lambda v: np.take(v, indices, axis=axis), counted((3, 3)))
    check_grads(lambda v: fl.take(v, indices, axis=axis) ** 2, (counted((3, 3)),), order=2)


def test_take_refuses_indices_out_of_range_and_floats() -> None:
    for wrong in ([3], [-4], [0, 7]):
        with pytest.raises(IndexError, match="out of range"):
            fl.take(np.ones(3), wrong)
    with pytest.raises(fl.DTypeError, match="integers"):
        fl.take(np.ones(3), [0.5])


def test_expand_dims_and_squeeze_are_numpys() -> None:
    x = counted((2, 1, 3, 1))
    for axis in range(-5, 5):
        assert_moves(lambda v, a=axis: fl.expand_dims(v, a), lambda v, a=axis: np.expand_dims(v, a), x)
    for axis in (None, 1, -1, (1, 3), (-3,), ()):
        assert_moves(lambda v, a=axis: fl.squeeze(v, a), lambda v, a=axis: np.squeeze(v, a), x)
    for wrong in (0, (1, 2), 4, -5):
        with pytest.raises(ValueError, match="squeeze"):
            fl.squeeze(x, wrong)
    with pytest.raises(ValueError, match="squeeze"):
        fl.squeeze(np.float64(1.0), 0)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_pass_through_views_of_views(order: int) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4))

    def f(v: Any) -> Any:
        rows = v.T[1:, ::-1].reshape(3, 3)[..., None]
        return fl.concat([rows * rows, fl.broadcast_to(v[0, 0], (3, 3, 1)) ** 3], axis=-1)[:, [0, 2, 0]]

    check_grads(f, (x,), order=order)


def test_views_share_memory_and_copies_do_not() -> None:
    x = fl.asarray(counted((4, 6)))
    plain = np.asarray(x)
    for view in (
        x[1:, ::2],
        x.T,
        x.reshape(2, 12),
        fl.expand_dims(x, 1),
        fl.broadcast_to(x, (2, 4, 6)),
        x[None],
        x[1],
        x[::-1],
    ):
        assert np.shares_memory(np.asarray(view), plain)
    for copy in (x.copy(), x[[0, 1]], x[x > 3], x.T.ravel(), fl.concat([x]), fl.take(x, [0], axis=0)):
        assert not np.shares_memory(np.asarray(copy), plain)


def test_shapes_that_do_not_fit_are_told() -> None:
    x = fl.ones((3, 4))
    with pytest.raises(fl.ShapeError, match=r"\[reshape\].*\(3, 4\).*\(5, 2\)"):
        x.reshape(5, 2)
    with pytest.raises(fl.ShapeError, match=r"\[reshape\]"):
        x.reshape(-1, 5)
    with pytest.raises(fl.ShapeError, match=r"\[reshape\]"):
        x.reshape(-1, -1)
    with pytest.raises(fl.ShapeError, match="permute_dims"):
        fl.permute_dims(x, (0, 0))
    with pytest.raises(fl.ShapeError, match="broadcast_to"):
        fl.broadcast_to(x, (3, 5))
    with pytest.raises(fl.ShapeError, match="concat"):
        fl.concat([x, fl.ones((3, 5))], axis=0)
    with pytest.raises(fl.ShapeError, match="concat"):
        fl.concat([x, fl.ones(3)], axis=0)
    with pytest.raises(ValueError, match="concat"):
        fl.concat([])
    with pytest.raises(fl.ShapeError, match="at most 8 axes"):
        fl.ones((1,) * 9)
