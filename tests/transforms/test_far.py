"""Derivatives far out: third ones of a network, through trainings of every rule, of a million calls, among threads."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))
SHAPES = {"w": (3, 4), "b": (4,), "v": (4, 2)}
START = {name: RNG.normal(size=shape) * 0.5 for name, shape in SHAPES.items()}

ELEMENTWISE = [
    *("SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "AMSGrad", "Adamax", "NAdam"),
    *("NAdamW", "RAdam", "Lion", "Signum", "AdaBelief", "Yogi", "Adan", "ASGD", "FTRL", "ScheduleFreeSGD"),
    *("ScheduleFreeAdamW", "ADOPT", "AdEMAMix", "QHM", "QHAdam", "AggMo", "MADGRAD"),
]


def unflat(flat: Any) -> dict[str, Any]:
    out, at = {}, 0
    for name, shape in SHAPES.items():
        n = int(np.prod(shape))
        out[name] = flat[at : at + n].reshape(shape)
        at += n
    return out


def loss(p: Any, x: Any = X, y: Any = Y) -> Any:
    return ((fl.tanh(x @ p["w"] + p["b"]) @ p["v"] - y) ** 2).mean()


def test_third_derivatives_of_a_network_are_differences_of_second_ones() -> None:
    flat = np.concatenate([a.ravel() for a in START.values()])
    third = np.asarray(fl.jacobian(fl.hessian(lambda f: loss(unflat(f))))(fl.asarray(flat)))
    hessian = fl.jit(lambda f: fl.hessian(lambda g: loss(unflat(g)))(f))
    for i in range(0, flat.size, 3):
        step = np.zeros_like(flat)
        step[i] = 1e-5
        difference = (np.asarray(hessian(flat + step)) - np.asarray(hessian(flat - step))) / 2e-5
        np.testing.assert_allclose(third[..., i], difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rule", ELEMENTWISE)
def test_hypergradients_through_twenty_steps_are_differences(rule: str) -> None:
    """d validation loss / d learning rate, step by step and as one plan."""
    rate = 0.5 if rule == "Adadelta" else 0.01

    def trained(lr: Any) -> Any:
        opt = getattr(fl.optim, rule)(lr)
        params: Any = {name: fl.asarray(a) for name, a in START.items()}
        state = opt.init(params)
        for _ in range(20):
            params, state = opt.update(fl.grad(loss)(params, X[:8], Y[:8]), state, params)
        return loss(params, X[8:], Y[8:])

    lr, h = np.float64(rate), rate * 1e-5
    slope = fl.grad(trained)(lr).item()
    assert slope == pytest.approx((trained(lr + h).item() - trained(lr - h).item()) / (2 * h), rel=2e-5, abs=1e-8)
    planned = fl.jit(fl.grad(trained))
    assert planned(lr).item() == slope
    assert planned.plan(lr).steps > 20


def test_an_exception_in_a_rule_leaves_nothing_behind() -> None:
    f = fl.custom_vjp(lambda x: x * 2.0)

    def broken(_: Any, g: Any) -> Any:
        raise ZeroDivisionError

    f.defvjp(lambda x: (x * 2.0, None), broken)
    for ways in (lambda g: g, fl.checkpoint, fl.jit):
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                fl.grad(ways(lambda x: f(x * x).sum()))(fl.ones(3))
    assert fl.grad(lambda x: (x * x).sum())(fl.ones(2)).tolist() == [2.0, 2.0]
    assert fl.grad(fl.checkpoint(lambda x: (x * x).sum()))(fl.ones(2)).tolist() == [2.0, 2.0]


def test_closures_that_hold_what_holds_them_are_freed() -> None:
    class Mark:
        alive = 0

        def __init__(self) -> None:
            Mark.alive += 1

        def __del__(self) -> None:
            Mark.alive -= 1

    def make() -> None:
        mark = Mark()
        held: list[Any] = [mark]

        def f(x: Any) -> Any:
            held.append(f)
            return (x * len(held)).sum()

        held.append(fl.grad(f))
        held[1](fl.ones(2))
        held.append(fl.vmap(f))
        held[-1](fl.ones((3, 2)))

    for _ in range(5):
        make()
    gc.collect()
    assert Mark.alive == 0


def test_threads_differentiate_and_map_at_the_same_time() -> None:
    p = {name: fl.asarray(a) for name, a in START.items()}
    each = fl.vmap(fl.grad(loss), in_axes=(None, 0, 0))
    planned = fl.jit(lambda p, x, y: each(p, x, y))
    scanned = fl.grad(lambda p: fl.scan(lambda c, x: (c + loss(p, x[None], Y[:1]), None), np.float64(0.0), X)[0])
    expected = [each(p, X, Y), planned(p, X, Y), scanned(p)]
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(10):
            for found, wanted in zip((each(p, X, Y), planned(p, X, Y), scanned(p)), expected, strict=True):
                if any(found[name].tolist() != wanted[name].tolist() for name in SHAPES):
                    wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
