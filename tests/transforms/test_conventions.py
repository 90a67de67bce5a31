"""What docs/derivatives.md says of kinks and edges is what comes out: at once, in plans and for each example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl

PAGE = (Path(__file__).parents[2] / "docs" / "derivatives.md").read_text()
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (\S+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


def numbers(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.split(",")])


def test_the_table_is_there() -> None:
    assert len(ROWS) >= 25


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("expression", "at", "value", "derivative"), ROWS)
def test_a_row_of_the_page_is_true(expression: str, at: str, value: str, derivative: str, dtype: str) -> None:
    def f(x: Any) -> Any:
        return eval(expression, {"fl": fl, "np": np, "x": x})

    x = fl.asarray(np.array(eval(at, {"np": np}), dtype))
    np.testing.assert_array_equal(np.asarray(f(x)), float(value))
    gradient = fl.grad(f, unused="zero")
    expected = numbers(derivative).reshape(x.shape)
    np.testing.assert_array_equal(np.asarray(gradient(x)), expected)
    np.testing.assert_array_equal(np.asarray(fl.jit(lambda x: gradient(x))(x)), expected)
    each = np.asarray(fl.vmap(gradient)(np.stack([np.asarray(x)] * 2)))
    np.testing.assert_array_equal(each, np.stack([expected] * 2))


@pytest.mark.parametrize("name", ["softplus", "silu", "sigmoid", "gelu", "tanh", "erf", "sin", "exp", "log1p", "expm1"])
def test_smooth_functions_are_smooth_at_zero_to_order_three(name: str) -> None:
    f: Any = getattr(fl, name)
    for order in range(1, 4):
        derivative = f
        for _ in range(order):
            derivative = fl.grad(lambda x, g=derivative: g(x))
        zero, near = (derivative(np.float64(x)).item() for x in (0.0, 1e-7))
        assert zero == pytest.approx(near, abs=1e-6)
