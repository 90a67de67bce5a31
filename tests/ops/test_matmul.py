"""Products of matrices: right for every layout, and the same bits on every target and for every number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline as fl
from fallline import _core

SIZES = (1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 31, 32, 33, 47, 64, 65)
FUSED = [target for target in _core.targets() if target != "sse4"]  # sse4 rounds products before it adds them

# How an operand may lie in memory: a matrix of the shape, as a view that NumPy makes.
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows": lambda x: x.copy(),
    "columns": lambda x: x.T.copy().T,
    "padded": lambda x: np.pad(x, ((0, 1), (0, 5)))[: x.shape[0], : x.shape[1]],
    "every other": lambda x: np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "one row": lambda x: np.broadcast_to(x[:1], x.shape),
    "one column": lambda x: np.broadcast_to(x[:, :1], x.shape),
}


@pytest.fixture(autouse=True)
def _keep_target() -> Iterator[None]:
    target, threads = _core.target(), _core.num_threads()
    yield
    _core.set_target(target)
    _core.set_num_threads(threads)


def product(a: np.ndarray, b: np.ndarray, target: str, threads: int = 1) -> np.ndarray:
    _core.set_target(target)
    fl.set_num_threads(threads)
    return np.asarray(fl.asarray(a) @ fl.asarray(b))


def whole_numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Small enough for every product and sum to be exact, so that order and rounding do not matter."""
    return rng.integers(-8, 9, size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", _core.targets())
def test_whole_numbers_multiply_exactly_for_all_small_shapes(target: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for m in SIZES:
        for n in SIZES:
            k = int(rng.choice(SIZES))
            a, b = whole_numbers(rng, (m, k), dtype), whole_numbers(rng, (k, n), dtype)
            np.testing.assert_array_equal(product(a, b, target), a @ b, err_msg=f"{m} x {k} @ {k} x {n}")


@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("target", _core.targets())
def test_every_layout_multiplies_exactly(target: str, left: str, right: str) -> None:
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        for m, n, k in ((5, 3, 9), (45, 37, 20), (60, 70, 200)):
            a = LAYOUTS[left](whole_numbers(rng, (m, k), dtype))
            b = LAYOUTS[right](whole_numbers(rng, (k, n), dtype))
            np.testing.assert_array_equal(product(a, b, target), a @ b, err_msg=f"{m} x {k} @ {k} x {n}")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 150), st.integers(0, 2**32 - 1))
def test_targets_and_threads_give_the_same_bits(m: int, n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (LAYOUTS[str(rng.choice(list(LAYOUTS)))](rng.normal(size=s)) for s in ((m, k or 1), (k or 1, n)))
    for dtype in (np.float32, np.float64):
        x, y = a.astype(dtype)[:, :k], b.astype(dtype)[:k]
        expected = product(x, y, "scalar")
        for target in FUSED:
            for threads in (1, 2, 3):
                np.testing.assert_array_equal(product(x, y, target, threads), expected, err_msg=f"{target} {threads}")


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(32, 128, 784), (784, 128, 32), (3, 3, 5000), (1, 40, 2100), (300, 1, 1100), (130, 129, 1025), (20, 2100, 70)],
)
@pytest.mark.parametrize("order", ["rows, rows", "columns, rows", "rows, columns"])
def test_large_products_give_the_same_bits_and_few_errors(m: int, n: int, k: int, order: str) -> None:
    rng = np.random.default_rng(m + n + k)
    left, right = order.split(", ")
    a = LAYOUTS[left](rng.normal(size=(m, k)).astype(np.float32))
    b = LAYOUTS[right](rng.normal(size=(k, n)).astype(np.float32))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) * min(k, 1100) * np.finfo(np.float32).eps
    expected = product(a, b, FUSED[-1])
    for target in _core.targets():
        for threads in (1, 2):
            result = product(a, b, target, threads)
            assert np.all(np.abs(result - exact) <= bound)
            if target in FUSED and (target != "scalar" or m * n * k < 4e6):
                np.testing.assert_array_equal(result, expected, err_msg=f"{target} {threads}")


def test_sums_follow_one_order_with_fused_products() -> None:
    # 1 + 2^-24 - 1 with a fused product keeps what a rounded one loses; cuts of 1,024 start again from zero.
    e = np.float32(2.0**-12)
    a = np.array([[1 + e, -1]], np.float32)
    b = np.array([[1 + e], [(1 + e) * (1 + e)]], np.float32)
    exact = float(a[0, 0]) * float(b[0, 0]) - float(b[1, 0])
    for target in FUSED:
        first, second = product(a, b, target), product(a[:, ::-1], b[::-1], target)
        assert second[0, 0] == np.float32(exact) != 0
        assert first[0, 0] == 0
    # Within one cut 2^24 + 1 + 1 ... stays at 2^24; in the next cut the ones add up first.
    row = np.ones((1, 2048), np.float32)
    row[0, 0] = 2.0**24
    for target in _core.targets():
        assert product(row, np.ones((2048, 1), np.float32), target)[0, 0] == 2.0**24 + 1024


@pytest.mark.parametrize("left", ["rows", "columns", "every other"])
@pytest.mark.parametrize("target", _core.targets())
def test_sums_start_from_the_bias(target: str, left: str) -> None:
    rng = np.random.default_rng(3)
    for dtype in (np.float32, np.float64):
        for m, n, k in (
            (1, 1, 5),
            (15, 1, 40),
            (32, 1, 64),
            (70, 1, 1),
            (31, 3, 300),
            (33, 3, 300),
            (64, 12, 33),
            (40, 17, 70),
        ):
            x = LAYOUTS[left](rng.normal(size=(m, k)).astype(dtype))
            w, bias = rng.normal(size=(n, k)).astype(dtype), rng.normal(size=n).astype(dtype)
            ones = np.ones((m, 1), dtype)
            expected = product(np.hstack([ones, x]), np.hstack([bias[:, None], w]).T, target)  # 1 * bias comes first
            result = np.asarray(fl.linear(x, w, bias))
            np.testing.assert_array_equal(result, expected, err_msg=f"{m} x {k} @ {k} x {n}")
            inside = fl.jit(lambda x, w, bias: fl.relu(fl.linear(x, w, bias)))(x, w, bias)
            np.testing.assert_array_equal(np.asarray(inside), np.maximum(expected, 0))


@pytest.mark.parametrize("n", [1, 3, 20])
@pytest.mark.parametrize("k", [0, 1500, 2500])
def test_a_bias_counts_once_in_long_sums(k: int, n: int) -> None:
    rng = np.random.default_rng(4)
    x, w, bias = (whole_numbers(rng, shape, np.float32) for shape in ((80, k), (n, k), (n,)))
    for target in _core.targets():
        for threads in (1, 2):
            _core.set_target(target)
            fl.set_num_threads(threads)
            np.testing.assert_array_equal(np.asarray(fl.linear(x, w, bias)), x @ w.T + bias)


@pytest.mark.parametrize("target", _core.targets())
def test_batches_broadcast_as_in_numpy(target: str) -> None:
    rng = np.random.default_rng(2)
    shapes = [
        ((4, 3, 5), (4, 5, 2)),
        ((4, 3, 5), (5, 2)),
        ((3, 5), (4, 5, 2)),
        ((2, 1, 3, 5), (4, 5, 2)),
        ((50, 8, 8), (50, 8, 8)),
        ((64, 20, 40), (40, 30)),
        ((3, 90, 60), (3, 60, 80)),
        ((1, 3, 5), (6, 5, 2)),
    ]
    for first, second in shapes:
        a, b = whole_numbers(rng, first, np.float32), whole_numbers(rng, second, np.float32)
        for threads in (1, 2):
            np.testing.assert_array_equal(product(a, b, target, threads), a @ b, err_msg=f"{first} {second}")
    swapped = np.swapaxes(whole_numbers(rng, (4, 5, 3), np.float64), 1, 2)
    other = whole_numbers(rng, (8, 5, 2), np.float64)[::2]
    np.testing.assert_array_equal(product(swapped, other, target), swapped @ other)


@pytest.mark.parametrize("target", _core.targets())
def test_vectors_and_empty_operands(target: str) -> None:
    rng = np.random.default_rng(3)
    for a_shape, b_shape in [((7,), (7,)), ((7,), (7, 4)), ((4, 7), (7,)), ((2, 4, 7), (7,)), ((7,), (3, 7, 2))]:
        a, b = whole_numbers(rng, a_shape, np.float32), whole_numbers(rng, b_shape, np.float32)
        np.testing.assert_array_equal(product(a, b, target), a @ b, err_msg=f"{a_shape} {b_shape}")
    for a_shape, b_shape in [((3, 0), (0, 4)), ((0, 3), (3, 4)), ((3, 4), (4, 0)), ((0, 2, 3), (3, 4)), ((0,), (0,))]:
        result = product(np.ones(a_shape, np.float32), np.ones(b_shape, np.float32), target)
        expected = np.ones(a_shape, np.float32) @ np.ones(b_shape, np.float32)
        np.testing.assert_array_equal(result, expected)
        assert result.shape == expected.shape


@pytest.mark.parametrize("target", _core.targets())
def test_nan_and_infinity_reach_what_they_touch_and_nothing_else(target: str) -> None:
    for m, n, k in ((5, 3, 7), (33, 35, 40), (60, 70, 200)):
        a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
        a[2, 1], a[m - 1, k - 1], b[k // 2, n - 1] = np.nan, np.inf, -np.inf
        with np.errstate(invalid="ignore"):
            expected = a @ b
        np.testing.assert_array_equal(product(a, b, target), expected)
    zero = product(np.array([[0.0, np.inf]], np.float32), np.array([[np.inf], [1.0]], np.float32), target)
    assert np.isnan(zero[0, 0])


@pytest.mark.parametrize("target", _core.targets())
def test_subnormals_are_kept(target: str) -> None:
    tiny = np.full((40, 40), 2.0**-140, np.float32)
    for threads in (1, 2):
        np.testing.assert_array_equal(product(tiny, np.eye(40, dtype=np.float32), target, threads), tiny)


def test_what_lies_around_the_operands_does_not_count() -> None:
    rng = np.random.default_rng(4)
    for target in _core.targets():
        for m, n, k in ((3, 5, 7), (17, 33, 15), (50, 66, 140)):
            field = np.full((2, m + k + 2, n + k + 2), np.nan, np.float32)
            a, b = field[0, 1 : m + 1, 1 : k + 1], field[1, 1 : k + 1, 1 : n + 1]
            a[...], b[...] = whole_numbers(rng, (m, k), np.float32), whole_numbers(rng, (k, n), np.float32)
            np.testing.assert_array_equal(product(a, b, target), a.copy() @ b.copy())


def test_inner_sizes_that_differ_are_named() -> None:
    with pytest.raises(fl.ShapeError, match=r"matmul.*\(3, 4\).*\(5, 6\)"):
        fl.asarray(np.ones((3, 4), np.float32)) @ fl.asarray(np.ones((5, 6), np.float32))


def test_a_product_by_threads_uses_them() -> None:
    fl.set_num_threads(2)
    a = np.ones((700, 700), np.float32)
    for _ in range(20):
        fl.asarray(a) @ fl.asarray(a)
        if fl.info()["counters"]["threads_worked"] >= 2:
            break
    assert fl.info()["counters"]["threads_worked"] >= 2
