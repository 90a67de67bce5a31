"""RReLU draws slopes of full precision, anew for each step, and its derivative is what it drew."""

from __future__ import annotations

import numpy as np
import pytest

import fallline as fl
from fallline import nn


@pytest.mark.parametrize(("dtype", "most"), [("float32", 4096), ("float64", 2)])
def test_slopes_are_uniform_with_all_their_bits(dtype: str, most: int) -> None:
    x = -np.ones(1 << 18, dtype)
    slopes = -np.asarray(nn.RReLU(0.0, 1.0)(x))
    assert 0 <= slopes.min() < 1e-4
    assert 1 - 1e-4 < slopes.max() < 1
    assert len(slopes) - len(np.unique(slopes)) < most  # of 24 bits about 2,048 repeat, of 16 nearly all would
    counts = np.histogram(slopes, 16, (0, 1))[0]
    assert ((counts - len(x) / 16) ** 2 / (len(x) / 16)).sum() < 45  # chi squared, 15 degrees: 1e-4
    assert abs(np.corrcoef(slopes[:-1], slopes[1:])[0, 1]) < 0.01


def test_each_call_draws_anew_in_plans_too_and_the_derivative_is_the_slope() -> None:
    layer, x = nn.RReLU(), fl.asarray(-np.ones(100))
    y, pull = fl.vjp(layer, x)
    np.testing.assert_array_equal(pull(fl.ones(100, dtype="float64"))[0], -np.asarray(y))
    planned = fl.jit(lambda x: layer(x))
    assert np.asarray(planned(x)).tolist() != np.asarray(planned(x)).tolist()
    assert planned.traces == 1
    layer.eval()
    np.testing.assert_allclose(layer(x), np.full(100, -11 / 48))
