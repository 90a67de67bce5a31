"""Wrappers and gradient transforms compute what their papers say: 150 steps in float64, every option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins.around import AROUND, LR, Adam, Around, Tree, length, noisy, transformed

import fallline as fl
from fallline import optim

STEPS = 150
SHAPES = {"a": (4, 3), "b": (3,), "c.0": (2, 2, 3), "c.1": (), "bb": (5,)}
Gradient = Callable[[int, Tree], Tree]


def made(expression: str) -> optim.Optimizer:
    opt: optim.Optimizer = eval(expression, {**vars(optim), "inner": optim.Adam(LR)})
    return opt


def start() -> Tree:
    rng = np.random.default_rng(0)
    return {path: rng.normal(size=shape) for path, shape in SHAPES.items()}


def random_gradients() -> Gradient:
    rng = np.random.default_rng(1)
    sizes = 3.0 ** rng.normal(size=STEPS)
    all_of_them = [{p: size * rng.normal(size=shape) for p, shape in SHAPES.items()} for size in sizes]
    return lambda t, w: all_of_them[t]


def ill_conditioned() -> Gradient:
    curvatures = {p: np.logspace(-4, 1, int(np.prod(shape))).reshape(shape) for p, shape in SHAPES.items()}
    return lambda t, w: {p: curvatures[p] * (w[p] - 1) for p in w}


def broken(g: Tree, t: int) -> Tree:
    """Every seventh gradient, and a few in a row, have one element that is not finite."""
    g = {path: np.array(a) for path, a in g.items()}
    if t % 7 == 3 or 100 <= t < 104:
        g["c.0"][1, 0, 2] = np.nan if t % 2 else np.inf
    return g


@pytest.mark.parametrize("make", [random_gradients, ill_conditioned])
@pytest.mark.parametrize("row", AROUND, ids=lambda row: row.ours)
def test_the_path_is_that_of_the_source(row: Around, make: Callable[[], Gradient]) -> None:
    opt, w, gradient = made(row.ours), start(), make()
    path = row.twin(start())
    expected = next(path)
    moved = 0
    for t in range(STEPS):
        g = broken(gradient(t, w), t) if row.missing else gradient(t, w)
        before = w["bb"].copy()
        opt.step(w, g)
        expected = path.send(g)
        params, averages = expected if isinstance(expected, tuple) else (expected, expected)
        found = opt.averaged(w)
        for p in w:
            np.testing.assert_allclose(w[p], params[p], rtol=1e-12, atol=1e-12, err_msg=f"{p} {t}")
            np.testing.assert_allclose(found[p], averages[p], rtol=1e-12, atol=1e-12, err_msg=f"{p} {t}")
        moved += bool((w["bb"] != before).any())
    assert opt.t == STEPS
    assert moved >= STEPS // 4


def test_every_wrapper_and_transform_has_a_row() -> None:
    from fallline.optim import transforms, weight_averages, wrappers

    named = {*transforms.__all__, *weight_averages.__all__, *wrappers.__all__} - {
        "Chain",
        "Partition",
        "SAM",
        "Wrapper",
    }
    assert {name for name in named if not any(f"{name}(" in row.ours for row in AROUND)} == {"add_noise"}


def test_noise_has_the_variance_of_the_paper() -> None:
    """Draws are a function of seed, step and parameter; of eta and gamma only their size is."""

    def draws(t: int) -> Tree:
        return optim.add_noise(1.0, 0.0, seed=5)({p: np.zeros(s) for p, s in SHAPES.items()}, {}, t, {})

    w, opt = start(), optim.chain(optim.add_noise(0.3, 0.7, seed=5), optim.Adam(LR))
    path, gradient = transformed(start(), noisy(0.3, 0.7, draws)), random_gradients()
    next(path)
    for t in range(STEPS):
        opt.step(w, gradient(t, w))
        expected = path.send(gradient(t, w))
    for p in w:
        np.testing.assert_allclose(w[p], expected[p], rtol=1e-12, atol=1e-12)


def test_noise_is_normal_and_new_at_each_step_for_each_parameter() -> None:
    zeros = {"a": np.zeros(20_000), "b": np.zeros(20_000)}
    draws = [np.sort(a) for t in (0, 1) for a in optim.add_noise(1.0, 0.0)(zeros, {}, t, {}).values()]
    normal = np.sort(np.random.default_rng(0).normal(size=20_000))
    for z in draws:
        assert np.abs(z - normal)[200:-200].max() < 0.1  # quantiles
        assert abs(z.mean()) < 0.02
    assert len({z.tobytes() for z in draws}) == 4
    assert not np.array_equal(optim.add_noise(1.0, 0.0, seed=1)(zeros, {}, 0, {})["a"], draws[0])


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_sam_steps_with_the_gradient_of_the_worst_point_nearby(rho: float) -> None:
    """Foret et al. 2021, Algorithm 1: over all tensors together."""
    w, inner, gradient = start(), Adam(), ill_conditioned()
    opt = optim.SAM(optim.Adam(LR), rho=rho)
    for t in range(STEPS):
        g = gradient(t, w)
        worst = {p: w[p] + rho * g[p] / length(*g.values()) for p in w}
        expected = inner(w, gradient(t, worst))
        opt.minimize(lambda p, t=t: (0.0, gradient(t, p)), w)
        for p in w:
            np.testing.assert_allclose(w[p], expected[p], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("clip", [optim.clip_norm, optim.clip_global_norm])
def test_one_nan_is_not_clipped_away(clip: Any) -> None:
    """PyTorch and Optax make everything NaN that the length is taken of."""
    w = {"a": np.zeros(3), "b": np.zeros(2)}
    optim.chain(clip(1.0), optim.SGD(1.0)).step(w, {"a": np.array([np.nan, 5.0, 1.0]), "b": np.ones(2)})
    assert np.isnan(w["a"]).all()
    assert np.isnan(w["b"]).all() == (clip is optim.clip_global_norm)


@pytest.mark.parametrize("clip", [optim.clip_norm, optim.clip_global_norm, optim.adaptive_clip])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_infinite_element_shows_without_a_warning(clip: Any, dtype: Any) -> None:
    """As in PyTorch: infinity times 0 is NaN, what is beside it becomes 0."""
    w = np.zeros(3, dtype)
    optim.chain(clip(1.0), optim.SGD(1.0)).step(w, np.array([np.inf, 5.0, 1.0], dtype))
    np.testing.assert_array_equal(w, [np.nan, 0.0, 0.0])


def test_a_switch_by_epochs_is_at_the_epoch_in_fit() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 3)).astype(np.float32), rng.normal(size=(64, 1)).astype(np.float32)
    paths = []
    for at in ({"at": 2, "per": "epoch"}, {"at": 8}, {"at": 9}, {"at": 7}):
        model = fl.nn.Linear(3, 1, rng=fl.random.default_rng(0))
        opt = optim.SwitchTo(optim.Adam(0.1), optim.SGD(0.01), **at)  # type: ignore[arg-type]
        fl.fit(model, x, y, loss="mse", optimizer=opt, epochs=3, batch_size=16, progress=False)
        assert [part.t for part in opt.parts] == [opt._turn.end(), 12 - (opt._turn.end() or 0)]
        paths.append(np.asarray(model.parameters()["weight"]).tobytes())
    assert paths[0] == paths[1]
    assert len({*paths}) == 3  # a step earlier or later is another path
    with pytest.raises(ValueError, match="steps_per_epoch"):
        optim.SwitchTo(optim.Adam(0.1), optim.SGD(0.01), at=2, per="epoch").step(np.ones(1), np.ones(1))


def torch_averages(torch: Any, make: Any) -> tuple[np.ndarray, np.ndarray]:
    """Ours and PyTorch's average of the same path."""
    from torch.optim.swa_utils import AveragedModel

    layer = torch.nn.Linear(3, 1, bias=False, dtype=torch.float64)
    inner = torch.optim.SGD(layer.parameters(), lr=0.1)
    opt, options, before = make(torch)
    theirs, w = AveragedModel(layer, **options), layer.weight.detach().numpy().copy()
    gradient = random_gradients()
    for t in range(20):
        if before:
            theirs.update_parameters(layer)
        g = gradient(t, {})["b"][None]
        opt.step(w, g)
        layer.weight.grad = torch.tensor(g)
        inner.step()
        if not before:
            theirs.update_parameters(layer)
    if before:
        theirs.update_parameters(layer)
    return opt.averaged(w), theirs.module.weight.detach().numpy()


@pytest.mark.parametrize("name", ["SWA", "EMA"])
def test_averages_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")

    def swa(torch: Any) -> Any:
        return optim.SWA(optim.SGD(0.1)), {}, True

    def ema(torch: Any) -> Any:
        from torch.optim.swa_utils import get_ema_multi_avg_fn

        return optim.EMA(optim.SGD(0.1), decay=0.9), {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}, False

    ours, theirs = torch_averages(torch, swa if name == "SWA" else ema)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_lookahead_is_optaxs() -> None:
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    with jax.enable_x64(True):
        w, gradient = start(), random_gradients()
        opt = optim.Lookahead(optim.Adam(LR), k=4, alpha=0.3)
        theirs = optax.lookahead(optax.adam(LR), sync_period=4, slow_step_size=0.3)
        params = optax.LookaheadParams.init_synced({p: jax.numpy.asarray(a) for p, a in start().items()})
        state = theirs.init(params)
        for t in range(18):
            opt.step(w, gradient(t, w))
            updates, state = theirs.update(gradient(t, w), state, params)
            params = optax.apply_updates(params, updates)
        for p in w:
            np.testing.assert_allclose(w[p], np.asarray(params.fast[p]), rtol=1e-10)
            np.testing.assert_allclose(opt.averaged(w)[p], np.asarray(params.slow[p]), rtol=1e-10)
