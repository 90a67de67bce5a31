"""Updates inside traced functions: the bits of step, for every rule, in jit and in scan."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from reference_rules import REFERENCE_RULES

import fallline as fl
from fallline.optim import (
    LAMB,
    LARS,
    MADGRAD,
    SM3,
    SWATS,
    Adafactor,
    Adam,
    Momentum,
    Muon,
    NovoGrad,
    Optimizer,
    Prodigy,
    TensorRule,
    schedules,
)


def tree(seed: int, dtype: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"w": np.asfortranarray(rng.normal(size=(7, 5)).astype(dtype)), "b": rng.normal(size=3).astype(dtype)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_a_planned_update_has_the_bits_of_step(rule: str, dtype: Any) -> None:
    stepped, params = tree(0, dtype), tree(0, dtype)
    opt, pure = Optimizer(rule, l2=0.1), Optimizer(rule, l2=0.1)
    update, state = fl.jit(pure.update), pure.init(params)
    for seed in range(1, 5):
        opt.step(stepped, tree(seed, dtype))
        params, state = update(tree(seed, dtype), state, params)
    assert update.traces == 1
    assert int(np.asarray(state["t"])) == 4
    for path, w in stepped.items():
        np.testing.assert_array_equal(np.asarray(params[path]), w)
        for slot, value in opt.state[path].items():
            np.testing.assert_array_equal(np.asarray(state["slots"][path][slot]), value)


def test_a_whole_training_step_is_one_plan_and_an_epoch_one_scan() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 16, 4)).astype(np.float32), rng.normal(size=(8, 16, 1)).astype(np.float32)
    start = {"w": rng.normal(size=(4, 1)).astype(np.float32), "b": np.zeros(1, np.float32)}
    opt = Adam(0.1)

    def loss(p: Any, x: Any, y: Any) -> Any:
        return ((x @ p["w"] + p["b"] - y) ** 2).mean()

    def step(carry: Any, batch: Any) -> Any:
        value, grads = fl.value_and_grad(loss)(carry["params"], batch["x"], batch["y"])
        params, state = opt.update(grads, carry["state"], carry["params"])
        return {"params": params, "state": state}, value

    params, steps, losses = {k: v.copy() for k, v in start.items()}, Adam(0.1), []
    for i in range(8):
        value, grads = fl.value_and_grad(loss)(params, x[i], y[i])
        steps.step(params, grads)
        losses.append(value.item())
    first = {"params": start, "state": opt.init(start)}
    last, values = fl.scan(step, first, {"x": x, "y": y})
    assert values.tolist() == losses
    carry, planned = first, fl.jit(step)
    for i in range(8):
        carry, _ = planned(carry, {"x": x[i], "y": y[i]})
    assert planned.traces == 1
    for name, w in params.items():
        np.testing.assert_array_equal(np.asarray(last["params"][name]), w)
        np.testing.assert_array_equal(np.asarray(carry["params"][name]), w)


def test_a_learning_rate_may_be_traced() -> None:
    def run(lr: Any, w: Any, g: Any) -> Any:
        opt = Momentum(lr)
        return opt.update(g, opt.init(w), w)[0]

    f = fl.jit(run)
    for lr in (0.5, 0.25):
        np.testing.assert_array_equal(np.asarray(f(np.float64(lr), np.zeros(3), np.ones(3))), -lr)
    assert f.traces == 1


def test_a_schedule_needs_a_known_clock() -> None:
    opt, w = Adam(schedules.step(0.1, every=2)), np.zeros(3)
    with pytest.raises(fl.TraceError, match="the schedule of 'lr' cannot be evaluated while t is traced"):
        fl.jit(opt.update)(w, opt.init(w), w)
    state = opt.init(w)
    new = fl.jit(lambda g, slots: opt.update(g, {"t": 0, "slots": slots}, w)[0])(np.ones(3), state["slots"])
    np.testing.assert_allclose(np.asarray(new), -0.1, rtol=1e-6)


def test_hypergradients_in_a_plan_need_a_known_clock() -> None:
    def run(lr: Any) -> Any:
        opt, w = Momentum(lr), fl.asarray(np.array([1.0, 2.0]))
        state = opt.init(w)
        for _ in range(3):
            w, state = opt.update(w, state, w)
        return (w * w).sum()

    slope = fl.jit(fl.grad(run))(np.float64(0.1)).item()
    assert slope == pytest.approx((run(0.1 + 1e-6).item() - run(0.1 - 1e-6).item()) / 2e-6, rel=1e-6)


def test_compressed_state_cannot_be_traced() -> None:
    opt, w = Adam(state_dtype="float8"), np.zeros(3, np.float32)
    with pytest.raises(fl.TraceError, match="compressed state cannot be traced"):
        fl.jit(opt.update)(w, opt.init(w), w)


class Own(TensorRule):
    """Heavy ball, as one writes it oneself."""

    hypers = (("lr", 1e-2, "nonnegative"), ("momentum", 0.9, "unit"))

    def slots(self, shape: Any) -> Any:
        return {"v": shape}

    def formula(self, h: Any, t: Any, g: Any, w: Any, s: Any) -> Any:
        v = h["momentum"] * s["v"] + g
        return w - h["lr"] * v, {"v": v}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rule_of_ones_own_equals_its_native_twin_when_traced(dtype: Any) -> None:
    native, params = tree(0, dtype), tree(0, dtype)
    twin, own = Momentum(1e-2), Own()
    update, state = fl.jit(own.update), own.init(params)
    for seed in range(1, 5):
        twin.step(native, tree(seed, dtype))
        params, state = update(tree(seed, dtype), state, params)
    assert update.traces == 1
    for path, w in native.items():
        np.testing.assert_array_equal(np.asarray(params[path]), w)
        assert params[path].dtype == dtype

    gradients = np.stack([tree(seed, dtype)["b"] for seed in range(3)])
    w = np.zeros(3, dtype)

    def walk(carry: Any, g: Any) -> Any:
        new, state = own.update(g, carry[1], carry[0])
        return (new, state), None

    (last, _), _ = fl.scan(walk, (w, own.init(w)), gradients)
    twin = Momentum(1e-2)
    for g in gradients:
        twin.step(w, g)
    np.testing.assert_array_equal(np.asarray(last), w)


def test_rules_in_python_that_need_the_time_get_it_exactly() -> None:
    rng = np.random.default_rng(0)
    for rule in (LAMB, NovoGrad, Adafactor, LARS, MADGRAD, Muon, Prodigy, SM3, partial(SWATS, threshold=1.0)):
        w, opt = rng.normal(size=(4, 3)), rule(0.1)
        stepped, gradients = w.copy(), rng.normal(size=(5, 4, 3))
        (last, _), _ = fl.scan(lambda c, g, opt=opt: (opt.update(g, c[1], c[0]), None), (w, opt.init(w)), gradients)
        for g in gradients:
            opt.step(stepped, g)
        np.testing.assert_allclose(np.asarray(last), stepped, rtol=1e-12)
        assert not isinstance(opt, SWATS) or opt.switched == (2, opt.switched[1])


def test_a_schedule_of_a_rule_in_python_cannot_be_traced() -> None:
    opt = Own(lambda t: 1.0 / (t + 1))
    w = np.ones(2)
    with pytest.raises(fl.TraceError, match="schedule of 'lr' cannot be evaluated while t is traced"):
        fl.jit(opt.update)(w, opt.init(w), w)


def test_derivatives_pass_through_a_scan_of_updates() -> None:
    """The time of each update is a number, so the loop is run step by step."""
    opt = fl.optim.Adam(0.1)
    data = fl.asarray(np.random.default_rng(0).normal(size=(6, 8, 3)))

    def train(carry: Any, batch: Any) -> Any:
        w, state = carry
        loss, g = fl.value_and_grad(lambda w: ((batch @ w - 1.0) ** 2).mean())(w)
        return opt.update(g, state, w), loss

    def by_scan(w: Any) -> Any:
        return fl.scan(train, (w, opt.init(w)), data)[1].sum()

    def by_hand(w: Any) -> Any:
        carry, total = (w, opt.init(w)), 0.0
        for batch in data:
            carry, loss = train(carry, batch)
            total = total + loss
        return total

    start = fl.asarray(np.zeros(3))
    np.testing.assert_allclose(fl.grad(by_scan)(start), fl.grad(by_hand)(start), rtol=1e-14)
    with pytest.raises(fl.TraceError, match="take the state's 't'"):
        fl.jit(fl.grad(by_scan))(start)
