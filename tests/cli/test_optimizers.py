"""The optimizers of the command line: those that a name and a rate make, and each learns at the rate it starts with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run, npz

import fallline as fl
from fallline._cli import fit as fitting
from fallline._cli.rates import RATES
from fallline.data import Arrays, prepare

pytest.importorskip("sklearn")

OPTIONS = fitting.Options(
    data="moons", target=None, hidden="32,16", activation="relu", loss=None, optimizer="adam", lr=None,
    schedule="cosine", batch_size=32, epochs=20, seed=0, validation=0.2, test=0.2, output=None, force=False,
)  # fmt: skip


WRAPPERS = ("sam", "ema", "swa", "lookahead", "lossscale", "switchto", "tensorrule", "chain", "reduceonplateau")


@pytest.fixture(scope="module")
def moons() -> Any:
    from sklearn.datasets import make_moons

    x, y = make_moons(500, noise=0.2, random_state=0)
    return prepare(Arrays("moons", x, y), None, 0.2, 0.2, 0)


@pytest.mark.parametrize("name", sorted(RATES))
def test_every_rule_learns_at_its_rate(moons: Any, name: str) -> None:
    o = dataclasses.replace(OPTIONS, optimizer=name)
    opt = fitting._optimizer(o, len(moons.train.x))
    assert type(opt).__name__.lower() == name
    network = fitting._network(o, moons, "cross_entropy")
    fitting._train(o, network, opt, moons, "cross_entropy")
    found = fitting.evaluate(network, moons, "cross_entropy")
    assert found["test"]["accuracy"] >= 0.85  # of chance: 0.5; of a straight line: 0.85


def test_all_rules_are_offered_and_nothing_else() -> None:
    assert list(RATES) == fl.optim.names()
    assert len(RATES) >= 42
    assert not {*WRAPPERS, "optimizer"} & RATES.keys()


@pytest.mark.parametrize("name", WRAPPERS)
def test_what_is_no_rule_of_its_own_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    done = run("fit", npz(tmp_path, x=np.zeros((9, 2)), y=np.arange(9) % 3), "--optimizer", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fallline: --optimizer '{name}' is unknown; ")
    assert done.stderr.count("\n") == 1


def test_a_class_of_ones_own_takes_no_name() -> None:
    class Adam(fl.optim.TensorRule):
        pass

    class MyOwnRule(fl.optim.TensorRule):
        pass

    assert type(fl.optim.get("adam")) is fl.optim.Adam
    assert type(fl.optim.get("myownrule")) is MyOwnRule
    assert "myownrule" not in fl.optim.names()
    del fl.optim.Optimizer._classes["myownrule"]
