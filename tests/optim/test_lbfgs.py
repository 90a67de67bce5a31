"""L-BFGS: the valleys it must walk down, Wolfe's conditions, PyTorch's minimum, no NaN, exact resumption."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline as fl
from fallline import optim
from fallline.optim.lbfgs import Point, strong_wolfe, two_loops


def rosenbrock(w: np.ndarray) -> tuple[float, np.ndarray]:
    x, y = w[:-1], w[1:]
    value = ((1 - x) ** 2 + 100 * (y - x * x) ** 2).sum()
    slope = np.zeros_like(w)
    slope[:-1] = -2 * (1 - x) - 400 * x * (y - x * x)
    slope[1:] += 200 * (y - x * x)
    return float(value), slope


@pytest.mark.parametrize("n", [2, 10, 50])
@pytest.mark.parametrize("history_size", [3, 100])
def test_rosenbrocks_valley_in_few_evaluations(n: int, history_size: int) -> None:
    calls = 0

    def f(w: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calls
        calls += 1
        return rosenbrock(w)

    w, opt = np.full(n, -1.2), optim.LBFGS(max_iter=400, history_size=history_size)
    first = opt.minimize(f, w)
    assert first == rosenbrock(np.full(n, -1.2))[0]
    assert rosenbrock(w)[0] < 1e-8 or n > 2  # a longer valley has a second bottom
    assert np.abs(rosenbrock(w)[1]).max() < 1e-4
    assert calls < 600


def test_two_loops_are_the_matrix_of_bfgs() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 6))
    hessian = a @ a.T + np.eye(6)
    s = rng.normal(size=(4, 6))
    y = s @ hessian
    h = np.eye(6) * (s[-1] @ y[-1]) / (y[-1] @ y[-1])
    for si, yi in zip(s, y, strict=True):
        rho = 1 / (si @ yi)
        v = np.eye(6) - rho * np.outer(si, yi)
        h = v @ h @ v.T + rho * np.outer(si, si)
    g = rng.normal(size=6)
    np.testing.assert_allclose(two_loops(g, s, y), -h @ g, rtol=1e-10)


@given(st.floats(-2, 2), st.floats(0.1, 3), st.floats(1e-3, 100))
@settings(deadline=None)
def test_the_line_search_meets_both_conditions(shift: float, wave: float, trial: float) -> None:
    def look(step: float) -> Point:
        x = step - 3 + shift
        value = x * x + np.sin(3 * wave * x)
        slope = 2 * x + 3 * wave * np.cos(3 * wave * x)
        return Point(step, float(value), np.array([slope]), float(slope))

    origin = look(0.0)
    if origin.slope >= -1e-3:
        return
    found = strong_wolfe(look, origin, trial)
    assert found is not None
    assert found.value <= origin.value + 1e-4 * found.step * origin.slope
    assert abs(found.slope) <= 0.9 * abs(origin.slope)


@pytest.mark.parametrize("unit", [1e-13, 1.0, 1e13])
def test_the_line_search_does_not_depend_on_the_unit_of_the_step(unit: float) -> None:
    def look(step: float) -> Point:
        x = step / unit - 3
        return Point(step, x**4, np.array([4 * x**3 / unit]), 4 * x**3 / unit)

    found = strong_wolfe(look, look(0.0), 20 * unit)
    assert found is not None
    np.testing.assert_allclose(found.step / unit, strong_wolfe_at_one().step, rtol=1e-6)
    assert abs(found.slope) <= 0.9 * abs(look(0.0).slope)


def strong_wolfe_at_one() -> Point:
    def look(step: float) -> Point:
        return Point(step, (step - 3) ** 4, np.array([4 * (step - 3) ** 3]), 4 * (step - 3) ** 3)

    found = strong_wolfe(look, look(0.0), 20.0)
    assert found is not None
    return found


def test_the_minimum_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), rng.integers(0, 2, 60) * 2.0 - 1
    w = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    tolerances = {"tolerance_grad": 1e-10, "tolerance_change": 1e-15}
    other = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe", **tolerances)

    def closure() -> Any:
        other.zero_grad()
        loss = torch.nn.functional.softplus(-torch.tensor(y) * (torch.tensor(x) @ w)).sum() + 0.05 * (w @ w)
        loss.backward()
        return loss

    other.step(closure)
    mine = {"w": np.zeros(5)}
    loss = fl.value_and_grad(lambda p: fl.sum(fl.softplus(-y * (x @ p["w"]))) + 0.05 * (p["w"] @ p["w"]))
    optim.LBFGS(max_iter=200, tolerance_grad=1e-10).minimize(loss, mine)
    np.testing.assert_allclose(mine["w"], w.detach().numpy(), atol=1e-7)


def test_the_best_point_is_kept_where_values_are_not_finite() -> None:
    def cliff(w: np.ndarray) -> tuple[float, np.ndarray]:
        if w[0] > 1:
            return float("nan"), np.full(1, np.nan)
        return float(-w[0]), -np.ones(1)

    w, opt = np.zeros(1), optim.LBFGS(max_iter=30)
    opt.minimize(cliff, w)
    assert 0 < w[0] <= 1
    w = np.array([2.0])
    assert np.isnan(optim.LBFGS().minimize(cliff, w))
    assert w[0] == 2.0


def test_a_saved_run_goes_on_with_the_same_bits() -> None:
    whole, parts = np.full(10, -1.2), np.full(10, -1.2)
    a, b, c = (optim.LBFGS(max_iter=3) for _ in range(3))
    for _ in range(6):
        a.minimize(rosenbrock, whole)
    for _ in range(3):
        b.minimize(rosenbrock, parts)
    c.load_state_dict(b.state_dict())
    for _ in range(3):
        c.minimize(rosenbrock, parts)
    np.testing.assert_array_equal(parts, whole)
    assert a.t == c.t == 6


def test_fit_takes_it_with_whole_batches() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = np.sin(x[:, 0]) + x[:, 1]
    rng2 = fl.random.default_rng(1)
    layers = [
        fl.nn.Linear(4, 8, rng=rng2, dtype="float64"),
        fl.nn.Tanh(),
        fl.nn.Linear(8, 1, rng=rng2, dtype="float64"),
    ]
    model = fl.nn.Sequential(*layers)
    history = fl.fit(model, x, y, loss="mse", optimizer=optim.LBFGS(), epochs=20, batch_size=80, progress=False)
    assert history["loss"][-1] < 1e-2 * history["loss"][0]


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(TypeError, match="call minimize"):
        optim.LBFGS().step(np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="line_search must be"):
        optim.LBFGS(line_search="exact")
    with pytest.raises(ValueError, match="must be positive"):
        optim.LBFGS(max_iter=0)
    opt = optim.LBFGS(max_iter=3)
    opt.minimize(rosenbrock, np.full(4, 0.5))
    with pytest.raises(ValueError, match="belongs to 4 numbers"):
        opt.minimize(rosenbrock, np.full(5, 0.5))
    assert type(optim.get("lbfgs")) is optim.LBFGS
