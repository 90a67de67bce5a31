"""The defaults of the rules that PyTorch has are its defaults; test_parity.py compares all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fallline import optim

torch = pytest.importorskip("torch")

CASES: list[tuple[optim.Optimizer, str, dict[str, Any]]] = [
    (optim.Adagrad(), "Adagrad", {}),
    (optim.RMSprop(), "RMSprop", {}),
    (optim.RMSprop(momentum=0.9), "RMSprop", {"momentum": 0.9}),
    (optim.RMSprop(centered=True), "RMSprop", {"centered": True}),
    (optim.Adam(), "Adam", {}),
    (optim.AMSGrad(), "Adam", {"amsgrad": True}),
    (optim.AdamW(), "AdamW", {}),
    (optim.Adadelta(), "Adadelta", {}),
    (optim.Adamax(), "Adamax", {}),
    (optim.NAdam(), "NAdam", {}),
    (optim.RAdam(), "RAdam", {}),
    (optim.Rprop(), "Rprop", {}),
    (optim.ASGD(), "ASGD", {}),
]


@pytest.fixture(autouse=True)
def _scalars_in_double() -> Iterator[None]:
    """PyTorch keeps the constants of NAdam and ASGD as tensors of the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("opt", "name", "options"), CASES, ids=[f"{n}-{i}" for i, (_, n, _) in enumerate(CASES)])
def test_the_path_by_default_is_that_of_torch(opt: optim.Optimizer, name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    w = rng.normal(size=(3, 5))
    theirs = torch.tensor(w.copy(), requires_grad=True)
    peer = getattr(torch.optim, name)([theirs], **options)
    for _ in range(100):
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
