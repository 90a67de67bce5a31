"""Products of Jacobians and Hessians with vectors, against differences and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 2))


def network(p: Any, x: Any) -> Any:
    return {"y": fl.tanh(x @ p["w"] + p["b"]), "norms": [fl.sqrt((p["w"] ** 2).sum()), (x * x).sum(axis=0)]}


PRIMALS = ({"w": W, "b": RNG.normal(size=2)}, RNG.normal(size=(4, 3)))
TANGENTS = ({"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}, RNG.normal(size=(4, 3)))
FUNCTIONS = {  # function, primals, tangents
    "several trees": (network, PRIMALS, TANGENTS),
    "a number": (lambda x: fl.exp(fl.sin(x)), (np.array(0.3),), (2.0,)),
    "broadcast": (lambda x, y: x * y + y, (RNG.normal(size=(2, 3)), RNG.normal(size=3)), (np.ones((2, 3)), np.ones(3))),
    "an argument without use": (lambda x, y: x**3, (RNG.normal(size=3), 1.0), (np.ones(3), 5.0)),
    "a constant output": (lambda x: (x.sum(), fl.ones(2, dtype="float64")), (RNG.normal(size=3),), (np.ones(3),)),
    "a strided argument": (lambda x: fl.log(x * x), (RNG.normal(size=(6, 4))[::2, ::-1],), (RNG.normal(size=(3, 4)),)),
    "no elements": (lambda x: fl.sin(x), (np.zeros((0, 2)),), (np.zeros((0, 2)),)),
    "numpy's functions": (lambda x: np.exp(x) / np.sum(x), (np.ones(3),), (np.arange(3.0),)),
}


def moved(primals: Any, tangents: Any, step: float) -> Any:
    return fl.tree.map(lambda x, t: np.asarray(x) + step * np.asarray(t), primals, tangents)


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in fl.tree.flatten(tree).values()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_push_is_the_directional_derivative(name: str) -> None:
    f, primals, tangents = FUNCTIONS[name]
    out, tangent = fl.jvp(f, primals, tangents)
    again, push = fl.linearize(f, *primals)
    step = 1e-6
    up, down = (f(*map_arrays(moved(primals, tangents, s))) for s in (step, -step))
    for value, same, expected in zip(leaves(out), leaves(again), leaves(f(*map_arrays(primals))), strict=True):
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(same, expected)
    for t, same, a, b in zip(*map(leaves, (tangent, push(*tangents), up, down)), strict=True):
        np.testing.assert_allclose(t, (a - b) / (2 * step), rtol=1e-7, atol=1e-7)
        np.testing.assert_array_equal(same, t)
    assert fl.tree.flatten(tangent).keys() == fl.tree.flatten(out).keys()


def map_arrays(tree: Any) -> Any:
    return fl.tree.map(lambda x: fl.asarray(x) if isinstance(x, np.ndarray) else x, tree)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_push_and_pull_are_each_others_transpose(name: str) -> None:
    f, primals, tangents = FUNCTIONS[name]
    out, tangent = fl.jvp(f, primals, tangents)
    _, pullback = fl.vjp(f, *primals)
    cotangent = fl.tree.map(lambda y: RNG.normal(size=y.shape), out)
    left = sum((a * b).sum() for a, b in zip(leaves(cotangent), leaves(tangent), strict=True))
    right = sum((a * b).sum() for a, b in zip(leaves(pullback(cotangent)), leaves(tangents), strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-12)


def test_pushes_nest_and_stand_inside_derivatives_and_plans() -> None:
    f = lambda x: fl.sin(x) * x.sum()  # noqa: E731
    x, t = RNG.normal(size=3), RNG.normal(size=3)
    push = lambda x: fl.jvp(f, (x,), (t,))[1]  # noqa: E731
    step = 1e-5
    second = fl.jvp(push, (x,), (t,))[1]
    expected = (np.asarray(push(x + step * t)) - np.asarray(push(x - step * t))) / (2 * step)
    np.testing.assert_allclose(np.asarray(second), expected, rtol=1e-7)
    fl.testing.check_grads(push, (x,), order=2)
    plan = fl.jit(push)
    np.testing.assert_array_equal(np.asarray(plan(fl.asarray(x))), np.asarray(push(x)))
    assert plan.plan(fl.asarray(x)).steps > 0, "a plan, not a call"


def quartic(p: Any, x: Any) -> Any:
    return (fl.tanh(x @ p["w"]) ** 2).sum() + (p["b"] ** 4).sum() * x.sum()


def test_derivatives_pass_through_the_vectors_of_a_product() -> None:
    _, pullback = fl.vjp(lambda x: fl.sin(x) * x.sum(), PRIMALS[0]["b"])
    _, push = fl.linearize(lambda x: fl.sin(x) * x.sum(), PRIMALS[0]["b"])
    for product in (lambda v: pullback(v)[0], push):
        fl.testing.check_grads(lambda v, product=product: product(v) ** 2, (RNG.normal(size=2),), order=2)


def test_a_hessian_product_is_the_derivative_of_the_gradient() -> None:
    products = fl.hvp(quartic, PRIMALS, TANGENTS)
    step = 1e-6
    gradient = fl.grad(quartic, argnums=(0, 1))
    up, down = (gradient(*moved(PRIMALS, TANGENTS, s)) for s in (step, -step))
    for h, a, b in zip(*map(leaves, (products, up, down)), strict=True):
        np.testing.assert_allclose(h, (a - b) / (2 * step), rtol=1e-6, atol=1e-7)


def test_a_hessian_product_of_a_module() -> None:
    model = fl.nn.Sequential(fl.nn.Linear(3, 4), fl.nn.Tanh(), fl.nn.Linear(4, 1))
    for array in model.parameters().values():
        np.asarray(array)[...] = RNG.normal(size=array.shape)
    x = fl.asarray(RNG.normal(size=(5, 3)).astype(np.float32))
    loss = lambda m: (m(x) ** 2).mean()  # noqa: E731
    vector = {path: np.ones(a.shape, np.float32) for path, a in model.parameters().items()}
    (product,) = fl.hvp(loss, (model,), (vector,))
    assert product.keys() == model.parameters().keys()
    gradients = []
    for sign in (1, -1):
        twin = {path: np.asarray(a) + np.float32(sign * 1e-2) for path, a in model.parameters().items()}
        with model.holding({path: fl.asarray(a) for path, a in twin.items()}):
            gradients.append(fl.grad(loss)(model))
    for path in product:
        expected = (np.asarray(gradients[0][path]) - np.asarray(gradients[1][path])) / 2e-2
        np.testing.assert_allclose(np.asarray(product[path]), expected, rtol=0.02, atol=0.02)


def test_gauss_newton_leaves_out_the_curvature_of_the_function() -> None:
    x, target = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
    f = lambda w: fl.tanh(x @ w)  # noqa: E731
    loss = lambda y: ((y - target) ** 2).sum()  # noqa: E731
    v = RNG.normal(size=(3, 2))
    (product,) = fl.gnvp(f, loss, (W,), (v,))
    jacobian = np.asarray(fl.jacobian(f)(W)).reshape(12, 6)
    np.testing.assert_allclose(np.asarray(product).ravel(), jacobian.T @ (2 * (jacobian @ v.ravel())), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fl.jvp(fl.sin, 1.0, 1.0), TypeError, r"\[jvp\] primals must be a tuple .* write \(x,\)"),
        (lambda: fl.jvp(fl.sin, (1.0,), (1.0, 2.0)), ValueError, r"\[jvp\] got 2 vectors for 1 arguments"),
        (lambda: fl.jvp(fl.sin, (np.ones(3),), (np.ones(2),)), fl.ShapeError, r"vector 0 has shape \(2,\), .* \(3,\)"),
        (lambda: fl.hvp(lambda p: p["a"].sum(), ({"a": 1.0},), ({"b": 1.0},)), ValueError, r"paths \['b'\].*\['a'\]"),
        (lambda: fl.vjp(fl.sin, np.ones(3))[1](np.ones(4)), fl.ShapeError, r"the cotangent has shape \(4,\)"),
        (lambda: fl.linearize(fl.sin, np.ones(3))[1](), ValueError, "got 0 vectors for 1 arguments"),
        (lambda: fl.hvp(fl.sin, (np.ones(3),), (np.ones(3),)), fl.ShapeError, "scalar|size"),
    ],
)
def test_vectors_that_do_not_fit_are_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
