"""Schedules: their formulas, their clocks, and any hyper-parameter following one."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallline import optim
from fallline.optim import schedules as s


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (s.constant(0.3), {0: 0.3, 10**9: 0.3}),
        (s.step(1.0, 3), {0: 1.0, 2: 1.0, 3: 0.5, 6: 0.25}),
        (s.multi_step(1.0, [2, 5], 0.1), {1: 1.0, 2: 0.1, 4: 0.1, 5: 0.1**2}),
        (s.piecewise([2, 5], [3.0, 2.0, 1.0]), {0: 3.0, 2: 2.0, 5: 1.0}),
        (s.exponential(2.0, 0.5), {0: 2.0, 4: 2 * math.exp(-2)}),
        (s.inverse_time(2.0, 0.5), {0: 2.0, 4: 2 / 3}),
        (s.polynomial(1.0, 0.5, 10, power=2), {0: 1.0, 5: 0.625, 10: 0.5, 11: 0.5}),
        (s.linear(0.5, 0.9, 4), {0: 0.5, 2: 0.7, 4: 0.9, 9: 0.9}),
        (s.cosine(1.0, 10, 0.2), {0: 1.0, 5: 0.6, 10: 0.2, 50: 0.2}),
        (s.warmup(s.linear(1.0, 0.0, 2), 4), {0: 0.0, 2: 0.5, 4: 1.0, 5: 0.5, 6: 0.0}),
        (s.join([1.0, s.step(4.0, 2), 0.0], [3, 7]), {2: 1.0, 3: 4.0, 5: 2.0, 7: 0.0}),
        (s.scale(s.step(1.0, 2), 10.0), {0: 10.0, 2: 5.0}),
    ],
    ids=lambda x: x.name if isinstance(x, s.Schedule) else "",
)
def test_values_are_those_of_the_formula(schedule: s.Schedule, values: dict[int, float]) -> None:
    assert [schedule(t) for t in values] == pytest.approx(list(values.values()), rel=1e-14)


def test_an_epoch_clock_counts_finished_epochs() -> None:
    schedule = s.inverse_time(1.0, 1.0, per="epoch", steps_per_epoch=3)
    assert [schedule(t) for t in range(7)] == [1, 1, 1, 0.5, 0.5, 0.5, 1 / 3]
    opened = s.step(1.0, 1, per="epoch")
    with pytest.raises(ValueError, match="needs steps_per_epoch"):
        opened(0)
    assert opened.with_steps_per_epoch(2)(2) == 0.5
    assert schedule.with_steps_per_epoch(100)(3) == 0.5  # what was given stays


def test_epochs_are_filled_in_within_other_schedules() -> None:
    nested = s.warmup(s.step(1.0, 1, per="epoch"), 2).with_steps_per_epoch(5)
    assert [nested(t) for t in (0, 2, 6, 7)] == [0.0, 1.0, 1.0, 0.5]
    opt = optim.SGD(s.scale(s.step(1.0, 1, per="epoch"), 2.0))
    opt.set_steps_per_epoch(4)
    assert opt.hyper_rows(3, 2)[:, 0].tolist() == [2.0, 1.0]


def test_one_clock_serves_the_whole_tree() -> None:
    half = s.step(0.1, 1, per="epoch")
    joined = s.join([0.1, half], [1], per="epoch", steps_per_epoch=2)
    assert [joined(t) for t in range(0, 8, 2)] == [0.1, 0.1, 0.05, 0.025]
    assert [joined(t) for t in range(1, 8, 2)] == [0.1, 0.1, 0.05, 0.025]
    rising = s.warmup(half, 2, per="epoch").with_steps_per_epoch(3)
    assert [rising(t) for t in range(0, 15, 3)] == [0.0, 0.05, 0.1, 0.05, 0.025]
    with pytest.raises(ValueError, match="one clock, got steps_per_epoch of 2 and 3"):
        s.join([joined, s.step(0.1, 1, per="epoch", steps_per_epoch=3)], [5])


def test_the_names_are_the_schedules_alone() -> None:
    assert {name for name in vars(s) if not name.startswith("_")} - {"annotations"} == set(s.__all__)


@pytest.mark.parametrize(
    "make",
    [
        lambda: s.step(1.0, 0),
        lambda: s.linear(1.0, 0.0, 0),
        lambda: s.piecewise([1, 2], [1.0, 2.0]),
        lambda: s.multi_step(1.0, [3, 3]),
        lambda: s.join([1.0], [3]),
        lambda: s.inverse_time(1.0, 1.0, per="day"),
        lambda: s.inverse_time(1.0, 1.0, per="epoch", steps_per_epoch=0),
    ],
)
def test_wrong_arguments_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"^\["):
        make()  # type: ignore[operator]


@given(t=st.integers(0, 10**7))
def test_values_stay_between_their_ends(t: int) -> None:
    for schedule in (s.linear(0.1, 0.9, 1000), s.cosine(0.9, 1000, 0.1), s.polynomial(0.9, 0.1, 1000, power=0.7)):
        assert 0.1 - 1e-12 <= schedule(t) <= 0.9 + 1e-12


def test_any_hyper_parameter_follows_a_schedule() -> None:
    w, v, seen = np.ones(3), np.zeros(3), []
    momentum = s.linear(0.5, 0.9, 4)
    opt = optim.Momentum(lambda t: 0.1 / (1 + t), momentum=momentum)
    for t in range(6):
        seen.append(opt.hyperparameters()["momentum"])
        opt.step(w, np.full(3, 0.5))
        v = momentum(t) * v + 0.5
        np.testing.assert_allclose(opt.state[""]["v"], v, rtol=1e-15)
    assert seen == [momentum(t) for t in range(6)]


def test_rows_are_what_the_steps_use() -> None:
    opt = optim.Adam(s.step(1.0, 2), betas=(s.linear(0.0, 0.5, 4), 0.9))
    rows = opt.hyper_rows(1, 3)
    assert rows.shape == (3, 10) and rows.dtype == np.float64
    assert rows[:, 0].tolist() == [1.0, 0.5, 0.5] and rows[:, 1].tolist() == [0.125, 0.25, 0.375]
    assert (rows[:, 2] == 0.9).all()


def test_a_schedule_that_leaves_its_range_stops_the_step_before_anything_changes() -> None:
    w, opt = np.ones(3), optim.SGD(lambda t: [0.5, math.nan][t])
    opt.step(w, np.ones(3))
    with pytest.raises(ValueError, match="lr must be a finite number of at least 0, got nan after 1 updates"):
        opt.step(w, np.ones(3))
    assert opt.t == 1 and (w == 0.5).all()
    with pytest.raises(ValueError, match="beta1 must be at least 0 and below 1"):
        optim.Adam(betas=(s.constant(1.0), 0.9)).step(w, np.ones(3))


def test_a_schedule_shows_how_it_was_made() -> None:
    assert repr(s.step(0.1, 3)) == "step(initial=0.1, every=3, factor=0.5)"
    assert "per='epoch'" in repr(s.cosine(0.1, 3, per="epoch"))


@pytest.mark.parametrize("shape, theirs", [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_is_pytorchs(shape: str, theirs: str) -> None:
    torch = pytest.importorskip("torch")
    opt = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    other = torch.optim.lr_scheduler.OneCycleLR(opt, 0.7, total_steps=40, anneal_strategy=theirs, cycle_momentum=False)
    mine = s.one_cycle(0.7, 40, shape=shape)
    for t in range(40):
        np.testing.assert_allclose(mine(t), opt.param_groups[0]["lr"], rtol=1e-9, err_msg=str(t))
        opt.step()
        if t < 39:
            other.step()


@pytest.mark.parametrize("mode, gamma", [("triangular", 1.0), ("triangular2", 1.0), ("exp_range", 0.9)])
def test_cyclic_is_pytorchs(mode: str, gamma: float) -> None:
    torch = pytest.importorskip("torch")
    opt = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    other = torch.optim.lr_scheduler.CyclicLR(opt, 0.1, 0.7, 5, mode=mode, gamma=gamma, cycle_momentum=False)
    mine = s.cyclic(0.1, 0.7, 5, mode, gamma)
    for t in range(40):
        np.testing.assert_allclose(mine(t), opt.param_groups[0]["lr"], rtol=1e-9, err_msg=str(t))
        opt.step()
        other.step()


@pytest.mark.parametrize("growth", [1, 2])
def test_restarts_are_pytorchs(growth: int) -> None:
    torch = pytest.importorskip("torch")
    opt = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    other = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, 5, growth, eta_min=0.01)
    mine = s.cosine_restarts(0.5, 5, growth, final=0.01)
    for t in range(40):
        np.testing.assert_allclose(mine(t), opt.param_groups[0]["lr"], rtol=1e-9, err_msg=str(t))
        opt.step()
        other.step()


def test_wsd_rises_stays_and_falls() -> None:
    for shape in ("linear", "cosine", "sqrt"):
        values = [s.wsd(2.0, 4, 3, 5, final=0.5, shape=shape)(t) for t in range(20)]
        assert values[0] == 0 and values[4:8] == [2.0] * 4
        assert all(a > b for a, b in pairwise(values[7:13]))
        np.testing.assert_allclose(values[12:], 0.5)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: s.cosine_restarts(1.0, 0), "period must be at least 1"),
        (lambda: s.cosine_restarts(1.0, 2, growth=0.5), "growth must be at least 1"),
        (lambda: s.one_cycle(1.0, 10, rise=1.5), "rise must be between 0 and 1"),
        (lambda: s.one_cycle(1.0, 10, shape="round"), "shape must be"),
        (lambda: s.cyclic(0.0, 1.0, 2, mode="square"), "mode must be"),
        (lambda: s.wsd(1.0, 1, 1, 1, shape="round"), "shape must be one of"),
        (lambda: s.wsd(1.0, -1, 1, 1), "must not be negative"),
    ],
)
def test_a_cycle_that_cannot_be_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
