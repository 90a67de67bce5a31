"""Schedules beside those of PyTorch, Optax and Keras. Where one counts otherwise, the row says how."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fallline.optim import schedules as s

T = 40  # updates that are compared

Row = tuple[s.Schedule, Callable[[Any, Any], Any]]

# Ours, and from the namespace of lr_scheduler and an optimizer with the rate 0.8: theirs.
TORCH: dict[str, Row] = {
    "StepLR": (s.step(0.8, 7, 0.3), lambda L, o: L.StepLR(o, 7, 0.3)),
    "MultiStepLR": (s.multi_step(0.8, [5, 20], 0.3), lambda L, o: L.MultiStepLR(o, [5, 20], 0.3)),
    "ConstantLR": (s.piecewise([9], [0.2, 0.8]), lambda L, o: L.ConstantLR(o, 0.25, 9)),
    "ExponentialLR": (s.exponential(0.8, -np.log(0.9)), lambda L, o: L.ExponentialLR(o, 0.9)),
    "LinearLR": (s.linear(0.2, 0.4, 12), lambda L, o: L.LinearLR(o, 0.25, 0.5, 12)),
    "PolynomialLR": (s.polynomial(0.8, 0.0, 15, 1.7), lambda L, o: L.PolynomialLR(o, 15, 1.7)),
    # theirs rises again after T_max; ours stays
    "CosineAnnealingLR": (s.cosine(0.8, T, 0.1), lambda L, o: L.CosineAnnealingLR(o, T, 0.1)),
    "CosineAnnealingWarmRestarts": (
        s.cosine_restarts(0.8, 5, 2, final=0.1), lambda L, o: L.CosineAnnealingWarmRestarts(o, 5, 2, 0.1),
    ),
    "OneCycleLR": (s.one_cycle(0.8, T), lambda L, o: L.OneCycleLR(o, 0.8, T, cycle_momentum=False)),
    "CyclicLR": (
        s.cyclic(0.1, 0.8, 4, "triangular2"),
        lambda L, o: L.CyclicLR(o, 0.1, 0.8, 4, mode="triangular2", cycle_momentum=False),
    ),
    "SequentialLR": (
        s.join([s.linear(0.08, 0.8, 6), s.step(0.8, 5, 0.5)], [6]),
        lambda L, o: L.SequentialLR(o, [L.LinearLR(o, 0.1, 1.0, 6), L.StepLR(o, 5, 0.5)], [6]),
    ),
    "LambdaLR": (s.inverse_time(0.8, 0.25), lambda L, o: L.LambdaLR(o, lambda t: 1 / (1 + 0.25 * t))),
}  # fmt: skip

OPTAX: dict[str, tuple[s.Schedule, Callable[[Any], Any]]] = {
    "constant_schedule": (s.constant(0.8), lambda o: o.constant_schedule(0.8)),
    "exponential_decay": (s.exponential(0.8, -np.log(0.5) / 7), lambda o: o.exponential_decay(0.8, 7, 0.5)),
    "exponential_decay, staircase": (s.step(0.8, 7, 0.5), lambda o: o.exponential_decay(0.8, 7, 0.5, staircase=True)),
    "linear_schedule": (s.linear(0.8, 0.1, 12), lambda o: o.linear_schedule(0.8, 0.1, 12)),
    "polynomial_schedule": (s.polynomial(0.8, 0.1, 12, 2.5), lambda o: o.polynomial_schedule(0.8, 0.1, 2.5, 12)),
    "cosine_decay_schedule": (s.cosine(0.8, 30, 0.08), lambda o: o.cosine_decay_schedule(0.8, 30, alpha=0.1)),
    "piecewise_constant_schedule": (
        s.piecewise([5, 20], [0.8, 0.4, 0.04]), lambda o: o.piecewise_constant_schedule(0.8, {5: 0.5, 20: 0.1}),
    ),
    # their decay_steps counts the warm-up too
    "warmup_cosine_decay_schedule": (
        s.warmup(s.cosine(0.8, 25, 0.1), 10, 0.05), lambda o: o.warmup_cosine_decay_schedule(0.05, 0.8, 10, 35, 0.1),
    ),
    "join_schedules": (
        s.join([s.linear(0.1, 0.8, 8), s.exponential(0.8, 0.1)], [8]),
        lambda o: o.join_schedules([o.linear_schedule(0.1, 0.8, 8), o.exponential_decay(0.8, 1, np.exp(-0.1))], [8]),
    ),
    "sgdr_schedule": (
        s.cosine_restarts(0.8, 8, 2, 0.5, 0.0),
        lambda o: o.sgdr_schedule([
            {"init_value": 0.8, "peak_value": 0.8, "warmup_steps": 0, "decay_steps": 8, "end_value": 0.0},
            {"init_value": 0.4, "peak_value": 0.4, "warmup_steps": 0, "decay_steps": 16, "end_value": 0.0},
            {"init_value": 0.2, "peak_value": 0.2, "warmup_steps": 0, "decay_steps": 32, "end_value": 0.0},
        ]),
    ),
}  # fmt: skip

KERAS: dict[str, tuple[s.Schedule, Callable[[Any], Any]]] = {
    "ExponentialDecay": (s.exponential(0.8, -np.log(0.5) / 7), lambda k: k.ExponentialDecay(0.8, 7, 0.5)),
    "ExponentialDecay, staircase": (s.step(0.8, 7, 0.5), lambda k: k.ExponentialDecay(0.8, 7, 0.5, staircase=True)),
    "InverseTimeDecay": (s.inverse_time(0.8, 0.5 / 7), lambda k: k.InverseTimeDecay(0.8, 7, 0.5)),
    "PolynomialDecay": (s.polynomial(0.8, 0.1, 12, 2.5), lambda k: k.PolynomialDecay(0.8, 12, 0.1, 2.5)),
    # theirs changes after its boundary, ours at it
    "PiecewiseConstantDecay": (
        s.piecewise([6, 21], [0.8, 0.4, 0.04]), lambda k: k.PiecewiseConstantDecay([5, 20], [0.8, 0.4, 0.04]),
    ),
    "CosineDecay": (s.cosine(0.8, 30, 0.08), lambda k: k.CosineDecay(0.8, 30, alpha=0.1)),
    "CosineDecay, warm-up": (
        s.warmup(s.cosine(0.8, 25, 0.08), 10, 0.05),
        lambda k: k.CosineDecay(0.05, 25, alpha=0.1, warmup_target=0.8, warmup_steps=10),
    ),
    "CosineDecayRestarts": (s.cosine_restarts(0.8, 5, 2, 0.7), lambda k: k.CosineDecayRestarts(0.8, 5, 2.0, 0.7)),
    "CosineDecayRestarts, fractions and a floor": (
        # A period of 3.7 steps: in float32 some backends of Keras see a restart at a whole step one step late.
        s.cosine_restarts(0.8, 3.7, 1.37, 0.7, 0.08), lambda k: k.CosineDecayRestarts(0.8, 3.7, 1.37, 0.7, alpha=0.1),
    ),
    "CosineDecayRestarts, even": (
        s.cosine_restarts(0.8, 4, 1, 0.7, 0.08), lambda k: k.CosineDecayRestarts(0.8, 4, 1.0, 0.7, alpha=0.1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH)
def test_schedules_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, make = TORCH[name]
    opt = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    theirs, found = make(torch.optim.lr_scheduler, opt), []
    for t in range(T):
        found.append(opt.param_groups[0]["lr"])
        opt.step()
        if t < T - 1:
            theirs.step()
    np.testing.assert_allclose(ours.values(0, T), found, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OPTAX)
def test_schedules_are_optaxs(name: str) -> None:
    optax = pytest.importorskip("optax")
    ours, make = OPTAX[name]
    jax = pytest.importorskip("jax")
    found = np.asarray(jax.vmap(make(optax))(np.arange(T)))
    np.testing.assert_allclose(ours.values(0, T), np.broadcast_to(found, T), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", KERAS)
def test_schedules_are_keras(name: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "numpy")  # the quickest
    keras = pytest.importorskip("keras")
    ours, make = KERAS[name]
    theirs = make(keras.optimizers.schedules)
    np.testing.assert_allclose(ours.values(0, T), [float(theirs(t)) for t in range(T)], rtol=2e-5, atol=1e-7)


def test_a_rise_of_one_step_has_its_peak_at_the_start() -> None:
    assert s.one_cycle(1.0, 4, rise=0.25)(0) == 1.0
    assert s.one_cycle(1.0, 4, rise=0.5)(1) == 1.0
