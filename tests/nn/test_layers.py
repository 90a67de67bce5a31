"""Layers: their formulas in NumPy, their derivatives, and PyTorch's values where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import _core, nn
from fallline.testing import check_grads, use_target
from fallline.transforms._effects import collecting

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)) * 3


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# Each activation: its module, its formula, the expression in PyTorch.
ACTIVATIONS: dict[str, tuple[Any, Any, str]] = {
    "relu": (nn.ReLU(), lambda x: np.maximum(x, 0), "ReLU()"),
    "tanh": (nn.Tanh(), np.tanh, "Tanh()"),
    "sigmoid": (nn.Sigmoid(), sigmoid, "Sigmoid()"),
    "gelu": (nn.GELU(), None, "GELU()"),
    "silu": (nn.SiLU(), lambda x: x * sigmoid(x), "SiLU()"),
    "softplus": (nn.Softplus(), lambda x: np.log1p(np.exp(x)), "Softplus()"),
    "leaky relu": (nn.LeakyReLU(0.1), lambda x: np.where(x > 0, x, 0.1 * x), "LeakyReLU(0.1)"),
    "elu": (nn.ELU(0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0))), "ELU(0.7)"),
    "softmax": (nn.Softmax(), softmax, "Softmax(-1)"),
    "softmax of columns": (nn.Softmax(0), lambda x: softmax(x, 0), "Softmax(0)"),
    "log softmax": (nn.LogSoftmax(), lambda x: np.log(softmax(x)), "LogSoftmax(-1)"),
    "identity": (nn.Identity(), lambda x: x, "Identity()"),
}


@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if row[1] is not None])
def test_activations_are_their_formulas(name: str) -> None:
    module, formula, _ = ACTIVATIONS[name]
    np.testing.assert_allclose(np.asarray(module(fl.asarray(X))), formula(X), rtol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_right_derivatives(name: str) -> None:
    check_grads(ACTIVATIONS[name][0], (X,), order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    module, _, theirs = ACTIVATIONS[name]
    x = torch.tensor(X, requires_grad=True)
    y = eval(f"torch.nn.{theirs}", {"torch": torch})(x)
    weights = RNG.normal(size=X.shape)
    (y * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(np.asarray(module(fl.asarray(X))), y.detach().numpy(), rtol=1e-12, atol=1e-14)
    g = fl.grad(lambda v: (module(v) * weights).sum())(X)
    np.testing.assert_allclose(np.asarray(g), x.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_is_stable_and_sums_to_one(name: str) -> None:
    for dtype in ("float32", "float64"):
        x = np.array([[1000.0, 0.0, -1000.0], [-1e30, -1e30, 0.0], [5.0, 5.0, 5.0]], dtype)
        y = np.asarray(getattr(fl, name)(x))
        assert np.isfinite(y[0]).all() and np.isfinite(y[2]).all()
        p = y if name == "softmax" else np.exp(y)
        np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    assert np.isnan(np.asarray(fl.softmax(np.array([1.0, np.nan])))).all()


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 16, 17, 33, 100, 1000])
def test_softmax_gives_the_bits_of_scalar_on_every_target(target: str, n: int) -> None:
    for dtype in ("float32", "float64"):
        x = RNG.normal(size=(6, n)).astype(dtype) * 4

        def run(x: np.ndarray = x) -> list[np.ndarray]:
            g = fl.grad(lambda v: (fl.softmax(v) ** 2).sum() + (fl.log_softmax(v) ** 2).sum())(x)
            return [np.asarray(a) for a in (fl.softmax(x), fl.log_softmax(x), g)]

        with use_target("scalar"):
            want = run()
        with use_target(target):
            got = run()
        np.testing.assert_allclose(got[0], softmax(x.astype(float)), rtol=1e-5 if dtype == "float32" else 1e-13)
        for a, b in zip(got, want, strict=True):
            if target == "sse4":
                np.testing.assert_allclose(a, b, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-6)
            else:
                assert a.tobytes() == b.tobytes()


# Linear


@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4), (0, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_maps_the_last_axis(shape: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(4, 3, bias, rng=fl.random.default_rng(0), dtype="float64", bias_init="ones")
    x = RNG.normal(size=shape)
    y = layer(x)
    np.testing.assert_allclose(np.asarray(y), x @ np.asarray(layer.weight).T + (1 if bias else 0), rtol=1e-12)
    assert layer.weight.shape == (3, 4)
    assert (layer.bias is None) != bias


def test_linear_has_right_derivatives() -> None:
    w, b = RNG.normal(size=(3, 4)), RNG.normal(size=3)
    check_grads(fl.linear, (X, w, b), order=2)
    check_grads(fl.linear, (X, w), order=2)
    check_grads(fl.linear, (X.reshape(5, 2, 2)[..., :1].repeat(4, -1), w, b), order=2)


def test_linear_refuses_what_does_not_fit() -> None:
    layer = nn.Linear(4, 3)
    with pytest.raises(fl.ShapeError, match=r"\[linear\].*\(5, 3\).*\(3, 4\)"):
        layer(np.ones((5, 3), np.float32))
    with pytest.raises(fl.ShapeError, match=r"\[linear\]"):
        layer(np.float32(1.0))
    with pytest.raises(fl.ShapeError, match="bias"):
        fl.linear(X, np.ones((3, 4)), np.ones(4))
    for sizes in ((0, 3), (3, -1)):
        with pytest.raises(ValueError, match="positive"):
            nn.Linear(*sizes)


def test_layers_take_the_default_dtype_and_a_generator() -> None:
    a, b = (nn.Linear(3, 2, rng=fl.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(np.asarray(a.weight), np.asarray(b.weight))
    assert a.weight.dtype == np.float32
    fl.set_default_dtype("float64")
    assert nn.Linear(3, 2).weight.dtype == nn.Linear(3, 2).bias.dtype == np.float64


def test_weights_of_pytorch_carry_over() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 2)).double()
    mine = nn.Sequential(nn.Linear(4, 8, dtype="float64"), nn.GELU(), nn.Linear(8, 2, dtype="float64"))
    mine.load_state_dict({name: value.detach().numpy() for name, value in theirs.state_dict().items()})
    np.testing.assert_allclose(np.asarray(mine(X)), theirs(torch.tensor(X)).detach().numpy(), rtol=1e-12)


# Flatten and dropout


def test_flatten_joins_axes() -> None:
    x = fl.zeros((2, 3, 4))
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0)(x).shape == (24,)
    assert nn.Flatten(2)(x).shape == (2, 3, 4)
    assert nn.Flatten()(fl.zeros((3, 1))).shape == (3, 1)


def test_dropout_drops_the_stated_share_and_keeps_the_mean() -> None:
    layer = nn.Dropout(0.3)
    x = np.ones((400, 500), np.float32)
    y = np.asarray(layer(fl.asarray(x)))
    values, counts = np.unique(y, return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.7], rtol=1e-6)
    assert abs(counts[0] / x.size - 0.3) < 5 * (0.21 / x.size) ** 0.5
    assert abs(y.mean() - 1) < 0.01
    assert not np.array_equal(y, np.asarray(layer(fl.asarray(x))))  # another draw
    layer.eval()
    np.testing.assert_array_equal(np.asarray(layer(fl.asarray(x))), x)
    for p in (-0.1, 1.0, 2.0):
        with pytest.raises(ValueError, match=r"\[0, 1\)"):
            nn.Dropout(p)


def test_dropout_depends_on_its_key_and_on_its_place_alone() -> None:
    def draw(key: int, step: int, dtype: str) -> list[np.ndarray]:
        with collecting(fl.asarray(np.array([key, step], np.uint64))):
            ones = fl.ones((50, 50), dtype=dtype)
            return [np.asarray(nn.Dropout(0.5)(ones)) != 0 for _ in range(2)]

    first, second = draw(1, 1, "float32")
    assert (first != second).any()
    again = draw(1, 1, "float64")
    np.testing.assert_array_equal(again[0], first)
    np.testing.assert_array_equal(again[1], second)
    assert (draw(1, 2, "float32")[0] != first).any()
    assert (draw(2, 1, "float32")[0] != first).any()


def test_dropped_elements_pass_no_gradient() -> None:
    key = fl.asarray(np.array([3, 4], np.uint64))

    def f(x: Any) -> Any:
        with collecting(key):
            return nn.Dropout(0.4)(x)

    np.testing.assert_array_equal(
        np.asarray(fl.grad(lambda x: f(x).sum())(np.ones(50))), np.asarray(f(fl.asarray(np.ones(50))))
    )
    check_grads(lambda x: f(x) ** 2, (X,), order=2)


def test_dense_layers_are_their_functions() -> None:
    f, x = fl.nn.functional, np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    layer, pair = fl.nn.Linear(3, 2), fl.nn.Bilinear(3, 3, 2)
    np.testing.assert_array_equal(f.linear(x, layer.weight, layer.bias), layer(x))
    expected = np.einsum("ni,oij,nj->no", x, np.asarray(pair.weight), x) + np.asarray(pair.bias)
    np.testing.assert_allclose(f.bilinear(x, x, pair.weight, pair.bias), expected, rtol=1e-4, atol=1e-5)
    assert set(np.asarray(f.dropout(np.ones(1000), 0.5)).tolist()) == {0.0, 2.0}
    np.testing.assert_array_equal(f.dropout(x, 0.5, training=False), x)
