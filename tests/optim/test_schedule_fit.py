"""What schedules know of the training: its length, its epochs, its end; and what they are as objects."""

from __future__ import annotations

import copy
import pickle
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fallline as fl
from fallline import optim
from fallline.optim import schedules as s
from fallline.optim._clock import Clock
from fallline.train import BatchSizeSchedule

X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def rates(opt: Any, epochs: int, batch_size: Any = 4, model: Any = None, **facts: Any) -> list[float]:
    """Train, and return the learning rate of every update, as the optimizer inside used it."""
    inner, model = opt, model or fl.nn.Linear(2, 1)
    while isinstance(inner, optim.wrappers.Wrapper):
        inner = inner.inner
    first = inner.t
    fl.fit(model, X, Y, loss="mse", optimizer=opt, epochs=epochs, batch_size=batch_size, progress=False, **facts)
    return [float(inner.hyper_rows(t, 1)[0, 0]) for t in range(first, inner.t)]


OPEN = {
    "cosine": (s.cosine(0.1), lambda n: s.cosine(0.1, n)),
    "linear": (s.linear(0.1, 0.01), lambda n: s.linear(0.1, 0.01, n)),
    "polynomial": (s.polynomial(0.1, 0.01, power=2), lambda n: s.polynomial(0.1, 0.01, n, 2)),
    "one_cycle": (s.one_cycle(0.1), lambda n: s.one_cycle(0.1, n)),
    "wsd": (s.wsd(0.1, 3, None, 4), lambda n: s.wsd(0.1, 3, n - 7, 4)),
    "warmup": (s.warmup(s.cosine(0.1), 3), lambda n: s.warmup(s.cosine(0.1, n - 3), 3)),
    "join": (
        s.join([s.linear(0.1, 0.2), s.cosine(0.2)], [5]),
        lambda n: s.join([s.linear(0.1, 0.2, 5), s.cosine(0.2, n - 5)], [5]),
    ),
    "scale": (s.scale(s.cosine(0.1), 0.5), lambda n: s.scale(s.cosine(0.1, n), 0.5)),
}


@pytest.mark.parametrize("name", OPEN)
def test_a_length_that_was_left_out_is_that_of_the_training(name: str) -> None:
    left_open, whole = OPEN[name]
    assert rates(optim.SGD(left_open), 3) == whole(15).values(0, 15).tolist()
    assert rates(optim.SGD(left_open), 3, BatchSizeSchedule(4, factor=2)) == whole(10).values(0, 10).tolist()
    chained = optim.chain(optim.accumulate(2), optim.SGD(left_open))
    assert rates(chained, 4) == whole(10).values(0, 10).tolist()
    assert rates(optim.EMA(optim.SGD(left_open)), 3) == whole(15).values(0, 15).tolist()


def test_a_length_in_epochs_is_that_of_the_training_too() -> None:
    found = rates(optim.SGD(s.cosine(0.1, per="epoch")), 4)
    assert found == np.repeat(s.cosine(0.1, 4).values(0, 4), 5).tolist()
    found = rates(optim.SGD(s.warmup(s.linear(0.1, 0.0), 1, per="epoch")), 4)
    assert found == np.repeat(s.warmup(s.linear(0.1, 0.0, 3), 1).values(0, 4), 5).tolist()


def test_a_training_that_is_broken_off_and_continued_ends_where_it_would_have() -> None:
    opt = optim.SGD(s.cosine(0.1))
    stop = [lambda epoch, history, model, opt: epoch == 1]
    model = fl.nn.Linear(2, 1)
    begun = rates(opt, 5, model=model, callbacks=stop)
    assert begun == s.cosine(0.1, 25).values(0, 10).tolist()
    assert rates(opt, 3, model=model) == s.cosine(0.1, 25).values(10, 15).tolist()


def test_without_a_training_an_open_length_is_told() -> None:
    for schedule, _ in OPEN.values():
        assert schedule.is_open
    with pytest.raises(ValueError, match=r"\[cosine\] steps was left out.*give steps=, or train with fl.fit"):
        s.cosine(0.1)(0)
    with pytest.raises(ValueError, match=r"\[warmup\] steps was left out"):
        optim.SGD(s.warmup(s.cosine(0.1), 3)).step(np.zeros(1), np.zeros(1))
    assert s.join([s.linear(0.1, 0.2), 0.3], [5])(3) == s.linear(0.1, 0.2, 5)(3)  # the boundary says how long


@pytest.mark.parametrize("wrap", [lambda opt: opt, optim.EMA], ids=["native", "Python"])
def test_training_on_at_the_rate_0_is_said_once_with_both_numbers(wrap: Any) -> None:
    opt, model = wrap(optim.SGD(s.cosine(0.1, 15))), fl.nn.Linear(2, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates(opt, 3, model=model)
    with pytest.warns(UserWarning, match="come to its end after 15 updates.*goes on to update 30") as told:
        rates(opt, 3, model=model)
        rates(opt, 3, model=model)
    assert len(told) == 1
    with pytest.warns(UserWarning, match="come to its end after 8 updates.*goes on to update 25"):
        rates(wrap(optim.SGD(s.warmup(s.linear(0.1, 0.0, 5), 3))), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for schedule in (s.cosine(0.1, 5, 0.01), s.constant(0.0), s.cyclic(0.0, 0.1, 2), s.piecewise([9], [0.1, 0.2])):
            rates(wrap(optim.SGD(schedule)), 3)


def test_a_loop_of_ones_own_is_told_too() -> None:
    opt, w = optim.Adam(s.linear(0.1, 0.0, 3)), np.zeros(1)
    for _ in range(3):
        opt.step(w, np.ones(1))
    with pytest.warns(UserWarning, match="after 3 updates and stays 0, but training goes on to update 4"):
        opt.step(w, np.ones(1))
    opt.step(w, np.ones(1))


def test_steps_per_epoch_of_a_loop_of_ones_own_act_from_now_on() -> None:
    opt, w, found = optim.SGD(s.step(1.0, 1, per="epoch")), np.zeros(1), []
    for steps in (3, 2, 2):
        opt.set_steps_per_epoch(steps)
        for _ in range(steps):
            found.append(opt.hyperparameters()["lr"])
            opt.step(w, np.zeros(1))
    assert found == [1.0] * 3 + [0.5] * 2 + [0.25] * 2


@pytest.mark.parametrize("make", [optim.Momentum, optim.LARS, lambda lr: optim.EMA(optim.Momentum(lr))],
                         ids=["native", "whole tensors", "wrapper"])  # fmt: skip
def test_epochs_are_counted_on_after_saving(make: Any, tmp_path: Path) -> None:
    opt, model = make(s.step(0.1, 1, per="epoch")), fl.nn.Linear(2, 1)
    fit = {"loss": "mse", "progress": False}
    fl.fit(model, X, Y, optimizer=opt, epochs=2, batch_size=4, **fit)
    fl.fit(model, X, Y, optimizer=opt, epochs=1, batch_size=10, **fit)
    fl.save(tmp_path / "a.safetensors", model, opt)
    other, again = make(s.step(0.1, 1, per="epoch")), fl.nn.Linear(2, 1)
    fl.load(tmp_path / "a.safetensors", again, other)
    assert other.epochs == opt.epochs and other.hyperparameters() == opt.hyperparameters()
    assert rates(other, 2, 5, again) == rates(opt, 2, 5, model) == [0.1 / 8] * 4 + [0.1 / 16] * 4


@given(fits=st.lists(st.tuples(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 8)), max_size=5))
def test_the_clock_of_many_fits_is_what_a_list_of_batches_says(fits: list[tuple[list[int], int]]) -> None:
    """Each fit has epochs of its own lengths; some are broken off, and the next begins that epoch anew."""
    clock, epochs = Clock.constant(3), list[int]()
    for lengths, lost in fits:
        clock = clock.then(len(epochs), lengths)
        whole = [clock.epoch(len(epochs)) + i for i, length in enumerate(lengths) for _ in range(length)]
        epochs += whole[: max(len(whole) - lost, 1)]
        assert [clock.epoch(t) for t in range(len(epochs))] == epochs
        assert all(a[2] != b[2] for a, b in pairwise(clock.rows))
    counted = s.piecewise(range(1, 30), range(30), per="epoch").on(clock, None).values(0, len(epochs))
    assert counted.tolist() == epochs


@pytest.mark.parametrize(
    "rows", [[], [[0, 0]], [[0, 0, 0]], [[3, 0, 5]], [[0, 0, 5], [5, 0, 2]], "soon", [[0, 0, "x"]]]
)
def test_epochs_of_a_state_that_cannot_be_are_refused(rows: Any) -> None:
    opt = optim.SGD(0.1)
    with pytest.raises(ValueError, match=r"\[SGD\] this state does not fit: its epochs are"):
        opt.load_state_dict({**opt.state_dict(), "epochs": rows})


OBJECTS = [
    s.constant(0.3),
    s.multi_step(0.1, [3, 5]),
    s.wsd(0.1, 3, None, 4, shape="sqrt"),
    s.join([s.warmup(s.step(0.1, 2, per="step"), 3, 0.01, "cosine"), 0.5, s.one_cycle(0.1)], [5, 9], per="epoch"),
    s.scale(s.piecewise([2], [0.1, 0.2], per="epoch", steps_per_epoch=3), 2.0),
]


@pytest.mark.parametrize("schedule", OBJECTS, ids=lambda x: x.name)
def test_schedules_are_values(schedule: s.Schedule) -> None:
    assert eval(repr(schedule), dict(vars(s))) == schedule
    bound = schedule.on(Clock.constant(3).then(9, [4, 5]), 60)
    assert bound != schedule and hash(bound) != hash(schedule)
    for other in (pickle.loads(pickle.dumps(bound)), copy.deepcopy(bound), copy.copy(bound)):
        assert other == bound and hash(other) == hash(bound)
        np.testing.assert_array_equal(other.values(0, 60), bound.values(0, 60))
    assert schedule != s.constant(0.4)
    with pytest.raises(AttributeError):
        schedule.per = "epoch"  # type: ignore[misc]


def test_an_optimizer_carries_its_clock_through_pickle() -> None:
    opt = optim.SGD(s.step(0.1, 1, per="epoch"))
    opt.set_steps_per_epoch(2)
    other = pickle.loads(pickle.dumps(opt))
    assert other.hyper_rows(0, 6).tolist() == opt.hyper_rows(0, 6).tolist()
    other.lr = s.step(0.2, 1, per="epoch")
    assert other.hyper_rows(0, 4)[:, 0].tolist() == [0.2, 0.2, 0.1, 0.1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: s.constant("a lot"), r"\[constant\] value must be a finite number, got 'a lot'"),
        (lambda: s.linear(float("nan"), 0.0, 3), r"\[linear\] initial must be a finite number, got nan"),
        (lambda: s.step(0.1, None), r"\[step\] every must be a finite number, got None"),
        (lambda: s.join([0.1, "fast"], [3]), r"\[join\] schedules must be a finite number, got 'fast'"),
        (lambda: s.warmup(0.1, 3, shape="round"), r"\[warmup\] shape must be one of 'linear', 'cosine', 'exponential'"),
        (lambda: s.warmup(0.1, 3, shape="exponential"), r"\[warmup\] an exponential rise needs an initial above 0"),
        (lambda: s.cosine(0.1, 3)(-1), r"\[cosine\] finished updates are counted from 0, got -1"),
        (lambda: s.cosine(0.1, 3)(1.5), r"\[cosine\] finished updates are counted from 0, got 1.5"),
    ],
)
def test_what_cannot_be_is_told(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
