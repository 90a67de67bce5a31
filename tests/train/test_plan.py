"""The plan that fit runs for every batch, to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

nn = fl.nn
RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(40, 6)), RNG.integers(0, 3, 40)


def model() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))


def test_every_step_has_a_time_and_nothing_is_changed() -> None:
    net = model().eval()
    before = {path: np.array(a) for path, a in net.state_dict().items()}
    plan = fl.train.plan(net, X, LABELS, loss="cross_entropy", batch_size=16, metrics=["accuracy"])
    rows = plan.profile()
    assert len(rows) == plan.steps > 10
    assert all(seconds > 0 for _, seconds in rows)
    assert "linear((16, 6), (8, 6), (8,)) -> float32 (16, 8)" in str(plan)
    assert "dropout" in str(plan)  # as fit runs it, in training mode
    assert not net.training
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(np.asarray(array), before[path])


def test_float_targets_and_a_model_in_float64() -> None:
    net = nn.Linear(6, 2, dtype=np.float64)
    plan = fl.train.plan(net, X.astype(np.float32), X[:, :2].astype(np.float32), loss="mse", batch_size="full")
    assert "float64 (40, 2)" in str(plan)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(fl.ShapeError, match="x has 40, y has 39"):
        fl.train.plan(model(), X, LABELS[1:], loss="cross_entropy")
    with pytest.raises(ValueError, match=r"label 3 in y\["):
        fl.train.plan(model(), X, LABELS + 1, loss="cross_entropy")
