"""Derivatives of what depends on no argument, and which arguments are meant: asked for, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

MODEL = fl.nn.Linear(2, 1)
CONSTANT = {
    "a number": (lambda x: 3.0, 1.0),
    "a shape": (lambda x: float(x.shape[0]), np.ones(2)),
    "a comparison": (lambda x: fl.asarray(x > 0).astype("float32").sum(), np.ones(2)),
    "stopped": (lambda x: fl.stop_gradient(x * x), 1.0),
    "a model that was closed over": (lambda p: MODEL(np.ones((1, 2), np.float32)).sum(), MODEL.parameters()),
    "several arguments": (lambda t: fl.asarray(2.0), [1.0, {"a": 2.0}]),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_a_derivative_by_what_nothing_depends_on_is_an_error_and_zero_when_asked_for(name: str) -> None:
    f, at = CONSTANT[name]
    for transform in (fl.grad, fl.value_and_grad, lambda f: fl.jit(fl.grad(f))):
        with pytest.raises(ValueError, match=r'\[grad\] .* depends on none of the arguments.*unused="zero"'):
            transform(f)(at)
    zeros = fl.grad(f, unused="zero")(at)
    assert all(not np.asarray(g).any() for g in fl.tree.flatten(zeros).values())
    assert fl.tree.flatten(zeros).keys() == fl.tree.flatten(at).keys()
    assert float(fl.value_and_grad(f, unused="zero")(at)[0]) == pytest.approx(float(fl.asarray(f(at))))


def ones_like(at: Any) -> Any:
    return fl.tree.map(lambda leaf: np.ones_like(np.asarray(leaf)), at)


TRANSFORMS = {  # what each gives of f at a point: derivatives alone, all of them zero for a constant f
    "jacobian": lambda f, at, **way: fl.jacobian(f, **way)(at),
    "hessian": lambda f, at, **way: fl.hessian(f, **way)(at),
    "vjp": lambda f, at, **way: fl.vjp(f, at, **way)[1](1.0),
    "linearize": lambda f, at, **way: fl.linearize(f, at, **way)[1](ones_like(at)),
    "jvp": lambda f, at, **way: fl.jvp(f, (at,), (ones_like(at),), **way)[1],
    "hvp": lambda f, at, **way: fl.hvp(f, (at,), (ones_like(at),), **way),
    "gnvp": lambda f, at, **way: fl.gnvp(f, lambda y: y**2, (at,), (ones_like(at),), **way),
    "the loss of gnvp": lambda f, at, **way: fl.gnvp(lambda t: t, f, (at,), (ones_like(at),), **way),
}


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_derivative_asks_that_something_depends_on_the_arguments(transform: str, name: str) -> None:
    f, at = CONSTANT[name]
    with pytest.raises(ValueError, match=r'depends on none of the arguments.*unused="zero"'):
        TRANSFORMS[transform](f, at)
    zeros = TRANSFORMS[transform](f, at, unused="zero")
    assert all(not np.asarray(g).any() for g in fl.tree.flatten(zeros).values())


LINEAR = {
    "jacobian": lambda x: fl.jacobian(fl.jacobian(lambda x: 3.0 * x))(x),
    "hessian": lambda x: fl.hessian(lambda x: fl.sum(3.0 * x))(x),
    "hvp": lambda x: fl.hvp(lambda x: fl.sum(3.0 * x), (x,), (x,))[0],
    "gnvp": lambda x: fl.gnvp(lambda x: 3.0 * x, fl.sum, (x,), (x,))[0],
}


@pytest.mark.parametrize("transform", LINEAR)
def test_the_curvature_of_a_linear_function_is_zero(transform: str) -> None:
    assert not np.asarray(LINEAR[transform](np.ones(2))).any()


ARGNUMS = [  # argnums, how many arguments, what is said
    (2, 2, "names argument 2, but 2 were given by position"),
    (-2, 1, "names argument -2, but 1 was given by position"),
    ((0, 0), 2, "names an argument twice"),
    ((1, -1), 2, "names an argument twice"),
    ("x", 2, "argnums must be the position of an argument, or a tuple of them, got 'x'"),
    (1.0, 2, "argnums must be the position of an argument, or a tuple of them, got 1.0"),
]


@pytest.mark.parametrize(("argnums", "count", "said"), ARGNUMS)
@pytest.mark.parametrize("transform", [fl.grad, fl.value_and_grad, fl.jacobian, fl.hessian])
def test_argnums_name_each_argument_once(transform: Any, argnums: Any, count: int, said: str) -> None:
    def f(*args: Any) -> Any:  # it says nothing about how many arguments there are
        return sum(arg * arg for arg in args)

    with pytest.raises((TypeError, ValueError), match=said):
        transform(f, argnums)(*[1.0] * count)
    for good in (1, -1, (0, 1), [1]):
        transform(f, good)(2.0, 3.0)


def test_derivatives_of_derivatives_may_be_constant() -> None:
    assert fl.grad(fl.grad(lambda x: 3.0 * x))(1.0).item() == 0
    assert fl.grad(fl.grad(fl.grad(lambda x: x * x)))(1.0).item() == 0
    assert fl.grad(lambda x: fl.vjp(lambda y: 3.0 * y, x)[1](1.0)[0])(1.0).item() == 0
    assert fl.grad(lambda x, y: 3.0 * y, argnums=(0, 1))(1.0, 2.0)[0].item() == 0
    with pytest.raises(ValueError, match="unused must be"):
        fl.grad(lambda x: x, unused="none")
