"""How long does a step on a loss of two parameters take?  Row S13: Rosenbrock's valley, gradient and descent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fallline as fl
from fallline._bench._measure import Effort, Row, Wanted, check_equal, in_turns, installed, microseconds

STEPS, LR, START = 2000, 1e-4, (-1.2, 1.0)


def rows(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    """Yield the rows of eager steps, of traced steps, and of steps inside a loop node."""
    builders = {"eager": _eager, "jit": _jit, "scan": _scan}
    for name, build in ((f"S13 Rosenbrock, {how}", build) for how, build in builders.items()):
        if not wanted(name):
            continue
        runners = build()
        check_equal({who: run(STEPS)[1] for who, run in runners.items()}, 1e-3, name)

        def timed(run: Callable[[int], tuple[float, float]]) -> Callable[[], float]:
            return lambda: run(STEPS)[0] / STEPS

        times = in_turns({who: timed(run) for who, run in runners.items()}, effort.rounds)
        yield Row("training step", name, microseconds(times))


def valley(p: Any) -> Any:
    """Rosenbrock's function."""
    x, y = p[0], p[1]
    return (1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x)


def _timed(loop: Callable[[int], Any]) -> Callable[[int], tuple[float, float]]:
    def run(steps: int) -> tuple[float, float]:
        begin = time.perf_counter()
        last = loop(steps)
        return time.perf_counter() - begin, float(last[0])

    return run


def _eager() -> dict[str, Callable[[int], tuple[float, float]]]:
    gradient = fl.grad(valley)

    def ours(steps: int) -> Any:
        p = fl.asarray(START)
        for _ in range(steps):
            p = p - LR * gradient(p)
        return p

    found = {"fallline": _timed(ours)}
    if installed(["torch"]):
        import torch

        def theirs(steps: int) -> Any:
            p = torch.tensor(START, requires_grad=True)
            for _ in range(steps):
                (g,) = torch.autograd.grad(valley(p), p)
                with torch.no_grad():
                    p -= LR * g
            return p.detach()

        found["PyTorch eager"] = _timed(theirs)
    return found


def _jit() -> dict[str, Callable[[int], tuple[float, float]]]:
    gradient = fl.grad(valley)
    ours = fl.jit(lambda p: p - LR * gradient(p))

    def walk(steps: int) -> Any:
        p = fl.asarray(START)
        for _ in range(steps):
            p = ours(p)
        return p

    found = {"fallline": _timed(walk)}
    if installed(["jax"]):
        import jax

        step = jax.jit(lambda p: p - LR * jax.grad(valley)(p))

        def jitted(steps: int) -> Any:
            p = jax.numpy.asarray(START)
            for _ in range(steps):
                p = step(p)
            return jax.block_until_ready(p)

        found["JAX jit"] = _timed(jitted)
    return found


def _scan() -> dict[str, Callable[[int], tuple[float, float]]]:
    gradient = fl.grad(valley)

    def step(p: Any, _: Any) -> Any:
        return p - LR * gradient(p), None

    descend = fl.jit(lambda p: fl.scan(step, p, length=STEPS)[0])
    found = {"fallline": _timed(lambda steps: descend(fl.asarray(START)))}
    if installed(["jax"]):
        import jax

        def body(p: Any, _: Any) -> Any:
            return p - LR * jax.grad(valley)(p), None

        walk = jax.jit(lambda p: jax.lax.scan(body, p, None, length=STEPS)[0])
        found["JAX scan"] = _timed(
            lambda steps: jax.block_until_ready(walk(jax.numpy.asarray(np.array(START, np.float32))))
        )
    return found
