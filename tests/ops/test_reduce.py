"""Reductions: NumPy's values along all axes, the same bits on every target and for every number of threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline as fl
from fallline import _core
from fallline.testing import check_grads, use_target

TARGETS = _core.targets()
FUSED = [target for target in TARGETS if target != "sse4"]
FLOATS = ("float32", "float64")


def logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    if x.size == 0:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)))
    m = np.max(x, axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = np.exp(x - np.where(np.isfinite(m), m, 0))
        out = np.log(np.sum(shifted, axis=axis, keepdims=True)) + np.where(np.isfinite(m), m, 0)
    return out if keepdims else np.squeeze(out, axis=axis if axis is not None else None)


REFERENCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "logsumexp": logsumexp, "var": np.var, "std": np.std,
}  # fmt: skip
INDEX: dict[str, Callable[..., Any]] = {"argmax": np.argmax, "argmin": np.argmin}
EXACT = {"max", "min", "argmax", "argmin"}
AXES = [None, *(c for n in range(4) for c in itertools.combinations(range(3), n)), 0, -1, (-1, 0), (2, 0)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REFERENCE)
def test_every_combination_of_axes_gives_numpys_values(name: str, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=(5, 4, 7))
    for dtype, layout in itertools.product(FLOATS, (lambda a: a, np.asfortranarray, lambda a: a[::-1, :, ::2])):
        given_ = layout(x.astype(dtype))
        got = getattr(fl, name)(given_, axis, keepdims=keepdims)
        want = REFERENCE[name](given_.astype(np.float64), axis=axis, keepdims=keepdims)
        assert got.shape == want.shape
        assert got.dtype == dtype
        np.testing.assert_allclose(np.asarray(got), want, rtol=2e-6 if dtype == "float32" else 1e-14, atol=1e-6)


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -2])
@pytest.mark.parametrize("name", INDEX)
def test_the_first_extreme_is_found_along_any_axis(name: str, axis: int | None) -> None:
    rng = np.random.default_rng(1)
    for dtype in (*FLOATS, "int8", "uint16", "int64", "bool"):
        x = rng.integers(0, 2 if dtype == "bool" else 4, (6, 5, 40)).astype(dtype)  # many ties
        for layout in (x, np.asfortranarray(x), x[:, ::-1, ::3]):
            for keepdims in (False, True):
                got = getattr(fl, name)(layout, axis, keepdims=keepdims)
                want = np.asarray(INDEX[name](layout, axis=axis, keepdims=keepdims))
                assert got.dtype == np.int64
                np.testing.assert_array_equal(np.asarray(got), want)
                assert got.shape == want.shape


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*REFERENCE, *INDEX])
def test_every_length_of_rows_and_columns_is_right(name: str, target: str) -> None:
    reference = {**REFERENCE, **INDEX}[name]
    rng = np.random.default_rng(2)
    with use_target(target):
        for dtype in FLOATS:
            for n in (*range(1, 70), 127, 128, 129, 255, 300, 511, 700):
                x = rng.normal(size=(3, n)).astype(dtype)
                tolerance = 1e-6 if dtype == "float32" else 1e-14
                rows, columns = getattr(fl, name)(x, 1), getattr(fl, name)(np.ascontiguousarray(x.T), 0)
                want = reference(x.astype(np.float64), axis=1)
                near = tolerance * (1 + n / 8 if name == "sum" else 2)
                np.testing.assert_allclose(np.asarray(rows), want, rtol=tolerance, atol=near, err_msg=f"{n}")
                np.testing.assert_allclose(np.asarray(columns), want, rtol=tolerance, atol=near, err_msg=f"{n}")


SHAPES = [((3,), None), ((100003,), None), ((4096 * 3 + 5,), None), ((300, 257), 0), ((300, 257), 1),
          ((7, 33, 65), (0, 2)), ((20000, 3), 0), ((3, 20000), 1), ((2, 5000, 9), 1)]  # fmt: skip


@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
@pytest.mark.parametrize("name", [*REFERENCE, *INDEX])
def test_targets_and_threads_give_the_same_bits(name: str, shape: tuple[int, ...], axis: Any) -> None:
    if name in INDEX and isinstance(axis, tuple):
        axis = axis[0]
    for dtype in FLOATS:
        x = np.random.default_rng(3).normal(size=shape).astype(dtype)
        with use_target("scalar"):
            fl.set_num_threads(1)
            want = np.asarray(getattr(fl, name)(x, axis)).tobytes()
        for target in FUSED:
            with use_target(target):
                for threads in (1, 2, 3):
                    fl.set_num_threads(threads)
                    assert np.asarray(getattr(fl, name)(x, axis)).tobytes() == want, (target, threads, dtype)


@pytest.mark.parametrize("n", [10**5, 10**6])
def test_sums_of_many_terms_keep_their_digits(n: int) -> None:
    x = np.random.default_rng(4).uniform(0, 1, n).astype(np.float32)
    want = float(np.sum(x, dtype=np.float64))
    assert abs(float(fl.sum(x)) - want) <= 1e-6 * want
    assert abs(float(fl.mean(np.full(n, 0.1, np.float32))) - float(np.float32(0.1))) < 1e-7


@pytest.mark.parametrize("name", ["sum", "max", "min", "mean", "argmax", "argmin"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_have_numpys_values_and_dtypes(name: str, dtype: str) -> None:
    x = np.random.default_rng(5).integers(0, 2 if dtype == "bool" else 100, (9, 30)).astype(dtype)
    reference = {**REFERENCE, **INDEX}[name]
    for axis in (None, 0, 1):
        got, want = getattr(fl, name)(x, axis), reference(x, axis=axis)
        assert got.dtype == (np.float32 if name == "mean" else want.dtype)
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-6 if name == "mean" else 0)


def test_large_integers_are_summed_in_64_bits() -> None:
    assert fl.sum(np.full(1000, 255, np.uint8)).item() == 255000
    assert fl.sum(np.array([2**62, 2**61])).item() == 2**62 + 2**61
    assert fl.sum(np.ones(300, bool)).item() == 300
    assert fl.sum(np.full(3, 2**63, np.uint64)).item() == 3 * 2**63 % 2**64


@pytest.mark.parametrize("target", TARGETS)
def test_nan_is_passed_on_and_found_first(target: str) -> None:
    with use_target(target):
        for dtype in FLOATS:
            for n in (1, 5, 16, 33, 100):
                for at in {0, n // 2, n - 1}:
                    x = np.random.default_rng(6).normal(size=(n,)).astype(dtype)
                    x[at] = np.nan
                    for name in REFERENCE:
                        assert np.isnan(np.asarray(getattr(fl, name)(x))), (name, n, at)
                        assert np.isnan(np.asarray(getattr(fl, name)(x[:, None], 0))).all(), (name, n, at)
                    assert fl.argmax(x).item() == fl.argmin(x).item() == at
                    assert fl.argmax(np.stack([x, x], 1), 0).tolist() == [at, at]


@pytest.mark.parametrize("target", TARGETS)
def test_infinities_are_as_in_numpy(target: str) -> None:
    inf = np.inf
    rows = np.array(
        [[inf, 1, 2], [-inf, 1, 2], [inf, -inf, 0], [-inf, -inf, -inf], [inf, inf, inf], [1e300, -1e300, 1]]
    )
    with use_target(target), np.errstate(all="ignore"):
        for name in ("sum", "mean", "max", "min", "logsumexp"):
            got, want = np.asarray(getattr(fl, name)(rows, 1)), REFERENCE[name](rows, axis=1)
            np.testing.assert_allclose(got, want, rtol=1e-15, err_msg=name)


def test_logsumexp_does_not_overflow() -> None:
    for dtype in FLOATS:
        x = np.array([[1000.0, 1000.0], [-1000.0, -1000.0], [0.0, -1000.0]], dtype)
        np.testing.assert_allclose(np.asarray(fl.logsumexp(x, 1)), [1000 + np.log(2), -1000 + np.log(2), 0], rtol=1e-6)


def test_nothing_sums_to_zero_and_has_no_extreme() -> None:
    x = np.zeros((3, 0))
    assert fl.sum(x).item() == 0
    assert fl.sum(x, 1).tolist() == [0, 0, 0]
    assert fl.sum(x, 0).shape == (0,)
    assert np.isnan(fl.mean(x).item())
    assert fl.logsumexp(x, 1).tolist() == [-np.inf] * 3
    for name in ("max", "min", "argmax", "argmin"):
        with pytest.raises(fl.ShapeError, match="no elements"):
            getattr(fl, name)(x, 1)
        assert getattr(fl, name)(x, 0).shape == (0,)
    assert fl.all(x).item() is True
    assert fl.any(x).item() is False


def test_0d_arrays_reduce_to_themselves() -> None:
    x = np.array(2.5)
    for name in ("sum", "mean", "max", "min", "logsumexp"):
        for axis in (None, ()):
            assert getattr(fl, name)(x, axis).item() == 2.5
    assert fl.argmax(x).item() == 0
    assert fl.sum(3).item() == 3


@settings(deadline=None, max_examples=60)
@given(data=st.data(), shape=st.lists(st.integers(0, 5), min_size=1, max_size=4), order=st.permutations(range(4)))
def test_any_view_is_summed_as_numpy_does(data: st.DataObject, shape: list[int], order: list[int]) -> None:
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape) % 7  # whole numbers: exact in any order
    x = x.transpose([i for i in order if i < len(shape)])
    axis = data.draw(st.none() | st.sets(st.integers(-x.ndim, -1)).map(tuple))
    np.testing.assert_array_equal(np.asarray(fl.sum(x, axis)), np.sum(x, axis=axis))
    np.testing.assert_array_equal(np.asarray(fl.any(x, axis)), np.any(x, axis=axis))
    np.testing.assert_array_equal(np.asarray(fl.all(x, axis)), np.all(x, axis=axis))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (), -1], ids=str)
@pytest.mark.parametrize("name", REFERENCE)
def test_derivatives_are_right_to_order_2(name: str, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(7).normal(size=(3, 2, 4))
    if name == "std" and axis == ():
        return  # the root of zero has no derivative
    check_grads(lambda v: getattr(fl, name)(v, axis, keepdims=keepdims), (x,), order=2)


def test_equal_extremes_share_the_gradient() -> None:
    assert fl.grad(fl.max)(np.array([1.0, 3.0, 3.0])).tolist() == [0, 0.5, 0.5]
    assert fl.grad(fl.min)(np.array([2.0, 2.0, 2.0, 5.0])).tolist() == [1 / 3, 1 / 3, 1 / 3, 0]


@pytest.mark.parametrize("correction", [0, 1, 0.5])
def test_variance_divides_by_n_minus_the_correction(correction: float) -> None:
    x = np.random.default_rng(8).normal(size=(6, 5))
    for axis in (None, 0, (0, 1)):
        np.testing.assert_allclose(
            np.asarray(fl.var(x, axis, correction=correction)), np.var(x, axis=axis, ddof=correction)
        )


def test_axes_that_do_not_exist_or_repeat_are_refused() -> None:
    for axis in (2, -3, (0, 0), (0, -2)):
        with pytest.raises((ValueError, IndexError), match="ax"):
            fl.sum(np.ones((2, 2)), axis)
    with pytest.raises((ValueError, IndexError), match="ax"):
        fl.argmax(np.ones((2, 2)), 2)


def test_out_is_refused_with_a_way_out() -> None:
    with pytest.raises(TypeError, match="assign"):
        fl.sum(np.ones(3), None, None, np.zeros(()))
