"""Batch sizes that change between epochs (R87), learning rates for them (R88), and statistics of averaged weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train import BatchSizeSchedule, scale_learning_rate, update_running_statistics

X = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 100)


def network(norm: bool = False) -> fl.nn.Sequential:
    rng = fl.random.default_rng(0)
    middle: list[fl.nn.Module] = [fl.nn.BatchNorm1d(8)] if norm else []
    return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), *middle, fl.nn.Tanh(), fl.nn.Linear(8, 3, rng=rng))


def train(model: Any, opt: Any, epochs: int, batch_size: Any = 32, **facts: Any) -> fl.train.History:
    return fl.fit(
        model, X, Y, loss="cross_entropy", optimizer=opt, epochs=epochs, batch_size=batch_size, progress=False, **facts
    )


def same(a: fl.nn.Module, b: fl.nn.Module) -> None:
    for path, value in a.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(b.state_dict()[path]))


@pytest.mark.parametrize("make", [fl.optim.Adam, lambda: fl.optim.EMA(fl.optim.Adam())], ids=["native", "Python"])
@pytest.mark.parametrize("how", ["argument", "function", "callback"])
def test_each_epoch_has_its_own_size(how: str, make: Any) -> None:
    sizes = BatchSizeSchedule(10, factor=3, every=2, most=100)
    facts: dict[str, Any] = {
        "argument": {"batch_size": sizes},
        "function": {"batch_size": sizes.size},
        "callback": {"callbacks": [sizes]},
    }[how]
    model, opt = network(), make()
    train(model, opt, 6, record_steps=True, **facts)
    assert opt.t == 2 * 10 + 2 * 4 + 2 * 2


def test_one_run_equals_a_run_for_each_size_when_nothing_is_shuffled() -> None:
    model, opt = network(), fl.optim.Adam()
    train(model, opt, 4, batch_size=lambda epoch: 20 * (epoch + 1), shuffle=False)
    other, steps = network(), fl.optim.Adam()
    for size in (20, 40, 60, 80):
        train(other, steps, 1, batch_size=size, shuffle=False)
    same(model, other)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_run_goes_on_where_it_was(first: int, tmp_path: Path) -> None:
    sizes = BatchSizeSchedule(16, factor=2)
    model, opt = network(), fl.optim.Adam()
    train(model, opt, 4, sizes)
    half, kept = network(), fl.optim.Adam()
    train(half, kept, first, sizes)
    fl.save(tmp_path / "half.safetensors", half, kept)
    other, resumed = network(), fl.optim.Adam()
    fl.load(tmp_path / "half.safetensors", other, resumed)
    train(other, resumed, 4 - first, sizes)
    same(model, other)


def excess(seed: int, lr: Any, batch_size: Any) -> tuple[float, int]:
    """Return how far 256 noisy weights stay from the best ones in the last of 12 epochs, and the number of updates."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4096, 4))
    y = x @ rng.normal(size=(4, 64)) + rng.normal(size=(4096, 64))
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    model, opt, found = fl.nn.Linear(4, 64, bias=False, dtype="float64"), fl.optim.SGD(lr), []

    def note(*epoch_history_model_opt: Any) -> None:
        found.append(float(((np.asarray(model.weight).T - best) ** 2).mean()))

    fl.fit(
        model, x, y, loss=lambda a, b: ((a - b) ** 2).sum(1).mean() / 2, optimizer=opt, batch_size=batch_size,
        epochs=12, progress=False, seed=seed, callbacks=[note],
    )  # fmt: skip
    return float(np.mean(found[-3:])), opt.t


@pytest.mark.parametrize("seed", range(3))
def test_a_growing_batch_ends_where_a_falling_rate_does(seed: int) -> None:
    """R87, Smith et al. 2018: the same noise in the end, with fewer updates; keeping both leaves several times as much.

    The noise of a step is lr / batch, so that halving one and doubling the other are the same.
    """
    falling, many = excess(seed, fl.optim.schedules.step(0.1, factor=0.5, every=4, per="epoch"), 16)
    growing, few = excess(seed, 0.1, BatchSizeSchedule(16, factor=2, every=4))
    constant, _ = excess(seed, 0.1, 16)
    assert growing / falling == pytest.approx(1.05, abs=0.08)
    assert constant > 4 * max(growing, falling)
    assert (many, few) == (12 * 256, 4 * (256 + 128 + 64))


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_rule_keeps_the_noise(seed: int) -> None:
    """R88: four times the batch with four times the rate, and not with twice or once."""
    small, _ = excess(seed, 0.025, 16)
    shares = {
        rule: excess(seed, scale_learning_rate(0.025, 16, 64, rule), 64)[0] / small for rule in ("linear", "sqrt")
    }
    assert shares["linear"] == pytest.approx(1, abs=0.25) and shares["sqrt"] < 0.65


def test_rates_follow_batches() -> None:
    assert scale_learning_rate(0.1, 32, 64) == 0.2
    assert scale_learning_rate(0.1, 64, 16, "sqrt") == 0.05


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: BatchSizeSchedule(0), "size must be a positive whole number"),
        (lambda: BatchSizeSchedule(8, factor=0), "factor must be positive, got 0"),
        (lambda: scale_learning_rate(0.1, 8, 16, "cubic"), "rule must be 'linear' or 'sqrt', got 'cubic'"),
        (lambda: train(network(), "adam", 1, lambda epoch: 0), "batch_size must be a positive whole number"),
    ],
)
def test_what_cannot_be_is_told(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_schedules_count_epochs_of_changing_sizes_and_of_a_second_fit() -> None:
    model, opt, rates = network(), fl.optim.SGD(fl.optim.schedules.step(0.1, every=1, per="epoch")), []

    def note(*epoch_history_model_opt: Any) -> None:
        rates.append((opt.t, opt.hyper_rows(opt.t - 1, 1)[0, 0], opt.hyper_rows(opt.t, 1)[0, 0]))

    train(model, opt, 3, BatchSizeSchedule(10), callbacks=[note])
    train(model, opt, 2, 25, callbacks=[note])
    train(model, opt, 1, 50, callbacks=[note])
    assert rates == [
        (t, 0.1 * 0.5**epoch, 0.1 * 0.5 ** (epoch + 1)) for epoch, t in enumerate([10, 15, 18, 22, 26, 28])
    ]


def test_statistics_of_averaged_weights_are_those_of_the_data() -> None:
    model, opt = network(norm=True), fl.optim.SWA(fl.optim.Adam(0.05), start=4)
    train(model, opt, 5)
    model.load_state_dict({**model.state_dict(), **opt.averaged(model.parameters())})
    before = {path: np.array(value) for path, value in model.state_dict().items()}
    model.eval()
    update_running_statistics(model, X, batch_size=50)
    hidden = np.asarray(model[0](fl.asarray(X)))
    halves = hidden.reshape(2, 50, 8)
    after = model.state_dict()
    np.testing.assert_allclose(after["1.running_mean"], hidden.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after["1.running_var"], halves.var(1, ddof=1).mean(0), rtol=1e-4)
    assert int(np.asarray(after["1.num_batches_tracked"])) == 2
    assert not np.allclose(before["1.running_mean"], after["1.running_mean"])
    np.testing.assert_array_equal(before["0.weight"], after["0.weight"])
    assert not model.training
    assert model[1].momentum == 0.1
