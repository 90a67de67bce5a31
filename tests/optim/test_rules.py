"""Every rule equals tests/reference_rules bit for bit: on every target, for every length and at any alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_rules import REFERENCE_RULES, reference_slots, reference_step

from fallline import _core
from fallline.optim import Optimizer

COMMON = ({"l2": 0.1, "weight_decay": 0.5}, {"maximize": 1, "weight_decay": 1e-2})
CASES = [
    pytest.param(name, variant, id="-".join([name, *(f"{k}={v}" for k, v in variant.items())]))
    for name, row in REFERENCE_RULES.items()
    for variant in ({}, *row.variants, *COMMON)
]
LENGTHS = range(71)


def hypers_of(rule: str, **changes: float) -> dict[str, float]:
    return {name: value for name, value, _ in _core.rule_info(rule)[1]} | changes


def misaligned(rng: np.random.Generator, dtype: Any) -> list[np.ndarray]:
    """One array of each length, each starting somewhere else within a register."""
    return [rng.normal(size=n + 20).astype(dtype)[1 + n % 17 : 1 + n % 17 + n] for n in LENGTHS]


def run_reference(rule: str, h: dict[str, float], w: np.ndarray, grads: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    slots = reference_slots(_core.rule_info(rule)[0], h, w)
    for t, g in enumerate(grads, start=1):
        w, *slots = reference_step(rule, h, t, w, g, slots)
    return (w, *slots)


def test_the_reference_has_every_rule_with_its_slots() -> None:
    assert {name: tuple(_core.rule_info(name)[0]) for name in _core.rule_names()} == {
        name: row.slots for name, row in REFERENCE_RULES.items()
    }


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rule", "variant"), CASES)
def test_a_rule_equals_the_reference_bitwise(rule: str, variant: dict[str, float], dtype: Any, target: str) -> None:
    _core.set_target(target)
    rng = np.random.default_rng(7)
    start = misaligned(rng, dtype)
    grads = [misaligned(rng, dtype) for _ in range(6)]
    expected = run_reference(rule, hypers_of(rule, **variant), np.concatenate(start), list(map(np.concatenate, grads)))
    opt, params = Optimizer(rule, **variant), [a.copy() for a in start]
    for g in grads:
        opt.step(params, g)
    found = [params, *([s[slot] for s in opt.state.values()] for slot in REFERENCE_RULES[rule].slots)]
    for part, (a, b) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_array_equal(np.concatenate(a), b, err_msg=str(part), strict=True)
    assert np.isfinite(expected[0]).all()


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_nothing_around_the_arrays_is_written(rule: str, target: str) -> None:
    _core.set_target(target)
    for n in LENGTHS:
        memory = np.full(n + 32, 5.0, np.float32)
        opt = Optimizer(rule)
        for _ in range(2):  # ADOPT's first step only looks
            opt.step(memory[16 : 16 + n], np.ones(n, np.float32))
        np.testing.assert_array_equal(np.delete(memory, slice(16, 16 + n)), 5.0)
        assert (memory[16 : 16 + n] != 5.0).all()


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_a_nan_stays_where_it_is(rule: str, target: str) -> None:
    _core.set_target(target)
    g = np.ones(50, np.float32)
    g[[3, 49]] = np.nan
    w = np.zeros(50, np.float32)
    opt = Optimizer(rule)
    opt.step(w, g)
    opt.step(w, np.ones(50, np.float32))
    assert np.isnan(w).nonzero()[0].tolist() == [3, 49]


HUGE = [1e20, -1e30, 3e38, np.inf, -np.inf, np.nan, 0.0, 1e-30, 1.0]


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_huge_and_missing_numbers_equal_the_reference_bitwise(rule: str, dtype: Any, target: str) -> None:
    _core.set_target(target)
    h = hypers_of(rule) | ({"eps": 0.0} if "eps" in hypers_of(rule) else {})
    size = 1.0 if dtype is np.float32 else 1e150
    grads = list(np.random.default_rng(5).normal(size=(4, 110)).astype(dtype))
    for i, g in enumerate(grads):  # registers before them, behind them and in the rest are as usual
        g[40:49] = g[-9:] = np.roll(np.array([x * size for x in HUGE], dtype), i)
    w, opt = np.ones(110, dtype), Optimizer(rule, **{name: h[name] for name in ("eps",) if name in h})
    with np.errstate(all="ignore"):
        expected, *_ = run_reference(rule, h, w, grads)
    for g in grads:
        opt.step(w, g)
    np.testing.assert_array_equal(w, expected)


@pytest.mark.parametrize("rule", REFERENCE_RULES)
def test_threads_do_not_change_the_bits(rule: str) -> None:
    rng = np.random.default_rng(3)
    shapes = [(300, 331), (7,), (), (50_000,), (0,)]
    start = [rng.normal(size=s).astype(np.float32) for s in shapes]
    results = []
    for threads in (1, 2, 3):
        _core.set_num_threads(threads)
        opt, params = Optimizer(rule), [a.copy() for a in start]
        for _ in range(3):
            opt.step(params, start)
        results.append(np.concatenate([p.ravel() for p in params]).tobytes())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("target", _core.targets())
def test_subnormal_numbers_count_as_zero_during_the_step_only(target: str) -> None:
    _core.set_target(target)
    tiny, w = np.full(20, 1e-40, np.float32), np.zeros(20, np.float32)
    opt = Optimizer("momentum", lr=1.0)
    opt.step(w, tiny)
    assert not w.any() and not opt.state[""]["v"].any()
    assert (tiny * np.float32(0.5)).any()


def test_a_power_is_the_product_at_every_t() -> None:
    """Bias correction at large t: the native b^t is the reference's, not libm's."""
    for t in (1, 2, 3, 10, 999, 12_345, 10**6):
        h = hypers_of("adam", beta1=0.9, beta2=0.999999)
        w, g, zeros = np.ones(3), np.full(3, 0.5), (np.zeros(3), np.zeros(3))
        expected, *_ = reference_step("adam", h, t, w, g, zeros)
        _core.rule_step("adam", [w], [g], [[z.copy() for z in zeros]], np.array(list(h.values())), t)
        np.testing.assert_array_equal(w, expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_hyper_parameters_equal_the_reference_bitwise(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(sorted(REFERENCE_RULES)))
    ranges = {
        "any": st.floats(-1, 1),
        "nonnegative": st.floats(1e-6, 2),
        "unit": st.floats(0, 0.999),
        "closed_unit": st.floats(0, 1),
        "flag": st.sampled_from([0.0, 1.0]),
    }
    h = {name: data.draw(ranges[kind], label=name) for name, _, kind in _core.rule_info(rule)[1] if kind in ranges}
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    n = data.draw(st.integers(0, 200))
    w, grads = rng.normal(size=n).astype(dtype), [rng.normal(size=n).astype(dtype) for _ in range(4)]
    with np.errstate(all="ignore"):
        expected, *_ = run_reference(rule, h, w, grads)
    opt = Optimizer(rule, **h)
    for g in grads:
        opt.step(w, g)
    np.testing.assert_array_equal(w, expected)
