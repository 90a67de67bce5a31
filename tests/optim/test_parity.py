"""200 steps of every row of the parity table, with hyper-parameters, parameters and gradients drawn anew."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parity import OPTAX, PYTORCH_OPTIMIZER, TORCH, Draw, Row

DRAWS = st.builds(
    Draw,
    lr=st.floats(1e-4, 0.1),
    b1=st.floats(0.05, 0.95),
    b2=st.floats(0.5, 0.999),
    b3=st.floats(0.05, 0.9),
    eps=st.floats(1e-6, 1e-2),
    decay=st.floats(0, 0.3),
    on=st.booleans(),
)
SHAPE, STEPS = (3, 5), 200
slowly = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def names(rows: list[Row]) -> list[str]:
    return [f"{row.theirs}-{i}" for i, row in enumerate(rows)]


def compare(
    row: Row, h: Draw, seed: int, run: Callable[[Any, Any, np.ndarray], np.ndarray], steps: int = STEPS
) -> None:
    """Both make the steps on float64, and one step on float32."""
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=SHAPE), rng.normal(size=(steps, *SHAPE))
    w, opt = start.copy(), row.ours(h)
    for g in grads:
        opt.step(w, g)
    np.testing.assert_allclose(w, run(start, h, grads), rtol=row.near, atol=row.near)
    small, opt = start.astype(np.float32), row.ours(h)
    opt.step(small, grads[0].astype(np.float32))
    theirs = run(start.astype(np.float32), h, grads[:1].astype(np.float32))
    np.testing.assert_allclose(small, theirs, rtol=2e-6, atol=2e-6 if row.near < 1e-11 else 1e-4)


@pytest.fixture
def torch() -> Iterator[ModuleType]:
    """PyTorch keeps the constants of NAdam and ASGD as tensors of the default dtype."""
    module = pytest.importorskip("torch")
    module.set_default_dtype(module.float64)
    yield module
    module.set_default_dtype(module.float32)


def torch_runner(torch: Any, row: Row, library: Any) -> Callable[[Any, Any, np.ndarray], np.ndarray]:
    def run(start: np.ndarray, h: Draw, grads: np.ndarray) -> np.ndarray:
        w = torch.tensor(start, requires_grad=True)
        peer = getattr(library, row.theirs)([w], **row.options(h))
        for g in grads:
            w.grad = torch.tensor(g)
            peer.step()
        return np.asarray(w.detach())

    return run


@pytest.mark.parametrize("row", TORCH, ids=names(TORCH))
def test_the_path_is_that_of_torch(row: Row, torch: Any) -> None:
    @slowly
    @given(h=DRAWS, seed=st.integers(0, 2**32))
    def check(h: Draw, seed: int) -> None:
        compare(row, h, seed, torch_runner(torch, row, torch.optim))

    check()


@pytest.mark.parametrize("row", PYTORCH_OPTIMIZER, ids=names(PYTORCH_OPTIMIZER))
def test_the_path_is_that_of_pytorch_optimizer(row: Row, torch: Any) -> None:
    library = pytest.importorskip("pytorch_optimizer")

    @slowly
    @given(h=DRAWS, seed=st.integers(0, 2**32))
    def check(h: Draw, seed: int) -> None:
        compare(row, h, seed, torch_runner(torch, row, library))

    check()


@pytest.mark.parametrize("row", OPTAX, ids=names(OPTAX))
def test_the_path_is_that_of_optax(row: Row) -> None:
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    make = operator.attrgetter(row.theirs)(optax)

    @functools.partial(jax.jit, static_argnames="flags")
    def path(start: Any, numbers: Any, grads: Any, flags: tuple[str, ...]) -> Any:
        peer = make(**numbers, **dict.fromkeys(flags, True))

        def step(carry: Any, g: Any) -> Any:
            w, state = carry
            change, state = peer.update(g, state, w)
            return (optax.apply_updates(w, change), state), None

        return jax.lax.scan(step, (start, peer.init(start)), grads)[0][0]

    def run(start: np.ndarray, h: Draw, grads: np.ndarray) -> np.ndarray:
        options = row.options(h)
        flags = tuple(name for name, value in options.items() if value is True)
        return np.asarray(path(start, {n: v for n, v in options.items() if n not in flags}, grads, flags))

    @slowly
    @given(h=DRAWS, seed=st.integers(0, 2**32))
    def check(h: Draw, seed: int) -> None:
        with jax.enable_x64(True):
            compare(row, h, seed, run)

    check()
