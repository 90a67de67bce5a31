"""Derivatives written by hand: taken as they are written, at once and in every transform; and hooks on the way back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)


def by_vjp() -> Any:
    @fl.custom_vjp
    def f(x: Any, y: Any) -> Any:
        return {"z": fl.exp(x) * y["w"], "s": (x * x).sum()}

    def forward(x: Any, y: Any) -> Any:
        return f(x, y), (x, y["w"], fl.exp(x))

    def backward(left: Any, g: Any) -> Any:
        x, w, e = left
        return g["z"] * e * w + 2.0 * x * g["s"], {"w": g["z"] * e}

    f.defvjp(forward, backward)
    return f


def by_jvp() -> Any:
    @fl.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return {"z": fl.exp(x) * y["w"], "s": (x * x).sum()}

    @f.defjvp
    def push(primals: Any, tangents: Any) -> Any:
        (x, y), (dx, dy) = primals, tangents
        e = fl.exp(x)
        return f(x, y), {"z": e * y["w"] * dx + e * dy["w"], "s": (2.0 * x * dx).sum()}

    return f


def plain(x: Any, y: Any) -> Any:
    return {"z": fl.exp(x) * y["w"], "s": (x * x).sum()}


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    def scalar(x: Any, w: Any) -> Any:
        out = f(fl.sin(x), {"w": w * w})
        return (fl.tanh(out["z"]) * out["s"]).sum()

    return scalar


ARGS = (fl.asarray(RNG.normal(size=4)), fl.asarray(RNG.normal(size=4)))
ROWS = fl.asarray(RNG.normal(size=(3, 4)))
Transform = Callable[[Callable[..., Any]], Callable[..., Any]]
TRANSFORMS: dict[str, Transform] = {
    "value": lambda f: f,
    "grad": lambda f: fl.grad(f, argnums=(0, 1)),
    "grad of grad": lambda f: fl.grad(lambda x, w: fl.sin(fl.grad(f)(x, w)).sum(), argnums=(0, 1)),
    "third": lambda f: fl.grad(
        lambda x, w: fl.grad(lambda x, w: fl.sin(fl.grad(f)(x, w)).sum())(x, w).sum(), argnums=(0, 1)
    ),
    "jvp": lambda f: lambda x, w: fl.jvp(f, (x, w), (w, x))[1],
    "hvp": lambda f: lambda x, w: fl.hvp(f, (x, w), (w, x)),
    "hessian": fl.hessian,
    "jit": fl.jit,
    "jit of grad": lambda f: fl.jit(lambda x, w: fl.grad(f, argnums=(0, 1))(x, w)),
    "grad of jit": lambda f: fl.grad(fl.jit(f), argnums=(0, 1)),
    "grad of grad of jit": lambda f: fl.grad(lambda x, w: fl.grad(fl.jit(f))(x, w).sum(), argnums=(0, 1)),
    "grad of checkpoint": lambda f: fl.grad(fl.checkpoint(f), argnums=(0, 1)),
    "jit of hessian of checkpoint": lambda f: fl.jit(lambda x, w: fl.hessian(fl.checkpoint(f))(x, w)),
    "grad of scan": lambda f: fl.grad(
        lambda x, w: fl.scan(lambda c, row: (fl.tanh(c + f(c, row)), None), x, ROWS * w)[0].sum(), argnums=(0, 1)
    ),
    "vmap": lambda f: lambda x, w: fl.vmap(f, in_axes=(0, None))(ROWS, w),
    "vmap of grad": lambda f: lambda x, w: fl.vmap(fl.grad(f, argnums=(0, 1)), in_axes=(0, None))(ROWS, w),
    "grad of vmap": lambda f: fl.grad(lambda x, w: fl.vmap(f, in_axes=(0, None))(ROWS * x, w).sum(), argnums=(0, 1)),
    "hessian of vmap": lambda f: fl.hessian(lambda x, w: fl.vmap(f, in_axes=(0, None))(ROWS * x, w).sum()),
    "jit of grad of vmap of checkpoint": lambda f: fl.jit(
        lambda x, w: fl.grad(lambda x, w: fl.vmap(fl.checkpoint(f), in_axes=(0, None))(ROWS * x, w).sum())(x, w)
    ),
}


@pytest.mark.parametrize("rule", [by_vjp, by_jvp])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_rule_that_is_right_changes_nothing(name: str, rule: Callable[[], Any]) -> None:
    found = TRANSFORMS[name](total(rule()))(*ARGS)
    expected = TRANSFORMS[name](total(plain))(*ARGS)
    for a, b in zip(fl.tree.flatten(found).values(), fl.tree.flatten(expected).values(), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["grad", "jvp", "jit of grad", "grad of jit", "grad of checkpoint", "grad of scan"])
def test_the_rule_is_what_counts(name: str) -> None:
    @fl.custom_vjp
    def square(x: Any) -> Any:
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, g: (5.0 * g * x,))  # not 2 x

    def twin(x: Any) -> Any:  # the same value, and that derivative
        c = fl.stop_gradient(x)
        return c * c + 5.0 * c * (x - c)

    def scalar(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, w: fl.sin(f(x) * w).sum()

    found, expected = (TRANSFORMS[name](scalar(f))(*ARGS) for f in (square, twin))
    for a, b in zip(fl.tree.flatten(found).values(), fl.tree.flatten(expected).values(), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)


def test_other_libraries_may_compute_value_and_derivative() -> None:
    cube = fl.custom_vjp(lambda x: fl.asarray(np.asarray(x) ** 3))
    cube.defvjp(lambda x: (cube(x), np.asarray(x)), lambda x, g: (3.0 * x * x * np.asarray(g),))
    x = fl.asarray([1.0, 2.0])
    assert fl.grad(lambda x: (cube(x) * 2.0).sum())(x).tolist() == [6.0, 24.0]


def test_arguments_without_derivatives_come_first() -> None:
    @fl.custom_vjp
    def apply(f: Any, x: Any, times: int) -> Any:
        return f(x) * times

    power = fl.custom_vjp(lambda f, x, times: f(x) * times, nondiff_argnums=(0, 2))
    power.defvjp(lambda f, x, times: (f(x) * times, x), lambda f, times, x, g: (g * f(x) * 10.0 * times,))
    assert fl.grad(lambda x: power(fl.exp, x, 3))(0.0).item() == 30.0
    assert fl.grad(lambda x: power(fl.exp, x, times=3))(0.0).item() == 30.0
    with pytest.raises(TypeError, match="has no derivative yet"):
        fl.grad(lambda x: apply(fl.exp, x, 3))(0.0)


def test_errors_of_rules() -> None:
    def with_rule(forward: Any, backward: Any) -> Any:
        f = fl.custom_vjp(lambda x, y: x * y)
        f.__name__ = "product"
        f.defvjp(forward, backward)
        return lambda: fl.grad(lambda x: f(x, 2.0).sum())(fl.ones(3))

    good = lambda x, y: (x * y, (x, y))  # noqa: E731
    with pytest.raises(TypeError, match=r"product: the forward function must return \(out, residuals\)"):
        with_rule(lambda x, y: x * y, None)()
    with pytest.raises(TypeError, match="product: the derivative must be a tuple with a gradient"):
        with_rule(good, lambda left, g: g)()
    with pytest.raises(fl.ShapeError, match=r"gradient of argument 0 has shape \(\), the argument \(3,\)"):
        with_rule(good, lambda left, g: (g.sum(), None))()
    with pytest.raises(ZeroDivisionError):
        with_rule(good, lambda left, g: (1 // 0, None))()
    x = fl.ones(3)
    closing = fl.custom_vjp(lambda y: y)
    for transform in (lambda f: f, fl.checkpoint):
        with pytest.raises(fl.TapeError, match="takes an array that is being differentiated from outside"):

            def f(x: Any) -> Any:
                closing.defvjp(lambda y: (y * x, None), lambda _, g: (g,))
                return closing(x * 2.0).sum()

            fl.grad(transform(f))(x)
    assert fl.grad(lambda x: (x * x).sum())(x).tolist() == [2.0, 2.0, 2.0]  # an error leaves nothing behind


def test_hooks_see_and_change_gradients() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        h = fl.hook_gradient(x * 2.0, seen.append)
        return (fl.hook_gradient(h * h, lambda g: g * 10.0)).sum()

    assert fl.grad(f)(fl.asarray([1.0, 2.0])).tolist() == [80.0, 160.0]
    assert [g.tolist() for g in seen] == [[40.0, 80.0]]
    assert fl.jit(fl.grad(f))(fl.asarray([1.0, 2.0])).tolist() == [80.0, 160.0]
    w = fl.asarray([1.0], requires_grad=True)
    fl.hook_gradient(w, lambda g: g + 1.0).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2.0]


def test_a_jitted_function_is_a_plan_on_both_ways() -> None:
    class Counter:
        calls = 0

    counter = Counter()

    @fl.jit
    def f(x: Any) -> Any:
        counter.calls += 1
        return fl.sin(x * x).sum()

    x = fl.asarray(RNG.normal(size=5))
    first = fl.grad(f)(x)
    traced = counter.calls
    for _ in range(3):
        np.testing.assert_array_equal(fl.grad(f)(x), first)
    assert counter.calls == traced  # no Python afterwards
    np.testing.assert_allclose(first, 2 * np.asarray(x) * np.cos(np.asarray(x) ** 2), rtol=1e-14)


def test_backward_lets_go_of_the_record_when_told() -> None:
    w = fl.asarray([1.0, 2.0], requires_grad=True)
    loss = (w * w * w).sum()
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=False)
    assert w.grad is not None
    assert w.grad.tolist() == [6.0, 24.0]
    with pytest.raises(fl.TapeError, match=r"let go by an earlier backward\(retain_graph=False\)"):
        loss.backward()


def test_stop_gradient_takes_trees() -> None:
    def f(p: Any) -> Any:
        held = fl.stop_gradient(p)
        return (p["a"] * held["b"][0]).sum()

    p = {"a": fl.asarray([1.0, 2.0]), "b": [fl.asarray([3.0, 4.0])]}
    assert fl.tree.map(lambda g: g.tolist(), fl.grad(f)(p)) == {"a": [3.0, 4.0], "b": [[0.0, 0.0]]}


def test_threads_differentiate_rules_at_the_same_time() -> None:
    f = total(by_vjp())
    expected = fl.grad(f)(*ARGS).tolist()
    checked = fl.grad(fl.checkpoint(f))(*ARGS).tolist()
    wrong: list[Any] = []

    def work() -> None:
        for i in range(20):
            g = fl.grad(fl.checkpoint(f) if i % 2 else f)(*ARGS).tolist()
            if g not in (expected, checked):
                wrong.append(g)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
