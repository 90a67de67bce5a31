"""Memory that a plan uses up: the same bits, in the memory of arguments that nobody holds, and errors afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)
N = 5000  # more than a block of a group


def own(n: int = N, seed: int = 0) -> Any:
    """Return an array that nobody else holds."""
    return fl.asarray(np.random.default_rng(seed).normal(size=n).astype(np.float32)) + 0.0


def address(x: Any) -> int:
    return int(np.asarray(x).ctypes.data)


def check(f: Any, *makers: Any, reused: bool) -> None:
    """Compare a call that gives its first argument away with one that does not."""
    expected = fl.jit(f)(*(make() for make in makers))
    given = [make() for make in makers]
    place = address(given[0])
    out = fl.jit(f, donate=0)(*given)
    np.testing.assert_array_equal(np.asarray(out), np.asarray(expected))
    assert (address(out) == place) == reused
    with pytest.raises(fl.TraceError, match="given away"):
        given[0] + 1.0


def test_the_result_lies_where_the_argument_lay() -> None:
    check(lambda x: fl.tanh(x) * 2.0 + x, own, reused=True)
    check(lambda x, y: x - 0.1 * y, own, lambda: own(seed=1), reused=True)
    check(lambda x: (x * x).sum() * x, own, reused=True)  # read by an earlier step too
    check(lambda x: fl.exp(x.reshape(50, 100)).reshape(-1), own, reused=True)
    check(lambda x: (x.reshape(50, 100).T * 2.0).reshape(-1), own, reused=True)  # by the copy in another order


def test_what_is_read_later_is_left_alone() -> None:
    def later(x: Any) -> Any:
        y = fl.exp(x)
        return y * (x.reshape(50, 100) @ fl.ones((100, 1))).sum() + y

    check(later, own, reused=True)  # the sum comes first: its group is an earlier one
    check(lambda x: fl.exp(x) + x[0], own, reused=False)  # the first element, for every block
    check(lambda x: x[::-1] * 1.0, own, reused=False)
    check(lambda x: fl.exp(x)[:2500], own, reused=False)
    check(lambda x: fl.asarray(np.eye(70, dtype=np.float32)) @ x.reshape(70, 70), lambda: own(4900), reused=False)


def test_two_results_take_two_arguments() -> None:
    def swap(x: Any, y: Any) -> Any:
        return y * 1.0, x * 1.0

    x, y = own(), own(seed=1)
    places = {address(x), address(y)}
    expected = fl.jit(swap)(own(), own(seed=1))
    found = fl.jit(swap, donate=(0, 1))(x, y)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert len({address(a) for a in found} & places) <= 2


def test_memory_that_somebody_holds_stays() -> None:
    f = fl.jit(lambda x: x * 2.0, donate=0)
    for hold in (np.asarray, lambda x: x[10:], lambda x: x.reshape(50, 100), memoryview):
        x = own()
        before, held = np.array(x), hold(x)
        out = f(x)
        np.testing.assert_array_equal(np.asarray(out), before * 2)
        kept = np.asarray(held).reshape(-1)
        np.testing.assert_array_equal(kept, before[len(before) - len(kept) :])
    numbers = RNG.normal(size=N).astype(np.float32)
    before = numbers.copy()
    f(numbers)
    np.testing.assert_array_equal(numbers, before)
    borrowed = fl.asarray(numbers)
    f(borrowed)
    np.testing.assert_array_equal(numbers, before)


def test_an_array_that_is_passed_twice_is_read_whole() -> None:
    x = own()
    before = np.array(x)
    out = fl.jit(lambda a, b: fl.exp(a) * b[::-1], donate=0)(x, x)
    np.testing.assert_array_equal(np.asarray(out), np.asarray(fl.exp(fl.asarray(before)) * before[::-1]))


def test_an_array_that_the_function_closes_over_is_read_again() -> None:
    c = own()
    before = np.array(c)
    f = fl.jit(lambda x: x * 2.0 + c[0], donate=0)
    first = np.array(f(c))
    np.testing.assert_array_equal(first, np.asarray(fl.asarray(before) * 2.0 + before[0]))


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Adam", "AdamW", "Lion", "AMSGrad"])
def test_an_update_takes_parameters_and_state(name: str) -> None:
    opt = getattr(fl.optim, name)(1e-2)

    def step(params: Any, state: Any, x: Any) -> Any:
        g = fl.grad(lambda p: ((fl.tanh(x @ p["w"]) + p["b"]) ** 2).mean())(params)
        return opt.update(g, state, params)

    def start() -> tuple[Any, Any]:
        params = {"w": own(2000).reshape(40, 50) + 0.0, "b": own(50)}
        return params, {k: v if k == "t" else fl.tree.map(fl.asarray, v) for k, v in opt.init(params).items()}

    x = own(400).reshape(10, 40)
    plain, given = fl.jit(step), fl.jit(step, donate=(0, 1))
    a, b = start(), start()
    for _ in range(4):
        place = address(b[0]["w"])
        a, b = plain(*a, x), given(*b, x)
    assert address(b[0]["w"]) == place
    for left, right in zip(*(fl.tree.flatten(side).values() for side in (a, b)), strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))


def test_a_transposed_parameter_is_not_written_over() -> None:
    opt = fl.optim.Momentum(0.1)

    def step(w: Any, g: Any) -> Any:
        return opt.update(g.T, opt.init(np.zeros((50, 100), np.float32)), w.T)[0]

    w, g = own().reshape(100, 50) + 0.0, own(seed=1).reshape(100, 50)
    expected = np.array(fl.jit(step)(w, g))
    np.testing.assert_array_equal(np.asarray(fl.jit(step, donate=0)(w, g)), expected)


def test_a_carry_is_written_where_it_is_read() -> None:
    def body(c: Any, x: Any) -> Any:
        a, b, n = c
        return (a + x * b, fl.tanh(b) - a[0], n + 1), (a * b).sum()

    xs = RNG.normal(size=(7, 1)).astype(np.float32)
    for size in (1, 2, 16, 17, 1024, 3000):
        a, b = own(size), own(size, seed=1)
        (last, other, n), ys = fl.scan(body, (a, b, 0), xs)
        c: Any = (a, b, 0)
        for row, found in zip(fl.asarray(xs), ys, strict=True):
            c, y = body(c, row)
            assert y.item() == found.item()
        np.testing.assert_array_equal(np.asarray(last), np.asarray(c[0]))
        np.testing.assert_array_equal(np.asarray(other), np.asarray(c[1]))
        assert n.item() == 7


def test_an_optimizer_in_a_scan_equals_its_steps() -> None:
    opt = fl.optim.Adam(0.1)
    w, data = own(64), RNG.normal(size=(9, 8, 64)).astype(np.float32)

    def train(carry: Any, batch: Any) -> Any:
        w, state = carry
        g = fl.grad(lambda w: ((batch @ w - 1.0) ** 2).mean())(w)
        return opt.update(g, state, w), None

    (last, _), _ = fl.scan(train, (w, opt.init(w)), data)
    step = fl.jit(train)
    carry: Any = (w, opt.init(w))
    for batch in data:
        carry, _ = step(carry, batch)
    np.testing.assert_array_equal(np.asarray(last), np.asarray(carry[0]))


def test_arrays_that_were_given_away_say_so() -> None:
    x = own()
    fl.jit(lambda x: x * 2.0, donate=0)(x)
    assert "given away" in repr(x) and x.shape == (N,)
    for use in (np.asarray, lambda x: x[0], lambda x: x.sum(), fl.jit(lambda x: x + 1.0), lambda x: float(x[0])):
        with pytest.raises(fl.TraceError, match="given away"):
            use(x)
    with pytest.raises(fl.TraceError, match="given away"):
        fl.jit(lambda y: y + x)(own())


def test_positions_are_checked() -> None:
    for wrong in (-1, True, None, "x", 0.5, (0, None)):
        with pytest.raises(ValueError, match="positions"):
            fl.jit(lambda x: x, donate=wrong)  # type: ignore[arg-type]
    x = own()
    fl.jit(lambda x: x * 2.0, donate=np.int64(0))(x)  # type: ignore[arg-type]
    assert "given away" in repr(x)
    with pytest.raises(ValueError, match="has 1 by position"):
        fl.jit(lambda x: x * 2.0, donate=1)(own())


def test_where_derivatives_are_recorded_nothing_is_used_up() -> None:
    f = fl.jit(lambda x: (x * x).sum(), donate=0)
    x = own()
    np.testing.assert_array_equal(np.asarray(fl.grad(f)(x)), 2 * np.asarray(x))
    assert f(x).shape == ()


def test_dropout_keeps_its_key() -> None:
    def step(x: Any, y: Any) -> Any:
        return fl.nn.Dropout(0.5)(y) * 0.0 + x

    x = own()
    before = np.array(x)
    np.testing.assert_array_equal(np.asarray(fl.jit(step, donate=0)(x, own(seed=1))), before)
