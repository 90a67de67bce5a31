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


def sign_changes(path: np.ndarray, axis: int) -> int:
    moves = np.sign(np.diff(path[:, axis]))
    return int((moves[1:] * moves[:-1] < 0).sum())


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


def test_momentum_damps_across_a_ravine_and_is_faster_along_it() -> None:
    """R67: sign changes along the steep axis, and the distance that is left along the flat one."""
    plain = descend(optim.SGD(0.045), [10.0, 1.0], ravine, 60)
    moving = descend(optim.Momentum(0.01, momentum=0.5), [10.0, 1.0], ravine, 60)
    fast = descend(optim.Momentum(0.045, momentum=0.6), [10.0, 1.0], ravine, 60)
    assert sign_changes(plain, 1) > 40 > sign_changes(moving, 1)
    assert abs(fast[-1, 0]) < abs(plain[-1, 0]) / 5


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
    opt = optim.Momentum(0.1, momentum=schedules.linear(0.5, 0.9, 10))
    seen = []
    for _ in range(12):
        seen.append(opt.hyperparameters()["momentum"])
        opt.step(np.zeros(1), np.ones(1))
    np.testing.assert_allclose(seen, [*np.linspace(0.5, 0.9, 11), 0.9])


def test_decay_can_be_too_fast_and_too_slow() -> None:
    """R83: on a noisy parabola the middle one of three decays ends nearest to the minimum."""
    left = []
    for k in (1.0, 0.02, 0.0):
        rng, opt = np.random.default_rng(1), optim.SGD(schedules.exponential(0.1, k))
        path = descend(opt, [5.0], lambda w, rng=rng: w + rng.normal(size=1), 400)
        left.append(np.abs(path[-100:]).mean())
    assert left[1] < min(left[0], left[2])


def test_adaptive_rules_forgive_a_wrong_learning_rate() -> None:
    """R92: the worst loss over a range of rates, on badly scaled data."""
    scale = np.array([1.0, 100.0])
    worse = {}
    for name in ("SGD", "Adam"):
        losses = []
        for lr in (1e-3, 1e-2, 2.5e-2):
            path = descend(getattr(optim, name)(lr), [0.1, 0.1], lambda w: scale * w, 500)
            losses.append(0.5 * (scale * path[-1] ** 2).sum())
        worse[name] = max(losses)
    assert worse["Adam"] < 1 < 1e10 < worse["SGD"]


def test_a_schedule_beats_a_constant_rate_in_the_end() -> None:
    """R78, R58: with noisy gradients, Nesterov with a decaying rate ends lower than Adam with a constant one."""

    def end(opt: optim.Optimizer) -> float:
        rng = np.random.default_rng(2)
        path = descend(opt, [3.0, 3.0], lambda w: np.array([1.0, 5.0]) * w + rng.normal(size=2), 2000)
        return float(np.abs(path[-50:]).mean())

    assert end(optim.Nesterov(schedules.cosine(0.005, 2000))) < end(optim.Adam(0.05)) / 2
