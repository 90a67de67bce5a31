"""Learning rates, batch sizes and memory: what is suggested holds, and asking changes nothing (R64, R89, R101)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train._finders import smooth

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2000, 10)).astype(np.float32)
LABELS = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def network(seed: int = 0) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    return fl.nn.Sequential(fl.nn.Linear(10, 32, rng=rng), fl.nn.ReLU(), fl.nn.Linear(32, 2, rng=rng))


def arrays(model: fl.nn.Module) -> list[np.ndarray]:
    return [np.array(a) for a in model.state_dict().values()]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])
def test_a_rate_is_suggested_that_trains_whatever_the_order_of_batches(optimizer: str) -> None:
    model = network()
    before = arrays(model)
    found = [
        fl.train.find_learning_rate(model, X, LABELS, loss="cross_entropy", optimizer=optimizer, seed=seed)
        for seed in range(4)
    ]
    rates = [one.suggestion for one in found]
    assert max(rates) < 12 * min(rates)  # noise of batches alone moves what they give one by one by a thousand
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(model), strict=True))
    assert len(found[0].rates) == len(found[0].losses) == len(found[0].smoothed) <= 200
    opt = fl.optim.get(optimizer)
    opt.lr = float(found[0])
    history = fl.fit(model, X, LABELS, loss="cross_entropy", optimizer=opt, epochs=10, progress=False)
    assert history["loss"][-1] < 0.75 * history["loss"][0]


def test_the_rate_lies_below_the_limit_of_stability() -> None:
    x = RNG.normal(size=(512, 4)).astype(np.float32) * np.array([1, 1, 1, 3], np.float32)
    limit = 2 / (2 * 9)  # of the mean squared error: 2 / largest eigenvalue of 2 x'x / n
    for seed in range(4):
        found = fl.train.find_learning_rate(
            fl.nn.Linear(4, 1), x, x.sum(1), loss="mse", optimizer="sgd", batch_size=128, seed=seed
        )
        assert limit / 300 < found.suggestion < limit
        assert found.rates[-1] < 100 * limit  # it ends where the loss grows


def test_an_optimizer_that_has_begun_is_refused_and_a_new_one_kept() -> None:
    opt = fl.optim.Momentum(0.3, momentum=0.8)
    fl.train.find_learning_rate(network(), X, LABELS, loss="cross_entropy", optimizer=opt, steps=40)
    assert (opt.t, opt.lr, opt.momentum) == (0, 0.3, 0.8)
    fl.fit(network(), X, LABELS, loss="cross_entropy", optimizer=opt, progress=False)
    with pytest.raises(ValueError, match="the optimizer has made 63 steps already; give a new one"):
        fl.train.find_learning_rate(network(), X, LABELS, loss="cross_entropy", optimizer=opt)
    with pytest.raises(ValueError, match=r"lowest must be below highest, got 1 and 0\.1"):
        fl.train.find_learning_rate(network(), X, LABELS, loss="cross_entropy", lowest=1.0, highest=0.1)
    with pytest.raises(ValueError, match="the loss grows from the start"):
        fl.train.find_learning_rate(
            fl.nn.Linear(10, 1), 1e18 * X, X[:, 0], loss="mse", optimizer="sgd", lowest=1e-2, highest=1.0
        )


def test_outliers_do_not_move_what_is_smoothed() -> None:
    line = np.linspace(5, 1, 80)
    spoiled = line.copy()
    spoiled[[20, 50]] = 1e6, -1e6
    np.testing.assert_allclose(smooth(spoiled)[12:-12], line[12:-12], atol=0.2)


def test_a_picture_marks_the_suggestion() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    found = fl.train.find_learning_rate(network(), X, LABELS, loss="cross_entropy")
    ax = found.plot()
    assert f"suggestion {found.suggestion:.2g}" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert "LearningRates(suggestion=" in repr(found)


# Memory


def test_memory_is_that_of_parameters_state_and_the_plan() -> None:
    model = network()
    found = fl.train.memory(model, 64, "adam", x=X, y=LABELS, loss="cross_entropy")
    numbers = 10 * 32 + 32 + 32 * 2 + 2
    assert (found.parameters, found.state) == (4 * numbers, 8 * numbers)
    plan = fl.train.plan(model, X, LABELS, loss="cross_entropy", batch_size=64)
    assert found.activations == plan.arena_bytes > 0
    assert found.total == sum(found)
    large = fl.train.memory(model, 6400, "sgd", x=X, y=LABELS, loss="cross_entropy")
    assert large.state == 0
    assert large.activations > 50 * 64 * 32 * 4 * 2
    assert fl.train.memory(model, 64).parameters == found.parameters  # as wide as its first layer
    conv = fl.nn.Sequential(fl.nn.Conv2d(1, 4, 3), fl.nn.ReLU(), fl.nn.Flatten())
    assert fl.train.memory(conv, 8, x=(1, 28, 28)).activations >= 4 * 8 * 4 * 26 * 26
    with pytest.raises(ValueError, match=r"give x, some samples, or the shape of one"):
        fl.train.memory(conv, 8)


# Batch sizes


def test_the_largest_batch_that_fits_is_found() -> None:
    model = network()
    before = arrays(model)
    facts: dict[str, Any] = {"loss": "cross_entropy"}
    for limit in (30e3, 100e3, 301e3):
        found = fl.train.find_batch_size(model, X, LABELS, memory=limit, timed=False, **facts)
        sizes = [fl.train.memory(model, found.largest + d, x=X, y=LABELS, **facts).total for d in (0, 1)]
        assert sizes[0] <= limit < sizes[1]
        assert found.fastest is None
    assert fl.train.find_batch_size(model, X, LABELS, memory=1e9, timed=False, **facts).largest == len(X)
    assert fl.train.find_batch_size(model, X, LABELS, memory=1e9, most=70, timed=False, **facts).largest == 70
    with pytest.raises(ValueError, match=r"one sample takes .* bytes, 1,000 are given"):
        fl.train.find_batch_size(model, X, LABELS, memory=1e3, timed=False, **facts)
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(model), strict=True))


def test_sizes_are_timed_on_copies() -> None:
    model, opt = network(), fl.optim.Adam(1e-3)
    before = arrays(model)
    found = fl.train.find_batch_size(model, X, LABELS, loss="cross_entropy", optimizer=opt, memory=60e3)
    assert found.sizes[-1] == found.largest
    assert found.fastest in found.sizes
    assert all(s > 0 for s in found.seconds)
    assert f"fastest {found.fastest}" in str(found)
    assert opt.t == 0
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(model), strict=True))
    assert copy.copy(found) == found
