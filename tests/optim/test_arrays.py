"""fallline's own arrays as parameters, and derivatives that pass through an update."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference_rules import REFERENCE_RULES

import fallline as fl
from fallline import _core
from fallline.optim import Adam, Momentum, Optimizer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_an_array_is_stepped_as_numpy_is(rule: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    plain = {"w": rng.normal(size=(7, 5)).astype(dtype), "b": rng.normal(size=5).astype(dtype)}
    ours = {path: fl.asarray(a.copy()) for path, a in plain.items()}
    a, b = Optimizer(rule), Optimizer(rule)
    for _ in range(4):
        grads = {path: rng.normal(size=w.shape).astype(dtype) for path, w in plain.items()}
        a.step(plain, grads)
        b.step(ours, {path: fl.asarray(g) for path, g in grads.items()})
    for path, w in plain.items():
        np.testing.assert_array_equal(np.asarray(ours[path]), w)


def test_a_transposed_gradient_is_put_in_order() -> None:
    w, g = np.zeros((3, 4)), np.arange(12.0).reshape(4, 3)
    opt = Momentum(1.0, momentum=0.0)
    for i in range(1, 4):
        opt.step(fl.asarray(w), fl.asarray(g).T)
        np.testing.assert_array_equal(w, -i * g.T)


def test_a_step_is_a_write_that_backward_notices() -> None:
    w, opt = fl.asarray(np.ones(3), requires_grad=True), Momentum(1.0)
    for _ in range(3):  # the first step is checked, the others are recognised
        loss = fl.sum(w * w)
        opt.step({"w": w}, {"w": np.ones(3)})
        with pytest.raises(_core.TapeError):
            loss.backward()


def test_a_read_only_array_is_refused() -> None:
    memory = np.ones(3)
    memory.flags.writeable = False
    with pytest.raises(ValueError, match="'w' is read-only"):
        Adam().step({"w": fl.asarray(memory)}, {"w": np.ones(3)})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_a_recorded_update_has_the_bits_of_the_native_one(rule: str, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    for variant in ({}, *REFERENCE_RULES[rule].variants, {"l2": 0.1, "weight_decay": 0.5, "maximize": True}):
        w, grads = rng.normal(size=20).astype(dtype), [rng.normal(size=20).astype(dtype) for _ in range(3)]
        opt = Optimizer(rule, **variant)

        def run(w: Any, opt: Optimizer = opt, grads: list[np.ndarray] = grads) -> Any:
            state = opt.init(w)
            for g in grads:
                w, state = opt.update(g, state, w)
            return w

        out, pull = fl.vjp(run, w)
        np.testing.assert_array_equal(np.asarray(out), run(w), err_msg=str(variant))
        assert pull(fl.asarray(np.ones(20, dtype)))[0].shape == (20,)


HYPERS = [
    (rule, name, default)
    for rule in REFERENCE_RULES
    for name, default, kind in _core.rule_info(rule)[1]
    if kind in ("nonnegative", "unit") and name not in ("initial_accumulator", "alpha")
]  # state is made before derivatives begin, and ASGD's power is none of a power of its exponent


@pytest.mark.parametrize(("rule", "name", "default"), HYPERS)
def test_the_derivative_by_a_hyper_parameter_is_that_of_differences(rule: str, name: str, default: float) -> None:
    """Through 20 steps; the third parameter has no gradient, and a root of zero must not make NaN."""
    start, curvature = np.array([1.0, -2.1, 0.5, 0.7]), np.array([1.0, 3.0, 0.0, 0.2])
    others = {} if name == "lr" else {"lr": 0.05}

    def loss(value: Any) -> Any:
        opt, w = Optimizer(rule, **{name: value}, **others), fl.asarray(start)
        state = opt.init(w)
        for _ in range(20):
            w, state = opt.update(curvature * w, state, w)
        return fl.sum(curvature * w * w + w)

    value = 1e-3 if name.startswith("eps") else default or 0.01
    h = 1e-6 * value
    slope = float(np.asarray(fl.grad(loss, unused="zero")(fl.asarray(np.array(value)))))
    differences = (float(np.asarray(loss(value + h))) - float(np.asarray(loss(value - h)))) / (2 * h)
    assert slope == pytest.approx(differences, rel=1e-4, abs=1e-5 * abs(float(np.asarray(loss(value)))))


def test_update_returns_the_kind_of_array_it_got() -> None:
    opt = Adam()
    params = {"a": fl.asarray(np.ones(3)), "b": np.ones(3)}
    new, state = opt.update({"a": np.ones(3), "b": np.ones(3)}, opt.init(params), params)
    assert isinstance(new["a"], fl.Array) and isinstance(new["b"], np.ndarray)
    assert int(state["t"]) == 1
