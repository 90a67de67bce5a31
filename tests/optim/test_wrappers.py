"""Chains, partitions and wrappers: their formulas, saved runs, and training with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim

WRAPPED: dict[str, Callable[[], optim.Optimizer]] = {
    "chain": lambda: optim.chain(optim.clip_global_norm(0.5), optim.centralize(), optim.Adam(0.01)),
    "accumulate": lambda: optim.chain(optim.accumulate(3), optim.Momentum(0.05)),
    "noise": lambda: optim.chain(optim.add_noise(0.01), optim.SGD(0.05)),
    "skip": lambda: optim.chain(optim.skip_nonfinite(), optim.adaptive_clip(), optim.clip_norm(1.0), optim.SGD(0.05)),
    "partition": lambda: optim.partition({"*bias": optim.SGD(0.1), "*": optim.LAMB(0.01)}),
    "Lookahead": lambda: optim.Lookahead(optim.Adam(0.01), k=3),
    "EMA": lambda: optim.EMA(optim.Adam(0.01), decay=0.9),
    "SWA": lambda: optim.SWA(optim.SGD(0.05), start=2),
    "SwitchTo": lambda: optim.SwitchTo(optim.Adam(0.01), optim.SGD(0.05), at=4),
    "LossScale": lambda: optim.LossScale(optim.Adam(0.01), growth_interval=7),
    "Sophia": lambda: optim.Sophia(0.01, gamma=1.0, every=4),
    "SAM": lambda: optim.SAM(optim.Momentum(0.02)),
    "nested": lambda: optim.EMA(optim.Lookahead(optim.chain(optim.clip_value(1.0), optim.Adam(0.01))), decay=0.5),
}


def model() -> fl.nn.Module:
    rng = fl.random.default_rng(1)
    return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.Tanh(), fl.nn.Linear(8, 1, rng=rng))


RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype(np.float32)
Y = (X[:, 0] * 2 - X[:, 1]).astype(np.float32)


def fit(net: fl.nn.Module, opt: optim.Optimizer, epochs: int) -> fl.History:
    return fl.fit(net, X, Y, loss="mse", optimizer=opt, epochs=epochs, batch_size=16, progress=False, validation=(X, Y))


@pytest.mark.parametrize("name", WRAPPED)
def test_fit_learns_and_goes_on_after_saving(name: str) -> None:
    whole, parts, a, b = model(), model(), WRAPPED[name](), WRAPPED[name]()
    history = fit(whole, a, 6)
    assert history["val_loss"][-1] < history["val_loss"][0]
    fit(parts, b, 3)
    c = WRAPPED[name]()
    c.load_state_dict(b.state_dict())
    fit(parts, c, 3)
    assert a.t == c.t == 30
    for path, array in whole.parameters().items():
        np.testing.assert_array_equal(np.asarray(array), np.asarray(parts.parameters()[path]), err_msg=path)
    if name == "EMA":
        means = a.averaged(whole.parameters())
        assert any(not np.array_equal(np.asarray(means[p]), np.asarray(w)) for p, w in whole.parameters().items())


def test_accumulated_batches_are_the_large_batch() -> None:
    rng = np.random.default_rng(0)
    grads = rng.normal(size=(4, 5))
    small, large = np.zeros(5), np.zeros(5)
    opt = optim.chain(optim.accumulate(4), optim.Adam(0.1))
    for g in grads:
        np.testing.assert_array_equal(small, 0)
        opt.step(small, g)
    optim.Adam(0.1).step(large, grads.mean(0))
    np.testing.assert_allclose(small, large, rtol=1e-14)


def test_a_chain_clips_as_pytorch_does() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    w = {"a": np.zeros((3, 2)), "b": np.zeros(4)}
    tensors = [torch.zeros(3, 2, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)]
    opt = optim.chain(optim.clip_global_norm(1.0), optim.SGD(1.0))
    for _ in range(5):
        g = [rng.normal(size=(3, 2)), rng.normal(size=4)]
        opt.step(w, dict(zip("ab", g, strict=True)))
        for tensor, gradient in zip(tensors, g, strict=True):
            tensor.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_(tensors, 1.0)
        for tensor in tensors:
            tensor -= tensor.grad
    np.testing.assert_allclose(w["a"], tensors[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(w["b"], tensors[1].numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "mine, theirs",
    [
        (optim.adaptive_clip(0.1), lambda o: o.adaptive_grad_clip(0.1)),
        (optim.centralize(), lambda o: o.centralize()),
        (optim.clip_value(0.5), lambda o: o.clip(0.5)),
        (optim.clip_global_norm(0.5), lambda o: o.clip_by_global_norm(0.5)),
    ],
)
def test_transforms_are_optaxs(mine: Any, theirs: Any) -> None:
    pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    rng = np.random.default_rng(0)
    w, g = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    other = theirs(optax)
    expected, _ = other.update({"w": g}, other.init({"w": w}), {"w": w})
    axes_differ = theirs.__code__.co_names == ("adaptive_grad_clip",)  # its units are columns: (in, out)
    found = (
        mine({"w": g.T.copy()}, {"w": w.T.copy()}, 0, {})["w"].T
        if axes_differ
        else mine({"w": g}, {"w": w}, 0, {})["w"]
    )
    np.testing.assert_allclose(found, np.asarray(expected["w"]), rtol=1e-5)


def test_sam_looks_at_the_worst_point_nearby() -> None:
    w, seen = np.array([3.0, 4.0]), []

    def value_and_grad(p: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(p.copy())
        return float(p @ p) / 2, p.copy()

    opt = optim.SAM(optim.SGD(0.1), rho=0.5)
    assert opt.minimize(value_and_grad, w) == 12.5
    np.testing.assert_allclose(seen, [[3, 4], [3.3, 4.4]])
    np.testing.assert_allclose(w, [3 - 0.33, 4 - 0.44])
    with pytest.raises(TypeError, match="call minimize"):
        opt.step(w, w)


def test_swa_is_the_mean_and_ema_forgets() -> None:
    w, swa = np.zeros(1), optim.SWA(optim.SGD(1.0), start=1, every=2)
    path = []
    for _ in range(7):
        swa.step(w, -np.ones(1))
        path.append(w.copy())
    np.testing.assert_allclose(swa.averaged(w), np.mean([path[0], path[2], path[4], path[6]]))
    w, ema = np.zeros(1), optim.EMA(optim.SGD(1.0), decay=0.5)
    for _ in range(3):
        ema.step(w, -np.ones(1))
    np.testing.assert_allclose(ema.averaged(w), 2.25)


def test_a_step_that_is_not_finite_is_skipped_and_counted() -> None:
    w, opt = np.zeros(2), optim.chain(optim.skip_nonfinite(), optim.SGD(1.0))
    opt.step(w, np.array([np.nan, 1.0]))
    opt.step(w, np.array([np.inf, 1.0]))
    np.testing.assert_array_equal(w, 0)
    opt.step(w, np.ones(2))
    np.testing.assert_array_equal(w, -1)
    assert opt.own["skipped"] == 2


def test_frozen_parameters_stay() -> None:
    w = {"a": np.zeros(2), "b": np.zeros(2)}
    optim.chain(optim.freeze("a"), optim.SGD(1.0)).step(w, {"a": np.ones(2), "b": np.ones(2)})
    np.testing.assert_array_equal(w["a"], 0)
    np.testing.assert_array_equal(w["b"], -1)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: optim.chain(optim.accumulate(2), optim.accumulate(3), optim.SGD(1.0)), "write accumulate(2 * 3)"),
        (lambda: optim.chain(optim.SGD(1.0), optim.clip_value(1.0)), "then one optimizer"),
        (lambda: optim.chain(optim.clip_value(0.0), optim.SGD(1.0)), "limit must be positive"),
        (lambda: optim.partition({"a": optim.SGD(1.0)}).step({"b": np.ones(1)}, {"b": np.ones(1)}), "no pattern takes"),
        (lambda: optim.chain(optim.freeze("z"), optim.SGD(1.0)).step({"b": np.ones(1)}, {"b": np.ones(1)}), "fits 'z'"),
        (lambda: optim.Lookahead(optim.SGD(1.0), k=0), "k must be a positive whole number"),
        (lambda: optim.EMA(optim.SGD(1.0), decay=1.0), "decay must be in"),
        (lambda: optim.SAM(optim.SGD(1.0), rho=-1), "rho must be at least 0"),
        (lambda: optim.EMA("adam"), "must be an optimizer, such as fl.optim.Adam(1e-3), got 'adam'"),
        (lambda: optim.EMA(optim.SGD(1.0)).load_state_dict({"rule": "swa", "t": 1}), "belongs to 'swa'"),
        (lambda: optim.EMA(optim.SGD(1.0)).init(np.ones(1)), "steps in place"),
    ],
)
def test_what_does_not_fit_is_told(call: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert words in str(error.value)


def test_a_wrapper_has_no_name_to_get_it_by() -> None:
    for name in ("sam", "chain", "wrapper", "tensorrule"):
        with pytest.raises(ValueError, match="no optimizer is named"):
            optim.get(name)
    assert type(optim.get("lamb")) is optim.LAMB


def test_sophia_is_its_formula() -> None:
    curvature = np.array([1.0, 10.0, 0.1])
    w, opt = np.array([3.0, -2.0, 1.0]), optim.Sophia(0.05, gamma=0.5, every=3, betas=(0.5, 0.9))
    twin, m, h = w.copy(), np.zeros(3), np.zeros(3)
    for t in range(12):
        opt.minimize(lambda p: (float(curvature @ (p * p)) / 2, curvature * p), w)
        m = 0.5 * m + 0.5 * curvature * twin
        if t % 3 == 0:
            h = 0.9 * h + 0.1 * curvature
        twin = twin - 0.05 * np.clip(m / np.maximum(0.5 * h, 1e-12), -1, 1)
        np.testing.assert_allclose(w, twin, rtol=1e-6)
    with pytest.raises(TypeError, match="call minimize"):
        opt.step(w, w)


def test_a_scaled_loss_makes_the_same_steps() -> None:
    rng = np.random.default_rng(0)
    w, twin = np.zeros(5, np.float32), np.zeros(5, np.float32)
    opt, plain = optim.LossScale(optim.Adam(0.1), initial=1024.0, growth_interval=3), optim.Adam(0.1)
    scales = []
    for i in range(9):
        g = rng.normal(size=5).astype(np.float16)
        bad = i == 4
        opt.step(w, np.full(5, np.inf, np.float16) if bad else (g * np.float16(1)).astype(np.float32) * opt.scale)
        if not bad:
            plain.step(twin, g.astype(np.float32))
        scales.append(opt.scale)
    np.testing.assert_array_equal(w, twin)
    assert scales == [1024, 1024, 2048, 2048, 1024, 1024, 1024, 2048, 2048]


def test_a_chain_transforms_the_gradients_of_a_rule_that_takes_them_elsewhere() -> None:
    def half(w: np.ndarray) -> tuple[float, np.ndarray]:
        return float(w @ w) / 2, np.clip(w, -0.5, 0.5)

    def whole(w: np.ndarray) -> tuple[float, np.ndarray]:
        return float(w @ w) / 2, w.copy()

    for make in (lambda: fl.optim.NesterovLookahead(0.1), lambda: fl.optim.SAM(fl.optim.SGD(0.1))):
        clipped, w = make(), np.array([2.0, -1.0])
        chained, u = fl.optim.chain(fl.optim.clip_value(0.5), make()), w.copy()
        slow, v = fl.optim.Lookahead(fl.optim.chain(fl.optim.clip_value(0.5), make()), k=100), w.copy()
        for _ in range(5):
            values = {clipped.minimize(half, w), chained.minimize(whole, u), slow.minimize(whole, v)}
            assert len(values) == 1
            np.testing.assert_array_equal(w, u)
            np.testing.assert_array_equal(w, v)
        assert chained.t == slow.t == 5
        with pytest.raises(TypeError, match="none may be held back or frozen"):
            fl.optim.chain(fl.optim.accumulate(2), make()).minimize(whole, u)
