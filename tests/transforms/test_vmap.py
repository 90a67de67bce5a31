"""A batch at once gives what a Python loop over its examples gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.nn.losses import cross_entropy

RNG = np.random.default_rng(0)
B = 3


def normal(*shape: int) -> Any:
    return fl.asarray(RNG.normal(size=shape))


def whole(high: int, *shape: int) -> Any:
    return fl.asarray(RNG.integers(0, high, shape))


def soft(x: Any, t: Any) -> Any:
    return cross_entropy(x, fl.softmax(t))


def loop(carry: Any, xs: Any) -> Any:
    return fl.scan(lambda c, x: (fl.tanh(c + x), c * x), carry, xs)


# What is called, and arguments of one example; every row of the primitives that can be traced is in some of them.
ROWS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "unary": (lambda x: fl.tanh(fl.sqrt(fl.abs(x))), [normal(2, 3)]),
    "binary": (lambda x, y: x * y + y / (1.0 + x * x), [normal(2, 3), normal(3)]),
    "a number and an array": (lambda x, y: fl.maximum(x, y) - y, [normal(), normal(2, 3)]),
    "remainder": (lambda x, y: x % y, [normal(2, 3), normal(3)]),
    "integers": (lambda x, y: (x * y) // 3, [whole(9, 2, 3), whole(9, 3)]),
    "comparison": (lambda x, y: fl.where(x > y, x, y * 2.0), [normal(2, 3), normal()]),
    "test": (lambda x: fl.isfinite(x / 0.0), [normal(2)]),
    "cast": (lambda x: x.astype("float32"), [normal(2)]),
    "copy": (lambda x: x.T.copy(), [normal(2, 3)]),
    "reshape": (lambda x: x.T.reshape(-1), [normal(2, 3)]),
    "transpose": (lambda x: fl.permute_dims(x, (2, 0, 1)), [normal(2, 3, 4)]),
    "broadcast": (lambda x: fl.broadcast_to(x, (2, 4, 3)), [normal(4, 1)]),
    "slice": (lambda x: x[::-1, 1:], [normal(3, 4)]),
    "take": (lambda x, i: fl.take(x, i, axis=1), [normal(2, 5, 3), whole(5, 4)]),
    "concatenate": (lambda x, y: fl.concat([x, y], axis=1), [normal(2, 3), normal(2, 1)]),
    "sum": (lambda x: x.sum(axis=1, keepdims=True), [normal(2, 3)]),
    "max": (lambda x: (x.max(axis=0), x.min(), x.argmax(axis=1)), [normal(2, 3)]),
    "logsumexp": (lambda x: fl.logsumexp(x, axis=0), [normal(2, 3)]),
    "matmul": (lambda x, y: x @ y, [normal(2, 3), normal(3, 4)]),
    "matmul of batches": (lambda x, y: x @ y, [normal(5, 1, 2, 3), normal(4, 3, 2)]),
    "matmul of vectors": (lambda x, y: (x @ y, x @ fl.sin(x)), [normal(3), normal(3, 4)]),
    "outer": (lambda x, y: x @ y, [normal(3, 1), normal(1, 4)]),
    "linear": (fl.linear, [normal(4, 3), normal(2, 3), normal(2)]),
    "conv2d": (
        lambda x, w, b: fl.conv2d(x, w, b, stride=2, padding=1, groups=2),
        [normal(2, 4, 5, 6), normal(6, 2, 3, 3), normal(6)],
    ),
    "max_pool2d": (lambda x: fl.max_pool2d(x, 2), [normal(2, 3, 4, 4)]),
    "avg_pool2d": (lambda x: fl.avg_pool2d(x, 3, stride=1, padding=1), [normal(2, 3, 4, 4)]),
    "softmax": (lambda x: (fl.softmax(x), fl.log_softmax(x, axis=0)), [normal(2, 3)]),
    "cross entropy": (lambda x, y: cross_entropy(x, y), [normal(4, 3), whole(3, 4)]),
    "cross entropy of shares": (soft, [normal(4, 3), normal(4, 3)]),
    "scan": (loop, [normal(3), normal(4, 3)]),
    "checkpoint": (fl.checkpoint(lambda x, y: fl.sin(x) * y), [normal(3), normal(3)]),
    "jit": (fl.jit(lambda x, y: fl.sin(x) @ y), [normal(3), normal(3)]),
    "update": (
        lambda w, g, lr: fl.optim.Momentum(lr).update(g, fl.optim.Momentum(lr).init(w), w)[0],
        [normal(4), normal(4), fl.asarray(np.array(0.1))],
    ),
}
MASKS = [mask for n in (1, 2, 3) for mask in np.ndindex(*(2,) * n) if any(mask)]
CASES = [(name, mask) for name, (_, args) in ROWS.items() for mask in MASKS if len(mask) == len(args)]


def many(x: Any) -> Any:
    """Other examples of the same shape and kind."""
    values = np.asarray(x)
    return fl.asarray(
        np.stack([np.roll(values, i) if values.dtype.kind in "iu" else values * (i + 1) for i in range(B)])
    )


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in fl.tree.flatten(tree).values()]


def assert_is_loop(f: Callable[..., Any], args: list[Any], mask: tuple[int, ...]) -> None:
    given = [many(a) if m else a for a, m in zip(args, mask, strict=True)]
    mapped = fl.vmap(f, in_axes=tuple(0 if m else None for m in mask))
    each = [f(*(a[i] if m else a for a, m in zip(given, mask, strict=True))) for i in range(B)]
    expected = [np.stack(column) for column in zip(*map(leaves, each), strict=True)]
    for call in (mapped, fl.jit(mapped)):
        for found, wanted in zip(leaves(call(*given)), expected, strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


def differentiable(args: list[Any]) -> tuple[int, ...]:
    return tuple(i for i, a in enumerate(args) if a.dtype.kind == "f")


def scalar(f: Callable[..., Any]) -> Callable[..., Any]:
    def total(*args: Any) -> Any:
        parts = [leaf for leaf in fl.tree.flatten(f(*args)).values() if leaf.dtype.kind == "f"]
        return sum(fl.sin(fl.cos(part)).sum() for part in parts)

    return total


@pytest.mark.parametrize(("name", "mask"), CASES, ids=str)
def test_a_batch_is_a_loop(name: str, mask: tuple[int, ...]) -> None:
    f, args = ROWS[name]
    assert_is_loop(f, args, mask)


@pytest.mark.parametrize(("name", "mask"), CASES, ids=str)
def test_gradients_of_examples_are_a_loop(name: str, mask: tuple[int, ...]) -> None:
    f, args = ROWS[name]
    if name in ("integers", "test"):
        return
    gradient = fl.grad(scalar(f), argnums=differentiable(args), unused="zero")
    assert_is_loop(gradient, args, mask)
    second = fl.grad(scalar(gradient), argnums=differentiable(args), unused="zero")
    assert_is_loop(second, args, mask)


@pytest.mark.parametrize(("name", "mask"), CASES, ids=str)
def test_the_derivative_of_a_batch_is_that_of_the_loop(name: str, mask: tuple[int, ...]) -> None:
    f, args = ROWS[name]
    if name in ("integers", "test"):
        return
    given = [many(a) if m else a for a, m in zip(args, mask, strict=True)]
    mapped = fl.vmap(scalar(f), in_axes=tuple(0 if m else None for m in mask))

    def by_loop(*given: Any) -> Any:
        return sum(scalar(f)(*(a[i] if m else a for a, m in zip(given, mask, strict=True))) for i in range(B))

    places = differentiable(args)
    found = fl.grad(lambda *a: mapped(*a).sum(), places, unused="zero")(*given)
    for a, b in zip(found, fl.grad(by_loop, places, unused="zero")(*given), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ROWS)
def test_batches_of_batches_are_loops(name: str) -> None:
    f, args = ROWS[name]
    rest = (None,) * (len(args) - 1)
    assert_is_loop(fl.vmap(f, in_axes=(0, *rest)), [many(args[0]), *args[1:]], (1, *(1 for _ in rest)))


def network(p: Any, x: Any, y: Any) -> Any:
    return cross_entropy(fl.relu(x @ p["w"].T + p["b"]) @ p["v"].T, y)


def test_the_steps_of_a_plan_do_not_grow_with_the_batch() -> None:
    p = {"w": normal(16, 8), "b": normal(16), "v": normal(4, 16)}
    each = fl.jit(fl.vmap(fl.grad(lambda p, x, y: network(p, x[None], y[None])), in_axes=(None, 0, 0)))
    steps = {n: each.plan(p, normal(n, 8), whole(4, n)).steps for n in (2, 64)}
    assert steps[2] == steps[64]
    x, y = normal(64, 8), whole(4, 64)
    whole_batch = fl.grad(network)(p, x, y)
    for name, g in each(p, x, y).items():
        assert g.shape == (64, *p[name].shape)
        np.testing.assert_allclose(np.asarray(g).mean(0), np.asarray(whole_batch[name]), rtol=1e-10, atol=1e-12)


def test_examples_of_a_module() -> None:
    model = fl.nn.Sequential(fl.nn.Linear(5, 4), fl.nn.Tanh(), fl.nn.Linear(4, 3))
    x, y = normal(6, 5).astype("float32"), whole(3, 6)

    def loss(m: Any, x: Any, y: Any) -> Any:
        return cross_entropy(m(x[None]), y[None])

    found = fl.vmap(fl.grad(loss), in_axes=(None, 0, 0))(model, x, y)
    assert list(found) == list(model.parameters())
    for i in range(6):
        for name, g in fl.grad(loss)(model, x[i], y[i]).items():
            np.testing.assert_allclose(np.asarray(found[name][i]), np.asarray(g), rtol=1e-5, atol=1e-6)


def test_axes_of_arguments_and_results() -> None:
    x, y = normal(4, 2, 3), normal(2, 3, 4)
    found = fl.vmap(
        lambda t: {"sum": t["x"] + t["y"], "last": t["x"] * 2.0},
        in_axes=({"x": 0, "y": -1},),
        out_axes={"sum": 1, "last": -1},
    )({"x": x, "y": y})
    np.testing.assert_array_equal(found["sum"], np.moveaxis(np.asarray(x) + np.moveaxis(np.asarray(y), -1, 0), 0, 1))
    np.testing.assert_array_equal(found["last"], np.moveaxis(np.asarray(x) * 2.0, 0, -1))
    w = normal(3)
    both = fl.vmap(lambda x: (x + 1.0, w * 2.0), out_axes=(0, None))(x)
    assert both[1].shape == (3,)
    assert fl.vmap(lambda x: (x + 1.0, w * 2.0))(x)[1].shape == (4, 3)
    assert fl.vmap(lambda x: x @ w)(normal(0, 2, 3)).shape == (0, 2)


def test_what_a_function_takes_from_outside_is_differentiated() -> None:
    x, w = normal(5, 3), normal(3)

    def loss(w: Any) -> Any:
        return (fl.vmap(lambda row: fl.tanh(row @ w))(x) ** 2).sum()

    np.testing.assert_allclose(fl.grad(loss)(w), fl.grad(lambda w: (fl.tanh(x @ w) ** 2).sum())(w), rtol=1e-12)
    np.testing.assert_allclose(fl.jit(fl.hessian(loss))(w), fl.hessian(loss)(w), rtol=1e-12)
    rows = fl.vmap(fl.jacobian(lambda row: fl.sin(row) * w))(x)
    np.testing.assert_allclose(rows[2], np.diag(np.cos(np.asarray(x)[2]) * np.asarray(w)), rtol=1e-12, atol=1e-15)


def test_dropout_draws_for_each_example() -> None:
    drop = fl.nn.Dropout(0.5)
    drop.train()
    rows = np.asarray(fl.vmap(drop)(fl.ones((6, 64))))
    assert len({row.tobytes() for row in rows}) == 6
    assert set(np.unique(rows)) == {0.0, 2.0}
    planned = fl.jit(lambda x: fl.vmap(lambda row: fl.grad(lambda r: drop(r).sum())(row))(x))
    first, second = (np.asarray(planned(fl.ones((6, 64)))) for _ in range(2))
    assert (first != second).any()
    assert len({row.tobytes() for row in first}) == 6


def test_dropout_drops_what_its_derivative_drops_whatever_the_memory() -> None:
    drop = fl.nn.Dropout(0.5)
    drop.train()
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(drop(x.T))
        return (kept[0] * fl.asarray(np.arange(1.0, 13.0, dtype=np.float32).reshape(4, 3))).sum()

    g = np.asarray(fl.grad(f)(fl.ones((3, 4))))
    np.testing.assert_array_equal(g.T != 0, np.asarray(kept[0].detach()) != 0)


def test_errors_of_axes() -> None:
    f = fl.vmap(lambda x, y: x + y, in_axes=(0, None))
    x = normal(3, 2)
    with pytest.raises(ValueError, match=r"in_axes has 2 entries, but 1 arguments"):
        f(x)
    with pytest.raises(ValueError, match="no argument has an axis"):
        fl.vmap(lambda x: x, in_axes=None)(x)
    with pytest.raises(fl.ShapeError, match=r"different numbers of examples: \[2, 3\]"):
        fl.vmap(lambda x, y: x, in_axes=(0, 0))(x, normal(2))
    with pytest.raises(fl.ShapeError, match=r"axis 2 for an array of shape \(3, 2\)"):
        fl.vmap(lambda x: x, in_axes=2)(x)
    with pytest.raises(ValueError, match="out_axes says None for a result that depends"):
        fl.vmap(lambda x: x, out_axes=None)(x)
    with pytest.raises(ValueError, match="in_axes is built otherwise"):
        fl.vmap(lambda x: x, in_axes=({"a": 0},))({"b": x})
    with pytest.raises(ValueError, match="Linear is the same for all examples"):
        fl.vmap(lambda m, x: m(x))(fl.nn.Linear(2, 1), x)
    with pytest.raises(fl.TraceError, match="running statistics"):
        fl.vmap(fl.nn.BatchNorm1d(2))(normal(4, 3, 2).astype("float32"))
    with pytest.raises(TypeError, match=r"\[vmap\] expected a function"):
        fl.vmap(3)  # type: ignore[arg-type]
