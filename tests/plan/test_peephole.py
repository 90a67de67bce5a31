"""Steps that plans merge: the bits of the ordinary calls, signs of zeros included, and only where nobody else reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.nn.losses import cross_entropy


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "inputs", "hidden"), [(1, 1, 1), (3, 5, 7), (32, 13, 64), (29, 40, 33), (200, 1100, 50), (40, 2100, 17)]
)
def test_relu_of_products(rows: int, inputs: int, hidden: int, dtype: Any) -> None:
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, inputs)).astype(dtype)
    w, b = rng.normal(size=(hidden, inputs)).astype(dtype), rng.normal(size=hidden).astype(dtype)
    v, c = rng.normal(size=(inputs, hidden)).astype(dtype), rng.normal(size=inputs).astype(dtype)
    if rows > 2:
        x[0], x[1, 0], x[2, -1] = 0.0, np.nan, np.inf
        b[0] = -0.0

    def loss(w: Any, b: Any, v: Any, c: Any) -> Any:
        y = fl.relu(fl.linear(x, w, b))
        return (fl.linear(y, v, c) ** 2).mean()

    arguments = [fl.asarray(a) for a in (w, b, v, c)]
    every = fl.value_and_grad(loss, argnums=(0, 1, 2, 3))
    planned = fl.jit(every)
    text = str(planned.plan(*arguments))
    assert text.count("linear_relu(") == 1
    assert text.count("matmul_relu_grad(") == 1
    assert " relu(" not in text
    (value, gradients), (expected, others) = planned(*arguments), every(*arguments)
    same_bits(value, expected)
    for found, other in zip(gradients, others, strict=True):
        same_bits(found, other)


def test_a_product_that_others_read_keeps_its_relu_apart() -> None:
    rng = np.random.default_rng(5)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in ((4, 3), (5, 3), 5))

    def both(w: Any) -> Any:
        y = fl.linear(x, w, b)
        return fl.relu(y), y

    planned = fl.jit(both)
    assert " relu(" in str(planned.plan(fl.asarray(w)))
    for found, expected in zip(planned(w), both(fl.asarray(w)), strict=True):
        same_bits(found, expected)


def test_relu_of_products_in_other_layouts() -> None:
    rng = np.random.default_rng(6)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in ((2, 6, 4), (3, 4), 6))

    def f(x: Any, w: Any, b: Any) -> Any:
        return fl.relu(fl.linear(x[:, :, ::-1].reshape(12, 4), w, b[::2])).sum()

    def g(x: Any, w: Any, b: Any) -> Any:
        y = fl.relu(x * 2.0)
        return ((y @ w.T) ** 2).sum() + b[0] * fl.relu(fl.exp(x).T).sum()

    for h in (f, g):
        gradient = fl.grad(h, argnums=(0, 1, 2))
        for found, expected in zip(fl.jit(gradient)(x, w, b), gradient(*map(fl.asarray, (x, w, b))), strict=True):
            same_bits(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (5, 3), (32, 10), (130, 16), (70, 17), (9, 1000), (3, 5000)])
def test_a_cross_entropy_and_its_gradient_are_one_step(rows: int, classes: int, dtype: Any) -> None:
    rng = np.random.default_rng(classes)
    x, labels = rng.normal(size=(rows, classes)).astype(dtype), rng.integers(0, classes, rows)
    weight = rng.random(rows).astype(dtype)
    if classes > 2:
        x[0, 0], x[0, 1] = np.inf, -np.inf

    def weighted(x: Any) -> Any:
        return (cross_entropy(x, labels, reduction="none") * weight).sum()

    for f in (lambda x: cross_entropy(x, labels), weighted):
        both = fl.value_and_grad(f)
        planned = fl.jit(both)
        assert "cross_entropy_and_grad(" in str(planned.plan(fl.asarray(x)))
        for found, expected in zip(planned(x), both(fl.asarray(x)), strict=True):
            same_bits(found, expected)


def test_a_gradient_that_depends_on_the_loss_waits_for_it() -> None:
    rng = np.random.default_rng(7)
    x, labels = fl.asarray(rng.normal(size=(6, 4)).astype(np.float32)), rng.integers(0, 4, 6)
    squared = fl.value_and_grad(lambda x: cross_entropy(x, labels) ** 2)
    planned = fl.jit(squared)
    assert "cross_entropy_and_grad(" not in str(planned.plan(x))
    for found, expected in zip(planned(x), squared(x), strict=True):
        same_bits(found, expected)


def test_parts_that_all_meet_are_added_one_by_one() -> None:
    x = fl.asarray(np.ones(5, np.float32))
    for f in (
        lambda x: (x[0:3] * -0.0).sum() + (x[1:4] * -0.0).sum(),
        lambda x: (x[0:3] * -0.0).sum() + (x[1:4] * -0.0).sum() + (x[::2] * -0.0).sum(),
        lambda x: (x[1:4] * -0.0).sum() + (x[4:0:-1] * -0.0).sum(),
        lambda x: (x[0:2] * -0.0).sum() + (x[1:3] * -0.0).sum() + (x[2:4] * -0.0).sum(),
    ):
        same_bits(fl.jit(fl.grad(f))(x), fl.grad(f)(x))


def test_losses_whose_gradients_depend_on_each_other() -> None:
    labels = fl.asarray(np.array([0, 1, 2, 1]))
    rng = np.random.default_rng(0)
    x, y = (fl.asarray(rng.normal(size=(4, 3)).astype(np.float32)) for _ in range(2))

    def f(x: Any, y: Any) -> Any:
        first, pull_first = fl.vjp(lambda x: cross_entropy(x, labels), x)
        second, pull_second = fl.vjp(lambda y: cross_entropy(y * 2.0, labels), y)
        g = pull_first(second * 3.0)
        return first, second, g[0], pull_second(g[0].sum())[0]

    for found, expected in zip(fl.jit(f)(x, y), f(x, y), strict=True):
        same_bits(found, expected)

    def independent(x: Any, y: Any) -> Any:
        both = fl.value_and_grad(lambda z, scale: cross_entropy(z * scale, labels))
        return both(x, 1.0), both(y, 2.0), both(x, 3.0)

    planned = fl.jit(independent)
    assert str(planned.plan(x, y)).count("cross_entropy_and_grad(") == 3
    for found, expected in zip(planned(x, y), independent(x, y), strict=True):
        same_bits(found[0], expected[0])
        same_bits(found[1], expected[1])


@pytest.mark.parametrize("n", [7, 1024, 2000, 5000])
def test_one_element_of_what_a_group_computes(n: int) -> None:
    x = fl.asarray(np.random.default_rng(n).normal(size=n).astype(np.float32))

    def f(x: Any) -> Any:
        z = x * 2.0
        return z - z[0], z / z[-1], fl.exp(z * 0.1) * z[n // 2] + z[1:2], (z * z[n - 2]).sum()

    for found, expected in zip(fl.jit(f)(x), f(x), strict=True):
        same_bits(found, expected)
    gradient = fl.grad(lambda x: (f(x)[1] * f(x)[2]).sum())
    same_bits(fl.jit(gradient)(x), gradient(x))
