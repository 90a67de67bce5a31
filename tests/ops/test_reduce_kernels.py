"""Sums follow the order that ops/reduce_kernels.h states: written here in plain NumPy, equal bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import _core
from fallline.testing import use_target

FUSED = [target for target in _core.targets() if target != "sse4"]
BLOCK, FEW, GROUP = 4096, 16, 256
LENGTHS = (1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129, 1000, 4095, 4096, 4097, 9000, 70000, 300001)


def tree(parts: list[np.ndarray]) -> np.ndarray:
    """Join neighbours as a counter carries: the largest power of two of parts on the left."""
    if len(parts) == 1:
        return parts[0]
    left = 1 << (len(parts) - 1).bit_length() - 1
    return np.asarray(tree(parts[:left]) + tree(parts[left:]))


def in_order(rows: np.ndarray) -> np.ndarray:
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    return np.asarray(total)


def block(x: np.ndarray) -> np.ndarray:
    if x.size <= FEW:
        return in_order(x)
    lanes = 256 // x.itemsize
    padded = np.full(-(-x.size // lanes) * lanes, -0.0, x.dtype)  # -0 added changes nothing
    padded[: x.size] = x
    total = in_order(padded.reshape(-1, lanes))
    while total.size > 1:
        total = total[: total.size // 2] + total[total.size // 2 :]
    return np.asarray(total[0])


def row_sum(x: np.ndarray) -> np.ndarray:
    return tree([block(x[i : i + BLOCK]) for i in range(0, x.size, BLOCK)])


def column_sums(x: np.ndarray) -> np.ndarray:
    return tree([in_order(x[i : i + GROUP]) for i in range(0, len(x), GROUP)])


@pytest.mark.parametrize("target", FUSED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_summed_in_the_stated_order(dtype: Any, target: str) -> None:
    rng = np.random.default_rng(0)
    with use_target(target):
        for n in LENGTHS:
            x = (rng.normal(size=n) * np.exp(rng.normal(size=n) * 3)).astype(dtype)
            assert np.asarray(fl.sum(x)) == row_sum(x), n


@pytest.mark.parametrize("target", FUSED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_are_summed_in_the_stated_order(dtype: Any, target: str) -> None:
    rng = np.random.default_rng(1)
    with use_target(target):
        for n in (1, 2, 7, 8, 9, 255, 256, 257, 700, 2000):
            for columns in (2, 5, 16, 17, 64, 300):
                x = (rng.normal(size=(n, columns)) * 100).astype(dtype)
                np.testing.assert_array_equal(np.asarray(fl.sum(x, 0)), column_sums(x), err_msg=f"{n} {columns}")


def test_the_order_matters_to_these_sums() -> None:
    """Or the tests above would pass for any order."""
    x = np.random.default_rng(0).normal(size=9000).astype(np.float32)
    assert row_sum(x) != in_order(x)
    assert np.any(column_sums(x.reshape(-1, 3)) != in_order(x.reshape(-1, 3)))
