"""`like` gives another library's numbers: some steps of a matrix and a vector in float64 beside the library itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from peers import PEERS, Peer

from fallline import optim
from fallline.optim._like import APART, LIKE

LR = 0.0625  # a rate that float32 can hold: some libraries keep it so
Paths = list[np.ndarray]


def slopes(t: int, params: Paths, transposed: bool = False) -> Paths:
    rng = np.random.default_rng(t)
    return [rng.normal(size=w.shape[::-1]).T if transposed else rng.normal(size=w.shape) for w in params]


def gradients(t: int, params: Paths, transposed: bool = False) -> Paths:
    return [s + 0.1 * w for s, w in zip(slopes(t, params, transposed), params, strict=True)]


def value(t: int, params: Paths) -> float:
    return float(sum((s * w + 0.05 * w * w).sum() for s, w in zip(slopes(t, params), params, strict=True)))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def run_optax(module: ModuleType, peer: Peer, start: Paths) -> Paths:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        rule, params = peer.make(module, LR), [jax.numpy.asarray(w) for w in start]
        state = rule.init(params)

        @jax.jit
        def step(params: Any, state: Any, grads: Any) -> Any:
            change, state = rule.update(grads, state, params)
            return module.apply_updates(params, change), state

        for t in range(peer.steps):
            params, state = step(params, state, gradients(t, [np.asarray(w) for w in params], peer.transposed))
        return [np.asarray(w) for w in params]


def run_torch(module: ModuleType, peer: Peer, start: Paths) -> Paths:
    module.set_default_dtype(module.float64)
    try:
        params = [module.tensor(w.copy(), requires_grad=True) for w in start]
        rule = peer.make(module, LR)(params)
        for t in range(peer.steps):

            def closure(t: int = 0 if peer.fixed else t) -> Any:
                at = [w.detach().numpy() for w in params]
                for w, g in zip(params, gradients(t, at), strict=True):
                    w.grad = module.tensor(g)
                return module.tensor(value(t, at))

            closure()
            rule.step(closure)
        return [w.detach().numpy() for w in params]
    finally:
        module.set_default_dtype(module.float32)


def run_keras(module: ModuleType, peer: Peer, start: Paths) -> Paths:
    before = module.config.floatx()
    module.config.set_floatx("float64")
    try:
        numbers, tensor = module.ops.convert_to_numpy, module.ops.convert_to_tensor
        params, rule = [module.Variable(w.copy(), dtype="float64") for w in start], peer.make(module, LR)
        for t in range(peer.steps):
            grads = gradients(t, [numbers(w) for w in params])
            rule.apply([tensor(g, dtype="float64") for g in grads], params)
        return [numbers(w) for w in params]
    finally:
        module.config.set_floatx(before)


def run_mlx(module: ModuleType, peer: Peer, start: Paths) -> Paths:
    core = pytest.importorskip("mlx.core")
    core.set_default_device(core.cpu)
    params, rule = {str(i): core.array(w, dtype=core.float64) for i, w in enumerate(start)}, peer.make(module, LR)
    for t in range(peer.steps):
        given = gradients(t, [np.array(w) for w in params.values()])
        grads = {path: core.array(g, dtype=core.float64) for path, g in zip(params, given, strict=True)}
        params = rule.apply_gradients(grads, params)
        core.eval(params)
    return [np.array(w) for w in params.values()]


def run_tinygrad(module: ModuleType, peer: Peer, start: Paths) -> Paths:
    tensor, single = module.Tensor, module.dtypes.float32  # its state is float32 always
    params = [tensor(w.copy(), dtype=single) for w in start]
    for w in params:
        w.requires_grad = True
    rule = peer.make(module, LR)(params)
    with module.Context(TRAINING=1):
        for t in range(peer.steps):
            for w, g in zip(params, gradients(t, [w.numpy() for w in params]), strict=True):
                w.grad = tensor(g, dtype=single)
            rule.step()
    return [w.numpy() for w in params]


RUN: dict[str, tuple[str, Callable[[ModuleType, Peer, Paths], Paths]]] = {
    "optax": ("optax", run_optax),
    "torch": ("torch", run_torch),
    "keras": ("keras", run_keras),
    "mlx": ("mlx.optimizers", run_mlx),
    "tinygrad": ("tinygrad", run_tinygrad),
}


@pytest.mark.parametrize("peer", PEERS, ids=[f"{p.name}-{p.library}-{i}" for i, p in enumerate(PEERS)])
def test_the_path_is_that_of_the_library(peer: Peer) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # its NumPy backend computes in float32
    os.environ.setdefault("DEV", "PYTHON")
    module = pytest.importorskip(RUN[peer.library][0])
    if peer.library == "tinygrad":
        pytest.importorskip("tinygrad.nn.optim")
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(6, 4)), *([rng.normal(size=5)] if peer.vectors else [])]
    params = {str(i): w.copy() for i, w in enumerate(start)}
    opt = getattr(optim, peer.name).like(peer.library, **{"lr": LR, **peer.options})
    for t in range(peer.steps):

        def value_and_grad(
            p: dict[str, np.ndarray], t: int = 0 if peer.fixed else t
        ) -> tuple[float, dict[str, np.ndarray]]:
            return value(t, [*p.values()]), dict(zip(p, gradients(t, [*p.values()]), strict=True))

        opt.minimize(value_and_grad, params)
    theirs = RUN[peer.library][1](module, peer, [w.T.copy() for w in start] if peer.transposed else start)
    for ours, other, first in zip(params.values(), theirs, start, strict=True):
        expected = other.T if peer.transposed else other
        np.testing.assert_allclose(ours, expected, rtol=peer.near, atol=peer.near * np.abs(expected - first).max())


def test_every_pair_is_compared_or_says_why_not() -> None:
    compared = {(peer.name, peer.library) for peer in PEERS}
    offered = {(name, library) for name, row in LIKE.items() for library in row if library != "source"}
    assert compared <= offered
    assert offered - compared <= APART.keys()
