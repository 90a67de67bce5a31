"""What textbooks say about the rules, as laws that hold. The numbers are rows of the requirements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim
from fallline.optim import schedules


def descend(opt: optim.Optimizer, start: Any, grad: Callable[[np.ndarray], np.ndarray], steps: int) -> np.ndarray:
    """Return all points of a path."""
    w = np.array(start, dtype=np.float64)
    path = [w.copy()]
    for _ in range(steps):
        opt.step(w, grad(w))
        path.append(w.copy())
    return np.array(path)


def ravine(w: np.ndarray) -> np.ndarray:
    return np.array([1.0, 40.0]) * w


def test_a_velocity_weighs_old_gradients_by_powers_of_beta() -> None:
    """R29, R33: v_t = g_t + b g_(t-1) + b^2 g_(t-2) + ..."""
    gradients, opt, w = np.random.default_rng(0).normal(size=(10, 3)), optim.Momentum(0.1, momentum=0.9), np.zeros(3)
    for g in gradients:
        opt.step(w, g)
    weights = 0.9 ** np.arange(9, -1, -1)
    np.testing.assert_allclose(opt.state[""]["v"], weights @ gradients, rtol=1e-12)


def test_full_batch_mini_batch_and_one_example_are_one_rule() -> None:
    """R26, R27, R28: with gradients of the same mean, only the number of updates differs."""
    x, y = np.arange(8.0).reshape(8, 1), 2 * np.arange(8.0).reshape(8, 1)
    updates = {}
    for size in (1, 4, "full"):
        opt, model = optim.SGD(0.01), fl.nn.Linear(1, 1, dtype="float64")
        fl.fit(model, x, y, loss="mse", optimizer=opt, batch_size=size, epochs=200, progress=False)
        updates[size] = opt.t
        assert np.abs(fl.predict(model, x) - y).max() < 0.3
    assert updates == {1: 1600, 4: 400, "full": 200}


@pytest.mark.parametrize("seed", range(4))
def test_momentum_damps_across_a_ravine_and_is_faster_along_it(seed: int) -> None:
    """R67: with one learning rate and nothing but momentum between them, from several starts.

    Across, gradient descent turns back in every step. The roots of r^2 - (1 + b - lr L) r + b = 0 say how often
    momentum does: every pi / angle steps; and how fast it dies away: as sqrt(b)^t, against |1 - lr L|^t.
    """
    start, lr, steep, steps = np.random.default_rng(seed).normal(size=2) * 5, 0.045, 40.0, 60
    found = {b: descend(optim.Momentum(lr, momentum=b), start, ravine, steps) for b in (0.0, 0.3, 0.5, 0.7)}
    turns = {b: int(fl.diagnose.path_metrics(path).sign_changes[1]) for b, path in found.items()}
    assert turns[0.0] == steps - 1
    for b in (0.3, 0.5, 0.7):
        angle = np.arccos((1 + b - lr * steep) / (2 * np.sqrt(b)))
        assert turns[b] == pytest.approx(steps * angle / np.pi, abs=1.01)
    across = {b: np.abs(path[20:, 1] / start[1]).max() for b, path in found.items()}
    assert across[0.0] == pytest.approx(0.8**20, rel=1e-6)
    assert across[0.5] < across[0.0] / 10
    along = {b: abs(path[-1, 0] / start[0]) for b, path in found.items()}
    assert along[0.0] == pytest.approx(0.955**60, rel=1e-6)
    assert along[0.7] < along[0.5] / 2 < along[0.3] / 4 < along[0.0] / 8


def test_momentum_permits_a_larger_rate() -> None:
    """R159: gradient descent is stable below 2 / L, momentum below 2 (1 + b) / L."""
    for momentum in (0.0, 0.5, 0.9):
        limit = 2 * (1 + momentum) / 40.0
        for factor, stable in ((0.98, True), (1.02, False)):
            opt = optim.Momentum(factor * limit, momentum=momentum)
            last = np.abs(descend(opt, [0.0, 1.0], ravine, 2000)[-1, 1])
            assert (last < 1) == stable


def test_adagrads_rate_falls_faster_where_gradients_are_large_and_never_rises() -> None:
    """R40, R66: the effective rate of a large and a small gradient."""
    opt, w, g = optim.Adagrad(0.1), np.zeros(2), np.array([10.0, 0.1])
    rates = []
    for _ in range(50):
        rates.append(opt.effective_learning_rates(w, g)[""])
        opt.step(w, g)
    found = np.array(rates)
    assert (np.diff(found, axis=0) < 0).all()
    np.testing.assert_allclose(found[:, 1] / found[:, 0], 100, rtol=1e-6)
    np.testing.assert_allclose(found[-1], 0.1 / (np.sqrt(50) * g), rtol=1e-6)  # "too aggressive": 1 / sqrt(t)


def test_the_effective_rate_of_plain_descent_is_the_rate_and_asking_changes_nothing() -> None:
    """R59, R66."""
    opt, w = optim.Adam(0.1), {"a": np.ones(3, np.float32)}
    opt.step(w, {"a": np.ones(3, np.float32)})
    before = opt.state_dict()
    rates = opt.effective_learning_rates(w, {"a": np.array([1.0, -2.0, 0.0], np.float32)})["a"]
    assert np.isnan(rates[2]) and rates[0] > 0
    assert all(np.array_equal(before[key], value) for key, value in opt.state_dict().items())
    plain = optim.SGD(0.25).effective_learning_rates(np.zeros(2), np.array([3.0, -4.0]))[""]
    np.testing.assert_array_equal(plain, 0.25)


def test_rmsprop_follows_a_target_that_moves_and_adagrad_falls_behind() -> None:
    """R43: a minimum that wanders off, seen through noisy gradients."""
    left = {}
    for name, opt in (("rmsprop", optim.RMSprop(0.05)), ("adagrad", optim.Adagrad(0.05))):
        rng, w, errors = np.random.default_rng(0), np.zeros(1), []
        for t in range(3000):
            target = 0.01 * t
            opt.step(w, w - target + rng.normal(size=1))
            errors.append(abs(float(w[0]) - target))
        left[name] = np.mean(errors[-500:])
    assert left["rmsprop"] < 1 < 10 < left["adagrad"]


def test_a_rare_feature_takes_larger_steps() -> None:
    """R60: with one gradient in twenty, each of them moves a parameter further."""
    for make in (optim.Adagrad, optim.RMSprop):
        opt, w, steps = make(0.1), np.zeros(2), np.zeros(2)
        for t in range(200):
            g = np.array([1.0, 1.0 if t % 20 == 0 else 0.0])
            before = w.copy()
            opt.step(w, g)
            if t % 20 == 0 and t > 0:
                steps += np.abs(w - before)
        assert steps[1] > steps[0]


def test_adam_is_momentum_over_the_root_of_rmsprop() -> None:
    """R49: two slots, one of each rule."""
    rng = np.random.default_rng(0)
    adam, momentum, rmsprop = optim.Adam(), optim.Momentum(dampening=0.9, dampen_first=True), optim.RMSprop(alpha=0.999)
    w = np.zeros(4)
    for _ in range(20):
        g = rng.normal(size=4)
        for opt in (adam, momentum, rmsprop):
            opt.step(w, g)
    np.testing.assert_allclose(adam.state[""]["m"], momentum.state[""]["v"], rtol=1e-12)
    np.testing.assert_allclose(adam.state[""]["v"], rmsprop.state[""]["v"], rtol=1e-12)


def test_without_correction_the_first_steps_are_too_large() -> None:
    """R48: m and v start at zero, v with the longer memory."""
    first = {}
    for correction in (True, False):
        w = np.zeros(1)
        optim.Adam(0.1, bias_correction=correction).step(w, np.ones(1))
        first[correction] = -float(w[0])
    assert first[True] == pytest.approx(0.1, rel=1e-6)
    assert first[False] == pytest.approx(0.1 * 0.1 / np.sqrt(0.001), rel=1e-6)


def test_adams_steps_shrink_towards_a_minimum() -> None:
    """R51: with noisy gradients the ratio of mean to deviation falls, a kind of annealing."""
    rng = np.random.default_rng(0)
    path = descend(optim.Adam(0.05), [5.0], lambda w: w + 0.3 * rng.normal(size=1), 800)
    moves = np.abs(np.diff(path[:, 0]))
    assert moves[-200:].mean() < moves[:50].mean() / 4


def test_adagrad_without_the_current_gradient_warns_of_its_first_step_by_its_size() -> None:
    """R38: the sum before the first gradient is empty, so the first step is lr g / sqrt(eps_root)."""
    w = np.zeros(1)
    optim.Adagrad.like("source", lr=0.01).step(w, np.ones(1))
    assert float(w[0]) == pytest.approx(-0.01 * 1e4)


def test_beta_warms_up() -> None:
    """R84, R91: momentum from 0.5 to 0.9 over ten steps, as any hyper-parameter may."""
    opt, w = optim.Momentum(0.1, momentum=schedules.linear(0.5, 0.9, 10)), np.zeros(1)
    seen = []
    for _ in range(12):
        seen.append(opt.hyperparameters()["momentum"])
        opt.step(w, np.ones(1))
    np.testing.assert_allclose(seen, [*np.linspace(0.5, 0.9, 11), 0.9])


def test_decay_can_be_too_fast_and_too_slow() -> None:
    """R83: on a noisy parabola the middle one of three decays ends nearest to the minimum."""
    left = []
    for k in (1.0, 0.02, 0.0):
        rng, opt = np.random.default_rng(1), optim.SGD(schedules.exponential(0.1, k))
        path = descend(opt, [5.0], lambda w, rng=rng: w + rng.normal(size=1), 400)
        left.append(np.abs(path[-100:]).mean())
    assert left[1] < min(left[0], left[2])


@pytest.mark.parametrize("seed", range(3))
def test_adaptive_rules_forgive_a_wrong_learning_rate(seed: int) -> None:
    """R92: how many of 13 rates in four decades bring both parameters to a tenth in 500 steps, on badly scaled data.

    Gradient descent needs (1 - lr)^500 < 0.1 for the flat one and |1 - 100 lr| < 1 for the steep one: 0.0046 to 0.02.
    """
    scale, start = np.array([1.0, 100.0]), np.random.default_rng(seed).uniform(0.5, 2, 2)
    good: dict[str, list[float]] = {}
    for name in ("SGD", "Adam", "AMSGrad", "RMSprop"):
        good[name] = []
        for lr in 10.0 ** np.linspace(-4, 0, 13):
            with np.errstate(over="ignore", invalid="ignore"):
                end = descend(getattr(optim, name)(lr), start, lambda w: scale * w, 500)[-1]
            if (np.abs(end) < 0.1 * start).all():
                good[name].append(float(lr))
    assert len(good["SGD"]) == 2 and min(good["SGD"]) > 0.0046 and max(good["SGD"]) < 0.02
    assert all(len(good[name]) >= 6 for name in ("Adam", "AMSGrad", "RMSprop")), good


def wilsons_data(n: int, extra: int, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows whose first number is the label and whose next two are 1; each has one or five of its own."""
    y = np.where(rng.random(n + extra) < share, 1.0, -1.0)
    x = np.zeros((n + extra, 3 + 5 * (n + extra)))
    x[:, 0], x[:, 1:3] = y, 1
    for i, label in enumerate(y):
        x[i, 3 + 5 * i : 3 + 5 * i + (1 if label > 0 else 5)] = 1
    return x, y


@pytest.mark.parametrize("seed", range(3))
def test_nesterov_finds_a_better_solution_than_adam_where_both_fit_the_data(seed: int) -> None:
    """R58: Wilson et al. 2017, "The marginal value of adaptive gradient methods", section 3.3.

    The same data, the same cosine, each with two rates: all losses end below 1e-9, but adaptive rules walk along
    signs, so that the common label outweighs the one feature that tells, and all new samples get it.
    """
    n, extra = 100, 50
    x, y = wilsons_data(n, extra, 0.6, np.random.default_rng(seed))
    for name, rates, right in (("Nesterov", (0.02, 0.1), True), ("Adam", (1e-3, 1e-2), False)):
        for lr in rates:
            opt = getattr(optim, name)(schedules.cosine(lr, 2000))
            w = descend(opt, np.zeros(x.shape[1]), lambda w: x[:n].T @ (x[:n] @ w - y[:n]) / n, 2000)[-1]
            assert ((x[:n] @ w - y[:n]) ** 2).mean() < 1e-9
            said = np.sign(x[n:] @ w)
            assert (said == y[n:]).all() if right else (said == 1).all()


def test_a_rate_that_starts_large_and_falls_ends_lower_than_either_end_of_it() -> None:
    """R78: one rule and one noise; only the rate's way differs. 4,000 parameters are as many runs.

    Under noise of variance 1 a constant rate ends at the variance lr / (2 - lr); one that is too small has not arrived.
    """
    steps, start, count = 300, 5.0, 4000
    left = {}
    for name, lr in (
        ("large", 0.2), ("small", 0.01), ("falling", schedules.exponential(0.2, np.log(20) / steps)),
        ("cosine", schedules.cosine(0.2, steps, 0.01)), ("linear", schedules.linear(0.2, 0.01, steps)),
    ):  # fmt: skip
        rng, opt, w = np.random.default_rng(3), optim.SGD(lr), np.full(count, start)
        for _ in range(steps):
            opt.step(w, w + rng.normal(size=count))
        left[name] = float(np.mean(w**2))
    assert left["large"] == pytest.approx(0.2 / 1.8, rel=0.1)
    bias = start * 0.99**steps
    assert left["small"] == pytest.approx(bias**2 + 0.01 / 1.99 * (1 - 0.99 ** (2 * steps)), rel=0.1)
    for name in ("falling", "cosine", "linear"):
        assert left[name] < left["large"] / 5 and left[name] < left["small"] / 5, left
