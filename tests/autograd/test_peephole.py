"""Steps that plans merge: the bits of the ordinary calls, signs of zeros included, and only where nobody else reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl


def same_bits(a: Any, b: Any) -> None:
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def images(dtype: Any, n: int = 19) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(n, 3, 7, 6)).astype(dtype)
    x[0, 0] = -1.0
    x[1, 1, 2:4, :2] = 0.0
    x[2, 2, :2, 2:4] = 0.5  # ties
    x[3, 0, 0, 0] = np.nan
    x[4, 1, 4, 4] = np.inf
    x[5] = -0.0
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, 0), (3, 3, 0), (3, 2, 1), (2, 1, 0), ((1, 2), (1, 2), 0)]
)
def test_relu_before_max_pooling(dtype: Any, size: Any, stride: Any, padding: int) -> None:
    shape = fl.max_pool2d(images(dtype), size, stride=stride, padding=padding).shape
    weight = np.random.default_rng(1).normal(size=shape).astype(dtype)

    def loss(x: Any) -> Any:
        return (fl.max_pool2d(fl.relu(x), size, stride=stride, padding=padding) * weight).sum()

    x = fl.asarray(images(dtype))
    planned = fl.jit(fl.value_and_grad(loss))
    text, apart = str(planned.plan(x)), size == stride
    assert ("relu_max_pool2d(" in text) == ("relu_max_pool2d_input(" in text) == (" relu(" not in text) == apart
    for found, expected in zip(planned(x), fl.value_and_grad(loss)(x), strict=True):
        same_bits(found, expected)


def test_a_relu_that_others_read_stays() -> None:
    def output(x: Any) -> Any:
        y = fl.relu(x)
        return fl.max_pool2d(y, 2), y

    def loss(x: Any) -> Any:
        y = fl.relu(x)
        return fl.max_pool2d(y, 2).sum() + (y * y).sum()

    x = fl.asarray(images(np.float32)[6:])
    for f in (output, fl.value_and_grad(loss)):
        planned = fl.jit(f)
        assert " relu(" in str(planned.plan(x)) and "relu_max_pool2d" not in str(planned.plan(x))
        for found, expected in zip(planned(x), f(x), strict=True):
            same_bits(found, expected)


def test_without_a_gradient_only_the_way_there_is_merged() -> None:
    planned = fl.jit(lambda x: fl.max_pool2d(fl.relu(x), 2))
    x = fl.asarray(images(np.float32))
    assert planned.plan(x).steps == 1
    same_bits(planned(x), fl.max_pool2d(fl.relu(x), 2))


def test_a_group_stores_only_what_others_read() -> None:
    x = fl.asarray(np.random.default_rng(0).normal(size=5000).astype(np.float32))

    def chain(x: Any) -> Any:
        return fl.gelu(x * 1.5 + 0.25) * 0.75 - 0.5 * fl.tanh(x)

    plan = fl.jit(chain).plan(x)
    assert plan.steps == 1 and plan.arena_bytes < 20_200  # the result alone
    same_bits(fl.jit(chain)(x), chain(x))


@pytest.mark.parametrize("n", [0, 1, 3, 1023, 1024, 1025, 4096, 10_007])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_groups_of_any_length_have_the_bits_of_their_steps(n: int, dtype: Any) -> None:
    rng = np.random.default_rng(n)
    x, y = (fl.asarray(rng.normal(size=n).astype(dtype)) for _ in range(2))

    def f(x: Any, y: Any) -> Any:
        z = fl.sin(x) * y + fl.exp(-x * x)
        return fl.maximum(z, y) / (1.0 + fl.abs(x)), fl.tanh(z)

    for found, expected in zip(fl.jit(f)(x, y), f(x, y), strict=True):
        same_bits(found, expected)
    gradient = fl.grad(lambda x: (f(x, y)[0] * f(x, y)[1]).sum())
    same_bits(fl.jit(gradient)(x), gradient(x))


def test_groups_take_one_order_of_elements() -> None:
    rng = np.random.default_rng(0)
    x, y = fl.asarray(rng.normal(size=(40, 60))), fl.asarray(rng.normal(size=(60, 40)))

    def f(x: Any, y: Any) -> Any:
        a = fl.tanh(x) * 2.0
        b = fl.exp(y.T) + a
        return (b.T * y).reshape(-1) + fl.sin(a.reshape(-1)), a[::-1] * b

    for found, expected in zip(fl.jit(f)(x, y), f(x, y), strict=True):
        same_bits(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adding_what_is_negated_becomes_a_subtraction(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 7)).astype(dtype), rng.normal(size=7).astype(dtype)
    x[0, :4], y[:4] = (0.0, -0.0, 0.0, -0.0), (0.0, 0.0, -0.0, -0.0)
    for f in (lambda x, y: x + -y, lambda x, y: -y + x, lambda x, y: -x + -y):
        g = fl.jit(f)
        same_bits(g(x, y), f(fl.asarray(x), fl.asarray(y)))
        assert "subtract" in str(g.plan(x, y))
        assert "add" not in str(g.plan(x, y))
    both = fl.jit(lambda x, y: (x + -y, -y))
    difference, negated = both(x, y)
    same_bits(difference, x - y)
    same_bits(negated, -y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_a_function_takes_apart_is_put_together_at_once(dtype: Any) -> None:
    x = fl.asarray(np.random.default_rng(4).normal(size=12).astype(dtype))
    z = fl.asarray(np.array([0.0, -0.0, 1.0, -1.0] * 3, dtype))

    def apart(x: Any) -> Any:
        return (x[0] - x[1]) * (x[2] + 100.0 * x[1] * x[1]) - x[0]

    def overlapping(x: Any) -> Any:
        return (x[:4] * x[2:6]).sum() + (x[::3] * z[::3]).sum() + (x[::-1] * z).sum() + 0.0 * x[11]

    def square(x: Any) -> Any:
        m = x.reshape(3, 4)
        return (m[1:, 2:] * m[:2, 1:3]).sum() - (m.T[1] * m.T[3]).sum() * m[2, 0]

    for f in (apart, overlapping, square):
        for values in (x, z):
            planned = fl.jit(fl.grad(f))
            same_bits(planned(values), fl.grad(f)(values))
    text = str(fl.jit(fl.grad(apart)).plan(x))
    assert text.count("unslice") == 1


def test_a_part_that_others_read_stays() -> None:
    x = fl.asarray(np.arange(5, dtype=np.float32))

    def f(x: Any) -> Any:
        g = fl.grad(lambda v: (v[1:3] ** 3).sum())(x)
        return g, g + fl.grad(lambda v: (v[2:] ** 2).sum())(x)

    for found, expected in zip(fl.jit(f)(x), f(x), strict=True):
        same_bits(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, -0.0, 0.7, -1.5, 3.25, np.inf, -np.inf, np.nan])
def test_groups_of_one_element_have_the_bits_of_their_steps(dtype: Any, value: float) -> None:
    unary = [fl.negative, fl.abs, fl.sign, fl.square, fl.reciprocal, fl.sqrt, fl.exp, fl.expm1, fl.log, fl.log1p]
    unary += [fl.sin, fl.cos, fl.tanh, fl.erf, fl.sigmoid, fl.softplus, fl.relu, fl.gelu, fl.silu, fl.floor, fl.ceil]
    unary += [fl.trunc, fl.round]
    binary = [fl.add, fl.subtract, fl.multiply, fl.divide, fl.power, fl.maximum, fl.minimum]
    x, y = fl.asarray(np.array(value, dtype)), fl.asarray(np.array([0.6], dtype))

    def all_of(x: Any, y: Any) -> Any:
        return [f(x) for f in unary] + [f(x, y) for f in binary] + [f(y, x) for f in binary]

    for found, expected in zip(fl.jit(all_of)(x, y), all_of(x, y), strict=True):
        same_bits(found, expected)
    for f in (*(lambda x, y, f=f: f(x * y) for f in unary), *binary):
        gradient = fl.grad(lambda x, f=f: f(x, y).sum())  # type: ignore[misc]
        same_bits(fl.jit(gradient)(x), gradient(x))
