"""What every rule has in common: maximize mirrors, l2 is part of the gradient, loaded state replaces what was there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from edges import EDGES, Edge
from twins.around import AROUND, LR, Around

import fallline as fl
from fallline import optim
from fallline.optim import Optimizer

STEPPED = [row for row in EDGES if not row.minimizes]  # the others have no `step`
ROWS = pytest.mark.parametrize("row", STEPPED, ids=lambda row: "-".join([row.name, *map(str, row.options)]))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def rule(row: Edge, **changes: Any) -> Optimizer:
    opt: Optimizer = getattr(optim, row.name)(**{"lr": row.lr, **row.options, **changes})
    return opt


def around(row: Around) -> Optimizer:
    opt: Optimizer = eval(row.ours, {**vars(optim), "inner": optim.Adam(LR)})
    return opt


def params(seed: int, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"w": rng.normal(size=(4, 3)).astype(dtype), "b": rng.normal(size=5).astype(dtype)}


@ROWS
@DTYPES
def test_maximize_is_the_mirror(row: Edge, dtype: Any) -> None:
    """Of f and of -f: the same bits."""
    up, down, climb, fall = params(0, dtype), params(0, dtype), rule(row, maximize=True), rule(row)
    for seed in range(1, 30):
        g = params(seed, dtype)
        climb.step(up, g)
        fall.step(down, {p: -a for p, a in g.items()})
    np.testing.assert_equal(up, down)
    assert (up["w"] != params(0, dtype)["w"]).all()


@pytest.mark.parametrize("name", ["Sophia", "NesterovLookahead"])
def test_maximize_is_the_mirror_where_gradients_are_asked_for(name: str) -> None:
    ends = []
    for sign in (1.0, -1.0):
        w, opt = params(0)["w"], getattr(optim, name)(0.01, maximize=sign < 0)
        for _ in range(30):
            opt.minimize(lambda p, sign=sign: (0.0, sign * (p - 3.0)), w)
        ends.append(w)
    np.testing.assert_array_equal(ends[0], ends[1])
    assert (abs(ends[0] - 3) < abs(params(0)["w"] - 3)).all()


@ROWS
def test_l2_is_part_of_the_gradient(row: Edge) -> None:
    coupled, by_hand, a, b = params(0), params(0), rule(row, l2=0.25), rule(row)
    for seed in range(1, 30):
        g = params(seed)
        a.step(coupled, g)
        b.step(by_hand, {p: g[p] + 0.25 * by_hand[p] for p in g})
    for p in coupled:
        np.testing.assert_allclose(coupled[p], by_hand[p], rtol=1e-9, atol=1e-11)


MADE: dict[str, Callable[[], Optimizer]] = {
    **{"-".join([row.name, *map(str, row.options)]): lambda row=row: rule(row) for row in STEPPED},  # type: ignore[misc]
    **{row.ours: lambda row=row: around(row) for row in AROUND},  # type: ignore[misc]
}
TREE = {"a": (4, 3), "b": (3,), "c.0": (2, 2), "c.1": (3,), "bb": (5,)}  # every pattern fits something


def tree(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {path: rng.normal(size=shape) for path, shape in TREE.items()}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_loaded_takes_the_place_of_what_was_there(name: str, strict: bool) -> None:
    """Into an optimizer that has stepped on other parameters, further or less far."""
    first, w = MADE[name](), tree(0)
    for seed in range(1, 6):
        first.step(w, tree(seed))
    saved, kept = copy.deepcopy(first.state_dict()), copy.deepcopy(w)
    for steps in (2, 9):
        second, v = MADE[name](), tree(100)
        for seed in range(200, 200 + steps):
            second.step(v, tree(seed))
        second.load_state_dict(saved, strict=strict)
        assert second.t == 5
        np.testing.assert_equal(second.state_dict(), saved)
        third, x = copy.deepcopy(first), copy.deepcopy(kept)
        for path in v:
            v[path][...] = kept[path]
        for seed in range(6, 12):
            second.step(v, tree(seed))
            third.step(x, tree(seed))
        np.testing.assert_equal(v, x)
        np.testing.assert_equal(second.averaged(v), third.averaged(x))


WHOLE = [
    "LAMB",
    "SOAP-weight_decay",
    "Shampoo",
    "SWATS",
    "Prodigy",
    *(row.ours for row in AROUND if "'a'" not in row.ours and "skip_nonfinite" not in row.ours),  # which trains on
]


@pytest.mark.parametrize("name", WHOLE)
def test_divergence_puts_everything_back(name: str) -> None:
    """An epoch with a NaN in it leaves parameters, state, averages and clocks as they were before it."""
    y = np.random.default_rng(1).normal(size=(40, 1)).astype(np.float32)
    found = []
    for spoiled in (False, True):
        x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)

        def spoil(epoch: int, *_: Any, x: np.ndarray = x, spoiled: bool = spoiled) -> bool:
            x[25] = np.nan if spoiled else x[25]
            return not spoiled

        model = fl.nn.Sequential(fl.nn.Linear(3, 4, rng=fl.random.default_rng(0)), fl.nn.Tanh(), fl.nn.Linear(4, 1))
        seeded = np.random.default_rng(2)
        model.load_state_dict({p: seeded.normal(0, 0.3, w.shape) for p, w in model.state_dict().items()})
        opt, options = MADE[name](), {"loss": "mse", "epochs": 3, "batch_size": 8, "progress": False, "shuffle": False}
        try:
            fl.fit(model, x, y, optimizer=opt, callbacks=[spoil], **options)
        except fl.DivergedError:
            assert spoiled
        parameters = model.parameters()
        found.append(
            [
                {p: np.asarray(w).tobytes() for p, w in parameters.items()},
                {p: np.asarray(w).tobytes() for p, w in opt.averaged(parameters).items()},
                {k: np.asarray(v).tolist() for k, v in opt.state_dict().items()},
                opt.t,
            ]
        )
    assert found[0] == found[1]
    assert found[0][-1] == 5
