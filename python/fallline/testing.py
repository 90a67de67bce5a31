"""Checks of derivatives against finite differences, and a switch of the SIMD target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fallline import _core, _tree, random, transforms
from fallline._array import asarray
from fallline._hints import module_names

__all__ = ["check_grads", "use_target"]


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    *,
    eps: float = 1e-6,
    rtol: float = 1e-3,
    atol: float = 1e-5,
) -> None:
    """Compare derivatives with central differences in float64, along random directions.

    Parameters
    ----------
    f
        A function of arrays that returns a tree of arrays.
    args
        Where to check; converted to float64.
    order
        Check the derivatives up to this order; each is the derivative of the one before.
    eps, rtol, atol
        The step of the differences, and how far the two may lie apart.

    Raises
    ------
    AssertionError
        With both numbers, when they differ.
    """
    rng = random.Generator(0)
    points = [asarray(np.asarray(a, dtype=np.float64)) for a in args]
    _check(f, points, order, rng, eps, rtol, atol)


def _check(f: Any, points: list[Any], order: int, rng: random.Generator, eps: float, rtol: float, atol: float) -> None:
    out, pullback = transforms.vjp(f, *points, unused="zero")
    weights = _tree.map(lambda y: rng.normal(size=y.shape, dtype=np.float64), out)
    gradients = pullback(weights)
    directions = [rng.normal(size=p.shape, dtype=np.float64) for p in points]
    derivative = sum(_inner(g, d) for g, d in zip(gradients, directions, strict=True))

    def value(step: float) -> float:
        moved = f(*(p + step * d for p, d in zip(points, directions, strict=True)))
        return sum(
            _inner(y, w) for y, w in zip(_tree.flatten(moved).values(), _tree.flatten(weights).values(), strict=True)
        )

    difference = (value(eps) - value(-eps)) / (2 * eps)
    np.testing.assert_allclose(derivative, difference, rtol=rtol, atol=atol, err_msg="derivative against difference")
    if order > 1:
        _check(
            lambda *at: list(transforms.vjp(f, *at, unused="zero")[1](weights)), points, order - 1, rng, eps, rtol, atol
        )


def _inner(x: Any, y: Any) -> float:
    return float(np.sum(np.asarray(x) * np.asarray(y)))


@contextmanager
def use_target(name: str) -> Iterator[None]:
    """Run on another SIMD target within the scope: one of ``fl.info()["simd_targets"]``; not for several threads."""
    before = _core.target()
    _core.set_target(name)
    try:
        yield
    finally:
        _core.set_target(before)


__getattr__, __dir__ = module_names(__name__)
