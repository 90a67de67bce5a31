"""The rules that Optax has and PyTorch lacks are its rules, to 1e-12 over 100 steps in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fallline import optim

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

CASES: list[tuple[optim.Optimizer, Any]] = [
    (optim.Lion(0.1, weight_decay=0.1), lambda: optax.lion(0.1, weight_decay=0.1)),
    (optim.Signum(0.1), lambda: optax.signum(0.1)),
    (optim.Signum(0.1, momentum=0.0), lambda: optax.sign_sgd(0.1)),
    (optim.AdaBelief(0.1), lambda: optax.adabelief(0.1)),
    (optim.Yogi(0.1), lambda: optax.yogi(0.1)),
    (optim.AdEMAMix(0.1), lambda: optax.contrib.ademamix(0.1)),
    (optim.ADOPT(0.1), lambda: optax.contrib.adopt(0.1)),
    (optim.ADOPT(0.1, clip=False), lambda: optax.contrib.adopt(0.1, use_clipping=False)),
    (optim.NAdam(0.1, momentum_decay=float("inf")), lambda: optax.nadam(0.1)),
    (optim.RAdam(0.1, eps_hat=False, eps=1e-3), lambda: optax.radam(0.1, eps=1e-3)),
]


@pytest.mark.parametrize(("opt", "make"), CASES, ids=[f"{type(o).__name__}-{i}" for i, (o, _) in enumerate(CASES)])
def test_the_path_is_that_of_optax(opt: optim.Optimizer, make: Any) -> None:
    rng = np.random.default_rng(5)
    w = rng.normal(size=(3, 5))
    with jax.enable_x64(True):
        theirs, peer = jax.numpy.array(w), make()
        state, update = peer.init(theirs), jax.jit(peer.update)
        for _ in range(100):
            g = rng.normal(size=(3, 5))
            opt.step(w, g)
            change, state = update(jax.numpy.array(g), state, theirs)
            theirs = optax.apply_updates(theirs, change)
        np.testing.assert_allclose(w, np.asarray(theirs), rtol=1e-12, atol=1e-12)
