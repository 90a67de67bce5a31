"""Traced functions run as plans with the bits of the functions themselves, and say so where they cannot."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import fallline as fl

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)


def loss(params: Any, x: Any) -> Any:
    hidden = np.tanh(x @ params["w"] + params["b"])
    return (hidden * hidden).mean()


def params() -> dict[str, Any]:
    return {"w": W.copy(), "b": np.arange(3, dtype=np.float32)}


def test_a_jitted_function_has_the_bits_of_the_function() -> None:
    f = fl.jit(fl.value_and_grad(loss))
    for scale in (1.0, 2.0, 3.0):
        p = {k: scale * v for k, v in params().items()}
        value, grads = f(p, X)
        expected, wanted = fl.value_and_grad(loss)(p, X)
        assert value.item() == expected.item()
        for name in p:
            np.testing.assert_array_equal(np.asarray(grads[name]), np.asarray(wanted[name]))
    assert f.traces == 1


def test_any_memory_order_and_kind_of_array_is_taken() -> None:
    f = fl.jit(lambda x: (x * 2).sum(axis=0))
    for x in (X, np.asfortranarray(X), X[::-1][::-1], np.repeat(X, 2, 0)[::2], fl.asarray(X), fl.asarray(X.T.copy()).T):
        np.testing.assert_array_equal(np.asarray(f(x)), (X * 2).sum(axis=0))
    assert f.traces == 1


def test_the_key_is_shapes_dtypes_and_values_of_python() -> None:
    f = fl.jit(lambda x, k=2: x * k)
    f(X)
    f(X, 2)
    assert f.traces == 2  # an argument that was given, and a default
    f(X, 3)
    f(X.astype(np.float64), 3)
    f(X[:2], 3)
    assert f.traces == 5
    assert f(X, 3).dtype == np.float32
    np.testing.assert_array_equal(np.asarray(f(X, 3)), X * 3)


def test_closed_over_arrays_are_read_anew_and_numbers_belong_to_the_key() -> None:
    table, scale = np.ones(3), 2.0

    def f(x: Any) -> Any:
        return x * table * scale

    g = fl.jit(f)
    assert g(np.ones(3)).tolist() == [2, 2, 2]
    table[1] = 5
    assert g(np.ones(3)).tolist() == [2, 10, 2]
    assert g.traces == 1
    scale = 3.0
    assert g(np.ones(3)).tolist() == [3, 15, 3]
    assert g.traces == 2
    table = np.zeros(3)
    assert g(np.ones(3)).tolist() == [0, 0, 0]


def test_modules_are_read_by_reference_and_their_mode_belongs_to_the_key() -> None:
    model = fl.nn.Sequential(fl.nn.Linear(4, 8), fl.nn.Tanh(), fl.nn.Linear(8, 2))
    f = fl.jit(lambda m, x: m(x))
    before = f(model, X)
    np.testing.assert_array_equal(np.asarray(before), np.asarray(model(fl.asarray(X))))
    np.asarray(model[0].weight)[...] *= 2
    np.testing.assert_array_equal(np.asarray(f(model, X)), np.asarray(model(fl.asarray(X))))
    assert f.traces == 1
    model.eval()
    f(model, X)
    assert f.traces == 2


def test_training_by_hand_with_a_planned_gradient_equals_training_without() -> None:
    a, b = params(), params()
    plain, planned = fl.optim.Adam(0.1), fl.optim.Adam(0.1)
    f = fl.jit(fl.grad(loss))
    for _ in range(5):
        plain.step(a, fl.grad(loss)(a, X))
        planned.step(b, f(b, X))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_dropout_draws_anew_and_running_statistics_are_written() -> None:
    drop, x = fl.nn.Dropout(0.5), np.ones((40, 4), np.float32)
    f = fl.jit(lambda x: drop(x))
    fl.random.seed(3)
    first, second = (np.asarray(f(x)) for _ in range(2))
    assert not np.array_equal(first, second)
    fl.random.seed(3)
    np.testing.assert_array_equal(np.asarray(f(x)), first)
    ours, twin = fl.nn.BatchNorm1d(4), fl.nn.BatchNorm1d(4)
    g = fl.jit(lambda x: ours(x))
    for scale in (1.0, 3.0):
        np.testing.assert_array_equal(np.asarray(g(scale * X)), np.asarray(twin(fl.asarray(scale * X))))
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(np.asarray(ours.state_dict()[name]), np.asarray(value))


def test_derivatives_pass_by_the_plan() -> None:
    f = fl.jit(lambda x: (x**3).sum())
    f(np.ones(2))
    np.testing.assert_allclose(np.asarray(fl.grad(f)(np.array([1.0, 2.0]))), [3, 12])
    x = fl.asarray(np.array([1.0, 2.0]), requires_grad=True)
    f(x).backward()
    np.testing.assert_allclose(np.asarray(x.grad), [3, 12])
    g = fl.jit(lambda: (x * x).sum())
    g().backward()
    np.testing.assert_allclose(np.asarray(x.grad), [3 + 2, 12 + 4])
    with pytest.raises(fl.TraceError, match="take the derivative inside"):
        g.plan()


def test_plans_nest_and_share_constants() -> None:
    inner = fl.jit(lambda x: x + 1)
    outer = fl.jit(lambda x: inner(inner(x)) * 2)
    assert outer(np.zeros(2)).tolist() == [4, 4]
    assert (inner.traces, outer.traces) == (0, 1)


def test_outputs_are_the_callers_own() -> None:
    f = fl.jit(lambda x: (x, x + 1, {"n": 3}))
    x = np.zeros(2)
    same, more, rest = f(x)
    np.asarray(same)[...] = 7
    np.asarray(more)[...] = 7
    assert x.tolist() == [0, 0]
    assert f(x)[1].tolist() == [1, 1]
    assert rest == {"n": 3}


def test_many_threads_may_call_one_function() -> None:
    f, wrong = fl.jit(lambda x: (x @ x.T).sum(axis=0)), []
    inputs = [np.full((50, 50), i, np.float32) for i in range(8)]

    def work(x: np.ndarray) -> None:
        expected = np.asarray(fl.sum(fl.asarray(x) @ fl.asarray(x).T, axis=0))
        for _ in range(50):
            if not np.array_equal(np.asarray(f(x)), expected):
                wrong.append(x[0, 0])

    threads = [threading.Thread(target=work, args=(x,)) for x in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_plan_can_be_shown_and_profiled() -> None:
    plan = fl.jit(loss).plan(params(), X)
    assert "matmul((6, 4), (4, 3)) -> float32 (6, 3)" in str(plan)
    assert "group(tanh, multiply) -> float32 (6, 3)" in str(plan)
    rows = plan.profile()
    assert len(rows) == plan.steps and plan.arena_bytes > 0
    assert all(seconds >= 0 for _, seconds in rows)
    assert rows[0][1] >= rows[-1][1]


def test_a_plan_shows_parameters_and_what_its_passes_took_away() -> None:
    x = fl.asarray(np.ones((2, 3), np.float32))

    def f(x: Any) -> Any:
        fl.sin(x)
        return fl.max(x, axis=1) * 2.0 + fl.max(x, axis=1, keepdims=False), fl.relu(
            fl.linear(x, fl.ones((4, 3)), fl.ones(4))
        )

    text = str(fl.jit(f).plan(x))
    assert "max((2, 3)) [axes (1,), keepdims false] -> float32 (2,)" in text
    assert "taken away: 1 repeated, 1 unread, 1 into products" in text
    twice = str(fl.jit(lambda x: fl.max(x, axis=1) * fl.max(x, axis=0).sum()).plan(x))
    assert "axes (0,)" in twice and "axes (1,)" in twice and "repeated" not in twice


def test_plans_are_counted() -> None:
    before = fl.info()["counters"]
    f = fl.jit(lambda x: x * 2.0)
    for _ in range(3):
        f(X)
    after = fl.info()["counters"]
    assert after["plans_built"] - before["plans_built"] == 1
    assert after["plans_run"] - before["plans_run"] == 3


def test_what_cannot_be_planned_is_told() -> None:
    with pytest.raises(fl.TraceError, match=r"use fl\.where instead of if"):
        fl.jit(lambda x: x if x.sum() > 0 else -x)(X)
    f = fl.jit(lambda x: x + 1, strict=True)
    f(X)
    with pytest.raises(fl.TraceError, match="strict=True forbids"):
        f(X[:2])
    kept: list[Any] = []
    fl.jit(lambda x: kept.append(x * 2))(X)
    with pytest.raises(fl.TraceError, match="a value of a finished trace"):
        fl.jit(lambda x: x + kept[0])(X)
    with pytest.raises(TypeError, match="expected a function"):
        fl.jit(3)  # type: ignore[arg-type]


def test_scan_equals_the_loop() -> None:
    def body(carry: Any, x: Any) -> Any:
        a, b = carry["a"] * 0.5 + x["u"], np.tanh(carry["b"] + x["v"])
        return {"a": a, "b": b}, (a + b, b.sum())

    xs = {"u": X[:, 0], "v": X}
    start = {"a": np.float32(1), "b": np.zeros(4, np.float32)}
    last, (rows, sums) = fl.scan(body, start, xs)
    carry, found = {k: fl.asarray(v) for k, v in start.items()}, []
    for i in range(6):
        carry, y = body(carry, {"u": fl.asarray(X[i, 0]), "v": fl.asarray(X[i])})
        found.append(y)
    for name in start:
        np.testing.assert_array_equal(np.asarray(last[name]), np.asarray(carry[name]))
    np.testing.assert_array_equal(np.asarray(rows), np.array([np.asarray(y[0]) for y in found]))
    np.testing.assert_array_equal(np.asarray(sums), np.array([np.asarray(y[1]) for y in found]))


def test_scan_walks_a_landscape_and_swaps_its_carry() -> None:
    def descend(w: Any, _: None) -> Any:
        g = fl.grad(lambda p: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)(w)
        return w - 0.001 * g, w

    last, path = fl.scan(descend, np.array([-1.2, 1.0]), length=5000)
    assert path.shape == (5000, 2)
    np.testing.assert_array_equal(np.asarray(path)[0], [-1.2, 1.0])
    assert np.abs(np.asarray(last) - 1).max() < 0.2
    (a, b), _ = fl.scan(lambda c, _: ((c[1], c[0]), None), (1.0, 2.0), length=3)
    assert (a.item(), b.item()) == (2.0, 1.0)


def test_derivatives_pass_through_a_scan_and_plans_take_it_in() -> None:
    def total(r: Any) -> Any:
        return fl.scan(lambda c, x: (c * r + x, None), np.float64(0), np.arange(4.0))[0]

    assert fl.grad(total)(2.0).item() == pytest.approx(1 * 2 * 2 + 2)
    assert fl.jit(total)(2.0).item() == total(2.0).item() == 11


def test_a_scan_that_does_not_fit_is_told() -> None:
    with pytest.raises(fl.ShapeError, match="expected one length"):
        fl.scan(lambda c, x: (c, x), 0.0)
    with pytest.raises(fl.ShapeError, match="expected one length"):
        fl.scan(lambda c, x: (c, x), 0.0, {"a": np.ones(3), "b": np.ones(4)})
    with pytest.raises(fl.ShapeError, match="must keep its shapes and dtypes"):
        fl.scan(lambda c, x: (fl.stack([c, c]), None), np.zeros(2), length=2)
    with pytest.raises(TypeError, match=r"must return \(carry, y\)"):
        fl.scan(lambda c, x: c, np.zeros(2), length=2)
    carry, ys = fl.scan(lambda c, x: (c + x, c), 1.0, np.zeros((0,)))
    assert carry.item() == 1.0 and ys is None


def test_a_traced_function_may_wrap_one_that_wraps_a_traced_function() -> None:
    x = fl.asarray([1.0, 2.0])
    assert fl.jit(fl.grad(fl.jit(lambda x: (x**2).sum())))(x).tolist() == [2.0, 4.0]
