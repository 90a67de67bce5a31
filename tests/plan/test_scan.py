"""A scan is the loop written out: its values, its derivatives of every order, and one step of the plan it stands in."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.testing import check_grads

RNG = np.random.default_rng(0)
W, C, XS = RNG.normal(size=(3, 3)) * 0.5, RNG.normal(size=3), RNG.normal(size=(5, 3))


def unrolled(f: Callable[..., Any], carry: Any, xs: Any = None, length: int | None = None) -> Any:
    """Write the loop out."""
    ys = []
    for i in range(len(xs) if length is None else length):
        carry, y = f(carry, None if xs is None else fl.asarray(xs)[i])
        ys.append(y)
    return carry, fl.stack(ys)


def recurrent(scan: Callable[..., Any]) -> Callable[..., Any]:
    """Return a loss of weights that the body closes over, a first carry and xs."""

    def loss(w: Any, c: Any, xs: Any) -> Any:
        last, ys = scan(lambda c, x: (fl.tanh(c @ w + x), (c * x).sum()), c, xs)
        return (last * last).sum() + (ys * ys).sum()

    return loss


def all_grads(f: Callable[..., Any]) -> Callable[..., Any]:
    return fl.grad(f, (0, 1, 2))


def squared_grads(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose gradient has the second derivatives of f in it."""
    return lambda *args: sum((g * g).sum() for g in all_grads(f)(*args))


def assert_close(a: Any, b: Any, tolerance: float) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def assert_equal(a: Any, b: Any) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.mark.parametrize("wrap", [lambda f: f, fl.jit], ids=["eager", "jit"])
def test_gradients_are_those_of_the_loop_written_out(wrap: Any) -> None:
    found = wrap(fl.value_and_grad(recurrent(fl.scan), (0, 1, 2)))(W, C, XS)
    wanted = fl.value_and_grad(recurrent(unrolled), (0, 1, 2))(W, C, XS)
    assert found[0].item() == wanted[0].item()
    assert_equal(found[1], wanted[1])  # the sums over the steps have one order


@pytest.mark.parametrize("wrap", [lambda f: f, fl.jit], ids=["eager", "jit"])
def test_derivatives_of_order_two_and_three(wrap: Any) -> None:
    second = [squared_grads(recurrent(scan)) for scan in (fl.scan, unrolled)]
    assert_close(wrap(all_grads(second[0]))(W, C, XS), all_grads(second[1])(W, C, XS), 1e-12)
    third = [squared_grads(f) for f in second]
    assert_close(wrap(all_grads(third[0]))(W, C, XS), all_grads(third[1])(W, C, XS), 1e-11)


def test_gradients_equal_finite_differences() -> None:
    check_grads(recurrent(fl.scan), (W, C, XS), order=2)


def test_gradients_reach_leaves_that_the_body_closes_over() -> None:
    w = fl.asarray(W, requires_grad=True)
    for _ in range(2):
        recurrent(fl.scan)(w, C, XS).backward()
    wanted = fl.grad(recurrent(unrolled))(W, C, XS)
    np.testing.assert_array_equal(np.asarray(w.grad), 2 * np.asarray(wanted))


@pytest.mark.parametrize("length", [1, 2, 7])
def test_without_xs_and_without_ys(length: int) -> None:
    def power(r: Any) -> Any:
        last, ys = fl.scan(
            lambda c, x: ({"c": c["c"] * r, "n": c["n"] + 1}, None), {"c": np.float64(1), "n": 0}, length=length
        )
        assert ys is None
        return last["c"]

    for f in (power, fl.jit(power)):
        assert f(np.float64(3)).item() == 3.0**length
        assert fl.grad(f)(np.float64(3)).item() == length * 3.0 ** (length - 1)
    second = fl.jit(fl.grad(fl.grad(power)))(np.float64(3)).item()
    assert second == pytest.approx(length * (length - 1) * 3.0 ** (length - 2))


def test_no_run_leaves_the_carry_and_its_derivative() -> None:
    f = lambda c: fl.scan(lambda c, x: (c * x, c), c, np.zeros((0,)))[0] * 2.0  # noqa: E731
    assert fl.grad(f)(3.0).item() == fl.jit(fl.grad(f))(3.0).item() == 2.0


def test_trees_of_several_dtypes_keep_their_own() -> None:
    def body(c: Any, x: Any) -> Any:
        c = {"a": c["a"] + x["u"], "b": (c["b"][0] * fl.astype(x["v"], np.float32), c["b"][1] + x["n"])}
        return c, (c["a"], {"n": c["b"][1], "b": c["b"][0].sum()})

    xs = {"u": XS[:, 0], "v": XS, "n": np.arange(5)}
    start = {"a": np.float64(1), "b": (np.ones(3, np.float32), np.zeros((), np.int64))}
    loss = lambda c, xs: fl.astype(fl.scan(body, c, xs)[1][1]["b"], np.float64).sum()  # noqa: E731
    (last, ys), (planned, _) = fl.scan(body, start, xs), fl.jit(lambda c, xs: fl.scan(body, c, xs))(start, xs)
    assert last["b"][1].item() == planned["b"][1].item() == 10
    assert (ys[0].dtype, ys[1]["n"].dtype, ys[1]["b"].dtype) == (np.float64, np.int64, np.float32)
    product = np.cumprod(XS.astype(np.float32), 0)
    np.testing.assert_array_equal(np.asarray(ys[1]["b"]), [fl.sum(row).item() for row in product])
    floats = {"b": np.ones(3, np.float32)}
    g = fl.grad(lambda p: loss({**start, "b": (p["b"], start["b"][1])}, xs))(floats)["b"]
    np.testing.assert_allclose(np.asarray(g), product.sum(0), rtol=1e-5)


def test_memory_order_does_not_matter() -> None:
    f, orders = recurrent(fl.scan), (np.ascontiguousarray, np.asfortranarray, lambda x: np.repeat(x, 2, 0)[::2])
    for order in orders:
        assert f(order(W), order(C), order(XS)).item() == f(W, C, XS).item()
    moved = fl.jit(lambda w, c, xs: f(w.T, c[::-1], xs[::-1]))  # views: inside a plan their memory is another's
    assert moved(W, C, XS).item() == f(W.T.copy(), C[::-1].copy(), XS[::-1].copy()).item()


def test_loops_in_loops() -> None:
    def outer(scan: Any) -> Any:
        def loss(w: Any, c: Any, xs: Any) -> Any:
            def row(c: Any, x: Any) -> Any:
                inner, ys = scan(lambda d, i: (fl.sin(d @ w) + x * i, d.sum()), c, np.arange(3.0))
                return inner * fl.exp(-x), ys

            last, ys = scan(row, c, xs)
            return (last * last).sum() + (ys * ys).sum()

        return loss

    assert fl.jit(outer(fl.scan))(W, C, XS).item() == outer(unrolled)(W, C, XS).item()
    assert_close(fl.jit(all_grads(outer(fl.scan)))(W, C, XS), all_grads(outer(unrolled))(W, C, XS), 1e-12)
    second = [all_grads(squared_grads(outer(scan))) for scan in (fl.scan, unrolled)]
    assert_close(second[0](W, C, XS), second[1](W, C, XS), 1e-10)
    assert fl.jit(outer(fl.scan)).plan(W, C, XS).steps < 8


def test_one_body_may_stand_in_many_places() -> None:
    def body(c: Any, x: Any) -> Any:
        return fl.tanh(c @ W + x), c.sum()

    def loss(scan: Any) -> Any:
        def twice(_: Any, c: Any, xs: Any) -> Any:
            first, ys = scan(body, c, xs)
            last, zs = scan(body, first * 2.0, xs[::-1])
            outer, _ = scan(lambda c, x: (scan(body, c, xs)[0] * x, c), last, xs)
            return (outer * first).sum() + (ys * zs).sum()

        return twice

    assert fl.jit(loss(fl.scan))(W, C, XS).item() == loss(unrolled)(W, C, XS).item()
    assert_close(fl.jit(all_grads(loss(fl.scan)))(W, C, XS), all_grads(loss(unrolled))(W, C, XS), 1e-13)


def test_what_is_cut_off_in_the_body_stays_cut_off() -> None:
    def loss(scan: Any) -> Any:
        def body(c: Any, x: Any) -> Any:
            with fl.no_grad():
                scale = fl.exp(-c * x)
            return c * fl.stop_gradient(c) + scale * x, fl.stop_gradient(c) * x

        return lambda _, c, x: (lambda out: out[0].sum() + out[1].sum())(scan(body, c, x))

    assert_equal(all_grads(loss(fl.scan))(W, C, XS), all_grads(loss(unrolled))(W, C, XS))
    assert np.abs(np.asarray(all_grads(loss(fl.scan))(W, C, XS)[1])).max() > 0


def test_derivatives_inside_the_body_are_differentiated_again() -> None:
    def descent(scan: Any) -> Any:
        def loss(w: Any, c: Any, xs: Any) -> Any:
            energy = lambda p, x: (fl.tanh(p @ w) * x).sum()  # noqa: E731
            last, _ = scan(lambda p, x: (p - 0.1 * fl.grad(energy)(p, x), p), c, xs)
            return (last * last).sum()

        return loss

    assert_close(all_grads(descent(fl.scan))(W, C, XS), all_grads(descent(unrolled))(W, C, XS), 1e-13)
    assert_close(fl.jit(all_grads(descent(fl.scan)))(W, C, XS), all_grads(descent(unrolled))(W, C, XS), 1e-13)


@pytest.mark.parametrize("length", [10, 1000])
def test_the_plan_of_a_gradient_does_not_grow_with_the_length(length: int) -> None:
    xs = RNG.normal(size=(length, 3))
    plan = fl.jit(fl.grad(recurrent(fl.scan))).plan(W, C, xs)
    assert plan.steps == 4
    rows = 5 * 8 * length * 3  # xs and ys, their gradients, and the carries
    assert plan.arena_bytes < rows + 4096
    assert f"{length} x " in str(plan)


def test_arrays_closed_over_are_read_at_each_run() -> None:
    table = np.ones(3)
    f = fl.jit(lambda c: fl.scan(lambda c, x: (c + table, None), c, length=4)[0])
    assert f(np.zeros(3)).tolist() == [4, 4, 4]
    table[1] = 2
    assert f(np.zeros(3)).tolist() == [4, 8, 4]
    assert f.traces == 1


def test_a_traced_body_is_kept_for_the_next_call() -> None:
    traced = itertools.count()

    def body(c: Any, x: Any) -> Any:
        next(traced)
        return c + x, c

    for scale in (1.0, 2.0, 3.0):
        assert fl.scan(body, np.float64(scale), scale * XS[:, 0])[1].shape == (5,)
    assert next(traced) == 1


def test_values_cannot_be_read_in_the_body() -> None:
    with pytest.raises(fl.TraceError, match=r"use fl\.where instead of if"):
        fl.scan(lambda c, x: (c if x.sum() > 0 else -c, None), C, XS)
    kept: list[Any] = []
    fl.scan(lambda c, x: (c, kept.append(c * 2)), C, XS)
    with pytest.raises(fl.TraceError, match="a value of a finished trace"):
        fl.scan(lambda c, x: (c + kept[0], None), C, XS)


def test_dropout_and_running_statistics_are_refused() -> None:
    drop, norm = fl.nn.Dropout(0.5), fl.nn.BatchNorm1d(3)
    for layer in (drop, norm):
        for wrap in (lambda f: f, fl.jit):
            with pytest.raises(fl.TraceError, match="dropout and running statistics"):
                wrap(lambda c, layer=layer: fl.scan(lambda c, x: (layer(c), None), c, length=2))(
                    np.ones((4, 3), np.float32)
                )


def test_an_update_under_a_derivative_is_run_step_by_step_and_refused_in_plans() -> None:
    def hyper(lr: Any) -> Any:
        opt = fl.optim.SGD(lr)
        step = lambda c, x: (opt.update(x, c[1], c[0]), None)  # noqa: E731
        return fl.scan(step, (C, opt.init(C)), XS)[0][0].sum()

    total = np.asarray(XS).sum()
    np.testing.assert_allclose(fl.grad(hyper)(np.float64(0.1)), -total, rtol=1e-13)
    with pytest.raises(fl.TraceError, match=r"in Python instead of fl\.scan"):
        fl.jit(fl.grad(hyper))(np.float64(0.1))


def test_a_carry_that_changes_is_told_inside_plans_too() -> None:
    with pytest.raises(fl.ShapeError, match="must keep its shapes and dtypes"):
        fl.jit(fl.grad(lambda c: fl.scan(lambda c, x: (fl.stack([c, c]), None), c, length=2)[0].sum()))(C)


def test_a_write_before_the_way_back_is_told() -> None:
    table, xs = fl.asarray(np.ones(3)), fl.asarray(XS.copy())
    for written in (table, xs):
        c = fl.asarray(C, requires_grad=True)
        last, _ = fl.scan(lambda c, x: (c * table * x, None), c, xs)
        written[0] = 2.0
        with pytest.raises(fl.TapeError, match="was written to after it was recorded"):
            last.sum().backward()


def test_plans_gather_only_what_somebody_reads() -> None:
    def inner(w: Any, c: Any) -> Any:
        return fl.scan(lambda c, i: (fl.tanh(c @ w) * i, fl.exp(c)), c, np.arange(100.0))

    small, large = (
        fl.jit(lambda w, c, xs, k=k: fl.scan(lambda c, x: (inner(w, c)[k].sum() + x, None), c, xs)[0]).plan(W, C, XS)
        for k in (0, 1)
    )
    assert large.arena_bytes - small.arena_bytes >= 8 * 100 * 3
    second = fl.jit(all_grads(squared_grads(recurrent(fl.scan)))).plan(W, C, RNG.normal(size=(1000, 3)))
    # per step 9 rows of 3 and 4 numbers at most; the growing sums for w, 9 numbers, are not kept for each step
    assert second.arena_bytes < 8 * 1000 * (9 * 3 + 4)


@pytest.mark.parametrize("nested", [False, True])
def test_ctrl_c_ends_a_long_loop(nested: bool) -> None:
    body = lambda c, x: (fl.sin(c), None)  # noqa: E731
    inner = lambda c, x: fl.scan(body, c, length=50)  # noqa: E731
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            fl.scan(inner if nested else body, C, length=10**9)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_threads_may_share_a_body() -> None:
    body = lambda c, x: (fl.tanh(c @ W + x), c.sum())  # noqa: E731
    wrong: list[int] = []

    def work(seed: int) -> None:
        c, xs = np.full(3, seed / 10), np.random.default_rng(seed).normal(size=(200, 3))
        wanted = unrolled(body, c, xs)
        for _ in range(20):
            found = fl.scan(body, c, xs)
            if not all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(found, wanted, strict=True)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 3, 40])
def test_carries_in_any_order_of_memory(n: int, length: int) -> None:
    c = fl.asarray(np.random.default_rng(n).normal(size=(n, n)).astype(np.float32))
    w = fl.asarray(np.random.default_rng(1).normal(size=(n, n)).astype(np.float32) * 0.3)
    bodies = [
        lambda c, _: ((c * 0.5).T, None),
        lambda c, _: (fl.tanh(c.T), None),
        lambda c, _: (fl.exp(c * 0.1)[::-1], None),
        lambda c, _: (fl.exp(c * 0.1)[:, ::-1], None),
        lambda c, _: (fl.tanh(w @ c.T), None),
        lambda c, _: ((c.reshape(-1) * 0.5).reshape(n, n).T, None),
    ]
    for body in bodies:
        expected = c
        for _ in range(length):
            expected, _ = body(expected, None)
        found = fl.scan(body, c, length=length)[0]
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))

        def last(c: Any, body: Any = body) -> Any:
            for _ in range(length):
                c, _ = body(c, None)
            return (c * c).sum()

        gradient = fl.grad(lambda c, body=body: (fl.scan(body, c, length=length)[0] ** 2).sum())(c)
        np.testing.assert_allclose(np.asarray(gradient), np.asarray(fl.grad(last)(c)), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_a_long_scan_keeps_the_root_of_its_carries() -> None:
    """Of 400 carries of 1 MB, which take 420 MB, some 40; and the derivative is that of the whole."""
    script = """
import sys
import numpy as np, fallline as fl
from fallline.transforms import _scan
_scan._KEPT = int(sys.argv[1])
w = np.linspace(0.5, 1.0, 262144, dtype=np.float32)
xs = np.linspace(0.9, 1.0, 407, dtype=np.float32)
f = lambda w: fl.scan(lambda c, x: (fl.sin(c) * x, c[:2]), w, xs)
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before = peak()
g = fl.grad(lambda w: f(w)[0].sum())(w)
print(peak() - before, repr(float(np.asarray(g).sum())))
"""
    found = {}
    for kept in (2**26, 2**40):
        done = subprocess.run([sys.executable, "-c", script, str(kept)], capture_output=True, text=True, check=True)
        memory, total = done.stdout.split()
        found[kept] = int(memory) * 1024, float(total)
    assert found[2**40][0] > 350e6  # what it would be
    assert found[2**26][0] < 150e6
    assert found[2**26][1] == pytest.approx(found[2**40][1], rel=1e-6)


def test_a_scan_in_pieces_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    w, c, xs = rng.normal(size=3), rng.normal(size=3), {"a": rng.normal(size=(23, 3)), "b": rng.normal(size=23)}

    def f(w: Any, c: Any, xs: Any) -> Any:
        step = lambda c, x: ({"c": fl.tanh(c["c"] * w + x["a"])}, (c["c"] * x["b"], x["b"]))  # noqa: E731
        last, (ys, bs) = fl.scan(step, {"c": c}, xs)
        return (last["c"] ** 2).sum() + (ys * ys).sum() + bs.sum()

    whole = [fl.grad(f, argnums=(0, 1, 2))(w, c, xs), fl.hessian(f)(w, c, xs)]
    monkeypatch.setattr("fallline.transforms._scan._KEPT", 0)
    pieces = [fl.grad(f, argnums=(0, 1, 2))(w, c, xs), fl.hessian(f)(w, c, xs)]
    for a, b in zip(fl.tree.flatten(pieces).values(), fl.tree.flatten(whole).values(), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)
