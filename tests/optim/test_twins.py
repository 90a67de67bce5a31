"""Every rule computes what its paper or its authors' code computes: 150 steps in float64, every option."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from twins import TWINS, Twin
from twins.row import Arguments

from fallline import optim
from fallline.optim import Optimizer

STEPS = 150
Gradient = Callable[[int, np.ndarray], np.ndarray]


def random_gradients(shape: tuple[int, ...]) -> Gradient:
    gradients = np.random.default_rng(1).normal(size=(STEPS, *shape))
    return lambda t, w: gradients[t]


def ill_conditioned(shape: tuple[int, ...]) -> Gradient:
    """The gradient of a quadratic whose curvatures lie between 1e-4 and 10."""
    curvatures = np.logspace(-4, 1, int(np.prod(shape))).reshape(shape)
    return lambda t, w: curvatures * (w - 1)


def cases() -> Iterator[Any]:
    for name, twins in TWINS.items():
        for twin in twins:
            for i, (ours, theirs) in enumerate(twin.cases if twin.path and not twin.elsewhere else ()):
                yield pytest.param(name, twin, ours, theirs, id=f"{name}-{twin.kind}-{twin.where}-{i}")


@pytest.mark.parametrize("gradient", [random_gradients, ill_conditioned])
@pytest.mark.parametrize(("name", "twin", "ours", "theirs"), list(cases()))
def test_the_path_is_that_of_the_source(
    name: str, twin: Twin, ours: Arguments, theirs: Arguments, gradient: Callable[[tuple[int, ...]], Gradient]
) -> None:
    assert twin.path
    start = np.random.default_rng(0).normal(size=twin.shape)
    opt = getattr(optim, name)(twin.lr, **{**twin.needs, **ours})
    path, at, w = twin.path(start.copy(), twin.lr, **theirs), gradient(twin.shape), start.copy()
    expected = next(path)
    for t in range(STEPS):
        g = at(t, w)  # the same for both: a path that bounces around a minimum would magnify the last bits
        opt.step(w, g)
        expected = path.send(g)
    if isinstance(expected, tuple):
        expected, average = expected
        np.testing.assert_allclose(opt.averaged(w), average, rtol=twin.near, atol=10 * twin.near)
    np.testing.assert_allclose(w, expected, rtol=twin.near, atol=twin.near)
    assert np.abs(w - start).max() > 1e-3
    assert np.isfinite(w).all()


def test_every_rule_has_a_twin() -> None:
    ours = {cls.__name__ for cls in Optimizer._classes.values() if getattr(optim, cls.__name__, None) is cls}
    assert TWINS.keys() == ours
