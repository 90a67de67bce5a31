"""Saving, restoring and the pure form give the same bits as stepping on."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from reference_rules import REFERENCE_RULES

from fallline import optim
from fallline.optim import Optimizer, schedules


def start() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(5, 4)).astype(np.float32),
        "v": [rng.normal(size=3), np.asfortranarray(np.ones((3, 2)))],
    }


def grads(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed + 100)
    return {"w": rng.normal(size=(5, 4)).astype(np.float32), "v": [rng.normal(size=3), rng.normal(size=(3, 2))]}


def run(opt: Optimizer, params: Any, seeds: range) -> Any:
    for seed in seeds:
        opt.step(params, grads(seed))
    return params


@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_a_saved_run_goes_on_with_the_same_bits(rule: str) -> None:
    whole = run(Optimizer(rule, lr=0.01), start(), range(10))
    first = Optimizer(rule, lr=0.01)
    params = run(first, start(), range(4))
    saved = first.state_dict()
    arrays = {key: value.tobytes() for key, value in saved.items() if isinstance(value, np.ndarray)}
    numbers = json.loads(json.dumps({k: v for k, v in saved.items() if k not in arrays}))
    restored = numbers | {k: np.frombuffer(arrays[k], saved[k].dtype).reshape(saved[k].shape) for k in arrays}
    second = Optimizer(rule, lr=0.5)
    second.load_state_dict(restored)
    run(second, params, range(4, 10))
    assert second.t == 10
    np.testing.assert_equal(params, whole)


@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_update_is_pure_and_equals_step_bitwise(rule: str) -> None:
    opt, params = Optimizer(rule, lr=schedules.inverse_time(0.01, 1.0)), start()
    state = opt.init(params)
    for seed in range(3):
        g = grads(seed)
        kept = copy.deepcopy((g, state, params))
        new_params, new_state = opt.update(g, state, params)
        np.testing.assert_equal((g, state, params), kept)
        params, state = new_params, new_state
    assert opt.t == 0 and not opt.state
    assert int(state["t"]) == 3
    np.testing.assert_equal(params, run(opt, start(), range(3)))
    np.testing.assert_equal(state["slots"], {p: dict(s) for p, s in opt.state.items()})


def test_a_copy_goes_its_own_way() -> None:
    opt = optim.Adam(schedules.cosine(0.01, 10))
    params = run(opt, start(), range(2))
    twin, twin_params = copy.deepcopy(opt), copy.deepcopy(params)
    run(opt, params, range(2, 5))
    assert twin.t == 2
    np.testing.assert_equal(run(twin, twin_params, range(2, 5)), params)


def test_the_saved_state_is_flat_and_a_copy() -> None:
    opt = optim.Adam(0.01)
    run(opt, start(), range(2))
    saved = opt.state_dict()
    assert {"w/m", "w/v", "v.0/m", "v.1/v", "rule", "t", "lr", "beta1"} <= saved.keys()
    saved["w/m"][...] = 7
    assert not (opt.state["w"]["m"] == 7).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "sgd"}, "it belongs to the rule 'sgd', not 'adam'"),
        ({"w/m": np.zeros((4, 5), np.float32)}, r"'w/m' has float32\(4, 5\), expected float32\(5, 4\)"),
        ({"w/m": np.zeros((5, 4))}, r"'w/m' has float64\(5, 4\), expected float32\(5, 4\)"),
        ({"w/m": None}, "'w/m' is missing"),
        ({"x/m": np.zeros(3)}, "'x/m' is not expected"),
        ({"momentum": 0.9}, "'momentum' is not expected"),
        ({"lr": None}, "'lr' is missing"),
        ({"lr": -1.0}, "lr must be a finite number of at least 0"),
        ({"t": -3}, "t is -3"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    opt = optim.Adam(0.01)
    run(opt, start(), range(2))
    saved = optim.Adam(0.02).state_dict() | opt.state_dict() | change
    wrong = {key: value for key, value in saved.items() if value is not None}
    other = optim.Adam(0.5)
    params = run(other, start(), range(1))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(wrong)
    np.testing.assert_equal(other.state_dict(), before)
    run(other, params, range(1, 2))


def test_without_strict_other_names_are_left_alone() -> None:
    opt = optim.Adam(0.01)
    run(opt, start(), range(2))
    saved = opt.state_dict()
    del saved["w/m"], saved["lr"]
    saved["x/m"] = np.zeros(3)
    other = optim.Adam(0.5)
    run(other, start(), range(1))
    kept = other.state["w"]["m"].copy()
    other.load_state_dict(saved, strict=False)
    np.testing.assert_array_equal(other.state["w"]["m"], kept)
    np.testing.assert_array_equal(other.state["w"]["v"], opt.state["w"]["v"])
    assert other.hyperparameters()["lr"] == 0.5 and other.t == 2 and "x" not in other.state


def test_schedules_stay_and_numbers_are_restored() -> None:
    opt = optim.Adam(0.01, eps=1e-3)
    run(opt, start(), range(2))
    other = optim.Adam(schedules.inverse_time(1.0, 1.0))
    other.load_state_dict({key: value for key, value in opt.state_dict().items() if key != "lr"})
    assert other.hyperparameters()["eps"] == 1e-3
    assert other.hyperparameters()["lr"] == 1 / 3


def test_initial_accumulator_fills_the_state() -> None:
    opt = optim.Adagrad(initial_accumulator=0.25)
    state = opt.prepare({"w": np.ones(3, np.float32)})
    assert state["w"]["v"].tolist() == [0.25] * 3 and state["w"]["v"].dtype == np.float32


def test_memory_is_counted() -> None:
    params = {"w": np.ones((10, 10), np.float32)}
    bytes_of = {
        name: optim.get(name).memory_bytes(params) for name in ("sgd", "momentum", "rmsprop", "adam", "amsgrad")
    }
    assert list(bytes_of.values()) == [0, 400, 400, 800, 1200]
    opt = optim.Adam()
    assert opt.memory_bytes() == 0
    opt.step(params, params)
    assert opt.memory_bytes() == 800


def test_parameters_are_their_own_average() -> None:
    params = start()
    assert optim.Adam().averaged(params) is params
