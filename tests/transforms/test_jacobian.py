"""Jacobians and Hessians, against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)


def differences(f: Any, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Return the derivative of f by each element of x, of shape output + x."""
    columns = []
    for i in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[i] = step
        columns.append((np.asarray(f(fl.asarray(x + unit))) - np.asarray(f(fl.asarray(x - unit)))) / (2 * step))
    return np.stack(columns, -1).reshape((*columns[0].shape, *x.shape))


A = RNG.normal(size=(3, 7))
FUNCTIONS = {  # function and where
    "wide": (lambda x: fl.tanh(A @ x), RNG.normal(size=7)),
    "tall": (lambda x: fl.sin(A.T @ x), RNG.normal(size=3)),
    "matrices": (lambda x: x @ x.T, RNG.normal(size=(2, 3))),
    "a number": (lambda x: x**3, np.array(2.0)),
    "one output": (lambda x: (x**2).sum(), RNG.normal(size=4)),
    "from one number": (lambda x: x * fl.asarray(np.arange(4.0)), np.array(1.5)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_jacobian_has_all_derivatives(name: str) -> None:
    f, x = FUNCTIONS[name]
    found = fl.jacobian(f)(x)
    expected = differences(f, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-7, atol=1e-8)
    plan = fl.jit(fl.jacobian(f))
    np.testing.assert_array_equal(np.asarray(plan(fl.asarray(x))), np.asarray(found))
    assert plan.plan(fl.asarray(x)).steps > 0


def test_forward_and_reverse_agree() -> None:
    f, x = FUNCTIONS["wide"]
    reverse = fl.jacobian(f)(x)
    forward = fl.jacobian(lambda x: fl.concat([f(x)] * 3))(x)  # 9 outputs of 7 inputs
    np.testing.assert_allclose(np.asarray(forward)[3:6], np.asarray(reverse), rtol=1e-13)


def test_a_jacobian_of_trees_has_a_tree_in_each_leaf() -> None:
    f = lambda p, s: {"y": p["w"] * s, "z": (p["w"] ** 2).sum()}  # noqa: E731
    p, s = {"w": np.array([1.0, 2.0]), "b": np.zeros(1)}, 3.0
    found = fl.jacobian(f)(p, s)
    assert found["y"]["w"].tolist() == [[3.0, 0.0], [0.0, 3.0]] and found["y"]["b"].shape == (2, 1)
    assert found["z"]["w"].tolist() == [2.0, 4.0]
    both = fl.jacobian(f, argnums=(1, 0))(p, s)
    assert both["y"][0].tolist() == [1.0, 2.0] and both["z"][1]["w"].tolist() == [2.0, 4.0]
    assert fl.jacobian(f, argnums=-1)(p, s)["z"].item() == 0.0


def test_a_jacobian_of_nothing_is_empty() -> None:
    assert fl.jacobian(fl.sin)(np.zeros(0)).shape == (0, 0)
    assert fl.jacobian(lambda x: x[:0])(np.zeros(3)).shape == (0, 3)
    with pytest.raises(ValueError, match="argument 2, but 1 was given"):
        fl.jacobian(fl.sin, argnums=2)(1.0)


def test_a_hessian_is_the_jacobian_of_the_gradient() -> None:
    f = lambda x: (fl.sin(x) * x[0]).sum() + x[1] ** 4  # noqa: E731
    x = RNG.normal(size=4)
    found = np.asarray(fl.hessian(f)(x))
    np.testing.assert_allclose(found, differences(fl.grad(f), x), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found, found.T, rtol=1e-13)
    for i, unit in enumerate(np.eye(4)):
        np.testing.assert_allclose(np.asarray(fl.hvp(f, (x,), (unit,))[0]), found[i], rtol=1e-13, atol=1e-15)


def test_a_hessian_of_a_tree_and_of_a_tree_of_arguments() -> None:
    f = lambda p: (p["a"] ** 2).sum() * p["b"]  # noqa: E731
    found = fl.hessian(f)({"a": np.array([1.0, 2.0]), "b": 3.0})
    assert found["a"]["a"].tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert found["a"]["b"].tolist() == [2.0, 4.0] == found["b"]["a"].tolist()
    mixed = fl.hessian(lambda x, y: x * x * y, argnums=(0, 1))(2.0, 5.0)
    assert [[h.item() for h in row] for row in mixed] == [[10.0, 4.0], [4.0, 0.0]]


def test_derivatives_pass_through_a_jacobian() -> None:
    f, x = FUNCTIONS["wide"]
    volume = lambda x: (fl.jacobian(f)(x) ** 2).sum()  # noqa: E731
    fl.testing.check_grads(volume, (x,), order=2)


def test_the_third_derivative_of_a_number() -> None:
    assert fl.jacobian(fl.hessian(lambda x: x**4))(2.0).item() == 48.0
