"""Checks of derivatives against finite differences and of numbers that are not finite; a switch of the SIMD target."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from fallline import _core, _tree, random, transforms
from fallline._array import asarray
from fallline._hints import module_names

__all__ = ["check_grads", "debug_nans", "use_target"]


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
def debug_nans() -> Iterator[None]:
    """Within it the call that makes the first NaN or infinity raises, with its name and the line that called it.

    Calls are checked as they are made, in plans and loops too, which are traced anew and keep each call as it was
    written; those of a derivative name the line of the function that it is the derivative of. NaN and infinities that
    are given to a call are not its fault. For all threads, and many times slower.

    Raises
    ------
    FloatingPointError
        From the call, with the shapes that it took and made.

    Examples
    --------
    >>> import fallline as fl
    >>> f = fl.jit(lambda x: fl.sqrt(x - 1.0).sum())
    >>> with fl.testing.debug_nans():
    ...     try:
    ...         f(fl.asarray([0.0, 2.0]))
    ...     except FloatingPointError as error:
    ...         print(str(error)[:66])
    [debug_nans] sqrt made NaN in float32 (2,) from float32 (2,), call
    """
    before = _core.is_checking()
    _core.set_checking(True, _calling_line)
    try:
        yield
    finally:
        _core.set_checking(before, _calling_line)


def _calling_line() -> str | None:
    """Return the line of the innermost function that is not ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").split(".")[0] == "fallline":
        frame = frame.f_back
    if frame is None:
        return None
    code = frame.f_code
    text = linecache.getline(code.co_filename, frame.f_lineno).strip()
    return f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}" + (f": {text}" if text else "")


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
