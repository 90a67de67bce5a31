"""grad, value_and_grad and vjp: of any order, nested without confusion, over trees and modules."""

from __future__ import annotations

import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.testing import check_grads

Point = namedtuple("Point", "x y")


def nth(f: Any, n: int) -> Any:
    for _ in range(n):
        f = fl.grad(f)
    return f


# Orders


@pytest.mark.parametrize(("f", "derivatives"), [
    (lambda x: x**4, [16.0, 32.0, 48.0, 48.0, 24.0]),
    (fl.exp, [np.exp(2.0)] * 5),
    (lambda x: fl.sin(x) * x, [2 * np.sin(2), np.sin(2) + 2 * np.cos(2), 2 * np.cos(2) - 2 * np.sin(2),
                               -3 * np.sin(2) - 2 * np.cos(2), -4 * np.cos(2) + 2 * np.sin(2)]),
    (fl.log, [np.log(2.0), 1 / 2, -1 / 4, 1 / 4, -3 / 8]),
])  # fmt: skip
def test_derivatives_to_order_4_are_exact(f: Any, derivatives: list[float]) -> None:
    for n, want in enumerate(derivatives):
        assert float(nth(f, n)(np.float64(2.0))) == pytest.approx(want, rel=1e-14)


def test_tanh_to_order_3_is_exact() -> None:
    t = np.tanh(0.3)
    assert float(nth(fl.tanh, 3)(np.float64(0.3))) == pytest.approx(-2 * (1 - t**2) * (1 - 3 * t**2), rel=1e-14)


def test_compositions_are_right_to_order_3() -> None:
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)
    check_grads(lambda x, w, b: fl.tanh(fl.linear(x, w, b)).sum(1), (x, w, b), order=3)
    check_grads(lambda x, w: fl.softmax(x @ w.T) * fl.log_softmax(x @ w.T), (x, w), order=3)
    check_grads(lambda x: fl.logsumexp(fl.sigmoid(x) / (1 + x * x), 0), (x,), order=3)


def test_check_grads_sees_a_wrong_derivative() -> None:
    with pytest.raises(AssertionError, match="difference"):
        check_grads(lambda x: x * fl.stop_gradient(x), (np.array([1.0, 2.0]),), order=1)
    with pytest.raises(AssertionError, match="difference"):  # right at order 1, wrong at order 2
        check_grads(lambda x: x * x + fl.stop_gradient(x - x * 1.0) * x, (np.ones(2),), order=1) or check_grads(
            lambda x: fl.stop_gradient(x) * x * 2 - fl.stop_gradient(x * x), (np.ones(2),), order=2
        )


# Nesting


def test_a_closure_does_not_confuse_perturbations() -> None:
    """d/dx (x d/dy (x + y)) = 1: the classic case where a naive tape answers 2."""
    assert fl.grad(lambda x: x * fl.grad(lambda y: x + y)(1.0))(1.0).item() == 1
    assert fl.grad(lambda x: x * fl.grad(lambda y: x * y)(5.0))(3.0).item() == 6
    assert fl.grad(lambda x: fl.grad(lambda y: x * y * y)(x))(3.0).item() == 12  # d/dx 2 x^2
    assert fl.grad(lambda x: fl.grad(lambda x: x * x)(x) * fl.grad(lambda y: y * x)(2.0))(3.0).item() == 12


def test_an_inner_gradient_of_the_outer_variable_is_recorded() -> None:
    def f(x: Any) -> Any:
        inner = fl.grad(lambda y: (y**3 * x).sum())(x)  # 3 x^3
        return (inner * inner).sum()  # 9 x^6

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(np.asarray(fl.grad(f)(x)), 54 * x**5, rtol=1e-14)


def test_hessians_are_symmetric() -> None:
    rng = np.random.default_rng(1)
    x, u, v = rng.normal(size=(3, 4))

    def f(x: Any) -> Any:
        return fl.log(1 + fl.exp(x[::-1] * x)).sum() + fl.tanh(x[:2]).sum() ** 2

    def hvp(v: np.ndarray) -> np.ndarray:
        return np.asarray(fl.grad(lambda y: (fl.grad(f)(y) * v).sum())(x))

    assert hvp(u) @ v == pytest.approx(hvp(v) @ u, rel=1e-13)


def test_a_learning_rate_has_a_gradient_through_steps_of_descent() -> None:
    def loss(w: Any) -> Any:
        return (w * w * np.array([1.0, 3.0])).sum()

    def after(lr: Any) -> Any:
        w = fl.asarray(np.array([1.0, -2.0]))
        for _ in range(3):
            w = w - lr * fl.grad(loss)(w)
        return loss(w)

    check_grads(after, (np.float64(0.05),), order=2)


# Trees and arguments


def test_a_gradient_is_built_as_its_argument() -> None:
    tree = {"a": [np.ones(2), (np.float64(3.0),)], "p": Point(2.0, np.ones((1, 2), np.float32)), "none": {}}
    g = fl.grad(lambda t: t["a"][0].sum() * t["a"][1][0] + (t["p"].x * t["p"].y).sum())(tree)
    assert isinstance(g["a"], list) and isinstance(g["a"][1], tuple) and isinstance(g["p"], Point)
    assert g["none"] == {}
    assert g["a"][0].tolist() == [3, 3]
    assert g["a"][1][0].item() == 2
    assert g["p"].x.item() == 2
    assert g["p"].y.tolist() == [[2, 2]]
    assert g["p"].y.dtype == np.float32
    assert g["a"][0].dtype == np.float64


def test_argnums_choose_arguments_and_the_rest_are_constants() -> None:
    def f(x: Any, y: Any, n: int, *, scale: float = 1.0) -> Any:
        return x * y**n * scale

    assert fl.grad(f)(2.0, 3.0, 2).item() == 9
    assert fl.grad(f, 1)(2.0, 3.0, 2).item() == 12
    assert fl.grad(f, -2)(2.0, 3.0, 2, scale=2.0).item() == 24
    assert [g.item() for g in fl.grad(f, (1, 0))(2.0, 3.0, 2)] == [12, 9]
    assert isinstance(fl.grad(f, [0])(2.0, 3.0, 2), tuple)
    with pytest.raises(ValueError, match="argnums names argument 3"):
        fl.grad(f, 3)(2.0, 3.0, 2)


def test_aux_comes_back_beside_the_value() -> None:
    def f(x: Any) -> Any:
        return (x * x).sum(), {"x": x, "word": "yes"}

    (value, aux), g = fl.value_and_grad(f, has_aux=True)(np.array([1.0, 2.0]))
    assert value.item() == 5
    assert aux["word"] == "yes"
    assert aux["x"].tolist() == [1, 2]
    assert g.tolist() == [2, 4]
    g, aux = fl.grad(f, has_aux=True)(np.array([1.0, 2.0]))
    assert g.tolist() == [2, 4]
    assert aux["word"] == "yes"


def test_the_wrapped_function_keeps_its_name_and_calls_once() -> None:
    calls = []

    def energy(x: Any) -> Any:
        """Docstring."""
        calls.append(1)
        return x * x

    assert fl.grad(energy).__name__ == fl.value_and_grad(energy).__name__ == "energy"
    fl.value_and_grad(energy)(1.0)
    assert len(calls) == 1


def test_an_unused_argument_has_a_gradient_of_zeros() -> None:
    g = fl.grad(lambda t: t["a"].sum())({"a": np.ones(2), "b": np.ones((2, 3), np.float32)})
    assert g["b"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert g["b"].dtype == np.float32


def test_plain_numpy_functions_can_be_differentiated() -> None:
    x = np.array([0.5, 1.5])
    g = fl.grad(lambda w: np.mean((np.tanh(w) - 1) ** 2) + np.linalg.norm(w))(x)
    want = (np.tanh(x) - 1) * (1 - np.tanh(x) ** 2) + x / np.linalg.norm(x)
    np.testing.assert_allclose(np.asarray(g), want, rtol=1e-14)


def test_modules_are_trees_and_keep_their_arrays() -> None:
    rng = fl.random.default_rng(4)
    model = fl.nn.Sequential(fl.nn.Linear(3, 4, rng=rng), fl.nn.Tanh(), fl.nn.Linear(4, 1, rng=rng))
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    before = dict(model.parameters())
    value, g = fl.value_and_grad(lambda m: (m(x) ** 2).mean())(model)
    assert list(g) == list(before) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert all(g[path].shape == before[path].shape for path in g)
    assert all(array is before[path] for path, array in model.parameters().items())
    step = 1e-3
    moved = {path: np.asarray(a) - step * np.asarray(g[path]) for path, a in before.items()}
    model.load_state_dict(moved)
    slope = sum(float((np.asarray(a) ** 2).sum()) for a in g.values())
    assert float((model(x) ** 2).mean()) == pytest.approx(float(value) - step * slope, abs=2e-5)
    both = fl.grad(lambda t: (t["m"](x) * t["s"]).sum())({"m": model, "s": np.float32(2.0)})
    assert set(both["m"]) == set(before)


def test_a_module_gets_its_arrays_back_after_an_error() -> None:
    model = fl.nn.Linear(2, 2)
    before = dict(model.parameters())
    with pytest.raises(RuntimeError, match="stop here"):
        fl.grad(lambda m: (_ for _ in ()).throw(RuntimeError("stop here")))(model)
    assert all(array is before[path] and not array.requires_grad for path, array in model.parameters().items())


# vjp


def test_vjp_pulls_trees_back_to_every_primal() -> None:
    x, y = np.array([1.0, 2.0]), np.array(3.0)
    out, pullback = fl.vjp(lambda t, y: {"p": t["x"] * y, "q": (t["x"].sum(), y)}, {"x": x}, y)
    assert out["p"].tolist() == [3, 6]
    gx, gy = pullback({"p": np.array([1.0, 10.0]), "q": (np.array(100.0), np.array(1000.0))})
    assert gx["x"].tolist() == [103, 130]
    assert gy.item() == 1 + 20 + 1000
    again, _ = pullback({"p": np.array([0.0, 1.0]), "q": (0.0, 0.0)})  # more than once
    assert again["x"].tolist() == [0, 3]
    with pytest.raises(ValueError, match="paths"):
        pullback({"p": x})
    with pytest.raises(fl.ShapeError, match="cotangent"):
        pullback({"p": np.ones(3), "q": (0.0, 0.0)})


def test_a_vector_cotangent_chooses_a_row_of_the_jacobian() -> None:
    a = np.random.default_rng(3).normal(size=(3, 4))
    _, pullback = fl.vjp(lambda x: fl.asarray(a) @ x, np.ones(4))
    for i in range(3):
        np.testing.assert_array_equal(np.asarray(pullback(np.eye(3)[i])[0]), a[i])


# What is refused, and what comes out


def test_integer_arrays_have_no_derivative_and_the_message_says_where() -> None:
    with pytest.raises(fl.DTypeError, match=r"int64 at 'n'.*leave it out of argnums"):
        fl.grad(lambda t: t["x"].sum())({"x": np.ones(2), "n": np.arange(3)})
    with pytest.raises(fl.DTypeError, match="bool"):
        fl.grad(lambda x: x.sum())(np.ones(2, bool))
    assert fl.grad(lambda x: x * x)(3).item() == 6  # a Python number is taken as a float


def test_only_scalars_of_floats_have_a_gradient() -> None:
    with pytest.raises(fl.ShapeError, match=r"scalar, got shape \(2,\); take the sum"):
        fl.grad(lambda x: x)(np.ones(2))
    with pytest.raises(TypeError, match="has_aux"):
        fl.grad(lambda x: (x.sum(), 1))(np.ones(2))
    with pytest.raises(TypeError, match="NoneType"):
        fl.grad(lambda x: None)(np.ones(2))
    with pytest.raises(fl.DTypeError, match="float"):
        fl.grad(lambda x: fl.argmax(x))(np.ones(2))


@pytest.mark.parametrize("f", [
    lambda x, y: (x + y).sum(), lambda x, y: x.sum() - y.sum(), lambda x, y: x.reshape(-1)[2] * y[1, 1],
    lambda x, y: (x * y).sum(), lambda x, y: (x.T + y.T).mean(), lambda x, y: fl.where(x > 0, x, y).sum(),
    lambda x, y: fl.concat([x, y]).sum(), lambda x, y: fl.stack([x, x, y]).sum(),
], ids=range(8))  # fmt: skip
def test_gradients_alias_neither_each_other_nor_an_input(f: Any) -> None:
    x, y = np.ones((2, 3)), np.full((2, 3), 2.0)
    gx, gy = (np.asarray(g) for g in fl.grad(f, (0, 1))(x, y))
    assert not any(np.shares_memory(a, b) for a, b in ((gx, gy), (gx, x), (gx, y), (gy, x), (gy, y)))
    assert gx.flags.writeable and gy.flags.writeable
    gx_before, gy_before = gx.copy(), gy.copy()
    gx += np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(gy, gy_before)
    np.testing.assert_array_equal(gx, gx_before + np.arange(6.0).reshape(2, 3))  # every element has its own place


def test_a_pulled_back_cotangent_is_not_the_one_given() -> None:
    x, c = np.ones(3), np.array([1.0, 2.0, 3.0])
    _, pullback = fl.vjp(lambda x: x, x)
    (g,) = pullback(c)
    assert g.tolist() == [1, 2, 3]
    assert not np.shares_memory(np.asarray(g), c)
    assert not np.shares_memory(np.asarray(fl.grad(lambda x, y: (x * y).sum())(x, c)), c)


def test_values_and_gradients_of_transforms_are_no_longer_recorded() -> None:
    value, g = fl.value_and_grad(lambda x: (x * x).sum())(np.ones(3))
    assert not value.requires_grad
    assert not g.requires_grad


def test_threads_record_and_walk_back_at_the_same_time() -> None:
    results: dict[int, list[float]] = {}

    def work(i: int) -> None:
        x = np.full(100, 1.0 + i)
        found = [float(fl.grad(lambda v: fl.grad(lambda u: (fl.tanh(u) * v).sum())(v).sum())(x)[0]) for _ in range(60)]
        results[i] = found

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, found in results.items():
        t = np.tanh(1.0 + i)
        assert len(set(found)) == 1
        assert found[0] == pytest.approx((1 - t**2) * (1 - 2 * t * (1 + i)), rel=1e-12)
    assert len(results) == 4


def test_no_grad_in_one_thread_does_not_reach_another() -> None:
    entered, done = threading.Event(), threading.Event()

    def quiet() -> None:
        with fl.no_grad():
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=quiet)
    thread.start()
    entered.wait(10)
    assert fl.grad(lambda x: x * x)(3.0).item() == 6
    done.set()
    thread.join()


def test_values_of_functions_of_several_arrays_are_not_recorded() -> None:
    params = {"a": np.ones(3, np.float32), "b": np.full(3, 2.0, np.float32), "c": np.float32(1.0)}

    def f(p: Any) -> Any:
        return (p["a"] * p["b"]).sum() + p["c"]

    value, _ = fl.value_and_grad(f)(params)
    out, _ = fl.vjp(f, params)
    several, _ = fl.value_and_grad(lambda a, b: f({"a": a, "b": b, "c": 0.0}), argnums=(0, 1))(params["a"], params["b"])
    assert not value._tracked
    assert not out._tracked
    assert not several._tracked
    assert fl.jit(fl.value_and_grad(f)).plan(params).steps > 0
    outer = fl.grad(lambda c: fl.value_and_grad(f)({**params, "c": c * c})[0])(fl.asarray(3.0))
    assert outer.item() == 6.0
