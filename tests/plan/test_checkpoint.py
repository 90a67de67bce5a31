"""A checkpoint has the bits of its function and of its derivatives, and computes again what it does not keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.testing import check_grads

RNG = np.random.default_rng(0)
W, X = RNG.normal(size=(4, 4)) * 0.5, RNG.normal(size=(6, 4))


def block(x: Any, w: Any) -> Any:
    return fl.tanh(fl.sin(x @ w) * 1.5) + x


def chain(f: Any, n: int = 3) -> Any:
    def loss(x: Any, w: Any) -> Any:
        for _ in range(n):
            x = f(x, w)
        return (x * x).mean()

    return loss


def assert_equal(a: Any, b: Any) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.mark.parametrize("wrap", [lambda f: f, fl.jit], ids=["eager", "jit"])
def test_values_and_gradients_have_the_bits_of_the_function(wrap: Any) -> None:
    found = wrap(fl.value_and_grad(chain(fl.checkpoint(block)), (0, 1)))(X, W)
    wanted = fl.value_and_grad(chain(block), (0, 1))(X, W)
    assert found[0].item() == wanted[0].item() == wrap(chain(fl.checkpoint(block)))(X, W).item()
    assert_equal(found[1], wanted[1])


def test_derivatives_of_order_two() -> None:
    check_grads(chain(fl.checkpoint(block), 2), (X, W), order=2)
    second = [
        fl.grad(lambda x, w, f=f: (fl.grad(chain(f))(x, w) ** 2).sum(), (0, 1)) for f in (fl.checkpoint(block), block)
    ]
    for f in (second[0], fl.jit(second[0])):
        for a, b in zip(f(X, W), second[1](X, W), strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-15)


def test_what_it_closes_over_is_differentiated_and_keeps_its_leaves() -> None:
    w = fl.asarray(W, requires_grad=True)
    f = fl.checkpoint(lambda x: block(x, w))
    (f(f(X)) ** 2).mean().backward()
    np.testing.assert_array_equal(np.asarray(w.grad), np.asarray(fl.grad(chain(block, 2), 1)(X, W)))
    g = fl.jit(fl.grad(lambda w: chain(fl.checkpoint(lambda x, _: block(x, w)))(X, w)))
    np.testing.assert_array_equal(np.asarray(g(W)), np.asarray(fl.grad(chain(block), 1)(X, W)))


def test_trees_numbers_and_modules_are_taken() -> None:
    model = fl.nn.Sequential(fl.nn.Linear(4, 8), fl.nn.Tanh(), fl.nn.Linear(8, 4))
    x = X.astype(np.float32)

    def f(m: Any, batch: Any, power: int, *, scale: float) -> Any:
        y = m(batch["x"]) * scale
        return {"y": y**power, "rest": [batch["n"] + 1, power]}

    def loss(f: Any) -> Any:
        return lambda m: f(m, {"x": x, "n": np.arange(3)}, 2, scale=3.0)["y"].mean()

    out = fl.checkpoint(f)(model, {"x": x, "n": np.arange(3)}, 2, scale=3.0)
    assert out["rest"][0].tolist() == [1, 2, 3] and out["rest"][1] == 2
    wanted = fl.grad(loss(f))(model)
    for wrap in (lambda f: f, fl.jit):
        found = wrap(fl.grad(loss(fl.checkpoint(f))))(model)
        assert found.keys() == wanted.keys()
        assert_equal(found.values(), wanted.values())


def test_nothing_is_traced_where_nothing_is_recorded() -> None:
    with fl.no_grad():
        assert fl.checkpoint(lambda x: x if float(x.sum()) > 0 else -x)(fl.asarray([-1.0])).tolist() == [1.0]
    with pytest.raises(TypeError, match="expected a function"):
        fl.checkpoint(3)  # type: ignore[arg-type]


def test_checkpoints_and_scans_nest() -> None:
    def walk(scan_block: Any) -> Any:
        def loss(x: Any, w: Any) -> Any:
            last, ys = fl.scan(lambda c, i: (scan_block(c, w) * i, c.sum()), x, np.arange(1.0, 4.0))
            return (last * last).mean() + ys.sum()

        return loss

    inner = fl.checkpoint(lambda x, w: fl.checkpoint(block)(block(x, w), w))
    twice = lambda x, w: block(block(x, w), w)  # noqa: E731
    for f, g in (
        (walk(fl.checkpoint(block)), walk(block)),
        (fl.checkpoint(walk(block)), walk(block)),
        (chain(inner), chain(twice)),
    ):
        for wrap in (lambda f: f, fl.jit):
            for a, b in zip(wrap(fl.grad(f, (0, 1)))(X, W), fl.grad(g, (0, 1))(X, W), strict=True):
                np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-13, atol=1e-15)


def test_the_arena_of_a_deep_chain_is_smaller_and_the_way_back_computes_again() -> None:
    def deep(x: Any, w: Any) -> Any:
        for _ in range(4):
            x = block(x, w)
        return x

    x = RNG.normal(size=(64, 4))
    kept, again = (fl.jit(fl.grad(chain(f, 8), (0, 1))).plan(x, W) for f in (deep, fl.checkpoint(deep)))
    assert again.arena_bytes < kept.arena_bytes / 3
    assert str(again).count("call(") == 2 * 8
    assert again.steps < kept.steps


def test_dropout_drops_the_same_when_computed_again() -> None:
    drop, x = fl.nn.Dropout(0.5), np.ones((50, 4), np.float32)
    f = fl.checkpoint(lambda x: drop(x * 2.0))
    both = lambda x: (lambda y: (y.sum(), y))(f(x) + f(x * 1.0))  # noqa: E731
    for wrap in (lambda f: f, fl.jit):
        g = wrap(fl.value_and_grad(both, has_aux=True))
        (_, first), gradient = g(x)
        np.testing.assert_array_equal(np.asarray(gradient), np.asarray(first))  # y = x * gradient, x = 1
        assert set(np.unique(np.asarray(first))) == {0.0, 4.0, 8.0}  # two draws
        (_, second), _ = g(x)
        assert not np.array_equal(np.asarray(first), np.asarray(second))
    fl.random.seed(3)
    planned = fl.jit(fl.grad(lambda x: drop(x * 2.0).sum()))(x)
    fl.random.seed(3)
    np.testing.assert_array_equal(np.asarray(fl.jit(fl.grad(lambda x: f(x).sum()))(x)), np.asarray(planned))


def test_running_statistics_are_written_once() -> None:
    x = X.astype(np.float32)
    for wrap in (lambda f: f, fl.jit):
        ours, twin = fl.nn.BatchNorm1d(4), fl.nn.BatchNorm1d(4)
        f = fl.checkpoint(lambda x, ours=ours: ours(fl.tanh(x)))
        for scale in (1.0, 2.0):
            found = wrap(fl.grad(lambda x, f=f, ours=ours: (ours(f(x)) ** 3).sum()))(scale * x)
            wanted = fl.grad(lambda x, twin=twin: (twin(twin(fl.tanh(x))) ** 3).sum())(scale * x)
            np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), atol=2e-5)
        assert ours.num_batches_tracked.item() == 4
        for name, value in twin.state_dict().items():
            np.testing.assert_array_equal(np.asarray(ours.state_dict()[name]), np.asarray(value))


def test_training_with_a_checkpoint_gives_the_same_weights() -> None:
    class Net(fl.nn.Module):
        def __init__(self, again: bool) -> None:
            super().__init__()
            self.first, self.last = fl.nn.Linear(4, 16), fl.nn.Linear(16, 1)
            self.again = again

        def forward(self, x: Any) -> Any:
            hidden = lambda x: fl.tanh(self.first(x)) ** 2  # noqa: E731
            return self.last((fl.checkpoint(hidden) if self.again else hidden)(x))

    weights = []
    for again in (False, True):
        fl.random.seed(0)
        model = Net(again)
        fl.fit(model, X.astype(np.float32), X[:, :1].astype(np.float32), loss="mse", optimizer="adam", epochs=3)
        weights.append(model.state_dict().values())
    assert_equal(*weights)
