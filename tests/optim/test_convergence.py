"""Every rule finds the bottom of a parabola and walks Rosenbrock's valley down."""

from __future__ import annotations

import numpy as np
import pytest
from reference_rules import REFERENCE_RULES

from fallline.optim import Optimizer


@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_a_parabola_is_minimised(rule: str) -> None:
    w, curvature = np.array([3.0, -2.0]), np.array([1.0, 10.0])
    opt = Optimizer(rule, lr=10 * REFERENCE_RULES[rule].lr, **REFERENCE_RULES[rule].tuned)
    for _ in range(3000):
        opt.step(w, curvature * w)
    assert (curvature * w * w).sum() < 1e-2


@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_rosenbrock_is_minimised(rule: str) -> None:
    w = np.array([-1.2, 1.0])
    opt = Optimizer(rule, lr=REFERENCE_RULES[rule].lr, **REFERENCE_RULES[rule].tuned)

    def value_and_grad(w: np.ndarray) -> tuple[float, np.ndarray]:
        x, y = w.tolist()
        a, b = 1 - x, y - x * x
        return a * a + 100 * b * b, np.array([-2 * a - 400 * x * b, 200 * b])

    first = opt.minimize(value_and_grad, w)
    for _ in range(15_000):
        opt.minimize(value_and_grad, w)
    assert first > 20
    assert value_and_grad(w)[0] < 1e-2


@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_maximize_climbs_as_far_as_the_negative_falls(rule: str) -> None:
    down, up = np.array([0.5]), np.array([0.5])
    a, b = Optimizer(rule), Optimizer(rule, maximize=True)
    for _ in range(5):
        a.step(down, -down)
        b.step(up, up)
    np.testing.assert_array_equal(down, up)
