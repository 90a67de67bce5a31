"""Landscapes: gradients, minima, derivatives, and paths that equal a loop of steps bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import _core

ALL = list(fl.landscapes.ALL.values())
# Where fused multiply-adds are fused, eager operations have the bits of the formula on plain numbers.
FUSED = pytest.mark.skipif(_core.target() == "sse4", reason="rounds a fused multiply-add twice")


def inside(f: Any, count: int, seed: int) -> np.ndarray:
    """Draw points of the map."""
    x0, x1, y0, y1 = f.domain
    return np.random.default_rng(seed).uniform([x0, y0], [x1, y1], (count, 2))


def test_there_are_enough_and_each_says_what_it_teaches() -> None:
    assert len(ALL) >= 17
    for f in ALL:
        x0, x1, y0, y1 = f.domain
        assert x0 < f.start[0] < x1 and y0 <= f.start[1] <= y1, f.name
        assert f.title and f.formula and f.teaches.endswith("."), f.name
        assert f.dimensions in (1, 2)
        for x, y, _ in (*f.minima, *f.saddles):
            assert x0 <= x <= x1 and y0 <= y <= y1, f.name
        assert getattr(fl.landscapes, f.name) is f


@pytest.mark.parametrize("f", ALL, ids=lambda f: f.name)
def test_gradients_are_those_of_finite_differences(f: Any) -> None:
    for x, y in inside(f, 50, seed=1):
        _, g = f.value_and_grad([x, y])
        h = 1e-5
        about = [(f(x + h, y) - f(x - h, y)) / (2 * h), (f(x, y + h) - f(x, y - h)) / (2 * h)]
        scale = 1 + np.abs(g).max() + abs(f(x, y))
        np.testing.assert_allclose(g, about, rtol=1e-6, atol=1e-6 * scale, err_msg=f"{f.name} at {x}, {y}")


@pytest.mark.parametrize("f", ALL, ids=lambda f: f.name)
def test_gradients_are_those_of_grad(f: Any) -> None:
    derivative = fl.grad(f)
    for w in inside(f, 20, seed=2):
        value, g = f.value_and_grad(w)
        scale = np.abs(g).max() + abs(value)
        np.testing.assert_allclose(g, np.asarray(derivative(w)), rtol=1e-11, atol=1e-12 * scale, err_msg=f.name)


@FUSED
@pytest.mark.parametrize("f", ALL, ids=lambda f: f.name)
def test_numbers_arrays_and_recorded_arrays_get_the_same_bits(f: Any) -> None:
    w = inside(f, 40, seed=3)
    values = f(w[:, 0], w[:, 1])
    np.testing.assert_array_equal(values, [f(x, y) for x, y in w])
    np.testing.assert_array_equal(values, [f.value_and_grad(p)[0] for p in w])
    recorded = f(fl.asarray(w[:, 0]), fl.asarray(w[:, 1]))
    assert isinstance(recorded, fl.Array)
    np.testing.assert_array_equal(values, np.asarray(recorded))
    np.testing.assert_array_equal(values, f(w.T))
    assert isinstance(f(0, 1), float) and f(np.zeros((2, 3)), 0.5).shape == (2, 3)


@pytest.mark.parametrize("f", ALL, ids=lambda f: f.name)
def test_minima_and_saddles_are_where_the_table_says(f: Any) -> None:
    for kind, places in (("minimum", f.minima), ("saddle", f.saddles)):
        for x, y, value in places:
            found, g = f.value_and_grad([x, y])
            scale = max(1.0, abs(value))
            assert abs(found - value) <= 1e-13 * scale, (f.name, kind, found)
            curvature = np.asarray(fl.hessian(f)(fl.asarray([x, y], dtype="float64"))) if f.name != "ackley" else None
            steep = 1.0 if curvature is None else max(1.0, np.abs(curvature).max())
            assert np.abs(g).max() <= 1e-12 * steep, (f.name, kind, g)
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            around = f(x + 1e-3 * np.cos(angles), y + (1e-3 * np.sin(angles) if f.dimensions == 2 else 0))
            if kind == "minimum":
                assert np.all(around >= value), f.name
            else:
                assert np.any(around < value) and np.any(around > value), f.name


def test_the_lowest_minimum_is_the_lowest_value_of_the_map() -> None:
    for f in ALL:
        x0, x1, y0, y1 = f.domain
        x, y = np.meshgrid(np.linspace(x0, x1, 301), np.linspace(y0, y1, 301))
        assert f(x, y).min() >= min(value for _, _, value in f.minima) - 1e-12, f.name


LINE = fl.landscapes.line(points=50, noise=0.3, seed=4)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_the_loss_of_a_line_is_that_of_its_points(loss: str) -> None:
    f = fl.landscapes.line(points=40, noise=0.2, slope=1.5, intercept=0.5, seed=1, loss=loss)
    error = 0.7 * f.x - 0.2 - f.y
    wanted = np.mean(error**2) if loss == "mse" else np.mean(np.abs(error))
    np.testing.assert_allclose(f(0.7, -0.2), wanted, rtol=1e-13)
    outer = 2 * error if loss == "mse" else np.sign(error)
    value, g = f.value_and_grad([0.7, -0.2])
    np.testing.assert_allclose([value, *g], [wanted, np.mean(outer * f.x), np.mean(outer)], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(fl.grad(f)(np.array([0.7, -0.2]))), g, rtol=1e-12)
    np.testing.assert_allclose(np.std(f.y - 1.5 * f.x - 0.5), 0.2, rtol=0.3)
    given = fl.landscapes.line(x=f.x, y=f.y, loss=loss)
    assert given(0.7, -0.2) == f(0.7, -0.2) and given.truth is None


def test_a_line_takes_its_points_in_the_order_of_fit() -> None:
    model = fl.nn.Linear(1, 1)
    start = {"weight": np.array([[0.3]]), "bias": np.array([0.1])}
    fl.set_default_dtype("float64")
    model = fl.nn.Linear(1, 1)
    model.load_state_dict(start)
    fl.fit(
        model,
        LINE.x[:, None],
        LINE.y[:, None],
        loss="mse",
        optimizer=fl.optim.SGD(0.05),
        epochs=2,
        batch_size=8,
        seed=3,
    )
    found = fl.landscapes.path(LINE, [0.3, 0.1], fl.optim.SGD(0.05), 14, batch_size=8, seed=3)
    weight, bias = (np.asarray(p).item() for p in model.parameters().values())
    np.testing.assert_allclose(found.points[-1], [weight, bias], rtol=1e-12)


RULES: dict[str, Callable[[], Any]] = {
    "Adam": lambda: fl.optim.Adam(0.1),
    "scheduled": lambda: fl.optim.Momentum(fl.optim.schedules.cosine(0.01, 30), momentum=0.8, weight_decay=0.1),
    "Yogi": lambda: fl.optim.Yogi(0.1),
    "ScheduleFreeAdamW": lambda: fl.optim.ScheduleFreeAdamW(0.1),
    "LAMB": lambda: fl.optim.LAMB(0.1),
    "Shampoo": lambda: fl.optim.Shampoo(0.1),
    "NesterovLookahead": lambda: fl.optim.NesterovLookahead(0.01),
    "SAM": lambda: fl.optim.SAM(fl.optim.SGD(0.01)),
    "Lookahead": lambda: fl.optim.Lookahead(fl.optim.Adam(0.1), k=3),
    "clipped": lambda: fl.optim.chain(fl.optim.clip_norm(0.5), fl.optim.Adam(0.1)),
    "LBFGS": lambda: fl.optim.LBFGS(1.0),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", RULES)
def test_a_path_is_a_loop_of_steps(name: str, dtype: str) -> None:
    for f in (fl.landscapes.rosenbrock, fl.landscapes.ackley, LINE):
        w = np.array([-1.1, 0.7], dtype)
        opt, points = RULES[name](), [w.astype(np.float64)]
        found = fl.landscapes.path(f, w, RULES[name](), 25)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(25):
                opt.minimize(f.value_and_grad, w)
                points.append(w.astype(np.float64))
        np.testing.assert_array_equal(found.points, points, f"{name} on {f.name}")
        np.testing.assert_array_equal(found.losses, [f(*p) for p in points])
        assert found.gradients.shape == (25, 2)
        if name in ("Adam", "clipped"):
            wanted = [f.value_and_grad(p.astype(dtype))[1] for p in points[:-1]]
            np.testing.assert_array_equal(found.gradients, wanted)


@pytest.mark.parametrize("name", fl.optim.names())
def test_every_optimizer_has_a_path(name: str) -> None:
    """Rules on whole tensors too: two parameters are a vector to them."""
    w, opt, points = np.array([-1.1, 0.7]), fl.optim.get(name, lr=0.005), [np.array([-1.1, 0.7])]
    found = fl.landscapes.path(fl.landscapes.himmelblau, w, fl.optim.get(name, lr=0.005), 8)
    for _ in range(8):
        opt.minimize(fl.landscapes.himmelblau.value_and_grad, w)
        points.append(w.copy())
    np.testing.assert_array_equal(found.points, points)
    assert np.isfinite(found.losses).all() and not np.array_equal(points[0], points[-1])


def test_a_path_leaves_the_optimizer_and_the_start_alone() -> None:
    opt, w = fl.optim.Adam(0.1), np.array([1.0, 2.0])
    opt.step(np.ones(2), np.ones(2))
    before = copy.deepcopy(opt.state_dict())
    fl.landscapes.path(fl.landscapes.bowl, w, opt, 5)
    assert w.tolist() == [1.0, 2.0] and opt.t == 1
    for key, value in opt.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_python_functions_have_paths_too() -> None:
    found = fl.landscapes.path(lambda x, y: x * x + np.cos(y), [1.0, 0.5], fl.optim.SGD(0.1), 3)
    w = np.array([1.0, 0.5])
    for t in range(3):
        np.testing.assert_allclose(found.points[t], w, rtol=1e-14)
        np.testing.assert_allclose(found.gradients[t], [2 * w[0], -np.sin(w[1])], rtol=1e-14)
        w = w - 0.1 * np.array([2 * w[0], -np.sin(w[1])])
    branching = fl.landscapes.path(lambda x, y: x * x if x > 0.9 else abs(y) + x, [1.0, 0.5], fl.optim.SGD(0.1), 3)
    np.testing.assert_allclose(branching.points[2], [0.7, 0.4], rtol=1e-14)
    natively = fl.landscapes.path(fl.landscapes.bowl, [3.0, 1.0], fl.optim.Adam(0.2), 30)
    traced = fl.landscapes.path(lambda x, y: x * x + y * y, [3.0, 1.0], fl.optim.Adam(0.2), 30)
    np.testing.assert_array_equal(natively.points, traced.points)


@pytest.mark.parametrize("opt", [fl.optim.SGD(0.1), fl.optim.LAMB(0.1)], ids=repr)
def test_a_target_may_drift(opt: Any) -> None:
    found = fl.landscapes.path(fl.landscapes.bowl, [1.0, 0.0], opt, 4, shift=(0.5, -0.25))
    for t in range(4):
        value, g = fl.landscapes.bowl.value_and_grad(found.points[t] - t * np.array([0.5, -0.25]))
        assert found.losses[t] == value
        np.testing.assert_array_equal(found.gradients[t], g)


@pytest.mark.parametrize("opt", [fl.optim.Adam(0.1), fl.optim.SAM(fl.optim.SGD(0.1))], ids=repr)
def test_batches_of_a_line_are_taken_in_turn(opt: Any) -> None:
    found = fl.landscapes.path(LINE, [0.0, 0.0], opt, 9, batch_size=20, seed=7)
    seen = []
    for t in range(9):
        rows = LINE.rows(t, 20, 7)
        assert len(rows) == (10 if t % 3 == 2 else 20)
        seen.append(rows)
        if not isinstance(opt, fl.optim.SAM):
            some = fl.landscapes.line(x=LINE.x[rows], y=LINE.y[rows])
            np.testing.assert_allclose(found.gradients[t], some.value_and_grad(found.points[t])[1], rtol=1e-12)
    for epoch in range(3):
        assert sorted(np.concatenate(seen[3 * epoch : 3 * epoch + 3])) == list(range(50))
    assert seen[0].tolist() != seen[3].tolist()
    np.testing.assert_array_equal(found.losses, [LINE(*p) for p in found.points])


BOWL, SGD = fl.landscapes.bowl, fl.optim.SGD()
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fl.landscapes.hills, AttributeError, "there is no landscape named 'hills'; there are bowl, "),
    (lambda: fl.landscapes.path(BOWL, [1.0], SGD, 1), fl.ShapeError, "two numbers, got shape"),
    (
        lambda: fl.landscapes.path(BOWL, [1.0, 2.0], "adam", 1),
        TypeError,
        "expected an optimizer, got str",
    ),
    (lambda: fl.landscapes.path(BOWL, [1.0, 2.0], SGD, -1), ValueError, "at least 0, got -1"),
    (lambda: fl.landscapes.path(BOWL, [1, 2], SGD, 1, batch_size=2), ValueError, "a line"),
    (lambda: fl.landscapes.path(LINE, [1, 2], SGD, 1, batch_size=0), ValueError, "positive whole number"),
    (lambda: fl.landscapes.line(loss="l2"), ValueError, "loss is 'mse' or 'mae', got 'l2'"),
    (lambda: fl.landscapes.line(x=[1.0], y=[1.0, 2.0]), fl.ShapeError, "vectors of one length"),
    (lambda: fl.landscapes.bowl.value_and_grad([1.0, 2.0, 3.0]), fl.ShapeError, "[bowl] expected two numbers"),
]


@pytest.mark.parametrize("call, error, text", WRONG, ids=[row[2] for row in WRONG])
def test_what_is_wrong_is_said(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)
