"""Every rule at the edges, in both dtypes: it moves, stands still or is NaN, as its row in tests/edges.py says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from edges import EDGES, Edge

from fallline import optim
from fallline.optim import Optimizer

ROWS = pytest.mark.parametrize("row", EDGES, ids=lambda row: "-".join([row.name, *map(str, row.options)]))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPE = (12, 13)  # some registers of every target and a rest


def make(row: Edge, **changes: Any) -> Optimizer:
    opt: Optimizer = getattr(optim, row.name)(**{"lr": row.lr, **row.options, **changes})
    return opt


def advance(row: Edge, opt: Optimizer, params: Any, grads: Any) -> None:
    """Make one step with these gradients, which are the same everywhere."""
    if row.minimizes:
        opt.minimize(lambda _: (0.0, grads), params)  # type: ignore[attr-defined]
    else:
        opt.step(params, grads)


def ordinary(seed: int, dtype: Any, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A gradient without small elements."""
    x = np.random.default_rng(seed).normal(size=shape)
    return (x + np.copysign(0.1, x)).astype(dtype)


def word(before: np.ndarray, after: np.ndarray) -> str:
    if np.isnan(after).any():
        return "nan"
    return "moves" if (before != after).all() else "still" if (before == after).all() else "in part"


@ROWS
@DTYPES
def test_the_first_step(row: Edge, dtype: Any) -> None:
    w = ordinary(0, dtype)
    before, opt = w.copy(), make(row)
    advance(row, opt, w, ordinary(1, dtype))
    assert word(before, w) == row.first


@ROWS
@DTYPES
def test_zeros_and_then_a_gradient(row: Edge, dtype: Any) -> None:
    w = ordinary(0, dtype)
    before, opt = w.copy(), make(row)
    for _ in range(10):
        advance(row, opt, w, np.zeros_like(w))
    assert word(before, w) == row.zeros
    before = w.copy()
    advance(row, opt, w, ordinary(1, dtype))
    assert word(before, w) == row.then


@ROWS
@DTYPES
def test_tiny_gradients(row: Edge, dtype: Any) -> None:
    w = np.zeros(SHAPE, dtype)
    opt = make(row)
    for _ in range(3):
        advance(row, opt, w, ordinary(1, dtype) * dtype(1e-30))
    assert word(np.zeros_like(w), w) == row.tiny[dtype is np.float64]
    assert np.abs(w).max() < 40 * row.lr, "squares that underflow must not make the steps large"


@ROWS
@DTYPES
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_huge_gradients(row: Edge, dtype: Any, size: float) -> None:
    """No NaN comes of finite gradients, and the parameter is not stuck: it moves at the huge ones and afterwards."""
    w = ordinary(0, dtype)
    opt = make(row)
    for _ in range(3):
        before = w.copy()
        advance(row, opt, w, ordinary(1, dtype) * dtype(size))
        assert np.abs(w - before).max() < 100 * row.lr or not row.bounded
    expected = row.huge if size == 1e20 else row.enormous
    assert word(before, w) == expected
    assert np.isfinite(w).all()
    assert all(np.isfinite(a).all() for slots in opt.state.values() for a in slots.values())


@ROWS
@DTYPES
def test_one_nan(row: Edge, dtype: Any) -> None:
    w = ordinary(0, dtype)
    opt = make(row)
    g = ordinary(1, dtype)
    g[1, 2] = np.nan
    advance(row, opt, w, g)
    for _ in range(row.steps_nan):
        advance(row, opt, w, ordinary(2, dtype))
    expected = np.zeros(SHAPE, bool)
    expected[1, 2] = True
    if row.nan == "row and column":
        expected[1], expected[:, 2] = True, True
    elif row.nan in ("tensor", "none"):
        expected[:] = row.nan == "tensor"
    np.testing.assert_array_equal(np.isnan(w), expected)


@ROWS
@DTYPES
@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_an_infinite_gradient_shows(row: Edge, dtype: Any, infinity: float) -> None:
    w = ordinary(0, dtype)
    opt = make(row)
    g = ordinary(1, dtype)
    g[1, 2] = infinity
    with np.errstate(all="ignore"):
        for _ in range(1 + row.steps_nan):
            advance(row, opt, w, g)
    if row.infinite == "shows":
        assert not np.isfinite(w[1, 2])


@ROWS
@DTYPES
def test_without_a_rate(row: Edge, dtype: Any) -> None:
    w = ordinary(0, dtype)
    before, opt = w.copy(), make(row, lr=0.0)
    for seed in range(3):
        advance(row, opt, w, ordinary(seed, dtype))
    assert word(before, w) == row.no_rate


def scheduled() -> Iterator[Any]:
    for row in EDGES:
        for name in row.schedules:
            yield pytest.param(row, name, id="-".join([row.name, *map(str, row.options), name]))


@pytest.mark.parametrize(("row", "name"), list(scheduled()))
@DTYPES
def test_a_schedule_is_the_value_set_by_hand(row: Edge, name: str, dtype: Any) -> None:
    """And it does something: another path than that of the first value."""
    values = [row.lr * 0.9**t if name == "lr" else 1 - 0.95 * 0.85**t for t in range(40)]
    paths = []
    for kind in ("schedule", "by hand", "constant"):
        w, opt = ordinary(0, dtype), make(row)
        opt.set_hyperparameters(**{name: (lambda t: values[t]) if kind == "schedule" else values[0]})
        for t in range(len(values)):
            if kind == "by hand":
                opt.set_hyperparameters(**{name: values[t]})
            advance(row, opt, w, ordinary(t, dtype))
        paths.append(w)
    np.testing.assert_array_equal(paths[0], paths[1])
    assert np.isfinite(paths[0]).all()
    assert (paths[0] != paths[2]).any()


@ROWS
@DTYPES
def test_empty_and_0d_tensors(row: Edge, dtype: Any) -> None:
    params = {"empty": np.zeros((0, 3), dtype), "scalar": np.array(0.5, dtype), "row": ordinary(0, dtype, (3,))}
    opt = make(row)
    for seed in range(3):
        grads = {path: ordinary(seed, dtype, w.shape) for path, w in params.items()}
        advance(row, opt, params, grads)
    assert params["scalar"] != 0.5
    assert np.isfinite(params["scalar"])
    assert params["empty"].shape == (0, 3)


def test_every_optimizer_has_a_row() -> None:
    ours = {cls.__name__ for cls in Optimizer._classes.values() if getattr(optim, cls.__name__, None) is cls}
    assert ours == {row.name for row in EDGES}
