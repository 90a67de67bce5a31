"""SWATS switches as its paper says, NesterovLookahead looks ahead, ReduceOnPlateau counts as PyTorch does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim


def test_swats_is_adam_then_momentum_with_the_rate_that_it_found() -> None:
    curvature = np.array([1.0, 2.0])
    w, twin, opt = np.array([3.0, -2.0]), np.array([3.0, -2.0]), optim.SWATS(0.05, threshold=5e-3)
    adam = optim.Adam(0.05, eps=1e-9, eps_hat=True)
    mean = 0.0
    for t in range(1, 400):
        before, g = twin.copy(), curvature * twin
        opt.step(w, curvature * w)
        adam.step(twin, g)
        p = twin - before
        rate = -(p @ p) / (p @ g)
        mean = 0.999 * mean + 0.001 * rate
        corrected = mean / (1 - 0.999**t)
        np.testing.assert_allclose(w, twin, rtol=1e-9)
        if t > 1 and abs(corrected - rate) < 5e-3:
            break
        assert opt.switched is None
    assert opt.switched is not None
    assert opt.switched[0] == t < 399
    np.testing.assert_allclose(opt.switched[1], corrected, rtol=1e-9)
    v = np.zeros(2)
    for _ in range(20):
        v = 0.9 * v + curvature * twin
        twin = twin - 0.1 * corrected * v
        opt.step(w, curvature * w)
    np.testing.assert_allclose(w, twin, rtol=1e-8)
    again = optim.SWATS()
    again.load_state_dict(opt.state_dict())
    assert again.switched == opt.switched


def test_schedule_and_decay_follow_the_rate_that_swats_found() -> None:
    curvature = np.array([1.0, 2.0])
    w, opt = np.array([3.0, -2.0]), optim.SWATS(lambda t: 0.05 / (1 + t), threshold=1.0, weight_decay=0.1)
    for _ in range(2):
        opt.step(w, curvature * w)
    assert opt.switched is not None
    assert opt.switched[0] == 2
    v, twin = np.zeros(2), w.copy()
    for t in range(2, 30):
        rate = opt.switched[1] * (0.05 / (1 + t)) / (0.05 / 2)  # the switch is at t = 1
        v = 0.9 * v + curvature * twin
        twin = (1 - rate * 0.1) * twin - 0.1 * rate * v
        opt.step(w, curvature * w)
        np.testing.assert_allclose(w, twin, rtol=1e-12)


def test_the_points_ahead_are_nesterovs_parameters() -> None:
    curvature = np.array([1.0, 10.0])
    seen: list[np.ndarray] = []

    def value_and_grad(w: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(w.copy())
        return float((curvature * w * w).sum() / 2), curvature * w

    w, opt = np.array([3.0, -2.0]), optim.NesterovLookahead(0.02)
    other, twin = np.array([3.0, -2.0]), optim.Nesterov(0.02)
    for t in range(50):
        opt.minimize(value_and_grad, w)
        np.testing.assert_allclose(seen[t], other, rtol=1e-12)
        twin.step(other, curvature * other)
    with pytest.raises(TypeError, match="call minimize"):
        opt.step(w, w)


def test_the_literal_form_looks_ahead_by_the_whole_velocity() -> None:
    w, v, opt = np.array([3.0]), 0.0, optim.NesterovLookahead(0.02, momentum=0.5, consistent=False)
    x = 3.0
    for _ in range(20):
        opt.minimize(lambda p: (0.0, p.copy()), w)
        v = 0.5 * v + (x - 0.5 * v)
        x -= 0.02 * v
    np.testing.assert_allclose(w, x, rtol=1e-12)


def test_fit_looks_ahead_too() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype(np.float32)
    y = x @ np.array([1, -1, 2], np.float32)
    model = fl.nn.Linear(3, 1, rng=fl.random.default_rng(0))
    opt = optim.NesterovLookahead(0.02)
    history = fl.fit(model, x, y, loss="mse", optimizer=opt, epochs=40, batch_size=16, progress=False)
    assert history["loss"][-1] < 1e-3


PLATEAUS = [
    {"patience": 2, "min_lr": 1e-5},
    {"patience": 1, "cooldown": 2, "factor": 0.5, "min_lr": 0.1},
    {"mode": "max"},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus_are_counted_as_in_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    opt = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, **options)
    mine, plateau = optim.SGD(0.8), optim.ReduceOnPlateau(**options)
    value = 3.0
    for epoch in range(60):
        value *= rng.uniform(0.9, 1.1)
        theirs.step(value)
        assert plateau(epoch, {"loss": [value]}, None, mine) is False
        np.testing.assert_allclose(mine.hyperparameters()["lr"], opt.param_groups[0]["lr"], rtol=1e-12)


def test_fit_calls_the_plateau() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)).astype(np.float32), rng.normal(size=32).astype(np.float32)
    opt = optim.SGD(1e-9)
    plateau = optim.ReduceOnPlateau(factor=0.5, patience=1)
    model = fl.nn.Linear(3, 1, rng=fl.random.default_rng(0))
    fl.fit(model, x, y, loss="mse", optimizer=opt, epochs=6, callbacks=[plateau], progress=False)
    np.testing.assert_allclose(opt.hyperparameters()["lr"], 1e-9 / 4)


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="factor must be between"):
        optim.ReduceOnPlateau(factor=2.0)
    with pytest.raises(ValueError, match="mode must be"):
        optim.ReduceOnPlateau(mode="least")
    with pytest.raises(ValueError, match="has no 'val_loss'"):
        optim.ReduceOnPlateau("val_loss")(0, {"loss": [1.0]}, None, optim.SGD(0.1))
