"""The rules that PyTorch has are its rules, to 1e-12 over 300 steps in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fallline import optim

torch = pytest.importorskip("torch")

CASES = [
    (optim.SGD(0.1), "SGD", {"lr": 0.1}),
    (optim.SGD(0.1, l2=0.1, maximize=True), "SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (optim.Momentum(0.1, dampening=0.3), "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    (optim.SGD(0.1, momentum=0.8), "SGD", {"lr": 0.1, "momentum": 0.8}),
    (optim.Nesterov(0.1), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.Adagrad(), "Adagrad", {}),
    (
        optim.Adagrad(0.1, lr_decay=0.1, initial_accumulator=0.2, l2=0.1),
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2, "weight_decay": 0.1},
    ),
    (optim.RMSprop(), "RMSprop", {}),
    (optim.RMSprop(momentum=0.9), "RMSprop", {"momentum": 0.9}),
    (optim.RMSprop(centered=True), "RMSprop", {"centered": True}),
    (
        optim.RMSprop(centered=True, momentum=0.5, l2=0.1),
        "RMSprop",
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1},
    ),
    (optim.Adam(), "Adam", {}),
    (
        optim.Adam(0.1, betas=(0.5, 0.9), eps=1e-3, l2=0.1),
        "Adam",
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1},
    ),
    (optim.Adam(maximize=True), "Adam", {"maximize": True}),
    (optim.AMSGrad(), "Adam", {"amsgrad": True}),
    (optim.AdamW(), "AdamW", {}),
    (optim.AdamW(0.1, weight_decay=0.3), "AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    (optim.Adadelta(), "Adadelta", {}),
    (
        optim.Adadelta(0.5, rho=0.7, eps=1e-3, l2=0.1),
        "Adadelta",
        {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1},
    ),
    (optim.Adamax(), "Adamax", {}),
    (optim.Adamax(betas=(0.5, 0.7), l2=0.1), "Adamax", {"betas": (0.5, 0.7), "weight_decay": 0.1}),
    (optim.NAdam(), "NAdam", {}),
    (optim.NAdam(momentum_decay=0.1, l2=0.1), "NAdam", {"momentum_decay": 0.1, "weight_decay": 0.1}),
    (optim.NAdamW(0.1), "NAdam", {"lr": 0.1, "weight_decay": 0.01, "decoupled_weight_decay": True}),
    (optim.RAdam(), "RAdam", {}),
    (optim.RAdam(0.1, betas=(0.5, 0.9), eps=1e-3), "RAdam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
    (optim.RAdam(betas=(0.5, 0.6)), "RAdam", {"betas": (0.5, 0.6)}),
    (optim.Rprop(), "Rprop", {}),
    (
        optim.Rprop(0.1, etas=(0.3, 1.5), step_sizes=(1e-3, 0.2)),
        "Rprop",
        {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.2)},
    ),
    (optim.ASGD(), "ASGD", {}),
    (optim.ASGD(0.1, lambd=0.1, alpha=0.6, t0=10), "ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.6, "t0": 10}),
]


@pytest.fixture(autouse=True)
def _scalars_in_double() -> Iterator[None]:
    """PyTorch keeps the constants of NAdam and ASGD as tensors of the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("opt", "name", "options"), CASES, ids=[f"{n}-{i}" for i, (_, n, _) in enumerate(CASES)])
def test_the_path_is_that_of_torch(opt: optim.Optimizer, name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    w = rng.normal(size=(3, 5))
    theirs = torch.tensor(w.copy(), requires_grad=True)
    peer = getattr(torch.optim, name)([theirs], **options)
    for _ in range(300):
        g = rng.normal(size=(3, 5))
        opt.step(w, g)
        theirs.grad = torch.tensor(g)
        peer.step()
    np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_the_average_is_that_of_torch() -> None:
    rng = np.random.default_rng(6)
    w, opt = rng.normal(size=4), optim.ASGD(0.1, lambd=0.01, t0=20)
    theirs = torch.tensor(w.copy(), requires_grad=True)
    peer = torch.optim.ASGD([theirs], lr=0.1, lambd=0.01, t0=20)
    for _ in range(100):
        g = rng.normal(size=4)
        opt.step(w, g)
        theirs.grad = torch.tensor(g)
        peer.step()
    np.testing.assert_allclose(opt.averaged(w), peer.state[theirs]["ax"].numpy(), rtol=1e-12, atol=1e-12)
