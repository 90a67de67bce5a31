"""Rules that ask for gradients at points of their own ask at those of their papers, and step as they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from twins import TWINS, Twin
from twins.elsewhere import CURVATURES
from twins.row import Arguments

import fallline as fl
from fallline import optim

STEPS = 150
Gradient = Callable[[int, Any], Any]


def quadratic() -> Gradient:
    return lambda t, w: CURVATURES * (w - 1)


def noisy() -> Gradient:
    noise = np.random.default_rng(1).normal(size=(STEPS, *CURVATURES.shape))
    return lambda t, w: CURVATURES * (w - 1) + noise[t]


def cases() -> Iterator[Any]:
    for name, twins in TWINS.items():
        for twin in twins:
            for i, (ours, theirs) in enumerate(twin.cases if twin.elsewhere else ()):
                for make in (quadratic,) if name == "LBFGS" else (quadratic, noisy):  # noise is no curvature
                    yield pytest.param(name, twin, ours, theirs, make, id=f"{name}-{twin.where}-{i}-{make.__name__}")


@pytest.mark.parametrize(("name", "twin", "ours", "theirs", "make"), list(cases()))
def test_gradients_are_asked_for_where_the_source_does(
    name: str, twin: Twin, ours: Arguments, theirs: Arguments, make: Callable[[], Gradient]
) -> None:
    assert twin.path
    opt = getattr(optim, name)(twin.lr, **{**twin.needs, **ours})
    start = np.random.default_rng(0).normal(size=twin.shape)
    path, gradient, w = twin.path(start.copy(), twin.lr, **theirs), make(), start.copy()
    expected, calls = [next(path)], 0

    def value_and_grad(p: Any) -> tuple[float, Any]:
        nonlocal calls
        at = np.asarray(p.detach() if isinstance(p, fl.Array) else p)
        np.testing.assert_allclose(at, expected[-1], rtol=twin.near, atol=twin.near, err_msg=str(calls))
        g = gradient(calls, p)
        expected.append(path.send(np.asarray(g.detach() if isinstance(g, fl.Array) else g)))
        calls += 1
        return 0.0, g

    for _ in range(1 if name == "LBFGS" else STEPS):  # which iterates by itself
        opt.minimize(value_and_grad, w)
    assert calls == (twin.needs["max_iter"] + 1 if name == "LBFGS" else STEPS)
    assert np.abs(w - start).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sophia_measures_the_curvature_itself(dtype: Any) -> None:
    """Not a difference, which beside a parameter of 1000 takes steps of 5 in float32."""
    w = {"a": np.ones(3, dtype), "b": np.full(2, 1000, dtype)}
    opt = optim.Sophia(0.0, betas=(0.0, 0.0))
    value = opt.minimize(fl.value_and_grad(lambda p: np.sum(np.exp(p["a"])) + np.sum(p["b"] ** 3)), w)
    np.testing.assert_allclose(float(value), 3 * np.e + 2e9, rtol=1e-6)
    near = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(opt.state["a"]["h"], np.e, rtol=near)
    np.testing.assert_allclose(opt.state["b"]["h"], 6000, rtol=near)


def hand_written(matrix: np.ndarray) -> Callable[[Any], tuple[Any, Any]]:
    return lambda w: (0.0, matrix @ w)


def plain(matrix: np.ndarray) -> Callable[[Any], tuple[Any, Any]]:
    return lambda w: (float(w @ matrix @ w) / 2, matrix @ np.asarray(w))


def in_place(matrix: np.ndarray) -> Callable[[Any], tuple[Any, Any]]:
    """A function that reads the parameters where they lie, as loops by hand do."""
    return lambda _: (0.0, matrix @ HELD)


HELD = np.zeros(4)


@pytest.mark.parametrize(("make", "near"), [(hand_written, 1e-14), (plain, 1e-9), (in_place, 1e-9)])
def test_sophia_takes_what_a_function_tells_of_its_curvature(make: Any, near: float) -> None:
    a = np.random.default_rng(0).normal(size=(4, 4))
    matrix = a + a.T
    HELD[:] = [1.0, -1000.0, 1e-3, 0.0]
    before, opt = HELD.copy(), optim.Sophia(0.0, betas=(0.0, 0.0), l2=0.5)
    signs = opt._signs(0, HELD)
    opt.minimize(make(matrix), HELD)
    np.testing.assert_array_equal(HELD, before)
    scale = np.ones(4) if near < 1e-12 else 1 + np.abs(HELD)
    expected = signs * (matrix @ (scale * signs)) / scale + 0.5
    np.testing.assert_allclose(opt.state[""]["h"], expected, rtol=near, atol=near * np.abs(expected).max())


def test_sophia_measures_the_curvature_in_fit() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    model = fl.nn.Linear(3, 1, dtype="float64")
    opt = optim.Sophia(0.0, betas=(0.0, 0.0), every=1)
    fl.fit(model, x, y, loss="mse", optimizer=opt, epochs=2, batch_size=20, progress=False)
    opt.t -= 1  # the signs of the last step
    u = np.concatenate([opt._signs(i, w).ravel() for i, w in enumerate(model.parameters().values())])
    features = np.hstack([x, np.ones((20, 1))])
    products = u * (2 / 20 * features.T @ features @ u)
    found = np.concatenate([slots["h"].ravel() for slots in opt.state.values()])
    np.testing.assert_allclose(found, products, rtol=1e-12)


@pytest.mark.parametrize("rule", [optim.Sophia, optim.NesterovLookahead])
def test_no_step_is_made_without_the_function(rule: Any) -> None:
    opt, w = rule(), np.ones(2)
    for call in (lambda: opt.step(w, w), lambda: opt.update(w, opt.init(w), w)):
        with pytest.raises(TypeError, match="call minimize"):
            call()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_lbfgs_finds_a_minimum_in_any_unit(unit: float) -> None:
    def rosenbrock(w: np.ndarray) -> tuple[float, np.ndarray]:
        x, y = w
        slope = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
        return unit * ((1 - x) ** 2 + 100 * (y - x * x) ** 2), unit * slope

    w, opt = np.array([-1.2, 1.0]), optim.LBFGS(max_iter=60, tolerance_grad=0.0, tolerance_change=0.0)
    opt.minimize(rosenbrock, w)
    np.testing.assert_allclose(w, 1, rtol=1e-8)
    assert len(opt.own["s"][""]) > 10
